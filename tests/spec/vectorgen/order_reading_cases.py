"""In which order the records of two lines are read, chapter 11.

The input is `[order, [buyer's...], [[supplier's, after or nothing]...]]`, ids of one byte here; the
output the ids in the order read, how many of the buyer's the supplier has not read, and how many of
its own wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from kit import Case, array, blob, hashed, integer

if TYPE_CHECKING:
    from collections.abc import Iterator

Word: TypeAlias = tuple[str, str]
"""A record of the supplier, and the one that it names in `after`."""

# file name, buyer's, supplier's, read, unread, waiting, why it matters
GOOD: Final[list[tuple[str, str, tuple[Word, ...], str, int, int, str]]] = [
    ("nothing_said", "", (), "", 0, 0, "The order alone."),
    ("answered", "", (("s", ""),), "s", 0, 0, "It can name nothing but the order."),
    ("order_named", "", (("s", "o"),), "s", 0, 0, "The order comes before all."),
    ("buyer_not_read", "b", (("s", ""),), "sb", 1, 0, "Who cancels too late cancels late."),
    ("buyer_read", "b", (("s", "b"),), "bs", 0, 0, "The supplier says that it knew."),
    ("read_in_part", "bc", (("s", "b"),), "bsc", 1, 0, "What comes later is read later."),
    ("read_at_once", "bc", (("s", "c"),), "bcs", 0, 0, "Up to the one that is named."),
    (
        "read_step_by_step",
        "bc",
        (("s", "b"), ("t", "c")),
        "bsct",
        0,
        0,
        "Both lines keep their order.",
    ),
    (
        "named_again",
        "bc",
        (("s", "c"), ("t", "b")),
        "bcst",
        0,
        0,
        "What was read is not unread by naming less.",
    ),
    (
        "nothing_named_later",
        "bc",
        (("s", "b"), ("t", "")),
        "bstc",
        1,
        0,
        "Without a name it has read no more than before.",
    ),
    (
        "named_is_not_there",
        "b",
        (("s", "x"), ("t", "b")),
        "b",
        1,
        2,
        "It waits, and so does what follows it.",
    ),
    (
        "named_is_not_there_later",
        "bc",
        (("s", "b"), ("t", "x")),
        "bsc",
        1,
        1,
        "What came before it counts.",
    ),
]


def entry(letter: str) -> bytes:
    """Return the id that a letter stands for; nothing for none."""
    return blob(hashed("test", letter.encode()) if letter else b"")


def cases() -> Iterator[Case]:
    """Yield the vectors on reading orders."""
    for name, buyer, supplier, read, unread, waiting, comment in GOOD:
        words = (array(entry(id_), entry(after)) for id_, after in supplier)
        yield Case(
            id=f"11-order/{name}",
            clause="LIF-8",
            expect="ok",
            comment=comment,
            input=array(entry("o"), array(*map(entry, buyer)), array(*words)),
            output=array(array(*map(entry, read)), integer(unread), integer(waiting)),
        )
