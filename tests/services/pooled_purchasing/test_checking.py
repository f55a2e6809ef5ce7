"""What a list would be published as, and all that is wrong with it."""

from __future__ import annotations

import pickle

import pytest

from sheaf_protocol.errors import Refusal
from sheaf_services.pooled_purchasing.checking import checked
from sheaf_services.pooled_purchasing.csv_table import (
    MOST_TOLD,
    ListRefusal,
    PlacedRefusal,
    read_rows,
)
from sheaf_services.pooled_purchasing.purchase_list import LAYOUT, parse_purchase_list

HEADER = "item,name,quantity,unit,max_price,currency\n"
NOW_MS = 1_770_000_000_000


def found(text: str) -> dict[str, object]:
    content = text.encode()
    return checked(
        content, LAYOUT, lambda: parse_purchase_list(content, zone="ALL", today_ms=NOW_MS)
    )


def test_a_right_list_is_told_as_its_records() -> None:
    told = found(HEADER + "feed, Hen feed ,5,kg,1.00,GBP\n")

    assert (told["faults"], told["faulty"]) == ([], 0)
    [row] = told["rows"]  # type: ignore[misc]  # plain JSON
    assert (row["line"], row["cells"]["name"]) == (2, "Hen feed")
    [record] = told["records"]  # type: ignore[misc]
    assert (record["kind"], record["record"]["quantity"]) == ("demand.submit", 5_000)


def test_every_line_that_is_wrong_is_told_with_its_column() -> None:
    told = found(HEADER + "feed,,5,kg,x,GBP\nhay,,5,bag,1,GBP\nwire,,-1,roll,1,GBP\n")

    places = [(each["line"], each["column"]) for each in told["faults"]]  # type: ignore[attr-defined]
    assert places == [(2, "max_price"), (4, "quantity")]
    assert (told["faulty"], told["records"], len(told["rows"])) == (2, [], 3)  # type: ignore[arg-type]


def test_what_is_no_table_has_a_fault_and_no_rows() -> None:
    told = found("item,quantity\n")

    [fault] = told["faults"]  # type: ignore[misc]
    assert (fault["line"], fault["code"]) == (1, "import.column_missing")
    assert (told["rows"], told["faulty"]) == ([], 1)


def test_so_many_faults_are_told_and_all_are_counted() -> None:
    told = found(HEADER + "".join(f"i{n},,x,kg,1,GBP\n" for n in range(MOST_TOLD + 50)))

    assert (len(told["faults"]), told["faulty"]) == (MOST_TOLD, MOST_TOLD + 50)  # type: ignore[arg-type]


def test_what_is_no_fault_of_a_list_is_refused() -> None:
    def refused() -> list[object]:
        raise Refusal("policy.role", "expected a member")

    with pytest.raises(Refusal) as caught:
        checked(b"", LAYOUT, refused)  # type: ignore[arg-type]

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
