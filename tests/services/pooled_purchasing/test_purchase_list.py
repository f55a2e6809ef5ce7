"""A manager's purchase list becomes demands, all or none."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import Demand, Price, Window
from sheaf_services.pooled_purchasing.lists.purchase_list import parse_purchase_list

HEADER = "ref,item,name,quantity,unit,max_price,currency,zone,min_quantity,needed_by,note,earliest"
GOOD = "r1,ewe-nuts,Ewe nuts 18 %,120,bag,7.45,GBP,NORTH,40,2025-03-31,by lorry,"


def parse(*lines, header=HEADER, **other):
    content = "\n".join((header, *lines)).encode()
    return parse_purchase_list(content, **({"zone": "HOME", "today_ms": 0} | other))


def altered(column, value):
    cells = dict(zip(HEADER.split(","), GOOD.split(","), strict=True)) | {column: value}
    return ",".join(cells.values())


def test_a_full_line():
    (demand,) = parse(GOOD)

    assert demand.item.key == ("ewe-nuts", "XBG", 0)
    assert demand.item.name == "Ewe nuts 18 %"
    assert (demand.quantity, demand.min_quantity) == (120, 40)
    assert demand.max_price == Price(amount=745, base=1, currency="GBP")
    assert (demand.ref, demand.zone, demand.is_firm) == ("r1", "NORTH", True)
    assert demand.window == Window(from_ms=0, to_ms=1_743_465_599_999)
    assert decode(encode(demand), Demand) == demand


def test_only_five_columns_are_needed():
    (demand,) = parse("nuts,5,KGM,1,eur", header="item,quantity,unit,max_price,currency")

    assert (demand.item.name, demand.ref, demand.zone) == ("nuts", "nuts", "HOME")
    assert (demand.min_quantity, demand.max_price.currency) == (1, "EUR")
    assert decode(encode(demand), Demand) == demand


def test_a_category_travels_with_the_item_and_is_no_part_of_what_it_is():
    header = "item,category,quantity,unit,max_price,currency"
    with_one, without = parse("nuts,feed,5,KGM,1,EUR", "oats,,5,KGM,1,EUR", header=header)

    assert with_one.item.category == "feed"
    assert without.item.category is UNSET
    assert with_one.item.key == ("nuts", "KGM", 3)


def test_a_category_that_is_no_code_is_refused():
    with pytest.raises(Refusal) as refused:
        parse(
            "nuts,feed & grain,5,KGM,1,EUR", header="item,category,quantity,unit,max_price,currency"
        )

    assert refused.value.code == "import.category"


def test_measured_quantities_have_three_decimals_whatever_the_list_says():
    lines = ["salt,12.5,kg,0.80,GBP", "lime,20,kg,0.805,GBP", "sand,2.50,t,90,GBP"]

    first, second, tonnes = parse(*lines, header="item,quantity,unit,max_price,currency")

    assert (first.item.scale, first.quantity, second.quantity) == (3, 12_500, 20_000)
    assert first.max_price == Price(amount=80, base=1_000, currency="GBP")
    assert second.max_price == Price(amount=805, base=10_000, currency="GBP")
    assert (tonnes.item.key, tonnes.quantity) == (("sand", "TNE", 3), 2_500)


def test_the_same_line_in_another_list_is_the_same_item():
    header = "ref,item,quantity,unit,max_price,currency"
    (alone,) = parse(",salt,20,kg,1,GBP", header=header)
    beside, _ = parse(",salt,20,kg,1,GBP", "more,salt,0.125,kg,1,GBP", header=header)

    assert alone == beside


def test_a_line_without_a_reference_has_its_items_code():
    lines = ["a:2,a,1,kg,1,GBP", ",a,1,kg,1,GBP", ",b,1,kg,1,GBP"]

    demands = parse(*lines, header="ref,item,quantity,unit,max_price,currency")

    assert [demand.ref for demand in demands] == ["a:2", "a", "b"]


def test_a_second_line_of_an_item_needs_a_reference():
    lines = ["a,1,kg,1,GBP", "b,1,kg,1,GBP", "c,1,kg,1,GBP", "a,2,kg,1,GBP"]

    with pytest.raises(Refusal) as caught:
        parse(*lines, header="item,quantity,unit,max_price,currency")

    assert caught.value.code == "import.duplicate_ref"
    assert caught.value.detail.startswith(
        "line 5, column ref: expected a ref for each of the lines of this item,"
        " for the item stands on lines 2 and 5, got "
    )


OWN, BARE = "a,b,1,kg,1,GBP", ",a,1,kg,1,GBP"


@pytest.mark.parametrize("lines", [[OWN, BARE], [BARE, OWN]])
def test_an_items_code_that_another_line_has_as_reference_is_no_reference(lines):
    with pytest.raises(Refusal) as caught:
        parse(*lines, header="ref,item,quantity,unit,max_price,currency")

    assert caught.value.code == "import.duplicate_ref"
    assert "line 3, column ref: expected a reference not used on line 2" in caught.value.detail


@pytest.mark.parametrize("column", ["quantity", "min_quantity"])
@pytest.mark.parametrize(
    ("value", "code"),
    [
        pytest.param("1.000", "import.ambiguous", id="a thousand or one"),
        pytest.param('"1,000"', "import.ambiguous", id="a thousand or one with a comma"),
        pytest.param("1.5", "import.quantity", id="one and a half"),
    ],
)
def test_what_is_counted_is_a_whole_number_for_certain(column, value, code):
    with pytest.raises(Refusal) as caught:
        parse(altered(column, value).replace(",bag,", ",Rolls,"))

    assert caught.value.code == code
    assert f"line 2, column {column}: expected " in caught.value.detail


@pytest.mark.parametrize("value", ["120.0", '"120,00"', "\u0661\u0662\u0660"])
def test_what_is_counted_may_have_decimals_that_are_none(value):
    (demand,) = parse(altered("quantity", value))

    assert demand.quantity == 120


NOON_MS = 1_743_422_400_000
"""31 March 2025, 12:00 UTC."""


def test_what_is_needed_today_is_not_too_late():
    assert len(parse(GOOD, today_ms=NOON_MS)) == 1


def test_what_was_needed_yesterday_is_refused_with_its_line():
    with pytest.raises(Refusal) as caught:
        parse(GOOD, altered("ref", "r2").replace("03-31", "03-30"), today_ms=NOON_MS)

    assert caught.value.code == "import.date"
    expected = "line 3, column needed_by: expected a day from 2025-03-31 on, got '2025-03-30'"
    assert caught.value.detail == expected


@pytest.mark.parametrize(
    ("name", "code"),
    [("Bags", "XBG"), ("KG", "KGM"), ("litres", "LTR"), ("dzn", "DZN"), ("Square  Metre", "MTK")],
)
def test_units_go_by_code_or_everyday_name(name, code):
    (demand,) = parse(altered("unit", name))

    assert demand.item.unit == code


def test_money_goes_by_the_minor_units_of_its_currency():
    yen, dinar = parse(
        "a,1,bag,120,JPY", "b,1,bag,1.2345,KWD", header="item,quantity,unit,max_price,currency"
    )

    assert yen.max_price == Price(amount=120, base=1, currency="JPY")
    assert dinar.max_price == Price(amount=12_345, base=10, currency="KWD")


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        pytest.param("quantity", "", "import.quantity", id="no quantity"),
        pytest.param("quantity", "many", "import.quantity", id="text"),
        pytest.param("quantity", "0", "import.quantity", id="nothing"),
        pytest.param("quantity", "0.00", "import.quantity", id="nothing with decimals"),
        pytest.param("quantity", "-5", "import.quantity", id="below nothing"),
        pytest.param("quantity", "1e3", "import.quantity", id="an exponent"),
        pytest.param("quantity", ".5", "import.quantity", id="no digit before the point"),
        pytest.param("quantity", "\u00b2", "import.quantity", id="a digit that counts nothing"),
        pytest.param("quantity", "12.5", "import.quantity", id="half a bag"),
        pytest.param("quantity", "9999999999999", "import.quantity", id="more than the wire holds"),
        pytest.param("quantity", '"12,5"', "import.quantity", id="half a bag with a comma"),
        pytest.param("quantity", '"1,20,000"', "import.quantity", id="thousands in twos"),
        pytest.param("min_quantity", "121", "import.quantity", id="a minimum above the want"),
        pytest.param("min_quantity", "x", "import.quantity", id="a minimum in text"),
        pytest.param("unit", "hogshead", "import.unit", id="an unknown unit"),
        pytest.param("unit", "", "import.unit", id="no unit"),
        pytest.param("max_price", "cheap", "import.price", id="a price in text"),
        pytest.param("max_price", "0", "import.price", id="a price of nothing"),
        pytest.param("max_price", "\u00a37.45", "import.price", id="a currency sign"),
        pytest.param("max_price", "7.123456", "import.price", id="too many decimals"),
        pytest.param("max_price", '"7,450"', "import.ambiguous", id="a price that may be two"),
        pytest.param("currency", "", "import.currency", id="no currency"),
        pytest.param("currency", "XYZ", "import.currency", id="an unknown currency"),
        pytest.param("item", "Ewe nuts", "import.item", id="a name for a code"),
        pytest.param("ref", "r 1", "import.ref", id="a reference with a space"),
        pytest.param("zone", "far away", "import.zone", id="a zone with a space"),
        pytest.param("needed_by", "31/03/2025", "import.date", id="another order"),
        pytest.param("needed_by", "2025-02-30", "import.date", id="a day that does not exist"),
        pytest.param("needed_by", "1969-12-31", "import.date", id="before all days"),
        pytest.param("earliest", "2025-04-01", "import.date", id="earliest after the last"),
        pytest.param("earliest", "soon", "import.date", id="earliest in text"),
    ],
)
def test_a_bad_cell_is_refused_with_its_line_and_column(column, value, code):
    with pytest.raises(Refusal) as caught:
        parse(GOOD, altered("ref", "r2"), altered(column, value).replace("r1,", "r3,"))

    assert caught.value.code == code
    assert caught.value.detail.startswith(f"line 4, column {column}: expected ")


@pytest.mark.parametrize(
    ("unit", "value"),
    [
        pytest.param("kg", "1.1234", id="less than a gram"),
        pytest.param("bag", "1.5", id="half a bag"),
        pytest.param("kg", "9999999999.1", id="more units than the wire holds"),
    ],
)
def test_a_quantity_that_does_not_fit_the_scale_is_refused(unit, value):
    line = f"nuts,{value},{unit},1,GBP"

    with pytest.raises(Refusal) as caught:
        parse(line, header="item,quantity,unit,max_price,currency")

    assert caught.value.code == "import.quantity"


def test_a_reference_used_twice_is_refused():
    with pytest.raises(Refusal) as caught:
        parse(GOOD, GOOD)

    assert caught.value.code == "import.duplicate_ref"
    assert "line 3, column ref: expected a reference not used on line 2" in caught.value.detail


@pytest.mark.parametrize("column", ["quantity", "unit", "max_price", "currency"])
def test_a_missing_column_is_named(column):
    names = HEADER.split(",")
    names.remove(column)

    with pytest.raises(Refusal) as caught:
        parse("x", header=",".join(names))

    assert caught.value.code == "import.column_missing"
    assert f"expected a column {column}," in caught.value.detail


def test_one_bad_line_among_good_ones_lets_nothing_through():
    with pytest.raises(Refusal) as caught:
        parse(GOOD, altered("ref", "r2").replace("120", "x"), altered("ref", "r3"))

    assert caught.value.code == "import.quantity"


def test_more_lines_than_a_list_may_have_are_refused():
    lines = ["a,1,kg,1,GBP"] * 10_001

    with pytest.raises(Refusal) as caught:
        parse(*lines, header="item,quantity,unit,max_price,currency")

    assert caught.value.code == "import.too_many"


def test_the_earliest_day_begins_a_window():
    (demand,) = parse(altered("earliest", "2025-03-30"))

    assert demand.window == Window(from_ms=1_743_292_800_000, to_ms=1_743_465_599_999)


def test_an_earliest_day_alone_is_refused():
    with pytest.raises(Refusal) as caught:
        parse("a,1,bag,1,GBP,2025-03-30", header="item,quantity,unit,max_price,currency,earliest")

    assert caught.value.code == "import.date"
