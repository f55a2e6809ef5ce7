"""What each buyer would get without the pool: the other side of "what joining in saves"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sheaf_protocol.clearing import can_pay
from sheaf_protocol.records import line_amount
from sheaf_services.pooled_purchasing.landed import capacity_of, terms_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sheaf_protocol.digest import EntryId
    from sheaf_protocol.records import Demand, Offer, PoolOpen
    from sheaf_services.pooled_purchasing.inputs import Seen
    from sheaf_services.pooled_purchasing.landed import Landed


@dataclass(frozen=True, kw_only=True, slots=True)
class Alone:
    """The cheapest purchase that a demand's own quantity gets, and its gain on the reference."""

    offer: EntryId
    tier: int
    quantity: int
    landed: Landed
    gain: int


def alone(demand: Demand, offers: Iterable[Seen[Offer]], pool: PoolOpen) -> Alone | None:
    """Return the buyer's best purchase by itself, or None where nothing is within its maximum.

    The buyer pays no pooling fee and one drop's carriage. It buys all it wants of one offer at
    the tier that its own quantity reaches; of equal prices the lowest offer id counts.
    """
    found = [_from_offer(demand, offer, pool) for offer in sorted(offers, key=lambda o: o.id)]
    options = [option for option in found if option is not None]
    return min(options, key=lambda option: option.landed.total, default=None)


def _from_offer(demand: Demand, offer: Seen[Offer], pool: PoolOpen) -> Alone | None:
    quantity = demand.quantity
    terms = terms_of(offer.record, pool.zone, fee_bps=0)
    reached = [i for i, t in enumerate(offer.record.tiers) if t.from_quantity <= quantity]
    if not terms or not reached or quantity > capacity_of(offer.record):
        return None
    tier = reached[-1]
    landed = terms[tier].landed(quantity)
    if not can_pay(demand, quantity, landed.total):
        return None
    gain = line_amount(pool.reference, quantity) - landed.total
    return Alone(offer=offer.id, tier=tier, quantity=quantity, landed=landed, gain=gain)
