"""Sums inside a co-op, chapter 17: {cap, index, levels, line, path, root, salt} gives the sums.

A step of the path is [hash, [sum...]].
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kit import Case, array, blob, hashed, integer, mapping

if TYPE_CHECKING:
    from collections.abc import Iterator

CAP = 100


@dataclass(frozen=True)
class Node:
    """A hash and the sums below it."""

    hash: bytes
    sums: list[int]


def packed(sums: list[int]) -> bytes:
    """Return numbers of 8 bytes."""
    return b"".join(number.to_bytes(8) for number in sums)


def salt(number: int) -> bytes:
    """Return a salt for a leaf."""
    return hashed("test", bytes([number]))[:16]


def leaf(line: list[int], number: int) -> Node:
    """Return the leaf of a line."""
    return Node(hashed("sum-leaf", salt(number), packed(line)), line)


def over(left: Node, right: Node) -> Node:
    """Return the node over two others."""
    parts = (left.hash, packed(left.sums), right.hash, packed(right.sums))
    return Node(
        hashed("sum-node", *parts), [a + b for a, b in zip(left.sums, right.sums, strict=True)]
    )


LINES = [[50, 20], [30, 30], [0, 0]]
LEAVES = sorted(
    [leaf(line, n) for n, line in enumerate([*LINES, [0, 0]])], key=lambda node: node.hash
)
BELOW = [over(*LEAVES[:2]), over(*LEAVES[2:])]
ROOT = over(*BELOW)
PLACE = [LEAVES.index(leaf(line, n)) for n, line in enumerate(LINES)]


def beside(which: int) -> list[Node]:
    """Return the path of a line."""
    return [LEAVES[PLACE[which] ^ 1], BELOW[PLACE[which] // 2 ^ 1]]


def claim(
    which: int = 0,
    *,
    line: list[int] | None = None,
    path: list[Node] | None = None,
    index: int | None = None,
    root: bytes = ROOT.hash,
    cap: int = CAP,
    levels: int = 2,
    salted: bytes | None = None,
) -> bytes:
    """Return the claim that a line is part of the sums under a root, as it should be or altered."""
    steps = beside(which) if path is None else path
    return mapping(
        cap=integer(cap),
        index=integer(PLACE[which] if index is None else index),
        levels=integer(levels),
        line=array(*map(integer, LINES[which] if line is None else line)),
        path=array(*(array(blob(s.hash), array(*map(integer, s.sums))) for s in steps)),
        root=blob(root),
        salt=blob(salt(which) if salted is None else salted),
    )


ONLY = leaf([7, 5], 9)
NEAR, FAR = beside(0)
PAIR = over(leaf([50, 20], 0), Node(hashed("test", b"x"), [60, 0]))
SUMMED = hashed("sum-node", LEAVES[0].hash, LEAVES[1].hash, packed(BELOW[0].sums))

# file name, clause, expect, bytes, the sums, why it matters
ROWS = [
    ("first_line", "PRV-44", "ok", claim(0), [80, 50], "Four leaves, one of them padding."),
    ("second_line", "PRV-41", "ok", claim(1), [80, 50], "The same sums on another path."),
    ("line_of_zeros", "PRV-42", "ok", claim(2), [80, 50], "It looks like the padding beside it."),
    (
        "only_line",
        "PRV-40",
        "ok",
        claim(0, line=[7, 5], path=[], index=0, root=ONLY.hash, salted=salt(9)),
        [7, 5],
        "The root is the leaf.",
    ),
    ("line_altered", "PRV-44", "curve.sum_tree", claim(0, line=[51, 20]), None, "One unit more."),
    ("salt_of_another", "PRV-40", "curve.sum_tree", claim(0, salted=salt(1)), None, "Salted."),
    ("other_root", "PRV-44", "curve.sum_tree", claim(0, root=BELOW[0].hash), None, "Inside."),
    (
        "sums_altered",
        "PRV-41",
        "curve.sum_tree",
        claim(0, path=[replace(NEAR, sums=[1, 0]), FAR]),
        None,
        "A sum beside the path is part of what is hashed.",
    ),
    (
        "side_swapped",
        "PRV-44",
        "curve.sum_tree",
        claim(0, index=PLACE[0] ^ 1),
        None,
        "The bits of the index say which side is ours.",
    ),
    (
        "index_beyond_path",
        "PRV-44",
        "curve.sum_tree",
        claim(0, index=PLACE[0] + 4),
        None,
        "The same bits below, one more above.",
    ),
    ("path_too_short", "PRV-44", "curve.sum_tree", claim(0, path=[NEAR]), None, "A step missing."),
    (
        "path_too_long",
        "PRV-44",
        "curve.sum_tree",
        claim(0, path=[NEAR, FAR, Node(bytes(32), [0, 0])]),
        None,
        "A step too many.",
    ),
    (
        "sums_of_both_hashed_as_one",
        "PRV-41",
        "curve.sum_tree",
        claim(
            0,
            line=LEAVES[0].sums,
            path=[LEAVES[1]],
            index=0,
            root=SUMMED,
            salted=salt(next(n for n in range(4) if leaf([*LINES, [0, 0]][n], n) == LEAVES[0])),
        ),
        None,
        "A node over the sum alone: another pair with that sum could be shown under it.",
    ),
    (
        "node_as_leaf",
        "PRV-41",
        "curve.sum_tree",
        claim(
            0,
            line=BELOW[0].sums,
            path=[BELOW[1]],
            index=0,
            salted=BELOW[0].hash[:16],
        ),
        None,
        "A node of other tag than a leaf.",
    ),
    (
        "own_line_above_cap",
        "PRV-44",
        "curve.cap",
        claim(0, cap=49),
        None,
        "The own line is checked as well.",
    ),
    (
        "sum_above_cap",
        "PRV-44",
        "curve.cap",
        claim(0, path=[Node(hashed("test", b"x"), [60, 0])], index=0, root=PAIR.hash),
        None,
        "50 and 60 are each below the cap of 100, and their sum is not.",
    ),
    (
        "sums_that_rise",
        "PRV-44",
        "curve.order",
        claim(0, path=[replace(NEAR, sums=[0, 1]), FAR]),
        None,
        "No lines that fall add up to this.",
    ),
    (
        "sums_of_three_levels",
        "PRV-44",
        "curve.levels",
        claim(0, path=[replace(NEAR, sums=[0, 0, 0]), FAR]),
        None,
        "Another number of levels than the round has.",
    ),
]


def cases() -> Iterator[Case]:
    """Yield the vectors on sums inside a co-op."""
    for name, clause, expect, data, sums, comment in ROWS:
        output = None if sums is None else array(*map(integer, sums))
        yield Case(
            id=f"17-sum-tree/{name}",
            clause=clause,
            expect=expect,
            comment=comment,
            input=data,
            output=output,
        )
