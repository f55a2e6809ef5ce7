from dataclasses import replace
from typing import Any

import msgspec
import pytest

from sheaf_protocol.codec import encode
from sheaf_protocol.digest import ZERO, CoopId, Digest, EntryId, FederationId, digest
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.identity import (
    Close,
    Cut,
    Delegate,
    FederationCut,
    Inception,
    KeyLog,
    KeyOp,
    append_op,
    fold_key_log,
    sign_op,
    signing_key,
)
from sheaf_protocol.limits import MAX_CUTS, MAX_INT, MAX_KEY_LOG

ROTATION = [signing_key(bytes([n]) * 32) for n in (1, 2, 3)]
MANAGER, WRITER, PREKEY, STRANGER = (signing_key(bytes([n]) * 32) for n in (4, 5, 6, 7))
MIXED_ORDER = bytes.fromhex("cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d")


def inception(**changes: Any) -> Inception:
    fields: dict[str, Any] = {
        "country": "GB",
        "manager": MANAGER.public,
        "name": "Hill Farm",
        "next": [digest("next", bytes([n])) for n in (1, 2, 3)],
        "nonce": bytes(16),
        "op": "inception",
        "prev": Digest(ZERO),
        "rotation": [key.public for key in ROTATION],
        "seq": 0,
        "threshold": 2,
    }
    return Inception(**{**fields, **changes})


def begun() -> KeyLog:
    return fold_key_log([sign_op(inception(), ROTATION[:2])])


def delegate(state: KeyLog, **changes: Any) -> Delegate:
    fields: dict[str, Any] = {
        "cid": state.cid,
        "expires_ms": 1_000,
        "key": WRITER.public,
        "op": "delegate",
        "prev": state.head,
        "role": "writer",
        "seq": state.size,
    }
    return Delegate(**{**fields, **changes})


LOW, HIGH, UNLISTED = (FederationId(letter * 32) for letter in (b"a", b"b", b"c"))


def cut_at(fid: FederationId, seq: int) -> FederationCut:
    return FederationCut(fid=fid, last_head=EntryId(digest("entry", fid)), last_seq=seq)


def close(state: KeyLog, **changes: Any) -> Close:
    fields: dict[str, Any] = {
        "cid": state.cid,
        "cuts": [cut_at(LOW, 7), cut_at(HIGH, 9)],
        "key": WRITER.public,
        "op": "close",
        "prev": state.head,
        "seq": state.size,
    }
    return Close(**{**fields, **changes})


def with_writer() -> KeyLog:
    state = begun()
    return append_op(state, sign_op(delegate(state), [MANAGER]))


def refusal(*ops: KeyOp, after: KeyLog | None = None) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        fold_key_log(ops) if after is None else append_op(after, *ops)
    return caught.value


def test_coop_id_is_the_hash_of_the_inception() -> None:
    op = sign_op(inception(), ROTATION[:2])

    assert fold_key_log([op]).cid == digest("coop", op.body)
    assert begun().name == "Hill Farm"


def test_coop_id_does_not_depend_on_who_of_the_keys_signed() -> None:
    assert fold_key_log([sign_op(inception(), ROTATION[1:])]).cid == begun().cid


def test_delegated_writer_is_listed_with_its_expiry() -> None:
    writer = with_writer().writers[WRITER.public]

    assert (writer.wid, writer.expires_ms) == (WRITER.public, 1_000)
    assert not writer.is_closed
    assert writer.cut_in(LOW) is None


def test_closed_writer_keeps_a_cut_for_each_federation() -> None:
    state = with_writer()

    closed = append_op(state, sign_op(close(state), [MANAGER]))

    writer = closed.writers[WRITER.public]
    assert writer.is_closed
    assert writer.cut_in(LOW) == Cut(seq=7, head=EntryId(digest("entry", LOW)))
    assert writer.cut_in(HIGH) == Cut(seq=9, head=EntryId(digest("entry", HIGH)))


@pytest.mark.parametrize("cuts", [[], [cut_at(LOW, 7)]])
def test_closed_writer_has_nothing_that_counts_where_it_was_not_listed(
    cuts: list[FederationCut],
) -> None:
    state = with_writer()

    closed = append_op(state, sign_op(close(state, cuts=cuts), [MANAGER]))

    assert closed.writers[WRITER.public].cut_in(UNLISTED) == Cut(seq=0, head=EntryId(ZERO))


@pytest.mark.parametrize(
    ("cuts", "code", "reason"),
    [
        ([cut_at(HIGH, 9), cut_at(LOW, 7)], "key.cuts", "out of order"),
        ([cut_at(LOW, 7), cut_at(LOW, 9)], "key.cuts", "one federation twice"),
        ([cut_at(LOW, 0)], "schema.invalid", "an empty log is left out"),
        (
            [cut_at(FederationId(bytes([n]) * 32), 1) for n in range(65)],
            "schema.invalid",
            "one too many",
        ),
    ],
)
def test_close_with_other_cuts_is_refused(
    cuts: list[FederationCut], code: str, reason: str
) -> None:
    state = with_writer()

    assert refusal(sign_op(close(state, cuts=cuts), [MANAGER]), after=state).code == code


def test_close_with_all_its_cuts_fits_into_an_operation() -> None:
    state = with_writer()
    cuts = [cut_at(FederationId(bytes([n]) * 32), MAX_INT) for n in range(MAX_CUTS)]

    closed = append_op(state, sign_op(close(state, cuts=cuts), [MANAGER]))

    assert len(closed.writers[WRITER.public].cuts) == MAX_CUTS


def test_key_log_remembers_the_ids_of_its_operations() -> None:
    first, state = sign_op(inception(), ROTATION[:2]), begun()
    second = sign_op(delegate(state), [MANAGER])

    log = fold_key_log([first, second])

    assert log.heads == (first.id, second.id)
    assert (log.head, log.size) == (second.id, 2)


def test_newest_prekey_that_has_not_expired_is_offered() -> None:
    state = begun()
    assert state.prekey_at(0) is None
    for key, expires in ((PREKEY, 2_000), (STRANGER, 1_000)):
        op = delegate(state, role="prekey", key=key.public, expires_ms=expires)
        state = append_op(state, sign_op(op, [MANAGER]))

    at = [state.prekey_at(now) for now in (1_000, 1_001, 2_001)]

    assert [key and key.key for key in at] == [STRANGER.public, PREKEY.public, None]


def test_folding_all_operations_is_appending_each() -> None:
    first, state = sign_op(inception(), ROTATION[:2]), begun()
    second = sign_op(delegate(state), [MANAGER])

    assert fold_key_log([first, second]) == append_op(state, second)


def test_appending_leaves_the_older_state_as_it_was() -> None:
    state = begun()

    append_op(state, sign_op(delegate(state), [MANAGER]))

    assert (state.size, state.writers) == (1, {})


def test_no_operation_is_no_key_log() -> None:
    assert refusal().code == "key.empty"


def test_first_operation_has_to_be_an_inception() -> None:
    assert refusal(sign_op(delegate(begun()), [MANAGER])).code == "key.no_inception"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"threshold": 4}, "more signatures than keys"),
        ({"prev": digest("x", b"")}, "something before the first operation"),
        ({"manager": MIXED_ORDER}, "a manager key of mixed order"),
        ({"manager": bytes(32)}, "a manager key of small order"),
        ({"rotation": [ROTATION[0].public, ROTATION[1].public, MIXED_ORDER]}, "mixed order"),
    ],
)
def test_inception_that_cannot_work_is_refused(changes: dict[str, Any], reason: str) -> None:
    assert refusal(sign_op(inception(**changes), ROTATION[:2])).code == "key.invalid"


@pytest.mark.parametrize(
    ("signers", "reason"),
    [
        (ROTATION[:1], "one of the two needed"),
        ([ROTATION[0], ROTATION[0]], "the same key twice"),
        ([*ROTATION[:2], STRANGER], "a key that the inception does not name"),
        ([MANAGER, STRANGER], "no rotation key"),
    ],
)
def test_inception_without_its_threshold_is_refused(signers: list[Any], reason: str) -> None:
    assert refusal(sign_op(inception(), signers)).code == "key.signature"


def test_forged_signature_of_an_allowed_key_is_refused() -> None:
    op = sign_op(inception(), ROTATION[:2])
    forged = msgspec.structs.replace(op.signatures[0], signature=bytes(64))

    assert refusal(KeyOp(body=op.body, signatures=[forged, op.signatures[1]])).code == (
        "key.signature"
    )


def test_rotation_keys_do_not_delegate() -> None:
    state = begun()

    assert refusal(sign_op(delegate(state), ROTATION[:2]), after=state).code == "key.signature"


def test_second_inception_is_a_fork() -> None:
    assert refusal(sign_op(inception(), ROTATION[:2]), after=begun()).code == "key.fork"


def test_operation_of_another_coop_is_refused() -> None:
    state = begun()
    op = sign_op(delegate(state, cid=CoopId(bytes(32))), [MANAGER])

    assert refusal(op, after=state).code == "key.wrong_coop"


def test_operation_after_a_gap_is_asked_for_again() -> None:
    state = begun()

    error = refusal(sign_op(delegate(state, seq=2), [MANAGER]), after=state)

    assert (error.code, error.fault) == ("key.gap", Fault.NOT_YET)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"seq": 0}, "a number taken before"), ({"prev": Digest(ZERO)}, "another predecessor")],
)
def test_operation_beside_our_head_is_a_fork(changes: dict[str, Any], reason: str) -> None:
    state = begun()

    assert refusal(sign_op(delegate(state, **changes), [MANAGER]), after=state).code == "key.fork"


def test_writer_key_of_mixed_order_is_not_registered() -> None:
    state = begun()

    op = sign_op(delegate(state, key=MIXED_ORDER), [MANAGER])

    assert refusal(op, after=state).code == "key.invalid"


def test_writer_is_delegated_once() -> None:
    state = with_writer()

    assert refusal(sign_op(delegate(state), [MANAGER]), after=state).code == "key.reused"


def test_writer_that_is_not_open_cannot_be_closed() -> None:
    state = with_writer()
    unknown = sign_op(close(state, key=STRANGER.public), [MANAGER])
    closed = append_op(state, sign_op(close(state), [MANAGER]))

    assert refusal(unknown, after=state).code == "key.not_open"
    assert refusal(sign_op(close(closed), [MANAGER]), after=closed).code == "key.not_open"


def test_operation_of_a_later_version_is_named() -> None:
    state = begun()
    body = encode({"cid": bytes(state.cid), "op": "teleport", "seq": 1})
    signed = KeyOp(body=body, signatures=sign_op(delegate(state), [MANAGER]).signatures)

    assert refusal(signed, after=state).code == "key.operation"


def test_key_log_ends_at_its_limit() -> None:
    state = replace(begun(), heads=(Digest(ZERO),) * MAX_KEY_LOG)

    assert refusal(sign_op(delegate(state), [MANAGER]), after=state).code == "schema.invalid"
