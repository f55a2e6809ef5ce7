"""The market made of a real week of a wholesaler's sales lines.

Quantities, prices and buyers are real; maxima are synthetic, drawn from a hash of the buyer and
the item so that anyone draws the same. The rule, in the order in which it is carried out:

1. A line counts unless it lacks a customer, has a quantity or price of 0 or less, or its invoice
   starts with C (a cancellation). Only products take part: codes that start with five digits,
   taken as written.
2. One demand per customer and item: the week's quantity.
3. List price = the most frequent unit price by lines, ties to the higher; from 1 piece.
4. A lower price is a tier if at least two buyers got it. It starts at the second smallest of
   those buyers' smallest line quantities. Going down in price, a tier is kept only if it starts
   above the one kept before. Then starts are multiplied by 5, for a pool is not a shop; the list
   price stays at 1. Items without such a tier take no part.
5. Maximum = list price * (100 - d) // 100, d = the first four bytes of
   SHA-256(salt + customer + "|" + item), big endian, modulo 21.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import Demand, Item, Offer, PoolOpen, Price, Tier, half_even
from sheaf_services.pooled_purchasing.evaluate import SINGLE_OFFER
from sheaf_services.pooled_purchasing.lists.list_file import read_rows
from sheaf_services.pooled_purchasing.lists.table import Layout, Row
from sheaf_services.pooled_purchasing.ration import PROPORTIONAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sheaf_protocol.digest import WriterId

LAYOUT: Final = Layout(
    required=("InvoiceNo", "StockCode", "Quantity", "UnitPrice", "CustomerID"),
    optional=("Description",),
    numbers=frozenset({"Quantity", "UnitPrice"}),
    is_open=True,
    max_rows=100_000,
)
CURRENCY: Final = "GBP"
UNIT: Final = "H87"
ZONE: Final = "GB"
POOL_FACTOR: Final = 5
"""How much larger than a shop's a pool's breaks are."""

_PRODUCT: Final = re.compile(r"[0-9]{5}")
_WHOLE: Final = re.compile(r"-?[0-9]{1,9}")
_PRICE: Final = re.compile(r"(-?)([0-9]{1,9})(?:\.([0-9]{1,9}))?")
_COMMA: Final = re.compile(r"-?[0-9][0-9.]*,[0-9][0-9,.]*")
_CUSTOMER: Final = re.compile(r"([0-9]{1,12})(?:\.0+)?")
_UNFIT: Final = re.compile(r"[^A-Za-z0-9._/|-]")


@dataclass(frozen=True, kw_only=True, slots=True)
class SalesLine:
    """One line that counts; prices in minor units."""

    item: str
    name: str
    customer: str
    quantity: int
    price: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What one customer wants of one item, and the most it pays for a piece."""

    customer: str
    quantity: int
    max_price: int

    def coop(self, coops: int) -> int:
        """Return the index of the co-op that the customer belongs to."""
        return int(self.customer) % coops


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemMarket:
    """One item that takes part: tiers as (from, price), the list price first."""

    code: str
    name: str
    tiers: tuple[tuple[int, int], ...]
    wanted: tuple[Wanted, ...]

    @property
    def item(self) -> Item:
        """The item as records name it."""
        return Item(code=item_code(self.code), name=self.name, scale=0, unit=UNIT)

    @property
    def reference(self) -> Price:
        """The list price."""
        return _price(self.tiers[0][1])

    def offer(self, valid_until_ms: int) -> Offer:
        """Return the wholesaler's all-units offer."""
        return Offer(
            base=1,
            currency=CURRENCY,
            item=self.item,
            ref=item_code(self.code),
            tier_basis="all_units",
            tiers=[Tier(amount=price, from_quantity=start) for start, price in self.tiers],
            valid_until_ms=valid_until_ms,
        )

    def demand(self, wanted: Wanted) -> Demand:
        """Return one customer's line, published by its co-op."""
        return Demand(
            is_firm=True,
            item=self.item,
            max_price=_price(wanted.max_price),
            min_quantity=1,
            quantity=wanted.quantity,
            ref=f"{wanted.customer}|{item_code(self.code)}",
            zone=ZONE,
        )

    def pool(self, owner: WriterId, closes_at_ms: int) -> PoolOpen:
        """Return the pool for the item: no fee, no carriage, the list price as reference."""
        return PoolOpen(
            closes_at_ms=closes_at_ms,
            fee_bps=0,
            item=self.item,
            k_min=1,
            may_close_early=True,
            mode="open",
            objective=SINGLE_OFFER,
            owner=owner,
            ration=PROPORTIONAL,
            reference=self.reference,
            title=self.name,
            zone=ZONE,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Week:
    """A week as read: how many lines, how many of them excluded, and the items that take part."""

    lines: int
    excluded: int
    items: tuple[ItemMarket, ...]


def read_week(
    files: Iterable[tuple[str, bytes]], salt: str = "", *, is_tiered: bool = True
) -> Week:
    """Return the market of a week's files, given as names and contents; items by code.

    Where it need not be `is_tiered`, items of one price alone take part as well.
    Raises Refusal `import.*` naming the file, and `import.empty` where there is none.
    """
    lines: list[SalesLine | None] = []
    for name, content in files:
        try:
            lines += read_rows(content, LAYOUT, _read)
        except Refusal as exc:
            raise Refusal(exc.code, f"{name}: {exc.detail}") from exc
    if not lines:
        raise Refusal("import.empty", "expected at least one CSV file, got none")
    counted = [line for line in lines if line is not None]
    return Week(
        lines=len(lines),
        excluded=len(lines) - len(counted),
        items=tuple(_markets(counted, salt, least=2 if is_tiered else 1)),
    )


def item_code(code: str) -> str:
    """Return a stock code as records may carry it: other characters as `:` and their hex.

    Codes are taken as written, so one with a space at its end is another item than one without.
    """
    return _UNFIT.sub(lambda found: f":{ord(found[0]):x}", code)


def _read(row: Row) -> SalesLine | None:
    """Return the line if it counts; one that does not must be readable all the same."""
    quantity, price = _quantity(row), _minor_units(row)
    customer = _customer(row)
    if not customer or quantity <= 0 or price is None:
        return None
    if row.text("InvoiceNo").startswith("C"):
        return None
    code = row.cells["StockCode"]
    if len(item_code(code)) > 40:
        raise row.refusal("import.item", "StockCode", "a stock code of at most 40 characters")
    name = row.text("Description")[:1_000] or code
    return SalesLine(item=code, name=name, customer=customer, quantity=quantity, price=price)


def _quantity(row: Row) -> int:
    text = row.text("Quantity")
    if _COMMA.fullmatch(text):
        raise row.refusal("import.decimal_comma", "Quantity", "a whole number")
    if not _WHOLE.fullmatch(text):
        raise row.refusal("import.quantity", "Quantity", "a whole number")
    return int(text)


def _minor_units(row: Row) -> int | None:
    """Return the price in pence, or None where it is not above 0; 0.125 is rounded half to even."""
    text = row.text("UnitPrice")
    if _COMMA.fullmatch(text):
        raise row.refusal("import.decimal_comma", "UnitPrice", "a decimal point")
    matched = _PRICE.fullmatch(text)
    if matched is None:
        raise row.refusal("import.price", "UnitPrice", "a price such as 1.85")
    sign, whole, decimals = matched[1], matched[2], matched[3] or ""
    digits = int(whole + decimals)
    if sign or not digits:
        return None
    return half_even(digits * 100, int(10 ** len(decimals)))


def _customer(row: Row) -> str:
    """Return the customer's number as integer text: the files write 17133.0."""
    text = row.text("CustomerID")
    matched = _CUSTOMER.fullmatch(text)
    if text and matched is None:
        raise row.refusal("import.customer", "CustomerID", "a customer number or nothing")
    return str(int(matched[1])) if matched else ""


def _markets(lines: Iterable[SalesLine], salt: str, least: int) -> Iterable[ItemMarket]:
    by_item: dict[str, list[SalesLine]] = defaultdict(list)
    for line in lines:
        if _PRODUCT.match(line.item):
            by_item[line.item].append(line)
    for code in sorted(by_item):
        tiers = _tiers(by_item[code])
        if len(tiers) >= least:
            wanted = _wanted(code, by_item[code], tiers[0][1], salt)
            yield ItemMarket(code=code, name=by_item[code][0].name, tiers=tiers, wanted=wanted)


def _tiers(lines: Sequence[SalesLine]) -> tuple[tuple[int, int], ...]:
    counts = Counter(line.price for line in lines)
    list_price = max(counts, key=lambda price: (counts[price], price))
    smallest: dict[int, dict[str, int]] = defaultdict(dict)
    for line in lines:
        of_buyer = smallest[line.price]
        of_buyer[line.customer] = min(line.quantity, of_buyer.get(line.customer, line.quantity))
    kept = [(1, list_price)]
    for price in sorted((p for p in counts if p < list_price), reverse=True):
        starts = sorted(smallest[price].values())
        if len(starts) > 1 and starts[1] > kept[-1][0]:
            kept.append((starts[1], price))
    return (kept[0], *((start * POOL_FACTOR, price) for start, price in kept[1:]))


def _wanted(
    code: str, lines: Iterable[SalesLine], list_price: int, salt: str
) -> tuple[Wanted, ...]:
    quantities: Counter[str] = Counter()
    for line in lines:
        quantities[line.customer] += line.quantity
    return tuple(
        Wanted(
            customer=customer,
            quantity=quantities[customer],
            max_price=list_price * (100 - _discount(salt, customer, code)) // 100,
        )
        for customer in sorted(quantities, key=int)
    )


def _discount(salt: str, customer: str, item: str) -> int:
    drawn = hashlib.sha256(f"{salt}{customer}|{item}".encode()).digest()
    return int.from_bytes(drawn[:4], "big") % 21


def _price(amount: int) -> Price:
    return Price(amount=amount, base=1, currency=CURRENCY)
