"""Divisions of a key log, chapter 02, section 3.3.

The input is `[anchors, runs]`, the output the head in force. Each story is written once for each
order of its runs: the output is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

from entries import (
    GUARDIANS,
    LATER,
    MANAGER,
    MANAGER_2,
    MIXED_ORDER,
    NEXT,
    ROTATION,
    STRANGER,
    delegate,
    inception,
    key_op,
    keys,
    promise,
    recover,
    revoke,
    rotate,
)
from kit import Case, Key, array, blob, hashed, integer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OTHER_MANAGER = Key.of(b"y")


@dataclass(frozen=True)
class Path:
    """Operations from the inception on, and the id of the last."""

    ops: tuple[bytes, ...]
    cid: bytes
    head: bytes

    @classmethod
    def begin(cls, body: bytes) -> Path:
        """Return the path of an inception."""
        op = key_op(body, *ROTATION[:2])
        return cls((op,), hashed("coop", body), hashed("key-op", body))

    def then(
        self, make: Callable[..., bytes], signers: tuple[Key, ...], *by: int, **changes: bytes
    ) -> Path:
        """Return the path with one more operation."""
        changes = {"cid": blob(self.cid), **changes}
        body = make(self.head, len(self.ops), *by, **changes)
        return Path((*self.ops, key_op(body, *signers)), self.cid, hashed("key-op", body))

    def opens(self, letter: bytes, manager: Key = MANAGER) -> Path:
        """Return the path with one more writer."""
        return self.then(delegate, (manager,), key=blob(Key.of(letter).public))

    def revokes(self, *by: int, to: Key = MANAGER_2, of: tuple[Key, ...] = ROTATION) -> Path:
        """Return the path with another manager key."""
        return self.then(revoke, tuple(of[i] for i in by), *by, manager=blob(to.public))

    def rotates(self, *by: int, to: Key = MANAGER_2) -> Path:
        """Return the path with the keys that the inception promised."""
        return self.then(rotate, tuple(NEXT[i] for i in by), *by, manager=blob(to.public))

    def recovers(self, *by: int, to: Key = MANAGER_2) -> Path:
        """Return the path with keys that guardians named."""
        return self.then(recover, tuple(GUARDIANS[i] for i in by), *by, manager=blob(to.public))

    @property
    def frozen(self) -> bytes:
        """The head of a log that is frozen after this path."""
        return hashed("key-frozen", self.head)

    def since(self, start: int) -> tuple[bytes, ...]:
        """Return the operations from a number on."""
        return self.ops[start:]


BEGUN = Path.begin(inception(guardian_threshold=integer(2), guardians=keys(GUARDIANS)))
OPEN = BEGUN.opens(b"w")
OWNER, THIEF = OPEN.opens(b"a"), OPEN.opens(b"b")
RECOVERED = OPEN.recovers(0, 1, to=OTHER_MANAGER)
RECOVERED_AND_ROTATED = RECOVERED.then(
    rotate, ROTATION[:2], 0, 1, rotation=keys(ROTATION), next=promise(LATER)
)
ROTATED_AGAIN = OPEN.rotates(1, 2, to=OTHER_MANAGER).then(
    rotate, LATER[:2], 0, 1, rotation=keys(LATER), next=promise(GUARDIANS)
)
ANCHORED = THIEF.head

STORIES = [
    ("longer", "IDN-40", "A continuation takes nothing away.", OWNER.head, [], [OPEN, OWNER]),
    ("managers", "IDN-45", "Two of a manager: neither counts.", OPEN.frozen, [], [OWNER, THIEF]),
    (
        "managers_one_goes_on",
        "IDN-44",
        "More of the same weight is no more weight.",
        OPEN.frozen,
        [],
        [OWNER, THIEF.opens(b"c").opens(b"d")],
    ),
    (
        "three_managers",
        "IDN-44",
        "Which two are kept changes nothing.",
        OPEN.frozen,
        [],
        [OWNER, THIEF, OPEN.opens(b"c")],
    ),
    (
        "revoke_and_manager",
        "IDN-41",
        "The rotation keys override the manager key.",
        OPEN.revokes(0, 1).head,
        [],
        [OPEN.revokes(0, 1), THIEF],
    ),
    (
        "revoke_later_on_its_side",
        "IDN-42",
        "The greatest on a side counts, wherever it stands there.",
        OWNER.revokes(0, 1).head,
        [],
        [OWNER.revokes(0, 1), THIEF.opens(b"c")],
    ),
    (
        "revoke_thaws",
        "IDN-44",
        "Two managers freeze, the rotation keys decide.",
        OWNER.revokes(0, 1).head,
        [],
        [OWNER, THIEF, OWNER.revokes(0, 1)],
    ),
    (
        "old_manager",
        "IDN-41",
        "A replaced key cannot freeze what was revoked since.",
        OPEN.revokes(0, 1).opens(b"a", MANAGER_2).head,
        [],
        [OPEN.revokes(0, 1).opens(b"a", MANAGER_2), BEGUN.opens(b"b"), THIEF],
    ),
    (
        "revokes",
        "IDN-44",
        "By the same keys: neither counts.",
        OPEN.frozen,
        [],
        [OPEN.revokes(0, 1), OPEN.revokes(0, 1, to=OTHER_MANAGER)],
    ),
    (
        "revokes_by_others",
        "IDN-41",
        "The smaller index where they first differ.",
        OPEN.revokes(0, 2).head,
        [],
        [OPEN.revokes(0, 2), OPEN.revokes(1, 2, to=OTHER_MANAGER)],
    ),
    (
        "revoke_by_more",
        "IDN-41",
        "One more signer is more weight.",
        OPEN.revokes(0, 1, 2).head,
        [],
        [OPEN.revokes(0, 1, 2), OPEN.revokes(0, 1, to=OTHER_MANAGER)],
    ),
    (
        "rotate_thaws",
        "IDN-44",
        "Two revokes freeze, the next keys decide.",
        OPEN.rotates(0, 1).head,
        [],
        [OPEN.revokes(0, 1), OPEN.revokes(0, 1, to=OTHER_MANAGER), OPEN.rotates(0, 1)],
    ),
    (
        "rotates",
        "IDN-44",
        "By the same keys: neither counts.",
        OPEN.frozen,
        [],
        [OPEN.rotates(0, 1), OPEN.rotates(0, 1, to=OTHER_MANAGER)],
    ),
    (
        "recover_and_manager",
        "IDN-41",
        "Guardians override the manager key.",
        RECOVERED.head,
        [],
        [RECOVERED, THIEF],
    ),
    (
        "recover_and_revoke",
        "IDN-41",
        "Rotation keys override guardians.",
        OPEN.revokes(0, 1).head,
        [],
        [RECOVERED, OPEN.revokes(0, 1)],
    ),
    (
        "recover_then_rotate_and_revoke",
        "IDN-42",
        "Guardians that name themselves the next keys weigh no more for it.",
        OPEN.revokes(1, 2).head,
        [],
        [RECOVERED_AND_ROTATED, OPEN.revokes(1, 2)],
    ),
    (
        "rotate_twice_and_rotate",
        "IDN-42",
        "The second one is by keys of its own choice.",
        OPEN.rotates(0, 2).head,
        [],
        [ROTATED_AGAIN, OPEN.rotates(0, 2)],
    ),
    (
        "first_division_freezes",
        "IDN-44",
        "Frozen after the inception, whatever divides later.",
        BEGUN.frozen,
        [],
        [OWNER, THIEF, BEGUN.opens(b"c")],
    ),
    (
        "inner_division",
        "IDN-44",
        "The outer division is decided, the inner one is not.",
        BEGUN.revokes(0, 1).frozen,
        [],
        [
            BEGUN.revokes(0, 1).opens(b"a", MANAGER_2),
            BEGUN.revokes(0, 1).opens(b"b", MANAGER_2),
            THIEF,
        ],
    ),
    (
        "anchor",
        "IDN-43",
        "Members agreed on this head: no key overrides it.",
        THIEF.head,
        [ANCHORED],
        [OPEN.rotates(0, 1, 2), THIEF],
    ),
    (
        "anchor_before",
        "IDN-43",
        "One that both hold favours neither.",
        OPEN.revokes(0, 1).head,
        [OPEN.head],
        [OPEN.revokes(0, 1), THIEF],
    ),
    (
        "anchor_below_the_end",
        "IDN-43",
        "A side holds it wherever it stands there.",
        THIEF.opens(b"c").head,
        [ANCHORED],
        [THIEF.opens(b"c"), OPEN.revokes(0, 1)],
    ),
    (
        "anchors_on_both",
        "IDN-43",
        "Two federations, two heads: neither counts, whatever signed them.",
        OPEN.frozen,
        sorted([ANCHORED, OPEN.revokes(0, 1).head]),
        [OPEN.revokes(0, 1), THIEF],
    ),
    (
        "anchored_revoke_follows",
        "IDN-43",
        "What cannot be overridden can be continued.",
        THIEF.revokes(0, 1).head,
        [ANCHORED],
        [THIEF.revokes(0, 1), OPEN.rotates(0, 1)],
    ),
]
"""Name, clause, comment, head in force, anchors, paths."""

STRANGERS = Path.begin(inception(nonce=blob(b"z" * 16)))


def cases() -> Iterator[Case]:
    """Yield the vectors of divisions."""
    for name, clause, comment, head, anchors, paths in STORIES:
        for number, order in enumerate(permutations(paths), 1):
            runs = [path.ops for path in order]
            yield _case(
                f"{name}_{number}", clause, "ok", comment, data=_input(anchors, *runs), output=head
            )
    for name, clause, comment, runs in ENDS:
        head = OWNER.revokes(0, 1).head
        yield _case(name, clause, "ok", comment, data=_input([], *runs), output=head)
    runs = [*(path.ops for path in RIVALS), RIVALS[1].revokes(0, 1).since(2)]
    head, comment = RIVALS[1].revokes(0, 1).head, "The second in order is kept beside the first."
    yield _case(
        "run_on_the_kept_rival", "IDN-47", "ok", comment, data=_input([], *runs), output=head
    )
    for name, clause, code, comment, *runs in REFUSED:
        yield _case(name, clause, code, comment, data=_input([], *runs))


def _case(*fields: str, data: bytes, output: bytes | None = None) -> Case:
    name, clause, expect, comment = fields
    return Case(
        id=f"02-key-history/{name}",
        clause=clause,
        expect=expect,
        comment=comment,
        input=data,
        output=output,
    )


def _input(anchors: list[bytes], *runs: tuple[bytes, ...]) -> bytes:
    return array(array(*map(blob, anchors)), array(*(array(*run) for run in runs)))


RIVALS = sorted((BEGUN.opens(letter) for letter in (b"a", b"b", b"c")), key=lambda p: p.head)
LATE_RIVALS = sorted((OWNER, THIEF), key=lambda path: path.head)
FORGED = OWNER.ops[1][:-1] + bytes([OWNER.ops[1][-1] ^ 1])

ENDS = [
    (
        "end_of_the_path",
        "IDN-48",
        "Only what is new.",
        [OWNER.ops, THIEF.ops, OWNER.revokes(0, 1).since(3)],
    ),
    (
        "end_of_the_path_other_order",
        "IDN-48",
        "The one kept first or the one kept beside it.",
        [THIEF.ops, OWNER.ops, OWNER.revokes(0, 1).since(3)],
    ),
    (
        "end_of_an_earlier_place",
        "IDN-48",
        "It follows on an operation in the middle.",
        [THIEF.ops, OWNER.revokes(0, 1).since(2)],
    ),
    (
        "end_that_overlaps",
        "IDN-48",
        "Some of it is held.",
        [OWNER.ops, OWNER.revokes(0, 1).since(1)],
    ),
    (
        "end_that_overlaps_under_a_forged_signature",
        "IDN-73",
        "What is held was verified; the signatures that came are not looked at.",
        [OWNER.ops, (FORGED, *OWNER.revokes(0, 1).since(2))],
    ),
]

REFUSED = [
    ("no_run", "IDN-9", "key.empty", "Nothing names the co-op.", ()),
    (
        "run_that_follows_nowhere",
        "IDN-48",
        "key.gap",
        "The operations between may still arrive.",
        OPEN.ops,
        OWNER.revokes(0, 1).since(3),
    ),
    (
        "run_on_a_dropped_side",
        "IDN-48",
        "key.gap",
        "The side was outweighed and dropped: it has to come whole.",
        OPEN.revokes(0, 1).ops,
        THIEF.ops,
        THIEF.opens(b"c").since(3),
    ),
    (
        "run_of_another_coop",
        "IDN-13",
        "key.wrong_coop",
        "Another inception is another co-op.",
        OPEN.ops,
        STRANGERS.ops,
    ),
    (
        "end_of_another_coop",
        "IDN-13",
        "key.wrong_coop",
        "The manager of two co-ops signed it for the other.",
        OPEN.ops,
        OPEN.then(delegate, (MANAGER,), cid=blob(STRANGERS.cid)).since(2),
    ),
    (
        "run_on_a_rival_of_a_later_division",
        "IDN-47",
        "key.gap",
        "The log is frozen by a division before theirs; of its sides one is kept.",
        *(path.ops for path in (*LATE_RIVALS, BEGUN.opens(b"c"))),
        LATE_RIVALS[1].revokes(0, 1).since(3),
    ),
    (
        "run_on_the_third_rival",
        "IDN-47",
        "key.gap",
        "Of the rivals at the first division the first in order is kept.",
        *(path.ops for path in RIVALS),
        RIVALS[2].revokes(0, 1).since(2),
    ),
    (
        "run_that_follows_nowhere_to_mixed_order",
        "ENV-19",
        "key.invalid",
        "Whatever it follows on, it will never do.",
        OPEN.ops,
        OWNER.then(revoke, ROTATION[:2], 0, 1, manager=blob(MIXED_ORDER)).since(3),
    ),
    (
        "rival_by_a_stranger",
        "IDN-12",
        "key.signature",
        "A rival is an operation that would hold alone.",
        OWNER.ops,
        OPEN.opens(b"b", STRANGER).ops,
    ),
    (
        "rival_below_threshold",
        "IDN-33",
        "key.authority",
        "One of two rotation keys.",
        OWNER.ops,
        OPEN.revokes(0).ops,
    ),
    (
        "run_that_divides",
        "IDN-14",
        "key.fork",
        "A run is one path.",
        OPEN.ops,
        (*OWNER.since(2), *THIEF.since(2)),
    ),
]
