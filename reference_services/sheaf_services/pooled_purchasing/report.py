"""What the pools came to: for the federation, and for one co-op's own lines."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from sheaf_protocol.codec import encode
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import Award, PoolLapse, line_amount
from sheaf_services.pooled_purchasing.alone import alone
from sheaf_services.pooled_purchasing.clearing.judging import by_line
from sheaf_services.pooled_purchasing.lists.measure import minor_digits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sheaf_protocol.digest import CoopId, EntryId
    from sheaf_protocol.records import Allocation, AwardLine, Demand
    from sheaf_services.pooled_purchasing.inputs import Inputs, Seen
    from sheaf_services.pooled_purchasing.ledger import Ledger, Pool

_SUMS = (
    "demands",
    "served_alone",
    "served_pooled",
    "gain_alone_minor",
    "gain_pooled_minor",
    "alone_minor",
    "goods_minor",
    "fee_minor",
    "carriage_minor",
    "over_max_price",
    "unserved",
)


def report(
    ledger: Ledger, cid: CoopId, owed: int, stuck: Callable[[EntryId], str | None]
) -> dict[str, Any]:
    """Return the pools as this node finds them, and each own line with what became of it.

    `alone_minor` is what the goods served would have cost the buyers alone: at the price that a
    buyer's own quantity reaches within its maximum, else at the reference price. `owed` is how many
    orders of ours cannot be sealed to their supplier yet. A line that no decision counts waits.
    `stuck` tells of a close what keeps its pool from being cleared here.
    """
    sums: Counter[str] = Counter()
    lines: dict[EntryId, dict[str, Any]] = {}
    pools = []
    for pool in ledger.pools.values():
        pools.append(_pool_json(ledger, pool, stuck))
        inputs = ledger.inputs(pool)
        decided = ledger.decided(pool)
        if inputs is None or decided is None:
            continue
        served = by_line(ledger.leaves(pool))
        for seen in inputs.demands:
            if seen.cid == cid:
                got = served.get(seen.id, [])
                sums.update(_sums(inputs, seen.record, got))
                _note(lines, seen, _line(seen.record, _state(decided.record, got), got))
    for seen in ledger.own_lines().values():
        state = "withdrawn" if ledger.is_withdrawn(seen) else "waiting"
        lines.setdefault(seen.id, _line(seen.record, state))
    answers = [ledger.response(order) for order in ledger.orders.values()]
    codes = Counter(answer.code for answer in answers if answer is not None)
    return {
        "coop": {name: sums[name] for name in _SUMS},
        "lines": list(lines.values()),
        "pools": pools,
        "orders": len(ledger.orders),
        "orders_accepted": codes["AP"],
        "orders_refused": codes["RE"],
        "orders_owed": owed,
    }


def award_json(ledger: Ledger, item: str) -> dict[str, Any]:
    """Return the award of an item's pool with its record. Raises Refusal `pool.unknown`."""
    for pool, award, _ in ledger.awarded():
        if pool.opening.record.item.code == item:
            return {"id": award.id.hex(), "bytes": encode(award.record).hex()}
    raise Refusal("pool.unknown", f"expected an item with an award, got {item!r}")


def _pool_json(
    ledger: Ledger, pool: Pool, stuck: Callable[[EntryId], str | None]
) -> dict[str, Any]:
    opening = pool.opening.record
    return {
        "item": opening.item.code,
        "title": opening.title,
        "unit": opening.item.unit,
        "scale": opening.item.scale,
        "currency": opening.reference.currency,
        "minor_digits": minor_digits(opening.reference.currency),
        "closes_at_ms": opening.closes_at_ms,
        "is_closed": pool.close is not None,
        "state": _pool_state(ledger, pool),
        "stuck": None if pool.close is None else stuck(pool.close.id),
        "demands": 0 if pool.close is None else len(pool.close.record.demands),
        "decisions": [
            {
                "id": decision.id.hex(),
                "is_award": isinstance(decision.record, Award),
                "reason": decision.record.reason
                if isinstance(decision.record, PoolLapse)
                else None,
                "verdict": ledger.verdict(decision.id),
            }
            for decision in pool.decisions
        ],
        "outcome": _outcome(ledger, pool),
    }


def _pool_state(ledger: Ledger, pool: Pool) -> str:
    decided = ledger.decided(pool)
    if decided is not None:
        return "awarded" if isinstance(decided.record, Award) else "lapsed"
    return "open" if pool.close is None else "closed"


def _outcome(ledger: Ledger, pool: Pool) -> dict[str, Any] | None:
    """Return the decision that this node found right, in short."""
    decided = ledger.decided(pool)
    if decided is None:
        return None
    if isinstance(decided.record, PoolLapse):
        return {"awarded": False, "reason": decided.record.reason}
    award, inputs = decided.record, ledger.inputs(pool)
    first = award.lines[0]
    return {
        "awarded": True,
        "units": award.quantity,
        "scale": pool.opening.record.item.scale,
        "tier": first.tier,
        "price": _price(inputs, first),
        "amount_minor": sum(line.amount for line in award.lines),
        "value_minor": award.value,
        "gap_millionths": 0 if award.gap is UNSET else award.gap,
        "offers": [_won(inputs, line) for line in award.lines],
    }


def _won(inputs: Inputs | None, line: AwardLine) -> dict[str, Any]:
    """Return what one offer sells: to whom it belongs, how much, and at which price."""
    offers = () if inputs is None else inputs.offers
    return {
        "offer": line.offer.hex(),
        "supplier": next((seen.cid.hex() for seen in offers if seen.id == line.offer), ""),
        "units": line.quantity,
        "tier": line.tier,
        "price": _price(inputs, line),
        "amount_minor": line.amount,
        "fee_minor": line.fee,
        "carriage_minor": line.carriage,
    }


def _price(inputs: Inputs | None, line: AwardLine) -> dict[str, int] | None:
    """Return what `base` units at the item's scale cost at the award's tier, in minor units."""
    offers = () if inputs is None else inputs.offers
    prices = (seen.record.price(line.tier) for seen in offers if seen.id == line.offer)
    return next(({"amount": price.amount, "base": price.base} for price in prices), None)


def _note(lines: dict[EntryId, dict[str, Any]], seen: Seen[Demand], line: dict[str, Any]) -> None:
    """Keep what became of a line last; what a pool gave it is not undone by a later pool."""
    if seen.id not in lines or not lines[seen.id]["got"]:
        lines[seen.id] = line


def _state(decision: Award | PoolLapse, got: Sequence[Allocation]) -> str:
    if got:
        return "awarded"
    return "unserved" if isinstance(decision, Award) else "lapsed"


def _sums(inputs: Inputs, demand: Demand, got: Sequence[Allocation]) -> Counter[str]:
    pool = inputs.pool.record
    by_itself = alone(demand, inputs.offers, pool)
    sums = Counter(demands=1)
    if by_itself is not None:
        sums.update(served_alone=1, gain_alone_minor=by_itself.gain)
    if not got:
        sums.update(unserved=1)
        return sums
    quantity = sum(part.quantity for part in got)
    reference, paid = line_amount(pool.reference, quantity), _paid(got)
    sums.update(
        served_pooled=1,
        gain_pooled_minor=reference - paid,
        alone_minor=reference if by_itself is None else by_itself.landed.total,
        goods_minor=sum(part.amount for part in got),
        fee_minor=sum(part.fee for part in got),
        carriage_minor=sum(part.carriage for part in got),
        over_max_price=int(paid > line_amount(demand.max_price, quantity)),
    )
    return sums


def _paid(got: Sequence[Allocation]) -> int:
    return sum(part.amount + part.fee + part.carriage for part in got)


def _line(demand: Demand, state: str, got: Sequence[Allocation] = ()) -> dict[str, Any]:
    currency = demand.max_price.currency
    return {
        "ref": demand.ref,
        "item": demand.item.code,
        "name": demand.item.name,
        "unit": demand.item.unit,
        "scale": demand.item.scale,
        "currency": currency,
        "minor_digits": minor_digits(currency),
        "state": state,
        "wanted": demand.quantity,
        "got": sum(part.quantity for part in got),
        "paid_minor": _paid(got),
    }
