"""What a list would be published as, and all that is wrong with it."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from sheaf_protocol.errors import Refusal
from sheaf_services.pooled_purchasing.lists.checking import checked
from sheaf_services.pooled_purchasing.lists.item_choice import Choices
from sheaf_services.pooled_purchasing.lists.list_file import read_rows
from sheaf_services.pooled_purchasing.lists.purchase_list import (
    LAYOUT,
    demands_of,
    parse_purchase_list,
)
from sheaf_services.pooled_purchasing.lists.refused import MOST_TOLD, ListRefusal, PlacedRefusal

HEADER = "item,name,quantity,unit,max_price,currency\n"
NOW_MS = 1_770_000_000_000


def found(text: str, **options: str) -> dict[str, Any]:
    return checked(
        text.encode(),
        LAYOUT,
        options,
        lambda table: demands_of(table, Choices(), zone="ALL", today_ms=NOW_MS),
    )


def test_a_right_list_is_told_as_its_records() -> None:
    told = found(HEADER + "feed, Hen feed ,5,kg,1.00,GBP\n")

    assert (told["faults"], told["faulty"]) == ([], 0)
    [row] = told["rows"]
    assert (row["line"], row["cells"]["name"]) == (2, "Hen feed")
    [record] = told["records"]
    assert (record["kind"], record["record"]["quantity"]) == ("demand.submit", 5_000)


def test_every_line_that_is_wrong_is_told_with_its_column() -> None:
    told = found(HEADER + "feed,,5,kg,x,GBP\nhay,,5,bag,1,GBP\nwire,,-1,roll,1,GBP\n")

    places = [(each["line"], each["column"]) for each in told["faults"]]
    assert places == [(2, "max_price"), (4, "quantity")]
    assert (told["faulty"], told["records"], len(told["rows"])) == (2, [], 3)


def test_what_is_no_table_has_a_fault_and_no_rows() -> None:
    told = found("item,quantity\n")

    [fault] = told["faults"]
    assert (fault["line"], fault["code"]) == (1, "import.column_missing")
    assert (told["rows"], told["faulty"]) == ([], 1)


def test_so_many_faults_are_told_and_all_are_counted() -> None:
    told = found(HEADER + "".join(f"i{n},,x,kg,1,GBP\n" for n in range(MOST_TOLD + 50)))

    assert (len(told["faults"]), told["faulty"]) == (MOST_TOLD, MOST_TOLD + 50)


def test_what_is_no_fault_of_a_list_is_refused() -> None:
    def refused(_: object) -> list[Any]:
        raise Refusal("policy.role", "expected a member")

    with pytest.raises(Refusal) as caught:
        checked((HEADER + "feed,,5,kg,1,GBP\n").encode(), LAYOUT, {}, refused)

    assert caught.value.code == "policy.role"


def test_a_refusal_of_a_place_says_the_same_in_another_process() -> None:
    placed = PlacedRefusal("import.price", "expected a number", 4, "price")
    several = ListRefusal([placed, placed], 2)

    for refusal in (placed, several):
        again = pickle.loads(pickle.dumps(refusal))  # noqa: S301 - our own
        assert (again.code, again.detail) == (refusal.code, refusal.detail)
    assert placed.detail == "line 4, column price: expected a number"
    assert several.detail.endswith("; 1 more line has a problem")


def test_a_list_with_faults_is_refused_as_a_whole() -> None:
    with pytest.raises(ListRefusal) as caught:
        parse_purchase_list((HEADER + "feed,,x,kg,1,GBP\n").encode(), zone="ALL", today_ms=0)

    assert len(read_rows((HEADER + "a,,x,kg,1,GBP\n").encode(), LAYOUT, lambda row: row)) == 1
    assert caught.value.code == "import.quantity"


def test_beside_a_cell_stands_what_it_was_taken_for() -> None:
    told = found("item;quantity;unit;max_price;currency\nfeed;2,50;Kilo;1.000,00;gbp\n")

    [row] = told["rows"]
    assert row["cells"]["quantity"] == "2,50"
    assert row["understood"] == {
        "quantity": "2.5",
        "unit": "KGM",
        "max_price": "1000",
        "currency": "GBP",
        "zone": "ALL",
    }


AMBIGUOUS = "item,quantity,unit,max_price,currency\na,1.234,kg,1,GBP\nb,2.500,kg,x,GBP\n"


def test_a_column_is_asked_about_once_and_what_else_is_wrong_is_told_with_it() -> None:
    told = found(AMBIGUOUS)

    [question] = told["questions"]
    assert (question["column"], question["line"], question["came"]) == ("quantity", 2, "1.234")
    assert (question["point"], question["comma"]) == ("1.234", "1234")
    assert [(each["line"], each["code"]) for each in told["faults"]] == [
        (2, "import.ambiguous"),
        (3, "import.price"),
    ]
    assert told["records"] == []


@pytest.mark.parametrize(
    ("options", "quantity"),
    [
        ({"decimal": "quantity=comma"}, 1_234_000),
        ({"decimal": "quantity=point"}, 1_234),
        ({"numbers": "comma"}, 1_234_000),
        ({"numbers": "comma", "decimal": "quantity=point"}, 1_234),
    ],
)
def test_an_answer_settles_a_column(options: dict[str, str], quantity: int) -> None:
    told = found(AMBIGUOUS.replace("x,GBP", "1,GBP"), **options)

    assert (told["questions"], told["faults"]) == ([], [])
    assert told["records"][0]["record"]["quantity"] == quantity


@pytest.mark.parametrize(
    "options", [{"numbers": "de"}, {"decimal": "item=comma"}, {"decimal": "quantity=dot"}]
)
def test_an_answer_to_nothing_that_was_asked_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(Refusal) as caught:
        found(AMBIGUOUS, **options)

    assert caught.value.code == "import.answer"
