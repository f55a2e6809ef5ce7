"""What each demand pays for its parts, and the leaf that stands for it (spec 21, CLR-12, AWD-8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_protocol.clearing.allocation import Line, Sale, allocate
from sheaf_protocol.clearing.case import in_order
from sheaf_protocol.clearing.market import carriage_of
from sheaf_protocol.digest import digest
from sheaf_protocol.limits import MAX_INT, MAX_ITEMS, SALT_BYTES
from sheaf_protocol.records import Allotment, Part, half_even

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sheaf_protocol.clearing.case import Case
    from sheaf_protocol.clearing.market import Option
    from sheaf_protocol.digest import EntryId
    from sheaf_protocol.records import Demand, Offer, PoolOpen

MAX_LINE_AMOUNT: Final = MAX_INT // MAX_ITEMS
"""Minor units of one line: a pool of as many lines as fit still sums below 2^53. Without it one
absurd demand would push the total off the wire and take the whole pool with it."""
_BPS: Final = 10_000


def open_salt(pool: EntryId, demand: EntryId) -> bytes:
    """Return the salt of a leaf where lines are open: derived, so that anyone can make the leaf."""
    return digest("open-salt", pool, demand)[:SALT_BYTES]


@dataclass(frozen=True, slots=True)
class SharedOut:
    """The leaves of what is sold, by ascending demand; whole where all of it found takers."""

    leaves: Sequence[Allotment]
    left_out: frozenset[EntryId]
    is_whole: bool


def share_out(case: Case, sold: Sequence[tuple[Option, int]]) -> SharedOut:
    """Return who gets how much of what is sold, and what each pays."""
    ordered = in_order(sold)
    sales = [Sale(option.rate, quantity) for option, quantity in ordered]
    priced = [
        (case.offer_ids[option.offer], option.tier, _pricer(case, option)) for option, _ in ordered
    ]
    parts: dict[EntryId, list[Part]] = {}

    def pays(line: Line, got: Sequence[int]) -> bool:
        mine = [
            _part(offer, tier, units, price)
            for (offer, tier, price), units in zip(priced, got, strict=True)
            if units
        ]
        parts[line.id] = mine
        landed = sum([part.amount + part.fee + part.carriage for part in mine])
        return can_pay(case.demands[line.id][1], sum(got), landed)

    shares = allocate(case.lines, sales, pays, is_ranked=case.is_ranked)
    leaves = [
        Allotment(demand=id_, parts=parts[id_][::-1], salt=open_salt(case.id, id_))
        for id_ in shares.parts
    ]
    return SharedOut(leaves, shares.left_out, shares.is_whole)


def can_pay(demand: Demand, quantity: int, landed: int) -> bool:
    """Return whether a landed amount is within the maximum for this quantity (AWD-1).

    The comparison is a product on both sides: a quotient would let rounding pass a line that is
    half a cent above what its buyer signed.
    """
    maximum = demand.max_price
    return landed * maximum.base <= maximum.amount * quantity and landed <= MAX_LINE_AMOUNT


def part_of(pool: PoolOpen, id_: EntryId, offer: Offer, tier: int, quantity: int) -> Part:
    """Return what a quantity of one tier comes to for one line."""
    return _part(id_, tier, quantity, _terms(pool, offer, tier))


def _part(
    offer: EntryId, tier: int, quantity: int, price: Callable[[int], tuple[int, int, int]]
) -> Part:
    goods, fee, carriage = price(quantity)
    return Part(amount=goods, carriage=carriage, fee=fee, offer=offer, quantity=quantity, tier=tier)


def _pricer(case: Case, option: Option) -> Callable[[int], tuple[int, int, int]]:
    offer = case.offers[case.offer_ids[option.offer]]
    return _terms(case.pool, offer, option.tier)


def _terms(pool: PoolOpen, offer: Offer, tier: int) -> Callable[[int], tuple[int, int, int]]:
    """Return what turns a quantity into goods, fee and carriage, each rounded half to even once."""
    rate, base, fee_bps = offer.tiers[tier].amount, offer.base, pool.fee_bps
    carried = carriage_of(pool, offer)

    def price(quantity: int) -> tuple[int, int, int]:
        goods = half_even(rate * quantity, base)
        fee = half_even(goods * fee_bps, _BPS) if fee_bps else 0
        return goods, fee, half_even(carried * quantity, base) if carried else 0

    return price
