"""One order and what its two sides say about it, for tests of the order's life."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sheaf_protocol.digest import CoopId, Digest, EntryId, digest
from sheaf_protocol.lifecycle.bill import Rates
from sheaf_protocol.lifecycle.order_bill import bill_of, credit_of
from sheaf_protocol.lifecycle.order_fold import fold_order
from sheaf_protocol.lifecycle.order_state import OrderState, Placed, Said
from sheaf_protocol.records.delivery import (
    DeemedReceipt,
    Despatch,
    DespatchLine,
    Receipt,
    ReceiptLine,
    ReturnLine,
    ReturnRequest,
    ReturnResponse,
)
from sheaf_protocol.records.invoice import CreditNote, Invoice, InvoiceResponse, Tax
from sheaf_protocol.records.order import (
    CancelResponse,
    ChangedLine,
    ChangeResponse,
    Delivery,
    DropLine,
    Order,
    OrderAgreement,
    OrderCancel,
    OrderChange,
    OrderLapse,
    OrderResponse,
    PromisedLine,
)
from sheaf_protocol.records.values import Item, Price

if TYPE_CHECKING:
    from sheaf_protocol.lifecycle.bill import Bill

DAY = 86_400_000
NOW = 1_000 * DAY
PRICE = Price(amount=125, base=10, currency="GBP")
STANDARD = Tax(category="S", rate_bps=2_000)


def entry(name: str) -> EntryId:
    return EntryId(digest("test", name.encode()))


ID = entry("order")


def order(*quantities: int) -> Order:
    return Order(
        award=entry("award"),
        item=Item(code="FEED", name="Feed", scale=0, unit="KGM"),
        lines=[
            DropLine(amount=0, demand=entry(f"demand {at}"), quantity=quantity)
            for at, quantity in enumerate(quantities)
        ],
        offer=entry("offer"),
        price=PRICE,
        supplier=CoopId(Digest(bytes(32))),
    )


@dataclass
class Talk:
    """Two lines of records. `read` makes the supplier name the buyer's newest."""

    quantities: tuple[int, ...] = (40, 20)
    buyer: list[Said] = field(default_factory=list)
    supplier: list[Said] = field(default_factory=list)
    time_ms: int = NOW
    reads: bool = True

    def state(self) -> OrderState:
        placed = Placed(id=ID, time_ms=NOW, record=order(*self.quantities))
        return fold_order(placed, self.buyer, self.supplier)

    def buys(self, record: Any) -> EntryId:
        said = Said(id=entry(f"b{len(self.buyer)}"), time_ms=self.time_ms, record=record)
        self.buyer.append(said)
        return said.id

    def sells(self, class_: Any, **fields: Any) -> EntryId:
        after = self.buyer[-1].id if self.buyer else ID
        read = {"after": after} if self.reads else {}
        record = class_(order=ID, **read, **fields)
        said = Said(id=entry(f"s{len(self.supplier)}"), time_ms=self.time_ms, record=record)
        self.supplier.append(said)
        return said.id

    # --- the supplier --------------------------------------------------------------------------

    def respond(self, code: str, **fields: Any) -> EntryId:
        return self.sells(OrderResponse, code=code, **fields)

    def accept(self, **fields: Any) -> EntryId:
        return self.respond("AP", **fields)

    def propose(self, *lines: PromisedLine, agree_by_ms: int = NOW + DAY) -> EntryId:
        return self.respond("CA", lines=list(lines), agree_by_ms=agree_by_ms)

    def lapse(self, response: EntryId) -> EntryId:
        return self.sells(OrderLapse, response=response)

    def answer_change(self, change: EntryId, code: str = "AP") -> EntryId:
        return self.sells(ChangeResponse, change=change, code=code)

    def answer_cancel(self, cancel: EntryId, code: str = "AP", **fields: Any) -> EntryId:
        return self.sells(CancelResponse, cancel=cancel, code=code, **fields)

    def despatch(self, *lines: tuple[int, int, int], **fields: Any) -> EntryId:
        made = [DespatchLine(line=at, delivered=now, outstanding=later) for at, now, later in lines]
        given = {
            "arrives_ms": self.time_ms,
            "inspect_until_ms": self.time_ms + 3 * DAY,
            "ref": f"DN-{len(self.supplier)}",
        }
        return self.sells(Despatch, lines=made, **{**given, **fields})

    def deem(self, despatch: EntryId) -> EntryId:
        return self.sells(DeemedReceipt, despatch=despatch)

    def answer_return(self, request: EntryId, code: str = "AP") -> EntryId:
        return self.sells(ReturnResponse, request=request, code=code)

    def draft(self, *receipts: EntryId, rates: Rates | None = None) -> Bill:
        taxes = dict.fromkeys(range(len(self.quantities)), STANDARD)
        return bill_of(self.state(), receipts, taxes, rates or Rates(fee_bps=100))

    def bill(self, *receipts: EntryId, number: str = "I-1", **changes: Any) -> EntryId:
        made = figures(self.draft(*receipts))
        fixed = {"currency": "GBP", "due_ms": NOW + 30 * DAY, "fee_bps": 100, "number": number}
        return self.sells(Invoice, **{**made, **fixed, "receipts": list(receipts), **changes})

    def credit(
        self, invoice: EntryId, quantities: dict[int, int], number: str = "C-1", **changes: Any
    ) -> EntryId:
        state = self.state()
        made = figures(credit_of(state, state.invoices[invoice], quantities))
        fixed = {"invoice": invoice, "number": number, "reason": "QUA"}
        return self.sells(CreditNote, **{**made, **fixed, **changes})

    # --- the buyer -----------------------------------------------------------------------------

    def agree(self, response: EntryId, code: Any = "AP") -> EntryId:
        return self.buys(OrderAgreement(code=code, order=ID, response=response))

    def change(self, *lines: tuple[int, int]) -> EntryId:
        made = [ChangedLine(line=at, quantity=quantity) for at, quantity in lines]
        return self.buys(OrderChange(lines=made, order=ID))

    def cancel(self) -> EntryId:
        return self.buys(OrderCancel(order=ID))

    def receive(self, despatch: EntryId, *lines: ReceiptLine) -> EntryId:
        return self.buys(Receipt(despatch=despatch, lines=list(lines), order=ID))

    def give_back(self, despatch: EntryId, *lines: tuple[int, int], ref: str = "R-1") -> EntryId:
        made = [ReturnLine(line=at, quantity=n, reason="quality") for at, n in lines]
        return self.buys(ReturnRequest(despatch=despatch, lines=made, order=ID, ref=ref))

    def answer(self, invoice: EntryId, code: Any) -> EntryId:
        more: Any = {"reasons": ["PRI"]} if code in {"CA", "RE", "UQ"} else {}
        return self.buys(InvoiceResponse(code=code, invoice=invoice, order=ID, **more))


def figures(bill: Bill) -> dict[str, Any]:
    return {
        "fee": bill.fee,
        "lines": list(bill.lines),
        "net": bill.net,
        "tax": bill.tax,
        "taxes": list(bill.taxes),
        "total": bill.total,
    }


def promised(line: int, *quantities: int, price: int | None = None) -> PromisedLine:
    more: Any = {} if price is None else {"price": Price(amount=price, base=10, currency="GBP")}
    made = [Delivery(by_ms=NOW + n * DAY, quantity=each) for n, each in enumerate(quantities)]
    return PromisedLine(deliveries=made, line=line, **more)


def counted(line: int, accepted: int, **more: int) -> ReceiptLine:
    none = {"damaged": 0, "over": 0, "refused": 0, "short": 0}
    return ReceiptLine(accepted=accepted, line=line, **{**none, **more})
