"""Bodies of chapter 10 in parts: a demand, an offer, a table, each with values to replace."""

from __future__ import annotations

from typing import Final

from kit import ZERO, array, blob, integer, mapping, text

TRUE: Final = b"\xc3"
MINUS_ONE: Final = b"\xff"
MAX_INT: Final = 2**53 - 1
ITEM: Final = {
    "code": text("FLOUR-25"),
    "name": text("Flour, 25 kg"),
    "scale": integer(0),
    "unit": text("XBG"),
}
PRICE: Final = {"amount": integer(1450), "base": integer(1), "currency": text("GBP")}
WINDOW: Final = {"from_ms": integer(1), "to_ms": integer(2)}
PLACE: Final = {"lat_udeg": integer(55_163_000), "lon_udeg": MINUS_ONE, "name": text("Tarset")}
SEAT_CID: Final = bytes(range(32))
SEAT: Final = {"by": text("link"), "cid": blob(SEAT_CID), "name": text("Croft")}
DEMAND: Final = {
    "is_firm": TRUE,
    "item": mapping(**ITEM),
    "max_price": mapping(**PRICE),
    "min_quantity": integer(1),
    "quantity": integer(40),
    "ref": text("week-12/flour"),
    "zone": text("ALL"),
}
OFFER: Final = {
    "base": integer(1),
    "currency": text("GBP"),
    "item": mapping(**ITEM),
    "ref": text("o-1"),
    "tier_basis": text("all_units"),
    "tiers": array(mapping(amount=integer(1400), from_quantity=integer(1))),
    "valid_until_ms": integer(1),
}
TABLE: Final = {
    "first_row": integer(0),
    "provider": text("osm"),
    "ref": text("roads"),
    "rows": integer(1),
    "seconds": blob(bytes(4)),
    "size": integer(1),
}
VERDICT: Final = {"code": text("ok"), "level": text("own"), "subject": blob(ZERO)}
HOLD: Final = {
    "capacity": blob(ZERO),
    "group": blob(ZERO),
    "hold": blob(ZERO),
    "hold_for_ms": integer(1),
    "max": mapping(vehicles=integer(1)),
    "min": mapping(),
}


def demand(**changes: bytes) -> bytes:
    """Return the body of a demand; changes replace or add encoded values."""
    return ordered(DEMAND, changes)


def offer(*tiers: tuple[int, int]) -> bytes:
    """Return the body of an offer with these tiers, each a quantity and an amount."""
    made = [mapping(amount=integer(a), from_quantity=integer(q)) for q, a in tiers]
    return ordered(OFFER, {"tiers": array(*made)})


def ordered(fields: dict[str, bytes], changes: dict[str, bytes]) -> bytes:
    """Return a map with its keys in order."""
    return mapping(**dict(sorted({**fields, **changes}.items())))


def item(**changes: bytes) -> dict[str, bytes]:
    """Return a change of a demand's item."""
    return {"item": ordered(ITEM, changes)}


def seat(**changes: bytes) -> dict[str, bytes]:
    """Return a change of a demand or an offer: the seat that it is for."""
    return {"seat": ordered(SEAT, changes)}


def price(**changes: bytes) -> dict[str, bytes]:
    """Return a change of a demand's maximum price."""
    return {"max_price": ordered(PRICE, changes)}


def long_text(size: int) -> bytes:
    """Return text of 256 to 65,535 letters."""
    return b"\xda" + size.to_bytes(2) + b"a" * size


def table_at(**changes: bytes) -> bytes:
    """Return the body of a travel table of one place; changes replace encoded values."""
    places = array(ordered(PLACE, changes))
    return ordered(TABLE, {"places": places})


NO_WINDOW: Final = mapping(from_ms=integer(2), to_ms=integer(1))
ODD_KEY: Final = mapping(pallets=integer(2), zone=mapping(a=array()))
