"""Files that the demo cannot use: one sentence, a stable code, and no node ever starts."""

from __future__ import annotations

import pytest

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
LINE = "574585,82582,SIGN,{quantity},2011-11-06 09:34:00,{price},17133.0,United Kingdom\n"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"", "import.empty", id="an-empty-file"),
        pytest.param(
            HEADER.replace("UnitPrice,", "").encode(), "import.column_missing", id="no-price-column"
        ),
        pytest.param(
            (HEADER + LINE.format(quantity="many", price="1.85")).encode(),
            "import.quantity",
            id="a-quantity-in-words",
        ),
        pytest.param(
            (HEADER + LINE.format(quantity="2", price='"1,85"')).encode(),
            "import.decimal_comma",
            id="a-decimal-comma",
        ),
        pytest.param(b"x" * 50_000_000, "import.too_large", id="one-line-of-50-MB"),
        pytest.param(b"\xff\xfe" + b"a\0" * 40, "import.encoding", id="not-UTF-8"),
    ],
)
def test_a_bad_sales_file_is_refused(start_demo, tmp_path, content, code):
    folder = tmp_path / "sales"
    folder.mkdir()
    (folder / "day.csv").write_bytes(content)

    demo = start_demo("--purchases", str(folder))

    status, sentence = demo.refusal()
    assert status == 1
    assert sentence.endswith(f"[{code}]")
    assert len(sentence.splitlines()) == 1
    assert not list(demo.folder.glob("*"))


def test_a_transport_file_cut_in_half_is_refused(start_demo, tmp_path, transport):
    path = tmp_path / "half.txt"
    content = transport.read_bytes()
    path.write_bytes(content[: len(content) // 2])

    status, sentence = start_demo("--shipments", str(path)).refusal()

    assert status == 1
    assert "[pdptw." in sentence


def test_a_matrix_row_too_short_is_refused(start_demo, tmp_path, transport):
    lines = transport.read_text().rstrip().splitlines()
    lines[-2] = lines[-2].rstrip().rpartition(" ")[0]
    path = tmp_path / "short.txt"
    path.write_text("\n".join(lines))

    status, sentence = start_demo("--shipments", str(path)).refusal()

    assert status == 1
    assert sentence.endswith("[pdptw.row_length]")


def test_a_folder_without_files_is_refused(start_demo, tmp_path):
    status, sentence = start_demo("--purchases", str(tmp_path / "nowhere")).refusal()

    assert status == 1
    assert sentence.endswith("[demo.no_file]")


def test_a_folder_that_holds_something_is_refused(start_demo, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "list.csv").write_text("mine")

    status, sentence = start_demo("--keep", str(tmp_path / "mine")).refusal()

    assert status == 1
    assert sentence.endswith("[demo.keep]")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["list.csv"]
