"""The file of what is wrong with a list: harmless to open, and to be imported again."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheaf_node.drafts.model import Checked, LineFault, Row
from sheaf_node.drafts.problem_file import harmless, is_formula, problem_file


def fault(line: int, column: str = "", message: str = "expected a number") -> LineFault:
    return LineFault(line=line, column=column, code="import.price", message=message)


def read(rows: list[Row], faults: list[LineFault]) -> list[dict[str, str]]:
    text = problem_file(Checked(rows=rows, records=[], faults=faults, faulty=len(faults)))
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def test_only_lines_that_are_wrong_are_in_it_with_what_is_wrong() -> None:
    rows = [Row(2, {"item": "a", "price": "1"}), Row(3, {"item": "b", "price": "x"})]

    told = read(rows, [fault(3, "price"), fault(3, message="expected more")])

    assert told == [
        {"item": "b", "price": "x", "note": "line 3: price: expected a number; expected more"}
    ]


def test_the_note_of_a_list_gives_way_to_what_is_wrong() -> None:
    told = read([Row(2, {"item": "b", "note": "mine"})], [fault(2)])

    assert told == [{"item": "b", "note": "line 2: expected a number"}]


def test_what_is_wrong_with_the_whole_has_a_line_too() -> None:
    assert read([Row(2, {"item": "b"})], [fault(0)]) == [{"item": "", "note": "expected a number"}]


@pytest.mark.parametrize(
    "cell",
    ["=1", "+cmd", "-cmd", "@SUM(A1)", "\t=1", "\r=1", "-5+cmd|' /C calc'!A0", "+1-HYPERLINK()"],
)
def test_what_a_spreadsheet_would_carry_out_is_text(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "a=b", "-5", "+5.0", "-1 234,50", "1.5", "'=1"])
def test_what_it_would_not_is_left(cell: str) -> None:
    assert harmless(cell) == cell


@given(st.text(max_size=12))
def test_no_cell_begins_as_a_formula_does(cell: str) -> None:
    assert not is_formula(harmless(cell))
