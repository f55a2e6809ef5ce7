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
from sheaf_protocol.clearing import rate_at, rate_of
from sheaf_protocol.codec import encode
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import line_amount
from sheaf_services.pooled_purchasing.alone import alone
from sheaf_services.pooled_purchasing.clearing.judging import by_line, leaves_of
from sheaf_services.pooled_purchasing.lists.measure import minor_digits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sheaf_protocol.digest import CoopId, Digest, EntryId
    from sheaf_protocol.records import Allocation, Award, Demand
    from sheaf_services.pooled_purchasing.inputs import Inputs, Seen
    from sheaf_services.pooled_purchasing.ledger import Ledger

WHOLE: Final = "whole"
SHARED: Final = "shared"
TOO_DEAR: Final = "too_dear"
LEFT_OUT: Final = "left_out"
"""Why a line got what it got: all it wanted; a part, as others did; its maximum is below every
price awarded; or its part would have been below its minimum, or above its maximum by rounding."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Decided:
    """A pool with its award, and what all its letters rest on."""

    inputs: Inputs
    award: Seen[Award]
    able: Mapping[EntryId, int]
    """What each demand wants that can pay the cheapest price awarded."""
    places: Mapping[EntryId, int]
    """Where the leaf of each line is among all."""
    bodies: Sequence[bytes]
    hashes: Sequence[Digest]


@dataclass(frozen=True, slots=True)
class _Case:
    """One line, and its parts."""

    pool: _Decided
    line: Seen[Demand]
    got: Sequence[Allocation]

    @property
    def units(self) -> int:
        return sum(part.quantity for part in self.got)


def letters(
    ledger: Ledger, cid: CoopId, name_of: Callable[[CoopId], str], ref: str = ""
) -> Iterator[dict[str, Any]]:
    """Yield a letter for each own line that an award decided on, of the line `ref` where given."""
    for pool, award, inputs in ledger.awarded():
        own = [seen for seen in inputs.demands if seen.cid == cid and ref in {"", seen.record.ref}]
        if own:
            parts = by_line(ledger.leaves(pool))
            decided = _decided(inputs, award, parts)
            for seen in own:
                yield _letter(_Case(decided, seen, parts.get(seen.id, ())), name_of)


def _decided(
    inputs: Inputs, award: Seen[Award], parts: Mapping[EntryId, Sequence[Allocation]]
) -> _Decided:
    pool = inputs.pool.record
    offers = {seen.id: seen.record for seen in inputs.offers}
    least = min(rate_at(pool, offers[line.offer], line.tier) for line in award.record.lines)
    bodies = [encode(leaf) for leaf in leaves_of(inputs, parts)]
    return _Decided(
        inputs=inputs,
        award=award,
        able={
            seen.id: seen.record.quantity
            for seen in inputs.demands
            if rate_of(seen.record.max_price) >= least
        },
        places={id_: index for index, id_ in enumerate(parts)},
        bodies=bodies,
        hashes=[merkle.leaf_hash(body) for body in bodies],
    )


def _letter(case: _Case, name_of: Callable[[CoopId], str]) -> dict[str, Any]:
    demand, inputs, award = case.line.record, case.pool.inputs, case.pool.award.record
    opening = inputs.pool
    reference = opening.record.reference
    paid = sum(part.amount + part.fee + part.carriage for part in case.got)
    quantity = case.units or demand.quantity
    by_itself = alone(
        structs.replace(demand, min_quantity=1, quantity=quantity),
        inputs.offers,
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
        "sold": award.quantity,
        "able": sum(case.pool.able.values()),
        "coops": len({each.cid for each in inputs.demands}),
        "parts": [_part(case, part, name_of) for part in case.got],
        "goods_minor": sum(part.amount for part in case.got),
        "fee_minor": sum(part.fee for part in case.got),
        "carriage_minor": sum(part.carriage for part in case.got),
        "paid_minor": paid,
        "alone_minor": baseline,
        "list_minor": line_amount(reference, quantity),
        "saving_minor": _saving(case, baseline, paid),
        "gap_millionths": 0 if award.gap is UNSET else award.gap,
        "check": _check(case),
    }


def _saving(case: _Case, baseline: int | None, paid: int) -> int:
    """Return what the pool saves on what was got; against the list price where none sells alone."""
    if not case.got:
        return 0
    reference = case.pool.inputs.pool.record.reference
    return (line_amount(reference, case.units) if baseline is None else baseline) - paid


def _why(case: _Case) -> str:
    if case.units == case.line.record.quantity:
        return WHOLE
    if case.units:
        return SHARED
    return LEFT_OUT if case.line.id in case.pool.able else TOO_DEAR


def _part(case: _Case, part: Allocation, name_of: Callable[[CoopId], str]) -> dict[str, Any]:
    offer = next(seen for seen in case.pool.inputs.offers if seen.id == part.offer)
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
    pool, index = case.pool, case.pool.places.get(case.line.id)
    path = [] if index is None else merkle.path_among(pool.hashes, index)
    return {
        "award": pool.award.id.hex(),
        "root": pool.award.record.root.hex(),
        "leaves": pool.award.record.leaves,
        "leaf": "" if index is None else pool.bodies[index].hex(),
        "index": index,
        "path": [each.hex() for each in path],
    }


def require_any(found: Sequence[dict[str, Any]], ref: str) -> None:
    """Raise Refusal `demand.unknown` where no letter is about a line."""
    if ref and not found:
        detail = f"expected the reference of an own line that an award decided on, got {ref!r}"
        raise Refusal("demand.unknown", detail)
