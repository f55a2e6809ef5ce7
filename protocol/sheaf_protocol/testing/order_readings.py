"""How the vectors on orders and bills are read (spec chapters 10 and 11)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Literal, cast, get_args

import msgspec
from msgspec import UNSET, Meta

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import CoopId, Digest, EntryId
from sheaf_protocol.lifecycle.bill import Bill, Rates, Row, difference, is_tax_sound, make_bill
from sheaf_protocol.lifecycle.order_bill import require_left
from sheaf_protocol.lifecycle.order_fold import fold_order
from sheaf_protocol.lifecycle.order_state import (
    About,
    Placed,
    Said,
    begin,
    in_reading_order,
    refuse,
)
from sheaf_protocol.limits import MAX_INT, MAX_PAYLOAD
from sheaf_protocol.records import decode_record
from sheaf_protocol.records.invoice import Tax
from sheaf_protocol.records.order import Order, OrderCancel, OrderResponse
from sheaf_protocol.records.values import Item, Price

if TYPE_CHECKING:
    from collections.abc import Mapping

_Number = Annotated[int, Meta(ge=0, le=MAX_INT)]
_Numbers = Annotated[list[_Number], Meta(max_length=2)]
_Id = Annotated[bytes, Meta(max_length=32)]
_Word = Annotated[list[_Id], Meta(min_length=2, max_length=2)]


class _Row(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    line: _Number
    quantity: _Number
    category: Literal["AE", "E", "G", "K", "L", "M", "O", "S", "Z"]
    rate_bps: _Number


class _BillInput(msgspec.Struct, frozen=True, kw_only=True):
    before: Annotated[list[_Numbers], Meta(max_length=1024)]
    carriage: _Numbers
    fee_bps: _Number
    price: _Numbers
    rows: Annotated[list[_Row], Meta(max_length=1024)]


class _PlacedInput(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    id: _Id
    time_ms: _Number
    body: Annotated[bytes, Meta(max_length=MAX_PAYLOAD)]


class _SaidInput(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    id: _Id
    time_ms: _Number
    kind: Annotated[str, Meta(max_length=24)]
    body: Annotated[bytes, Meta(max_length=MAX_PAYLOAD)]


class _StoryInput(msgspec.Struct, frozen=True, kw_only=True):
    buyer: Annotated[list[_SaidInput], Meta(max_length=1024)]
    order: _PlacedInput
    supplier: Annotated[list[_SaidInput], Meta(max_length=1024)]


class _OrderInput(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    order: _Id
    buyer: Annotated[list[_Id], Meta(max_length=256)]
    supplier: Annotated[list[_Word], Meta(max_length=256)]


def read_bill(data: bytes) -> bytes:
    """Return the figures of a bill, less those of what was billed before."""
    given = decode(data, _BillInput)
    rates = Rates(carriage=_price(given.carriage), fee_bps=given.fee_bps)
    taxes = {row.line: Tax(category=row.category, rate_bps=row.rate_bps) for row in given.rows}
    if not all(map(is_tax_sound, taxes.values())):
        raise refuse("invoice.tax", "expected a rate of 0 for a category without tax")
    billed = {row.line: row.quantity for row in given.rows}
    before = {line: quantity for line, quantity in given.before}
    require_left(billed, Counter(before))
    bills = [_bill(given, rates, taxes, quantities) for quantities in (billed, before)]
    made = difference(*bills)
    lines = [[n.line, n.quantity, n.amount, n.carriage, n.fee] for n in made.lines]
    totals = [[t.tax.category, t.tax.rate_bps, t.base, t.amount] for t in made.taxes]
    return encode([lines, totals, [made.fee, made.net, made.tax, made.total]])


def _bill(
    given: _BillInput, rates: Rates, taxes: Mapping[int, Tax], quantities: Mapping[int, int]
) -> Bill:
    price = _price(given.price)
    assert price is not None  # noqa: S101  # every vector has one
    rows = sorted(quantities.items())
    return make_bill([Row(line=n, price=price, quantity=q, tax=taxes[n]) for n, q in rows], rates)


def _price(pair: list[int]) -> Price | None:
    return Price(amount=pair[0], base=pair[1], currency="XXX") if pair else None


def read_order(data: bytes) -> bytes:
    """Return the ids of two lines in the order in which they are read, and how many wait."""
    given = decode(data, _OrderInput)
    state = begin(Placed(id=_entry(given.order), time_ms=0, record=_ORDER))
    buyer = [Said(id=_entry(id_), time_ms=0, record=_CANCEL) for id_ in given.buyer]
    supplier = [
        Said(id=_entry(id_), time_ms=0, record=_after(after)) for id_, after in given.supplier
    ]
    read = [said.id for said, _ in in_reading_order(state, buyer, supplier)]
    return encode([read, state.unread, state.waiting])


def read_story(data: bytes) -> bytes:
    """Return what came of an order, track by track, ids in ascending order."""
    given = decode(data, _StoryInput)
    order = decode_record("order.place", given.order.body)
    assert isinstance(order, Order)  # noqa: S101  # every vector has one
    placed = Placed(id=_entry(given.order.id), time_ms=given.order.time_ms, record=order)
    state = fold_order(placed, *(list(map(_said, side)) for side in (given.buyer, given.supplier)))
    tracks: list[dict[EntryId, str]] = [
        {id_: each.name for id_, each in state.amendments.items()},
        {id_: each.name for id_, each in state.cancellations.items()},
        {id_: each.state.name for id_, each in state.deliveries.items()},
        {id_: each.state.name for id_, each in state.invoices.items()},
        {id_: each.state.name for id_, each in state.returns.items()},
        state.refused,
    ]
    lines = [[line.ordered, line.due, line.sent, line.accepted] for line in state.lines]
    rows = [[[id_, each[id_]] for id_ in sorted(each)] for each in tracks]
    return encode([state.state.name, lines, *rows, [state.cancel_fee, state.unread, state.waiting]])


def _said(given: _SaidInput) -> Said:
    record = decode_record(given.kind, given.body)
    if not isinstance(record, get_args(About)):
        raise refuse("schema.invalid", f"expected a record about an order, got {given.kind}")
    return Said(id=_entry(given.id), time_ms=given.time_ms, record=cast("About", record))


def _after(after: bytes) -> OrderResponse:
    name = _entry(after) if after else UNSET
    return OrderResponse(after=name, code="AB", order=_NOBODY)


def _entry(id_: bytes) -> EntryId:
    return EntryId(Digest(id_))


_NOBODY = EntryId(Digest(bytes(32)))
_CANCEL = OrderCancel(order=_NOBODY)
_ORDER = Order(
    award=_NOBODY,
    item=Item(code="x", name="x", scale=0, unit="C62"),
    lines=[],
    offer=_NOBODY,
    price=Price(amount=0, base=1, currency="XXX"),
    supplier=CoopId(Digest(bytes(32))),
)
