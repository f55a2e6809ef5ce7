"""The letter to a member about one award: what it got, what it saves, why, and how to check it.

It is made by the member's own node from what that found right, so nobody has to be believed. Alone
means the cheapest that the same quantity gets from the same offers, without a fee and with one
drop's carriage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from msgspec import UNSET, structs

from sheaf_protocol import merkle
from sheaf_protocol.clearing import landed_rate, rate_of, verify_full
from sheaf_protocol.codec import encode
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import line_amount
from sheaf_services.pooled_purchasing.alone import alone
from sheaf_services.pooled_purchasing.clearing.judging import case_of, is_cleared
from sheaf_services.pooled_purchasing.landed import terms_of
from sheaf_services.pooled_purchasing.lists.measure import minor_digits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sheaf_protocol.digest import CoopId, Digest, EntryId
    from sheaf_protocol.records import Allocation, Allotment, Award, Demand
    from sheaf_services.pooled_purchasing.inputs import Inputs, Seen
    from sheaf_services.pooled_purchasing.ledger import Ledger

WHOLE: Final = "whole"
SHARED: Final = "shared"
TOO_DEAR: Final = "too_dear"
LEFT_OUT: Final = "left_out"
"""Why a line got what it got: all it wanted; a part, as others did; its maximum is below every
price awarded; or its part would have been below its minimum, or above its maximum by rounding."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tree:
    """The leaves of an award, encoded and hashed, and where each line's is among them."""

    places: Mapping[EntryId, int]
    bodies: Sequence[bytes]
    hashes: Sequence[Digest]


def letters(
    ledger: Ledger, cid: CoopId, name_of: Callable[[CoopId], str], ref: str = ""
) -> Iterator[dict[str, Any]]:
    """Yield a letter for each own line that an award decided on, of the line `ref` where given."""
    for pool, award, inputs in ledger.awarded():
        own = [seen for seen in inputs.demands if seen.cid == cid and ref in {"", seen.record.ref}]
        if own:
            leaves = ledger.leaves(pool)
            tree = _tree(inputs, award.record, leaves)
            for seen in own:
                got = [leaf for leaf in leaves if leaf.demand == seen.id]
                yield _letter(_Case(inputs, award, seen, got, tree), name_of)


@dataclass(frozen=True, slots=True)
class _Case:
    inputs: Inputs
    award: Seen[Award]
    line: Seen[Demand]
    got: Sequence[Allocation]
    tree: _Tree

    @property
    def units(self) -> int:
        return sum(part.quantity for part in self.got)

    @property
    def able(self) -> Sequence[Seen[Demand]]:
        """The demands that can pay the cheapest price awarded, for a unit of it."""
        least = min(_unit_rate(self.inputs, line.offer, line.tier) for line in self.lines)
        return [each for each in self.inputs.demands if rate_of(each.record.max_price) >= least]

    @property
    def lines(self) -> Sequence[Any]:
        return self.award.record.lines


def _letter(case: _Case, name_of: Callable[[CoopId], str]) -> dict[str, Any]:
    demand, opening = case.line.record, case.inputs.pool
    reference = opening.record.reference
    paid = sum(part.amount + part.fee + part.carriage for part in case.got)
    quantity = case.units or demand.quantity
    by_itself = alone(
        structs.replace(demand, min_quantity=1, quantity=quantity),
        case.inputs.offers,
        opening.record,
    )
    baseline = None if by_itself is None else by_itself.landed.total
    return {
        "ref": demand.ref,
        "item": demand.item.code,
        "name": demand.item.name,
        "unit": demand.item.unit,
        "scale": demand.item.scale,
        "currency": reference.currency,
        "minor_digits": minor_digits(reference.currency),
        "coordinator": name_of(opening.cid),
        "wanted": demand.quantity,
        "got": case.units,
        "why": _why(case),
        "sold": case.award.record.quantity,
        "able": sum(each.record.quantity for each in case.able),
        "coops": len({each.cid for each in case.inputs.demands}),
        "parts": [_part(case, part, name_of) for part in case.got],
        "goods_minor": sum(part.amount for part in case.got),
        "fee_minor": sum(part.fee for part in case.got),
        "carriage_minor": sum(part.carriage for part in case.got),
        "paid_minor": paid,
        "alone_minor": baseline,
        "list_minor": line_amount(reference, quantity),
        "saving_minor": _saving(case, baseline, paid),
        "gap_millionths": 0 if case.award.record.gap is UNSET else case.award.record.gap,
        "check": _check(case),
    }


def _saving(case: _Case, baseline: int | None, paid: int) -> int:
    """Return what the pool saves on what was got; against the list price where none sells alone."""
    if not case.got:
        return 0
    reference = case.inputs.pool.record.reference
    return (line_amount(reference, case.units) if baseline is None else baseline) - paid


def _why(case: _Case) -> str:
    if case.units == case.line.record.quantity:
        return WHOLE
    if case.units:
        return SHARED
    return LEFT_OUT if any(each.id == case.line.id for each in case.able) else TOO_DEAR


def _part(case: _Case, part: Allocation, name_of: Callable[[CoopId], str]) -> dict[str, Any]:
    offer = next(seen for seen in case.inputs.offers if seen.id == part.offer)
    price = offer.record.price(part.tier)
    return {
        "supplier": name_of(offer.cid),
        "units": part.quantity,
        "price": {"amount": price.amount, "base": price.base},
        "from_quantity": offer.record.tiers[part.tier].from_quantity,
        "goods_minor": part.amount,
        "fee_minor": part.fee,
        "carriage_minor": part.carriage,
    }


def _check(case: _Case) -> dict[str, Any]:
    """Return what somebody else needs to check the line: the award, the leaf and its path."""
    index = case.tree.places.get(case.line.id)
    return {
        "award": case.award.id.hex(),
        "root": case.award.record.root.hex(),
        "leaves": case.award.record.leaves,
        "leaf": "" if index is None else case.tree.bodies[index].hex(),
        "index": index,
        "path": []
        if index is None
        else [each.hex() for each in merkle.path_among(case.tree.hashes, index)],
    }


def _tree(inputs: Inputs, award: Award, allocations: Sequence[Allocation]) -> _Tree:
    """Return the leaves under the root of a right award: one for each line that got something."""
    leaves: Sequence[Allotment | Allocation] = allocations
    if is_cleared(inputs):
        leaves = verify_full(case_of(inputs), award)
    bodies = [encode(leaf) for leaf in leaves]
    return _Tree(
        places={leaf.demand: index for index, leaf in enumerate(leaves)},
        bodies=bodies,
        hashes=[merkle.leaf_hash(body) for body in bodies],
    )


def require_any(found: Sequence[dict[str, Any]], ref: str) -> None:
    """Raise Refusal `demand.unknown` where no letter is about a line."""
    if ref and not found:
        detail = f"expected the reference of an own line that an award decided on, got {ref!r}"
        raise Refusal("demand.unknown", detail)


def _unit_rate(inputs: Inputs, offer_id: bytes, tier: int) -> int:
    """Return what a unit of an offer's tier costs at the door, in millionths of a minor unit."""
    pool = inputs.pool.record
    offer = next(seen.record for seen in inputs.offers if seen.id == offer_id)
    terms = terms_of(offer, pool.zone, pool.fee_bps)[tier]
    price = terms.price
    return landed_rate(price.amount, terms.carriage.amount, price.base, pool.fee_bps)
