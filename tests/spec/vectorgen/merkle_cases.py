"""Inclusion under an award's root, chapter 10: the input is {index, leaf, path, root, size}."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit import Case, array, blob, hashed, integer, mapping

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAVES = [b"a", b"b", b"c"]
A, B, C = (hashed("leaf", leaf) for leaf in LEAVES)
AB = hashed("node", A, B)
ROOT = hashed("node", AB, C)
DOUBLED = hashed("node", AB, hashed("node", C, C))
SEVEN = [hashed("leaf", bytes([n])) for n in range(7)]
PAIRS = [hashed("node", SEVEN[n], SEVEN[n + 1]) for n in (0, 2, 4)]
LEFT, RIGHT = hashed("node", *PAIRS[:2]), hashed("node", PAIRS[2], SEVEN[6])
ROOT_7 = hashed("node", LEFT, RIGHT)
EMPTY = hashed("leaf", b"")


def claim(
    index: int, leaf: bytes, path: list[bytes], *, root: bytes = ROOT, size: int = 3
) -> bytes:
    """Return the claim that a leaf stands at an index under a root."""
    return mapping(
        index=integer(index),
        leaf=blob(leaf),
        path=array(*map(blob, path)),
        root=blob(root),
        size=integer(size),
    )


# file name, clause, expect, bytes, why it matters
ROWS = [
    ("first_of_three", "AWD-5", "ok", claim(0, b"a", [B, C]), "Two steps."),
    ("last_of_three", "AWD-4", "ok", claim(2, b"c", [AB]), "The odd leaf is carried up."),
    ("second_of_three", "AWD-5", "ok", claim(1, b"b", [A, C]), "Its sibling is on the left."),
    ("only_leaf", "IDN-1", "ok", claim(0, b"a", [], root=A, size=1), "The root is its hash."),
    (
        "leaf_of_no_bytes",
        "AWD-5",
        "ok",
        claim(0, b"", [], root=EMPTY, size=1),
        "The tag alone is hashed; this is not the root over no leaf.",
    ),
    (
        "last_of_seven",
        "AWD-4",
        "ok",
        claim(6, b"\x06", [PAIRS[2], LEFT], root=ROOT_7, size=7),
        "Carried up once and then paired: the path is shorter than the tree is high.",
    ),
    (
        "fifth_of_seven",
        "AWD-5",
        "ok",
        claim(4, b"\x04", [SEVEN[5], SEVEN[6], LEFT], root=ROOT_7, size=7),
        "Left, left, right.",
    ),
    ("path_reversed", "AWD-5", "merkle.proof", claim(0, b"a", [C, B]), "From the bottom up."),
    ("other_root", "AWD-5", "merkle.proof", claim(0, b"a", [B, C], root=AB), "A node inside."),
    (
        "no_leaf",
        "AWD-5",
        "merkle.proof",
        claim(0, b"", [], root=bytes(32), size=0),
        "Nothing stands under the root over no leaf.",
    ),
    (
        "size_larger",
        "AWD-5",
        "merkle.proof",
        claim(2, b"c", [AB], size=4),
        "Under four leaves the third has a sibling.",
    ),
    (
        "size_largest",
        "AWD-5",
        "merkle.proof",
        claim(0, b"a", [B, C], size=2**53 - 1),
        "Room for the whole tree must not be made.",
    ),
    (
        "carried_leaf_paired_with_zero",
        "AWD-4",
        "merkle.proof",
        claim(2, b"c", [bytes(32), AB]),
        "An odd node has no sibling, not even one of zero bytes.",
    ),
    ("other_leaf", "AWD-5", "merkle.proof", claim(0, b"x", [B, C]), "Not what was awarded."),
    ("other_index", "AWD-5", "merkle.proof", claim(1, b"a", [B, C]), "The place is proven too."),
    ("index_beyond_size", "AWD-5", "merkle.proof", claim(3, b"c", [AB]), "No fourth leaf."),
    ("path_too_long", "AWD-5", "merkle.proof", claim(0, b"a", [B, C, C]), "A step left over."),
    ("path_too_short", "AWD-5", "merkle.proof", claim(0, b"a", [B]), "A step missing."),
    (
        "odd_leaf_doubled",
        "AWD-4",
        "merkle.proof",
        claim(2, b"c", [C, AB], root=DOUBLED),
        "Doubling gives the lists abc and abcc one root.",
    ),
    (
        "node_as_leaf",
        "AWD-6",
        "merkle.proof",
        claim(0, A + B, [C], size=2),
        "Without tags a node's bytes would pass as a leaf.",
    ),
]


def cases() -> Iterator[Case]:
    """Yield the vectors on Merkle paths."""
    for name, clause, expect, data, comment in ROWS:
        yield Case(
            id=f"10-merkle/{name}", clause=clause, expect=expect, comment=comment, input=data
        )
