"""Which item a line means: nothing is taken for one that nobody said it is."""

from __future__ import annotations

import time

import pytest

from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import Item
from sheaf_services.pooled_purchasing.lists.item_choice import MOST_ASKED, Choices, choices_of
from sheaf_services.pooled_purchasing.lists.known_item import MOST_ITEMS, Catalogue
from sheaf_services.pooled_purchasing.lists.list_file import read_table
from sheaf_services.pooled_purchasing.lists.purchase_list import LAYOUT, demands_of
from sheaf_services.pooled_purchasing.lists.refused import ListRefusal

HEADER = "item,gtin,name,quantity,unit,max_price,currency\n"
KNOWN = {"EWE-NUTS-25": "Ewe nuts 18 % 25 kg", "HEN-FEED": "Layers pellets", "HAY": "Meadow hay"}
EAN = "4006381333931"


def catalogue(**called: str) -> Catalogue:
    made = Catalogue()
    for code, name in KNOWN.items():
        made.add(Item(code=code, name=name, scale=0, unit="XBG"))
    made.add(Item(code=EAN, name="Fence posts", scale=0, unit="H87"))
    for name, code in called.items():
        made.called[name].add(code)
    return made


def codes(*lines: str, choices: Choices | None = None) -> list[str]:
    text = HEADER + "".join(f"{line},5,bag,9,GBP\n" for line in lines)
    table = read_table(text.encode(), LAYOUT)
    found = demands_of(table, choices or Choices(catalogue()), zone="ALL", today_ms=0)
    return [demand.item.code for demand in found]


def refused(*lines: str, choices: Choices | None = None) -> Refusal:
    with pytest.raises(Refusal) as caught:
        codes(*lines, choices=choices)
    return caught.value


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("HAY,,anything", "HAY"),
        (f"OWN-7,{EAN},Posts", EAN),  # its number is traded: another code would part the demand
        (f",{EAN},Posts", EAN),
        (f",0{EAN},", EAN),
        (",4006381 333931,", EAN),
        ("OWN-7,96385074,Chews", "OWN-7"),
        (",96385074,", "0000096385074"),
    ],
)
def test_a_number_that_is_traded_goes_first_then_the_own_code(line: str, code: str) -> None:
    assert codes(line) == [code]


def test_a_number_whose_check_digit_is_wrong_is_refused() -> None:
    assert refused("HAY,4006381333932,").code == "import.gtin"


def test_a_line_with_nothing_to_go_by_is_refused() -> None:
    assert refused(",,").code == "import.item"


def test_a_name_is_asked_about_with_what_it_may_mean_and_never_taken() -> None:
    choices = Choices(catalogue())

    found = refused(",,ewe nuts 25kg", ",,Meadow hay", choices=choices)

    assert found.code == "import.unmatched"
    first, second = choices.asked
    assert (first.line, first.proposals[0].code) == (2, "EWE-NUTS-25")
    assert (second.proposals[0].code, second.proposals[0].score) == ("HAY", 100)
    assert "such as EWE-NUTS-25" in found.detail


def test_a_name_like_no_other_is_asked_about_without_a_proposal() -> None:
    choices = Choices(catalogue())

    assert "no known one is called so" in refused(",,zzzz", choices=choices).detail
    assert list(choices.asked[0].proposals) == []


def test_an_answer_is_taken_also_for_an_item_that_nobody_knows() -> None:
    choices = choices_of({"items": "2=EWE-NUTS-25,3=NEW-1"}, catalogue())

    assert codes(",,ewe nuts", ",,something else", choices=choices) == ["EWE-NUTS-25", "NEW-1"]


def test_a_name_that_was_confirmed_before_is_not_asked_again() -> None:
    choices = Choices(catalogue(**{"our nuts": "EWE-NUTS-25"}))

    assert codes(",,Our  NUTS", choices=choices) == ["EWE-NUTS-25"]


def test_a_name_that_was_two_items_before_is_asked_about() -> None:
    known = catalogue(**{"our nuts": "EWE-NUTS-25"})
    known.called["our nuts"].add("HAY")

    assert refused(",,our nuts", choices=Choices(known)).code == "import.unmatched"


@pytest.mark.parametrize("items", ["2", "2=", "=HAY", "x=HAY", "2=a b", "0=HAY", "2=HAY;3=HAY"])
def test_an_answer_that_is_none_is_refused(items: str) -> None:
    with pytest.raises(Refusal) as caught:
        choices_of({"items": items}, Catalogue())

    assert caught.value.code == "import.answer"


def test_of_very_many_lines_the_first_are_asked_about_at_once() -> None:
    known = Catalogue()
    for number in range(MOST_ITEMS + 10):
        known.add(Item(code=f"I{number}", name=f"Article {number} of goods", scale=0, unit="XBG"))
    choices, before = Choices(known), time.process_time()

    found = refused(*(f",,articles nr {n}" for n in range(1_000)), choices=choices)

    assert isinstance(found, ListRefusal)
    assert (len(choices.asked), found.lines) == (MOST_ASKED, 1_000)
    assert len(known.names) == MOST_ITEMS
    assert time.process_time() - before < 5
