"""Who comes, who goes, and whose changed keys are anchored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.node.commons import FOUR, POLICY, Commons, Node, code_of

from sheaf_node.charter_file import make_card, make_charter_file
from sheaf_node.leaving import read_taken, write_taken
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import signing_key
from sheaf_protocol.records.governance import Vote
from sheaf_protocol.testing.author import START_MS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CLOSES_MS = POLICY.ballot_ms + 1_000


@pytest.fixture
async def commons(tmp_path: Path) -> AsyncIterator[Commons]:
    made = Commons(tmp_path, FOUR, later=["Mill"])
    await made.open()
    yield made
    await made.close()


async def decide(commons: Commons, ballot: str, *voters: Node) -> None:
    await commons.settle()
    for node in voters:
        await node.vote(ballot)
    await commons.pass_time(CLOSES_MS)
    await commons.pass_time(POLICY.round_ms, steps=4)


async def test_a_coop_that_members_admit_takes_part(commons: Commons) -> None:
    hill, dale, moor, fell, mill = commons.nodes
    ballot = await hill.admit(mill.coop, "member", "supplier")
    assert (await hill.ballot(ballot))["candidate"]["name"] == "Mill"

    await decide(commons, ballot, hill, dale, moor)

    assert mill.federation.is_member(mill.coop.cid)
    next_one = await mill.propose(action="policy", policy={"fee_bps": 300})
    await decide(commons, next_one, mill, hill, dale, fell)
    assert {tuple(node.chain) for node in commons.nodes} == {tuple(mill.chain)}
    assert len(mill.chain) == 3


async def test_voters_are_shown_the_words_to_compare_with_the_candidate(
    commons: Commons,
) -> None:
    hill, dale, *_, mill = commons.nodes
    ballot = await hill.admit(mill.coop, "member")

    await commons.settle()

    shown = await dale.ballot(ballot)
    assert shown["would"] == "admit Mill as member"
    assert len(shown["candidate"]["fingerprint"].split()) == 8
    assert dale.ingest.known.candidates[commons.genesis.fid] == {mill.coop.cid}


async def test_a_candidate_that_members_turn_down_is_candidate_no_more(commons: Commons) -> None:
    hill, dale, moor, fell, mill = commons.nodes
    ballot = await hill.admit(mill.coop, "member")
    await commons.settle()

    for node in (dale, moor, fell):
        await node.vote(ballot, "no")
    await commons.settle()

    assert (await hill.ballot(ballot))["state"] == "failed"
    assert dale.ingest.known.candidates[commons.genesis.fid] == frozenset()


async def test_a_seat_needs_a_sponsor_that_has_a_vote(commons: Commons) -> None:
    hill, dale, moor, fell, mill = commons.nodes
    assert await code_of(hill.admit(mill.coop, "seat")) == "charter.sponsor"
    card = {"action": "admit", "roles": ["seat"], "sponsor": "Dale"}
    ballot = await hill.propose(**card, card=make_card(mill.coop.key_ops).hex())
    await decide(commons, ballot, hill, dale, moor)

    [seat] = [m for m in (await fell.charter())["members"] if m["name"] == "Mill"]
    assert (seat["roles"], seat["sponsor"], seat["has_vote"]) == (["seat"], "Dale", False)


async def test_a_coop_leaves_without_anybodys_vote(commons: Commons) -> None:
    hill, *_, fell, _ = commons.nodes

    await fell.command("leave", text="We sell the farm.")
    await fell.command("leave")
    await commons.settle()
    await commons.pass_time(POLICY.round_ms, steps=3)

    assert fell.kinds().count("member.leave") == 1
    assert not hill.federation.is_member(fell.coop.cid)
    assert not (await fell.charter())["is_member"]
    assert await code_of(fell.publish(Vote(choice="yes", proposal=bytes(32)))) == "charter.left"
    assert await code_of(fell.command("leave")) == "charter.not_member"


async def test_who_left_and_was_admitted_again_is_not_made_to_leave_again(
    commons: Commons,
) -> None:
    hill, dale, moor, fell, _ = commons.nodes
    await fell.command("leave")
    await commons.settle()
    await commons.pass_time(POLICY.round_ms, steps=3)
    ballot = await hill.admit(fell.coop, "member")
    await decide(commons, ballot, hill, dale, moor)
    assert hill.federation.is_member(fell.coop.cid)

    await commons.pass_time(POLICY.round_ms, steps=5)

    assert fell.federation.is_member(fell.coop.cid)
    assert len(hill.chain) == 3


async def test_the_last_coop_with_a_vote_cannot_leave(tmp_path: Path) -> None:
    alone = Commons(tmp_path, [("Hill", ["member"]), ("Watch", ["observer"])])
    await alone.open()
    hill, watch = alone.nodes

    assert await code_of(hill.command("leave")) == "charter.voters"
    await watch.command("leave")
    await alone.settle()

    assert [m.cid for m in hill.federation.charter.members] == [hill.coop.cid]
    await alone.close()


async def test_what_an_expelled_coop_publishes_later_is_void_everywhere(
    commons: Commons,
) -> None:
    hill, dale, moor, fell, _ = commons.nodes
    ballot = await hill.propose(action="expel", coop="Fell")
    await commons.settle()
    for node in (hill, dale, moor):
        await node.vote(ballot)
    await commons.settle()
    await commons.pass_time(CLOSES_MS)
    assert not hill.federation.is_member(fell.coop.cid)
    late = commons.author(fell).publish(Vote(choice="no", proposal=bytes.fromhex(ballot)))

    [result] = await hill.ingest.receive([late])

    assert result.code == "charter.left"


async def test_a_change_of_keys_is_anchored_once_it_is_known_long_enough(
    commons: Commons,
) -> None:
    hill, dale, *_ = commons.nodes
    rotated = dale.coop.rotate()
    await dale.ingest.receive_key_ops(dale.coop.cid, dale.coop.key_ops)
    await commons.settle()

    await commons.pass_time(POLICY.anchor_ms - 1)
    assert len(hill.chain) == 1
    await commons.pass_time(1)
    await commons.pass_time(POLICY.round_ms, steps=3)

    [member] = [m for m in hill.federation.charter.members if m.cid == dale.coop.cid]
    assert member.key_head == rotated.id
    assert len(hill.chain) == 2
    assert (await hill.charter())["certificates"][-1]["change"] == {"action": "anchor"}


async def test_the_wait_for_a_change_of_keys_outlasts_a_restart(commons: Commons) -> None:
    hill, dale, *_ = commons.nodes
    dale.coop.rotate()
    await dale.ingest.receive_key_ops(dale.coop.cid, dale.coop.key_ops)
    for node in commons.nodes:
        await node.close()
        home = commons.folder / f"home of {node.coop.name}"
        (home / "federations").mkdir(parents=True)
        await node.open(home=home)
    await commons.settle()
    await commons.pass_time(POLICY.anchor_ms // 2)

    for node in commons.nodes:
        await node.close()
        await node.open(home=commons.folder / f"home of {node.coop.name}")
    await commons.pass_time(POLICY.anchor_ms // 2)
    await commons.pass_time(POLICY.round_ms, steps=3)

    assert len(hill.chain) == 2


async def test_a_new_writer_is_anchored_with_whatever_is_certified_next(
    commons: Commons,
) -> None:
    hill, dale, moor, fell, _ = commons.nodes
    op = dale.coop.delegate(signing_key(b"\x05" * 32), START_MS + 10**10)
    await dale.ingest.receive_key_ops(dale.coop.cid, dale.coop.key_ops)
    await commons.pass_time(POLICY.anchor_ms, steps=3)
    assert len(hill.chain) == 1

    ballot = await hill.propose(action="policy", policy={"fee_bps": 300})
    await decide(commons, ballot, hill, moor, fell)

    [member] = [m for m in hill.federation.charter.members if m.cid == dale.coop.cid]
    assert member.key_head == op.id


# --- what a co-op takes along


async def exported(node: Node) -> bytes:
    charter = await node.charter()
    page = await node.view("export", after="0")
    chain = node.store.chains[node.commons.genesis.fid]
    file = make_charter_file(chain, node.store.key_ops)
    return write_taken(charter["own"], charter["fid"], charter["name"], file, page["items"])


async def test_a_coop_takes_its_entries_and_the_charter_along(commons: Commons) -> None:
    hill, dale, *_ = commons.nodes
    await dale.propose(action="suspend", coop="Moor")
    ballot = await hill.propose(action="suspend", coop="Dale", text="Why?")
    await commons.settle()
    await hill.vote(ballot)

    taken = read_taken(await exported(hill))

    assert [entry["kind"] for entry in taken.entries] == ["ballot.propose", "ballot.vote"]
    assert taken.entries[0]["record"]["text"] == "Why?"
    assert taken.cid == hill.coop.cid
    assert taken.charter.certificate.id == commons.genesis.id


@pytest.mark.parametrize("line", [0, 1, 2])
async def test_an_export_that_was_altered_is_refused_with_its_line(
    commons: Commons, line: int
) -> None:
    hill, *_ = commons.nodes
    ballot = await hill.propose(action="suspend", coop="Dale")
    await hill.vote(ballot)
    lines = (await exported(hill)).splitlines()
    altered = json.loads(lines[line])
    altered["cid" if line == 0 else "id"] = "00" * 32
    lines[line] = json.dumps(altered).encode()

    with pytest.raises(Refusal) as refusal:
        read_taken(b"\n".join(lines))

    assert refusal.value.code == "governance.export"
    assert f"line {max(line + 1, 2)}" in refusal.value.detail


@pytest.mark.parametrize("data", [b"", b"{}", b"no json", b'{"cid": 1}'])
async def test_what_is_no_export_is_refused(data: bytes) -> None:
    with pytest.raises(Refusal) as refusal:
        read_taken(data)

    assert refusal.value.code == "governance.export"


async def test_an_export_without_an_entry_in_the_middle_is_refused(commons: Commons) -> None:
    hill, *_ = commons.nodes
    ballot = await hill.propose(action="suspend", coop="Dale")
    await hill.vote(ballot)
    await hill.vote(ballot, "no")
    lines = (await exported(hill)).splitlines()
    del lines[2]

    with pytest.raises(Refusal) as refusal:
        read_taken(b"\n".join(lines))

    assert refusal.value.code == "governance.export"


async def test_a_page_after_no_number_is_refused(commons: Commons) -> None:
    hill, *_ = commons.nodes

    assert await code_of(hill.view("export", after="x")) == "governance.request"
