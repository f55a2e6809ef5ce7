"""Chains of other federations, which come over treaties and bring nothing else along.

Three federations in a row: Hill and Dale in the first, Dale and Moor in the second, Moor and Fell
in the third. Dale bridges the first two, Moor the last two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.federation.test_membership import DALE, FELL, HILL, MOOR, Town

from sheaf_node.ingest import Draft
from sheaf_protocol.charter import Chain
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import log_id
from sheaf_protocol.identity import signing_key
from sheaf_protocol.records.governance import Change
from sheaf_protocol.testing.author import make_federation
from sheaf_protocol.testing.epoch import about, admission, keys_of, make_epoch
from sheaf_protocol.treaty import Direction, Treaty, treaty_id

if TYPE_CHECKING:
    from tests.federation.conftest import RunningNode, World

    from sheaf_protocol.digest import FederationId
    from sheaf_protocol.testing.author import TestCoop

DAY_MS = 86_400_000
OPEN = Direction(categories=[], hops=3, ids=[], kinds=["x.note"], per_day=9, regions=[], removed=[])
FIRST, SECOND, THIRD = range(3)


class Row(Town):
    """Three federations of which each has a treaty with the next."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.expires_ms = world.now_ms + DAY_MS
        self.parties = [world.coops[at : at + 2] for at in range(3)]
        self.chains = [self.founded(number, coops) for number, coops in enumerate(self.parties)]
        self.treaties = [self.treaty(FIRST, SECOND), self.treaty(SECOND, THIRD)]
        for treaty, sides in zip(self.treaties, ((FIRST, SECOND), (SECOND, THIRD)), strict=True):
            for side in sides:
                self.next(side, Change(action="treaty", treaty=treaty))

    def founded(self, number: int, coops: list[TestCoop]) -> Chain:
        members = [(coop, ["bridge", "member"]) for coop in coops]
        genesis = make_federation(members, f"Federation {number}", bytes([number] * 16))
        return Chain.found(genesis, keys_of(coops))

    def treaty(self, one: int, other: int) -> bytes:
        [bridge] = [coop for coop in self.parties[one] if coop in self.parties[other]]
        made = Treaty(
            bridges=[bridge.cid],
            directions=[OPEN, OPEN],
            expires_ms=self.expires_ms,
            nonce=bytes(16),
            parties=sorted([self.fid_of(one), self.fid_of(other)]),
            title="Notes",
            v=1,
        )
        return encode(made)

    def fid_of(self, number: int) -> FederationId:
        return self.chains[number].federation.fid

    def next(self, number: int, change: Change, *heads: TestCoop) -> None:
        """Certify a change of one of the federations."""
        before = self.chains[number]
        made = make_epoch(before.federation, change, self.parties[number], heads=heads)
        self.chains[number] = before.add(made, keys_of(self.world.coops))

    async def tell(self, node: RunningNode, *numbers: int) -> None:
        """Let a node hold the chains of federations as they are."""
        key_logs = {coop.cid: coop.key_ops for coop in self.world.coops}
        for number in numbers:
            for certificate in self.chains[number].certificates:
                await node.ingest.receive_certificate(certificate, key_logs=key_logs)

    async def start_in(self, index: int, *numbers: int, dials: list[RunningNode]) -> RunningNode:
        """Start the node of a co-op that is in some of the federations."""
        node = await self.start(index, *dials, has_certificate=False)
        await self.tell(node, *numbers)
        return node

    def knows(self, node: RunningNode, number: int) -> bool:
        """Whether a node knows of another federation what there is to know."""
        held = node.ingest.known.foreign.get(self.fid_of(number))
        return held == self.chains[number].federation


@pytest.fixture
def row(world: World) -> Row:
    return Row(world)


async def line_of(row: Row, *, without_fell: bool = False) -> list[RunningNode]:
    """Return the nodes, each linked to the next."""
    hill = await row.start_in(HILL, FIRST, dials=[])
    dale = await row.start_in(DALE, FIRST, SECOND, dials=[hill])
    moor = await row.start_in(MOOR, SECOND, THIRD, dials=[dale])
    if without_fell:
        return [hill, dale, moor]
    return [hill, dale, moor, await row.start_in(FELL, THIRD, dials=[moor])]


async def test_chains_arrive_over_two_treaties_with_the_key_logs_of_their_members(row: Row) -> None:
    hill, dale, moor, fell = await line_of(row)

    await row.until(lambda: row.knows(hill, SECOND) and row.knows(hill, THIRD))
    await row.until(lambda: row.knows(fell, SECOND) and row.knows(fell, FIRST))
    await row.until(lambda: row.knows(dale, THIRD) and row.knows(moor, FIRST))
    everyone = {coop.cid for coop in row.founders}
    assert set(hill.store.key_logs) == set(fell.store.key_logs) == everyone


async def test_logs_of_other_federations_stay_there(row: Row) -> None:
    hill, dale, moor, _ = await line_of(row)

    for node in (dale, moor):
        await node.ingest.publish(row.fid_of(SECOND), [Draft(kind="x.note", body=b"\x80")])

    await row.until(lambda: dale.store.arrival == moor.store.arrival == 2)
    await row.until(lambda: row.knows(hill, THIRD))
    await row.for_a_while()
    assert hill.store.arrival == 0
    assert hill.store.logs == {}


async def test_members_of_other_federations_are_strangers_at_the_port(row: Row) -> None:
    hill, dale, _ = await line_of(row, without_fell=True)
    await row.until(
        lambda: row.knows(hill, THIRD) and row.founders[FELL].cid in hill.store.key_logs
    )

    fell = await row.start_in(FELL, THIRD, dials=[hill])

    await row.until(lambda: fell.peering.dials()[0].reason is not None)
    assert "in no federation with this co-op" in (fell.peering.dials()[0].reason or "")
    assert [peer.cid for peer in hill.peering.peers()] == [dale.coop.cid]


async def test_what_becomes_of_a_partner_is_heard_of(row: Row) -> None:
    hill, dale, *_ = await line_of(row)
    await row.until(lambda: row.knows(hill, THIRD))
    moor = row.founders[MOOR]
    moor.delegate(signing_key(b"another writer".ljust(32)), row.expires_ms)

    row.next(SECOND, about("suspend", row.founders[DALE]), moor)
    await row.tell(dale, SECOND)

    await row.until(lambda: row.knows(hill, SECOND))
    assert hill.store.key_logs[moor.cid].size == moor.keys.size


async def test_new_operations_of_a_foreign_member_arrive_without_a_certificate(row: Row) -> None:
    hill, _, moor_node, _ = await line_of(row)
    await row.until(lambda: row.knows(hill, THIRD))
    moor = row.founders[MOOR]
    moor.delegate(signing_key(b"another writer".ljust(32)), row.expires_ms)

    await moor_node.ingest.receive_key_ops(moor.cid, moor.key_ops)

    await row.until(lambda: hill.store.key_logs[moor.cid].size == moor.keys.size)


async def test_nothing_is_heard_of_a_federation_once_the_treaty_has_ended(row: Row) -> None:
    hill, dale, *_ = await line_of(row)
    await row.until(lambda: row.knows(hill, SECOND))
    ending = Change(action="treaty_level", level="end", treaty_id=treaty_id(row.treaties[0]))
    row.next(FIRST, ending)
    for node in (hill, dale):
        await row.tell(node, FIRST)

    row.next(SECOND, about("suspend", row.founders[DALE]))
    await row.tell(dale, SECOND)

    await row.for_a_while()
    assert not row.knows(hill, SECOND)


async def test_nothing_is_heard_of_a_federation_once_the_treaty_has_expired(row: Row) -> None:
    hill, dale, *_ = await line_of(row)
    await row.until(lambda: row.knows(hill, SECOND))
    row.clock.advance(DAY_MS)
    await row.for_a_while()

    row.next(SECOND, about("suspend", row.founders[DALE]))
    await row.tell(dale, SECOND)

    await row.for_a_while()
    assert not row.knows(hill, SECOND)


async def test_partner_that_admits_us_unasked_does_not_get_us_to_hold_its_data(row: Row) -> None:
    hill, dale, *_ = await line_of(row)
    await dale.ingest.publish(row.fid_of(SECOND), [Draft(kind="x.note", body=b"\x80")])
    row.next(SECOND, admission(row.founders[HILL], ["member"]))

    await row.tell(dale, SECOND)

    await row.until(lambda: row.knows(hill, SECOND))
    await row.for_a_while()
    assert list(hill.ingest.federations) == [row.fid_of(FIRST)]
    assert log_id(row.fid_of(SECOND), dale.coop.cid, dale.coop.wid) not in hill.store.logs
