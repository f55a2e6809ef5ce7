"""Tables of text: sizes, encodings, delimiters, and what is said of a bad line."""

from __future__ import annotations

import time

import pytest

from sheaf_protocol.errors import Refusal
from sheaf_services.pooled_purchasing.lists.csv_table import MAX_BYTES, MAX_LINE_BYTES
from sheaf_services.pooled_purchasing.lists.list_file import read_rows, read_table
from sheaf_services.pooled_purchasing.lists.refused import shown
from sheaf_services.pooled_purchasing.lists.table import Layout

LAYOUT = Layout(
    required=("item", "quantity"),
    optional=("min_quantity", "note"),
    numbers=frozenset({"quantity"}),
    max_rows=3,
)


def cells(content, layout=LAYOUT):
    return read_rows(content, layout, lambda row: (row.text("item"), row.text("quantity")))


def refusal(content, layout=LAYOUT):
    with pytest.raises(Refusal) as caught:
        cells(content, layout)
    return caught.value


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"item,quantity\nnuts,12.5\n", id="commas"),
        pytest.param(b"item;quantity\r\nnuts;12.5\r\n", id="semicolons and carriage returns"),
        pytest.param(b"item|quantity\nnuts|12.5\n", id="bars"),
        pytest.param(b"sep=|\nitem|quantity\nnuts|12.5\n", id="bars that Excel is told of"),
        pytest.param(b"item\tquantity\rnuts\t12.5\r", id="tabs and old line ends"),
        pytest.param(b"\xef\xbb\xbfitem,quantity\nnuts,12.5", id="a byte order mark, no line end"),
        pytest.param(b"quantity,item\n12.5,nuts\n", id="columns in another order"),
        pytest.param(b"Item , QUANTITY\n nuts ,12.5\n", id="case and spaces"),
        pytest.param(b"\n\nitem,quantity\n,\nnuts,12.5\n\n", id="blank lines"),
        pytest.param(b'"item","quantity"\n"nuts","12.5"\n', id="quotes"),
        pytest.param(b"sep=;\r\nitem;quantity\r\nnuts;12.5\r\n", id="a line for Excel"),
        pytest.param(b"\xef\xbb\xbfSEP=,\nitem,quantity\nnuts,12.5\n", id="one behind a mark"),
        pytest.param(b"item;quantity;;\nnuts;12.5;;\n", id="unnamed empty columns at the end"),
        pytest.param(b"item,quantity,\nnuts,12.5\n", id="one in the header alone"),
        pytest.param(b"item,quantity\nnuts,12.5, ,\n", id="some in a line alone"),
    ],
)
def test_spellings_of_one_table(content):
    assert cells(content) == [("nuts", "12.5")]


@pytest.mark.parametrize(
    ("content", "quantity"),
    [
        pytest.param(b"item;quantity\nnuts;2,5\nhay;3,5\n", "2,5", id="a comma in every line"),
        pytest.param(b'item,note;x,quantity\nnuts,"a;b",2\n', "2", id="a semicolon in a name"),
    ],
)
def test_the_delimiter_is_the_one_that_gives_known_columns(content, quantity):
    layout = Layout(required=LAYOUT.required, is_open=True)

    assert cells(content, layout)[0] == ("nuts", quantity)


def test_of_equal_delimiters_the_one_with_constant_width_is_taken():
    layout = Layout(required=("item",), optional=("quantity",), is_open=True)
    content = b"item;x,quantity\nnuts;2,5\nhay;2\n"

    assert read_rows(content, layout, lambda row: row.text("item")) == ["nuts", "hay"]


def test_a_delimiter_whose_quotes_do_not_close_is_not_constant():
    layout = Layout(required=("item",), optional=("quantity",), is_open=True)
    content = b'item;x,quantity\nnuts;2,"5\n'

    assert read_rows(content, layout, lambda row: row.text("item")) == ["nuts"]


def test_a_quoted_cell_may_hold_the_delimiter_and_line_ends():
    assert cells(b'item,quantity\n"nuts,\n18 %",1\n') == [("nuts,\n18 %", "1")]


@pytest.mark.parametrize(
    ("content", "code", "where"),
    [
        pytest.param(b"", "import.empty", "empty file", id="nothing"),
        pytest.param(b"\xef\xbb\xbf \n\n", "import.empty", "empty file", id="blanks"),
        pytest.param(b"item,quantity\n", "import.empty", "header alone", id="a header alone"),
        pytest.param(b";;;\n;;;\n", "import.empty", "an empty file", id="delimiters alone"),
        pytest.param(b'"item,quantity\n', "import.quote", "line 1", id="a header's open quote"),
        pytest.param(b"item\nnuts\n", "import.column_missing", "quantity", id="a column missing"),
        pytest.param(
            b"item,quantity,min_quantiy\na,1,1\n",
            "import.column_unknown",
            "min_quantity",
            id="typo",
        ),
        pytest.param(
            b"item,quantity,zzz\na,1,1\n", "import.column_unknown", "'zzz'", id="unlike any"
        ),
        pytest.param(
            b"item,quantity,zzz\na,1,1\n",
            "import.column_unknown",
            "expected only item, quantity, min_quantity, got 'zzz': delete it, or call it note",
            id="advice, and names as documented",
        ),
        pytest.param(
            b"item,,quantity\na,1,1\n", "import.column_unknown", "without a name", id="unnamed"
        ),
        pytest.param(b"item,quantity,\na,1,x\n", "import.row_width", "got 3", id="unnamed, full"),
        pytest.param(b"\xd0\xcf\x11\xe0\0", "import.encoding", "of the old sort", id="xls"),
        pytest.param(b"sep=;\n", "import.empty", "empty file", id="a line for Excel alone"),
        pytest.param(
            b"sep=;\nitem;quantity\nb\n", "import.row_width", "line 3:", id="numbers as in Excel"
        ),
        pytest.param(
            b"item,quantity,Item\na,1,1\n", "import.column_twice", "2 times", id="a column twice"
        ),
        pytest.param(
            b"item,quantity\na,1\nb\n", "import.row_width", "line 3: expected 2 cells", id="short"
        ),
        pytest.param(b"item,quantity\na,1,x\n", "import.row_width", "got 3", id="wide"),
        pytest.param(
            b"item,quantity\na,12,5\n", "import.decimal_comma", "'12,5'", id="a comma in a number"
        ),
        pytest.param(b"item,quantity\na\x00,1\n", "import.nul", "line 2", id="a zero byte"),
        pytest.param(b"item,quantity\nM\x81le,1\n", "import.encoding", "0x81", id="no encoding"),
        pytest.param(
            b"item,quantity\nM\xfchle,1\nM\xc3\xbchle,1\n", "import.encoding", "0xfc", id="damaged"
        ),
        pytest.param(
            "item,quantity\na,1\n".encode("utf-16"), "import.encoding", "UTF-16", id="utf-16"
        ),
        pytest.param(
            b"\xef\xbb\xbfitem,quantity\n\xff,1\n", "import.encoding", "line 2", id="behind a mark"
        ),
        pytest.param(
            b'item,quantity\n"nuts,1\n', "import.quote", "line 2", id="a quote that stays open"
        ),
        pytest.param(b"item,quantity\n" + b"a,1\n" * 4, "import.too_many", "at most 3", id="many"),
    ],
)
def test_a_bad_table_is_refused(content, code, where):
    caught = refusal(content)

    assert caught.code == code
    assert where in caught.detail


def test_the_refusal_counts_the_lines_with_problems():
    def parse(row):
        raise row.refusal("import.quantity", "quantity", "a number")

    with pytest.raises(Refusal) as caught:
        read_rows(b"item,quantity\na,x\nb\nc,z\n", LAYOUT, parse)

    detail = "line 2, column quantity: expected a number, got 'x'; 2 more lines have a problem"
    assert caught.value.detail == detail


def test_one_other_line_is_counted_in_the_singular():
    assert refusal(b"item,quantity\na\nb\n").detail.endswith("; 1 more line has a problem")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"x" * 50_000_000, "import.too_large", id="a line of 50 MB"),
        pytest.param(b"item,quantity\n" + b'"' * MAX_BYTES, "import.too_large", id="just above"),
        pytest.param(
            b"item,quantity\n" + b'"' * (MAX_BYTES - 20), "import.line_too_long", id="just below"
        ),
        pytest.param(b"x" * (MAX_LINE_BYTES + 1), "import.line_too_long", id="a header too long"),
        pytest.param(
            b'item,quantity\n"' + b"\n" * 7_000_000, "import.too_many", id="a cell of line ends"
        ),
    ],
)
def test_an_oversized_file_is_refused_at_once(content, code):
    before = time.process_time()

    assert refusal(content).code == code

    assert time.process_time() - before < 1


def test_what_is_shown_of_a_cell_is_short_and_printable():
    assert shown("\x1b" + "x" * 100) == repr("\x1b" + "x" * 39 + "...")


def test_windows_1252_is_read_and_told() -> None:
    table = read_table(b"item,quantity\nM\xfchle,1\n", LAYOUT)

    assert table.rows[0].text("item") == "Mühle"
    [note] = table.notes
    assert (note.code, "Windows-1252" in note.message) == ("encoding", True)
    assert "line 2" in note.message


def test_what_is_read_without_being_looked_at_is_utf_8() -> None:
    assert refusal(b"item,quantity\nM\xfchle,1\n").code == "import.encoding"


@pytest.mark.parametrize(("cell", "code"), [("=A1*2", "import.formula"), ("#REF!", "import.cell")])
def test_a_cell_that_a_spreadsheet_could_not_work_out_is_refused(cell: str, code: str) -> None:
    assert refusal(f"item,quantity\n{cell},1\n".encode()).code == code


def test_what_is_in_a_note_is_not_looked_at() -> None:
    assert cells(b"item,quantity,note\na,1,=A1\n") == [("a", "1")]
