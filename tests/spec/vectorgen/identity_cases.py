"""Key logs, chapter 02: the input is an array of operations, the output the co-op's id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entries import (
    BEGUN,
    DELEGATED,
    DELEGATED_ID,
    MANAGER,
    MANAGER_2,
    MIXED_ORDER,
    ROTATION,
    STRANGER,
    WRITER,
    close,
    cut,
    delegate,
    ended,
    inception,
    key_op,
    keys,
    revoke,
)
from key_taking import HIGH, LOW, good, row
from kit import Case, array, blob, hashed, integer, mapping, text

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOSED = key_op(close(DELEGATED_ID, 2, LOW, HIGH), MANAGER)
CLOSED_ID = hashed("key-op", close(DELEGATED_ID, 2, LOW, HIGH))
SMALL_ORDER = b"\x01" + bytes(31)


def cases() -> Iterator[Case]:
    """Yield the vectors of chapter 02."""
    yield good("inception_alone", "IDN-2", "The co-op's id is the hash of this body.", BEGUN)
    yield good("writer_delegated", "IDN-12", "The manager opens a writer.", BEGUN, DELEGATED)
    yield good("writer_closed", "IDN-17", "And ends it, log by log.", BEGUN, DELEGATED, CLOSED)
    everywhere = key_op(close(DELEGATED_ID, 2), MANAGER)
    comment = "Nothing that it wrote counts anywhere."
    yield good("writer_closed_without_cuts", "IDN-28", comment, BEGUN, DELEGATED, everywhere)
    comment = "The most federations that a close can name."
    yield good("writer_closed_in_64", "IDN-27", comment, BEGUN, DELEGATED, _closed_in(64))
    wide = inception(name=text("\U0001f33e" * 120))
    yield Case(
        id="02-identity/name_of_120_beyond_the_bmp",
        clause="IDN-19",
        expect="ok",
        comment="A character is a code point: 240 units of UTF-16, 480 bytes.",
        input=array(key_op(wide, *ROTATION[:2])),
        output=hashed("coop", wide),
    )
    by_others = key_op(inception(), *ROTATION[1:])
    yield good("inception_by_other_two", "IDN-2", "Any two of three: the same id.", by_others)
    for name, clause, code, comment, *ops in (*REFUSED, *TWO_USES, *AFTER_A_GAP):
        yield row(name, clause, code, comment, *ops)


def _closed_in(count: int) -> bytes:
    cuts = (cut(2**40, fid=bytes([number]) * 32) for number in range(count))
    return key_op(close(DELEGATED_ID, 2, *cuts), MANAGER)


def _forged(body: bytes) -> bytes:
    good = key_op(body, MANAGER)
    return good[:-1] + bytes([good[-1] ^ 1])


PREKEY = delegate(role=text("prekey"))
PREKEY_ID, PREKEYED = hashed("key-op", PREKEY), key_op(PREKEY, MANAGER)
WITHOUT_PREKEY = revoke(PREKEY_ID, 2, 0, 1, writers=array(ended()))

TWO_USES = [
    (
        "writer_delegated_as_prekey",
        "IDN-16",
        "key.reused",
        "A key is for signing or for being sealed to.",
        BEGUN,
        DELEGATED,
        key_op(delegate(DELEGATED_ID, 2, role=text("prekey")), MANAGER),
    ),
    (
        "prekey_delegated_as_writer",
        "IDN-16",
        "key.reused",
        "As above.",
        BEGUN,
        PREKEYED,
        key_op(delegate(PREKEY_ID, 2), MANAGER),
    ),
    (
        "prekey_delegated_twice",
        "IDN-16",
        "key.reused",
        "A new time takes a new key.",
        BEGUN,
        PREKEYED,
        key_op(delegate(PREKEY_ID, 2, role=text("prekey")), MANAGER),
    ),
    (
        "prekey_delegated_after_its_end",
        "IDN-16",
        "key.reused",
        "It ended because its secret was lost.",
        BEGUN,
        PREKEYED,
        key_op(WITHOUT_PREKEY, *ROTATION[:2]),
        key_op(delegate(hashed("key-op", WITHOUT_PREKEY), 3, role=text("prekey")), MANAGER_2),
    ),
    (
        "manager_among_rotation_keys",
        "IDN-71",
        "key.invalid",
        "Whoever stole it would have one of those that take it away.",
        key_op(inception(manager=blob(ROTATION[2].public)), *ROTATION[:2]),
    ),
    (
        "manager_among_guardians",
        "IDN-71",
        "key.invalid",
        "As above.",
        key_op(inception(guardian_threshold=integer(1), guardians=keys((MANAGER,))), *ROTATION[:2]),
    ),
    (
        "rotation_key_among_guardians",
        "IDN-71",
        "key.invalid",
        "A guardian helps who lost the rotation keys.",
        key_op(
            inception(guardian_threshold=integer(1), guardians=keys(ROTATION[2:])), *ROTATION[:2]
        ),
    ),
    (
        "manager_delegated_as_writer",
        "IDN-71",
        "key.invalid",
        "The manager key would lie on the machine that writes.",
        BEGUN,
        key_op(delegate(key=blob(MANAGER.public)), MANAGER),
    ),
    (
        "rotation_key_delegated_as_prekey",
        "IDN-71",
        "key.invalid",
        "Rotation keys are offline.",
        BEGUN,
        key_op(delegate(role=text("prekey"), key=blob(ROTATION[0].public)), MANAGER),
    ),
    (
        "revoke_to_a_writer",
        "IDN-71",
        "key.invalid",
        "A writer's key does not become the manager's.",
        BEGUN,
        DELEGATED,
        key_op(revoke(DELEGATED_ID, 2, 0, 1, manager=blob(WRITER.public)), *ROTATION[:2]),
    ),
]

AFTER_A_GAP = [
    (
        "manager_of_mixed_order_after_gap",
        "ENV-19",
        "key.invalid",
        "Whatever stands in the gap, this operation will never do.",
        BEGUN,
        key_op(revoke(DELEGATED_ID, 2, 0, 1, manager=blob(MIXED_ORDER)), *ROTATION[:2]),
    ),
    (
        "operation_of_other_coop_after_gap",
        "ENV-19",
        "key.wrong_coop",
        "As above.",
        BEGUN,
        key_op(delegate(DELEGATED_ID, 2, cid=blob(bytes(32))), MANAGER),
    ),
]

REFUSED = [
    ("no_operation", "IDN-9", "key.empty", "Nothing names the co-op."),
    ("delegation_first", "IDN-9", "key.no_inception", "A log begins with its id.", DELEGATED),
    (
        "threshold_above_keys",
        "IDN-10",
        "key.invalid",
        "Nobody could ever rotate.",
        key_op(inception(threshold=integer(4)), *ROTATION),
    ),
    (
        "inception_with_predecessor",
        "IDN-10",
        "key.invalid",
        "Operation 0 follows on nothing.",
        key_op(inception(prev=blob(b"p" * 32)), *ROTATION[:2]),
    ),
    (
        "manager_of_mixed_order",
        "IDN-6",
        "key.invalid",
        "Half of its signatures verify, and libraries disagree on which.",
        key_op(inception(manager=blob(MIXED_ORDER)), *ROTATION[:2]),
    ),
    (
        "manager_of_small_order",
        "IDN-6",
        "key.invalid",
        "The identity point: OpenSSL takes one signature of it for every message.",
        key_op(inception(manager=blob(SMALL_ORDER)), *ROTATION[:2]),
    ),
    (
        "inception_below_threshold",
        "IDN-11",
        "key.signature",
        "One signature of two.",
        key_op(inception(), ROTATION[0]),
    ),
    (
        "inception_signed_twice_by_one",
        "IDN-11",
        "key.signature",
        "Two signatures, one key.",
        key_op(inception(), ROTATION[0], ROTATION[0]),
    ),
    (
        "inception_with_stranger",
        "IDN-11",
        "key.signature",
        "Enough good ones do not carry a signature that nobody asked for.",
        key_op(inception(), *ROTATION[:2], STRANGER),
    ),
    (
        "delegation_by_rotation_key",
        "IDN-12",
        "key.signature",
        "Only the manager delegates.",
        BEGUN,
        key_op(delegate(), ROTATION[0]),
    ),
    (
        "delegation_forged",
        "IDN-12",
        "key.signature",
        "One bit of the signature differs.",
        BEGUN,
        _forged(delegate()),
    ),
    (
        "delegation_for_other_coop",
        "IDN-13",
        "key.wrong_coop",
        "A manager of two co-ops signs for one at a time.",
        BEGUN,
        key_op(delegate(cid=blob(bytes(32))), MANAGER),
    ),
    (
        "second_inception",
        "IDN-14",
        "key.fork",
        "A log has one beginning.",
        BEGUN,
        key_op(inception(), *ROTATION[:2]),
    ),
    (
        "delegation_on_other_head",
        "IDN-14",
        "key.fork",
        "The right number on another predecessor.",
        BEGUN,
        key_op(delegate(prev=bytes(32)), MANAGER),
    ),
    (
        "delegation_after_gap",
        "IDN-15",
        "key.gap",
        "Operation 1 may still arrive.",
        BEGUN,
        key_op(delegate(seq=2), MANAGER),
    ),
    (
        "writer_delegated_twice",
        "IDN-16",
        "key.reused",
        "A closed writer would come back.",
        BEGUN,
        DELEGATED,
        key_op(delegate(DELEGATED_ID, 2), MANAGER),
    ),
    (
        "writer_of_mixed_order",
        "IDN-6",
        "key.invalid",
        "Checked for every key that signs.",
        BEGUN,
        key_op(delegate(key=blob(MIXED_ORDER)), MANAGER),
    ),
    (
        "close_of_unknown_writer",
        "IDN-17",
        "key.not_open",
        "Nothing to close.",
        BEGUN,
        key_op(close(hashed("key-op", inception()), 1, LOW), MANAGER),
    ),
    (
        "writer_closed_twice",
        "IDN-17",
        "key.not_open",
        "A cut is final.",
        BEGUN,
        DELEGATED,
        CLOSED,
        key_op(close(CLOSED_ID, 3, LOW), MANAGER),
    ),
    (
        "cuts_out_of_order",
        "IDN-27",
        "key.cuts",
        "One close, one spelling.",
        BEGUN,
        DELEGATED,
        key_op(close(DELEGATED_ID, 2, HIGH, LOW), MANAGER),
    ),
    (
        "cuts_of_one_federation_twice",
        "IDN-27",
        "key.cuts",
        "A log ends once.",
        BEGUN,
        DELEGATED,
        key_op(close(DELEGATED_ID, 2, LOW, LOW), MANAGER),
    ),
    (
        "cuts_of_65_federations",
        "IDN-27",
        "schema.invalid",
        "One too many.",
        BEGUN,
        DELEGATED,
        _closed_in(65),
    ),
    (
        "cut_at_nothing",
        "IDN-19",
        "schema.invalid",
        "A federation without entries is left out: the same thing has one spelling.",
        BEGUN,
        DELEGATED,
        key_op(close(DELEGATED_ID, 2, cut(0)), MANAGER),
    ),
    (
        "unknown_operation",
        "IDN-18",
        "key.operation",
        "A later version's.",
        BEGUN,
        key_op(mapping(op=text("teleport"), seq=integer(1)), MANAGER),
    ),
    (
        "inception_without_name",
        "IDN-19",
        "schema.invalid",
        "A legal person has a name.",
        key_op(inception(name=text("")), *ROTATION[:2]),
    ),
    (
        "name_of_121_beyond_the_bmp",
        "IDN-19",
        "schema.invalid",
        "One character too many.",
        key_op(inception(name=text("\U0001f33e" * 121)), *ROTATION[:2]),
    ),
]
