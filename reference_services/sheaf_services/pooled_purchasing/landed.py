"""What a line costs at the door: goods, fee and carriage in whole minor units (spec 10, AWD-1).

Each part is rounded once per line, half to even, and never again: sums are sums of rounded lines,
so that what a member pays, what the award totals and what an invoice says are one number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from sheaf_protocol.records import Price, half_even, line_amount

if TYPE_CHECKING:
    from sheaf_protocol.records import Offer

MAX_POOL_QUANTITY: Final = 10**12
"""Units of one award; the ceiling of a quantity on the wire."""


@dataclass(frozen=True, slots=True)
class Landed:
    """The three parts of one line's price."""

    goods: int
    fee: int
    carriage: int

    @property
    def total(self) -> int:
        """What the member pays."""
        return self.goods + self.fee + self.carriage


@dataclass(frozen=True, slots=True)
class Terms:
    """The rates of one offer at one tier into one zone."""

    price: Price
    fee_bps: int
    carriage: Price

    def landed(self, quantity: int) -> Landed:
        """Return the parts of a line of this quantity."""
        goods = line_amount(self.price, quantity)
        fee = half_even(goods * self.fee_bps, 10_000)
        return Landed(goods, fee, line_amount(self.carriage, quantity))


def carriage_to(offer: Offer, zone: str) -> Price | None:
    """Return the carriage rate into a zone, or None where the offer does not deliver there.

    An offer without any carriage delivers everywhere at its price.
    """
    if offer.carriage is UNSET:
        return Price(amount=0, base=offer.base, currency=offer.currency)
    for rate in offer.carriage:
        if rate.zone == zone:
            return Price(amount=rate.amount, base=offer.base, currency=offer.currency)
    return None


def terms_of(offer: Offer, zone: str, fee_bps: int) -> list[Terms]:
    """Return the rates of each tier into a zone; none where the offer does not deliver there."""
    carriage = carriage_to(offer, zone)
    if carriage is None:
        return []
    return [Terms(offer.price(tier), fee_bps, carriage) for tier in range(len(offer.tiers))]


def capacity_of(offer: Offer) -> int:
    """Return the most that one award may take from an offer."""
    stated = MAX_POOL_QUANTITY if offer.max_quantity is UNSET else offer.max_quantity
    return min(stated, MAX_POOL_QUANTITY)
