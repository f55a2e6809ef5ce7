"""A small market whose entries are made by hand: co-ops write lines, one owner runs the pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sheaf_protocol.digest import CoopId, EntryId, WriterId, digest
from sheaf_protocol.records import (
    Demand,
    Item,
    LogCut,
    Offer,
    OfferWithdrawal,
    PoolClose,
    PoolOpen,
    Price,
    Record,
    Tier,
    Withdrawal,
)
from sheaf_protocol.records.offer import Carriage
from sheaf_services.pooled_purchasing.evaluate import SINGLE_OFFER
from sheaf_services.pooled_purchasing.inputs import Book, Inputs, Seen
from sheaf_services.pooled_purchasing.ration import PROPORTIONAL

if TYPE_CHECKING:
    from collections.abc import Sequence

OWNER = "owner"
SUPPLIER = "supplier"


class Market:
    """Entries of several logs in the order written; every id is a digest of its place."""

    item = Item(code="ewe-nuts", name="Ewe nuts 18 %", scale=0, unit="XBG")

    def __init__(self, **terms: Any) -> None:
        self.book = Book()
        self.heads: dict[str, Seen[Any]] = {}
        given = {"closes_at_ms": 1_000, "fee_bps": 0, "item": self.item, "k_min": 1}
        given |= {"may_close_early": True, "mode": "open", "objective": SINGLE_OFFER}
        given |= {"owner": self.wid(OWNER), "ration": PROPORTIONAL, "reference": self.price(1_000)}
        given |= {"title": "Ewe nuts", "zone": "NORTH"}
        self.pool: Seen[PoolOpen] = self.write(OWNER, PoolOpen(**(given | terms)))

    @staticmethod
    def cid(name: str) -> CoopId:
        return CoopId(digest("test-coop", name.encode()))

    @staticmethod
    def wid(name: str) -> WriterId:
        return WriterId(digest("test-writer", name.encode()))

    @staticmethod
    def price(amount: int, base: int = 1, currency: str = "GBP") -> Price:
        return Price(amount=amount, base=base, currency=currency)

    def write(self, who: str, record: Record) -> Seen[Any]:
        seq = self.heads[who].seq + 1 if who in self.heads else 1
        id_ = EntryId(digest("test-entry", f"{who} {seq}".encode()))
        seen = Seen(id=id_, cid=self.cid(who), wid=self.wid(who), seq=seq, record=record)
        self.heads[who] = seen
        self.book.add(seen)
        return seen

    def demand(self, who: str, quantity: int, amount: int = 1_000, **other: Any) -> Seen[Demand]:
        given = {"is_firm": True, "item": self.item, "max_price": self.price(amount)}
        given |= {"min_quantity": 1, "quantity": quantity, "zone": "NORTH"}
        given |= {"ref": f"line-{self.heads[who].seq if who in self.heads else 0}"}
        return self.write(who, Demand(**(given | other)))

    def offer(
        self, *tiers: tuple[int, int], who: str = SUPPLIER, carriage: int = 0, **other: Any
    ) -> Seen[Offer]:
        given: dict[str, Any] = {"base": 1, "currency": "GBP", "item": self.item}
        given |= {"ref": "nuts", "tier_basis": "all_units", "valid_until_ms": 1_000}
        given["tiers"] = [Tier(amount=amount, from_quantity=start) for start, amount in tiers]
        if carriage:
            given["carriage"] = [Carriage(amount=carriage, zone="NORTH")]
        return self.write(who, Offer(**(given | other)))

    def withdraw(self, who: str, demand: Seen[Demand]) -> Seen[Withdrawal]:
        return self.write(who, Withdrawal(demand=demand.id))

    def withdraw_offer(self, offer: Seen[Offer], who: str = SUPPLIER) -> Seen[OfferWithdrawal]:
        return self.write(who, OfferWithdrawal(offer=offer.id))

    def cut(self) -> list[LogCut]:
        return [
            LogCut(cid=head.cid, head=head.id, seq=head.seq, wid=head.wid)
            for head in self.heads.values()
        ]

    def close(self, cut: Sequence[LogCut] | None = None, **taken: Any) -> Inputs:
        lines = list(self.cut() if cut is None else cut)
        counted = self.book.counted(self.pool.record, lines, **taken)
        record = PoolClose(
            cut=lines,
            demands=[seen.id for seen in counted.demands],
            offers=[seen.id for seen in counted.offers],
            pool=self.pool.id,
        )
        return self.book.inputs(self.pool, self.write(OWNER, record), **taken)


@pytest.fixture(scope="session")
def make_market() -> type[Market]:
    return Market
