"""A supplier's price list becomes offers, all or none."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import Offer, Tier
from sheaf_protocol.records.offer import Carriage
from sheaf_services.pooled_purchasing.lists.price_list import parse_price_list

NAMES = ["ref", "item", "name", "unit", "min_quantity", "price", "currency", "valid_until"]
NAMES += ["zone", "carriage", "max_quantity", "lead_days", "unit_weight_g", "note"]
CELLS = {"ref": "o1", "item": "ewe-nuts", "name": "Ewe nuts", "unit": "bag", "min_quantity": "1"}
CELLS |= {"price": "9.60", "currency": "GBP", "valid_until": "2025-12-31"}


def line(**changes):
    return ",".join((CELLS | changes).get(name, "") for name in NAMES)


def parse(*lines, **other):
    return parse_price_list("\n".join((",".join(NAMES), *lines)).encode(), **other).offers


def test_price_breaks_become_one_offer():
    (offer,) = parse(
        line(min_quantity="20", price="9.00", max_quantity="500", lead_days="3"),
        line(unit_weight_g="25000", max_quantity="500"),
        line(min_quantity="100", price="8.5"),
    )

    assert offer.tiers == [
        Tier(amount=960, from_quantity=1),
        Tier(amount=900, from_quantity=20),
        Tier(amount=850, from_quantity=100),
    ]
    assert (offer.base, offer.currency, offer.ref) == (1, "GBP", "o1")
    assert (offer.item.key, offer.item.name) == (("ewe-nuts", "XBG", 0), "Ewe nuts")
    assert (offer.max_quantity, offer.lead_days, offer.unit_weight_g) == (500, 3, 25_000)
    assert offer.carriage is UNSET
    assert offer.valid_until_ms == 1_767_225_599_999
    assert decode(encode(offer), Offer) == offer


def test_lines_for_several_zones_are_one_offer_with_its_carriage():
    (offer,) = parse(
        line(zone="south", carriage="0.4"),
        line(zone="NORTH", carriage="0.125"),
        line(zone="NORTH", carriage="0.125", min_quantity="20", price="9"),
        line(zone="HOME", carriage="0.00"),
    )

    assert offer.base == 10
    assert offer.tiers[0] == Tier(amount=9_600, from_quantity=1)
    assert offer.carriage == [
        Carriage(amount=0, zone="HOME"),
        Carriage(amount=125, zone="NORTH"),
        Carriage(amount=400, zone="SOUTH"),
    ]


def test_without_references_items_are_offers():
    offers = parse(line(ref=""), line(ref="", item="hay", name=""), line(ref="", unit="kg"))

    assert [offer.ref for offer in offers] == ["ewe-nuts:XBG", "hay:XBG", "ewe-nuts:KGM"]
    assert offers[1].item.name == "hay"


def test_quantities_and_prices_are_exact_at_the_items_scale():
    (offer,) = parse(
        line(unit="kg", min_quantity="0.5", price="0.8"),
        line(unit="kg", min_quantity="100", price="0.755"),
    )

    assert (offer.item.scale, offer.base) == (3, 10_000)
    assert offer.tiers == [
        Tier(amount=800, from_quantity=500),
        Tier(amount=755, from_quantity=100_000),
    ]


def test_the_scale_is_the_units_whatever_the_list_says():
    (offer,) = parse(line(unit="kg", min_quantity="1"))

    assert (offer.item.scale, offer.base, offer.tiers[0].from_quantity) == (3, 1_000, 1_000)


@pytest.mark.parametrize(
    ("lines", "code", "column"),
    [
        pytest.param([{"price": "free"}], "import.price", "price", id="a price in text"),
        pytest.param([{"min_quantity": "x"}], "import.quantity", "min_quantity", id="quantity"),
        pytest.param([{"unit": "ell"}], "import.unit", "unit", id="unit"),
        pytest.param([{"currency": "?"}], "import.currency", "currency", id="currency"),
        pytest.param([{"valid_until": ""}], "import.date", "valid_until", id="no date"),
        pytest.param([{"item": "a b"}], "import.item", "item", id="item"),
        pytest.param([{"ref": "a b"}], "import.ref", "ref", id="reference"),
        pytest.param([{"price": "9.600"}], "import.ambiguous", "price", id="two readings"),
        pytest.param([{"carriage": "1"}], "import.carriage", "carriage", id="without a zone"),
        pytest.param([{"zone": "N"}], "import.carriage", "carriage", id="a zone without carriage"),
        pytest.param(
            [{"zone": "N", "carriage": "x"}], "import.price", "carriage", id="carriage in text"
        ),
        pytest.param([{"lead_days": "1.5"}], "import.number", "lead_days", id="half a day"),
        pytest.param([{"lead_days": "9999"}], "import.number", "lead_days", id="27 years"),
        pytest.param(
            [{}, {"price": "9"}], "import.tier", "price", id="two prices from one quantity on"
        ),
        pytest.param(
            [{}, {"min_quantity": "9", "price": "9.60"}], "import.tier", "price", id="no fall"
        ),
        pytest.param(
            [{"min_quantity": str(n), "price": str(100 - n)} for n in range(1, 66)],
            "import.tier",
            "price",
            id="too many breaks",
        ),
        pytest.param(
            [{"zone": f"Z{n}", "carriage": "1"} for n in range(257)],
            "import.carriage",
            "zone",
            id="too many zones",
        ),
        pytest.param(
            [{"zone": "N", "carriage": "1"}, {"zone": "N", "carriage": "2"}],
            "import.carriage",
            "carriage",
            id="two rates for one zone",
        ),
        pytest.param([{}, {"item": "hay"}], "import.offer", "item", id="two items in one offer"),
        pytest.param([{}, {"unit": "kg"}], "import.offer", "unit", id="two units"),
        pytest.param([{}, {"currency": "EUR"}], "import.offer", "currency", id="two currencies"),
        pytest.param(
            [{}, {"valid_until": "2026-01-01"}], "import.offer", "valid_until", id="two dates"
        ),
        pytest.param(
            [{"max_quantity": "5"}, {"max_quantity": "6"}],
            "import.offer",
            "max_quantity",
            id="two limits",
        ),
    ],
)
def test_a_bad_price_list_is_refused(lines, code, column):
    with pytest.raises(Refusal) as caught:
        parse(*(line(**changes) for changes in lines))

    assert caught.value.code == code
    assert f", column {column}: expected " in caught.value.detail


def test_an_item_without_a_code_has_its_number():
    header = "gtin,item,unit,min_quantity,price,currency,valid_until\n"
    lines = "4006381333931,,bag,1,9,GBP,2025-12-31\n96385074,chews,bag,1,9,GBP,2025-12-31\n"

    offers = parse_price_list((header + lines).encode()).offers

    assert [offer.item.code for offer in offers] == ["4006381333931", "chews"]


def test_a_number_that_is_none_is_refused():
    content = b"gtin,unit,min_quantity,price,currency,valid_until\n123,bag,1,9,GBP,2025-12-31\n"

    with pytest.raises(Refusal) as caught:
        parse_price_list(content)

    assert caught.value.code == "import.gtin"
