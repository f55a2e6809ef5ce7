"""Which control items are new and right: key operations, certificates, fork proofs.

They decide what entries mean, so they are synced first; anybody may bring them, so each is checked
down to keys that we hold, and what a stranger can make us keep is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from sheaf_node.ingest.progress import not_yet
from sheaf_node.store.state import is_lower
from sheaf_protocol.charter import Chain, read_charter
from sheaf_protocol.digest import short
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.fork import open_fork_proof, verify_fork_proof
from sheaf_protocol.identity import Inception, begin_history, decode_op, merge
from sheaf_protocol.log import unknown_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sheaf_node.ingest.belonging import Belonging
    from sheaf_node.ingest.quota import Meter
    from sheaf_node.store import State
    from sheaf_node.store.planned import Planned
    from sheaf_protocol.charter import Certificate, Charter, Federation, Member
    from sheaf_protocol.digest import CoopId, Digest, FederationId
    from sheaf_protocol.fork import ForkProof
    from sheaf_protocol.identity import KeyHistory, KeyLog, KeyOp

_MOST_RUNS: Final = 16
"""Runs of one key log taken at once: a peer holds two sides at most, and they may change while it
sends them. Each costs a replay of what comes before it."""


def new_history(
    state: State,
    cid: CoopId,
    runs: Sequence[Sequence[KeyOp]],
    *,
    most: int,
    anchor: Digest | None = None,
) -> KeyHistory | None:
    """Return a co-op's key history after these operations, or None where they change nothing.

    Each run is one that `merge` takes, so that a divided key log comes as two. `anchor` is a head
    that a certificate names which is not held yet. Raises RemoteProtocolError `key.*`:
    `key.wrong_coop` where the operations are another co-op's, `key.quota` (not yet) where `most`
    key logs are held already, and those of `merge`.
    """
    anchors = state.anchors_of(cid)
    if anchor is not None:
        anchors |= {anchor}
    held = history = state.key_histories.get(cid)
    # Without operations what is held is weighed anew: the anchor may be a new one.
    for run in runs or [()]:
        if history is not None:
            history = merge(history, run, anchors)
        elif run:
            history = _begun(state, cid, run, most=most)
    return None if history is held else history


def _runs(ops: Sequence[KeyOp]) -> list[Sequence[KeyOp]]:
    """Return operations cut wherever one does not follow on the one before it.

    So both sides of a divided key log may come as one. Raises RemoteProtocolError `key.fork`.
    """
    starts = [
        at
        for at, (before, op) in enumerate(pairwise(ops), start=1)
        if not isinstance(later := decode_op(op), Inception) and later.prev != before.id
    ]
    if len(starts) >= _MOST_RUNS:
        detail = f"expected at most {_MOST_RUNS} runs of one key log, got {len(starts) + 1}"
        raise RemoteProtocolError("key.fork", detail)
    edges = [0, *starts, len(ops)]
    return [ops[first:end] for first, end in pairwise(edges) if first < end]


def _begun(state: State, cid: CoopId, ops: Sequence[KeyOp], *, most: int) -> KeyHistory:
    if len(state.key_histories) >= most:
        detail = f"expected at most {most} key logs in this store"
        raise RemoteProtocolError("key.quota", detail, Fault.NOT_YET)
    history = begin_history(ops)
    if history.state.cid != cid:
        detail = f"expected the key log of {short(cid)}, got that of {short(history.state.cid)}"
        raise RemoteProtocolError("key.wrong_coop", detail)
    return history


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What a certificate changes: its federation's chain, and key logs that it anchors."""

    fid: FederationId
    before: Chain | None
    chain: Chain
    histories: Mapping[CoopId, KeyHistory]


def new_certificate(
    state: State,
    certificate: Certificate,
    key_logs: Mapping[CoopId, Sequence[KeyOp]],
    *,
    most: int,
    belonging: Belonging,
    is_wanted: bool,
) -> Taken | None:
    """Return what to store with a certificate of any epoch, or None where it is held.

    `key_logs` are those that came with it; a genesis that is not ours is kept only where it
    `is_wanted`. Key heads that it names anchor the key logs that have them, which may undo an
    override held so far; a late one changes no key log. Raises RemoteProtocolError
    `charter.not_ours`, not yet
    `charter.unknown_federation` and `charter.quota`, and those of `Chain.found`, `Chain.add` and
    `new_history`.
    """
    charter = read_charter(certificate)
    fid = certificate.fid if charter.fid is UNSET else charter.fid
    before = state.chains.get(fid)
    if before is None:
        if charter.fid is not UNSET:
            raise not_yet("charter.unknown_federation", f"the genesis of federation {short(fid)}")
        if not (is_wanted or fid in belonging.adopted or belonging.names_us(charter)):
            # Anybody can found a federation of made-up co-ops; only those we signed cost us room.
            raise RemoteProtocolError("charter.not_ours", "expected our co-op among the members")
    elif certificate.id in before.links:
        return None
    else:
        before.require_known(charter)  # before any signature: anybody can make up a predecessor
    changed = _anchored(state, charter, key_logs, most=most)
    keys = keys_named(charter, before, {**state.key_histories, **changed})
    chain = Chain.found(certificate, keys) if before is None else before.add(certificate, keys)
    belonging.require_room(state.chains, fid, chain)
    is_late = chain.links[certificate.id].is_late  # CHR-82: evidence, which anchors nothing
    return Taken(fid=fid, before=before, chain=chain, histories={} if is_late else changed)


def _anchored(
    state: State, charter: Charter, key_logs: Mapping[CoopId, Sequence[KeyOp]], *, most: int
) -> dict[CoopId, KeyHistory]:
    """Return the key histories that change by what came with a charter, or by its anchors."""
    changed = {}
    for member in charter.members:
        runs = _runs(key_logs.get(member.cid, ()))
        if not runs and member.key_head in state.anchors_of(member.cid):
            continue
        history = new_history(state, member.cid, runs, most=most, anchor=member.key_head)
        if history is not None:
            changed[member.cid] = history
    return changed


def keys_named(
    charter: Charter, before: Chain | None, histories: Mapping[CoopId, KeyHistory]
) -> dict[CoopId, KeyLog]:
    """Return the key logs that judge a certificate, each on the branch that it or its predecessor
    anchored, also where the key log was frozen since.
    """
    heads = {member.cid: member.key_head for member in _members_before(charter, before)}
    heads |= {member.cid: member.key_head for member in charter.members}
    keys = {}
    for cid, head in heads.items():
        history = histories.get(cid)
        if history is not None:
            ends = (end for end in history.ends if head in end.heads)
            keys[cid] = next(ends, history.state)
    return keys


def _members_before(charter: Charter, before: Chain | None) -> Sequence[Member]:
    link = None if before is None else before.links.get(charter.prev)
    return () if link is None else read_charter(link.certificate).members


def is_new_fork_proof(
    planned: Planned,
    proof: ForkProof,
    federation_of: Callable[[FederationId], Federation | None],
    meter: Meter,
) -> bool:
    """Return whether a fork proof is to be stored: valid, and the lowest so far of its log.

    Raises RemoteProtocolError `fork.*`, `log.*`, `env.*`; `charter.unknown_federation`,
    `key.unknown` (not yet) where the writer is not known here; `quota.author` (not yet) where no
    other log of its co-op is taken up.
    """
    state = planned.state
    if proof.id in state.fork_proofs:
        return False
    header = open_fork_proof(proof)
    if federation_of(header.fid) is None:
        detail = f"expected federation {short(header.fid)}"
        raise RemoteProtocolError("charter.unknown_federation", detail, Fault.NOT_YET)
    keys = state.key_logs.get(header.cid)
    if keys is None or header.wid not in keys.writers:
        raise unknown_writer(header)
    if not is_lower(proof, state.proof_of.get(header.log)):
        return False
    meter.require_log(planned, header)
    verify_fork_proof(proof)
    return True
