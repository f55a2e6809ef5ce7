"""What a pool decides on, in the numbers that decide: options of offers, and demand by rate.

An option is one tier of one offer: what it gains on each unit, and how many units it may sell.
Demand is a staircase: so many units can pay a rate or more. Nothing of who wants them is left, so
a market is made of open demands and of the totals of a sealed curve alike (spec 21, CLR-1 to 4).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from sheaf_protocol.clearing.rate import landed_rate, rate_of
from sheaf_protocol.limits import MAX_INT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sheaf_protocol.records import Offer, PoolOpen

SEVERAL_OFFERS: Final = "several_offers/1"
MAX_UNITS: Final = 10**12
"""Units of one award; the ceiling of a quantity on the wire."""
MOST_WINNERS: Final = 32
"""Offers that one award may sell of: sharing out takes each node as long as there are lines times
offers, and an owner chooses both."""


@dataclass(frozen=True, slots=True)
class Option:
    """One tier of an offer: it sells `low` to `high` units, a multiple of `pack`, or nothing."""

    offer: int
    """Index among the offers that count, by ascending id."""
    tier: int
    rate: int
    gain: int
    """For each unit, in millionths of a minor unit."""
    low: int
    high: int
    pack: int
    row: int = 0
    """Index of its rate among those of the market."""


@dataclass(frozen=True, slots=True)
class Market:
    """Options by offer, tiers ascending; and for each rate in `rows` the units that can pay it."""

    offers: tuple[tuple[Option, ...], ...]
    rows: tuple[int, ...]
    """The rates of all options, ascending, each once."""
    demand: tuple[int, ...]
    """Units of all who can pay the rate of the same index; never more at a higher rate."""
    least: int
    """Units that an award must have."""

    def gained(self, sold: Iterable[tuple[Option, int]]) -> int:
        """Return the objective of quantities: what they gain together (CLR-6)."""
        return sum(option.gain * quantity for option, quantity in sold)


def market_of(pool: PoolOpen, offers: Sequence[Offer], wanted: Iterable[tuple[int, int]]) -> Market:
    """Return the market of a pool.

    `offers` are those that count, by ascending id. `wanted` are maximum rates, each with units.
    """
    options = [list(_options(pool, index, offer)) for index, offer in enumerate(offers)]
    rows = sorted({option.rate for of_one in options for option in of_one})
    demand = _demand(rows, wanted)
    row_of = {rate: row for row, rate in enumerate(rows)}
    placed = tuple(tuple(_placed(of_one, row_of, demand)) for of_one in options)
    least = 1 if pool.min_quantity is UNSET else pool.min_quantity
    return Market(placed, tuple(rows), tuple(demand), least)


def _placed(
    options: Iterable[Option], row_of: Mapping[int, int], demand: Sequence[int]
) -> Iterable[Option]:
    """Yield the options with their rows, none with more units than can pay it."""
    for option in options:
        row = row_of[option.rate]
        high = min(option.high, demand[row]) // option.pack * option.pack
        if option.low <= high:
            yield replace(option, row=row, high=high)


def _options(pool: PoolOpen, index: int, offer: Offer) -> Iterable[Option]:
    """Yield the tiers that may sell anything: not above the reference, and within their range."""
    pack = 1 if offer.pack is UNSET else offer.pack
    least = 1 if offer.min_quantity is UNSET else offer.min_quantity
    most = MAX_UNITS if offer.max_quantity is UNSET else min(offer.max_quantity, MAX_UNITS)
    starts = [tier.from_quantity for tier in offer.tiers] + [MAX_UNITS + 1]
    for tier in range(len(offer.tiers)):
        rate = rate_at(pool, offer, tier)
        gain = rate_of(pool.reference) - rate + 1
        low = -(-max(starts[tier], least) // pack) * pack
        high = min(starts[tier + 1] - 1, most) // pack * pack
        if 1 <= gain <= MAX_INT and low <= high:
            yield Option(index, tier, rate, gain, low, high, pack)


def rate_at(pool: PoolOpen, offer: Offer, tier: int) -> int:
    """Return what one unit of a tier costs at the door of the pool's zone."""
    price = offer.tiers[tier].amount
    return landed_rate(price, carriage_of(pool, offer), offer.base, pool.fee_bps)


def carriage_of(pool: PoolOpen, offer: Offer) -> int:
    """Return what an offer asks for carriage of its base into the pool's zone."""
    rates = () if offer.carriage is UNSET else offer.carriage
    return next((rate.amount for rate in rates if rate.zone == pool.zone), 0)


def _demand(rows: Sequence[int], wanted: Iterable[tuple[int, int]]) -> list[int]:
    """Return for each row the units of all whose maximum is that rate or more."""
    by_row = [0] * len(rows)
    from_top = sorted(wanted, reverse=True)
    at = len(from_top)
    # From the lowest row up: whoever is below it is passed over once.
    for row, rate in enumerate(rows):
        while at and from_top[at - 1][0] < rate:
            at -= 1
        by_row[row] = at
    sums = [0, *accumulate(units for _, units in from_top)]
    return [sums[count] for count in by_row]
