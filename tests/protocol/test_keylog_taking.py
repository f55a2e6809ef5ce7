"""Revoke, rotate and recover on one path (spec 02, section 3.2)."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from msgspec import UNSET

from sheaf_protocol.digest import ZERO, Digest, EntryId, FederationId, WriterId, digest
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.identity import (
    Authority,
    Cut,
    Inception,
    KeyLog,
    KeyOp,
    Operation,
    PublicKey,
    Rank,
    SigningKey,
    append_op,
    ended_writers,
    fold_key_log,
    make_recover,
    make_revoke,
    make_rotate,
    next_close,
    next_delegate,
    next_hash,
    sign_op,
    signing_key,
)
from sheaf_protocol.limits import MAX_ENDED_WRITERS

ROTATION, NEXT, LATER, GUARDIANS = (
    [signing_key(bytes([first + n]) * 32) for n in range(3)] for first in (10, 20, 30, 40)
)
MANAGER, MANAGER_2, WRITER, STRANGER = (signing_key(bytes([n]) * 32) for n in (1, 2, 3, 4))
PREKEY = PublicKey(b"\x02" + bytes(31))
MIXED_ORDER = PublicKey(
    bytes.fromhex("cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d")
)
FID, OTHER = FederationId(b"f" * 32), FederationId(b"g" * 32)
CUT = Cut(seq=7, head=EntryId(digest("entry", b"7")))
LATER_CUT = Cut(seq=9, head=EntryId(digest("entry", b"9")))


def public(keys: list[SigningKey]) -> list[PublicKey]:
    return [key.public for key in keys]


def promised(keys: list[SigningKey]) -> list[Digest]:
    return [next_hash(key.public) for key in keys]


def begun(*, is_guarded: bool = True) -> KeyLog:
    operation = Inception(
        country="GB",
        guardian_threshold=2 if is_guarded else UNSET,
        guardians=public(GUARDIANS) if is_guarded else UNSET,
        manager=MANAGER.public,
        name="Hill Farm",
        next=promised(NEXT),
        nonce=bytes(16),
        op="inception",
        prev=Digest(ZERO),
        rotation=public(ROTATION),
        seq=0,
        threshold=2,
    )
    return fold_key_log([sign_op(operation, ROTATION[:2])])


def with_writer() -> KeyLog:
    log = begun()
    return after(log, next_delegate(log, WRITER.public, "writer", 1_000), [MANAGER])


def after(log: KeyLog, operation: Operation, signers: list[SigningKey]) -> KeyLog:
    return append_op(log, sign_op(operation, signers))


def revoked(log: KeyLog, cuts: dict[PublicKey, dict[FederationId, Cut]]) -> KeyLog:
    operation = make_revoke(
        log, public(ROTATION[:2]), manager=MANAGER_2.public, writers=ended_writers(cuts)
    )
    return after(log, operation, ROTATION[:2])


def rotated(log: KeyLog, **changes: object) -> KeyLog:
    fields = {
        "manager": MANAGER_2.public,
        "next_": promised(LATER),
        "rotation": public(NEXT),
        "threshold": 2,
        **changes,
    }
    return after(log, make_rotate(log, public(NEXT), **fields), NEXT)  # type: ignore[arg-type]  # a test's changes


def recovered(log: KeyLog) -> KeyLog:
    operation = make_recover(
        log,
        public(GUARDIANS[1:]),
        manager=MANAGER_2.public,
        next_=promised(NEXT),
        rotation=public(LATER),
        threshold=3,
    )
    return after(log, operation, GUARDIANS[1:])


def code_of(log: KeyLog, operation: Operation, signers: list[SigningKey]) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        after(log, operation, signers)
    return caught.value.code


def test_revoke_names_the_manager_from_there_on() -> None:
    log = revoked(begun(), {})

    assert log.manager == MANAGER_2.public
    assert log.managers == (MANAGER.public, MANAGER_2.public)


def test_revoke_leaves_writers_that_it_does_not_list() -> None:
    log = revoked(with_writer(), {})

    assert not log.writers[WriterId(WRITER.public)].is_closed


def test_revoke_without_a_manager_keeps_the_one_in_force() -> None:
    log = with_writer()

    operation = make_revoke(log, public(ROTATION[1:]))

    assert after(log, operation, ROTATION[1:]).manager == MANAGER.public


def test_revoked_writer_ends_at_its_cuts_and_nowhere_else() -> None:
    log = revoked(with_writer(), {WRITER.public: {FID: CUT}})

    writer = log.writers[WriterId(WRITER.public)]
    assert writer.is_closed
    assert writer.cut_in(FID) == CUT
    assert writer.cut_in(OTHER) == Cut(seq=0, head=EntryId(ZERO))


def test_revoked_writer_expires_by_its_cuts_alone() -> None:
    open_, ended = with_writer(), revoked(with_writer(), {WRITER.public: {FID: CUT}})

    states = [log.writers[WriterId(WRITER.public)] for log in (open_, ended)]

    assert [writer.is_expired_at(1_001) for writer in states] == [True, False]
    assert [writer.is_expired_at(1_000) for writer in states] == [False, False]


def test_revoke_moves_the_cut_that_a_manager_made() -> None:
    log = with_writer()
    closed = after(log, next_close(log, WRITER.public, {FID: CUT}), [MANAGER])

    moved = revoked(closed, {WRITER.public: {FID: LATER_CUT}})

    assert moved.writers[WriterId(WRITER.public)].cut_in(FID) == LATER_CUT


def test_writer_of_a_side_that_lost_is_adopted_up_to_its_cut() -> None:
    log = revoked(begun(), {STRANGER.public: {FID: CUT}})

    assert log.writers[WriterId(STRANGER.public)].cut_in(FID) == CUT


def test_adopted_writer_of_mixed_order_is_refused() -> None:
    log = begun()
    operation = make_revoke(
        log, public(ROTATION[:2]), writers=ended_writers({MIXED_ORDER: {FID: CUT}})
    )

    assert code_of(log, operation, ROTATION[:2]) == "key.invalid"


def test_prekey_that_is_listed_is_no_longer_offered() -> None:
    log = begun()
    log = after(log, next_delegate(log, PREKEY, "prekey", 1_000), [MANAGER])

    ended = revoked(log, {PREKEY: {}})

    assert (log.prekey_at(0), ended.prekey_at(0)) == (log.prekeys[0], None)
    assert ended.writers == {}


def test_rotate_seats_the_keys_that_were_promised() -> None:
    log = rotated(begun())

    assert (log.rotation, log.next) == (public(NEXT), promised(LATER))
    assert log.manager == MANAGER_2.public


def test_rotate_keeps_guardians_that_it_does_not_name() -> None:
    log = rotated(begun())

    assert (log.guardians, log.guardian_threshold) == (public(GUARDIANS), 2)


def test_rotate_names_other_guardians() -> None:
    log = rotated(begun(), guardians=(public(LATER[:1]), 1))

    assert (log.guardians, log.guardian_threshold) == (public(LATER[:1]), 1)


def test_recover_seats_keys_that_nothing_promised() -> None:
    log = recovered(begun())

    assert (log.rotation, log.threshold, log.next) == (public(LATER), 3, promised(NEXT))
    assert log.guardians == public(GUARDIANS)


def test_log_without_guardians_is_not_recovered() -> None:
    with pytest.raises(LocalProtocolError) as caught:
        recovered(begun(is_guarded=False))

    assert caught.value.code == "key.authority"


def test_log_tells_who_signed_each_operation() -> None:
    log = recovered(rotated(revoked(with_writer(), {})))

    assert log.authorities[1:] == (
        Authority(Rank.MANAGER),
        Authority(Rank.ROTATION, (0, 1)),
        Authority(Rank.NEXT, (0, 1, 2)),
        Authority(Rank.GUARDIANS, (1, 2)),
    )


def test_manager_of_an_earlier_place_is_remembered() -> None:
    before = with_writer()

    log = rotated(before)

    assert log.manager_at(before.head) == MANAGER.public
    assert log.manager_at(log.head) == MANAGER_2.public
    assert log.manager_at(Digest(bytes(32))) is None


def test_more_writers_than_the_limit_are_refused() -> None:
    log = begun()
    keys = [signing_key(bytes([100 + n]) * 32).public for n in range(MAX_ENDED_WRITERS + 1)]
    operation = make_revoke(
        log, public(ROTATION[:2]), writers=ended_writers({key: {} for key in keys})
    )

    assert code_of(log, operation, ROTATION[:2]) == "schema.invalid"


def test_cut_at_nothing_is_left_out_of_a_close() -> None:
    operation = next_close(
        with_writer(), WRITER.public, {OTHER: Cut(seq=0, head=EntryId(ZERO)), FID: CUT}
    )

    assert [cut.fid for cut in operation.cuts] == [FID]


@pytest.mark.parametrize(
    ("greater", "less", "reason"),
    [
        (Authority(Rank.NEXT, (2,)), Authority(Rank.ROTATION, (0, 1)), "rank first"),
        (Authority(Rank.ROTATION, (0, 2)), Authority(Rank.ROTATION, (1, 2)), "smaller index"),
        (Authority(Rank.ROTATION, (0, 1, 2)), Authority(Rank.ROTATION, (0, 1)), "one more"),
        (Authority(Rank.ROTATION, (0, 1)), Authority(Rank.ROTATION, (0, 2, 3)), "index first"),
        (Authority(Rank.GUARDIANS, (4,)), Authority(Rank.MANAGER), "guardians over a manager"),
    ],
)
def test_authorities_are_ordered(greater: Authority, less: Authority, reason: str) -> None:
    assert greater > less
    assert max(less, greater) == greater


def test_signer_that_the_log_does_not_name_is_told_before_it_signs() -> None:
    log, codes = begun(), []
    rekey: dict[str, Any] = {
        "manager": MANAGER.public,
        "next_": promised(LATER),
        "rotation": public(NEXT),
        "threshold": 2,
    }

    for make in (make_revoke, partial(make_rotate, **rekey), partial(make_recover, **rekey)):
        with pytest.raises(LocalProtocolError) as caught:
            make(log, [STRANGER.public])
        codes.append(caught.value.code)

    assert codes == ["key.authority"] * 3


def test_operation_signed_by_more_than_it_names_is_refused() -> None:
    log = begun()
    operation = make_revoke(log, public(ROTATION[:2]))
    signed: KeyOp = sign_op(operation, ROTATION)

    with pytest.raises(RemoteProtocolError) as caught:
        append_op(log, signed)

    assert caught.value.code == "key.signature"
