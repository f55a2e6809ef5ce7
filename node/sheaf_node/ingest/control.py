"""Which control items are new and right: key operations, certificates, fork proofs.

They decide what entries mean, so they are synced first; anybody may bring them, so each is checked
down to keys that we hold, and what a stranger can make us keep is bounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.store.state import header_of, is_lower
from sheaf_protocol.charter import found, read_charter
from sheaf_protocol.digest import short
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.identity import append_op, fold_key_log
from sheaf_protocol.log import unknown_writer, verify_fork_proof

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_node.store import State
    from sheaf_protocol.charter import Certificate, Federation
    from sheaf_protocol.digest import CoopId, FederationId
    from sheaf_protocol.identity import KeyOp
    from sheaf_protocol.log import ForkProof


def new_key_ops(
    state: State, cid: CoopId, ops: Sequence[KeyOp], *, most: int
) -> list[tuple[CoopId, KeyOp]]:
    """Return the operations that are not held yet, all of them valid.

    Raises RemoteProtocolError `key.*`: `key.wrong_coop` where they are another co-op's,
    `key.quota` (not yet) where `most` key logs are held already, and those of `append_op`.
    """
    held = {op.id for op in state.key_ops.get(cid, ())}
    new = [op for op in ops if op.id not in held]
    log = state.key_logs.get(cid)
    if new and log is None:
        if len(state.key_logs) >= most:
            detail = f"expected at most {most} key logs in this store"
            raise RemoteProtocolError("key.quota", detail, Fault.NOT_YET)
        log = fold_key_log(new)
        if log.cid != cid:
            detail = f"expected the key log of {short(cid)}, got that of {short(log.cid)}"
            raise RemoteProtocolError("key.wrong_coop", detail)
    elif log is not None:
        for op in new:
            log = append_op(log, op)
    return [(cid, op) for op in new]


def new_certificate(
    state: State,
    certificate: Certificate,
    key_logs: Mapping[CoopId, Sequence[KeyOp]],
    *,
    own: CoopId,
    most: int,
) -> list[tuple[CoopId, KeyOp]] | None:
    """Return which key operations to store with a certificate, or None where it is held.

    It must be ours and signed by all founders; `key_logs` are those that came with it. Raises
    RemoteProtocolError `charter.not_ours`, and those of `found` and `new_key_ops`.
    """
    if certificate.fid in state.certificates:
        return None
    members = {member.cid for member in read_charter(certificate).members}
    if own not in members:
        # Anybody can found a federation of made-up co-ops; only those we signed cost us room.
        raise RemoteProtocolError("charter.not_ours", f"expected {short(own)} among the members")
    brought = sorted(members & key_logs.keys() - state.key_logs.keys())
    ops = [op for cid in brought for op in new_key_ops(state, cid, key_logs[cid], most=most)]
    found(certificate, {**state.key_logs, **{cid: fold_key_log(key_logs[cid]) for cid in brought}})
    return ops


def is_new_fork_proof(
    state: State, proof: ForkProof, federations: Mapping[FederationId, Federation]
) -> bool:
    """Return whether a fork proof is to be stored: valid, and the lowest so far of its log.

    Raises RemoteProtocolError `fork.*`, `env.*`; `charter.unknown_federation`, `key.unknown` (not
    yet) where the writer is not known here.
    """
    if proof.id in state.fork_proofs:
        return False
    header = verify_fork_proof(proof)
    if header.fid not in federations:
        detail = f"expected federation {short(header.fid)}"
        raise RemoteProtocolError("charter.unknown_federation", detail, Fault.NOT_YET)
    keys = state.key_logs.get(header.cid)
    if keys is None or header.wid not in keys.writers:
        raise unknown_writer(header_of(proof.first.header))
    return is_lower(proof, state.proof_of.get(header.log))
