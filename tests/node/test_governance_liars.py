"""What one liar cannot do: stall the others, fill their memory, or keep candidates out."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from msgspec import structs
from tests.node.commons import FOUR, POLICY, Commons, Node
from tests.node.test_governance_rounds import proposer, value

from sheaf_node.governance.certification import MOST_AHEAD, Statements
from sheaf_node.governance.drafting import Drafts
from sheaf_node.plugins import SeenRecord
from sheaf_protocol.digest import Digest, EntryId, LogId, WriterId, digest, log_id
from sheaf_protocol.governance import MOST_ALIKE, Accept, to_record
from sheaf_protocol.identity import signing_key
from sheaf_protocol.records.governance import CertificateProposal, KeyHead, Proposal
from sheaf_protocol.testing.author import START_MS, make_coop
from sheaf_protocol.testing.epoch import about, admission

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sheaf_protocol.records import Record
    from sheaf_protocol.testing.author import TestCoop

LATER_MS = START_MS + 10**10


@pytest.fixture
async def commons(tmp_path: Path) -> AsyncIterator[Commons]:
    made = Commons(tmp_path, FOUR)
    yield made
    await made.close()


def renew(node: Node, filler: bytes) -> None:
    """Delegate a writer and close the one before, as a node does in the last week of its keys."""
    old, node.coop.writer = node.coop.writer, signing_key(filler * 32)
    heads = {}
    if node.is_open:
        fid = node.commons.genesis.fid
        heads[fid] = node.store.logs[log_id(fid, node.coop.cid, WriterId(old.public))].head
    node.coop.delegate(node.coop.writer, LATER_MS)
    node.coop.close(heads, old)


async def tell_keys(commons: Commons, node: Node) -> None:
    for other in commons.nodes:
        await other.ingest.receive_key_ops(node.coop.cid, node.coop.key_ops)


async def passed_without(commons: Commons, liar: Node, about: Node) -> str:
    """Return a ballot on a co-op that passed for all, while the liar proposes nothing."""
    ballot = await liar.propose(action="roles", coop=about.coop.name, roles=["supplier"])
    await commons.settle()
    await liar.vote(ballot)
    await commons.carry()
    commons.away.add(liar)
    for node in commons.here():
        await node.vote(ballot)
    await commons.carry()
    return ballot


def accepted(node: Node, said: CertificateProposal, *, round_: int = 0) -> Record:
    """Return a node's accept of a value, signed by its writer."""
    made = Drafts(node.federation).id(said)
    assert made is not None
    step = Accept(certificate=made, round=round_)
    return cast("Record", to_record(step, node.federation.id, node.coop.writer.sign))


async def test_a_liar_that_takes_a_voters_approval_away_and_is_silent_stalls_nobody(
    commons: Commons,
) -> None:
    liar = proposer(commons)
    renewed, *_, target = honest = [node for node in commons.nodes if node is not liar]
    renew(renewed, b"n")
    await commons.open()
    await tell_keys(commons, renewed)
    ballot = await passed_without(commons, liar, target)
    said = value(target, ballot)
    author = commons.author(liar)
    lies = [author.publish(said), author.publish(accepted(liar, said))]

    for lie in lies:
        await commons.tell(lie, *honest)
    await commons.pass_time(POLICY.round_ms, steps=4)

    assert {len(node.chain) for node in honest} == {2}
    assert (await target.ballot(ballot))["state"] == "certified"
    assert all(node.kinds().count("charter.abandon") == 1 for node in honest)


async def test_a_co_op_that_renews_again_while_a_ballot_is_certified_holds_up_nobody(
    commons: Commons,
) -> None:
    slow = proposer(commons)
    renewing, *others = [node for node in commons.nodes if node is not slow]
    renew(renewing, b"n")
    await commons.open()
    await tell_keys(commons, renewing)
    first = renewing.coop.keys.head
    ballot = await passed_without(commons, slow, others[1])
    for node in others:
        await node.turn()

    renew(renewing, b"o")
    await tell_keys(commons, renewing)
    heads = [KeyHead(cid=renewing.coop.cid, key_head=first)]
    said = structs.replace(value(others[1], ballot), heads=heads)
    await commons.tell(commons.author(slow).publish(said), *others)
    await commons.settle()

    assert [node.kinds().count("charter.accept") for node in others] == [1, 1]


async def test_a_node_makes_no_approval_that_its_certificate_cannot_bear(
    commons: Commons,
) -> None:
    first = proposer(commons)
    renewed, *others = [node for node in commons.nodes if node is not first]
    renew(renewed, b"n")
    await commons.open()
    await tell_keys(commons, renewed)
    ballot = await passed_without(commons, first, others[1])
    said = value(others[1], ballot)
    commons.away = {first, *others}
    await commons.tell(commons.author(first).publish(said), renewed)
    for node in (first, *others):
        author = commons.author(node)
        if node is first:
            author.publish(said)
        await commons.tell(author.publish(accepted(node, said)), renewed)

    await commons.settle()
    assert [k for k in renewed.kinds() if k.startswith("charter.")] == []
    await commons.pass_time(POLICY.round_ms)

    assert [k for k in renewed.kinds() if k.startswith("charter.")] == ["charter.abandon"]


async def test_candidates_of_one_co_op_leave_room_for_those_of_others(commons: Commons) -> None:
    await commons.open()
    hill, dale, *_ = commons.nodes
    flood = [make_coop(f"Made {number}") for number in range(12)]
    mill = make_coop("Mill")
    await hill.publish(*(ballot_on(commons, hill, n, flood[n]) for n in range(12)))
    await dale.publish(ballot_on(commons, dale, 900, mill))

    await commons.settle()

    expected = {coop.cid for coop in flood[:8]} | {mill.cid}
    assert all(
        node.ingest.known.candidates[commons.genesis.fid] == expected for node in commons.nodes
    )
    why = {ballot["title"]: ballot["why"] for ballot in await dale.ballots()}
    assert [n for n in range(12) if why[f"Ballot {n}"] == "ballot.waits"] == [8, 9, 10, 11]
    assert why["Ballot 900"] is None


async def test_ballots_beyond_those_of_one_co_op_that_close_first_wait(commons: Commons) -> None:
    await commons.open()
    hill, dale, *_ = commons.nodes
    later = [ballot_on(commons, hill, n) for n in range(1, 40)]
    await hill.publish(*later, ballot_on(commons, hill, 0))

    await commons.settle()

    why = {ballot["title"]: ballot["why"] for ballot in await dale.ballots()}
    assert [n for n in range(40) if why[f"Ballot {n}"] == "ballot.waits"] == list(range(32, 40))


async def test_a_ballot_that_waited_is_looked_after_once_others_are_over(
    commons: Commons,
) -> None:
    await commons.open()
    hill, dale, *_ = commons.nodes
    await hill.publish(*(ballot_on(commons, hill, n) for n in range(33)))
    await commons.settle()

    commons.clock.advance(POLICY.ballot_ms + 1_001)
    await commons.settle()

    shown = {ballot["title"]: ballot for ballot in await dale.ballots()}
    assert (shown["Ballot 0"]["state"], shown["Ballot 32"]["state"]) == ("failed", "open")
    assert shown["Ballot 32"]["why"] is None


async def test_statements_on_certificates_that_nobody_made_are_few(commons: Commons) -> None:
    await commons.open()
    hill, dale, *_ = commons.nodes
    chain, statements = hill.store.chains[commons.genesis.fid], Statements()
    made_up = [digest("test", bytes([number])) for number in range(100)]

    for prev in made_up:
        statements.note(seen(hill, prev), chain)
    statements.note(seen(dale, made_up[99]), chain)

    kept = [prev for prev in made_up if list(statements.on(prev))]
    assert kept == [*made_up[:MOST_AHEAD], made_up[99]]


async def test_a_flood_on_what_nobody_made_hides_nothing_on_the_newest_certificate(
    commons: Commons,
) -> None:
    await commons.open()
    hill, *_ = commons.nodes
    chain, statements = hill.store.chains[commons.genesis.fid], Statements()
    for number in range(100):
        statements.note(seen(hill, digest("test", bytes([number]))), chain)

    for round_ in range(9):
        for number in range(9):
            statements.note(seen(hill, chain.federation.id, round_, number), chain)

    assert len(list(statements.on(chain.federation.id))) == 9 * MOST_ALIKE


async def test_statement_noted_twice_is_one_and_what_is_past_is_left_out(commons: Commons) -> None:
    await commons.open()
    hill, *_ = commons.nodes
    chain, statements = hill.store.chains[commons.genesis.fid], Statements()
    prev = chain.federation.id

    for _ in range(MOST_ALIKE + 1):
        statements.note(seen(hill, prev), chain)
    assert len(list(statements.on(prev))) == 1
    statements.forget({prev})
    statements.note(seen(hill, prev, number=1), chain)

    assert len(list(statements.on(prev))) == 1


def ballot_on(commons: Commons, node: Node, number: int, coop: TestCoop | None = None) -> Proposal:
    """Return a proposal that closes so many milliseconds after the soonest, or much later."""
    suspend, late_ms = about("suspend", node.coop), 10**6 if number > 31 else 0
    return Proposal(
        change=suspend if coop is None else admission(coop, ["member"]),
        closes_at_ms=commons.clock.now_ms() + POLICY.ballot_ms + 900 + number + late_ms,
        epoch=commons.genesis.id,
        text="",
        title=f"Ballot {number}",
    )


def seen(node: Node, prev: Digest, round_: int = 0, number: int = 0) -> SeenRecord:
    """Return an accept as a service sees it."""
    certificate = digest("test", bytes([number, round_]))
    step = Accept(certificate=certificate, round=round_)
    record = to_record(step, prev, lambda _purpose, _message: bytes(64))
    return SeenRecord(
        id=EntryId(digest("test", prev + certificate)),
        cid=node.coop.cid,
        wid=node.coop.wid,
        log=LogId(prev),
        seq=1,
        time_ms=0,
        kind="charter.accept",
        refs=(),
        record=cast("Record", record),
    )
