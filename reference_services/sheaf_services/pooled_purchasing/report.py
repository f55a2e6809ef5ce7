"""What the pools came to: for the federation, and for one co-op's own lines."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sheaf_protocol.codec import encode
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import Award, PoolLapse, line_amount
from sheaf_services.pooled_purchasing.alone import alone

if TYPE_CHECKING:
    from sheaf_protocol.digest import CoopId
    from sheaf_protocol.records import Allocation, Demand
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


def report(ledger: Ledger, cid: CoopId, owed: int) -> dict[str, Any]:
    """Return the pools as this node finds them, and each own line with what became of it.

    `alone_minor` is what the goods served would have cost the buyers alone: at the price that a
    buyer's own quantity reaches within its maximum, else at the reference price. `owed` is how many
    orders of ours cannot be sealed to their supplier yet.
    """
    sums: Counter[str] = Counter()
    lines: list[dict[str, Any]] = []
    pools = []
    for pool in ledger.pools.values():
        pools.append(_pool_json(ledger, pool))
        inputs = ledger.inputs(pool)
        if inputs is None or ledger.decided(pool) is None:
            continue
        served = {leaf.demand: leaf for leaf in ledger.leaves(pool)}
        for seen in inputs.demands:
            if seen.cid == cid:
                line = _line(inputs, seen, served.get(seen.id))
                sums.update(line.pop("sums"))
                lines.append(line)
    answers = [ledger.response(order) for order in ledger.orders.values()]
    codes = Counter(answer.code for answer in answers if answer is not None)
    return {
        "coop": {name: sums[name] for name in _SUMS},
        "lines": lines,
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


def _pool_json(ledger: Ledger, pool: Pool) -> dict[str, Any]:
    opening = pool.opening.record
    return {
        "item": opening.item.code,
        "title": opening.title,
        "closes_at_ms": opening.closes_at_ms,
        "is_closed": pool.close is not None,
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


def _outcome(ledger: Ledger, pool: Pool) -> dict[str, Any] | None:
    """Return the decision that this node found right, in short."""
    decided = ledger.decided(pool)
    if decided is None:
        return None
    if isinstance(decided.record, PoolLapse):
        return {"awarded": False, "reason": decided.record.reason}
    award = decided.record
    line = award.lines[0]
    return {
        "awarded": True,
        "units": line.quantity,
        "scale": pool.opening.record.item.scale,
        "tier": line.tier,
        "amount_minor": line.amount,
        "value_minor": award.value,
    }


def _line(inputs: Inputs, seen: Seen[Demand], got: Allocation | None) -> dict[str, Any]:
    demand, pool = seen.record, inputs.pool.record
    by_itself = alone(demand, inputs.offers, pool)
    sums = Counter(demands=1)
    if by_itself is not None:
        sums.update(served_alone=1, gain_alone_minor=by_itself.gain)
    if got is None:
        sums.update(unserved=1)
    else:
        reference = line_amount(pool.reference, got.quantity)
        paid = got.amount + got.fee + got.carriage
        otherwise = reference if by_itself is None else by_itself.landed.total
        sums.update(
            served_pooled=1,
            gain_pooled_minor=reference - paid,
            alone_minor=otherwise,
            goods_minor=got.amount,
            fee_minor=got.fee,
            carriage_minor=got.carriage,
            over_max_price=int(paid > line_amount(demand.max_price, got.quantity)),
        )
    return {
        "ref": demand.ref,
        "item": demand.item.code,
        "name": demand.item.name,
        "unit": demand.item.unit,
        "scale": demand.item.scale,
        "wanted": demand.quantity,
        "got": 0 if got is None else got.quantity,
        "paid_minor": 0 if got is None else got.amount + got.fee + got.carriage,
        "sums": sums,
    }
