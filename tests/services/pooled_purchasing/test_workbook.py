"""Workbooks: what a sheet says, and what a hostile archive may not do."""

from __future__ import annotations

import datetime
import time
import tracemalloc
import zipfile
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.services.pooled_purchasing.workbooks import altered, archive, workbook

from sheaf_protocol.errors import Refusal
from sheaf_services.pooled_purchasing.lists.list_file import kept_text, read_table
from sheaf_services.pooled_purchasing.lists.table import Layout
from sheaf_services.pooled_purchasing.lists.workbook import (
    BRIEF_ELEMENTS,
    MAX_ELEMENTS,
    MAX_UNPACKED,
    value_text,
)

LAYOUT = Layout(
    required=("item", "quantity"),
    optional=("needed_by", "note"),
    numbers=frozenset({"quantity"}),
    max_rows=3,
)
HEAD = ("item", "quantity")
SHEET = "xl/worksheets/sheet1.xml"
TYPES = ("[Content_Types].xml", b"<Types/>")
LAUGHS = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY lol "lol">%s]>
<worksheet>&lol9;</worksheet>""" % b"".join(
    b'<!ENTITY lol%d "%s">' % (n, b"&lol%s;" % (b"" if n == 1 else b"%d" % (n - 1)) * 10)
    for n in range(1, 10)
)


def rows(data: bytes, **options: str) -> list[tuple[int, str, str]]:
    table = read_table(data, LAYOUT, options)
    return [(row.line, row.text("item"), row.text("quantity")) for row in table.rows]


def code(data: bytes, **options: str) -> str:
    with pytest.raises(Refusal) as caught:
        rows(data, **options)
    return caught.value.code


# --- what a sheet says


def test_lines_have_the_numbers_that_the_spreadsheet_gives_them() -> None:
    data = workbook((), HEAD, ("hay", 2), (), ("wire", 3))

    assert rows(data) == [(3, "hay", "2"), (5, "wire", "3")]


def test_columns_and_rows_that_were_used_once_and_cleared_are_nothing() -> None:
    data = workbook((*HEAD, None, ""), ("hay", 2, None, " "), (None, ""), ("wire", 3))

    assert [line for line, *_ in rows(data)] == [2, 4]


def test_the_first_sheet_is_read_and_told_or_the_one_that_is_named() -> None:
    data = workbook(HEAD, ("hay", 1), Wire=[HEAD, ("wire", 2)])

    assert rows(data) == [(2, "hay", "1")]
    assert rows(data, sheet="Wire") == [(2, "wire", "2")]
    [note] = read_table(data, LAYOUT).notes
    assert note.message == "read the sheet 'Sheet' and not 'Wire'"


def test_a_sheet_that_is_not_there_is_refused_with_those_that_are() -> None:
    assert code(workbook(HEAD, ("hay", 1)), sheet="Wire") == "import.sheet"


def test_a_sheet_of_text_is_refused() -> None:
    assert code(b"item,quantity\nhay,1\n", sheet="Wire") == "import.sheet"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.3, "2.3"),
        (0.1 + 0.2, "0.3"),
        (1e-7, "0.0000001"),
        (1e15, "1000000000000000"),
        (5.0, "5"),
        (4_006_381_333_931.0, "4006381333931"),
        (0.125, "0.125"),
        (1234.567, "1234.567"),
        (1.234, "1.2340"),  # else it would be asked about, although the workbook knew
        (-1.5, "-1.5"),
        (7, "7"),
        (True, "TRUE"),
        (datetime.date(2026, 3, 31), "2026-03-31"),
        (datetime.datetime(2026, 3, 31), "2026-03-31"),  # noqa: DTZ001 - a sheet has no zone
        (datetime.datetime(2026, 3, 31, 7, 30), "2026-03-31 07:30:00"),  # noqa: DTZ001
        (" two\r\nlines ", "two lines"),
    ],
)
def test_a_cell_becomes_the_text_that_people_see(value: object, text: str) -> None:
    assert value_text(value) == text


@given(st.decimals(min_value=0, max_value=10**9, places=4).filter(lambda d: d > 0))
def test_a_number_of_a_sheet_has_one_reading_and_it_is_exact(number: Decimal) -> None:
    header = "item,quantity\n"
    table = read_table(f'{header}x,"{value_text(float(number))}"\n'.encode(), LAYOUT)

    [read] = [row.number("quantity") for row in table.rows]

    assert read is not None
    assert Decimal(str(read)) == number
    assert table.questions == []


def test_numbers_and_days_go_through_a_file_as_they_are() -> None:
    header = ("item", "quantity", "needed_by")
    data = workbook(header, ("hay", 2.3, datetime.date(2026, 3, 31)), ("wire", 1.234, None))

    first, second = read_table(data, LAYOUT).rows

    assert (first.text("quantity"), first.text("needed_by")) == ("2.3", "2026-03-31")
    assert str(second.number("quantity")) == "1.234"


def test_of_a_formula_its_value_is_taken() -> None:
    data = workbook(HEAD, ("hay", 77))
    worked = altered(data, SHEET, lambda xml: xml.replace(b"<v>77", b"<f>70+7</f><v>77"))

    assert rows(worked) == [(2, "hay", "77")]


def test_a_formula_that_was_never_worked_out_is_a_problem_of_its_cell() -> None:
    table = read_table(workbook(HEAD, ("hay", "=1+1"), ("wire", 2)), LAYOUT)

    with pytest.raises(Refusal) as caught:
        table.read(lambda row: row.number("quantity"))

    assert caught.value.code == "import.formula"
    assert caught.value.detail.startswith("line 2, column quantity: expected a value")


def test_a_formula_whose_value_is_empty_is_an_empty_cell() -> None:
    data = workbook(HEAD, ("hay", 77), ("wire", 5))
    empty = b'<c r="B2" t="str"><f>IF(A1="","","")</f><v></v></c>'

    blank = altered(data, SHEET, lambda xml: xml.replace(b'<c r="B2" t="n"><v>77</v></c>', empty))

    assert rows(blank)[0] == (2, "hay", "")


def test_an_error_of_the_spreadsheet_is_a_problem_of_its_cell() -> None:
    assert code(workbook(HEAD, ("hay", "#REF!"))) == "import.cell"


def test_what_is_kept_of_a_workbook_is_text_with_its_lines_in_place() -> None:
    kept = kept_text(workbook((), HEAD, ("hay", 2), (), ("wire, thin", 3)), LAYOUT)

    assert kept.text == '\nitem,quantity\nhay,2\n\n"wire, thin",3\n'
    assert rows(kept.text.encode()) == [(3, "hay", "2"), (5, "wire, thin", "3")]


def test_a_workbook_for_a_draft_is_as_short_as_one() -> None:
    data = altered(
        workbook(HEAD, ("hay", 1)), "docProps/core.xml", lambda _: b"<a/>" * (BRIEF_ELEMENTS + 1)
    )
    short = workbook(HEAD, ("hay", 1))

    with pytest.raises(Refusal) as caught:
        kept_text(data, LAYOUT, {"brief": "1"})

    assert caught.value.code == "import.too_large"
    assert kept_text(short, LAYOUT, {"brief": "1"}).text == "item,quantity\nhay,1\n"


def test_an_empty_sheet_is_told_so() -> None:
    assert code(workbook()) == "import.empty"


def test_more_lines_than_a_list_may_have_are_refused() -> None:
    assert code(workbook(HEAD, *[("hay", 1)] * 4)) == "import.too_many"


# --- what a hostile archive may not do


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"PK\x03\x04" + b"\0" * 500, "import.workbook", id="no archive"),
        pytest.param(archive(("a.txt", b"x")), "import.workbook", id="another archive"),
        pytest.param(archive(TYPES), "import.workbook", id="nothing else in it"),
        pytest.param(
            archive(TYPES, ("a.xml", b"<a/>"), method=zipfile.ZIP_LZMA),
            "import.workbook",
            id="packed by what may ask for any memory",
        ),
        pytest.param(
            archive(TYPES, ("a.bin", b"\0" * (MAX_UNPACKED + 1))), "import.too_large", id="a bomb"
        ),
        pytest.param(
            archive(TYPES, *((f"{n}.bin", b"\0" * 3_500_000) for n in range(10))),
            "import.too_large",
            id="a bomb in parts",
        ),
        pytest.param(
            archive(TYPES, *((f"{n}.xml", b"") for n in range(1_000))),
            "import.too_large",
            id="many parts",
        ),
        pytest.param(
            archive(TYPES, ("a.xml", b"<a/>" * (MAX_ELEMENTS + 1))),
            "import.too_large",
            id="many elements",
        ),
        pytest.param(archive(TYPES, ("a.xml", LAUGHS)), "import.workbook", id="a billion laughs"),
        pytest.param(
            archive(TYPES, ("a.xml", LAUGHS.decode().encode("utf-16"))),
            "import.workbook",
            id="laughs that are hidden",
        ),
        pytest.param(
            archive(TYPES, ("a.xml", b'<?xml version="1.0" encoding="UTF-7"?><a/>')),
            "import.workbook",
            id="another encoding",
        ),
        pytest.param(workbook(HEAD, ("hay", 1))[:-40], "import.workbook", id="cut"),
    ],
)
def test_a_hostile_archive_is_refused_at_once(data: bytes, expected: str) -> None:
    before = time.process_time()
    tracemalloc.start()
    try:
        assert code(data) == expected
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert time.process_time() - before < 2
    assert most < 4 * MAX_UNPACKED


@pytest.mark.parametrize(
    ("was", "put", "expected"),
    [
        (b'<row r="2"', b'<row r="999999999"', "import.too_many"),  # would be filled up to there
        (b'r="B2"', b'r="XFD2"', "import.too_many"),
        (b'r="B2"', b'r="&#88;FD2"', "import.too_many"),
        (b'r="B2"', b'r="2B"', "import.workbook"),
        (b"<v>1</v>", b"<v>one</v>", "import.workbook"),
    ],
)
def test_a_sheet_with_cells_where_none_can_be_is_refused(
    was: bytes, put: bytes, expected: str
) -> None:
    before = time.process_time()

    assert code(altered(workbook(HEAD, ("hay", 1)), SHEET, lambda xml: xml.replace(was, put))) == (
        expected
    )

    assert time.process_time() - before < 2


def test_laughs_in_the_sheet_of_a_workbook_are_refused() -> None:
    data = altered(workbook(HEAD, ("hay", 1)), SHEET, lambda _: LAUGHS)

    assert code(data) == "import.workbook"


def test_a_number_that_no_number_is_has_no_reading() -> None:
    data = workbook(HEAD, ("hay", 1))
    huge = altered(data, SHEET, lambda xml: xml.replace(b"<v>1</v>", b"<v>1e999</v>"))

    [row] = read_table(huge, LAYOUT).rows

    assert row.number("quantity") is None
