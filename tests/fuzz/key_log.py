"""Key logs: any tree of operations is judged alike, and weighed alike in any order (spec 02).

The input grows a tree: each step puts one operation on one that stands, mostly a right one, signed
by keys that we hold. What is accepted on any branch is then told to three readers in three orders,
with the same anchors. They must end with the same history.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from msgspec import structs
from tests.fuzz.choice import Choices
from tests.fuzz.target import require, require_listed, vectors

from sheaf_protocol.codec import decode
from sheaf_protocol.digest import ZERO, Digest, EntryId, FederationId
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.identity import (
    Cut,
    Inception,
    KeyHistory,
    KeyLog,
    KeyOp,
    append_op,
    begin_history,
    ended_writers,
    fold_key_log,
    make_recover,
    make_revoke,
    make_rotate,
    merge,
    next_close,
    next_delegate,
    next_hash,
    sign_op,
    signing_key,
)
from sheaf_protocol.limits import MAX_FRAME, MAX_INT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sheaf_protocol.identity import Operation, SigningKey

KEYS: Final = [signing_key(bytes([n]) * 32) for n in range(1, 13)]
_BY_PUBLIC: Final = {bytes(key.public): key for key in KEYS}
_BY_HASH: Final = {next_hash(key.public): key for key in KEYS}
_FIDS: Final = [FederationId(bytes([n]) * 32) for n in (1, 2)]
_TIMES: Final = (0, 1, 1_767_225_600_000, MAX_INT)
_BAD_KEYS: Final = (bytes(32), b"\x01" + bytes(31), b"\xff" * 32, KEYS[0].public)
_MOST_STEPS: Final = 16
RAW, TREE = range(2)
TOKENS: Final = tuple(
    b"\xa2op" + bytes([0xA0 + len(name)]) + name
    for name in (b"inception", b"delegate", b"close", b"revoke", b"recover", b"rotate")
)


def run(data: bytes) -> None:
    """Read raw bytes as a key log, or grow a tree from the input's choices."""
    choices = Choices(data)
    if choices.below(2) == RAW:
        _raw(choices.rest())
        return
    tree = Tree(choices)
    for _ in range(_MOST_STEPS):
        if not choices:
            break
        tree.grow(choices)
    tree.require_one_outcome(choices)


def seeds() -> Iterator[bytes]:
    """Give the vectors, chains of each operation, and trees that divide early and late."""
    for data in vectors("02-identity"):
        yield bytes([RAW]) + data
    for kind in range(6):
        yield bytes([TREE, 0, 0xFF, kind]) + bytes(20)
        yield bytes([TREE, 3, 0xFF, kind]) + bytes(range(1, 40)) + bytes([0, kind]) + bytes(30)
        yield bytes([TREE, 1]) + bytes([0, kind, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) * 8
        yield bytes([TREE, 2]) + bytes([0, 0, kind, 5, 1, 0, 0, 2, 0, kind + 1, 0, 0, 3]) * 6


@dataclass(frozen=True)
class Place:
    """An operation of the tree: the path to it and the state there."""

    ops: tuple[KeyOp, ...]
    state: KeyLog


class Tree:
    """Operations that divide, all of one co-op."""

    def __init__(self, choices: Choices) -> None:
        first = sign_op(_inception(choices), KEYS[:3])
        self.places = [Place((first,), fold_key_log([first]))]

    def grow(self, choices: Choices) -> None:
        """Put one operation on a place, if the rules let it."""
        place = self.places[-1] if choices.below(2) else choices.of(self.places)
        op = _operation(place.state, choices)
        if op is None:
            return
        try:
            state = append_op(place.state, op)
        except RemoteProtocolError as exc:
            require_listed(exc.code)
            return
        require(state.size == place.state.size + 1, "an operation counts once")
        self.places.append(Place((*place.ops, op), state))

    def require_one_outcome(self, choices: Choices) -> None:
        """Tell all paths in three orders; the outcome is one."""
        ids = [place.ops[-1].id for place in self.places]
        anchors = {choices.of(ids) for _ in range(choices.below(3))}
        paths = [place.ops for place in self.places]
        at = choices.below(len(paths))
        again = fold_key_log(paths[at])
        require(again == self.places[at].state, "folding is appending, whatever else was tried")
        outcomes = [
            _told(order, anchors) for order in (paths, paths[::-1], paths[at:] + paths[:at])
        ]
        first = outcomes[0]
        for other in outcomes[1:]:
            require(other.state == first.state, "the state in force is one in any order")
            require(_ids(other.path) == _ids(first.path), "the path kept is one in any order")
        for path in paths:
            require(merge(first, path, anchors) is first, "what is known changes nothing")
        _require_runs_are_judged(first, [op for path in paths for op in path[-1:]], anchors)


def _told(paths: Sequence[Sequence[KeyOp]], anchors: set[Digest]) -> KeyHistory:
    history = begin_history(paths[0])
    for path in paths[1:]:
        history = merge(history, path, anchors)
    return merge(history, (), anchors)


def _require_runs_are_judged(
    history: KeyHistory, ops: Sequence[KeyOp], anchors: set[Digest]
) -> None:
    """Hand over single operations, which attach somewhere or nowhere."""
    for op in ops:
        try:
            merge(history, [op], anchors)
        except RemoteProtocolError as exc:
            require_listed(exc.code)


def _ids(ops: Sequence[KeyOp]) -> list[Digest]:
    return [op.id for op in ops]


def _raw(data: bytes) -> None:
    try:
        ops = decode(data, list[KeyOp], limit=MAX_FRAME)
        state = fold_key_log(ops)
    except RemoteProtocolError as exc:
        require_listed(exc.code)
    else:
        require(state == fold_key_log(ops), "folding twice gives one state")
        require(begin_history(ops).state == state, "a history of one path is that path")


def _inception(choices: Choices) -> Inception:
    form = choices.below(4)
    guardians: dict[str, Any] = {}
    if form in (1, 3):
        guardians = {"guardians": [KEYS[9].public, KEYS[10].public], "guardian_threshold": 1}
    return Inception(
        country="GB",
        manager=KEYS[3].public,
        name="Fuzz",
        next=[next_hash(key.public) for key in KEYS[4:7]],
        nonce=bytes(16),
        op="inception",
        prev=Digest(ZERO),
        rotation=[key.public for key in KEYS[:3]],
        seq=0,
        threshold=2 if form >= 2 else 1,
        **guardians,
    )


def _operation(state: KeyLog, choices: Choices) -> KeyOp | None:
    """Return an operation on a state, its fields and signers seldom wrong; None where we cannot."""
    make = choices.of((_delegate, _delegate, _close, _revoke, _recover, _rotate))
    try:
        operation, signers = make(state, choices)
    except LocalProtocolError as exc:
        require_listed(exc.code)
        return None
    if not choices.often():
        operation = _spoilt(operation, choices)
    if not choices.often():
        signers = [choices.of(KEYS) for _ in range(1 + choices.below(3))]
    op = sign_op(operation, signers)
    if not choices.often():
        at = choices.byte()
        op = KeyOp(
            body=op.body[:at] + choices.take(1) + op.body[at + 1 :], signatures=op.signatures
        )
    return op


def _spoilt(operation: Operation, choices: Choices) -> Operation:
    """Return the operation with one field that its builder would not write."""
    field = choices.of(operation.__struct_fields__)
    value = getattr(operation, field)
    if isinstance(value, list):
        return structs.replace(
            operation, **{field: choices.of((value * 2, value[:-1], value[::-1]))}
        )
    if isinstance(value, bytes):
        return structs.replace(operation, **{field: choices.of((*_BAD_KEYS, value[:-1]))})
    if isinstance(value, int):
        return structs.replace(
            operation, **{field: choices.of((value + 1, 0, 17, -1, MAX_INT + 1))}
        )
    return operation


_Made = tuple["Operation", "list[SigningKey]"]


def _delegate(state: KeyLog, choices: Choices) -> _Made:
    role = choices.of(("writer", "writer", "prekey"))
    made = next_delegate(state, choices.of(KEYS).public, role, choices.of(_TIMES))  # type: ignore[arg-type]  # a Literal's choice
    return made, [_BY_PUBLIC[state.manager]]


def _close(state: KeyLog, choices: Choices) -> _Made:
    key = choices.of(KEYS[-4:]).public
    return next_close(state, key, _cuts(choices)), [_BY_PUBLIC[state.manager]]


def _revoke(state: KeyLog, choices: Choices) -> _Made:
    signers = _some([_BY_PUBLIC[key] for key in state.rotation], state.threshold, choices)
    manager = choices.of(KEYS[:4]).public
    made = make_revoke(state, [k.public for k in signers], manager=manager, writers=_ended(choices))
    return made, signers


def _recover(state: KeyLog, choices: Choices) -> _Made:
    signers = _some([_BY_PUBLIC[key] for key in state.guardians], state.guardian_threshold, choices)
    made = make_recover(
        state,
        [k.public for k in signers],
        manager=choices.of(KEYS).public,
        next_=[next_hash(key.public) for key in KEYS[4:7]],
        rotation=[choices.of(KEYS[:4]).public],
        threshold=1,
        writers=_ended(choices),
    )
    return made, signers


def _rotate(state: KeyLog, choices: Choices) -> _Made:
    promised = [_BY_HASH[hashed] for hashed in state.next]
    signers = _some(promised, state.threshold, choices)
    at = choices.below(9)
    made = make_rotate(
        state,
        [k.public for k in signers],
        guardians=([KEYS[11].public], 1) if choices.below(3) == 1 else None,
        manager=choices.of(KEYS).public,
        next_=[next_hash(key.public) for key in KEYS[at : at + 3]],
        rotation=[k.public for k in signers],
        threshold=1,
        writers=_ended(choices),
    )
    return made, signers


def _some(keys: Sequence[SigningKey], threshold: int, choices: Choices) -> list[SigningKey]:
    """Return at least as many of the keys as have to sign, beginning anywhere."""
    if not keys:
        return [KEYS[0]]
    count = min(len(keys), max(1, threshold) + choices.below(2))
    at = choices.below(len(keys))
    return [*keys[at:], *keys[:at]][:count]


def _ended(choices: Choices) -> Any:
    keys = {choices.of(KEYS).public for _ in range(choices.below(3))}
    return ended_writers({key: _cuts(choices) for key in keys})


def _cuts(choices: Choices) -> dict[FederationId, Cut]:
    head = EntryId(bytes([7]) * 32)
    return {fid: Cut(seq=choices.below(4), head=head) for fid in _FIDS[: choices.below(3)]}
