"""Lines of writers, chapter 18: who goes on for whom, and where an entry stands.

18-line: the input is {at, fid, key_log, logs}, the output `[places, owed, furthest]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from entries import FID
from kit import Case, Key, array, blob, hashed, integer, mapping, text
from writers import FOUR, ONE, THREE, TWO, ends, head, key_log, opens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

At: TypeAlias = "tuple[Key, int]"
"""A place in a log, or the place at which it ended."""
NOTE: Final = text("x.note")
LOST, OVERRIDE, PROMISE = (text(f"writer.{word}") for word in ("lost", "override", "promise"))
BOTH_OPEN: Final = key_log(opens(ONE), opens(TWO))
RENEWED: Final = key_log(opens(ONE), opens(TWO), ends(ONE, 5))
EMPTY_END: Final = key_log(opens(ONE), opens(TWO), ends(ONE, 0))
ELSEWHERE: Final = key_log(opens(ONE), opens(TWO), ends(ONE, 5), fid=hashed("federation", b"other"))
YOUNGER_END: Final = key_log(opens(TWO), opens(ONE), ends(ONE, 5))
TWO_LEFT: Final = key_log(opens(ONE), opens(TWO), opens(THREE), ends(ONE, 5))
THRICE: Final = key_log(opens(ONE), opens(TWO), ends(ONE, 5), opens(THREE), ends(TWO, 4))
ALL_ENDED: Final = key_log(opens(ONE), opens(TWO), ends(ONE, 5), ends(TWO, 4))
UNKNOWN: Final = b"\xc2"
"""What is to be read before is not known yet."""


@dataclass(frozen=True)
class Stands:
    """Where an entry stands: in whose line, at which place, after which logs up to where."""

    root: Key
    place: int
    after: tuple[At, ...] | bytes = ()

    def encoded(self) -> bytes:
        """Return it as an output has it."""
        after = self.after if isinstance(self.after, bytes) else array(*map(encoded, self.after))
        return array(blob(self.root.public), integer(self.place), after)


@dataclass(frozen=True)
class Line:
    """A vector: a key log, what stands in logs, and what follows."""

    name: str
    clause: str
    comment: str
    key_log: bytes
    logs: Sequence[tuple[Key, Sequence[bytes]]]
    told: Sequence[tuple[Key, int, Stands]]
    owed: Sequence[At] = ()

    def case(self) -> Case:
        """Return the vector."""
        owed = [array(blob(key.public), integer(seq), blob(head(seq))) for key, seq in self.owed]
        stands = [stands for _, _, stands in self.told]
        furthest: dict[bytes, int] = {}
        for each in stands:
            root = each.root.public
            furthest[root] = max(furthest.get(root, 0), each.place)
        return Case(
            id=f"18-line/{self.name}",
            clause=self.clause,
            expect="ok",
            comment=self.comment,
            input=mapping(
                at=array(*(encoded((key, seq)) for key, seq, _ in self.told)),
                fid=blob(FID),
                key_log=self.key_log,
                logs=array(*(array(blob(key.public), array(*log)) for key, log in self.logs)),
            ),
            output=array(
                array(*(each.encoded() for each in stands)),
                array(*owed),
                array(*(array(blob(root), integer(furthest[root])) for root in sorted(furthest))),
            ),
        )


def encoded(at: At) -> bytes:
    """Return a place in a log."""
    return array(blob(at[0].public), integer(at[1]))


def succeed(key: Key, seq: int, at: bytes | None = None) -> bytes:
    """Return what a log says by a `writer.succeed`."""
    return array(blob(key.public), integer(seq), blob(head(seq) if at is None else at))


AFTER_ONE: Final = ((ONE, 5),)
ONE_THEN_TWO: Final = (TWO, [succeed(ONE, 5), NOTE])
TWO_THEN_THREE: Final = (THREE, [succeed(TWO, 4), NOTE])


def untrue(name: str, comment: str, keys: bytes, *log: bytes, owed: Sequence[At]) -> Line:
    """Return a vector of a word that makes no line."""
    told = (TWO, len(log), Stands(TWO, len(log)))
    return Line(name, "RST-12", comment, keys, [(TWO, log)], [told], owed)


TRUE: Final = (
    Line(
        "goes_on",
        "RST-12",
        "The second begins where the first ended.",
        RENEWED,
        [ONE_THEN_TWO],
        [(TWO, 2, Stands(ONE, 7, AFTER_ONE))],
    ),
    Line(
        "after_the_four_kinds",
        "RST-12",
        "What restores a writer may stand before it.",
        RENEWED,
        [(TWO, [LOST, OVERRIDE, PROMISE, succeed(ONE, 5)])],
        [(TWO, 4, Stands(ONE, 9, AFTER_ONE))],
    ),
    Line(
        "of_nothing",
        "RST-12",
        "Closed without an entry that counts: it goes on from nothing.",
        EMPTY_END,
        [(TWO, [succeed(ONE, 0)])],
        [(TWO, 1, Stands(ONE, 1, ((ONE, 0),)))],
    ),
    Line(
        "delegated_first",
        "RST-12",
        "The one delegated first goes on, whichever is named first here.",
        TWO_LEFT,
        [(THREE, [succeed(ONE, 5)]), (TWO, [succeed(ONE, 5)])],
        [(TWO, 1, Stands(ONE, 6, AFTER_ONE)), (THREE, 1, Stands(THREE, 1))],
    ),
    Line(
        "lower_in_one_log",
        "RST-12",
        "The first word in a log counts: from there on it is the line's.",
        RENEWED,
        [(TWO, [succeed(ONE, 5), succeed(ONE, 5)])],
        [(TWO, 1, Stands(ONE, 6, AFTER_ONE))],
    ),
    Line(
        "untrue_before",
        "RST-12",
        "A word that is untrue takes nobody's turn.",
        TWO_LEFT,
        [(TWO, [succeed(ONE, 4)]), (THREE, [succeed(ONE, 5)])],
        [(TWO, 1, Stands(TWO, 1)), (THREE, 1, Stands(ONE, 6, AFTER_ONE))],
    ),
)
UNTRUE: Final = (
    untrue("below_the_cut", "One below the cut.", RENEWED, succeed(ONE, 4), owed=AFTER_ONE),
    untrue(
        "another_entry",
        "The number is right, the entry is another one.",
        RENEWED,
        succeed(ONE, 5, head(6)),
        owed=AFTER_ONE,
    ),
    untrue(
        "after_a_note",
        "It spoke beside the other before.",
        RENEWED,
        *(NOTE, succeed(ONE, 5)),
        owed=AFTER_ONE,
    ),
    untrue("of_a_younger", "Delegated after it.", YOUNGER_END, succeed(ONE, 5), owed=()),
    untrue(
        "of_a_stranger",
        "A writer that the key log of this co-op does not name.",
        RENEWED,
        succeed(FOUR, 5),
        owed=AFTER_ONE,
    ),
    untrue("of_itself", "Nobody goes on for itself.", RENEWED, succeed(TWO, 5), owed=AFTER_ONE),
    untrue(
        "cut_elsewhere",
        "Closed at 5 in another federation: here nothing of it counts.",
        ELSEWHERE,
        succeed(ONE, 5),
        owed=(),
    ),
)
ORDERS: Final = (
    Line(
        "three_in_a_row",
        "RST-13",
        "Each is read after the one before it.",
        THRICE,
        [TWO_THEN_THREE, ONE_THEN_TWO],
        [
            (ONE, 3, Stands(ONE, 3)),
            (TWO, 2, Stands(ONE, 7, AFTER_ONE)),
            (THREE, 2, Stands(ONE, 11, ((TWO, 4),))),
        ],
    ),
    Line(
        "two_in_one",
        "RST-13",
        "One goes on for two, one after the other: all three are one line.",
        key_log(opens(ONE), opens(TWO), opens(THREE), ends(ONE, 5), ends(TWO, 4)),
        [(THREE, [succeed(ONE, 5), succeed(TWO, 4), NOTE])],
        [
            (TWO, 2, Stands(ONE, 7)),
            (THREE, 1, Stands(ONE, 0, AFTER_ONE)),
            (THREE, 3, Stands(ONE, 12, (*AFTER_ONE, (TWO, 4)))),
        ],
    ),
    Line(
        "still_open",
        "RST-16",
        "Until the first is closed nobody knows whether they go on for it.",
        BOTH_OPEN,
        [(TWO, [LOST, succeed(ONE, 5), NOTE])],
        [
            (TWO, 1, Stands(TWO, 1)),
            (TWO, 2, Stands(TWO, 2, UNKNOWN)),
            (TWO, 3, Stands(TWO, 3, UNKNOWN)),
        ],
    ),
    Line(
        "stranger_is_not_open",
        "RST-16",
        "A writer that the key log does not name is waited for by nobody.",
        BOTH_OPEN,
        [(TWO, [succeed(FOUR, 5), NOTE])],
        [(TWO, 2, Stands(TWO, 2))],
    ),
    Line(
        "younger_is_open",
        "RST-16",
        "Nobody goes on for a younger one, so nothing waits for its end.",
        key_log(opens(TWO), opens(ONE)),
        [(TWO, [succeed(ONE, 5), NOTE])],
        [(TWO, 2, Stands(TWO, 2))],
    ),
    Line(
        "open_after_a_note",
        "RST-16",
        "What cannot count, whatever the key log says later, holds nothing up.",
        BOTH_OPEN,
        [(TWO, [NOTE, succeed(ONE, 5), NOTE])],
        [(TWO, 3, Stands(TWO, 3))],
    ),
)
OWED: Final = (
    Line("not_yet_said", "RST-11", "It has said nothing so far.", RENEWED, [], [], AFTER_ONE),
    Line("owes_two", "RST-11", "The older one first.", THRICE, [], [], (*AFTER_ONE, (TWO, 4))),
    Line(
        "owes_the_last",
        "RST-11",
        "The second went on for the first, and the third has not for the second.",
        THRICE,
        [ONE_THEN_TWO],
        [],
        ((TWO, 4),),
    ),
    Line("owes_nothing", "RST-11", "Nothing of it counts.", EMPTY_END, [], []),
    Line("newest_of_two", "RST-11", "Of two that are open.", TWO_LEFT, [], [], AFTER_ONE),
    Line("nobody_left", "RST-11", "None is open that could go on.", ALL_ENDED, [], []),
)
PLACES: Final = (
    Line(
        "alone",
        "RST-18",
        "The numbers of a writer without others are its places.",
        key_log(opens(ONE)),
        [],
        [(ONE, 3, Stands(ONE, 3))],
    ),
    Line(
        "before_it_goes_on",
        "RST-18",
        "Below its word the log is not the line's next.",
        RENEWED,
        [(TWO, [LOST, succeed(ONE, 5), NOTE])],
        [(TWO, 1, Stands(ONE, 0)), (TWO, 2, Stands(ONE, 7, AFTER_ONE))],
    ),
    Line(
        "beyond_the_cut",
        "RST-18",
        "What is void stands at the cut, below all that came in its place.",
        RENEWED,
        [ONE_THEN_TWO],
        [(ONE, 9, Stands(ONE, 5)), (TWO, 1, Stands(ONE, 6, AFTER_ONE))],
    ),
    Line(
        "furthest_of_a_line",
        "RST-19",
        "Of two logs of one line the later one is further on, though its number is lower.",
        RENEWED,
        [ONE_THEN_TWO],
        [(ONE, 5, Stands(ONE, 5)), (TWO, 2, Stands(ONE, 7, AFTER_ONE))],
    ),
    Line(
        "two_lines",
        "RST-19",
        "Two writers of which neither goes on for the other.",
        BOTH_OPEN,
        [],
        [(ONE, 5, Stands(ONE, 5)), (TWO, 2, Stands(TWO, 2))],
    ),
    Line(
        "one_owner",
        "RST-17",
        "Who owns what the first began is who goes on for it: one root.",
        THRICE,
        [ONE_THEN_TWO, TWO_THEN_THREE],
        [(ONE, 1, Stands(ONE, 1)), (THREE, 1, Stands(ONE, 10, ((TWO, 4),)))],
    ),
)


def cases() -> Iterator[Case]:
    """Yield the vectors of lines."""
    for row in (*TRUE, *UNTRUE, *ORDERS, *OWED, *PLACES):
        yield row.case()
    sound = {"at": array(), "fid": blob(FID), "key_log": RENEWED, "logs": array()}
    short = array(array(blob(TWO.public), array(array(blob(ONE.public), integer(5)))))
    for name, comment, changes in (
        ("succeed_without_head", "A word of two parts.", {"logs": short}),
        ("at_below_0", "No place.", {"at": array(array(blob(ONE.public), b"\xff"))}),
        ("fid_of_31", "No federation.", {"fid": blob(bytes(31))}),
    ):
        yield Case(
            id=f"18-line/{name}",
            clause="RST-12",
            expect="schema.invalid",
            comment=comment,
            input=mapping(**{**sound, **changes}),
        )
