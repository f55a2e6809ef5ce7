"""`sheaf import`, with the node running and not running: all of a file or nothing of it."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.services.pooled_purchasing.workbooks import workbook

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.main import sheaf
from sheaf_node.store import Store
from sheaf_node.store.folder import FolderLock

REFUSED, MISUSED = 1, 2
PATIENCE_S = 30
HEADER = "item,quantity,unit,max_price,currency\n"
LIST = HEADER + "feed,5,KGM,10.00,GBP\nwire,2,XRO,40.00,GBP\n"
PRICES = "item,unit,min_quantity,price,currency,valid_until\nfeed,KGM,1,9.00,GBP,2030-01-01\n"
PDPTW = (
    "NAME: small\nLOCATION: here\nCOMMENT: none\nTYPE: PDPTW\nSIZE: 3\nDISTRIBUTION: cluster\n"
    "DEPOT: random\nROUTE-TIME: 240\nTIME-WINDOW: 120\nCAPACITY: 300\nNODES\n"
    "0 41.1 2.1 0 0 240 0 0 0\n1 41.2 2.2 22 0 240 5 0 2\n2 41.3 2.3 -22 0 240 5 1 0\n"
    "EDGES\n0 1 2\n1 0 3\n2 3 0\nEOF\n"
)
BAD = [
    ("purchases", LIST.replace("max_price,", ""), "import.column_missing"),
    ("purchases", LIST.replace(",5,", ",five,"), "import.quantity"),  # a text quantity
    ("purchases", LIST.replace("10.00", "10,00"), "import.decimal_comma"),  # splits the cell
    ("purchases", LIST.replace("10.00", "10.000"), "import.ambiguous"),  # ten, or ten thousand
    ("purchases", LIST.replace("feed", "=A1"), "import.formula"),
    ("purchases", "PK\x03\x04" + LIST, "import.workbook"),
    ("purchases", LIST.replace("XRO", "furlong"), "import.unit"),  # an unknown unit
    ("purchases", "", "import.empty"),
    ("purchases", HEADER, "import.empty"),
    ("purchases", HEADER + "x" * 50_000_000, "import.too_large"),  # a line of 50 MB
    ("purchases", HEADER + "x" * 100_000, "import.line_too_long"),  # one that fits the file
    ("purchases", "\0" + LIST, "import.nul"),
    ("prices", PRICES.replace("price,", ""), "import.column_missing"),
    ("prices", PRICES.replace("9.00", "9,00"), "import.decimal_comma"),
    ("prices", "", "import.empty"),
    ("transport", PDPTW[: len(PDPTW) // 2], "pdptw.truncated"),  # cut among the nodes
    ("transport", PDPTW[:-8], "pdptw.truncated"),  # cut in the matrix
    ("transport", PDPTW.replace("1 0 3\n", "1 0\n"), "pdptw.row_length"),  # a short matrix row
    ("transport", PDPTW.replace("41.2", "forty"), "pdptw.number"),
    ("transport", "", "pdptw.empty"),
]


def run(*args: object) -> Result:
    return CliRunner().invoke(sheaf, [str(arg) for arg in args])


def done(*args: object) -> str:
    result = run(*args)
    assert result.exit_code == 0, result.output
    return result.stdout


def make_member(folder: Path) -> Path:
    """Return the home of a co-op that is all roles of its federation at once."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    peer_port, local_port = (probe.getsockname()[1] for probe in probes)
    for probe in probes:
        probe.close()
    home, card, charter = folder / "hill", folder / "card", folder / "charter"
    done("init", "Hill", "--home", home, "--peer-port", peer_port, "--local-port", local_port)
    done("federation", "card", "--out", card, "--home", home)
    done(
        "federation",
        "draft",
        "All",
        f"{card}=member,supplier,carrier,coordinator",
        "--out",
        charter,
    )
    done("federation", "sign", charter, "--home", home)
    done("federation", "adopt", charter, "--home", home)
    return home


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A member's home whose node is not running; tests on it store nothing."""
    return make_member(tmp_path_factory.mktemp("away"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return make_member(tmp_path)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = make_member(tmp_path_factory.mktemp("running"))
    command = [sys.executable, "-m", "sheaf_node", "serve", "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"Serving")
        yield home
        process.terminate()


def stored(home: Path) -> int:
    """Return the number of entries that a home holds, its node running or not."""
    result = run("status", "--json", "--home", home)
    if result.exit_code == 0:
        return int(json.loads(result.stdout)["arrival"])
    return asyncio.run(stored_offline(home))


async def stored_offline(home: Path) -> int:
    store = Store.open(home / "sheaf.db", random=os.urandom)
    try:
        return store.arrival
    finally:
        await store.close()


def written(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content)
    return path


# --- what is published


@pytest.mark.parametrize("where", ["running", "home"])
def test_a_list_is_published_once(
    request: pytest.FixtureRequest, tmp_path: Path, where: str
) -> None:
    home = request.getfixturevalue(where)
    before, path = stored(home), written(tmp_path, "list.csv", LIST)

    dry = done("import", "purchases", path, "--dry-run", "--home", home)
    assert stored(home) == before
    first = done("import", "purchases", path, "--home", home)
    assert stored(home) == before + 2
    second = done("import", "purchases", path, "--json", "--home", home)

    assert dry == "list.csv: would publish 2 of 2 lines.\n"
    later = "" if where == "running" else " Others get it when the node runs: `sheaf serve`."
    assert first == f"list.csv: published 2 of 2 lines.{later}\n"
    assert json.loads(second)["published"] == 0
    assert stored(home) == before + 2


def test_what_was_imported_without_the_node_is_there_when_it_runs(
    home: Path, tmp_path: Path
) -> None:
    done("import", "prices", written(tmp_path, "prices.csv", PRICES), "--home", home)

    command = [sys.executable, "-m", "sheaf_node", "serve", "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        log = done("log", "--home", home)
        process.terminate()

    assert "offer.submit" in log


def test_a_transport_file_has_a_day_and_two_sides(home: Path, tmp_path: Path) -> None:
    path = written(tmp_path, "day.txt", PDPTW)

    done("import", "transport", path, "--as", "carrier", "--day", "2026-03-01", "--home", home)
    done("import", "transport", path, "--day", "2026-03-01", "--home", home)

    command = [sys.executable, "-m", "sheaf_node", "serve", "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        items = NodeClient(home).get("/api/v1/log")["items"]
        process.terminate()
    assert [item["kind"] for item in items] == [
        "travel.table",
        "capacity.publish",
        "transport.request",
    ]
    day_ms = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * 1000
    assert items[1]["record"]["window"]["from_ms"] == day_ms
    assert items[2]["record"]["pickup"]["window"]["from_ms"] == day_ms


def test_lines_that_stay_withdrawn_are_told(running: Path, tmp_path: Path) -> None:
    path = written(tmp_path, "own.csv", LIST.replace("feed", "oats").replace("wire", "rope"))
    done("import", "purchases", path, "--home", running)
    withdraw = "/api/v1/services/pooled_purchasing/withdraw"
    NodeClient(running).post(withdraw, b"", {"ref": "oats"})

    output = done("import", "purchases", path, "--home", running)

    assert output == (
        "own.csv: published 0 of 2 lines: 0 new, 1 already published, 1 withdrawn before."
        " Change a line to publish it again.\n"
    )


def test_new_lines_are_told_from_those_published_before(running: Path, tmp_path: Path) -> None:
    path = written(tmp_path, "own.csv", HEADER + "peas,5,KGM,10.00,GBP\n")
    done("import", "purchases", path, "--home", running)
    path.write_text(path.read_text() + "beans,5,KGM,10.00,GBP\n")

    output = done("import", "purchases", path, "--home", running)

    assert output == "own.csv: published 1 of 2 lines: 1 new, 1 already published.\n"


def test_prices_are_told_as_offers(running: Path, tmp_path: Path) -> None:
    path = written(tmp_path, "prices.csv", PRICES + "feed,KGM,10,8.00,GBP,2030-01-01\n")

    first = done("import", "prices", path, "--home", running)
    again = done("import", "prices", path, "--home", running)

    assert first == "prices.csv: published 1 offer from 2 lines.\n"
    assert again == (
        "prices.csv: published 0 of 1 offers from 2 lines: 0 new, 1 already published.\n"
    )


def test_a_price_list_may_be_a_workbook(running: Path, tmp_path: Path) -> None:
    path = tmp_path / "prices.xlsx"
    header = ("Artikel", "Einheit", "ab Menge", "Preis", "Währung", "gültig bis")
    lines = [
        ("hay", "kg", 1, 9.125, "GBP", date(2030, 1, 1)),
        ("hay", "kg", 10, 8, "GBP", date(2030, 1, 1)),
    ]
    path.write_bytes(workbook(header, *lines))

    told = run("import", "prices", path, "--home", running)

    assert told.stdout == "prices.xlsx: published 1 offer from 2 lines.\n"
    assert "'ab Menge' as min_quantity" in told.stderr


def test_a_workbook_of_the_old_sort_is_refused_with_what_to_do(away: Path, tmp_path: Path) -> None:
    path = tmp_path / "list.xls"
    path.write_bytes(b"\xd0\xcf\x11\xe0" + b"\0" * 500)

    line = refused("purchases", path, "--home", away, code="import.encoding")

    assert "save it as .xlsx or as CSV (UTF-8)" in line


def test_a_list_is_followed_through_a_pool_on_the_command_line(home: Path, tmp_path: Path) -> None:
    done("import", "prices", written(tmp_path, "prices.csv", PRICES), "--home", home)
    done("import", "purchases", written(tmp_path, "list.csv", LIST), "--home", home)
    command = [sys.executable, "-m", "sheaf_node", "serve", "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        before = done("pools", "show", "--home", home)
        opened = done("pools", "open", "--k-min", 1, "--may-close-early", "--home", home)
        closed = done("pools", "close", "--home", home)
        withdrew = done("pools", "withdraw", "wire", "--home", home)
        after, deadline = "", time.monotonic() + PATIENCE_S
        while "feed  awarded" not in after and time.monotonic() < deadline:
            after = done("pools", "show", "--home", home)
        process.terminate()

    assert "No pool yet" in before
    assert before.count("waiting") == 2
    assert opened == "Opened 1 pool.\n  wire: nobody offers it in the unit XRO\n"
    assert (closed, withdrew) == ("Closed 1 pool.\n", "Withdrew wire.\n")
    assert "5 KGM at 9.00 GBP, 0.00 GBP under the list price" in after
    told = [line.split() for line in after.splitlines()[-2:]]
    assert told == [
        ["feed", "feed", "awarded", "5", "KGM", "5", "45.00", "GBP"],
        ["wire", "wire", "withdrawn", "2", "XRO", "-", "-"],
    ]


def test_a_name_is_shown_and_not_obeyed(away: Path, tmp_path: Path) -> None:
    path = written(tmp_path, "\x1b[2J.csv", LIST)

    output = done("import", "purchases", path, "--dry-run", "--home", away)

    assert output == "\\u001b[2J.csv: would publish 2 of 2 lines.\n"


# --- what is refused


def refused(*args: object, code: str) -> str:
    result = run("import", *args)
    assert (result.exit_code, result.stdout) == (REFUSED, "")
    assert isinstance(result.exception, SystemExit), result.exception
    [line] = result.stderr.splitlines()
    assert line.startswith("sheaf: ")
    assert line.endswith(f"[{code}]")
    assert len(line) < 400
    return line


@pytest.mark.parametrize("where", ["running", "away"])
@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad[0]}-{bad[2]}")
def test_a_bad_file_is_refused_in_one_sentence_and_nothing_of_it_stored(
    request: pytest.FixtureRequest, tmp_path: Path, where: str, bad: tuple[str, str, str]
) -> None:
    (what, content, code), home = bad, request.getfixturevalue(where)
    before = stored(home)

    refused(what, written(tmp_path, "bad", content), "--home", home, code=code)

    assert stored(home) == before


def test_the_last_line_being_bad_keeps_the_first_from_being_stored(
    away: Path, tmp_path: Path
) -> None:
    path = written(tmp_path, "list.csv", LIST + "hay,-1,KGM,1.00,GBP\n")

    line = refused("purchases", path, "--home", away, code="import.quantity")

    assert "line 4, column quantity" in line
    assert stored(away) == 0


@pytest.mark.parametrize("name", ["missing.csv", "dir/../missing/list.csv"])
def test_a_file_that_cannot_be_read_is_refused(away: Path, tmp_path: Path, name: str) -> None:
    line = refused("purchases", tmp_path / name, "--home", away, code="import.unreadable")

    assert "missing" in line


def test_a_folder_for_a_file_is_misuse(away: Path, tmp_path: Path) -> None:
    assert run("import", "purchases", tmp_path, "--home", away).exit_code == MISUSED


@pytest.mark.parametrize(
    "arguments",
    [
        ["sales", "list.csv"],  # no such list
        ["purchases"],  # no file
        ["purchases", "list.csv", "--as", "carrier"],  # not for purchases
        ["prices", "list.csv", "--day", "2026-03-01"],  # not for prices
        ["transport", "list.csv", "--as", "driver"],  # no such side
        ["transport", "list.csv", "--day", "1 March"],  # no such date
    ],
)
def test_an_import_asked_wrongly_is_misuse(away: Path, arguments: list[str]) -> None:
    assert run("import", *arguments, "--home", away).exit_code == MISUSED


def test_an_import_before_joining_a_federation_tells_where_to_look(tmp_path: Path) -> None:
    home = tmp_path / "alone"
    done("init", "Mill", "--home", home)
    path = written(tmp_path, "list.csv", LIST)

    line = refused("purchases", path, "--home", home, code="node.no_federation")

    assert "`sheaf status`" in line


def test_a_list_that_the_coops_roles_do_not_allow_is_refused(tmp_path: Path) -> None:
    home, card, charter = tmp_path / "dale", tmp_path / "card", tmp_path / "charter"
    done("init", "Dale", "--home", home)
    done("federation", "card", "--out", card, "--home", home)
    done("federation", "draft", "All", f"{card}=supplier", "--out", charter)
    done("federation", "sign", charter, "--home", home)
    done("federation", "adopt", charter, "--home", home)

    refused(*("purchases", written(tmp_path, "list.csv", LIST), "--home", home), code="policy.role")


def test_a_folder_that_another_process_has_open_is_told(home: Path, tmp_path: Path) -> None:
    lock = FolderLock(home)
    try:
        path = written(tmp_path, "list.csv", LIST)
        line = refused("purchases", path, "--home", home, code="store.locked")
    finally:
        lock.release()

    assert str(os.getpid()) in line


def test_ctrl_c_leaves_all_or_nothing(home: Path, tmp_path: Path) -> None:
    lines = [f"item{n},5,KGM,10.00,GBP\n" for n in range(20_000)]
    path = written(tmp_path, "list.csv", HEADER + "".join(lines))
    arguments = ["import", "purchases", str(path), "--home", str(home)]
    with subprocess.Popen(
        [sys.executable, "-m", "sheaf_node", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + PATIENCE_S
        while not (home / "sheaf.db-wal").exists() and time.monotonic() < deadline:
            time.sleep(0.005)

        process.send_signal(signal.SIGINT)

        _, errors = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == REFUSED
    assert "Traceback" not in errors
    assert stored(home) in {0, 20_000}
