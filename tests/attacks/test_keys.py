"""Attacks with stolen, forged or widened keys."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from sheaf_protocol.codec import check, encode
from sheaf_protocol.digest import WriterId
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.identity import (
    KeyOp,
    append_op,
    begin_history,
    make_rotate,
    merge,
    next_delegate,
    next_hash,
    sign_op,
    signing_key,
)
from sheaf_protocol.testing.author import START_MS, LogAuthor, make_coop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.federation.conftest import RunningNode, World

    from sheaf_protocol.identity import KeyHistory, KeyLog, SigningKey

BODY = b"\x80"
THIEF, OTHER = signing_key(b"t" * 32), signing_key(b"o" * 32)


def histories(*paths: Sequence[KeyOp]) -> list[KeyHistory]:
    """Return what readers hold who are told the paths in every order."""
    made = []
    for order in permutations(paths):
        history = begin_history(order[0])
        for path in order[1:]:
            history = merge(history, path)
        made.append(history)
    return made


def code_of(state: KeyLog, op: KeyOp) -> str:
    """Return why an operation is refused."""
    with pytest.raises(RemoteProtocolError) as caught:
        append_op(state, op)
    return caught.value.code


def test_writer_of_a_stolen_manager_key_ends_by_the_rotation_keys() -> None:
    # Steal the manager key and delegate a writer; the owner revokes from before that.
    coop = make_coop("Hill")
    stolen = coop.twin()
    stolen.delegate(THIEF, START_MS)
    coop.revoke(manager=OTHER)
    new_writer = signing_key(b"w" * 32)
    coop.delegate(new_writer, START_MS)

    found = histories(stolen.key_ops, coop.key_ops)

    for history in found:
        assert WriterId(THIEF.public) not in history.state.writers
        assert history.state.manager == OTHER.public
        assert WriterId(new_writer.public) in history.state.writers


def test_longer_history_of_a_stolen_manager_key_outweighs_nothing() -> None:
    # Sign a hundred operations with the stolen key: weight is whose word, not how many.
    coop = make_coop("Hill")
    stolen = coop.twin()
    for n in range(100):
        stolen.delegate(signing_key(bytes([n]) + b"x" * 31), START_MS)
    coop.revoke()

    found = histories(stolen.key_ops, coop.key_ops)

    assert {history.state.size for history in found} == {coop.keys.size}


def test_rotation_without_the_promised_keys_is_refused() -> None:
    # Steal all keys in use, and rotate to keys of one's own that were never promised.
    coop = make_coop("Hill")
    forged = make_rotate(
        coop.keys,
        [coop.next.public],
        manager=THIEF.public,
        next_=[next_hash(THIEF.public)],
        rotation=[THIEF.public],
        threshold=1,
    )

    by_the_thief = sign_op(forged, [THIEF])
    by_keys_in_use = sign_op(forged, [coop.rotation])

    assert code_of(coop.keys, by_the_thief) == "key.not_committed"
    assert code_of(coop.keys, by_keys_in_use) == "key.not_committed"


def test_promised_key_shown_by_a_thief_of_its_hash_is_no_signature() -> None:
    # Show the promised key, seen in a rotation under way, and sign with another.
    coop = make_coop("Hill")
    forged = make_rotate(
        coop.keys,
        [coop.next.public],
        manager=THIEF.public,
        next_=[next_hash(THIEF.public)],
        rotation=[coop.next.public],
        threshold=1,
    )

    assert code_of(coop.keys, sign_op(forged, [THIEF])) == "key.signature"


def test_two_words_of_one_weight_freeze_the_identity() -> None:
    # Sign two operations for one place with the same key: nobody is let to win.
    coop = make_coop("Hill")
    beside = coop.twin()
    coop.delegate(OTHER, START_MS)
    beside.delegate(THIEF, START_MS)

    found = histories(coop.key_ops, beside.key_ops)

    for history in found:
        assert history.state.is_frozen
        assert not {OTHER.public, THIEF.public} & set(history.state.writers)
    assert len({history.state.head for history in found}) == 1


def test_frozen_identity_is_freed_by_a_greater_word() -> None:
    # Freeze a co-op with its stolen manager key: its rotation keys still speak for it.
    coop = make_coop("Hill")
    beside, owner = coop.twin(), coop.twin()
    coop.delegate(OTHER, START_MS)
    beside.delegate(THIEF, START_MS)
    owner.revoke(manager=OTHER)

    found = histories(coop.key_ops, beside.key_ops, owner.key_ops)

    assert {history.state.head for history in found} == {owner.keys.head}


@pytest.mark.parametrize("signer", ["writer", "rotation", "next"])
def test_key_of_another_role_delegates_nothing(signer: str) -> None:
    # Let a key that may write, or revoke, or rotate, open a writer as the manager does.
    coop = make_coop("Hill")
    key: SigningKey = getattr(coop, signer)

    widened = sign_op(next_delegate(coop.keys, THIEF.public, "writer", START_MS), [key])

    assert code_of(coop.keys, widened) == "key.signature"


def test_delegation_for_one_coop_opens_no_writer_of_another() -> None:
    # Carry a delegation into the key log of another co-op under the same manager key.
    hill, dale = make_coop("Hill"), make_coop("Dale")
    delegation = hill.delegate(THIEF, START_MS)

    assert code_of(dale.keys, delegation) == "key.wrong_coop"


def test_delegation_lengthened_after_it_was_signed_is_refused() -> None:
    # Write a later expiry into a signed delegation.
    coop = make_coop("Hill")
    delegation = coop.twin().delegate(THIEF, START_MS)
    longer = {**check(delegation.body), "expires_ms": START_MS + 1}

    forged = KeyOp(body=encode(longer), signatures=delegation.signatures)

    assert code_of(coop.keys, forged) == "key.signature"


def test_key_that_begins_like_anothers_is_another_key() -> None:
    # Grind a key whose first eight bytes are those of an honest writer's.
    coop = make_coop("Hill")
    alike = coop.wid[:8] + OTHER.public[8:]

    assert alike not in coop.keys.writers


async def test_entries_beyond_the_cut_lose_their_effect_in_any_order(world: World) -> None:
    # Sign five hundred entries with a stolen writer before its owner notices.
    coop = world.evil_coop
    author = LogAuthor(coop, world.certificate.fid, now_ms=world.now_ms)
    honest = [author.append("x.note", BODY) for _ in range(3)]
    cut = author.head
    stolen = [author.append("x.note", BODY) for _ in range(500)]
    before, after = await world.start(0), await world.start(1)
    revoke = coop.revoke({coop.writer: {author.fid: cut}}, manager=OTHER)

    await before.ingest.receive_key_ops(coop.cid, [revoke])
    await before.ingest.receive([*honest, *stolen])
    await after.ingest.receive([*honest, *stolen])
    await after.ingest.receive_key_ops(coop.cid, [revoke])

    for node in (before, after):
        assert effective(node) == [entry.id for entry in honest]


async def test_close_by_a_stolen_manager_key_is_undone(world: World) -> None:
    # Close an honest writer at its first entry with the stolen manager key, to void its log.
    coop = world.evil_coop
    author = LogAuthor(coop, world.certificate.fid, now_ms=world.now_ms)
    first = author.append("x.note", BODY)
    early = author.head
    rest = [author.append("x.note", BODY) for _ in range(4)]
    thief = coop.twin()
    closed = thief.close({author.fid: early})
    node = await world.start(0)
    await node.ingest.receive([first, *rest])
    await node.ingest.receive_key_ops(coop.cid, [closed])
    voided = effective(node)

    await node.ingest.receive_key_ops(coop.cid, [coop.revoke(manager=OTHER)])

    assert voided == [first.id]
    assert effective(node) == [first.id, *(entry.id for entry in rest)]


def effective(node: RunningNode) -> list[bytes]:
    """Return the entries that count on a node, in order of arrival."""
    return [e.id for e in node.store.entries_after(0, 1_000) if e.no_effect is None]
