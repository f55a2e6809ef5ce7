"""What was billed, credited and is open between this co-op and each other one over a period."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sheaf_protocol.errors import Refusal
from sheaf_protocol.lifecycle import Invoice
from sheaf_services.order_fulfilment.money import minor_digits
from sheaf_services.order_fulfilment.report import open_amount

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sheaf_node.plugins import Call, ServiceContext
    from sheaf_services.order_fulfilment.ledger import Known, Ledger

_SUMS = ("billed_minor", "credited_minor", "paid_minor", "open_minor", "fee_minor")


def statement(ledger: Ledger, context: ServiceContext, call: Call) -> dict[str, Any]:
    """Return the invoices issued from `from_ms` to before `to_ms`, with `with` a co-op by name.

    Each with what was credited of it by now and where it stands; then sums by co-op, side and
    currency, which are never added up to one another.
    """
    first, end = _time(call, "from_ms", 0), _time(call, "to_ms", context.now_ms() + 1)
    rows = [
        row
        for known in ledger.orders()
        for row in _rows(ledger, known, context)
        if first <= row["time_ms"] < end and call.options.get("with", row["with"]) == row["with"]
    ]
    rows.sort(key=lambda row: (row["with"], row["time_ms"], row["number"]))
    sums: dict[tuple[str, str, str], Counter[str]] = {}
    for row in rows:
        key = (row["with"], row["side"], row["currency"])
        sums.setdefault(key, Counter()).update({name: row[name] for name in _SUMS})
    return {
        "from_ms": first,
        "to_ms": end,
        "rows": rows,
        "sums": [
            {
                "with": name,
                "side": side,
                "currency": currency,
                "minor_digits": minor_digits(currency),
                **{each: total[each] for each in _SUMS},
            }
            for (name, side, currency), total in sums.items()
        ],
    }


def _rows(ledger: Ledger, known: Known, context: ServiceContext) -> Iterator[dict[str, Any]]:
    state, order = ledger.state(known.placed.id), known.placed.record
    is_ours = known.buyer == ledger.own
    common = {
        "side": "buyer" if is_ours else "supplier",
        "with": context.name_of(known.supplier_cid if is_ours else known.buyer_cid),
        "order": known.placed.id.hex(),
        "item": order.item.code,
        "currency": order.price.currency,
        "minor_digits": minor_digits(order.price.currency),
    }
    for id_, found in state.invoices.items():
        is_paid = found.state is Invoice.PAID
        is_void = found.state is Invoice.REJECTED
        yield {
            **common,
            "document": "invoice",
            "id": id_.hex(),
            "number": found.record.number,
            "time_ms": found.said.time_ms,
            "due_ms": found.record.due_ms,
            "state": found.state.value,
            "net_minor": found.record.net,
            "tax_minor": found.record.tax,
            "fee_minor": 0 if is_void else found.record.fee,
            "billed_minor": 0 if is_void else found.record.total,
            "credited_minor": 0 if is_void else found.credited_total,
            "paid_minor": found.record.total if is_paid else 0,
            "open_minor": open_amount(found),
        }
    if state.cancel_fee:
        yield {
            **common,
            "document": "cancellation",
            "id": known.placed.id.hex(),
            "number": "",
            "time_ms": state.cancelled_ms,
            "due_ms": state.cancelled_ms,
            "state": "confirmed",
            "net_minor": state.cancel_fee,
            "tax_minor": 0,
            "fee_minor": 0,
            "billed_minor": state.cancel_fee,
            "credited_minor": 0,
            "paid_minor": 0,
            "open_minor": state.cancel_fee,
        }


def _time(call: Call, name: str, otherwise: int) -> int:
    given = call.options.get(name, "")
    if not given:
        return otherwise
    if not (given.isascii() and given.isdecimal() and len(given) <= 15):
        raise Refusal("order.body", f"expected UTC milliseconds as {name}, got {given[:20]!r}")
    return int(given)
