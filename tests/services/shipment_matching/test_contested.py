"""What an owner granted before its log was cut below it stays locked for those who relied on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from sheaf_node.clock import ManualClock
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Ingest
from sheaf_node.keyring import Keyring
from sheaf_node.plugins.reading import Reader
from sheaf_node.store import Store
from sheaf_protocol.digest import Digest, WriterId
from sheaf_protocol.lifecycle.hold import Hold
from sheaf_protocol.records import (
    Capacity,
    HoldConfirm,
    HoldConfirmed,
    HoldGrant,
    HoldRelease,
    HoldRequest,
    Tariff,
    Vector,
    Window,
)
from sheaf_protocol.testing.author import START_MS, LogAuthor, TestCoop, make_coop, make_federation
from sheaf_services.shipment_matching.holds import decide_holds, next_deadline_ms
from sheaf_services.shipment_matching.ledger import Ledger
from sheaf_services.shipment_matching.service import ShipmentMatching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from sheaf_protocol.digest import EntryId
    from sheaf_protocol.envelope import Envelope
    from sheaf_services.shipment_matching.holds import HoldState

ONE = Vector(vehicles=1)


@dataclass
class Yard:
    """A node that watches a carrier with two vehicles, of which a matcher wants one."""

    ingest: Ingest
    store: Store
    carrier: TestCoop
    owner: LogAuthor
    asker: LogAuthor
    new_reader: Callable[[], Reader]
    ledger: Ledger = field(init=False)
    reader: Reader = field(init=False)
    voids: int = -1

    def offer(self) -> tuple[Envelope, Envelope]:
        """Return the capacity, and the request of a hold on it."""
        capacity = self.owner.publish(capacity_of(WriterId(self.owner.key.public)))
        hold, group = Digest(b"h" * 32), Digest(b"g" * 32)
        wanted = HoldRequest(
            capacity=capacity.id, group=group, hold=hold, hold_for_ms=1_000, max=ONE, min=ONE
        )
        return capacity, self.asker.publish(wanted, refs=[capacity.id])

    def grant(self, request: EntryId) -> Envelope:
        until_ms = START_MS + 1_000
        grant = HoldGrant(hold=Digest(b"h" * 32), locked=ONE, request=request, until_ms=until_ms)
        return self.owner.publish(grant, refs=[request])

    def answer(self, grant: EntryId, record: type[HoldConfirm | HoldRelease]) -> Envelope:
        return self.asker.publish(record(grant=grant, hold=Digest(b"h" * 32)), refs=[grant])

    def fold(self) -> Ledger:
        """Fold what has arrived, as a host does: anew where something lost its effect."""
        if self.voids != self.store.voids:
            self.voids = self.store.voids
            self.ledger = Ledger(WriterId(self.owner.key.public))
            self.reader = self.new_reader()
        follows = ShipmentMatching.follows
        while batch := self.reader.next_batch(3, follows, sees_contested=True):
            for seen in batch.records:
                self.ledger.fold(seen)
        return self.ledger

    def hold(self) -> HoldState:
        ledger = self.fold()
        [state] = ledger.holds.states(ledger.capacities)
        return state


def capacity_of(owner: WriterId) -> Capacity:
    return Capacity(
        depot=0,
        owner=owner,
        ref="yard",
        resource=Vector(vehicles=2),
        table=Digest(bytes(32)),
        table_ref="roads",
        tariff=Tariff(amount=1, base_s=60, currency="GBP", per_trip=0),
        vehicle=Vector(load=1),
        window=Window(from_ms=0, to_ms=1),
    )


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    watcher, carrier, matcher = (make_coop(name) for name in ("Watcher", "Carrier", "Matcher"))
    members = [(watcher, ["member"]), (carrier, ["carrier"]), (matcher, ["service"])]
    certificate = make_federation(members)  # type: ignore[arg-type]  # a list of roles each
    store = Store.open(tmp_path / "sheaf.db", random=bytes)
    keyring = Keyring(
        cid=watcher.cid, writer=watcher.writer, manager=watcher.manager, prekeys=[], key_ops=[]
    )
    ingest = Ingest(
        store=store,
        arrivals=Arrivals(),
        clock=ManualClock(START_MS),
        random=bytes,
        keyring=keyring,
    )
    for coop in (watcher, carrier, matcher):
        await ingest.receive_key_ops(coop.cid, coop.key_ops)
    await ingest.receive_certificate(certificate)
    owner, asker = (LogAuthor(coop, certificate.fid) for coop in (carrier, matcher))
    federation = ingest.federations[certificate.fid]
    yield Yard(ingest, store, carrier, owner, asker, lambda: Reader(store, keyring, federation))
    await store.close()


async def close_below(yard: Yard, head: LogAuthor) -> None:
    """Close the carrier's writer at what it had written by then."""
    op = yard.carrier.close({head.fid: head.head})
    await yard.ingest.receive_key_ops(yard.carrier.cid, [op])


async def granted(yard: Yard) -> tuple[LogAuthor, Envelope]:
    """Return where the owner stood before it granted, and the grant, all of it stored."""
    capacity, request = yard.offer()
    before, grant = yard.owner.twin(), yard.grant(request.id)
    await yard.ingest.receive([capacity, grant])
    await yard.ingest.receive([request])
    return before, grant


@pytest.mark.parametrize("is_cut_first", [False, True])
async def test_a_grant_that_its_asker_confirmed_stays_locked_below_a_cut(
    yard: Yard, is_cut_first: bool
) -> None:
    before, grant = await granted(yard)
    confirm = yard.answer(grant.id, HoldConfirm)

    if is_cut_first:
        await close_below(yard, before)
        yard.fold()
    await yard.ingest.receive([confirm])
    yard.fold()
    if not is_cut_first:
        await close_below(yard, before)

    hold = yard.hold()
    assert (hold.state, hold.is_contested) == (Hold.HELD, True)
    assert yard.ledger.free_vehicles(hold.request.capacity) == 1


async def test_a_grant_below_a_cut_that_nobody_relied_on_was_never_given(yard: Yard) -> None:
    before, _ = await granted(yard)

    await close_below(yard, before)

    hold = yard.hold()
    assert hold.state is Hold.REQUESTED
    assert yard.ledger.free_vehicles(hold.request.capacity) == 2


async def test_a_fork_leaves_a_confirmed_grant_locked_as_a_cut_does(yard: Yard) -> None:
    before, grant = await granted(yard)
    await yard.ingest.receive([yard.answer(grant.id, HoldConfirm)])

    await yard.ingest.receive([before.append("x.note", b"\x80")])

    assert yard.store.fork_proofs
    assert yard.hold().is_contested


async def test_a_contested_grant_gives_its_owner_no_further_word(yard: Yard) -> None:
    before, grant = await granted(yard)
    confirm = yard.answer(grant.id, HoldConfirm)
    confirmed = HoldConfirmed(confirm=confirm.id, hold=Digest(b"h" * 32))
    await yard.ingest.receive([confirm])
    await yard.ingest.receive([yard.owner.publish(confirmed, refs=[confirm.id])])
    agreed = yard.hold().state
    await close_below(yard, before)

    hold = yard.hold()
    own, book = yard.ledger.own_capacities(), yard.ledger.holds

    assert agreed is Hold.CONFIRMED
    assert hold.state is Hold.HELD  # what the owner said of it is void as well
    assert not hold.is_confirmed_by(START_MS)
    assert decide_holds(book, own, START_MS + 10_000) == []
    assert next_deadline_ms(book, own) is None


async def test_a_contested_grant_is_free_once_its_asker_releases_it(yard: Yard) -> None:
    before, grant = await granted(yard)
    await yard.ingest.receive([yard.answer(grant.id, HoldConfirm)])
    await close_below(yard, before)
    capacity = yard.hold().request.capacity
    blocked = yard.ledger.free_vehicles(capacity)

    await yard.ingest.receive([yard.answer(grant.id, HoldRelease)])

    assert blocked == 1
    assert yard.hold().state is Hold.RELEASED
    assert yard.ledger.free_vehicles(capacity) == 2


async def test_a_grant_that_others_than_its_asker_name_is_not_locked(yard: Yard) -> None:
    before, grant = await granted(yard)
    await yard.ingest.receive([yard.asker.append("x.note", b"\x80", refs=[grant.id])])

    await close_below(yard, before)

    assert yard.hold().state is Hold.REQUESTED


async def test_an_override_that_lets_the_grant_count_again_makes_it_a_grant(yard: Yard) -> None:
    before, grant = await granted(yard)
    rival = yard.carrier.twin()
    await yard.ingest.receive([yard.answer(grant.id, HoldConfirm)])
    await close_below(yard, before)
    contested = yard.hold().is_contested

    rival.revoke({rival.writer: {yard.owner.fid: yard.owner.head}})
    await yard.ingest.receive_key_ops(rival.cid, rival.key_ops)

    assert contested
    assert (yard.hold().state, yard.hold().is_contested) == (Hold.HELD, False)
