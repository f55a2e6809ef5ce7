"""Which of several continuations is in force (spec 02, section 3.3)."""

from __future__ import annotations

import pytest

from sheaf_protocol.digest import Digest, digest
from sheaf_protocol.errors import Fault, LocalProtocolError, RemoteProtocolError
from sheaf_protocol.identity import (
    KeyHistory,
    KeyOp,
    PublicKey,
    append_op,
    begin_history,
    fold_key_log,
    make_revoke,
    merge,
    next_close,
    next_delegate,
    sign_op,
    signing_key,
)
from sheaf_protocol.limits import MAX_KEY_LOG
from sheaf_protocol.testing.author import TestCoop, make_coop

LEFT, RIGHT, LAST = (signing_key(bytes([n]) * 32) for n in (51, 52, 53))
FAR_MS = 2**40


def divided() -> tuple[TestCoop, TestCoop]:
    """Return a co-op and its twin, each with an operation of the manager on the same head."""
    coop = make_coop("Hill Farm")
    twin = coop.twin()
    coop.delegate(LEFT, FAR_MS)
    twin.delegate(RIGHT, FAR_MS)
    return coop, twin


def frozen() -> KeyHistory:
    coop, twin = divided()
    return merge(begin_history(coop.key_ops), twin.key_ops)


def ids(history: KeyHistory) -> set[tuple[Digest, ...]]:
    return {tuple(op.id for op in side) for side in (history.path, history.rival)}


def refusal(history: KeyHistory, ops: list[KeyOp]) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        merge(history, ops)
    return caught.value


def test_history_begins_with_one_path_in_force() -> None:
    coop = make_coop("Hill Farm")

    history = begin_history(coop.key_ops)

    assert (history.path, history.rival) == (tuple(coop.key_ops), ())
    assert history.state == coop.keys
    assert history.ends == (coop.keys,)


def test_run_that_continues_the_path_extends_it() -> None:
    coop = make_coop("Hill Farm")
    history = begin_history(coop.key_ops)
    op = coop.delegate(LEFT, FAR_MS)

    longer = merge(history, [op])

    assert longer.state == coop.keys
    assert longer.path == tuple(coop.key_ops)


@pytest.mark.parametrize("start", [0, 1, 2])
def test_run_that_is_held_changes_nothing(start: int) -> None:
    coop = make_coop("Hill Farm")
    history = begin_history(coop.key_ops)

    assert merge(history, coop.key_ops[start:]) is history


def test_no_run_and_no_anchor_change_nothing() -> None:
    history = frozen()

    assert merge(history, []) is history


def test_equal_sides_freeze_the_state_before_them() -> None:
    before = make_coop("Hill Farm").keys

    history = frozen()

    assert history.state.is_frozen
    assert history.state.size == before.size
    assert history.state.head == digest("key-frozen", before.head)
    assert history.state.writers == before.writers


def test_frozen_history_keeps_both_sides_whole() -> None:
    coop, twin = divided()

    history = merge(begin_history(coop.key_ops), twin.key_ops)

    assert ids(history) == {coop.keys.heads, twin.keys.heads}
    assert sorted(end.head for end in history.ends) == sorted([coop.keys.head, twin.keys.head])


def test_nothing_is_appended_to_a_frozen_state() -> None:
    history = frozen()
    coop, _ = divided()

    with pytest.raises(LocalProtocolError) as caught:
        append_op(history.state, coop.key_ops[-1])

    assert caught.value.code == "key.frozen"


def test_nothing_is_made_on_a_frozen_state() -> None:
    state, codes = frozen().state, []

    for make in (
        lambda: next_delegate(state, LAST.public, "writer", FAR_MS),
        lambda: next_close(state, LAST.public, {}),
        lambda: make_revoke(state, []),
    ):
        with pytest.raises(LocalProtocolError) as caught:
            make()
        codes.append(caught.value.code)

    assert codes == ["key.frozen"] * 3


def test_operation_on_the_rival_extends_the_rival() -> None:
    coop, twin = divided()
    history = merge(begin_history(coop.key_ops), twin.key_ops)

    longer = merge(merge(history, [coop.delegate(LAST, FAR_MS)]), [twin.delegate(LAST, FAR_MS)])

    assert longer.state == history.state
    assert ids(longer) == {coop.keys.heads, twin.keys.heads}


@pytest.mark.parametrize("side", [0, 1])
def test_revoke_on_either_side_thaws(side: int) -> None:
    sides = divided()
    history = merge(begin_history(sides[0].key_ops), sides[1].key_ops)

    thawed = merge(history, [sides[side].revoke()])

    assert thawed.state == sides[side].keys
    assert thawed.rival == ()


def test_revoke_beside_both_sides_thaws() -> None:
    third = make_coop("Hill Farm")

    thawed = merge(frozen(), [third.revoke()])

    assert thawed.state == third.keys


def test_anchor_that_becomes_known_thaws_without_a_run() -> None:
    coop, twin = divided()
    history = merge(begin_history(coop.key_ops), twin.key_ops)

    thawed = merge(history, [], {twin.keys.head})

    assert thawed.state == twin.keys


def test_operation_that_attaches_nowhere_may_come_again() -> None:
    coop = make_coop("Hill Farm")
    history = begin_history(coop.key_ops)
    coop.delegate(LEFT, FAR_MS)

    error = refusal(history, [coop.delegate(RIGHT, FAR_MS)])

    assert (error.code, error.fault) == ("key.gap", Fault.NOT_YET)


def test_path_of_another_coop_is_refused() -> None:
    hill, dale = make_coop("Hill Farm"), make_coop("Dale Supplies")
    history = begin_history(hill.key_ops)

    assert refusal(history, dale.key_ops).code == "key.wrong_coop"
    assert refusal(history, dale.key_ops[1:]).code == "key.wrong_coop"


def test_run_with_a_fault_leaves_nothing_behind() -> None:
    coop, twin = divided()
    history = begin_history(coop.key_ops[:-1])
    forged = sign_op(next_delegate(coop.keys, LAST.public, "writer", FAR_MS), [LEFT])

    error = refusal(history, [coop.key_ops[-1], forged])

    assert error.code == "key.signature"
    assert merge(history, twin.key_ops).state == twin.keys


def test_rival_is_verified_like_any_path() -> None:
    coop, twin = divided()
    history = begin_history(coop.key_ops)
    forged = sign_op(next_delegate(twin.keys, LAST.public, "writer", FAR_MS), [LEFT])

    assert refusal(history, [*twin.key_ops, forged]).code == "key.signature"


def test_rival_of_a_full_log_is_heard() -> None:
    """A thief that fills the log locks nobody out: the revoke goes beside its first operation."""
    thief = make_coop("Hill Farm")
    owner = thief.twin()
    while thief.keys.size < MAX_KEY_LOG:
        key = PublicKey(thief.keys.head)  # any 32 bytes will do for a prekey
        thief.key_ops.append(
            sign_op(next_delegate(thief.keys, key, "prekey", FAR_MS), [thief.manager])
        )
        thief.keys = append_op(thief.keys, thief.key_ops[-1])
    history = begin_history(thief.key_ops)

    thawed = merge(history, [owner.revoke(manager=LEFT)])

    assert thawed.state == owner.keys
    assert thawed.state.size == 4


def test_state_in_force_is_the_fold_of_the_path() -> None:
    coop, twin = divided()
    twin.revoke(manager=LAST)

    history = merge(begin_history(coop.key_ops), twin.key_ops)

    assert history.state == fold_key_log(history.path)
