"""What a thief of each kind of key can do, and what ends it (spec 02, section 7)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sheaf_protocol.digest import EntryId, FederationId, WriterId, digest
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.identity import (
    KeyHistory,
    Rank,
    append_op,
    begin_history,
    make_rotate,
    merge,
    next_delegate,
    next_hash,
    sign_op,
    signing_key,
)
from sheaf_protocol.log import EMPTY, Head
from sheaf_protocol.testing.author import TestCoop, make_coop

THIEF, OWNER, FRESH = (signing_key(bytes([n]) * 32) for n in (61, 62, 63))
GUARDIANS = [signing_key(bytes([n]) * 32) for n in (71, 72)]
FID = FederationId(b"f" * 32)
HEAD = Head(seq=7, id=EntryId(digest("entry", b"7")), time_ms=0)
FAR_MS = 2**40


def stolen() -> tuple[TestCoop, TestCoop]:
    """Return a co-op, and the same one in the hands of who stole all that it has on its node."""
    owner = make_coop("Hill Farm", guardians=GUARDIANS)
    return owner, owner.twin()


def both_orders(left: TestCoop, right: TestCoop) -> list[KeyHistory]:
    return [
        merge(begin_history(first.key_ops), second.key_ops)
        for first, second in ((left, right), (right, left))
    ]


def test_writer_opened_by_a_stolen_manager_is_overridden_by_the_rotation_keys() -> None:
    owner, thief = stolen()
    thief.delegate(THIEF, FAR_MS)
    owner.revoke(manager=OWNER)

    states = [history.state for history in both_orders(owner, thief)]

    assert states == [owner.keys, owner.keys]
    assert WriterId(THIEF.public) not in owner.keys.writers


def test_writer_opened_by_a_stolen_manager_is_ended_where_it_is_kept() -> None:
    owner, _ = stolen()
    owner.delegate(THIEF, FAR_MS)

    owner.revoke({THIEF: {}}, manager=OWNER)

    writer = owner.keys.writers[WriterId(THIEF.public)]
    assert writer.cut_in(FID) is not None
    assert owner.keys.manager == OWNER.public


def test_stolen_rotation_keys_cannot_rotate_without_the_next_keys() -> None:
    _, thief = stolen()
    operation = make_rotate(
        thief.keys,
        [thief.next.public],
        manager=THIEF.public,
        next_=[next_hash(FRESH.public)],
        rotation=[thief.rotation.public],
        threshold=1,
    )

    with pytest.raises(RemoteProtocolError) as caught:
        append_op(thief.keys, sign_op(operation, [thief.rotation]))

    assert caught.value.code == "key.not_committed"


def test_rotation_overrides_what_stolen_rotation_keys_revoked() -> None:
    owner, thief = stolen()
    thief.revoke(manager=THIEF)
    owner.rotate(manager=OWNER)

    states = [history.state for history in both_orders(owner, thief)]

    assert states == [owner.keys, owner.keys]


@pytest.mark.parametrize("answer", ["revoke", "rotate"])
def test_replaced_manager_key_freezes_nothing_that_came_since(answer: str) -> None:
    owner, thief = stolen()
    thief.delegate(THIEF, FAR_MS)
    getattr(owner, answer)(manager=OWNER)
    owner.delegate(FRESH, FAR_MS)

    states = [history.state for history in both_orders(owner, thief)]

    assert states == [owner.keys, owner.keys]


def test_replaced_manager_key_signs_nothing_more_on_the_path() -> None:
    owner, _ = stolen()
    old = owner.manager
    owner.revoke(manager=OWNER)
    operation = next_delegate(owner.keys, THIEF.public, "writer", FAR_MS)

    with pytest.raises(RemoteProtocolError) as caught:
        append_op(owner.keys, sign_op(operation, [old]))

    assert caught.value.code == "key.signature"


@pytest.mark.parametrize(
    ("equal", "stronger"),
    [("delegate", "revoke"), ("delegate", "rotate"), ("revoke", "rotate"), ("recover", "revoke")],
)
def test_two_equal_authorities_freeze_and_a_stronger_one_thaws(equal: str, stronger: str) -> None:
    owner, thief = stolen()
    third = owner.twin()
    for coop, key in ((owner, OWNER), (thief, THIEF)):
        if equal == "delegate":
            coop.delegate(key, FAR_MS)
        else:
            getattr(coop, equal)(manager=key)
    getattr(third, stronger)(manager=FRESH)

    frozen = both_orders(owner, thief)
    thawed = [merge(history, third.key_ops) for history in frozen]

    assert [history.state.is_frozen for history in frozen] == [True, True]
    assert [history.state for history in thawed] == [third.keys, third.keys]


def test_guardians_do_not_rise_above_the_rotation_keys_by_naming_their_own() -> None:
    owner, guardians = stolen()
    guardians.recover(manager=THIEF)
    guardians.revoke(manager=THIEF)
    guardians.rotate(manager=THIEF)
    owner.revoke(manager=OWNER)

    states = [history.state for history in both_orders(owner, guardians)]

    assert states == [owner.keys, owner.keys]


def test_guardians_take_a_stolen_manager_key_away() -> None:
    owner, thief = stolen()
    thief.delegate(THIEF, FAR_MS)
    owner.recover(manager=OWNER)

    states = [history.state for history in both_orders(owner, thief)]

    assert states == [owner.keys, owner.keys]
    assert owner.keys.authorities[-1].rank == Rank.GUARDIANS


def test_shown_keys_that_are_stolen_freeze_the_rotate_until_an_anchor() -> None:
    """They were the next keys of the place before, so they may sign there once more."""
    owner, thief = stolen()
    owner.rotate(manager=OWNER)
    thief.rotate(manager=THIEF)

    frozen = both_orders(owner, thief)
    thawed = [merge(history, [], {owner.keys.head}) for history in frozen]

    assert [history.state.is_frozen for history in frozen] == [True, True]
    assert [history.state for history in thawed] == [owner.keys, owner.keys]


@pytest.mark.parametrize("answer", ["revoke", "rotate", "recover"])
def test_anchored_operation_is_not_overridden(answer: str) -> None:
    owner, thief = stolen()
    owner.delegate(FRESH, FAR_MS)
    anchors = {owner.keys.head}
    getattr(thief, answer)(manager=THIEF)

    history = merge(begin_history(thief.key_ops), owner.key_ops, anchors)

    assert history.state == owner.keys
    assert merge(history, thief.key_ops, anchors) is history


def test_anchored_operation_of_a_thief_is_continued() -> None:
    owner, thief = stolen()
    thief.delegate(THIEF, FAR_MS)
    anchors = {thief.keys.head}
    owner = thief.twin()
    owner.revoke({THIEF: {}}, manager=OWNER)

    history = merge(begin_history(thief.key_ops), owner.key_ops, anchors)

    assert history.state == owner.keys


def test_two_anchored_sides_freeze_whatever_signed_them() -> None:
    owner, thief = stolen()
    thief.delegate(THIEF, FAR_MS)
    owner.rotate(manager=OWNER)
    anchors = {thief.keys.head, owner.keys.head}

    history = merge(begin_history(owner.key_ops), thief.key_ops, anchors)

    assert history.state.is_frozen


def test_writer_does_not_delegate() -> None:
    owner, _ = stolen()
    operation = next_delegate(owner.keys, THIEF.public, "writer", FAR_MS)

    with pytest.raises(RemoteProtocolError) as caught:
        append_op(owner.keys, sign_op(operation, [owner.writer]))

    assert caught.value.code == "key.signature"


def test_prekey_is_no_writer_and_writer_no_prekey() -> None:
    owner, _ = stolen()

    assert set(owner.keys.writers) == {owner.wid}
    assert [prekey.key for prekey in owner.keys.prekeys] == [owner.prekey[0]]


def test_writer_key_is_not_delegated_as_a_prekey() -> None:
    owner, _ = stolen()
    operation = next_delegate(owner.keys, owner.writer.public, "prekey", 0)

    with pytest.raises(RemoteProtocolError) as caught:
        append_op(owner.keys, sign_op(operation, [owner.manager]))

    assert caught.value.code == "key.reused"


def test_closed_writer_is_not_opened_again_by_a_thief() -> None:
    owner, _ = stolen()
    owner.close({FID: HEAD})
    operation = next_delegate(owner.keys, owner.writer.public, "writer", FAR_MS)

    with pytest.raises(RemoteProtocolError) as caught:
        append_op(owner.keys, sign_op(operation, [owner.manager]))

    assert caught.value.code == "key.reused"


def test_close_that_a_thief_divides_is_repeated_by_the_rotation_keys() -> None:
    """The freeze opens the writer again, for a manager weighs no more than its thief."""
    owner, thief = stolen()
    owner.close({FID: HEAD})
    thief.delegate(THIEF, FAR_MS)
    frozen = merge(begin_history(owner.key_ops), thief.key_ops)

    owner.revoke(manager=OWNER)
    thawed = merge(frozen, owner.key_ops)

    assert not frozen.state.writers[owner.wid].is_closed
    assert thawed.state.writers[owner.wid].cuts[FID].seq == HEAD.seq


def test_owner_adopts_what_it_wrote_before_it_was_overridden() -> None:
    """A writer opened beside the revoke is lost with its side; the revoke names its cut."""
    owner, thief = stolen()
    late = replace(owner, key_ops=list(owner.key_ops))
    late.delegate(FRESH, FAR_MS)
    owner.revoke({FRESH: {FID: HEAD}, THIEF: {FID: EMPTY}}, manager=OWNER)
    thief.delegate(THIEF, FAR_MS)

    history = merge(merge(begin_history(late.key_ops), thief.key_ops), owner.key_ops)

    cuts = {wid: writer.cut_in(FID) for wid, writer in history.state.writers.items()}
    assert [cuts[WriterId(key.public)].seq for key in (FRESH, THIEF)] == [HEAD.seq, 0]  # type: ignore[union-attr]  # both are closed
