"""Who is told what as members come and go, over a network in memory.

The co-ops of the world found a federation; Lake joins it later. Certificates are made by hand, and
reach one node, as if it had assembled them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sheaf_node.clock import ManualClock
from sheaf_node.ingest import Draft
from sheaf_node.peering.memory import MemoryNetwork
from sheaf_protocol.charter import Chain
from sheaf_protocol.identity import signing_key
from sheaf_protocol.limits import WRITER_LIFETIME_MS
from sheaf_protocol.testing.author import make_coop, make_federation
from sheaf_protocol.testing.epoch import about, admission, keys_of, make_epoch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.federation.conftest import RunningNode, World

    from sheaf_protocol.charter import Certificate, Federation
    from sheaf_protocol.records.governance import Change

STEP_MS = 10
HILL, DALE, MOOR, FELL, LAKE = range(5)


class Town:
    """The world's nodes on one network and clock, and the chain of their federation."""

    def __init__(self, world: World) -> None:
        self.world, self.fid = world, world.certificate.fid
        self.network, self.clock = MemoryNetwork(), ManualClock(world.now_ms)
        self.lake = make_coop("Lake", now_ms=world.now_ms)
        world.coops.append(self.lake)
        self.founders = world.coops[:LAKE]
        self.chain = Chain.found(world.certificate, keys_of(self.founders))

    def make(self, change: Change, *signers: int) -> Certificate:
        """Return the next certificate, without having any node know of it."""
        by = [self.world.coops[index] for index in signers] or self.founders
        made = make_epoch(self.chain.federation, change, by)
        self.chain = self.chain.add(made, keys_of(self.world.coops))
        return made

    async def admit_lake(self, node: RunningNode) -> None:
        """Let a node know of the admission of Lake, whose card it has."""
        made = self.make(admission(self.lake, ["member"]))
        await node.ingest.receive_certificate(made, key_logs={self.lake.cid: self.lake.key_ops})

    async def start(
        self, index: int, *dials: RunningNode, adopts: bool = False, has_certificate: bool = True
    ) -> RunningNode:
        host = self.world.coops[index].name.lower()
        knows = [at for at in range(LAKE) if at != index] if has_certificate else []
        return await self.world.start(
            index,
            dials=dials,
            clock=self.clock,
            knows=knows,
            host=host,
            network=self.network.host(host),
            has_certificate=has_certificate,
            adopts=adopts,
        )

    async def until(self, is_true: Callable[[], bool]) -> None:
        """Let time pass in small steps until something holds."""

        def is_true_now() -> bool:
            self.clock.advance(STEP_MS)
            return is_true()

        await self.world.until(is_true_now)

    async def for_a_while(self) -> None:
        """Let so much time pass that all has happened which is going to."""
        for _ in range(200):
            self.clock.advance(STEP_MS)
            await asyncio.sleep(0.002)

    def seen_by(self, node: RunningNode) -> Federation:
        return node.ingest.federations.get(self.fid) or node.ingest.known.foreign[self.fid]


@pytest.fixture
def town(world: World) -> Town:
    return Town(world)


# --- joining


async def test_joiner_is_told_of_its_admission_and_then_of_everything(town: Town) -> None:
    hill = await town.start(HILL)
    dale = await town.start(DALE, hill)
    await hill.publish(3)
    lake = await town.start(LAKE, hill, adopts=True, has_certificate=False)
    hill.ingest.known.welcome(town.fid, frozenset({town.lake.cid}))
    await town.until(lambda: town.fid in lake.store.chains)
    assert lake.store.arrival == 0

    await hill.ingest.receive_certificate(town.make(admission(town.lake, ["member"])))

    await town.until(lambda: lake.store.arrival == 3)
    await lake.publish(2)
    await town.until(lambda: dale.store.arrival == hill.store.arrival == 5)
    await town.until(lambda: dale.root == hill.root == lake.root)


async def test_joiner_takes_up_a_chain_of_which_it_has_the_charter_file(town: Town) -> None:
    hill = await town.start(HILL)
    for change in (about("suspend", town.founders[FELL]), about("restore", town.founders[FELL])):
        await hill.ingest.receive_certificate(town.make(change))
    lake = await town.start(LAKE, hill, adopts=True)

    await town.admit_lake(hill)

    await town.until(lambda: town.fid in lake.ingest.federations)
    assert town.seen_by(lake) == town.chain.federation


async def test_co_op_that_did_not_ask_to_join_takes_nothing_up(town: Town) -> None:
    """Else anybody could have it keep the data of a federation of made-up co-ops."""
    hill = await town.start(HILL)
    await hill.publish()
    lake = await town.start(LAKE, hill, has_certificate=False)

    await town.admit_lake(hill)

    await town.until(lambda: len(hill.peering.peers()) == 1)
    await town.for_a_while()
    assert lake.store.chains == {}
    assert list(lake.store.key_logs) == [town.lake.cid]
    assert lake.store.arrival == 0


async def test_stranger_is_let_in_once_it_is_a_candidate(town: Town) -> None:
    hill = await town.start(HILL)
    lake = await town.start(LAKE, hill, adopts=True, has_certificate=False)
    await town.until(lambda: lake.peering.dials()[0].reason is not None)
    reason = lake.peering.dials()[0].reason

    hill.ingest.known.welcome(town.fid, frozenset({town.lake.cid}))

    await town.until(lambda: lake.peering.dials()[0].is_linked)
    assert reason == "the node there is in no federation with this co-op, or does not know so yet"


async def test_key_log_of_a_candidate_reaches_all_members(town: Town) -> None:
    hill = await town.start(HILL)
    dale = await town.start(DALE, hill)
    for node in (hill, dale):
        node.ingest.known.welcome(town.fid, frozenset({town.lake.cid}))

    await town.start(LAKE, hill, adopts=True, has_certificate=False)

    await town.until(lambda: town.lake.cid in dale.store.key_logs)


async def test_candidate_sees_no_data_and_no_other_candidate(town: Town) -> None:
    hill = await town.start(HILL)
    other = make_coop("Other", now_ms=town.world.now_ms)
    hill.ingest.known.welcome(town.fid, frozenset({town.lake.cid, other.cid}))
    await hill.ingest.receive_key_ops(other.cid, other.key_ops)
    await hill.publish()

    lake = await town.start(LAKE, hill, adopts=True, has_certificate=False)

    await town.until(lambda: town.fid in lake.store.chains)
    await town.for_a_while()
    assert lake.store.arrival == 0
    assert other.cid not in lake.store.key_logs


# --- leaving


async def test_expelled_co_op_is_told_why_and_gets_nothing_more(town: Town) -> None:
    hill = await town.start(HILL)
    fell = await town.start(FELL, hill)
    await hill.publish()
    await town.until(lambda: fell.store.arrival == 1)

    await hill.ingest.receive_certificate(town.make(about("expel", town.founders[FELL])))
    await hill.publish()  # before any timer has fallen due

    await town.until(lambda: not town.seen_by(fell).is_member(fell.coop.cid))
    await town.for_a_while()
    assert fell.store.arrival == 1
    assert [peer.wid for peer in hill.peering.peers()] == [fell.coop.wid]
    assert not hill.is_in_sync_with(fell)


async def test_entries_that_cross_an_expulsion_do_not_end_the_link(town: Town) -> None:
    hill = await town.start(HILL)
    fell = await town.start(FELL, hill)
    await town.until(lambda: hill.is_in_sync_with(fell))
    since_ms = hill.peering.peers()[0].since_ms

    expelled = hill.ingest.receive_certificate(town.make(about("expel", town.founders[FELL])))
    await asyncio.gather(expelled, fell.publish(5))

    await town.until(lambda: not town.seen_by(fell).is_member(fell.coop.cid))
    await town.for_a_while()
    assert hill.peering.peers()[0].since_ms == since_ms
    assert not any(entry.no_effect is None for entry in hill.store.entries_after(0))


async def test_expelled_co_op_hears_what_becomes_of_the_federation(town: Town) -> None:
    """It may come back, and has to see by whom."""
    hill = await town.start(HILL)
    fell = await town.start(FELL, hill)
    await hill.ingest.receive_certificate(town.make(about("expel", town.founders[FELL])))
    await town.until(lambda: town.seen_by(fell).charter.epoch == 1)

    await hill.ingest.receive_certificate(town.make(about("suspend", town.founders[MOOR]), 0, 1, 2))

    await town.until(lambda: town.seen_by(fell) == town.chain.federation)


async def test_co_op_that_comes_back_catches_up(town: Town) -> None:
    hill = await town.start(HILL)
    fell = await town.start(FELL, hill)
    await hill.ingest.receive_certificate(town.make(about("expel", town.founders[FELL])))
    await hill.publish(3)
    await town.until(lambda: town.seen_by(fell).charter.epoch == 1)

    again = town.make(admission(town.founders[FELL], ["member"]), 0, 1, 2)
    await hill.ingest.receive_certificate(again)

    await town.until(lambda: fell.store.arrival == 3)
    await town.until(lambda: hill.is_in_sync_with(fell))
    assert [peer.wid for peer in hill.peering.peers()] == [fell.coop.wid]


async def test_expulsion_in_the_middle_of_a_transfer_ends_it_and_not_the_link(town: Town) -> None:
    hill = await town.start(HILL)
    await hill.publish_large(60)
    fell = await town.start(FELL, hill)
    await town.until(lambda: fell.store.arrival > 0)

    await hill.ingest.receive_certificate(town.make(about("expel", town.founders[FELL])))
    await town.until(lambda: not town.seen_by(fell).is_member(fell.coop.cid))
    since_ms = hill.peering.peers()[0].since_ms
    again = town.make(admission(town.founders[FELL], ["member"]), HILL, DALE, MOOR)
    await hill.ingest.receive_certificate(again)

    await town.until(lambda: fell.store.arrival == 60)
    assert hill.peering.peers()[0].since_ms == since_ms


async def test_co_op_that_one_federation_expels_goes_on_in_another(town: Town) -> None:
    hill = await town.start(HILL)
    fell = await town.start(FELL, hill)
    both = make_federation([(town.founders[at], ["member"]) for at in (HILL, FELL)], "Both")
    for node in (hill, fell):
        await node.ingest.receive_certificate(both)
    await town.until(lambda: hill.is_in_sync_with(fell))

    await hill.ingest.receive_certificate(town.make(about("expel", town.founders[FELL])))
    await hill.publish()
    await hill.ingest.publish(both.fid, [Draft(kind="x.note", body=b"\x80")])

    await town.until(lambda: fell.store.arrival == 1)
    await town.until(lambda: hill.is_in_sync_with(fell))
    assert {log.fid for log in fell.store.logs.values()} == {both.fid}


async def test_co_op_that_is_expelled_while_away_may_link_and_is_told(town: Town) -> None:
    hill = await town.start(HILL)
    await hill.ingest.receive_certificate(town.make(about("expel", town.founders[FELL])))
    await hill.publish()

    fell = await town.start(FELL, hill)

    await town.until(lambda: not town.seen_by(fell).is_member(fell.coop.cid))
    await town.for_a_while()
    assert fell.store.arrival == 0


async def test_relay_that_has_not_heard_of_an_expulsion_is_not_to_blame(town: Town) -> None:
    hill, moor = await town.start(HILL), await town.start(MOOR)
    fell = await town.start(FELL, moor)
    await fell.publish(30)
    await town.until(lambda: moor.store.arrival == 30)
    await hill.ingest.receive_certificate(town.make(about("expel", town.founders[FELL])))

    dale = await town.start(DALE, hill, moor)

    await town.until(lambda: town.seen_by(moor) == town.seen_by(dale) == town.chain.federation)
    await town.until(lambda: len(dale.peering.peers()) == 2)
    await town.until(lambda: dale.is_in_sync_with(hill, moor))


# --- long chains and forks


async def test_chain_of_hundreds_of_epochs_arrives_in_order(town: Town) -> None:
    hill = await town.start(HILL)
    certificates = [
        town.make(about(action, town.founders[FELL]))
        for _ in range(150)
        for action in ("suspend", "restore")
    ]
    for certificate in certificates:
        await hill.ingest.receive_certificate(certificate)

    dale = await town.start(DALE, hill)

    await town.until(lambda: town.seen_by(dale) == town.chain.federation)
    assert town.chain.federation.charter.epoch == 300


async def test_both_sides_of_a_fork_reach_everybody_and_data_goes_on(town: Town) -> None:
    hill = await town.start(HILL)
    dale = await town.start(DALE)
    before = town.chain.federation
    one = make_epoch(before, about("suspend", town.founders[FELL]), town.founders)
    other = make_epoch(before, about("suspend", town.founders[MOOR]), town.founders)
    await hill.ingest.receive_certificate(one)
    await dale.ingest.receive_certificate(other)
    author = await town.start(MOOR, hill)
    await author.publish()

    third = await town.start(FELL, hill, dale)

    nodes = (hill, dale, author, third)
    await town.until(lambda: all(town.seen_by(node).is_forked for node in nodes))
    await town.until(lambda: all(node.store.arrival == 1 for node in nodes))
    assert {town.seen_by(node).id for node in nodes} == {before.id}


async def test_late_rivals_reach_everybody_and_change_nothing_anywhere(town: Town) -> None:
    founded = town.chain.federation
    early, both = await town.start(HILL), await town.start(DALE)
    rival = make_epoch(founded, about("expel", town.founders[MOOR]), town.founders)
    made = [town.make(about(action, town.founders[FELL])) for action in ("suspend", "restore")]
    for certificate in [*made, rival]:
        await both.ingest.receive_certificate(certificate)

    # One starts with nothing but the genesis, and one comes to the first that was told.
    third = await town.start(MOOR, early)
    await town.start(FELL, early, both)

    nodes = early, both, third
    await town.until(lambda: all(rival.id in node.store.chains[town.fid].links for node in nodes))
    assert {town.seen_by(node).id for node in nodes} == {made[-1].id}
    assert all(node.store.chains[town.fid].late == [rival] for node in nodes)


@pytest.mark.parametrize("is_reversed", [False, True])
async def test_newcomer_is_told_of_certificates_in_the_order_in_which_they_came(
    town: Town, *, is_reversed: bool
) -> None:
    hill = await town.start(HILL)
    founded = town.chain.federation
    changes = [about("suspend", town.founders[at]) for at in (MOOR, FELL)]
    two = [make_epoch(founded, change, town.founders) for change in changes]
    two.sort(key=lambda each: each.id, reverse=is_reversed)
    for certificate in two:
        town.chain = town.chain.add(certificate, keys_of(town.founders))
    first = Chain.of(town.chain.certificates[:2]).federation
    on_first = make_epoch(first, about("leave", town.founders[FELL]), town.founders)
    town.chain = town.chain.add(on_first, keys_of(town.founders))
    for certificate in (*two, on_first):
        await hill.ingest.receive_certificate(certificate)

    dale = await town.start(DALE, hill)

    await town.until(lambda: on_first.id in dale.store.chains[town.fid].links)
    assert dale.store.chains[town.fid] == hill.store.chains[town.fid] == town.chain


async def test_node_that_heard_of_the_rival_first_stays_halted_and_linked(town: Town) -> None:
    hill, dale = await town.start(HILL), await town.start(DALE)
    founded = town.chain.federation
    rival = make_epoch(founded, about("expel", town.founders[MOOR]), town.founders)
    made = [town.make(about(action, town.founders[FELL])) for action in ("suspend", "restore")]
    await dale.ingest.receive_certificate(rival)
    for certificate in (*made, rival):
        await hill.ingest.receive_certificate(certificate)

    both = await town.start(MOOR, hill, dale)
    await town.until(lambda: dale.store.chains[town.fid].late == made[1:])
    await town.for_a_while()

    assert town.seen_by(hill) == town.chain.federation
    assert town.seen_by(dale).is_forked
    assert town.seen_by(dale).id == founded.id
    assert len(both.peering.peers()) == 2


async def test_nodes_on_two_sides_of_a_fork_stay_linked_and_each_holds_evidence(town: Town) -> None:
    nodes = [await town.start(index) for index in (HILL, DALE)]
    for node, coop in zip(nodes, (town.founders[MOOR], town.founders[FELL]), strict=True):
        chain = Chain.found(town.world.certificate, keys_of(town.founders))
        for action in ("suspend", "restore"):
            made = make_epoch(chain.federation, about(action, coop), town.founders)
            chain = chain.add(made, keys_of(town.founders))
            await node.ingest.receive_certificate(made)

    both = await town.start(MOOR, *nodes)
    await town.until(lambda: all(node.store.chains[town.fid].late for node in (*nodes, both)))
    await town.for_a_while()

    chains = [node.store.chains[town.fid] for node in (*nodes, both)]
    assert [len(chain.late) for chain in chains] == [1, 1, 1]
    assert len({chain.federation.id for chain in chains}) == 2
    assert len(both.peering.peers()) == 2


@pytest.mark.parametrize("count", [1, 2])
async def test_key_log_side_that_a_certificate_anchors_replaces_the_stronger_one_held(
    town: Town, count: int
) -> None:
    hill, dale = await town.start(HILL), await town.start(DALE)
    fell, expires_ms = town.founders[FELL], town.world.now_ms + WRITER_LIFETIME_MS
    shown_to_dale = fell.twin()
    shown_to_dale.revoke(manager=signing_key(b"m" * 32))
    await dale.ingest.receive_key_ops(fell.cid, shown_to_dale.key_ops)
    for number in range(count):
        fell.delegate(signing_key(bytes([number]) * 32), expires_ms)
    await hill.ingest.receive_key_ops(fell.cid, fell.key_ops)
    suspended = about("suspend", town.founders[MOOR])
    made = make_epoch(town.chain.federation, suspended, town.founders, heads=[fell])
    await hill.ingest.receive_certificate(made)

    await dale.stop()
    dale = await town.start(DALE, hill)

    await town.until(lambda: made.id in dale.store.chains[town.fid].links)
    assert dale.store.key_logs[fell.cid].head == fell.keys.head
