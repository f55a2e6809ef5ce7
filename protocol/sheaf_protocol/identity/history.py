"""Which of several continuations of a key log is in force (spec 02, section 3.3).

A stolen key signs beside its owner, so two operations may follow on one. No clock and no order of
arrival decides, for nodes agree on neither: the two sides of a division are compared from where
they part, and the greater authority wins. That is an order on paths (spec 02, section 7), so the
first of all paths seen is the same whatever came first, and a node need keep only that one. Where
its rivals are as strong as it, nothing after the division counts; then one rival is kept beside
it, for the proof that the log is frozen.

What was dropped is not missed, unless an anchor comes to name it later. Then the peers that hold
the certificate hold the operations too, and `merge` takes a path whole as well as its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sheaf_protocol.digest import short
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.identity.authority import ANCHORED, Authority
from sheaf_protocol.identity.keylog import append_all, begin_key_log, fold_key_log, replay
from sheaf_protocol.identity.operation import Inception, decode_op
from sheaf_protocol.identity.soundness import require_sound

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sheaf_protocol.digest import Digest
    from sheaf_protocol.identity.operation import KeyOp
    from sheaf_protocol.identity.state import KeyLog


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyHistory:
    """The best path of operations known, and the one that it is tied with where it is frozen."""

    path: tuple[KeyOp, ...]
    rival: tuple[KeyOp, ...] = ()
    """The whole tied path, from the inception on; empty unless frozen."""
    state: KeyLog
    """What is in force: all of the path, or what comes before the division that froze it."""
    ends: tuple[KeyLog, ...]
    """The states at the end of the path and of the rival: where a next operation can be signed."""


@dataclass(frozen=True, slots=True)
class _Side:
    """A path and the state at its end."""

    ops: tuple[KeyOp, ...]
    end: KeyLog

    @property
    def heads(self) -> tuple[Digest, ...]:
        return self.end.heads


def begin_history(ops: Sequence[KeyOp]) -> KeyHistory:
    """Return the history of one path that begins at an inception.

    Raises RemoteProtocolError as `fold_key_log` does.
    """
    end = fold_key_log(ops)
    return KeyHistory(path=tuple(ops), state=end, ends=(end,))


def merge(
    history: KeyHistory, ops: Sequence[KeyOp], anchors: Collection[Digest] = frozenset()
) -> KeyHistory:
    """Return the history after a run of operations, the same object where nothing changes.

    The run begins at the inception, or follows on any operation of the path or the rival; an empty
    one weighs anew what is held, for anchors that became known. Anchors are the ids of operations
    that certificates name as key heads. Nothing is kept of a run that breaks a rule.
    Raises RemoteProtocolError: `key.gap` (not yet) where the run attaches nowhere,
    `key.wrong_coop`, and those of `append_op`, `key.fork` only inside a run.
    """
    sides = [
        _Side(ops, end)
        for ops, end in zip((history.path, history.rival), history.ends, strict=False)
    ]
    if ops:
        sides.append(_attached(sides, ops))
    best, rival = _resolved(sides, anchors)
    if (best, rival) == (sides[0], sides[1] if history.rival else None):
        return history
    return _kept(best, rival)


def _attached(sides: Sequence[_Side], ops: Sequence[KeyOp]) -> _Side:
    """Return the whole path that a run makes, verifying only what no side holds."""
    first = decode_op(ops[0])
    cid = sides[0].end.cid
    if not isinstance(first, Inception):
        if first.cid != cid:
            raise RemoteProtocolError("key.wrong_coop", f"expected co-op {short(cid)}")
        require_sound(first)
        ops = (*_before(sides, first.prev), *ops)
    ids = tuple(op.id for op in ops)
    if ids[0] != sides[0].heads[0]:
        raise RemoteProtocolError("key.wrong_coop", f"expected co-op {short(cid)}")
    near = max(sides, key=lambda side: _common(side.heads, ids))
    at = _common(near.heads, ids)
    end = append_all(_state_at(near, at), ops[at:])
    return _Side((*near.ops[:at], *ops[at:]), end)


def _before(sides: Sequence[_Side], prev: Digest) -> tuple[KeyOp, ...]:
    for side in sides:
        if prev in side.heads:
            return side.ops[: side.heads.index(prev) + 1]
    detail = f"expected an operation on one we hold, got one on {short(prev)}"
    raise RemoteProtocolError("key.gap", detail, Fault.NOT_YET)


def _state_at(side: _Side, size: int) -> KeyLog:
    """Return the state after the first operations of a side."""
    if size == len(side.ops):
        return side.end
    return replay(begin_key_log(side.ops), side.ops[1:size])


def _common(left: Sequence[Digest], right: Sequence[Digest]) -> int:
    """Return how many operations two paths share: where they divide, or the shorter one ends."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(left), len(right)))


def _resolved(sides: Sequence[_Side], anchors: Collection[Digest]) -> tuple[_Side, _Side | None]:
    """Return the first of the sides, and the one it is tied with from the earliest place on."""
    best = sides[0]
    for side in sides[1:]:
        best = _first(best, side, anchors)
    rival, divided = None, best.end.size
    for side in sides:
        at = _common(best.heads, side.heads)
        if at == len(side.heads) or _strength(side, at, anchors) != _strength(best, at, anchors):
            continue
        if rival is None or at < divided:
            rival, divided = side, at
        elif at == divided:
            rival = _first(rival, side, anchors)
    return best, rival


def _first(one: _Side, other: _Side, anchors: Collection[Digest]) -> _Side:
    """Return which of two paths comes first in the order on paths; `one` where they are equal."""
    at = _common(one.heads, other.heads)
    if at in (len(one.heads), len(other.heads)):
        # IDN-40: a path that continues another takes nothing from it.
        return other if len(other.heads) > len(one.heads) else one
    left, right = _strength(one, at, anchors), _strength(other, at, anchors)
    if left == right:
        # Which of two tied sides is kept must not depend on which came first.
        return one if one.heads[at] < other.heads[at] else other
    return one if left > right else other


def _strength(side: _Side, start: int, anchors: Collection[Digest]) -> Authority:
    """Return the weight of a side from where it divides from another."""
    if any(head in anchors for head in side.heads[start:]):
        return ANCHORED
    authorities = side.end.authorities
    strongest = authorities[start]
    for authority in authorities[start:]:
        strongest = max(strongest, authority)
        # IDN-42: what follows is signed by keys of the side's own choice, and proves nothing.
        if authority.replaces_keys:
            break
    return strongest


def _kept(best: _Side, rival: _Side | None) -> KeyHistory:
    if rival is None:
        return KeyHistory(path=best.ops, state=best.end, ends=(best.end,))
    before = _state_at(best, _common(best.heads, rival.heads))
    return KeyHistory(
        path=best.ops, rival=rival.ops, state=before.frozen(), ends=(best.end, rival.end)
    )
