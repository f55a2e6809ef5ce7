"""The worked example of a seat: a demand of the sponsor that bears it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from blocks_examples import dump, view
from kit import integer, mapping, text
from record_values import DEMAND, SEAT, SEAT_CID, ordered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def demand() -> str:
    """Return the body of a demand for a seat, whose reference begins with the seat's id."""
    ref = f"{SEAT_CID[:4].hex()}:flour"
    body = ordered(DEMAND, {"quantity": integer(3), "ref": text(ref), "seat": mapping(**SEAT)})
    shown = {
        "is_firm": True,
        "item": {"code": "FLOUR-25", "name": "Flour, 25 kg", "scale": 0, "unit": "XBG"},
        "max_price": {"amount": 1450, "base": 1, "currency": "GBP"},
        "min_quantity": 1,
        "quantity": 3,
        "ref": ref,
        "seat": {"by": "link", "cid": SEAT_CID.hex(), "name": "Croft"},
        "zone": "ALL",
    }
    return "\n".join([view("The body of a `demand.submit`", shown), dump(body=body)])


EXAMPLES: Final[Mapping[str, Callable[[], str]]] = {"example_seat": demand}
