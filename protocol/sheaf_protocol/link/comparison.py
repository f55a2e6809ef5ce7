"""How two nodes find out where their frontiers differ (spec chapter 06, section 3).

Pure decisions for one federation on one link. From cheap to thorough:

    since    only the logs that changed after the place in the other's store that we know up to
    whole    all logs, as long as they are few
    tree     the digest tree from its top, which misses nothing and assumes nothing

Each compares by less memory than the one before: a cursor may be wrong (a store put back from a
backup), an item may hide a difference (heads that share eight bytes), a digest does neither. So a
comparison that did not lead to equal roots is followed by the next in the list.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_protocol.frontier import DEEPEST, FANOUT, Frontier, LogState
from sheaf_protocol.link.messages import LIST, TreeNode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sheaf_protocol.digest import Digest, LogId

WHOLE: Final = LIST
"""Logs that are told all at once: 46 KB. Beyond it the tree costs less than the list."""

LOOKS: Final = 3
"""Comparisons of the same two roots: since, whole, tree."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cursor:
    """A moment at which a peer's root and ours were equal, as arrival numbers of the two stores."""

    store_id: bytes
    """The peer's store; a cursor says nothing of any other."""
    theirs: int
    ours: int


class Answer(enum.Enum):
    """What a `compare` is answered with."""

    NONE = "none"
    """Nothing: the question that crossed it is the one that counts."""
    EQUAL = "equal"
    """A `have` without items."""
    CHANGED = "changed"
    """A `have` of what changed since the peer's cursor."""
    WHOLE = "whole"
    TREE = "tree"


class Step(enum.Enum):
    """What begins a comparison, or carries it on."""

    SINCE = "since"
    WHOLE = "whole"
    TREE = "tree"


class Comparison:
    """One federation's frontiers on one link: what was compared, and how thoroughly is next."""

    def __init__(self, *, is_initiator: bool, cursor: Cursor | None) -> None:
        self.cursor = cursor
        """The last moment of equal roots."""
        self.is_known = False
        """Whether each side had its chance to tell what it holds, so that news are few."""
        self._is_initiator = is_initiator
        self._is_open = False
        self._begun: Step | None = None
        self._puzzle: tuple[Digest, Digest] | None = None
        self._looks = 0

    def begin(self) -> Step:
        """Return how to compare now: more thoroughly than the last time, if that was in vain."""
        if self._begun is None:
            step = Step.SINCE if self.cursor is not None else Step.WHOLE
        else:
            step = Step.WHOLE if self._begun is Step.SINCE else Step.TREE
        self._begun, self._is_open = step, True
        return step

    def answer(self, theirs: Digest, since: int, ours: Frontier, arrival: int) -> Answer:
        """Return how to answer a `compare`; `arrival` is the number of our newest entry."""
        if theirs == ours.root:
            return Answer.EQUAL
        if self._is_initiator and self._is_open:
            # Two that ask one another at once would both tell all; the initiator's question stands.
            return Answer.NONE
        self.is_known = True
        if 0 < since <= arrival:
            return Answer.CHANGED
        return Answer.WHOLE if len(ours.logs) <= WHOLE else Answer.TREE

    def hear(self, *, is_equal: bool) -> None:
        """Take it that the peer told of logs, with or without the root that is ours."""
        self.is_known, self._is_open = True, False
        if is_equal:
            self._begun = None

    def restart(self) -> None:
        """Begin with the cheapest way again: the peer says itself why roots differ."""
        self._begun = None

    def look(self, theirs: Digest, ours: Digest) -> bool:
        """Look at the roots once in a while; return whether the same two unequal ones stay.

        A few times only: a peer may tell a root of nothing for ever.
        """
        if (theirs, ours) != self._puzzle:
            self._puzzle, self._looks = (theirs, ours), 0
            return False
        self._looks += 1
        return theirs != ours and self._looks <= LOOKS

    def is_looking(self, theirs: Digest, ours: Digest) -> bool:
        """Return whether to look at these two roots again."""
        if theirs == ours:
            return False
        return (theirs, ours) != self._puzzle or self._looks < LOOKS


@dataclass(frozen=True, kw_only=True, slots=True)
class Descent:
    """What a peer's nodes of the digest tree mean for us."""

    same: Mapping[LogId, LogState]
    """Logs that stand below equal digests: the peer holds them as we do."""
    told: Mapping[LogId, LogState]
    """Our logs to tell, as few stand below a digest that differs."""
    wanted: tuple[str, ...]
    """Prefixes below which the peer is to tell its logs."""
    nodes: tuple[TreeNode, ...]
    """Our nodes below digests that differ and that stand for many logs."""


def descend(ours: Frontier, theirs: Iterable[TreeNode]) -> Descent:
    """Return what follows from a peer's nodes: tell and ask where few logs are, else go down."""
    same: dict[LogId, LogState] = {}
    told: dict[LogId, LogState] = {}
    wanted: dict[str, None] = {}
    nodes: dict[str, TreeNode] = {}
    # Keyed, since a peer may name a node a hundred times and is to be answered once.
    for prefix, digests in {node.prefix: node.digests for node in theirs}.items():
        own = ours.tree.at(prefix)
        for digit in range(FANOUT):
            below, mine = f"{prefix}{digit:x}", own.part(digit, len(prefix))
            if mine.digest == digests[digit]:
                same.update(mine.states())
            elif mine.size <= FANOUT or len(below) >= DEEPEST:
                told.update(mine.states())
                wanted[below[:DEEPEST]] = None
            else:
                nodes[below] = tree_node(ours, below)
    return Descent(same=same, told=told, wanted=tuple(wanted), nodes=tuple(nodes.values()))


def tree_node(ours: Frontier, prefix: str) -> TreeNode:
    """Return our node at a prefix as it goes on the wire."""
    return TreeNode(prefix, ours.tree.at(prefix).digests(len(prefix)))
