"""A co-op's key log: which installations write for it, and until where (spec 02, section 3).

The log begins with an inception whose hash is the co-op's id, so no directory is needed to check
it. Offline rotation keys sign the inception; the manager key, named there, delegates writer keys
and sealing prekeys and closes writers at a cut line. A cut is a place in the writer's log and not
a time, so every node voids the same entries whatever its clock says. The rotation keys take a
manager key away, the next keys replace the rotation keys, and guardians help one that lost both.

This file folds one path: each operation follows on the one before it. Which path counts where two
follow on one operation is said in `history`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from msgspec import UNSET

from sheaf_protocol.digest import CoopId, WriterId, digest, short
from sheaf_protocol.errors import Fault, LocalProtocolError, RemoteProtocolError
from sheaf_protocol.identity.authority import authority_of, signers_of
from sheaf_protocol.identity.keys import verify
from sheaf_protocol.identity.operation import (
    SIGNED_AS,
    Close,
    Delegate,
    Inception,
    Recover,
    Revoke,
    Rotate,
    decode_op,
)
from sheaf_protocol.identity.soundness import cuts_of, require_sound, require_valid_key
from sheaf_protocol.identity.state import KeyLog, Prekey, Writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sheaf_protocol.digest import FederationId
    from sheaf_protocol.identity.keys import PublicKey
    from sheaf_protocol.identity.operation import EndedWriter, KeyOp, Later
    from sheaf_protocol.identity.state import Cut


def fold_key_log(ops: Sequence[KeyOp]) -> KeyLog:
    """Return the state after all operations, first to last.

    Raises RemoteProtocolError `key.*` at the first operation that breaks a rule.
    """
    return append_all(begin_key_log(ops), ops[1:])


def append_all(state: KeyLog, ops: Iterable[KeyOp]) -> KeyLog:
    """Return the state after more operations; raises as `append_op` does."""
    for op in ops:
        state = append_op(state, op)
    return state


def append_op(state: KeyLog, op: KeyOp) -> KeyLog:
    """Return the state after one more operation.

    Raises LocalProtocolError `key.frozen`, and RemoteProtocolError: `key.gap` (not yet),
    `key.fork`, `key.signature`, `key.authority`, `key.not_committed`, `key.invalid`,
    `key.operation` (an operation this version does not know), `key.wrong_coop`, `key.reused`,
    `key.not_open`, `key.cuts`.
    """
    require_in_force(state)
    operation = _decode_later(op)
    # ENV-19: a fault of the bytes comes before a gap, which only time mends.
    require_sound(operation)
    _require_follows(state, operation)
    signers = signers_of(state, operation)
    _require_signatures(op, signers, len(signers))
    return _applied(state, op, operation)


def replay(state: KeyLog, ops: Iterable[KeyOp]) -> KeyLog:
    """Return the state after operations that were verified at this very place before.

    Signatures are the cost of a fold, and they do not change.
    """
    for op in ops:
        state = _applied(state, op, _decode_later(op))
    return state


def require_in_force(state: KeyLog) -> None:
    """Return if something can follow on a state, else raise LocalProtocolError `key.frozen`."""
    if state.is_frozen:
        detail = "expected one continuation; append to either side of the division"
        raise LocalProtocolError("key.frozen", detail)


def begin_key_log(ops: Sequence[KeyOp]) -> KeyLog:
    """Return the state after the first operation alone, which is an inception.

    Raises RemoteProtocolError `key.empty`, `key.no_inception`, `key.invalid`, `key.signature`.
    """
    if not ops:
        raise RemoteProtocolError("key.empty", "expected an inception, got no operation")
    op, operation = ops[0], decode_op(ops[0])
    if not isinstance(operation, Inception):
        raise RemoteProtocolError("key.no_inception", f"expected inception, got {operation.op}")
    require_sound(operation)
    _require_signatures(op, operation.rotation, operation.threshold)
    state = KeyLog(
        cid=CoopId(digest("coop", op.body)),
        inception=operation,
        heads=(op.id,),
        authorities=(authority_of(operation),),
        managers=(operation.manager,),
        rotation=operation.rotation,
        threshold=operation.threshold,
        next=operation.next,
    )
    state = _with_guardians(state, operation)
    _require_one_use(state)
    return state


def _decode_later(op: KeyOp) -> Later:
    operation = decode_op(op)
    if isinstance(operation, Inception):
        raise RemoteProtocolError("key.fork", "expected one inception, got a second")
    return operation


def _require_follows(state: KeyLog, operation: Later) -> None:
    if operation.cid != state.cid:
        raise RemoteProtocolError("key.wrong_coop", f"expected co-op {short(state.cid)}")
    if operation.seq > state.size:
        detail = f"expected operation {state.size}, got {operation.seq}"
        raise RemoteProtocolError("key.gap", detail, Fault.NOT_YET)
    if operation.seq < state.size or operation.prev != state.head:
        raise RemoteProtocolError("key.fork", f"expected operation {state.size} on our head")


def _require_signatures(op: KeyOp, allowed: Sequence[PublicKey], threshold: int) -> None:
    signers = {s.key for s in op.signatures if s.key in allowed}
    if len(signers) < threshold or len(signers) != len(op.signatures):
        detail = f"expected {threshold} of {len(allowed)} keys, got {len(signers)}"
        raise RemoteProtocolError("key.signature", detail)
    for s in op.signatures:
        if not verify(s.key, SIGNED_AS, op.body, s.signature):
            raise RemoteProtocolError("key.signature", f"invalid signature of {short(s.key)}")


def _applied(state: KeyLog, op: KeyOp, operation: Later) -> KeyLog:
    manager = state.manager if isinstance(operation, Delegate | Close) else operation.manager
    state = replace(
        state,
        heads=(*state.heads, op.id),
        authorities=(*state.authorities, authority_of(operation)),
        managers=(*state.managers, manager),
    )
    match operation:
        case Delegate():
            return _delegated(state, operation)
        case Close():
            return _closed(state, operation)
        case Revoke():
            state = _ended(state, operation.writers)
        case Recover() | Rotate():
            state = _ended(_rekeyed(state, operation), operation.writers)
        case _:
            assert_never(operation)
    _require_one_use(state)
    return state


def _delegated(state: KeyLog, op: Delegate) -> KeyLog:
    if op.key in _delegated_keys(state):
        raise RemoteProtocolError("key.reused", f"key {short(op.key)} was delegated before")
    if op.key in _office_keys(state):
        detail = f"expected a key without another use, got {short(op.key)}"
        raise RemoteProtocolError("key.invalid", detail)
    if op.role == "prekey":
        prekey = Prekey(key=op.key, expires_ms=op.expires_ms)
        return replace(state, prekeys=(*state.prekeys, prekey))
    wid = WriterId(op.key)
    writer = Writer(wid=wid, expires_ms=op.expires_ms, opened_at=state.size - 1)
    return replace(state, writers={**state.writers, wid: writer})


def _office_keys(state: KeyLog) -> list[PublicKey]:
    return [state.manager, *state.rotation, *state.guardians]


def _delegated_keys(state: KeyLog) -> set[bytes]:
    """Return the keys that were delegated or ended so far, in whichever role."""
    return {*state.writers, *(prekey.key for prekey in state.prekeys), *state.ended_prekeys}


def _require_one_use(state: KeyLog) -> None:
    # IDN-71: a key in two places is in two hands, and falls with either.
    keys = _office_keys(state)
    if len(set(keys)) != len(keys) or not _delegated_keys(state).isdisjoint(keys):
        detail = "expected manager, rotation, guardian and delegated keys to differ"
        raise RemoteProtocolError("key.invalid", detail)


def _closed(state: KeyLog, op: Close) -> KeyLog:
    wid = WriterId(op.key)
    writer = state.writers.get(wid)
    if writer is None or writer.is_closed:
        raise RemoteProtocolError("key.not_open", f"expected an open writer, got {short(wid)}")
    cuts = cuts_of(op.cuts)
    closed = replace(writer, is_closed=True, cuts=cuts, ended_at=state.size - 1)
    return replace(state, writers={**state.writers, wid: closed})


def _ended(state: KeyLog, ended: Sequence[EndedWriter]) -> KeyLog:
    """Return the state in which each key named has ended, whatever was known of it before."""
    writers = dict(state.writers)
    prekeys = {prekey.key for prekey in state.prekeys}
    for each in ended:
        wid = WriterId(each.key)
        if wid not in writers and each.key in prekeys | state.ended_prekeys:
            continue
        # IDN-38: one that only a side without effect delegated is adopted up to its cuts.
        require_valid_key(each.key)
        writers[wid] = _ended_writer(wid, writers.get(wid), cuts_of(each.cuts), state.size - 1)
    keys = {each.key for each in ended}
    return replace(
        state,
        writers=writers,
        prekeys=tuple(prekey for prekey in state.prekeys if prekey.key not in keys),
        ended_prekeys=state.ended_prekeys | (prekeys & keys),
    )


def _ended_writer(
    wid: WriterId, known: Writer | None, cuts: Mapping[FederationId, Cut], at: int
) -> Writer:
    """Return a writer that ends at operation `at`, or did before: then its cuts alone are new."""
    opened_at = at if known is None else known.opened_at
    ended_at = at if known is None or known.ended_at is None else known.ended_at
    return Writer(
        wid=wid,
        expires_ms=None,
        is_closed=True,
        cuts=cuts,
        opened_at=opened_at,
        ended_at=ended_at,
    )


def _rekeyed(state: KeyLog, op: Recover | Rotate) -> KeyLog:
    state = replace(state, rotation=op.rotation, threshold=op.threshold, next=op.next)
    return _with_guardians(state, op) if isinstance(op, Rotate) else state


def _with_guardians(state: KeyLog, op: Inception | Rotate) -> KeyLog:
    if op.guardians is UNSET or op.guardian_threshold is UNSET:
        return state
    return replace(state, guardians=op.guardians, guardian_threshold=op.guardian_threshold)
