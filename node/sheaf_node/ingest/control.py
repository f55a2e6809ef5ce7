"""Which control items are new and right: key operations, certificates, fork proofs.

They decide what entries mean, so they are synced first; anybody may bring them, so each is checked
down to keys that we hold, and what a stranger can make us keep is bounded.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from sheaf_node.store.state import is_lower
from sheaf_protocol.charter import found, read_charter
from sheaf_protocol.digest import short
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.fork import open_fork_proof, verify_fork_proof
from sheaf_protocol.identity import Inception, begin_history, decode_op, merge
from sheaf_protocol.log import unknown_writer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_node.ingest.quota import Meter
    from sheaf_node.store import State
    from sheaf_node.store.planned import Planned
    from sheaf_protocol.charter import Certificate, Federation
    from sheaf_protocol.digest import CoopId, Digest, FederationId
    from sheaf_protocol.fork import ForkProof
    from sheaf_protocol.identity import KeyHistory, KeyOp

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


def new_certificate(
    state: State,
    certificate: Certificate,
    key_logs: Mapping[CoopId, Sequence[KeyOp]],
    *,
    own: CoopId,
    most: int,
) -> dict[CoopId, KeyHistory] | None:
    """Return which key histories to store with a certificate, or None where it is held.

    It must be ours and signed by all founders; `key_logs` are those that came with it. Its key
    heads anchor the key logs that have them, which may undo an override held so far. Raises
    RemoteProtocolError `charter.not_ours`, and those of `found` and `new_history`.
    """
    if certificate.fid in state.certificates:
        return None
    members = read_charter(certificate).members
    if own not in {member.cid for member in members}:
        # Anybody can found a federation of made-up co-ops; only those we signed cost us room.
        raise RemoteProtocolError("charter.not_ours", f"expected {short(own)} among the members")
    changed = {}
    for member in members:
        runs = _runs(key_logs.get(member.cid, ()))
        history = new_history(state, member.cid, runs, most=most, anchor=member.key_head)
        if history is not None:
            changed[member.cid] = history
    refound(certificate, {**state.key_histories, **changed})
    return changed


def refound(certificate: Certificate, histories: Mapping[CoopId, KeyHistory]) -> Federation:
    """Return the federation of a certificate; raise as `found` does.

    Each founder's approval is judged by the branch that the certificate anchored, also where the
    key log was frozen since.
    """
    keys = {}
    for member in read_charter(certificate).members:
        history = histories.get(member.cid)
        if history is not None:
            ends = (end for end in history.ends if member.key_head in end.heads)
            keys[member.cid] = next(ends, history.state)
    return found(certificate, keys)


def is_new_fork_proof(
    planned: Planned,
    proof: ForkProof,
    federations: Mapping[FederationId, Federation],
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
    if header.fid not in federations:
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
