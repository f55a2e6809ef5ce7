"""Rule `single_offer_all_units/1`: the award of a pool, by an exact scan (spec 10, AWD-3).

One offer at one tier serves the pool. For every offer and tier: the eligible demands are those
whose maximum covers the landed price there; they get what they want, or the offer's limit is
rationed among them. The tier is feasible where the units allocated reach its start and the pool's
minimum but not the start of the next tier, since under `all_units` the quantity alone says which
tier prices every unit, and where the value is not below zero.

Value = the sum over lines of reference amount minus landed amount. The best feasible tier wins by
value, then by units, then by the lowest offer id. Two tiers of one offer never tie: their ranges
of quantity do not overlap. A maximum decides who is eligible and nothing else.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from sheaf_protocol import merkle
from sheaf_protocol.clearing import can_pay, inputs_hash, open_salt
from sheaf_protocol.codec import encode
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import Allocation, Award, AwardLine, TierBound, line_amount
from sheaf_services.pooled_purchasing.landed import capacity_of, terms_of
from sheaf_services.pooled_purchasing.ration import PROPORTIONAL, Want, ration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sheaf_protocol.digest import EntryId
    from sheaf_protocol.records import Demand, Offer, PoolOpen
    from sheaf_services.pooled_purchasing.inputs import Inputs, Seen
    from sheaf_services.pooled_purchasing.landed import Landed, Terms

SINGLE_OFFER: Final = "single_offer_all_units/1"


class Lapse(enum.Enum):
    """Why a pool ends without an award: the `reason` of its `pool.lapse`."""

    NO_DEMAND = "pool.no_demand"
    TOO_FEW = "pool.too_few"
    NO_OFFER = "pool.no_offer"
    NO_TIER = "pool.no_tier"
    NO_FIT = "pool.no_fit"


@dataclass(frozen=True, kw_only=True, slots=True)
class AwardDraft:
    """An award ready to publish, and the private leaves under its root."""

    award: Award
    allocations: tuple[Allocation, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """What one demand gets."""

    demand: Seen[Demand]
    quantity: int
    landed: Landed


@dataclass(frozen=True, kw_only=True, slots=True)
class Clearing:
    """What the pool comes to at one offer and tier; shares by demand id."""

    offer: Seen[Offer]
    tier: int
    eligible: int
    shares: tuple[Share, ...]
    units: int
    value: int
    is_feasible: bool


def evaluate(inputs: Inputs) -> AwardDraft | Lapse:
    """Return the award that the pool's rules make of the inputs, or why there is none.

    Raises Refusal `award.rule_unknown` for a pool whose rules this version does not know.
    """
    require_rules(inputs.pool.record.objective, inputs.pool.record.ration)
    reason = nothing_to_decide(inputs)
    if reason is not None:
        return reason
    clearings = list(clear_all(inputs))
    best = _best(clearings)
    return Lapse.NO_TIER if best is None else draft_award(inputs, clearings, best)


def require_rules(objective: str, ration_rule: str) -> None:
    """Return if this version knows both rules, else raise Refusal `award.rule_unknown`."""
    for rule, known in ((objective, SINGLE_OFFER), (ration_rule, PROPORTIONAL)):
        if rule != known:
            raise Refusal("award.rule_unknown", f"expected the rule {known}, got {rule}")


def nothing_to_decide(inputs: Inputs) -> Lapse | None:
    """Return why a pool lapses before any price is looked at, or None."""
    coops = {seen.cid for seen in inputs.demands}
    if not coops:
        return Lapse.NO_DEMAND
    if len(coops) < inputs.pool.record.k_min:
        return Lapse.TOO_FEW
    return None if inputs.offers else Lapse.NO_OFFER


def clear_all(inputs: Inputs) -> Iterator[Clearing]:
    """Yield every (offer, tier), offers by id and tiers ascending."""
    pool = inputs.pool.record
    for offer in inputs.offers:
        for tier, terms in enumerate(terms_of(offer.record, pool.zone, pool.fee_bps)):
            yield _clear(inputs, offer, tier, terms)


def _clear(inputs: Inputs, offer: Seen[Offer], tier: int, terms: Terms) -> Clearing:
    eligible = list(_eligible(inputs.demands, terms))
    shares = _shares(eligible, capacity_of(offer.record), terms)
    units = sum(share.quantity for share in shares)
    reference = inputs.pool.record.reference
    value = sum(line_amount(reference, s.quantity) - s.landed.total for s in shares)
    return Clearing(
        offer=offer,
        tier=tier,
        eligible=sum(share.quantity for share in eligible),
        shares=tuple(shares),
        units=units,
        value=value,
        is_feasible=value >= 0 and _is_reached(inputs.pool.record, offer.record, tier, units),
    )


def _eligible(demands: Iterable[Seen[Demand]], terms: Terms) -> Iterator[Share]:
    """Yield the whole want of each demand that can pay it at these terms."""
    for demand in demands:
        landed = terms.landed(demand.record.quantity)
        if can_pay(demand.record, demand.record.quantity, landed.total):
            yield Share(demand, demand.record.quantity, landed)


def _shares(eligible: list[Share], capacity: int, terms: Terms) -> list[Share]:
    if sum(share.quantity for share in eligible) <= capacity:
        return eligible
    by_id = {share.demand.id: share.demand for share in eligible}
    parts = ration(
        [Want(s.demand.id, s.quantity, s.demand.record.min_quantity) for s in eligible],
        capacity,
        lambda w, part: can_pay(by_id[w.id].record, part, terms.landed(part).total),
    )
    return [
        Share(demand, parts[id_], terms.landed(parts[id_]))
        for id_, demand in by_id.items()
        if id_ in parts
    ]


def _is_reached(pool: PoolOpen, offer: Offer, tier: int, units: int) -> bool:
    minimum = 0 if pool.min_quantity is UNSET else pool.min_quantity
    is_outgrown = tier + 1 < len(offer.tiers) and units >= offer.tiers[tier + 1].from_quantity
    return units >= max(offer.tiers[tier].from_quantity, minimum) and not is_outgrown


def _best(clearings: Iterable[Clearing]) -> Clearing | None:
    """Return the best feasible clearing; `max` keeps the first, so the lowest offer id, of ties."""
    feasible = [clearing for clearing in clearings if clearing.is_feasible]
    return max(feasible, key=lambda clearing: (clearing.value, clearing.units), default=None)


def draft_award(inputs: Inputs, clearings: Sequence[Clearing], best: Clearing) -> AwardDraft:
    """Return the award of one clearing, with all of them as its certificate."""
    allocations = tuple(_allocation(inputs.pool.id, best, share) for share in best.shares)
    demands, offers = (s.id for s in inputs.demands), (s.id for s in inputs.offers)
    award = Award(
        certificate=[_bound(clearing) for clearing in clearings],
        close=inputs.close.id,
        inputs=inputs_hash(inputs.pool.id, demands, offers),
        leaves=len(allocations),
        lines=[_line(best, inputs.pool.record.zone)],
        objective=inputs.pool.record.objective,
        pool=inputs.pool.id,
        quantity=best.units,
        ration=inputs.pool.record.ration,
        root=merkle.root([encode(allocation) for allocation in allocations]),
        value=best.value,
    )
    return AwardDraft(award=award, allocations=allocations)


def _allocation(pool: EntryId, best: Clearing, share: Share) -> Allocation:
    return Allocation(
        amount=share.landed.goods,
        carriage=share.landed.carriage,
        demand=share.demand.id,
        fee=share.landed.fee,
        offer=best.offer.id,
        quantity=share.quantity,
        salt=open_salt(pool, share.demand.id),
        tier=best.tier,
    )


def _line(best: Clearing, zone: str) -> AwardLine:
    return AwardLine(
        amount=sum(share.landed.goods for share in best.shares),
        carriage=sum(share.landed.carriage for share in best.shares),
        fee=sum(share.landed.fee for share in best.shares),
        lines=len(best.shares),
        offer=best.offer.id,
        quantity=best.units,
        tier=best.tier,
        zone=zone,
    )


def _bound(clearing: Clearing) -> TierBound:
    return TierBound(
        bound=clearing.value if clearing.is_feasible else 0,
        eligible=clearing.eligible,
        offer=clearing.offer.id,
        tier=clearing.tier,
    )
