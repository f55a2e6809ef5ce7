"""Promises, chapter 18: which are owed, which count, and where a lost writer may be closed.

18-promise: the input is {key_log, promised, told}, the output the ids still to be promised on.
18-close: the input is {absent, came_ms, cid, fid, forked_at?, held, lost, members, newest,
promises}, the output `[silent, lacking, least]`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from entries import CID, FID, START_MS, sorted_map
from kit import ZERO, Case, Key, array, blob, hashed, integer, mapping
from writers import DALE, FELL, FOUR, MOOR, ONE, THREE, TWO, blobs, ends, head, key_log, opens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DORMANT_MS: Final = 72 * 3_600_000
WORDS: Final = [hashed("test", b"writer.lost", bytes([number])) for number in range(20)]
LOG: Final = hashed("log", FID, CID, ONE.public)
OTHER_LOG: Final = hashed("log", hashed("federation", b"other"), CID, ONE.public)
Told: TypeAlias = "tuple[bytes, Key, Key]"
"""The id of a `writer.lost`, who wrote it, and of whom."""
BOTH: Final = key_log(opens(ONE), opens(TWO))
MANY: Final = [Key.of(bytes([0x80 + number])) for number in range(17)]
"""One more than a member promises on one log."""


def _owed(
    name: str,
    comment: str,
    keys: bytes,
    told: Sequence[Told],
    due: Sequence[bytes],
    *,
    promised: Sequence[bytes] = (),
    clause: str = "RST-4",
) -> Case:
    words = [array(blob(id_), blob(by.public), blob(of.public)) for id_, by, of in told]
    return Case(
        id=f"18-promise/{name}",
        clause=clause,
        expect="ok",
        comment=comment,
        input=mapping(key_log=keys, promised=blobs(promised), told=array(*words)),
        output=blobs(due),
    )


def _promises() -> Iterator[Case]:
    first, second, *_ = WORDS
    by_two = (first, TWO, ONE)
    three = key_log(opens(ONE), opens(TWO), opens(THREE))
    yield _owed("open_and_older", "By the new one, of the old one.", BOTH, [by_two], [first])
    yield _owed("promised_before", "Once is enough.", BOTH, [by_two], [], promised=[first])
    comment = "Where its log ends is known."
    yield _owed("closed", comment, key_log(opens(ONE), opens(TWO), ends(ONE, 5)), [by_two], [])
    comment = "By one that was there before: a thief of an old key ends nobody."
    yield _owed("younger", comment, BOTH, [(first, ONE, TWO)], [])
    yield _owed("itself", "Whoever writes is not lost.", BOTH, [(first, TWO, TWO)], [])
    comment = "A writer of another co-op: the key log of the author's does not name it."
    yield _owed("of_another_coop", comment, BOTH, [(first, TWO, FOUR)], [])
    comment = "A writer that no key log names."
    yield _owed("by_a_stranger", comment, BOTH, [(first, FOUR, ONE)], [])
    comment = "One writer says it twice; the first word is answered."
    yield _owed("said_twice", comment, BOTH, [by_two, (second, TWO, ONE)], [first])
    comment = "The second word stays without answer, also after the first was answered."
    yield _owed(
        "said_twice_later", comment, BOTH, [by_two, (second, TWO, ONE)], [], promised=[first]
    )
    comment = "Put back again: a newer writer says it anew, and of the one between as well."
    told = [by_two, (second, THREE, ONE), (WORDS[2], THREE, TWO)]
    yield _owed("put_back_twice", comment, three, told, [second, WORDS[2]], promised=[first])
    keys = key_log(opens(ONE), *map(opens, MANY))
    words = [(id_, by, ONE) for id_, by in zip(WORDS, MANY, strict=False)]
    comment = "Seventeen writers say it of one: sixteen are answered."
    yield _owed("seventeen_times", comment, keys, words, WORDS[:16], clause="RST-20")
    comment = "What was promised counts among the sixteen."
    due, done = WORDS[12:16], WORDS[:12]
    yield _owed("twelve_before", comment, keys, words, due, promised=done, clause="RST-20")
    yield Case(
        id="18-promise/told_without_writer",
        clause="RST-4",
        expect="schema.invalid",
        comment="A word of two parts.",
        input=mapping(
            key_log=BOTH,
            promised=array(),
            told=array(array(blob(first), blob(TWO.public))),
        ),
    )


def _promise(cid: bytes, seq: int, **changes: bytes) -> bytes:
    parts = {"cid": cid, "lost": WORDS[0], "log": LOG, "head": head(seq), **changes}
    return array(
        *(blob(parts[name]) for name in ("cid", "lost", "log")), integer(seq), blob(parts["head"])
    )


@dataclass(frozen=True)
class Close:
    """A vector: what was promised, what is held, and what is missing."""

    name: str
    clause: str
    comment: str
    promises: Sequence[bytes]
    least: int
    silent: Sequence[bytes] = ()
    lacking: Sequence[bytes] = ()
    held: int = 5
    absent: Sequence[bytes] = ()
    newest: Mapping[bytes, int] = field(default_factory=dict)
    changes: Mapping[str, bytes] = field(default_factory=dict)

    def case(self) -> Case:
        """Return the vector."""
        newest = {DALE: START_MS, MOOR: START_MS, **self.newest}
        fields = {
            "absent": blobs(self.absent),
            "came_ms": integer(START_MS),
            "cid": blob(CID),
            "fid": blob(FID),
            "held": blobs([head(seq) for seq in range(1, self.held + 1)]),
            "lost": array(blob(WORDS[0]), blob(ONE.public)),
            "members": blobs([CID, DALE, MOOR]),
            "newest": array(*(array(blob(cid), integer(ms)) for cid, ms in newest.items())),
            "promises": array(*self.promises),
            **self.changes,
        }
        return Case(
            id=f"18-close/{self.name}",
            clause=self.clause,
            expect="ok",
            comment=self.comment,
            input=sorted_map(fields),
            output=array(
                blobs(sorted(self.silent)), blobs(sorted(self.lacking)), integer(self.least)
            ),
        )


BY_DALE, BY_MOOR = _promise(DALE, 5), _promise(MOOR, 3)
FORKED_AT_4: Final = {"forked_at": integer(4)}
CLOSES: Final = (
    Close("all_promised", "RST-7", "Both, and all of it is here.", [BY_DALE, BY_MOOR], 5),
    Close("one_silent", "RST-7", "Moor may hold more.", [BY_DALE], 5, [MOOR]),
    Close("nobody_yet", "RST-7", "Nothing is known of its end.", [], 0, [DALE, MOOR]),
    Close(
        "dormant",
        "RST-7",
        "A millisecond more than 72 hours before the newest entry of the copy.",
        [BY_DALE],
        5,
        newest={MOOR: START_MS - DORMANT_MS - 1},
    ),
    Close(
        "almost_dormant",
        "RST-7",
        "72 hours before it.",
        [BY_DALE],
        5,
        [MOOR],
        newest={MOOR: START_MS - DORMANT_MS},
    ),
    Close("absent", "RST-7", "The operator does without it.", [BY_DALE], 5, absent=[MOOR]),
    Close(
        "never_heard_of",
        "RST-7",
        "Nothing is held of Moor: the copy may be of a time before it spoke.",
        [BY_DALE],
        5,
        [MOOR],
        changes={"newest": array(array(blob(DALE), integer(START_MS)))},
    ),
    Close(
        "copy_without_entries",
        "RST-7",
        "Nothing tells that anybody slept.",
        [],
        0,
        [DALE, MOOR],
        changes={"came_ms": integer(0), "newest": array()},
    ),
    Close(
        "other_word",
        "RST-8",
        "On another `writer.lost`.",
        [BY_DALE, _promise(MOOR, 3, lost=WORDS[1])],
        5,
        [MOOR],
    ),
    Close(
        "log_of_other_federation",
        "RST-8",
        "The same writer, in another federation.",
        [BY_DALE, _promise(MOOR, 3, log=OTHER_LOG)],
        5,
        [MOOR],
    ),
    Close(
        "furthest_of_one",
        "RST-8",
        "Dale promised when it held 3, and again at 5.",
        [_promise(DALE, 5), _promise(DALE, 3), BY_MOOR],
        5,
    ),
    Close("by_no_member", "RST-8", "Nobody asked Fell.", [BY_DALE, BY_MOOR, _promise(FELL, 9)], 5),
    Close("by_ourselves", "RST-8", "Our own.", [BY_DALE, BY_MOOR, _promise(CID, 9)], 5),
    Close(
        "by_an_absent_one",
        "RST-8",
        "Who is done without does not keep the log open by a place that is nowhere.",
        [BY_DALE, _promise(MOOR, 2**53 - 1, head=WORDS[5])],
        5,
        absent=[MOOR],
    ),
    Close(
        "beyond_what_is_held",
        "RST-9",
        "Entry 5 is still to come.",
        [BY_DALE, BY_MOOR],
        5,
        lacking=[DALE],
        held=4,
    ),
    Close(
        "another_entry",
        "RST-9",
        "At 3 Moor says that it holds another one: one of the two will come as a fork.",
        [BY_DALE, _promise(MOOR, 3, head=WORDS[5])],
        5,
        lacking=[MOOR],
    ),
    Close(
        "of_nothing",
        "RST-9",
        "Both hold nothing of it.",
        [_promise(DALE, 0, head=ZERO), _promise(MOOR, 0, head=ZERO)],
        0,
        held=0,
    ),
    Close("more_is_held", "RST-9", "It may end where it ends here.", [BY_DALE, BY_MOOR], 5, held=7),
    Close(
        "forked_below",
        "RST-9",
        "What was promised lies beyond the fork; what is before it is here.",
        [BY_DALE, _promise(MOOR, 5, head=WORDS[5])],
        3,
        held=3,
        changes=FORKED_AT_4,
    ),
    Close(
        "forked_below_to_come",
        "RST-9",
        "What is before the fork is not all here.",
        [BY_DALE, _promise(MOOR, 2)],
        3,
        lacking=[DALE],
        held=2,
        changes=FORKED_AT_4,
    ),
    Close(
        "forked_above",
        "RST-9",
        "A fork beyond what was promised changes nothing.",
        [_promise(DALE, 3), BY_MOOR],
        3,
        changes=FORKED_AT_4,
    ),
)


def cases() -> Iterator[Case]:
    """Yield the vectors of promises."""
    yield from _promises()
    for row in CLOSES:
        yield row.case()
    yield Case(
        id="18-close/members_of_31",
        clause="RST-8",
        expect="schema.invalid",
        comment="No co-op's id.",
        input=Close("", "", "", [], 0, changes={"members": blobs([bytes(31)])}).case().input,
    )
