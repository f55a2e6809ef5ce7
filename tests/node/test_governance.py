"""Ballots that people hold: what passes, what does not, and what is shown of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec import structs
from tests.node.commons import FOUR, POLICY, Commons, code_of

from sheaf_protocol.limits import BALLOT_KEPT_MS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CLOSES_MS = POLICY.ballot_ms + 1_000
"""When a ballot that says nothing else is closed: the shortest time and a second."""


@pytest.fixture
async def commons(tmp_path: Path) -> AsyncIterator[Commons]:
    made = Commons(tmp_path, [*FOUR, ("Watch", ["observer"])])
    await made.open()
    yield made
    await made.close()


async def test_a_passed_ballot_becomes_a_certificate_on_every_node(commons: Commons) -> None:
    hill, dale, moor, *_ = commons.nodes
    ballot = await hill.propose(action="policy", policy={"fee_bps": 300})
    await commons.settle()

    for node in (hill, dale, moor):
        await node.vote(ballot)
    await commons.settle()

    assert {node.federation.charter.policy.fee_bps for node in commons.nodes} == {300}
    assert len({tuple(node.chain) for node in commons.nodes}) == 1
    assert {(await node.ballot(ballot))["state"] for node in commons.nodes} == {"certified"}


async def test_a_ballot_that_others_can_still_turn_waits_until_it_closes(commons: Commons) -> None:
    hill, dale, *_ = commons.nodes
    ballot = await hill.propose(action="policy", policy={"fee_bps": 300})
    await commons.settle()
    await hill.vote(ballot)
    await dale.vote(ballot)
    await commons.settle()
    assert (await hill.ballot(ballot))["state"] == "open"

    await commons.pass_time(CLOSES_MS)

    assert (await hill.ballot(ballot))["state"] == "certified"


async def test_a_ballot_without_turnout_fails_and_nothing_is_certified(commons: Commons) -> None:
    hill, *_ = commons.nodes
    ballot = await hill.propose(action="policy", policy={"fee_bps": 300})
    await hill.vote(ballot)

    await commons.pass_time(CLOSES_MS)

    assert (await hill.ballot(ballot))["state"] == "failed"
    assert len(hill.chain) == 1
    assert "charter.propose" not in [kind for node in commons.nodes for kind in node.kinds()]


async def test_a_ballot_that_failed_is_not_certified_a_month_later_by_a_smaller_electorate(
    commons: Commons,
) -> None:
    hill, dale, moor, fell, _ = commons.nodes
    ballot = await hill.propose(action="policy", policy={"fee_bps": 300})
    await hill.vote(ballot)
    await commons.pass_time(CLOSES_MS)
    await commons.pass_time(BALLOT_KEPT_MS + 86_400_000)

    for leaver in (moor, fell, dale):
        await leaver.command("leave")
        await commons.settle()

    assert hill.federation.voters == (hill.coop.cid,)
    shown = await hill.ballot(ballot)
    assert (shown["state"], shown["why"]) == ("moot", "ballot.expired")


async def test_a_later_vote_takes_the_place_of_an_earlier_one(commons: Commons) -> None:
    hill, dale, moor, fell, _ = commons.nodes
    ballot = await hill.propose(action="policy", policy={"fee_bps": 300})
    await commons.settle()
    await hill.vote(ballot)
    await hill.vote(ballot, "no")

    for node in (dale, moor, fell):
        await node.vote(ballot, "no")
    await commons.settle()

    shown = await dale.ballot(ballot)
    assert shown["counts"] == {"yes": 0, "no": 4, "abstain": 0, "missing": 0}
    assert shown["state"] == "failed"


async def test_voting_the_same_again_publishes_nothing(commons: Commons) -> None:
    hill, *_ = commons.nodes
    ballot = await hill.propose(action="policy", policy={"fee_bps": 300})

    await hill.vote(ballot)
    await hill.vote(ballot)

    assert hill.kinds().count("ballot.vote") == 1


async def test_proposing_the_same_again_opens_no_second_ballot(commons: Commons) -> None:
    hill, *_ = commons.nodes
    ballot = await hill.propose(action="suspend", coop="dale")

    again = await hill.command("propose", b'{"action": "suspend", "coop": "dale"}')

    assert again["id"] == ballot
    assert len(await hill.ballots()) == 1


async def test_of_two_policies_that_pass_the_second_is_moot(commons: Commons) -> None:
    hill, dale, *_ = commons.nodes
    first = await hill.propose(action="policy", policy={"fee_bps": 300})
    second = await dale.propose(action="policy", policy={"fee_bps": 200})
    await commons.settle()

    for node in commons.nodes[:4]:
        await node.vote(first)
        await node.vote(second)
    await commons.settle()

    found = {(await hill.ballot(id_))["state"]: id_ for id_ in (first, second)}
    assert found.keys() == {"certified", "moot"}
    assert (await hill.ballot(found["moot"]))["why"] == "charter.policy"
    assert hill.federation.charter.epoch == 1


async def test_ballots_that_passed_are_certified_one_after_another(commons: Commons) -> None:
    hill, dale, *_ = commons.nodes
    later = await hill.propose(
        action="roles", coop="Dale", roles=["member", "supplier"], closes_in_ms=9_000
    )
    sooner = await dale.propose(action="roles", coop="Moor", roles=["carrier"])
    await commons.settle()

    for node in commons.nodes[:4]:
        await node.vote(later)
        await node.vote(sooner)
    await commons.settle()

    epochs = {id_: (await hill.ballot(id_))["epoch"] for id_ in (sooner, later)}
    assert epochs == {sooner: 1, later: 2}
    assert len({tuple(node.chain) for node in commons.nodes}) == 1


async def test_the_vote_of_a_suspended_coop_does_not_count(commons: Commons) -> None:
    hill, dale, moor, fell, _ = commons.nodes
    suspension = await hill.propose(action="suspend", coop="Fell")
    await commons.settle()
    for node in (hill, dale, moor):
        await node.vote(suspension)
    await commons.settle()

    ballot = await hill.propose(action="policy", policy={"fee_bps": 300})
    await commons.settle()

    assert await code_of(fell.vote(ballot)) == "governance.no_vote"
    assert (await hill.ballot(ballot))["counts"]["missing"] == 3


async def test_a_ballot_shorter_than_the_policy_allows_is_refused(commons: Commons) -> None:
    hill, *_ = commons.nodes

    refused = hill.propose(action="suspend", coop="Dale", closes_in_ms=POLICY.ballot_ms - 1)

    assert await code_of(refused) == "ballot.short"


async def test_a_tally_that_is_not_installed_is_named_and_certifies_nothing(
    tmp_path: Path,
) -> None:
    commons = Commons(tmp_path, FOUR, policy=structs.replace(POLICY, tally="dice/1"))
    await commons.open()
    hill, *_ = commons.nodes

    ballot = await hill.propose(action="policy", policy={"fee_bps": 300})
    await commons.pass_time(CLOSES_MS)

    shown = await hill.ballot(ballot)
    assert (shown["state"], shown["why"]) == ("open", "ballot.tally")
    await commons.close()


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"action": "suspend", "coop": "Nobody"}, "governance.coop"),
        ({"action": "suspend", "coop": ""}, "charter.change"),  # of whom?
        ({"action": "dance"}, "governance.request"),
        ({"action": "policy", "policy": {"colour": "red"}}, "governance.request"),
        ({"action": "policy", "policy": {"fee_bps": 10_001}}, "governance.request"),
        ({"action": "policy", "policy": {}}, "charter.change"),  # changes nothing
        ({"action": "roles", "coop": "Dale", "roles": ["member"]}, "charter.change"),
        ({"action": "restore", "coop": "Dale"}, "charter.change"),  # is not suspended
        ({"action": "admit", "card": "zz", "roles": ["member"]}, "governance.request"),
        ({"action": "admit", "card": "00", "roles": ["member"]}, "charter.card"),
        ({"action": "treaty_level", "treaty_id": "ab", "level": "end"}, "governance.request"),
    ],
)
async def test_a_proposal_that_no_certificate_could_carry_out_is_refused(
    commons: Commons, wish: dict[str, object], code: str
) -> None:
    hill, *_ = commons.nodes

    assert await code_of(hill.propose(**wish)) == code
    assert hill.kinds() == []


async def test_an_observer_may_neither_propose_nor_vote(commons: Commons) -> None:
    hill, *_, watch = commons.nodes
    ballot = await hill.propose(action="suspend", coop="Dale")
    await commons.settle()

    assert await code_of(watch.propose(action="suspend", coop="Dale")) == "governance.no_vote"
    assert await code_of(watch.vote(ballot)) == "governance.no_vote"


async def test_a_vote_on_what_is_closed_unknown_or_no_choice_is_refused(commons: Commons) -> None:
    hill, *_ = commons.nodes
    ballot = await hill.propose(action="suspend", coop="Dale")

    assert await code_of(hill.vote(ballot, "maybe")) == "governance.request"
    assert await code_of(hill.vote("abcd")) == "governance.ballot"
    assert await code_of(hill.vote("all of them")) == "governance.ballot"
    await commons.pass_time(CLOSES_MS + 1)
    assert await code_of(hill.vote(ballot)) == "governance.closed"


async def test_a_ballot_says_what_it_would_do_in_words(commons: Commons) -> None:
    hill, *_ = commons.nodes
    wishes = [
        {"action": "suspend", "coop": "Dale"},
        {"action": "expel", "coop": "Dale"},
        {"action": "roles", "coop": "Dale", "roles": ["carrier", "member"]},
        {"action": "roles", "coop": "Dale", "roles": ["seat"], "sponsor": "Moor"},
        {"action": "policy", "policy": {"fee_bps": 300, "modes": ["sealed"]}},
    ]

    said = [(await hill.ballot(await hill.propose(**wish)))["would"] for wish in wishes]

    assert said == [
        "suspend Dale: what it publishes has no effect until it is restored",
        "expel Dale",
        "make Dale carrier, member (so far member)",
        "make Dale seat (so far member), for whom Moor signs",
        "set fee_bps from 500 to 300, modes from open, sealed to sealed (policy version 1)",
    ]


async def test_the_charter_shows_members_with_the_words_to_compare(commons: Commons) -> None:
    hill, *_ = commons.nodes

    shown = await hill.charter()

    assert [member["name"] for member in shown["members"]].count("Dale") == 1
    assert all(len(member["fingerprint"].split()) == 8 for member in shown["members"])
    assert (shown["voters"], shown["quorum"], shown["speaks"]) == (4, 3, True)
    assert shown["promise"].startswith("Two thirds")
    assert [epoch["epoch"] for epoch in shown["certificates"]] == [0]


async def test_entries_of_an_open_ballot_are_kept_and_those_of_a_failed_one_are_not(
    commons: Commons,
) -> None:
    hill, *_ = commons.nodes
    ballot = await hill.propose(action="suspend", coop="Dale")
    await hill.vote(ballot)
    entries = hill.store.entries_after(0)
    assert [hill.running.keeps(entry.id) for entry in entries] == [True, True]

    await commons.pass_time(CLOSES_MS + 1)

    assert [hill.running.keeps(entry.id) for entry in entries] == [False, False]
