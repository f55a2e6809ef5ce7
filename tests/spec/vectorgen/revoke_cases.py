"""Taking a manager key away, chapter 02, section 3.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entries import (
    BEGUN,
    DELEGATED_ID,
    MANAGER,
    MANAGER_2,
    MIXED_ORDER,
    NEXT,
    ROTATION,
    STRANGER,
    WRITER,
    close,
    delegate,
    ended,
    inception,
    key_op,
    revoke,
)
from key_taking import (
    ENDED,
    ENDED_ID,
    HIGH,
    LOW,
    OPEN,
    PREKEY,
    REVOKED_ID,
    SEVENTEEN,
    after,
    forged,
    good,
    revoked,
    row,
)
from kit import Case, array, blob, hashed, integer

if TYPE_CHECKING:
    from collections.abc import Iterator


def cases() -> Iterator[Case]:
    """Yield the vectors of a revoke."""
    for name, clause, comment, *ops in ACCEPTED:
        yield good(name, clause, comment, *ops)
    for name, clause, code, comment, *ops in REVOKES:
        yield row(name, clause, code, comment, *ops)


def _many(count: int) -> bytes:
    listed = sorted(key.public for key in SEVENTEEN[:count])
    return array(*(ended(key=key) for key in listed))


ACCEPTED = [
    ("revoked", "IDN-36", "Two of three take the manager key away.", *OPEN, revoked(0, 1)),
    ("revoked_by_others", "IDN-33", "Any two do.", *OPEN, revoked(1, 2)),
    ("revoked_by_all", "IDN-33", "More than the threshold may sign.", *OPEN, revoked(0, 1, 2)),
    (
        "revoked_before_any_writer",
        "IDN-14",
        "It follows on any operation.",
        *after(BEGUN, body=revoke(hashed("key-op", inception()), 1, 0, 1), signers=ROTATION[:2]),
    ),
    (
        "revoke_with_the_same_manager",
        "IDN-36",
        "Only the writer was stolen.",
        *OPEN,
        revoked(0, 1, manager=blob(MANAGER.public), writers=ENDED),
    ),
    (
        "new_manager_delegates",
        "IDN-12",
        "The manager key in force.",
        *after(
            *OPEN,
            revoked(0, 1),
            body=delegate(REVOKED_ID, 3, key=blob(STRANGER.public)),
            signers=(MANAGER_2,),
        ),
    ),
    (
        "revoke_moves_a_cut",
        "IDN-38",
        "The manager's close is not the last word.",
        *after(
            *OPEN,
            key_op(close(DELEGATED_ID, 2, LOW), MANAGER),
            body=revoke(hashed("key-op", close(DELEGATED_ID, 2, LOW)), 3, 0, 1, writers=ENDED),
            signers=ROTATION[:2],
        ),
    ),
    (
        "revoke_adopts_writer",
        "IDN-38",
        "Of a side that lost: what it wrote up to the cut counts.",
        *OPEN,
        revoked(0, 1, writers=array(ended(LOW, key=STRANGER.public))),
    ),
    (
        "revoke_ends_prekey",
        "IDN-39",
        "A prekey has no cuts and is no point to sign with.",
        *after(
            *OPEN,
            key_op(PREKEY, MANAGER),
            body=revoke(hashed("key-op", PREKEY), 3, 0, 1, writers=array(ended(key=b"k" * 32))),
            signers=ROTATION[:2],
        ),
    ),
    ("revoke_of_16_writers", "IDN-19", "The most.", *OPEN, revoked(0, 1, writers=_many(16))),
]

REVOKES = [
    (
        "delegation_by_writer",
        "IDN-12",
        "key.signature",
        "A writer opens no other.",
        *after(*OPEN, body=delegate(DELEGATED_ID, 2, key=blob(STRANGER.public)), signers=(WRITER,)),
    ),
    *(
        (name, clause, code, comment, *OPEN, op)
        for name, clause, code, comment, op in (
            ("revoke_by_one", "IDN-33", "key.authority", "One of two.", revoked(0)),
            (
                "revoke_by_nobody",
                "IDN-19",
                "schema.invalid",
                "Nobody signed it.",
                revoked(signers=ROTATION[:2]),
            ),
            (
                "revoke_by_unordered",
                "IDN-32",
                "key.authority",
                "One set, one spelling.",
                revoked(1, 0),
            ),
            (
                "revoke_by_one_twice",
                "IDN-32",
                "key.authority",
                "One key for two.",
                revoked(0, 0, signers=ROTATION[:1]),
            ),
            (
                "revoke_by_no_such_key",
                "IDN-32",
                "key.authority",
                "There are three.",
                revoked(0, 3, signers=(ROTATION[0], STRANGER)),
            ),
            (
                "revoke_without_a_signature",
                "IDN-36",
                "key.signature",
                "One that `by` names is missing.",
                revoked(0, 1, signers=ROTATION[:1]),
            ),
            (
                "revoke_with_a_signature_too_many",
                "IDN-36",
                "key.signature",
                "Else its weight would depend on who passed it on.",
                revoked(0, 1, signers=ROTATION),
            ),
            (
                "revoke_signed_by_another",
                "IDN-36",
                "key.signature",
                "A rotation key, and not the one named.",
                revoked(0, 1, signers=(ROTATION[0], ROTATION[2])),
            ),
            (
                "revoke_signed_by_manager",
                "IDN-36",
                "key.signature",
                "The manager cannot take itself away, nor another in.",
                revoked(0, 1, signers=(MANAGER,)),
            ),
            (
                "revoke_signed_by_next_keys",
                "IDN-36",
                "key.signature",
                "They rotate.",
                revoked(0, 1, signers=NEXT[:2]),
            ),
            (
                "revoke_forged",
                "IDN-36",
                "key.signature",
                "One bit of the second signature differs.",
                forged(revoked(0, 1)),
            ),
            (
                "revoke_to_mixed_order",
                "IDN-6",
                "key.invalid",
                "A manager key signs.",
                revoked(0, 1, manager=blob(MIXED_ORDER)),
            ),
            (
                "revoke_of_17_writers",
                "IDN-19",
                "schema.invalid",
                "One too many.",
                revoked(0, 1, writers=_many(17)),
            ),
            (
                "revoke_with_writer_twice",
                "IDN-37",
                "key.cuts",
                "It ends once.",
                revoked(0, 1, writers=array(ended(LOW), ended(HIGH))),
            ),
            (
                "revoke_with_writers_unordered",
                "IDN-37",
                "key.cuts",
                "One revoke, one spelling.",
                revoked(
                    0,
                    1,
                    writers=array(
                        *(
                            ended(key=key)
                            for key in sorted((WRITER.public, STRANGER.public), reverse=True)
                        )
                    ),
                ),
            ),
            (
                "revoke_with_cuts_unordered",
                "IDN-27",
                "key.cuts",
                "As in a close.",
                revoked(0, 1, writers=array(ended(HIGH, LOW))),
            ),
            (
                "revoke_adopts_mixed_order",
                "IDN-6",
                "key.invalid",
                "Listed, it is registered.",
                revoked(0, 1, writers=array(ended(LOW, key=MIXED_ORDER))),
            ),
            (
                "revoke_of_other_coop",
                "IDN-13",
                "key.wrong_coop",
                "One board, two co-ops.",
                revoked(0, 1, cid=blob(bytes(32))),
            ),
            (
                "revoke_on_other_head",
                "IDN-14",
                "key.fork",
                "Inside one path nothing divides.",
                revoked(0, 1, prev=blob(bytes(32))),
            ),
            (
                "revoke_after_gap",
                "IDN-15",
                "key.gap",
                "Operation 2 may still arrive.",
                revoked(0, 1, seq=integer(3)),
            ),
        )
    ),
    (
        "old_manager_delegates",
        "IDN-12",
        "key.signature",
        "It was taken away.",
        *after(
            *OPEN,
            revoked(0, 1),
            body=delegate(REVOKED_ID, 3, key=blob(STRANGER.public)),
            signers=(MANAGER,),
        ),
    ),
    (
        "ended_writer_delegated",
        "IDN-16",
        "key.reused",
        "A revoke ended it.",
        *after(
            *OPEN,
            revoked(0, 1, writers=ENDED),
            body=delegate(ENDED_ID, 3),
            signers=(MANAGER_2,),
        ),
    ),
    (
        "ended_writer_closed",
        "IDN-17",
        "key.not_open",
        "Only the rotation keys move a cut that they made.",
        *after(
            *OPEN, revoked(0, 1, writers=ENDED), body=close(ENDED_ID, 3, LOW), signers=(MANAGER_2,)
        ),
    ),
]
