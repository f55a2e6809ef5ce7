"""Entries that a pool rests on stay, and go once nothing is due by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sheaf_node.plugins import SeenRecord
from sheaf_protocol.digest import FederationId, digest, log_id
from sheaf_protocol.log import Head
from sheaf_protocol.records import OK, DropLine, Order, OrderResponse, PoolLapse, Verdict
from sheaf_services.pooled_purchasing.evaluate import AwardDraft, evaluate
from sheaf_services.pooled_purchasing.keeping import kept_entries
from sheaf_services.pooled_purchasing.ledger import Ledger

if TYPE_CHECKING:
    from tests.services.pooled_purchasing.conftest import Market

    from sheaf_protocol.records import Record
    from sheaf_services.pooled_purchasing.inputs import Seen

HILL, SUPPLIER, OWNER = "hill", "supplier", "owner"


class Desk:
    """The ledger of one co-op that reads all of a market, whose pool served one line."""

    def __init__(self, market: Market, who: str) -> None:
        self.market, self.who = market, who
        self.demand = market.demand(HILL, 10)
        self.offer = market.offer((1, 900))
        self.ledger = Ledger(market.cid(who), market.wid(who))
        for seen in (market.pool, self.demand, self.offer):
            self.fold(seen)

    def fold(self, seen: Seen[Any]) -> None:
        fid = FederationId(digest("federation", b"test"))
        self.ledger.fold(
            SeenRecord(
                id=seen.id,
                cid=seen.cid,
                wid=seen.wid,
                log=log_id(fid, seen.cid, seen.wid),
                seq=seen.seq,
                time_ms=0,
                kind="",
                refs=(),
                record=seen.record,
            )
        )

    def write(self, who: str, record: Record) -> Seen[Any]:
        seen = self.market.write(who, record)
        self.fold(seen)
        return seen

    def close(self) -> None:
        self.inputs = self.market.close()
        self.fold(self.inputs.close)

    def decide(self, record: Record | None = None) -> Seen[Any]:
        """Let the owner decide the pool, and this co-op find it right."""
        result = evaluate(self.inputs)
        assert isinstance(result, AwardDraft)
        self.read_all()
        decided = self.write(OWNER, result.award if record is None else record)
        self.write(self.who, Verdict(code=OK, level="full", subject=decided.id))
        self.read_all()
        return decided

    def read_all(self) -> None:
        heads = self.market.heads.values()
        self.ledger.note_heads(
            (seen.cid, seen.wid, Head(seq=seen.seq, id=seen.id, time_ms=0)) for seen in heads
        )

    def keeps(self, seen: Seen[Any]) -> bool:
        cid = self.market.cid(self.who)
        return seen.id in kept_entries(self.ledger, cid, self.market.cut())

    def order(self, award: Seen[Any]) -> Seen[Any]:
        line = DropLine(amount=9_000, demand=self.demand.id, quantity=10)
        record = Order(
            award=award.id,
            item=self.market.item,
            lines=[line],
            offer=self.offer.id,
            price=self.market.price(900),
            supplier=self.market.cid(SUPPLIER),
        )
        return self.write(HILL, record)


def test_lines_of_an_open_pool_are_kept(make_market: type[Market]) -> None:
    desk = Desk(make_market(), "moor")

    assert desk.keeps(desk.demand)
    assert desk.keeps(desk.offer)
    assert desk.keeps(desk.market.pool)


def test_line_that_was_withdrawn_is_not_kept(make_market: type[Market]) -> None:
    desk = Desk(make_market(), "moor")

    desk.fold(desk.market.withdraw(HILL, desk.demand))

    assert not desk.keeps(desk.demand)


def test_inputs_of_a_pool_that_is_not_decided_are_kept(make_market: type[Market]) -> None:
    desk = Desk(make_market(), "moor")

    desk.close()

    assert desk.keeps(desk.demand)
    assert desk.keeps(desk.inputs.close)


def test_lapse_lets_go_of_everything(make_market: type[Market]) -> None:
    desk = Desk(make_market(), "moor")
    desk.close()

    lapse = PoolLapse(close=desk.inputs.close.id, pool=desk.market.pool.id, reason="pool.too_few")
    decided = desk.decide(lapse)

    assert [desk.keeps(each) for each in (desk.demand, desk.offer, decided)] == [False] * 3


def test_award_lets_go_of_what_concerns_others(make_market: type[Market]) -> None:
    desk = Desk(make_market(), "moor")
    desk.close()

    desk.decide()

    assert not desk.keeps(desk.demand)


def test_buyer_keeps_the_inputs_until_its_order_is_answered(make_market: type[Market]) -> None:
    desk = Desk(make_market(), HILL)
    desk.close()
    award = desk.decide()
    kept = [desk.keeps(desk.demand)]

    order = desk.order(award)
    kept.append(desk.keeps(desk.demand))
    desk.write(SUPPLIER, OrderResponse(code="AP", order=order.id))
    kept.append(desk.keeps(desk.demand))

    assert kept == [True, True, False]


def test_supplier_keeps_the_inputs_until_it_answered(make_market: type[Market]) -> None:
    desk = Desk(make_market(), SUPPLIER)
    desk.close()
    award = desk.decide()
    kept = [desk.keeps(desk.offer)]

    order = desk.order(award)
    desk.write(SUPPLIER, OrderResponse(code="RE", order=order.id))
    kept.append(desk.keeps(desk.offer))

    assert kept == [True, False]
