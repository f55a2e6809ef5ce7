"""Guardians and what they recover, chapter 02, section 3.2."""

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
    ended,
    inception,
    key_op,
    keys,
    promise,
    recover,
    revoke,
)
from key_taking import (
    GUARDED,
    GUARDED_CID,
    OPEN,
    RECOVERED_ID,
    SEVENTEEN,
    after,
    good,
    recovered,
    row,
)
from kit import Case, array, blob, integer

if TYPE_CHECKING:
    from collections.abc import Iterator


def cases() -> Iterator[Case]:
    """Yield the vectors of guardians."""
    for name, clause, comment, *ops in ACCEPTED:
        yield good(name, clause, comment, *ops)
    for name, clause, code, comment, *ops in (*INCEPTIONS, *RECOVERS):
        yield row(name, clause, code, comment, *ops)


ACCEPTED = [
    ("inception_with_guardians", "IDN-31", "Two of three may recover.", GUARDED),
    ("recovered", "IDN-33", "To keys that nothing promised.", GUARDED, recovered(0, 1)),
    (
        "recovered_keys_revoke",
        "IDN-36",
        "The keys that the guardians named.",
        *after(
            GUARDED,
            recovered(0, 1),
            body=revoke(RECOVERED_ID, 2, 0, 1, cid=blob(GUARDED_CID)),
            signers=LATER[:2],
        ),
    ),
    (
        "guardians_stay_after_recover",
        "IDN-33",
        "The new keys may be lost as well.",
        *after(
            GUARDED,
            recovered(0, 1),
            body=recover(
                RECOVERED_ID, 2, 1, 2, cid=blob(GUARDED_CID), manager=blob(STRANGER.public)
            ),
            signers=GUARDIANS[1:],
        ),
    ),
]


INCEPTIONS = [
    (
        name,
        clause,
        code,
        comment,
        key_op(inception(**changes), *ROTATION[:2]),
    )
    for name, clause, code, comment, changes in (
        (
            "guardians_without_threshold",
            "IDN-31",
            "key.invalid",
            "It has to say how many of them recover.",
            {"guardians": keys(GUARDIANS)},
        ),
        (
            "guardian_threshold_alone",
            "IDN-31",
            "key.invalid",
            "It has to say two of whom.",
            {"guardian_threshold": integer(2)},
        ),
        (
            "guardian_threshold_above_keys",
            "IDN-30",
            "key.invalid",
            "They could never recover.",
            {"guardian_threshold": integer(4), "guardians": keys(GUARDIANS)},
        ),
        (
            "guardian_named_twice",
            "IDN-30",
            "key.invalid",
            "It would count for two.",
            {"guardian_threshold": integer(2), "guardians": keys(GUARDIANS[:1] * 2)},
        ),
        (
            "guardian_of_mixed_order",
            "IDN-6",
            "key.invalid",
            "A key that signs.",
            {"guardian_threshold": integer(1), "guardians": array(blob(MIXED_ORDER))},
        ),
        (
            "inception_with_rotation_key_twice",
            "IDN-30",
            "key.invalid",
            "It would count for two in a revoke.",
            {"rotation": keys((*ROTATION[:2], ROTATION[0]))},
        ),
        (
            "inception_with_too_few_next",
            "IDN-30",
            "key.invalid",
            "Nobody could ever rotate: two have to sign.",
            {"next": promise(NEXT[:1])},
        ),
        (
            "inception_with_next_twice",
            "IDN-30",
            "key.invalid",
            "One key behind two promises.",
            {"next": promise((NEXT[0], NEXT[1], NEXT[0]))},
        ),
        (
            "inception_with_17_next",
            "IDN-19",
            "schema.invalid",
            "One too many.",
            {"next": promise(SEVENTEEN)},
        ),
    )
]

RECOVERS = [
    (
        "recover_without_guardians",
        "IDN-33",
        "key.authority",
        "The inception names none.",
        *after(*OPEN, body=recover(DELEGATED_ID, 2, 0, 1), signers=GUARDIANS[:2]),
    ),
    *(
        (name, clause, code, comment, GUARDED, op)
        for name, clause, code, comment, op in (
            ("recover_by_one", "IDN-33", "key.authority", "One of two.", recovered(0)),
            (
                "recover_by_no_such_guardian",
                "IDN-32",
                "key.authority",
                "There are three.",
                recovered(0, 3, signers=GUARDIANS[:2]),
            ),
            (
                "recover_signed_by_rotation_keys",
                "IDN-36",
                "key.signature",
                "They revoke.",
                recovered(0, 1, signers=ROTATION[:2]),
            ),
            (
                "recover_without_a_signature",
                "IDN-36",
                "key.signature",
                "One that `by` names is missing.",
                recovered(0, 1, signers=GUARDIANS[:1]),
            ),
            (
                "recover_to_mixed_order",
                "IDN-6",
                "key.invalid",
                "A rotation key signs.",
                recovered(
                    0,
                    1,
                    rotation=array(*map(blob, (LATER[0].public, LATER[1].public, MIXED_ORDER))),
                ),
            ),
            (
                "recover_with_too_few_next",
                "IDN-30",
                "key.invalid",
                "Nobody could rotate.",
                recovered(0, 1, next=promise(ROTATION[:1])),
            ),
            (
                "recover_with_writer_twice",
                "IDN-37",
                "key.cuts",
                "It ends once.",
                recovered(0, 1, writers=array(ended(), ended())),
            ),
        )
    ),
    (
        "lost_rotation_keys_revoke",
        "IDN-36",
        "key.signature",
        "The guardians named others.",
        *after(
            GUARDED,
            recovered(0, 1),
            body=revoke(RECOVERED_ID, 2, 0, 1, cid=blob(GUARDED_CID)),
            signers=ROTATION[:2],
        ),
    ),
]
