"""A small pool as one co-op's log tells it, from its lines to the award (spec 10, sections 4, 5).

One co-op plays all parts, for an item that nobody else has, so its own log is all that counts. The
award is computed here from the chapter alone, for two lines and whole prices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import structs

from sheaf_node.conform.records import NOBODYS
from sheaf_protocol import merkle
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import Digest, WriterId, digest
from sheaf_protocol.records import (
    Allocation,
    Award,
    AwardLine,
    Demand,
    Item,
    LogCut,
    Offer,
    PoolClose,
    PoolLapse,
    PoolOpen,
    Price,
    Tier,
    TierBound,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_protocol.digest import EntryId
    from sheaf_protocol.envelope import Envelope
    from sheaf_protocol.testing.author import LogAuthor

HOUR_MS: Final = 3_600_000
ZONE: Final = "N"
QUANTITIES: Final = (20, 10)
"""Of the two lines."""
LIMIT: Final = 1_000
"""Minor units that the buyer pays at most for a unit, which is the reference price, too."""
TIERS: Final = ((1, 800), (20, 700))
"""From how many units on, and at what price."""
FEE_BPS: Final = 100


class Story:
    """What one co-op publishes of one pool; each step appends an entry to its log."""

    def __init__(self, author: LogAuthor) -> None:
        self.author = author
        code = author.log.hex()[:24]
        self._item = Item(code=code, name="Conformance", scale=0, unit="KGM")
        self.demands: list[EntryId] = []
        self.offers: list[tuple[EntryId, Sequence[tuple[int, int]]]] = []
        self.opening = self.closing = NOBODYS

    @property
    def item(self) -> str:
        """The code of the item, by which the pool is found."""
        return self._item.code

    def lines(self) -> list[Envelope]:
        """Append the two lines of the buyer."""
        entries = [
            self.author.publish(
                Demand(
                    is_firm=True,
                    item=self._item,
                    max_price=_price(LIMIT),
                    min_quantity=quantity,
                    quantity=quantity,
                    ref=f"line-{at}",
                    zone=ZONE,
                )
            )
            for at, quantity in enumerate(QUANTITIES)
        ]
        self.demands = [entry.id for entry in entries]
        return entries

    def offer(self, tiers: Sequence[tuple[int, int]] = TIERS, most: int = 1_000) -> Envelope:
        """Append an offer with these tiers."""
        entry = self.author.publish(
            Offer(
                base=1,
                currency="GBP",
                item=self._item,
                max_quantity=most,
                ref=f"offer-{len(self.offers)}",
                tier_basis="all_units",
                tiers=[Tier(amount=amount, from_quantity=start) for start, amount in tiers],
                valid_until_ms=self.author.now_ms + 24 * HOUR_MS,
            )
        )
        self.offers.append((entry.id, tiers))
        return entry

    def open(self, *, by: LogAuthor | None = None, **changes: Any) -> Envelope:
        """Append the opening, in another's log where one is named."""
        record = PoolOpen(
            closes_at_ms=self.author.now_ms + HOUR_MS,
            fee_bps=FEE_BPS,
            item=self._item,
            k_min=1,
            may_close_early=True,
            mode="open",
            objective="single_offer_all_units/1",
            owner=WriterId(self.author.key.public),
            ration="proportional/1",
            reference=_price(LIMIT),
            title="Conformance",
            zone=ZONE,
        )
        entry = (by or self.author).publish(structs.replace(record, **changes))
        if by is None:
            self.opening = entry.id
        return entry

    def cut(self) -> LogCut:
        """Return how far the log has come."""
        head, wid = self.author.head, WriterId(self.author.key.public)
        return LogCut(cid=self.author.cid, head=Digest(head.id), seq=head.seq, wid=wid)

    def close(self, *, by: LogAuthor | None = None, **changes: Any) -> Envelope:
        """Append the close, on all that stands in the log so far."""
        record = PoolClose(
            cut=[self.cut()],
            demands=sorted(self.demands),
            offers=sorted(id_ for id_, _ in self.offers),
            pool=self.opening,
        )
        entry = (by or self.author).publish(structs.replace(record, **changes), refs=[self.opening])
        if by is None:
            self.closing = entry.id
        return entry

    def lapse(self, reason: str, *, by: LogAuthor | None = None, **changes: Any) -> Envelope:
        """Append a lapse for a reason, in another's log where one is named."""
        record = PoolLapse(close=self.closing, pool=self.opening, reason=reason)
        refs = [self.opening, self.closing]
        return (by or self.author).publish(structs.replace(record, **changes), refs=refs)

    def award(
        self,
        *,
        by: LogAuthor | None = None,
        line: dict[str, Any] | None = None,
        offer: int = 0,
        tier: int = 1,
        **changes: Any,
    ) -> Envelope:
        """Append the award of an offer's tier, with changes to it and to its one line."""
        leaves = [self._leaf(id_, offer, tier) for id_ in sorted(self.demands)]
        summed = {name: sum(getattr(leaf, name) for leaf in leaves) for name in _SUMMED}
        public = AwardLine(
            lines=len(leaves), offer=self.offers[offer][0], tier=tier, zone=ZONE, **summed
        )
        record = Award(
            certificate=self.bounds(),
            close=self.closing,
            inputs=self._inputs(),
            leaves=len(leaves),
            lines=[structs.replace(public, **(line or {}))],
            objective="single_offer_all_units/1",
            pool=self.opening,
            quantity=summed["quantity"],
            ration="proportional/1",
            root=merkle.root([encode(leaf) for leaf in leaves]),
            value=self._value(offer, tier),
        )
        refs = [self.opening, self.closing]
        return (by or self.author).publish(structs.replace(record, **changes), refs=refs)

    def _leaf(self, demand: EntryId, offer: int, tier: int) -> Allocation:
        id_, tiers = self.offers[offer]
        quantity = QUANTITIES[self.demands.index(demand)]
        goods = tiers[tier][1] * quantity
        return Allocation(
            amount=goods,
            carriage=0,
            demand=demand,
            fee=goods * FEE_BPS // 10_000,
            offer=id_,
            quantity=quantity,
            salt=digest("open-salt", self.opening, demand)[:16],
            tier=tier,
        )

    def _value(self, offer: int, tier: int) -> int:
        leaves = [self._leaf(id_, offer, tier) for id_ in self.demands]
        return sum(LIMIT * each.quantity - each.amount - each.fee for each in leaves)

    def bounds(self) -> list[TierBound]:
        """Return the bounds of all tiers: what one is worth that all units reach, of others 0."""
        units = sum(QUANTITIES)
        bounds = []
        for offer in sorted(range(len(self.offers)), key=lambda at: self.offers[at][0]):
            id_, tiers = self.offers[offer]
            reached = max(at for at, (start, _) in enumerate(tiers) if units >= start)
            bounds += [
                TierBound(
                    bound=self._value(offer, tier) if tier == reached else 0,
                    eligible=units,
                    offer=id_,
                    tier=tier,
                )
                for tier in range(len(tiers))
            ]
        return bounds

    def _inputs(self) -> Digest:
        listed = {
            "demands": sorted(self.demands),
            "offers": sorted(id_ for id_, _ in self.offers),
            "pool": self.opening,
        }
        return digest("award-inputs", encode(listed))


_SUMMED: Final = ("amount", "carriage", "fee", "quantity")


def _price(amount: int) -> Price:
    return Price(amount=amount, base=1, currency="GBP")
