"""What a node finds of an award or a lapse under `several_offers/1`, and who gets what by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from sheaf_protocol.clearing import RATIONS, SEVERAL_OFFERS, Case, verify_full
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import Allocation, Allotment, Part
from sheaf_services.pooled_purchasing.evaluate import Lapse, nothing_to_decide

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_protocol.digest import EntryId
    from sheaf_protocol.records import Award
    from sheaf_services.pooled_purchasing.inputs import Inputs


def case_of(inputs: Inputs) -> Case:
    """Return a pool's inputs as its award is judged."""
    return Case(
        id=inputs.pool.id,
        pool=inputs.pool.record,
        demands={seen.id: (seen.cid, seen.record) for seen in inputs.demands},
        offers={seen.id: seen.record for seen in inputs.offers},
    )


def is_cleared(inputs: Inputs) -> bool:
    """Return whether a pool is awarded to several offers."""
    return inputs.pool.record.objective == SEVERAL_OFFERS


def knows_ration(inputs: Inputs) -> bool:
    """Return whether this version knows how the pool shares out."""
    return inputs.pool.record.ration in RATIONS


def allocations_of(inputs: Inputs, award: Award) -> tuple[Allocation, ...]:
    """Return the parts of each line by an award that is right, those of one line together.

    Raises Refusal `award.*` where it is not.
    """
    return tuple(
        Allocation(
            amount=part.amount,
            carriage=part.carriage,
            demand=leaf.demand,
            fee=part.fee,
            offer=part.offer,
            quantity=part.quantity,
            salt=leaf.salt,
            tier=part.tier,
        )
        for leaf in verify_full(case_of(inputs), award)
        for part in leaf.parts
    )


def by_line(allocations: Sequence[Allocation]) -> dict[EntryId, list[Allocation]]:
    """Return the parts of each line that got any, in their order."""
    found: dict[EntryId, list[Allocation]] = {}
    for part in allocations:
        found.setdefault(part.demand, []).append(part)
    return found


def leaves_of(
    inputs: Inputs, parts: Mapping[EntryId, Sequence[Allocation]]
) -> list[Allocation | Allotment]:
    """Return the leaves under an award's root, from the parts of lines that it was found right by.

    Under a rule of one offer a part is a leaf; else those of one line are.
    """
    if not is_cleared(inputs):
        return [part for got in parts.values() for part in got]
    return [
        Allotment(demand=id_, parts=[_part(part) for part in got], salt=got[0].salt)
        for id_, got in parts.items()
    ]


def _part(part: Allocation) -> Part:
    return Part(
        amount=part.amount,
        carriage=part.carriage,
        fee=part.fee,
        offer=part.offer,
        quantity=part.quantity,
        tier=part.tier,
    )


def require_founded(inputs: Inputs, reason: str) -> None:
    """Return if a pool may lapse for a reason (CLR-21), else raise Refusal `lapse.*`."""
    expected = nothing_to_decide(inputs)
    if expected is None:
        market = case_of(inputs).market
        expected = None if any(market.offers) else Lapse.NO_TIER
    if expected is None and _may_not_fit(inputs):
        expected = Lapse.NO_FIT
    if expected is None:
        raise Refusal("lapse.unfounded", f"expected an award, got the lapse {reason}")
    if expected.value != reason:
        raise Refusal("lapse.reason", f"expected the reason {expected.value}, got {reason}")


def _may_not_fit(inputs: Inputs) -> bool:
    """Return whether anybody wants or sells no less than some quantity, so that nothing may fit."""
    is_least = inputs.pool.record.min_quantity is not UNSET or any(
        seen.record.has_least for seen in inputs.offers
    )
    return is_least or any(seen.record.min_quantity > 1 for seen in inputs.demands)
