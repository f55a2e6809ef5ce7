"""Units: what people call them, and exact conversion inside a family."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import Demand, Item, Price
from sheaf_services.pooled_purchasing.lists.item_choice import Choices
from sheaf_services.pooled_purchasing.lists.known_item import Catalogue
from sheaf_services.pooled_purchasing.lists.list_file import read_table
from sheaf_services.pooled_purchasing.lists.measure import unit_of
from sheaf_services.pooled_purchasing.lists.purchase_list import LAYOUT, demands_of
from sheaf_services.pooled_purchasing.lists.unit_family import FAMILIES, ratio
from sheaf_services.pooled_purchasing.lists.unit_names import MEASURED, WHOLE

HEADER = "item,quantity,unit,max_price,currency,min_quantity\n"
ALL = sorted(unit for family in FAMILIES.values() for unit in family)


def wanted(line: str, *traded: str) -> Demand:
    catalogue = Catalogue()
    for unit in traded:
        known = unit_of(unit)
        assert known is not None
        catalogue.add(Item(code="feed", name="Hen feed", scale=known.scale, unit=unit))
    table = read_table((HEADER + line).encode(), LAYOUT)
    [demand] = demands_of(table, Choices(catalogue), zone="ALL", today_ms=0)
    assert decode(encode(demand), Demand) == demand
    return demand


def refusal(line: str, *traded: str) -> Refusal:
    with pytest.raises(Refusal) as caught:
        wanted(line, *traded)
    return caught.value


def test_no_name_means_two_units() -> None:
    meant: dict[str, set[str]] = {}
    for table in (WHOLE, MEASURED):
        for code, names in table.items():
            for name in (code, *names):
                meant.setdefault(name.casefold(), set()).add(code)

    assert {name: codes for name, codes in meant.items() if len(codes) > 1} == {}


def test_every_unit_of_a_family_is_known() -> None:
    assert [unit for unit in ALL if unit_of(unit) is None] == []
    assert len(ALL) == len(set(ALL))


@given(st.sampled_from(ALL), st.sampled_from(ALL))
def test_there_and_back_is_the_same(one: str, other: str) -> None:
    there, back = ratio(one, other), ratio(other, one)

    assert (there is None) == (back is None)
    assert there is None or back is None or there * back == 1


def test_tonnes_of_an_item_that_is_traded_in_kilograms() -> None:
    demand = wanted("feed,2.5,t,250.00,GBP,0.5", "KGM")

    assert demand.item.key == ("feed", "KGM", 3)
    assert (demand.quantity, demand.min_quantity) == (2_500_000, 500_000)
    assert demand.max_price == Price(amount=1, base=40, currency="GBP")  # 25 pence a kilogram


@pytest.mark.parametrize(
    ("line", "traded", "quantity", "price"),
    [
        ("feed,3,dozen,2.40,GBP,", "H87", 36, Fraction(20)),
        ("feed,36,piece,0.20,GBP,", "DZN", 3, Fraction(240)),
        ("feed,1500,g,0.004,GBP,", "KGM", 1_500, Fraction(4, 10)),
        ("feed,2,m3,1000,GBP,", "LTR", 2_000_000, Fraction(100, 1_000)),
        ("feed,2,dozen,5,GBP,", "PR", 12, Fraction(500, 6)),
        ("feed,120,cm,0.1,GBP,", "MTR", 1_200, Fraction(1)),
    ],
)
def test_quantity_and_price_change_together_and_exactly(
    line: str, traded: str, quantity: int, price: Fraction
) -> None:
    demand = wanted(line, traded)

    assert (demand.item.unit, demand.quantity) == (traded, quantity)
    assert Fraction(demand.max_price.amount, demand.max_price.base) == price


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_what_is_paid_at_most_is_the_same_in_either_unit(grams: int, pence: int) -> None:
    line = f"feed,{grams * 1000},g,{pence / 100:.2f},GBP,"

    own, other = wanted(line), wanted(line, "KGM")

    assert _most(own) == _most(other)


def _most(demand: Demand) -> Fraction:
    return Fraction(demand.max_price.amount * demand.quantity, demand.max_price.base)


@pytest.mark.parametrize(
    ("line", "traded", "expected"),
    [
        ("feed,35,piece,1,GBP,", "DZN", "a whole number of DZN, in which the item is traded"),
        ("feed,0.5,g,1,GBP,", "KGM", "at most 3 decimals of KGM, in which the item is traded"),
        ("feed,36,piece,1,GBP,5", "DZN", "column min_quantity"),
        ("feed,1,t,0.00001,GBP,", "GRM", "a price that is exact for one GRM"),
    ],
)
def test_what_does_not_come_out_even_is_said_and_not_rounded(
    line: str, traded: str, expected: str
) -> None:
    assert expected in refusal(line, traded).detail


def test_a_unit_in_which_the_item_is_traded_too_is_left() -> None:
    assert wanted("feed,2,t,250,GBP,", "KGM", "TNE").item.key == ("feed", "TNE", 3)


def test_between_two_units_somebody_has_to_choose() -> None:
    refused = refusal("feed,2000,g,1,GBP,", "KGM", "TNE")

    assert (refused.code, "one of KGM, TNE" in refused.detail) == ("import.unit", True)


def test_a_unit_of_another_family_is_another_item() -> None:
    assert wanted("feed,2,bag,9,GBP,", "KGM").item.key == ("feed", "XBG", 0)


def test_an_item_that_nobody_trades_keeps_its_unit() -> None:
    demand = wanted("feed,2,t,250,GBP,")

    assert structs.asdict(demand)["item"].unit == "TNE"
