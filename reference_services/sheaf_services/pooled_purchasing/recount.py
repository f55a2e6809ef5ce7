"""A verifier's own count of a pool: one walk over offers, tiers and demands.

It shares with the evaluation what the rules define (who is counted, how a limit is rationed) and
none of the code that could hide a mistake: prices, rounding, sums and leaves are done here again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from sheaf_protocol.digest import Digest, EntryId, digest
from sheaf_protocol.limits import MAX_INT, MAX_ITEMS
from sheaf_protocol.records import Allocation
from sheaf_services.pooled_purchasing.ration import Want, ration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sheaf_protocol.records import Demand, Offer, PoolOpen
    from sheaf_services.pooled_purchasing.inputs import Inputs, Seen

_MOST_OF_A_LINE: Final = MAX_INT // MAX_ITEMS
_MOST_OF_A_POOL: Final = 10**12


@dataclass(frozen=True, kw_only=True, slots=True)
class TierCount:
    """What a verifier finds at one offer and tier; leaves by demand id."""

    offer: EntryId
    tier: int
    eligible: int
    eligible_lines: int
    leaves: tuple[Allocation, ...]
    value: int
    is_feasible: bool

    def total(self, part: str) -> int:
        """Return the sum of one field over the leaves."""
        return sum(getattr(leaf, part) for leaf in self.leaves)

    @property
    def bound(self) -> int:
        """What the certificate must say."""
        return self.value if self.is_feasible else 0

    @property
    def rank(self) -> tuple[int, int]:
        """What decides between feasible tiers, before the offer's id."""
        return (self.value, self.total("quantity"))


def recount(inputs: Inputs) -> dict[tuple[EntryId, int], TierCount]:
    """Return the count of every offer and tier, in the order in which a certificate lists them."""
    offers = sorted(inputs.offers, key=lambda offer: offer.id)
    places = [(offer, tier) for offer in offers for tier in range(len(offer.record.tiers))]
    return {(offer.id, tier): _count(inputs, offer, tier) for offer, tier in places}


def leaf_of(
    inputs: Inputs, offer: Seen[Offer], tier: int, demand: EntryId, part: int
) -> Allocation:
    """Return the leaf of a demand that gets `part` units at an offer's tier."""
    pool, record = inputs.pool, offer.record
    goods = _minor(record.tiers[tier].amount * part, record.base)
    return Allocation(
        amount=goods,
        carriage=_minor(_carriage_rate(record, pool.record) * part, record.base),
        demand=demand,
        fee=_minor(goods * pool.record.fee_bps, 10_000),
        offer=offer.id,
        quantity=part,
        salt=digest("open-salt", pool.id, demand)[:16],
        tier=tier,
    )


def is_payable(demand: Demand, leaf: Allocation) -> bool:
    """Return whether a leaf is within its demand's maximum."""
    landed = leaf.amount + leaf.fee + leaf.carriage
    allowed = demand.max_price.amount * leaf.quantity // demand.max_price.base
    return landed <= min(allowed, _MOST_OF_A_LINE)


def _count(inputs: Inputs, offer: Seen[Offer], tier: int) -> TierCount:
    wanted = {}
    demands = {seen.id: seen.record for seen in inputs.demands}
    for id_ in sorted(demands):
        leaf = leaf_of(inputs, offer, tier, id_, demands[id_].quantity)
        if is_payable(demands[id_], leaf):
            wanted[id_] = leaf
    eligible = sum(leaf.quantity for leaf in wanted.values())
    leaves = wanted.values()
    if eligible > capacity(offer.record):
        leaves = _rationed(inputs, offer, tier, wanted, demands).values()
    value = _value(inputs.pool.record, leaves)
    units = sum(leaf.quantity for leaf in leaves)
    return TierCount(
        offer=offer.id,
        tier=tier,
        eligible=eligible,
        eligible_lines=len(wanted),
        leaves=tuple(leaves),
        value=value,
        is_feasible=value >= 0 and tier_at(inputs.pool.record, offer.record, units) == tier,
    )


def goods_at(offer: Offer, tier: int, leaves: Iterable[Allocation]) -> int:
    """Return what the goods of these leaves would cost at another tier."""
    rate = offer.tiers[tier].amount
    return sum(_minor(rate * leaf.quantity, offer.base) for leaf in leaves)


def capacity(offer: Offer) -> int:
    """Return the most units that an award may take from the offer."""
    if offer.max_quantity is UNSET:
        return _MOST_OF_A_POOL
    return min(offer.max_quantity, _MOST_OF_A_POOL)


def tier_at(pool: PoolOpen, offer: Offer, units: int) -> int | None:
    """Return the tier that prices this many units, or None where no tier or minimum is reached."""
    if pool.min_quantity is not UNSET and units < pool.min_quantity:
        return None
    reached = [i for i, tier in enumerate(offer.tiers) if units >= tier.from_quantity]
    return max(reached, default=None)


def _rationed(
    inputs: Inputs,
    offer: Seen[Offer],
    tier: int,
    wanted: dict[EntryId, Allocation],
    demands: dict[EntryId, Demand],
) -> dict[EntryId, Allocation]:
    def can_pay(line: Want, part: int) -> bool:
        return is_payable(demands[line.id], leaf_of(inputs, offer, tier, line.id, part))

    wants = [Want(id_, demands[id_].quantity, demands[id_].min_quantity) for id_ in wanted]
    parts = ration(wants, capacity(offer.record), can_pay)
    return {id_: leaf_of(inputs, offer, tier, id_, parts[id_]) for id_ in sorted(parts)}


def _value(pool: PoolOpen, leaves: Iterable[Allocation]) -> int:
    worth = paid = 0
    for leaf in leaves:
        worth += _minor(pool.reference.amount * leaf.quantity, pool.reference.base)
        paid += leaf.amount + leaf.fee + leaf.carriage
    return worth - paid


def _carriage_rate(offer: Offer, pool: PoolOpen) -> int:
    rates = () if offer.carriage is UNSET else offer.carriage
    return next((rate.amount for rate in rates if rate.zone == pool.zone), 0)


def _minor(numerator: int, denominator: int) -> int:
    """Return the quotient rounded half to even: up from the half, then back from an odd tie."""
    up = (2 * numerator + denominator) // (2 * denominator)
    is_tie = (2 * numerator + denominator) % (2 * denominator) == 0
    return up - 1 if is_tie and up % 2 else up


def commitment(leaves: Iterable[bytes]) -> Digest:
    """Return the Merkle root over leaves, grown from the left one leaf at a time.

    The stack holds the roots of complete subtrees, as a log would; what is left at the end is
    folded from the right, which carries an odd node up unchanged.
    """
    stack: list[tuple[int, Digest]] = []
    for leaf in leaves:
        stack.append((0, digest("leaf", leaf)))
        while len(stack) > 1 and stack[-1][0] == stack[-2][0]:
            level, right = stack.pop()
            stack[-1] = (level + 1, digest("node", stack[-1][1], right))
    node = stack.pop()[1] if stack else Digest(bytes(32))
    while stack:
        node = digest("node", stack.pop()[1], node)
    return node
