"""What is known of one order: its lines, and a state for each track (spec 11, section 5).

Two logs have no order between them. The supplier says in each of its records how far it had read
the buyer's; so both, and whoever is shown the two lines, read one story (LIF-8).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import UNSET

from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.lifecycle.order import Delivery, Order
from sheaf_protocol.lifecycle.table import Party
from sheaf_protocol.records.delivery import (
    DeemedReceipt,
    Despatch,
    Receipt,
    ReturnRequest,
    ReturnResponse,
)
from sheaf_protocol.records.invoice import CreditNote, Invoice, InvoiceResponse
from sheaf_protocol.records.order import (
    CancelResponse,
    ChangeResponse,
    OrderAgreement,
    OrderCancel,
    OrderChange,
    OrderLapse,
    OrderResponse,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from msgspec import UnsetType

    from sheaf_protocol.digest import EntryId
    from sheaf_protocol.lifecycle.invoice import Invoice as InvoiceStand
    from sheaf_protocol.lifecycle.invoice import Return
    from sheaf_protocol.lifecycle.order import Amendment, Cancellation
    from sheaf_protocol.records.order import Delivery as Promise
    from sheaf_protocol.records.order import Order as OrderRecord
    from sheaf_protocol.records.values import Price, Window

AboutGoods: TypeAlias = (
    Despatch
    | Receipt
    | DeemedReceipt
    | ReturnRequest
    | ReturnResponse
    | Invoice
    | InvoiceResponse
    | CreditNote
)
About: TypeAlias = (
    OrderResponse
    | OrderAgreement
    | OrderLapse
    | OrderChange
    | ChangeResponse
    | OrderCancel
    | CancelResponse
    | AboutGoods
)
"""A record that names an order."""

MAX_SAID: Final = 256
"""Records of one side about one order that count: two deliveries a week for a year, each with its
receipt, invoice and answer, have fewer (LIF-9)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """A record about an order at its place in its author's line."""

    id: EntryId
    time_ms: int
    record: About


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """The order itself."""

    id: EntryId
    time_ms: int
    record: OrderRecord


@dataclass(kw_only=True, slots=True)
class LineState:
    """One line of an order, in units of its item."""

    ordered: int
    """By the version in force."""
    price: Price
    due: int
    """Outstanding: ordered, not on the way, and not given up."""
    promises: tuple[Promise, ...] = ()
    sent: int = 0
    accepted: int = 0


@dataclass(kw_only=True, slots=True)
class DeliveryState:
    """One despatch, and what of each line the buyer kept."""

    said: Said
    advice: Despatch
    state: Delivery
    receipt: EntryId | None = None
    """What made it received or deemed; an invoice names it."""
    accepted: dict[int, int] = field(default_factory=dict)
    returned: dict[int, int] = field(default_factory=dict)
    """What was asked back of it, refused requests left out."""

    @property
    def is_on_the_way(self) -> bool:
        """Whether goods went off that nobody counted yet."""
        has_goods = any(line.delivered for line in self.advice.lines)
        return has_goods and self.state is Delivery.DESPATCHED


@dataclass(kw_only=True, slots=True)
class InvoiceState:
    """One invoice, the newest answer, and what of each line was credited."""

    said: Said
    record: Invoice
    state: InvoiceStand
    answer: InvoiceResponse | None = None
    credits: list[CreditNote] = field(default_factory=list)
    credited: dict[int, int] = field(default_factory=dict)

    @property
    def credited_total(self) -> int:
        """The money taken back."""
        return sum(note.total for note in self.credits)


@dataclass(kw_only=True, slots=True)
class ReturnState:
    """One request to give goods back."""

    said: Said
    record: ReturnRequest
    state: Return


@dataclass(kw_only=True, slots=True)
class OrderState:
    """One order with all that came of it."""

    placed: Placed
    state: Order
    lines: list[LineState]
    window: Window | UnsetType = UNSET
    answer: OrderResponse | None = None
    """The newest response that has effect."""
    proposal: tuple[Said, OrderResponse] | None = None
    """The newest changes that the supplier proposed."""
    cancel_fee_bps: int = 0
    cancel_fee: int = 0
    cancelled_ms: int = 0
    """The time of the supplier's record by which the fee is owed."""
    amendments: dict[EntryId, Amendment] = field(default_factory=dict)
    change: tuple[EntryId, OrderChange] | None = None
    """The change that waits for the supplier."""
    cancellations: dict[EntryId, Cancellation] = field(default_factory=dict)
    cancel: EntryId | None = None
    """The cancellation that waits for the supplier."""
    deliveries: dict[EntryId, DeliveryState] = field(default_factory=dict)
    invoices: dict[EntryId, InvoiceState] = field(default_factory=dict)
    returns: dict[EntryId, ReturnState] = field(default_factory=dict)
    refused: dict[EntryId, str] = field(default_factory=dict)
    """Records without effect, each with the code of the rule that it breaks."""
    read: EntryId | None = None
    """The newest of the buyer's records; what a supplier that read all names in `after`."""
    unread: int = 0
    """Records of the buyer that the supplier had not read when it last wrote."""
    waiting: int = 0
    """Records of the supplier that name one of the buyer's which is not here."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing is outstanding and nothing on the way."""
        has_more = any(line.due for line in self.lines)
        return not has_more and not any(d.is_on_the_way for d in self.deliveries.values())

    @property
    def despatched_receipts(self) -> dict[EntryId, DeliveryState]:
        """The deliveries that were received or deemed, by what says so."""
        return {d.receipt: d for d in self.deliveries.values() if d.receipt is not None}


def begin(placed: Placed) -> OrderState:
    """Return the state of an order of which nothing else is known."""
    record = placed.record
    lines = [
        LineState(ordered=line.quantity, price=record.price, due=line.quantity)
        for line in record.lines
    ]
    return OrderState(placed=placed, state=Order.PLACED, lines=lines, window=record.window)


def in_reading_order(
    state: OrderState, buyer: Sequence[Said], supplier: Sequence[Said]
) -> Iterator[tuple[Said, Party]]:
    """Yield the records of both lines in the order in which all read them (LIF-8).

    Notes in the state what the supplier has not read, and what waits.
    """
    place_of = {said.id: at + 1 for at, said in enumerate(buyer)}
    place_of[state.placed.id] = 0
    read = 0
    for at, said in enumerate(supplier):
        after = getattr(said.record, "after", UNSET)
        if after is not UNSET and after not in place_of:
            state.waiting = len(supplier) - at
            break
        upto = read if after is UNSET else max(read, place_of[after])
        yield from ((each, Party.BUYER) for each in buyer[read:upto])
        yield said, Party.SUPPLIER
        read = upto
    state.unread = len(buyer) - read
    state.read = buyer[-1].id if buyer else state.placed.id
    yield from ((each, Party.BUYER) for each in buyer[read:])


def refuse(code: str, detail: str) -> RemoteProtocolError:
    """Return the refusal of a record by its author's fault."""
    return RemoteProtocolError(code, detail, Fault.AUTHOR)
