"""What people and programs ask of the service: bodies of commands, and orders by their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
from msgspec import Meta

from sheaf_protocol.errors import Refusal
from sheaf_protocol.records.delivery import GoodsReason
from sheaf_protocol.records.invoice import StatusAction, StatusReason, Tax
from sheaf_protocol.records.order import BasisPoints, LineIndex, Units
from sheaf_protocol.records.values import Amount, Code, Item, Quantity, Reason, TimeMs, Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sheaf_node.plugins import Call
    from sheaf_protocol.digest import EntryId

T = TypeVar("T", bound=msgspec.Struct)
V = TypeVar("V")

_LEAST_PREFIX = 4
"""Digits of an id that a person has to type."""


class _Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a command takes as JSON."""


class Delivered(_Body, frozen=True, kw_only=True):
    """A part of a line, and until when it comes."""

    by_ms: TimeMs
    quantity: Quantity


class Promised(_Body, frozen=True, kw_only=True):
    """What is promised of a line; `amount` is a lower price for the order's base."""

    line: LineIndex
    deliveries: list[Delivered]
    amount: Amount | None = None


class Respond(_Body, frozen=True, kw_only=True):
    """An answer to an order."""

    code: str = "AP"
    lines: list[Promised] = []
    reason: Reason | None = None
    agree_by_ms: TimeMs | None = None
    cancel_fee_bps: BasisPoints | None = None


class LineQuantity(_Body, frozen=True, kw_only=True):
    """So much of a line."""

    line: LineIndex
    quantity: Units


class Change(_Body, frozen=True, kw_only=True):
    """Other quantities."""

    lines: list[LineQuantity]
    window: Window | None = None
    reason: Reason | None = None


class Lot(_Body, frozen=True, kw_only=True):
    """A batch of a line."""

    code: Code
    quantity: Quantity
    expires_ms: TimeMs | None = None


class Sent(_Body, frozen=True, kw_only=True):
    """What of a line goes off. Without `outstanding` the rest of it follows."""

    line: LineIndex
    delivered: Units
    outstanding: Units | None = None
    batches: list[Lot] = []


class Despatching(_Body, frozen=True, kw_only=True):
    """Goods that go off; without lines, all that is outstanding."""

    lines: list[Sent] = []
    ref: Code | None = None
    arrives_ms: TimeMs | None = None
    packages: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None


class Counted(_Body, frozen=True, kw_only=True):
    """What came of a line; what is not named is what was advised, or none."""

    line: LineIndex
    accepted: Units | None = None
    short: Units = 0
    over: Units = 0
    damaged: Units = 0
    refused: Units = 0
    reason: GoodsReason | None = None


class Unordered(_Body, frozen=True, kw_only=True):
    """What came and was never ordered."""

    item: Item
    quantity: Quantity
    reason: GoodsReason | None = None


class Receiving(_Body, frozen=True, kw_only=True):
    """What came; without lines all as it was despatched."""

    lines: list[Counted] = []
    unordered: list[Unordered] = []


class Back(_Body, frozen=True, kw_only=True):
    """So much of a line goes back."""

    line: LineIndex
    quantity: Quantity
    reason: GoodsReason = "other"


class Returning(_Body, frozen=True, kw_only=True):
    """Goods to give back."""

    lines: list[Back]
    ref: Code | None = None


class Issuing(_Body, frozen=True, kw_only=True):
    """An invoice over all that was received and not billed."""

    number: Code | None = None
    tax: Tax | None = None


class Answering(_Body, frozen=True, kw_only=True):
    """An answer to an invoice."""

    code: str = "AP"
    reasons: list[StatusReason] = []
    actions: list[StatusAction] = []


class Crediting(_Body, frozen=True, kw_only=True):
    """What is taken back of an invoice; without lines all that is left of it."""

    lines: list[LineQuantity] = []
    number: Code | None = None
    reason: StatusReason = "OTH"


def read_body(call: Call, type_: type[T]) -> T:
    """Return the body of a call; without one what its defaults make. Raises `order.body`."""
    try:
        return msgspec.json.decode(call.body or b"{}", type=type_)
    except msgspec.DecodeError as exc:
        raise Refusal("order.body", f"expected JSON for {type_.__name__}: {exc}") from exc


def read_code(given: str, *codes: str) -> str:
    """Return a code that is one of these. Raises `order.body`."""
    if given not in codes:
        raise Refusal("order.body", f"expected {' or '.join(codes)}, got {given[:16]!r}")
    return given


def find(call: Call, name: str, known: Mapping[EntryId, V]) -> tuple[EntryId, V]:
    """Return what the option of this name begins to name. Raises Refusal `order.unknown`."""
    return pick(call.options.get(name, ""), name, known)


def find_only(call: Call, name: str, known: Mapping[EntryId, V]) -> tuple[EntryId, V]:
    """Return what the option names, or the only one there is where it is not given."""
    given = call.options.get(name, "")
    if not given and len(known) == 1:
        return next(iter(known.items()))
    return pick(given, name, known)


def pick(given: str, name: str, known: Mapping[EntryId, V]) -> tuple[EntryId, V]:
    """Return the one whose id begins so. Raises Refusal `order.unknown`."""
    is_long = len(given) >= _LEAST_PREFIX
    found = [each for each in known.items() if is_long and each[0].hex().startswith(given.lower())]
    if len(found) != 1:
        detail = f"expected the first digits of one {name}, got {given[:64]!r} for {len(found)}"
        raise Refusal("order.unknown", detail)
    return found[0]


def by_line(lines: Iterable[LineQuantity]) -> dict[int, int]:
    """Return quantities by line."""
    return {each.line: each.quantity for each in lines}
