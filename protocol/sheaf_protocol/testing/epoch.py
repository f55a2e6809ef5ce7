"""Epochs for tests: certificates that the co-ops of a test really signed.

chain = Chain.found(make_federation([(hill, ["member"]), (dale, ["supplier"])]), keys)
chain = chain.add(make_epoch(chain.federation, admission(mill, ["carrier"]), coops), keys)
chain = chain.add(make_epoch(chain.federation, about("suspend", mill), coops, lines=[log]), keys)
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from msgspec import UNSET, structs

from sheaf_protocol.charter import (
    Certificate,
    Member,
    approve,
    approve_epoch,
    moved,
    next_charter,
    touched,
)
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import Digest, WriterId, digest
from sheaf_protocol.records.governance import Change, CoopLines, KeyHead, LogLine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from msgspec import UnsetType

    from sheaf_protocol.charter import Chain, Charter, Federation, Policy
    from sheaf_protocol.digest import CoopId
    from sheaf_protocol.identity import KeyLog
    from sheaf_protocol.records.governance import Action, Ballot, Role
    from sheaf_protocol.testing.author import LogAuthor, TestCoop


def about(action: Action, coop: TestCoop) -> Change:
    """Return the change that an action makes which has no other field than the co-op."""
    return Change(action=action, cid=coop.cid)


def admission(coop: TestCoop, roles: Sequence[Role], sponsor: TestCoop | None = None) -> Change:
    """Return the change that admits a co-op at the head of its key log."""
    return Change(
        action="admit",
        cid=coop.cid,
        key_head=coop.keys.head,
        roles=list(roles),
        sponsor=UNSET if sponsor is None else sponsor.cid,
    )


def keys_of(coops: Iterable[TestCoop]) -> Mapping[CoopId, KeyLog]:
    """Return the key logs of co-ops as they are."""
    return {coop.cid: coop.keys for coop in coops}


def make_epoch(
    federation: Federation,
    change: Change,
    signers: Iterable[TestCoop],
    *,
    round_: int = 0,
    ballot: Ballot | UnsetType = UNSET,
    heads: Iterable[TestCoop] = (),
    lines: Iterable[LogAuthor] = (),
) -> Certificate:
    """Return the certificate of a change, approved by the first writers of co-ops.

    `heads` are members whose key heads move on; `lines` the logs of co-ops that the change touches,
    each cut where its author is. A log that is not among them is cut before its first entry.
    """
    charter = next_charter(
        federation.charter,
        federation.id,
        federation.fid,
        change,
        ballot=ballot,
        heads=[KeyHead(cid=c.cid, key_head=c.keys.head) for c in sorted(heads, key=_cid)],
        lines=lines_of(touched(federation.charter, change), lines),
    )
    return sign_epoch(charter, signers, round_)


def sign_epoch(charter: Charter, signers: Iterable[TestCoop], round_: int = 0) -> Certificate:
    """Return a charter, right or wrong, as co-ops certify it with their first writers."""
    body = encode(charter)
    id_ = digest("federation", body)
    approvals = [approve_epoch(id_, round_, coop.cid, coop.writer) for coop in signers]
    return Certificate(approvals=approvals, body=body, round=round_)


def make_refounding(
    chain: Chain,
    signers: Iterable[TestCoop],
    *,
    members: Sequence[Member] | None = None,
    policy: Policy | None = None,
    lines: Iterable[LogAuthor] = (),
) -> Certificate:
    """Return the re-foundation of a forked chain, approved by co-ops' manager keys.

    A policy gets the next version; what is not given stays as it was before the fork.
    """
    before = chain.federation.charter
    if policy is not None:
        policy = structs.replace(policy, version=before.policy.version + 1)
    charter = structs.replace(
        before,
        ballot=UNSET,
        change=UNSET,
        epoch=before.epoch + 1,
        fid=chain.federation.fid,
        members=sorted(members or before.members, key=lambda member: member.cid),
        policy=policy or before.policy,
        prev=chain.federation.id,
        refounds=sorted(certificate.id for certificate in chain.fork),
    )
    cut = structs.replace(charter, lines=lines_of(moved(before, charter), lines))
    return sign_refounding(cut, signers)


def sign_refounding(charter: Charter, signers: Iterable[TestCoop]) -> Certificate:
    """Return a charter, right or wrong, as co-ops approve it with their manager keys."""
    body = encode(charter)
    approvals = [approve(body, coop.cid, coop.manager) for coop in signers]
    return Certificate(approvals=approvals, body=body)


def lines_of(cids: Sequence[CoopId], authors: Iterable[LogAuthor]) -> list[CoopLines]:
    """Return the lines of co-ops at the heads of these logs, an empty one left out."""
    written = [author for author in authors if author.head.seq > 0]
    ordered = sorted(written, key=lambda author: (author.cid, author.key.public))
    logs = {
        cid: [
            LogLine(
                head=Digest(author.head.id), seq=author.head.seq, wid=WriterId(author.key.public)
            )
            for author in each
        ]
        for cid, each in groupby(ordered, key=lambda author: author.cid)
    }
    return [CoopLines(cid=cid, logs=logs.get(cid, [])) for cid in cids]


def _cid(coop: TestCoop) -> CoopId:
    return coop.cid
