"""`sheaf treaty` at a running node: one co-op that founded two federations and bridges them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.node.test_cli_federation import QUICK, done, make_home, refused, run, served

from sheaf_node.cli.treaty_draft import party_in, read_treaty_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MISUSED = 2
ROLES = [word for role in ("bridge", "member", "steward") for word in ("--role", role)]
PATIENCE_S = 30.0
TERMS = ("--bridge", "Span", "--kinds", "offer.submit,sealed", "--yes", "--days", "0.0001")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("treaty")


@pytest.fixture(scope="module")
def span(folder: Path) -> Iterator[Path]:
    """The home of Span, alone in North and in South, whose node is running."""
    home = make_home(folder, "span")
    for name in ("North", "South"):
        done("federation", "create", name, *QUICK, *ROLES, "--home", home)
    with served(home):
        yield home


def fids(home: Path) -> dict[str, str]:
    """The ids of the federations, by name."""
    parties = [party_in(path.read_bytes()) for path in home.glob("federations/*.charter")]
    return {party.name: party.fid for party in parties}


def charter(home: Path, name: str) -> Path:
    return home / "federations" / f"{fids(home)[name]}.charter"


def until(is_true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.05)


def listed(home: Path, fid: str) -> list[dict[str, Any]]:
    shown = json.loads(done("treaty", "list", "--federation", fid, "--json", "--home", home))
    return list(shown["treaties"])


@pytest.fixture(scope="module")
def treaty(span: Path, folder: Path) -> str:
    """The id of a treaty in force between the two."""
    ours, file = fids(span), folder / "milk.treaty"
    north, south = ours["North"], ours["South"]
    options = ("--federation", north, "--out", file, "--home", span)
    more = ("--map", "zone:HILLS=COLLINES", "--remove", "lead_days", "--title", "Milk")
    said = done("treaty", "propose", "--with", south, *TERMS, *more, *options)
    assert "to South: offer.submit, sealed" in said
    ballot = said.partition("Ballot ")[2][:8]
    done("federation", "vote", ballot, "yes", "--federation", north, "--home", span)
    accepted = done("treaty", "accept", file, "--yes", "--federation", south, "--home", span)
    ballot = accepted.partition("Ballot ")[2][:8]
    done("federation", "vote", ballot, "yes", "--federation", south, "--home", span)
    until(lambda: bool(listed(span, north)) and bool(listed(span, south)))
    return str(listed(span, north)[0]["id"])


def test_a_treaty_is_in_force_once_both_sides_voted(span: Path, treaty: str) -> None:
    ours = fids(span)

    shown = done("treaty", "show", treaty[:8], "--federation", ours["North"], "--home", span)

    assert "Level allow; in force there" in shown
    assert "Bridges: Span" in shown
    assert "out: offer.submit, sealed; at most 100 a day" in shown
    table = done("treaty", "list", "--federation", ours["South"], "--home", span)
    assert "North" in table
    assert "Milk" in table


def test_what_would_hang_on_it_is_told_and_nothing_is_proposed(span: Path, treaty: str) -> None:
    before = done("federation", "tally", "--json", "--home", span)

    for level in ("pause", "end", "allow"):
        options = ("--dry-run", "--federation", fids(span)["North"], "--home", span)
        said = done("treaty", level, treaty[:8], *options)
        assert said.startswith("On Milk with South hang:\n  nothing that this node can see")

    found = done("treaty", "end", treaty[:8], "--dry-run", "--json", "--home", span)
    assert json.loads(found)["sealed_to_others"] == 0
    assert done("federation", "tally", "--json", "--home", span) == before


def test_a_steward_brakes_at_once_and_asks_for_a_vote(span: Path, treaty: str) -> None:
    north = fids(span)["North"]
    options = ("--federation", north, "--home", span)

    said = done("treaty", "limit", treaty[:8], "--per-day", 3, "--text", "too many", *options)

    assert "Bridges are asked to obey at once" in said
    assert "set the treaty" in said
    shown = done("treaty", "show", treaty[:8], *options)
    assert "Bridges go by limit, 3 a day, the strictest of all" in shown
    assert "Span asked for limit, 3 a day: too many" in shown


def test_an_entry_is_let_across(span: Path, treaty: str) -> None:
    north = fids(span)["North"]
    [entry, *_] = [
        json.loads(line)
        for line in done("log", "--json", "--home", span).splitlines()
        if '"ballot.vote"' in line
    ]

    said = done("treaty", "ask", entry["id"], "--federation", entry["fid"], "--home", span)

    assert said.startswith(f"Entry {entry['id'][:8]} (ballot.vote) may cross")
    assert treaty
    assert north


def test_a_draft_is_shown_and_not_proposed(span: Path, folder: Path) -> None:
    file = charter(span, "South")
    options = ("--federation", fids(span)["North"], "--dry-run", "--json", "--home", span)

    shown = json.loads(
        done("treaty", "propose", "--with", file, *TERMS, "--expires", "2030-01-01", *options)
    )

    assert shown["title"] == "North and South"
    assert not (folder / f"{shown['id'][:8]}.treaty").exists()


def test_a_treaty_file_tells_who_sent_it(span: Path, treaty: str, folder: Path) -> None:
    _, made, sender = read_treaty_file(folder / "milk.treaty")

    assert (sender.name, made.title) == ("North", "Milk")
    options = ("--dry-run", "--federation", fids(span)["South"], "--home", span)
    assert f"Treaty {treaty[:8]}" in done("treaty", "accept", folder / "milk.treaty", *options)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--bridge", "Nobody"], "treaty.bridges"),
        (["--bridge", "Span", "--remove", "tiers"], "treaty.unreadable"),
        (["--bridge", "Span", "--region", "no zone"], "treaty.request"),
    ],
)
def test_a_draft_that_no_charter_can_have_is_refused(
    span: Path, options: list[str], code: str
) -> None:
    given = ("--kinds", "offer.submit", "--yes", "--federation", fids(span)["North"])

    said = refused(
        "treaty", "propose", "--with", charter(span, "South"), *options, *given, "--home", span
    )

    assert said == code


def test_a_partner_that_nobody_knows_is_refused(span: Path) -> None:
    options = ("--federation", fids(span)["North"], "--home", span)

    assert refused("treaty", "propose", "--with", "zz", *TERMS, *options) == "treaty.parties"


def test_a_map_that_is_none_is_misuse(span: Path) -> None:
    south = charter(span, "South")
    options = ("--map", "HILLS", "--federation", fids(span)["North"], "--home", span)

    assert run("treaty", "propose", "--with", south, *TERMS, *options).exit_code == MISUSED


def test_a_treaty_goes_only_between_its_parties(span: Path, treaty: str, folder: Path) -> None:
    options = ("--yes", "--federation", fids(span)["North"], "--home", span)

    assert refused("treaty", "accept", folder / "milk.treaty", *options) == "treaty.parties"
    assert refused("treaty", "accept", charter(span, "South"), *options) == "treaty.file"
    assert treaty


def test_a_treaty_that_is_not_in_force_is_refused(span: Path) -> None:
    for command in (["show"], ["pause"], ["end", "--dry-run"]):
        assert refused("treaty", *command, "ffff", "--home", span) == "treaty.unknown"
