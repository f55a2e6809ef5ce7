"""Rotating to the next keys, chapter 02, section 3.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entries import (
    DELEGATED_ID,
    GUARDIANS,
    LATER,
    MIXED_ORDER,
    NEXT,
    ROTATION,
    STRANGER,
    keys,
    promise,
    recover,
    revoke,
    rotate,
)
from key_taking import OPEN, ROTATED_ID, after, good, rotated, row
from kit import Case, blob, hashed, integer

if TYPE_CHECKING:
    from collections.abc import Iterator


def cases() -> Iterator[Case]:
    """Yield the vectors of a rotate."""
    for name, clause, comment, *ops in ACCEPTED:
        yield good(name, clause, comment, *ops)
    for name, clause, code, comment, *ops in ROTATES:
        yield row(name, clause, code, comment, *ops)


ACCEPTED = [
    ("rotated", "IDN-34", "The keys that were promised.", *OPEN, rotated(0, 1, 2)),
    (
        "rotated_to_two_keys",
        "IDN-33",
        "The third of the next keys is lost, and not needed.",
        *OPEN,
        rotated(0, 2, rotation=keys((NEXT[2], NEXT[0]))),
    ),
    (
        "rotated_with_silent_key",
        "IDN-36",
        "A key is shown that does not sign.",
        *OPEN,
        rotated(0, 1),
    ),
    (
        "rotated_to_other_threshold",
        "IDN-30",
        "One of three from here on; two of the next keys signed it.",
        *OPEN,
        rotated(0, 1, threshold=integer(1), next=promise(LATER[:1])),
    ),
    (
        "rotated_with_kept_promise",
        "IDN-30",
        "A key that was not shown stays promised.",
        *OPEN,
        rotated(0, 1, rotation=keys(NEXT[:2]), next=promise((NEXT[2], LATER[0]))),
    ),
    (
        "rotated_twice",
        "IDN-34",
        "Each rotate is by what the one before promised.",
        *after(
            *OPEN,
            rotated(0, 1),
            body=rotate(ROTATED_ID, 3, 1, 2, rotation=keys(LATER), next=promise(ROTATION)),
            signers=LATER[1:],
        ),
    ),
    (
        "shown_keys_revoke",
        "IDN-36",
        "The keys shown are the rotation keys from there on.",
        *after(*OPEN, rotated(0, 1), body=revoke(ROTATED_ID, 3, 0, 2), signers=(NEXT[0], NEXT[2])),
    ),
    (
        "rotate_names_guardians",
        "IDN-31",
        "And the guardians then recover.",
        *after(
            *OPEN,
            rotated(0, 1, guardian_threshold=integer(1), guardians=keys(GUARDIANS)),
            body=recover(
                hashed(
                    "key-op",
                    rotate(
                        DELEGATED_ID,
                        2,
                        0,
                        1,
                        guardian_threshold=integer(1),
                        guardians=keys(GUARDIANS),
                    ),
                ),
                3,
                2,
            ),
            signers=GUARDIANS[2:],
        ),
    ),
]


ROTATES = [
    *(
        (name, clause, code, comment, *OPEN, op)
        for name, clause, code, comment, op in (
            (
                "rotate_by_one",
                "IDN-33",
                "key.authority",
                "The threshold before it counts, not its own.",
                rotated(0, threshold=integer(1)),
            ),
            (
                "rotate_by_unordered",
                "IDN-32",
                "key.authority",
                "One set, one spelling.",
                rotated(1, 0),
            ),
            (
                "rotate_by_no_such_promise",
                "IDN-32",
                "key.authority",
                "Three were promised.",
                rotated(0, 3, signers=NEXT[:2]),
            ),
            (
                "rotate_by_key_not_shown",
                "IDN-35",
                "key.authority",
                "Nobody knows whose hash that is.",
                rotated(0, 2, rotation=keys(NEXT[:2]), signers=NEXT[:2]),
            ),
            (
                "rotate_to_rotation_keys",
                "IDN-34",
                "key.not_committed",
                "Stolen rotation keys cannot rotate.",
                rotated(0, 1, rotation=keys(ROTATION), signers=ROTATION[:2]),
            ),
            (
                "rotate_to_one_more_key",
                "IDN-34",
                "key.not_committed",
                "Who holds two of the next keys seats nobody beside them.",
                rotated(0, 1, rotation=keys((*NEXT[:2], STRANGER))),
            ),
            (
                "rotate_signed_by_rotation_keys",
                "IDN-36",
                "key.signature",
                "The old keys do not sign.",
                rotated(0, 1, signers=ROTATION[:2]),
            ),
            (
                "rotate_without_a_signature",
                "IDN-36",
                "key.signature",
                "One that `by` names is missing.",
                rotated(0, 1, signers=NEXT[:1]),
            ),
            (
                "rotate_with_a_signature_too_many",
                "IDN-36",
                "key.signature",
                "A third shown key signs and is not named.",
                rotated(0, 1, signers=NEXT),
            ),
            (
                "rotate_with_threshold_above_keys",
                "IDN-30",
                "key.invalid",
                "Nobody could ever revoke.",
                rotated(0, 1, threshold=integer(4), next=promise((*LATER, STRANGER))),
            ),
            (
                "rotate_with_too_few_next",
                "IDN-30",
                "key.invalid",
                "Nobody could rotate again.",
                rotated(0, 1, next=promise(LATER[:1])),
            ),
            (
                "rotate_with_next_twice",
                "IDN-30",
                "key.invalid",
                "One key behind two promises.",
                rotated(0, 1, next=promise((LATER[0], LATER[0]))),
            ),
            (
                "rotate_with_key_twice",
                "IDN-30",
                "key.invalid",
                "It would count for two.",
                rotated(0, 1, rotation=keys((NEXT[0], NEXT[1], NEXT[0]))),
            ),
            (
                "rotate_with_manager_of_mixed_order",
                "IDN-6",
                "key.invalid",
                "A manager key signs.",
                rotated(0, 1, manager=blob(MIXED_ORDER)),
            ),
            (
                "rotate_with_guardians_alone",
                "IDN-31",
                "key.invalid",
                "It has to say how many of them recover.",
                rotated(0, 1, guardians=keys(GUARDIANS)),
            ),
        )
    ),
    (
        "replaced_rotation_keys_revoke",
        "IDN-36",
        "key.signature",
        "They were rotated away.",
        *after(*OPEN, rotated(0, 1), body=revoke(ROTATED_ID, 3, 0, 1), signers=ROTATION[:2]),
    ),
    (
        "promise_used_twice",
        "IDN-34",
        "key.not_committed",
        "The keys shown before are no longer promised.",
        *after(*OPEN, rotated(0, 1), body=rotate(ROTATED_ID, 3, 0, 1), signers=NEXT[:2]),
    ),
]
