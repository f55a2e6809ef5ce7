"""How nodes certify what passed: away, parted, killed, or lied to."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from tests.node.commons import FOUR, POLICY, SEVEN, Commons, Node

from sheaf_protocol.digest import Digest, EntryId, WriterId
from sheaf_protocol.envelope import body_of
from sheaf_protocol.governance import Accept, to_record
from sheaf_protocol.identity import signing_key
from sheaf_protocol.records import decode_record
from sheaf_protocol.records.governance import (
    Ballot,
    CertificateProposal,
    CoopLines,
    LogLine,
    Proposal,
    Vote,
)
from sheaf_protocol.testing.author import START_MS
from sheaf_protocol.testing.epoch import about

if TYPE_CHECKING:
    from pathlib import Path

    from sheaf_protocol.records import Record


def proposer(commons: Commons, round_: int = 0) -> Node:
    """Return whose turn a round on the genesis is (RND-1)."""
    nodes = sorted(commons.nodes, key=lambda node: node.coop.cid)
    return nodes[(int.from_bytes(commons.genesis.id[:8]) + round_) % len(nodes)]


def records(node: Node, kind: str) -> list[tuple[EntryId, Record]]:
    """Return the records of a kind that a node holds, with the ids of their entries."""
    found = []
    for entry in node.store.entries_after(0, 10_000):
        if entry.kind == kind and entry.no_effect is None:
            record = decode_record(kind, body_of(entry.envelope.payload))
            assert record is not None
            found.append((entry.id, record))
    return found


def value(node: Node, ballot: str, *, cut_to: int | None = None) -> CertificateProposal:
    """Return what a proposer puts forward for a ballot on the genesis in round 0.

    `cut_to` is where it says that the logs of the co-op end, in place of their heads.
    """
    id_ = EntryId(bytes.fromhex(ballot))
    proposal = next(cast("Proposal", r) for i, r in records(node, "ballot.propose") if i == id_)
    votes = [i for i, r in records(node, "ballot.vote") if cast("Vote", r).proposal == id_]
    cid = proposal.change.cid
    logs = []
    for log, held in node.store.logs.items():
        if held.cid == cid and cut_to != 0:
            seq = held.head.seq if cut_to is None else cut_to
            [entry, *_] = node.store.log_after(log, seq, 1)
            logs.append(LogLine(head=Digest(entry.id), seq=seq, wid=held.wid))
    return CertificateProposal(
        ballot=Ballot(proposal=id_, votes=sorted(votes)),
        change=proposal.change,
        heads=[],
        lines=[CoopLines(cid=cast("bytes", cid), logs=logs)],
        prev=node.federation.id,
        round=0,
    )


async def passed(commons: Commons, by: Node, **wish: object) -> str:
    """Return a ballot that all nodes here know to have passed."""
    ballot = await by.propose(**wish)
    await commons.settle()
    for node in commons.here():
        await node.vote(ballot)
    await commons.settle()
    return ballot


async def test_where_the_proposer_is_away_the_next_one_certifies(commons: Commons) -> None:
    away = proposer(commons)
    commons.away.add(away)
    hill, *_ = commons.here()
    ballot = await passed(commons, hill, action="policy", policy={"fee_bps": 300})
    assert (await hill.ballot(ballot))["state"] == "passed"

    await commons.pass_time(POLICY.round_ms)

    assert (await hill.ballot(ballot))["state"] == "certified"
    assert "charter.abandon" in hill.kinds()
    commons.away.clear()
    await commons.settle()
    assert away.chain == hill.chain


async def test_each_round_lasts_twice_as_long_as_the_one_before(commons: Commons) -> None:
    away = {proposer(commons), proposer(commons, 1)}
    commons.away |= away
    hill, *_ = commons.here()
    ballot = await passed(commons, hill, action="policy", policy={"fee_bps": 300})

    await commons.pass_time(POLICY.round_ms)
    await commons.pass_time(2 * POLICY.round_ms - 1)
    assert (await hill.ballot(ballot))["state"] == "passed"
    await commons.pass_time(1)

    assert (await hill.ballot(ballot))["state"] == "certified"


async def test_a_minority_certifies_nothing_and_writes_no_endless_rounds(commons: Commons) -> None:
    hill, dale, moor, *others = commons.nodes
    ballot = await hill.propose(action="policy", policy={"fee_bps": 300})
    await commons.settle()
    for node in commons.nodes:
        await node.vote(ballot)
    await commons.carry()
    commons.away |= set(others)

    await commons.pass_time(10 * POLICY.round_ms, steps=20)

    assert len(hill.chain) == 1
    assert all(node.kinds().count("charter.abandon") <= 1 for node in (hill, dale, moor))
    commons.away.clear()
    await commons.pass_time(POLICY.round_ms, steps=4)
    assert {tuple(node.chain) for node in commons.nodes} == {tuple(hill.chain)}
    assert len(hill.chain) == 2


async def test_a_federation_with_nothing_to_decide_goes_through_no_rounds(
    commons: Commons,
) -> None:
    await commons.pass_time(100 * POLICY.round_ms, steps=5)

    assert [kind for node in commons.nodes for kind in node.kinds()] == []


async def test_a_split_of_three_three_and_one_is_recovered_by_abandoning(
    commons: Commons,
) -> None:
    liar = proposer(commons)
    await liar.turn()
    commons.away.add(liar)
    honest = commons.here()
    one, other = honest[:3], honest[3:]
    first = await honest[0].propose(action="suspend", coop=honest[0].coop.name)
    second = await honest[0].propose(action="suspend", coop=honest[1].coop.name)
    await commons.settle()
    for node in honest:
        await node.vote(first)
        await node.vote(second)
    await commons.settle()
    twin = commons.author(liar)
    told_one = commons.author(liar).publish(value(honest[0], first))
    told_other = twin.publish(value(honest[0], second))

    commons.cut = lambda a, b: (a in one) is not (b in one)
    await commons.tell(told_one, *one)
    await commons.tell(told_other, *other)
    await commons.settle()
    accepted = [records(nodes[0], "charter.accept") for nodes in (one, other)]
    assert [len(each) for each in accepted] == [3, 3]
    commons.cut = lambda _a, _b: False
    await commons.tell(told_other, *one)
    await commons.tell(told_one, *other)
    await commons.settle()
    assert {len(node.chain) for node in honest} == {1}
    await commons.pass_time(POLICY.round_ms)
    await commons.pass_time(POLICY.round_ms)

    assert {tuple(node.chain) for node in honest} == {tuple(honest[0].chain)}
    assert len(honest[0].chain) == 3
    assert all("charter.abandon" in node.kinds() for node in honest)
    assert all(len(node.store.fork_proofs) == 1 for node in honest)


@pytest.mark.parametrize("seed", range(4))
async def test_nodes_parted_half_the_time_end_with_one_chain(tmp_path: Path, seed: int) -> None:
    commons = Commons(tmp_path, SEVEN, seed=seed)
    await commons.open()
    hill, *_ = commons.nodes
    apart = set(commons.nodes[-2:])

    for round_ in range(4):
        commons.away = apart if round_ % 2 else set()
        ballot = await hill.propose(action="policy", policy={"fee_bps": 100 + round_})
        await commons.settle()
        for node in commons.here():
            await node.vote(ballot)
        await commons.pass_time(POLICY.round_ms, steps=8)
    commons.away = set()
    await commons.pass_time(POLICY.round_ms, steps=8)

    assert len({tuple(node.chain) for node in commons.nodes}) == 1
    assert len(hill.chain) == 5
    await commons.close()


async def test_a_killed_node_signs_no_second_accept_in_a_round(commons: Commons) -> None:
    away = proposer(commons)
    hill = next(node for node in commons.nodes if node is not away)
    await passed(commons, hill, action="suspend", coop=away.coop.name)

    for node in commons.nodes:
        await node.close()
        await node.open()
    await commons.pass_time(POLICY.round_ms, steps=2)

    assert {node.kinds().count("charter.accept") for node in commons.nodes} == {1}
    assert {len(node.chain) for node in commons.nodes} == {2}


async def test_a_node_killed_between_accept_and_approval_goes_on_where_it_was(
    commons: Commons,
) -> None:
    first = proposer(commons)
    hill, *others = [node for node in commons.nodes if node is not first]
    ballot = await hill.propose(action="suspend", coop=first.coop.name)
    await commons.settle()
    for node in commons.nodes:
        await node.vote(ballot)
    await commons.carry()
    await first.turn()
    await commons.carry()
    await hill.turn()
    assert hill.kinds()[-1] == "charter.accept"

    await hill.close()
    await hill.open()
    await commons.settle()

    assert hill.kinds().count("charter.accept") == 1
    assert hill.kinds().count("charter.approve") == 1
    assert {len(node.chain) for node in (hill, *others)} == {2}


async def test_nobody_accepts_lines_that_leave_out_what_it_held(commons: Commons) -> None:
    liar = proposer(commons)
    await liar.turn()
    commons.away.add(liar)
    hill, dale, *_ = honest = commons.here()
    await dale.propose(action="suspend", coop=hill.coop.name)
    await commons.settle()
    ballot = await passed(commons, hill, action="expel", coop=dale.coop.name)
    lie = commons.author(liar).publish(value(hill, ballot, cut_to=0))

    await commons.tell(lie, *honest)
    await commons.settle()
    assert [kind for node in honest for kind in node.kinds() if kind == "charter.accept"] == []
    await commons.pass_time(POLICY.round_ms)

    assert {len(node.chain) for node in honest} == {2}
    assert hill.federation.cut_of(dale.coop.cid, dale.coop.wid) is not None
    assert dale.kinds()[0] == "ballot.propose"
    assert (
        next(e for e in hill.store.entries_after(0) if e.header.cid == dale.coop.cid).void is None
    )


@pytest.mark.parametrize("what", ["change", "votes", "ballot", "garbage"])
async def test_nobody_accepts_what_members_did_not_pass(commons: Commons, what: str) -> None:
    liar = proposer(commons)
    await liar.turn()
    commons.away.add(liar)
    hill, dale, moor, *_ = honest = commons.here()
    ballot = await hill.propose(action="suspend", coop=dale.coop.name)
    await commons.settle()
    for node in honest[:3]:
        await node.vote(ballot)
    await commons.settle()
    true = value(hill, ballot)
    lies = {
        "votes": true,  # three of seven, and it is open
        "change": CertificateProposal(
            ballot=true.ballot,
            change=about("suspend", moor.coop),
            heads=[],
            lines=[CoopLines(cid=moor.coop.cid, logs=[])],
            prev=true.prev,
            round=0,
        ),
        "ballot": CertificateProposal(
            ballot=Ballot(proposal=bytes(32), votes=[]),
            change=true.change,
            heads=[],
            lines=true.lines,
            prev=true.prev,
            round=0,
        ),
        "garbage": CertificateProposal(
            change=about("leave", dale.coop),
            heads=[],
            lines=true.lines,
            prev=true.prev,
            round=0,
        ),
    }

    await commons.tell(commons.author(liar).publish(lies[what]), *honest)
    await commons.settle()
    await commons.pass_time(POLICY.round_ms // 2)

    assert [kind for node in honest for kind in node.kinds() if kind == "charter.accept"] == []


async def test_who_signs_two_accepts_for_one_round_is_shown_with_both(commons: Commons) -> None:
    liar = commons.nodes[0] if commons.nodes[0] is not proposer(commons) else commons.nodes[1]
    hill = next(node for node in commons.nodes if node is not liar)
    await liar.turn()
    commons.away.add(liar)
    author = commons.author(liar)
    for filler in (b"\x01", b"\x02"):
        step = Accept(certificate=Digest(filler * 32), round=0)
        said = to_record(step, commons.genesis.id, liar.coop.writer.sign)
        await commons.tell(author.publish(cast("Record", said)), hill)
    await hill.turn()

    [double] = (await hill.charter())["doubles"]
    assert double["name"] == liar.coop.name
    assert len(set(double["entries"])) == 2


async def test_a_second_computer_of_a_coop_does_not_speak_in_rounds(tmp_path: Path) -> None:
    commons = Commons(tmp_path, FOUR)
    hill, *_ = commons.nodes
    second = signing_key(b"\x05" * 32)
    hill.coop.delegate(second, START_MS + 10**10)
    hill.coop.writer = second
    await commons.open()

    ballot = await passed(commons, hill, action="policy", policy={"fee_bps": 300})
    await commons.pass_time(POLICY.round_ms, steps=4)

    assert not (await hill.charter())["speaks"]
    assert {kind for kind in hill.kinds() if kind.startswith("charter.")} == set()
    assert (await hill.ballot(ballot))["state"] == "certified"
    assert WriterId(second.public) in hill.coop.keys.writers
