"""Whether a certificate follows on its predecessor: judged by that one alone (spec chapter 09).

Members, keys and quorum are those that the predecessor names, and each key log counts up to the
operation that the certificate anchors. Nothing that is learned later, be it a fork, a revocation or
a closed writer, unsays a certificate; so nothing that was built upon one is ever undone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from sheaf_protocol.charter.approval import (
    certify_message,
    key_log_at,
    quorum,
    require_form,
    require_manager,
    require_writer,
)
from sheaf_protocol.charter.change import moved_heads, next_charter
from sheaf_protocol.charter.line import moved, require_lines
from sheaf_protocol.charter.model import read_charter
from sheaf_protocol.charter.roles import voters_of
from sheaf_protocol.charter.soundness import require_sound, require_sponsors
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import FederationId, short
from sheaf_protocol.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_protocol.charter.model import Approval, Certificate, Charter
    from sheaf_protocol.digest import CoopId, Digest
    from sheaf_protocol.identity import KeyLog


def judge(
    certificate: Certificate,
    before: Charter,
    before_id: Digest,
    keys: Mapping[CoopId, KeyLog],
) -> Charter:
    """Return the charter of a certificate that follows on one, each co-op's key log at hand.

    What a re-foundation refounds is the chain's to know. Raises RemoteProtocolError `charter.fid`,
    `charter.epoch`, `charter.prev`, `charter.approvals`, `charter.body`, `charter.refounding`,
    `charter.quorum`, `charter.heads`, `charter.signature`, those of `next_charter`, and not yet:
    `charter.unknown_member`, `charter.key_head`.
    """
    charter = read_charter(certificate)
    _require_place(certificate, charter, before, before_id)
    if charter.refounds is UNSET:
        require_form(certificate, by_writers=True)
        _require_made(certificate.body, charter, before, before_id)
    else:
        require_form(certificate, by_writers=False)
        _require_refounding(charter, before)
    approvals = _voters_approvals(certificate, before)
    _require_heads(charter, before, keys)
    _require_signatures(certificate, charter, before, approvals, keys)
    return charter


def fid_of(charter: Charter, id_: Digest) -> FederationId:
    """Return the federation of a charter and its certificate's id: for a genesis that id itself."""
    return FederationId(id_) if charter.fid is UNSET else charter.fid


def _require_place(
    certificate: Certificate, charter: Charter, before: Charter, before_id: Digest
) -> None:
    fid, expected = fid_of(charter, certificate.id), fid_of(before, before_id)
    if fid != expected:
        detail = f"expected federation {short(expected)}, got {short(fid)}"
        raise RemoteProtocolError("charter.fid", detail)
    if charter.epoch != before.epoch + 1:
        detail = f"expected epoch {before.epoch + 1}, got {charter.epoch}"
        raise RemoteProtocolError("charter.epoch", detail)
    if charter.prev != before_id:
        detail = f"expected predecessor {short(before_id)}, got {short(charter.prev)}"
        raise RemoteProtocolError("charter.prev", detail)


def _require_made(body: bytes, charter: Charter, before: Charter, before_id: Digest) -> None:
    """Return if a body is what its own change makes of the predecessor, byte for byte."""
    if charter.change is UNSET:
        raise RemoteProtocolError("charter.change", "expected a change, got none")
    expected = next_charter(
        before,
        before_id,
        fid_of(before, before_id),
        charter.change,
        ballot=charter.ballot,
        heads=moved_heads(before, charter, charter.change),
        lines=charter.lines,
    )
    if encode(expected) != body:
        detail = f"expected what {charter.change.action} makes of epoch {before.epoch}"
        raise RemoteProtocolError("charter.body", detail)


def _require_refounding(charter: Charter, before: Charter) -> None:
    """Return if a charter chooses members, policy and treaties anew, and nothing else."""
    refounds = [] if charter.refounds is UNSET else charter.refounds
    if refounds != sorted(set(refounds)):
        detail = "expected each certificate refounded once, in order of ids"
        raise RemoteProtocolError("charter.refounding", detail)
    if charter.ballot is not UNSET or charter.change is not UNSET:
        raise RemoteProtocolError("charter.refounding", "expected no ballot and no change")
    if (charter.name, charter.nonce) != (before.name, before.nonce):
        raise RemoteProtocolError("charter.refounding", "expected the name and nonce as they were")
    version = before.policy.version
    if charter.policy != before.policy:
        version += 1
    if charter.policy.version != version:
        detail = f"expected version {version} of the policy, got {charter.policy.version}"
        raise RemoteProtocolError("charter.policy", detail)
    require_sound(charter)
    require_sponsors(charter, {member.cid for member in charter.members})
    require_lines(charter.lines, moved(before, charter))


def _voters_approvals(certificate: Certificate, before: Charter) -> Sequence[Approval]:
    """Return the approvals of the predecessor's voters: at least a quorum; others do not count."""
    voters = set(voters_of(before))
    approvals = [approval for approval in certificate.approvals if approval.cid in voters]
    expected = quorum(len(voters), before.policy.certify)
    if len(approvals) < expected:
        detail = f"expected {expected} of {len(voters)} voters, got {len(approvals)}"
        raise RemoteProtocolError("charter.quorum", detail)
    return approvals


def _require_heads(charter: Charter, before: Charter, keys: Mapping[CoopId, KeyLog]) -> None:
    """Return if each key head that is new is held, and continues the one it takes the place of."""
    held = {member.cid: member.key_head for member in before.members}
    for member in charter.members:
        old = held.get(member.cid)
        if member.key_head == old:
            continue
        log = key_log_at(keys, member.cid, member.key_head)
        if old is not None and old not in log.heads[: log.heads.index(member.key_head)]:
            detail = f"expected a key head of {log.name} that continues {short(old)}"
            raise RemoteProtocolError("charter.heads", detail)


def _require_signatures(
    certificate: Certificate,
    charter: Charter,
    before: Charter,
    approvals: Sequence[Approval],
    keys: Mapping[CoopId, KeyLog],
) -> None:
    # Of who leaves, the key log counts up to where the predecessor anchored it.
    heads = {member.cid: member.key_head for member in (*before.members, *charter.members)}
    for approval in approvals:
        head = heads[approval.cid]
        log = key_log_at(keys, approval.cid, head)
        if certificate.round is UNSET:
            require_manager(certificate.body, log, head, approval.signature)
        else:
            message = certify_message(certificate.id, certificate.round)
            require_writer(message, log, head, approval)
