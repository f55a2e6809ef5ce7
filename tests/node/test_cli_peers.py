"""`sheaf peers`, `config`, `events` and `doctor`, in part against two nodes that run."""

import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.node.test_cli import MISUSED, done, refused, run

from sheaf_node.cli.client import NodeClient
from sheaf_node.config import load_config
from sheaf_protocol.json_view import to_json
from sheaf_protocol.records import Demand, Item, Price
from sheaf_services.demo.ports import free_ports

PATIENCE_S = 40
DEMAND = Demand(
    is_firm=True,
    item=Item(code="feed", name="Feed", scale=0, unit="KGM"),
    max_price=Price(amount=10, base=1, currency="GBP"),
    min_quantity=1,
    quantity=5,
    ref="r1",
    zone="N",
)


class Pair(NamedTuple):
    """Two members' homes, each with the other's address in its settings."""

    hill: Path
    dale: Path
    dale_url: str


def make_pair(folder: Path) -> Pair:
    ports = free_ports(4)
    homes = {"hill": folder / "hill", "dale": folder / "dale"}
    for at, (name, home) in enumerate(homes.items()):
        numbers = ("--peer-port", ports[at], "--local-port", ports[at + 2])
        done("init", name.title(), "--home", home, *numbers)
        done("federation", "card", "--out", folder / f"{name}.card", "--home", home)
    cards = [f"{folder / name}.card=member" for name in homes]
    charter = folder / "charter"
    done("federation", "draft", "Borders", *cards, "--out", charter)
    for verb in ("sign", "adopt"):
        for home in homes.values():
            done("federation", verb, charter, "--home", home)
    hill_url, dale_url = (f"ws://127.0.0.1:{port}" for port in ports[:2])
    done("peers", "add", dale_url, "--home", homes["hill"])
    done("peers", "add", hill_url, "--home", homes["dale"])
    return Pair(homes["hill"], homes["dale"], dale_url)


@contextmanager
def serving(home: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "sheaf_node", "serve", "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("Serving")
            yield
        finally:
            process.terminate()


def until_linked(home: Path) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        listed = json.loads(done("peers", "list", "--json", "--home", home))
        if any(row["is_linked"] and row["in_sync"] for row in listed["peers"]):
            return dict(listed)
        time.sleep(0.2)
    raise AssertionError("not linked in time")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    made = make_pair(tmp_path_factory.mktemp("pair"))
    with ExitStack() as stack:
        for home in (made.hill, made.dale):
            stack.enter_context(serving(home))
        until_linked(made.hill)
        body = json.dumps({"record": to_json(DEMAND)}).encode()
        post(made.hill, body)
        yield made


def post(home: Path, body: bytes) -> None:
    NodeClient(home).post("/api/v1/records/demand.submit", body)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that does not run; its settings have a comment."""
    done("init", "Mill", "--home", tmp_path / "mill")
    path = tmp_path / "mill" / "sheaf.toml"
    path.write_text(path.read_text() + "\n[limits]\nlinks = 12  # the router is old\n")
    return tmp_path / "mill"


# --- peers


def test_running_nodes_tell_who_is_linked(pair: Pair) -> None:
    listed = until_linked(pair.hill)

    assert listed["is_running"] is True
    [row] = listed["peers"]
    assert (row["name"], row["url"], row["in_sync"]) == ("Dale", pair.dale_url, True)
    assert "Dale" in done("peers", "list", "--home", pair.hill)


def test_a_dry_run_lists_consequences_and_changes_nothing(pair: Pair) -> None:
    before = (pair.hill / "sheaf.toml").read_bytes()

    told = [
        done("peers", "pause", "Dale", "--dry-run", "--home", pair.hill),
        done("peers", "remove", "Dale", "--dry-run", "--home", pair.hill),
        done("peers", "limit", "Dale", 64, "--dry-run", "--home", pair.hill),
        done("peers", "add", "wss://mill.example", "--dry-run", "--home", pair.hill),
    ]

    assert (pair.hill / "sheaf.toml").read_bytes() == before
    assert all("Nothing was changed" in each for each in told)
    assert "WARNING: no other link is up" in told[0]


def test_a_pause_holds_for_address_and_co_op_until_it_ends(pair: Pair) -> None:
    done("peers", "pause", pair.dale_url, "--home", pair.hill)
    paused = load_config(pair.hill)
    done("peers", "pause", "dale", "--off", "--home", pair.hill)
    resumed = load_config(pair.hill)

    assert paused.dialled == []
    assert [rule.paused for rule in paused.coops.values()] == [True]
    assert [peer.url for peer in resumed.dialled] == [pair.dale_url]
    assert resumed.coops == {}


def test_a_limit_comes_and_goes(pair: Pair) -> None:
    done("peers", "limit", "Dale", 64, "--home", pair.hill)
    limited = load_config(pair.hill).coops
    done("peers", "limit", "Dale", 0, "--home", pair.hill)

    assert [rule.kib_per_s for rule in limited.values()] == [64]
    assert load_config(pair.hill).coops == {}


def test_peers_come_and_go_and_the_comment_stays(home: Path) -> None:
    done("peers", "add", "wss://dale.example", "--home", home)
    added = [peer.url for peer in load_config(home).peers]
    done("peers", "remove", "wss://dale.example", "--yes", "--home", home)

    assert added == ["wss://dale.example"]
    assert load_config(home).peers == []
    assert "# the router is old" in (home / "sheaf.toml").read_text()
    assert (home / "sheaf.toml").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["add", "dale.example"], "peer.url"),
        (["add", "wss://user@dale.example"], "peer.url"),
        (["add", "ws://127.0.0.1:8440"], "peer.own"),
        (["remove", "wss://dale.example"], "peer.unknown"),
        (["remove", "Dale"], "peer.unknown"),
        (["pause", "ws://"], "peer.unknown"),
        (["pause", "12345678"], "peer.unknown"),
        (["limit", "Dale", "64"], "peer.unknown"),
    ],
)
def test_a_peer_that_is_none_is_refused(home: Path, arguments: list[str], code: str) -> None:
    before = (home / "sheaf.toml").read_bytes()

    refused("peers", *arguments, "--home", home, code=code)

    assert (home / "sheaf.toml").read_bytes() == before


def test_a_limit_that_would_break_links_is_misuse(home: Path) -> None:
    result = run("peers", "limit", "Dale", 5, "--home", home)

    assert result.exit_code == MISUSED
    assert "at least 32" in result.stderr


def test_removing_asks_first(home: Path) -> None:
    done("peers", "add", "wss://dale.example", "--home", home)

    result = run("peers", "remove", "wss://dale.example", "--home", home)

    assert result.exit_code != 0  # nobody answers
    assert len(load_config(home).peers) == 1


def test_no_node_pauses_itself(pair: Pair) -> None:
    refused("peers", "pause", "Hill", "--home", pair.hill, code="peer.own")


# --- config


def test_settings_are_shown_with_what_differs(home: Path) -> None:
    changed = json.loads(done("config", "show", "--changed", "--json", "--home", home))
    every = json.loads(done("config", "show", "--json", "--home", home))

    assert changed["limits.links"] == 12
    assert "waits.dial_ms" not in changed
    assert every["waits.dial_ms"] == 10_000


def test_what_is_named_like_a_secret_is_not_shown(home: Path) -> None:
    path = home / "sheaf.toml"
    path.write_text(path.read_text() + '[services.billing]\napi_token = "canary"\nplace = "Hill"\n')
    path.write_text(path.read_text() + 'accounts = [{ name = "x", password = "canary" }]\n')

    for option in ((), ("--json",)):
        shown = done("config", "show", *option, "--home", home)
        assert "canary" not in shown
        assert "Hill" in shown


def test_sound_settings_pass(home: Path) -> None:
    assert "can start" in done("config", "check", "--home", home)
    assert json.loads(done("config", "check", "--json", "--home", home)) == {"faults": []}


def test_every_fault_is_told_and_is_misuse(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text(
        'name = "x"\npeer_port = 7\nlocal_port = 7\npeers = [{ url = "ws://127.0.0.1:7" }]\n'
    )

    result = run("config", "check", "--file", file, "--home", home)

    assert result.exit_code == MISUSED
    assert len(result.stderr.splitlines()) == 2
    assert "two ports" in result.stderr
    assert "this one" in result.stderr


def test_a_typo_is_told_with_what_is_meant(home: Path) -> None:
    (home / "sheaf.toml").write_text('nmae = "x"\n')

    told = refused("config", "check", "--home", home, code="config.unknown_key", exit_code=MISUSED)

    assert "did you mean 'name'?" in told


# --- events


def test_the_newest_entries_are_printed(pair: Pair) -> None:
    line = done("events", "tail", "--home", pair.hill)
    [entry] = done("events", "tail", "--json", "--home", pair.hill).splitlines()

    assert "demand.submit" in line
    assert json.loads(entry)["kind"] == "demand.submit"
    assert done("events", "tail", "--lines", 0, "--home", pair.hill) == ""


def test_following_prints_what_comes(pair: Pair) -> None:
    command = [sys.executable, "-m", "sheaf_node", "events", "tail", "--follow", "--json"]
    with subprocess.Popen(
        [*command, "--lines", "0", "--home", str(pair.dale)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        posted = []
        while not select.select([process.stdout], [], [], 2)[0] and len(posted) < PATIENCE_S:
            # Nothing tells when the command follows; what came before that is not printed.
            posted.append(f"next-{len(posted)}")
            record = {**to_json(DEMAND), "ref": posted[-1]}
            post(pair.hill, json.dumps({"record": record}).encode())
        process.terminate()
        printed, _ = process.communicate()

    entry = json.loads(printed.splitlines()[0])
    assert entry["record"]["ref"] in posted


def test_what_a_running_node_exports_checks_anywhere(pair: Pair, tmp_path: Path) -> None:
    file = tmp_path / "borders.bundle"

    told = done("events", "export", file, "--home", pair.dale)
    checked = done("events", "verify", file)

    assert "of 1 federation," in told
    assert "Borders" in checked
    assert "each entry is signed" in checked
    assert "what was written" in done("events", "verify", "--home", pair.dale)


def test_a_co_op_that_wrote_nothing_exports_nothing_of_its_own(pair: Pair, tmp_path: Path) -> None:
    done("events", "export", tmp_path / "own", "--own", "--home", pair.dale)

    assert json.loads(done("events", "verify", tmp_path / "own", "--json"))["entries"] == 0


def test_a_federation_that_is_not_held_is_refused(pair: Pair, tmp_path: Path) -> None:
    options = ("--federation", "zz", "--home", pair.dale)

    refused("events", "export", tmp_path / "x", *options, code="bundle.federation")


def test_a_node_that_never_ran_has_nothing_to_export(home: Path, tmp_path: Path) -> None:
    refused("events", "export", tmp_path / "x", "--home", home, code="store.unreadable")


# --- doctor


def test_a_peer_dials_back_and_says_so(pair: Pair) -> None:
    result = run("doctor", "--from-peer", pair.dale_url, "--json", "--home", pair.hill)

    found = json.loads(result.stdout)["findings"]
    back = [each for each in found if each["look"] == "look-back"]
    assert [each["level"] for each in back] == ["ok"]
    assert [e["level"] for e in found if e["look"] in {"clock", "ports"}] == ["ok"] * 2
    assert result.stdout.isascii()
