"""Who asks a bridge to take something across, or to let less pass, and who stands by."""

from __future__ import annotations

import pytest
from tests.node.straits import NORTH, OFFER, SOUTH, Straits

from sheaf_node.bridging.passage import STAND_BY_MS
from sheaf_protocol.charter import DEFAULT_POLICY
from sheaf_protocol.digest import EntryId
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records.governance import Ballot, Vote


async def test_nothing_crosses_that_nobody_asked_for(straits: Straits) -> None:
    await straits.hill.publish(NORTH, OFFER)

    await straits.settle()

    assert straits.dale.diary(SOUTH) == []
    assert straits.span.entries(NORTH, "bridge.export") == []


async def test_the_stand_by_takes_over_what_the_first_leaves_lying(straits: Straits) -> None:
    await straits.span.close()
    offer = await straits.hill.publish(NORTH, OFFER)
    await straits.hill.ask(NORTH, offer)
    await straits.settle()
    assert straits.dale.diary(SOUTH) == []

    straits.clock.advance(STAND_BY_MS)
    await straits.settle()

    assert [seen.id for seen in straits.dale.diary(SOUTH)] == [offer]
    await straits.span.open()
    await straits.settle()
    assert len(straits.dale.entries(SOUTH, "bridge.import")) == 1


async def test_a_brake_of_a_steward_is_obeyed_at_once_in_either_federation(
    straits: Straits,
) -> None:
    await straits.dale.command(
        SOUTH, "brake", {"treaty": straits.treaty_id.hex(), "level": "pause"}
    )
    await straits.settle()
    offer = await straits.hill.publish(NORTH, OFFER)
    await straits.hill.ask(NORTH, offer)

    await straits.settle()

    assert straits.dale.diary(SOUTH) == []


async def test_a_brake_taken_back_lets_what_waited_pass(straits: Straits) -> None:
    brake = {"treaty": straits.treaty_id.hex(), "level": "pause"}
    await straits.moor.command(NORTH, "brake", brake)
    await straits.settle()
    offer = await straits.hill.publish(NORTH, OFFER)
    await straits.hill.ask(NORTH, offer)
    await straits.settle()

    straits.clock.advance(1)
    await straits.moor.command(NORTH, "brake", {**brake, "level": "allow"})
    await straits.settle()

    assert len(straits.dale.diary(SOUTH)) == 1


async def test_a_brake_wears_off_when_a_vote_could_have_been_held(straits: Straits) -> None:
    brake = {"treaty": straits.treaty_id.hex(), "level": "limit", "per_day": 0, "reason": "spam"}
    await straits.moor.command(NORTH, "brake", brake)
    await straits.settle()
    offer = await straits.hill.publish(NORTH, OFFER)
    await straits.hill.ask(NORTH, offer)
    await straits.settle()
    assert straits.dale.diary(SOUTH) == []

    straits.clock.advance(DEFAULT_POLICY.ballot_ms + 1)
    await straits.settle()

    assert len(straits.dale.diary(SOUTH)) == 1


async def test_a_brake_of_who_is_no_steward_is_refused(straits: Straits) -> None:
    brake = {"treaty": straits.treaty_id.hex(), "level": "pause"}

    with pytest.raises(Refusal) as refusal:
        await straits.span.command(NORTH, "brake", brake)

    assert refusal.value.code == "policy.role"


async def test_nothing_crosses_a_treaty_that_one_side_paused(straits: Straits) -> None:
    await straits.change(SOUTH, straits.level("pause"))
    offer = await straits.hill.publish(NORTH, OFFER)
    await straits.hill.ask(NORTH, offer)

    await straits.settle()

    assert straits.span.entries(NORTH, "bridge.export") == []


async def test_what_a_manager_lets_cross_by_hand_is_asked_for_once(straits: Straits) -> None:
    offer = await straits.hill.publish(NORTH, OFFER)
    await straits.hill.turn()

    for _ in range(2):
        await straits.hill.command(NORTH, "ask", entry=offer.hex(), into=straits.fid(SOUTH).hex())

    assert len(straits.hill.entries(NORTH, "bridge.ask")) == 1


@pytest.mark.parametrize(
    ("entry", "code"), [("zz", "treaty.request"), ("00" * 32, "treaty.request")]
)
async def test_what_is_not_held_cannot_be_asked_for(
    straits: Straits, entry: str, code: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        await straits.hill.command(NORTH, "ask", entry=entry)

    assert refusal.value.code == code


async def test_an_entry_of_another_co_op_cannot_be_asked_for(straits: Straits) -> None:
    offer = await straits.hill.publish(NORTH, OFFER)
    await straits.settle()

    with pytest.raises(Refusal) as refusal:
        await straits.moor.command(NORTH, "ask", entry=offer.hex())

    assert refusal.value.code == "treaty.not_own"


@pytest.mark.parametrize(
    ("brake", "code"),
    [
        ({"level": "pause"}, "treaty.request"),
        ({"treaty": "00000000", "level": "pause"}, "treaty.unknown"),
        ({"treaty": "", "level": "limit"}, "treaty.request"),
    ],
)
async def test_a_brake_that_is_none_is_refused(
    straits: Straits, brake: dict[str, object], code: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        await straits.moor.command(NORTH, "brake", brake)

    assert refusal.value.code == code


async def test_a_vote_on_the_level_ends_the_brakes_before_it(straits: Straits) -> None:
    brake = {"treaty": straits.treaty_id.hex(), "level": "pause"}
    await straits.moor.command(NORTH, "brake", brake)
    await straits.settle()
    straits.clock.advance(1)
    vote = await straits.hill.publish(
        NORTH, Vote(choice="yes", proposal=EntryId(straits.treaty_id))
    )
    await straits.settle()
    ballot = Ballot(proposal=vote, votes=[vote])
    await straits.change(NORTH, straits.level("limit", 50), ballot=ballot)
    offer = await straits.hill.publish(NORTH, OFFER)
    await straits.hill.ask(NORTH, offer)

    await straits.settle()

    assert len(straits.dale.diary(SOUTH)) == 1
    [shown] = (await straits.hill.view(NORTH))["treaties"]
    assert shown["now"] == {"level": "limit", "per_day": 50}


async def test_a_brake_is_nothing_to_blame_a_bridge_for(straits: Straits) -> None:
    brake = {"treaty": straits.treaty_id.hex(), "level": "pause"}
    await straits.moor.command(NORTH, "brake", brake)
    offer = await straits.hill.publish(NORTH, OFFER)
    ask = await straits.hill.ask(NORTH, offer)
    await straits.carry()

    sent = await straits.span.publish(NORTH, straits.export(offer, ask))
    await straits.span.publish(SOUTH, straits.bridged(offer, sent))
    await straits.settle()

    assert len(straits.dale.diary(SOUTH)) == 1
    assert await straits.hill.codes(NORTH) == await straits.dale.codes(SOUTH) == []
