"""What a node holds of each log, told shortly and compared exactly (spec 06, section 2).

A height alone hides forks: two replicas at equal height with different heads would look in sync
for ever. So an item carries eight bytes of the head, and the root hashes the heads in full.

The root is the top of a tree of digests over the log ids (`Tree`). Two nodes that hold nearly the
same walk down it and tell one another of the few logs below the nodes that differ. A tree is never
altered: a change makes a new one, which shares every node that did not change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from sheaf_protocol.digest import ZERO, Digest, LogId, digest
from sheaf_protocol.limits import MAX_INT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

FANOUT: Final = 16
"""Children of a node, one for each hex digit; and the most logs that one leaf stands for."""
DEEPEST: Final = 8
"""Hex digits of a prefix on the wire. Whoever grinds 17 log ids to share them gets a long `have`
and nothing else."""
_KEPT: Final = 3
_SHORT: Final = 8
_FULL: Final = 32


class FrontierItem(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One log on the wire: its id, the last number held, and the head or its first eight bytes."""

    log: Annotated[LogId, Meta(min_length=32, max_length=32)]
    seq: Annotated[int, Meta(ge=0, le=MAX_INT)]
    head: Annotated[bytes, Meta(min_length=_SHORT, max_length=_FULL)]

    def __post_init__(self) -> None:
        if len(self.head) not in {_SHORT, _FULL}:
            raise ValueError(f"expected 8 or 32 bytes of a head, got {len(self.head)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class LogState:
    """One log as held: the last number and head, or the place and leaf of its fork."""

    seq: int
    head: Digest
    is_forked: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """Entries `first` to `last` of a log, both included."""

    log: LogId
    first: int
    last: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """What a peer's frontier means for us."""

    wanted: tuple[Range, ...]
    """Ranges that the peer holds and we do not."""
    diverged: tuple[LogId, ...]
    """Logs at equal height with different heads: one of us holds a fork unknown to the other."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The logs below one prefix. At most `FANOUT` of them make a leaf, more make a branch.

    So the shape follows from the logs alone, whatever the order in which they came.
    """

    digest: Digest
    size: int
    children: tuple[Tree, ...]
    """Those of a branch, by the next hex digit."""
    logs: Mapping[LogId, LogState]
    """Those of a leaf, in the order of their ids."""

    def at(self, prefix: str) -> Tree:
        """Return the logs whose ids begin with these hex digits, for the tree of all."""
        node = self
        for depth, digit in enumerate(prefix):
            node = node.part(int(digit, 16), depth)
        return node

    def part(self, digit: int, depth: int) -> Tree:
        """Return one of the sixteen parts of a node that stands at a depth."""
        if self.children:
            return self.children[digit]
        return _leaf({log: s for log, s in self.logs.items() if _digit(log, depth) == digit})

    def states(self) -> Iterator[tuple[LogId, LogState]]:
        """Yield all logs below, in the order of their ids."""
        yield from self.logs.items()
        for child in self.children:
            yield from child.states()

    def digests(self, depth: int) -> list[Digest]:
        """Return the digests of the sixteen parts of a node that stands at a depth."""
        return [self.part(digit, depth).digest for digit in range(FANOUT)]

    def changed(self, changes: Mapping[LogId, LogState | None], depth: int = 0) -> Tree:
        """Return the tree after some logs changed, or went where the state is None."""
        if not changes:
            return self
        if not self.children:
            return _planted({**self.logs, **changes}, depth)
        parts = _by_digit(changes, depth)
        children = tuple(
            child.changed(part, depth + 1) for child, part in zip(self.children, parts, strict=True)
        )
        if sum(child.size for child in children) > FANOUT:
            return _branch(children)
        return _leaf({log: state for child in children for log, state in child.states()})

    def news(self, before: Tree | None) -> Iterator[tuple[LogId, LogState]]:
        """Yield the logs that an earlier tree does not hold just so; all where there is none.

        What both trees share is passed over as a whole.
        """
        if self is before:
            return
        if before is not None and self.children and before.children:
            for child, old in zip(self.children, before.children, strict=True):
                yield from child.news(old)
            return
        known = {} if before is None else dict(before.states())
        for log, state in self.states():
            if known.get(log) != state:
                yield log, state


@dataclass(frozen=True)
class Frontier:
    """What is held of one federation at one moment."""

    logs: Mapping[LogId, LogState]
    tree: Tree

    @classmethod
    def of(cls, logs: Mapping[LogId, LogState]) -> Frontier:
        """Return the frontier of these logs, every digest made anew."""
        return cls(logs, _planted(dict(logs), 0))

    _since: list[tuple[Tree | None, Sequence[FrontierItem]]] = field(
        default_factory=list, compare=False, repr=False
    )
    """What is new since earlier ones: most peers were told at the same time."""

    @property
    def root(self) -> Digest:
        """The digest over all logs, heads in full."""
        return self.tree.digest

    def news_since(self, before: Tree | None) -> Sequence[FrontierItem]:
        """Return the items of the logs that an earlier tree does not hold just so."""
        for tree, found in self._since:
            if tree is before:
                return found
        found = items(dict(self.tree.news(before)))
        self._since[_KEPT:] = []
        self._since.insert(0, (before, found))
        return found

    @cached_property
    def items(self) -> Mapping[LogId, FrontierItem]:
        """The items of all logs, in the order of their ids."""
        return {item.log: item for item in items(self.logs)}

    def moved(self, changes: Mapping[LogId, LogState | None]) -> Frontier:
        """Return the frontier after some logs changed, or went where the state is None."""
        merged = {**self.logs, **changes}
        logs = {log: state for log, state in merged.items() if state is not None}
        return Frontier(logs, self.tree.changed(changes))


def root(logs: Mapping[LogId, LogState]) -> Digest:
    """Return the digest over all logs, heads in full; 32 zero bytes where there are none."""
    return _planted(dict(logs), 0).digest


def items(logs: Mapping[LogId, LogState], *, is_full: bool = False) -> list[FrontierItem]:
    """Return logs as they go on the wire, in the order of their ids, with short heads or full."""
    size = _FULL if is_full else _SHORT
    return [_item(log, s.seq, s.head[:size]) for log, s in sorted(logs.items())]


@lru_cache(maxsize=4_096)
def _item(log: LogId, seq: int, head: bytes) -> FrontierItem:
    """Return an item, the same one for all peers that are told of it."""
    return FrontierItem(log, seq, bytes(head))


def agrees(item: FrontierItem | None, state: LogState) -> bool:
    """Return whether an item says of a log what we hold, as far as it tells the head."""
    return item is not None and item.seq == state.seq and state.head.startswith(item.head)


def compare(ours: Mapping[LogId, LogState], theirs: Iterable[FrontierItem]) -> Difference:
    """Return the ranges to ask the peer for, and the logs where we and the peer diverge.

    What lies beyond a fork that is known here is not asked for: its entries travel by request only,
    and asking each round would carry it over every link for ever. What lies below may differ still.
    """
    wanted, diverged = [], []
    for item in theirs:
        mine = ours.get(item.log)
        held = 0 if mine is None else mine.seq
        if item.seq > held:
            if mine is not None and mine.is_forked:
                continue
            wanted.append(Range(log=item.log, first=held + 1, last=item.seq))
        elif mine is not None and item.seq == held and not agrees(item, mine):
            diverged.append(item.log)
    return Difference(wanted=tuple(wanted), diverged=tuple(diverged))


def idle_digest(roots: Iterable[Digest]) -> bytes:
    """Return the sixteen bytes that stand for several federations' roots, in their order."""
    return bytes(digest("idle", *roots)[:16])


def _planted(logs: dict[LogId, LogState | None] | dict[LogId, LogState], depth: int) -> Tree:
    held = {log: state for log, state in logs.items() if state is not None}
    if len(held) <= FANOUT:
        return _leaf(held)
    return _branch(tuple(_parted(held, depth)))


def _parted(logs: Mapping[LogId, LogState], depth: int) -> list[Tree]:
    return [_planted(part, depth + 1) for part in _by_digit(logs, depth)]


def _by_digit(
    logs: Mapping[LogId, LogState | None], depth: int
) -> list[dict[LogId, LogState | None]]:
    parts: list[dict[LogId, LogState | None]] = [{} for _ in range(FANOUT)]
    for log, state in logs.items():
        parts[_digit(log, depth)][log] = state
    return parts


def _digit(log: LogId, depth: int) -> int:
    byte = log[depth // 2]
    return byte & 15 if depth % 2 else byte >> 4


def _leaf(logs: Mapping[LogId, LogState]) -> Tree:
    if not logs:
        return _EMPTY
    ordered = dict(sorted(logs.items()))
    parts = (log + s.seq.to_bytes(8, "big") + s.head for log, s in ordered.items())
    return Tree(digest("frontier-leaf", *parts), len(ordered), (), ordered)


def _branch(children: tuple[Tree, ...]) -> Tree:
    made = digest("frontier-node", *(child.digest for child in children))
    return Tree(made, sum(child.size for child in children), children, {})


_EMPTY: Final = Tree(Digest(ZERO), 0, (), {})
