"""`sheaf needs`: from a manager's spreadsheet to lines that pools buy for, on the command line."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from tests.node.test_cli_import import make_member, stored
from tests.services.pooled_purchasing.workbooks import workbook

from sheaf_node.cli.main import sheaf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

REFUSED, MISUSED = 1, 2
CANARY = "Wilhelmina Zebrafink"
HEAD = ("Artikel", "Bezeichnung", "Menge", "Einheit", "Höchstpreis", "Währung", "Ansprechpartner")
FEED = ("feed", "Hen feed", 2.3, "kg", 1.234, "GBP", CANARY)
WIRE = ("wire", "Barbed wire", 40, "Roll", 9.5, "GBP", CANARY)
CSV = "item;quantity;unit;max_price;currency\nhay;5;kg;1.234;GBP\nstraw;2,5;kg;2.500;GBP\n"


def run(*args: object, **other: str) -> Result:
    return CliRunner().invoke(sheaf, [*map(str, args)], **other)


def done(*args: object, **other: str) -> str:
    result = run(*args, **other)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = make_member(tmp_path_factory.mktemp("hill"))
    command = [sys.executable, "-m", "sheaf_node", "serve", "--home", str(made)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"Serving")
        yield made
        process.terminate()


def written(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def lines(home: Path) -> dict[str, Any]:
    told = json.loads(done("needs", "list", "--json", "--home", home))
    return {line["ref"]: line for line in told}


def holds(home: Path, word: str) -> list[str]:
    """Return the files of a home in which a word stands."""
    return [
        path.name
        for path in home.rglob("*")
        if path.is_file() and word.encode() in path.read_bytes()
    ]


def test_a_workbook_becomes_demands_once_and_a_changed_line_replaces_its_own(
    home: Path, tmp_path: Path
) -> None:
    path = written(tmp_path, "list.xlsx", workbook(HEAD, FEED, WIRE))
    before = stored(home)

    shown = run("needs", "import", path, "--dry-run", "--home", home)
    assert stored(home) == before
    first = run("needs", "import", path, "--home", home)
    again = done("needs", "import", path, "--home", home)
    path.write_bytes(workbook(HEAD, (*FEED[:2], 2.5, *FEED[3:]), WIRE))
    changed = done("needs", "import", path, "--home", home)

    assert "1.2340 [1.234]" in shown.stdout
    assert shown.stdout.endswith("list.xlsx: would publish 2 lines, but for those known already.\n")
    assert "'Höchstpreis' as max_price" in shown.stderr
    assert "1 column with personal data was not read: 'Ansprechpartner'" in first.stderr
    assert first.stdout == "list.xlsx: published 2 of 2 lines.\n"
    assert again == "list.xlsx: published 0 of 2 lines: 0 new, 2 already published.\n"
    assert changed == "list.xlsx: published 1 of 2 lines: 1 new, 1 already published.\n"
    assert (lines(home)["feed"]["wanted"], lines(home)["feed"]["scale"]) == (2_500, 3)
    assert holds(home, CANARY) == []


def test_a_number_with_two_readings_is_asked_about_and_nothing_is_published_before(
    home: Path, tmp_path: Path
) -> None:
    path, before = written(tmp_path, "list.csv", CSV), stored(home)

    shown = run("needs", "import", path, "--dry-run", "--home", home)
    refused = run("needs", "import", path, "--home", home)
    assert stored(home) == before
    settled = done("needs", "import", path, "--decimal", "max_price=point", "--home", home)

    assert (shown.exit_code, "[import.faults]" in shown.stderr) == (REFUSED, True)
    assert "Is 1.234 of max_price 1.234 or 1234? Say --decimal max_price=point" in shown.stdout
    assert shown.stdout.count("Is ") == 1  # once for the column
    assert (refused.exit_code, "[import.ambiguous]" in refused.stderr) == (REFUSED, True)
    assert settled == "list.csv: published 2 of 2 lines.\n"
    assert lines(home)["straw"]["wanted"] == 2_500


def test_lines_that_are_wrong_are_mended_in_a_file_of_their_own(home: Path, tmp_path: Path) -> None:
    bad = HEADER + '"=1+1",x,5,kg,1,GBP\nrope,"=cmd()",x,roll,1,GBP\ntwine,Twine,5,roll,1,GBP\n'
    path, out = written(tmp_path, "list.csv", bad), tmp_path / "mend.csv"

    shown = run("needs", "import", path, "--dry-run", "--problems", out, "--home", home)

    assert shown.exit_code == REFUSED
    rows = list(csv.DictReader(io.StringIO(out.read_text("utf-8-sig"))))
    assert [(row["item"], row["name"]) for row in rows] == [("'=1+1", "x"), ("rope", "'=cmd()")]
    assert rows[1]["note"].startswith("line 3: ")
    again = run("needs", "import", path, "--dry-run", "--problems", out, "--home", home)
    assert "[import.unwritable]" in again.stderr  # a file that somebody mends is not overwritten
    mended = out.read_text("utf-8-sig").replace("'=1+1", "string").replace("'=cmd()", "Rope")
    out.write_text(mended.replace(",x,roll", ",7,roll"))
    assert done("needs", "import", out, "--home", home) == "mend.csv: published 2 of 2 lines.\n"


HEADER = "item,name,quantity,unit,max_price,currency\n"


def test_windows_1252_is_told(home: Path, tmp_path: Path) -> None:
    path = written(tmp_path, "list.csv", f"{HEADER}muesli,Müsli,5,kg,1,GBP\n".encode("cp1252"))

    told = run("needs", "import", path, "--home", home)

    assert (told.exit_code, "read as Windows-1252" in told.stderr) == (0, True)


def test_lines_are_listed_shown_and_taken_back(home: Path, tmp_path: Path) -> None:
    path = written(tmp_path, "list.csv", f"{HEADER}salt,Salt,5,kg,1,GBP\n")
    done("needs", "import", path, "--home", home)

    shown = done("needs", "show", "salt", "--home", home)
    withdrew = done("needs", "withdraw", "salt", "--home", home)
    unknown = run("needs", "show", "pepper", "--home", home)

    assert shown.split()[-6:] == ["salt", "salt", "waiting", "5", "KGM", "-", "-"][-6:]
    assert withdrew == "Withdrew salt.\n"
    assert lines(home)["salt"]["state"] == "withdrawn"
    assert "[demand.unknown]" in unknown.stderr


def test_a_workbook_becomes_a_draft_that_is_asked_about_answered_and_published(
    home: Path, tmp_path: Path
) -> None:
    data = workbook(("x",), Bedarf=[HEAD, ("seed", "Seed", "1.500", "kg", 2, "GBP", CANARY)])
    path = written(tmp_path, "list.xlsx", data)
    made = json.loads(
        done(
            *("needs", "import", path, "--sheet", "Bedarf", "--draft", "Week 9"),
            *("--json", "--home", home),
        )
    )

    shown = done("draft", "show", made["id"], "--home", home)
    refused = run("draft", "publish", made["id"], "--yes", "--home", home)
    answered = done("draft", "answer", made["id"], "--decimal", "quantity=comma", "--home", home)
    kept = holds(home, CANARY)
    published = done("draft", "publish", made["id"], "--yes", "--home", home)

    assert "Is 1.500 of quantity 1.5 or 1500?" in shown
    assert "1 column with personal data was not read" in shown
    assert "read the sheet 'Bedarf' and not 'Sheet'" in shown
    assert "[draft.faults]" in refused.stderr
    assert "1.500 [1500]" in answered
    assert published == "Week 9: published 1.\n"
    assert lines(home)["seed"]["wanted"] == 1_500_000
    assert kept == []


def test_the_lines_of_a_draft_that_are_wrong_are_written_to_a_file(
    home: Path, tmp_path: Path
) -> None:
    path, out = written(tmp_path, "list.csv", HEADER + "a,A,x,kg,1,GBP\n"), tmp_path / "mend.csv"
    told = done("needs", "import", path, "--draft", "Bad", "--json", "--home", home)

    done("draft", "problems", json.loads(told)["id"], "--out", out, "--home", home)

    assert "line 2: quantity: expected a number above 0" in out.read_text("utf-8-sig")


def test_a_seats_workbook_is_published_without_persons(home: Path, tmp_path: Path) -> None:
    path = written(tmp_path, "list.xlsx", workbook(HEAD, FEED))
    done("seat", "add", "Rook Farm", "--keys", tmp_path / "keys", "--home", home)

    told = done("seat", "import", "Rook Farm", "purchases", path, "--home", home)

    assert told == "list.xlsx: published 1 of 1 line.\n"
    other = written(tmp_path, "list.csv", f"{HEADER}seed,Seed,1.500,kg,1,GBP\n")
    asked = run("seat", "import", "Rook Farm", "purchases", other, "--home", home)
    assert "[import.ambiguous]" in asked.stderr
    answer = ("--decimal", "quantity=comma", "--home", home)
    assert "published 1" in done("seat", "import", "Rook Farm", "purchases", other, *answer)
    assert holds(home, CANARY) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--decimal", "max_price"],
        ["--decimal", "max_price=dot"],
        ["--numbers", "de"],
        ["--problems", "out.csv"],
        ["--dry-run", "--draft", "x"],
    ],
)
def test_needs_asked_wrongly_are_misuse(home: Path, tmp_path: Path, arguments: list[str]) -> None:
    path = written(tmp_path, "list.csv", CSV)

    assert run("needs", "import", path, *arguments, "--home", home).exit_code == MISUSED


def test_an_answer_for_a_column_that_is_no_number_is_refused(home: Path, tmp_path: Path) -> None:
    path = written(tmp_path, "list.csv", CSV)

    told = run("needs", "import", path, "--decimal", "unit=comma", "--home", home)

    assert (told.exit_code, "[import.answer]" in told.stderr) == (REFUSED, True)


def test_a_transport_file_is_asked_nothing(home: Path, tmp_path: Path) -> None:
    path = written(tmp_path, "day.txt", "x")

    told = run("import", "transport", path, "--numbers", "comma", "--home", home)

    assert told.exit_code == MISUSED


# --- standing lists


def soon(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


def rolling(folder: Path, item: str = "oats") -> Path:
    header = "item,quantity,unit,max_price,currency,needed_by\n"
    return written(folder, "oats.csv", f"{header}{item},5,kg,1,GBP,{soon(10)}\n")


def test_a_standing_list_is_kept_shown_paused_and_removed(home: Path, tmp_path: Path) -> None:
    path = rolling(tmp_path)
    keep = ("needs", "import", path, "--standing", "weekly", "--until", soon(60), "--home", home)

    dry = done(*keep, "--dry-run")
    before = done("needs", "standing", "list", "--home", home)
    kept = done(*keep)
    listed = done("needs", "standing", "list", "--home", home)
    paused = done("needs", "standing", "pause", "oats", "--home", home)
    held = done("needs", "standing", "list", "--home", home)
    on = done("needs", "standing", "pause", "oats", "--off", "--home", home)
    removed = done("needs", "standing", "remove", "oats", "--home", home)
    again = run("needs", "standing", "remove", "oats", "--home", home)

    assert dry == "Would keep it so: nothing is changed.\n"
    assert before.startswith("No standing list")
    assert kept == f"oats: 1 line, weekly until {soon(60)}, next on {soon(3)} UTC.\n"
    assert listed.splitlines()[1].split() == [
        *("oats", "weekly", "1", "14", soon(3), soon(60)),
    ]
    assert paused == "oats is paused.\n"
    assert "paused" in held
    assert on == kept
    assert removed == "Forgot the standing list oats.\n"
    assert "[standing.unknown]" in again.stderr
    assert sum(ref.startswith("oats:") for ref in lines(home)) == 1  # the period that was due


@pytest.mark.parametrize(
    "arguments",
    [
        ["--standing", "weekly"],
        ["--until", "2030-01-01"],
        ["--name", "x"],
        ["--lead-days", "3"],
        ["--standing", "daily", "--until", "2030-01-01"],
    ],
)
def test_a_standing_list_asked_for_wrongly_is_misuse(
    home: Path, tmp_path: Path, arguments: list[str]
) -> None:
    told = run("needs", "import", rolling(tmp_path), *arguments, "--home", home)

    assert told.exit_code == MISUSED


def test_a_node_that_is_killed_publishes_each_period_once(tmp_path: Path) -> None:
    home, path = make_member(tmp_path), rolling(tmp_path)
    command = [sys.executable, "-m", "sheaf_node", "serve", "--home", str(home)]
    for wait_s in (0.0, 0.02, 0.1, 1.0):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"Serving")
            run(
                "needs", "import", path, "--standing", "weekly", "--until", soon(60), "--home", home
            )
            time.sleep(wait_s)
            process.kill()

    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        deadline = time.monotonic() + 30
        while stored(home) < 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(0.5)
        held, count = list(lines(home)), stored(home)
        process.terminate()

    assert (len(held), count) == (1, 1)
