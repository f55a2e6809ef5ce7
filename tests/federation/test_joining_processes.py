"""Two co-ops that know nothing of one another: six commands, one link, and a demand arrives."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from sheaf_node.cli.client import NodeClient
from sheaf_protocol.errors import Refusal
from sheaf_services.demo.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_S = 240.0
LIST = "item,quantity,unit,max_price,currency\noats,5,KGM,10.00,GBP\n"


class Town:
    """Commands as people type them, each a process of its own, and how many there were."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack, self.typed = folder, stack, 0
        self.ports = dict(zip(("hill", "dale", "moor"), _pairs(3), strict=True))

    def home(self, name: str) -> Path:
        return self.folder / name

    def at(self, name: str) -> list[str]:
        """Return the options that keep two co-ops apart on one computer."""
        peer, local = self.ports[name]
        return [*self.of(name), "--peer-port", str(peer), "--local-port", str(local)]

    def of(self, name: str) -> list[str]:
        return ["--home", str(self.home(name))]

    def run(self, *args: str, given: str = "") -> subprocess.CompletedProcess[str]:
        self.typed += 1
        command = [sys.executable, "-m", "sheaf_node", *args]
        return subprocess.run(
            command, input=given, capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )

    def done(self, *args: str, given: str = "") -> str:
        ended = self.run(*args, given=given)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def serve(self, name: str) -> None:
        self.typed += 1
        command = [sys.executable, "-m", "sheaf_node", "serve", *self.of(name)]
        process = self._stack.enter_context(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
        self._stack.callback(process.kill)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Serving"), line + process.stdout.read()

    def get(self, name: str, path: str) -> Any:
        return NodeClient(self.home(name)).get(path)


def _pairs(count: int) -> list[tuple[int, int]]:
    ports = free_ports(2 * count)
    return list(zip(ports[::2], ports[1::2], strict=True))


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with ExitStack() as stack:
        yield Town(tmp_path, stack)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def link_in(text: str) -> str:
    [link] = set(re.findall(r"https?://[^\s']+#[\w-]+", text))
    return str(link)


def code_in(text: str) -> str:
    [code] = set(re.findall(r"\b(?:[0-9A-Z]{4}-){6}[0-9A-Z]{4}\b", text))
    return str(code)


def test_two_co_ops_exchange_a_demand_after_six_commands(town: Town, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(LIST)

    town.done("init", "Hill", *town.at("hill"))
    town.serve("hill")
    link = link_in(town.done("invite", "create", *town.of("hill")))
    joined = town.done(
        "join", link, "--name", "Dale", "--yes", "--allow-loopback", *town.at("dale")
    )
    town.serve("dale")
    town.done("import", "purchases", str(path), *town.of("dale"))

    assert town.typed == 6
    assert "This co-op is a member of Hill and friends." in joined
    until(lambda: "oats" in items_at(town, "hill"))
    own = town.get("dale", "/api/v1/status")["cid"]
    [demand] = [each for each in log_at(town, "hill") if each["kind"] == "demand.submit"]
    assert demand["cid"] == own
    until(lambda: [peer["in_sync"] for peer in peers_at(town, "dale")] == [True])


def test_the_third_co_op_joins_by_a_code_once_both_members_said_yes(town: Town) -> None:
    found(town)
    town.serve("hill")
    town.serve("dale")
    made = json.loads(town.done("invite", "create", "--json", *town.of("hill")))
    address = f"127.0.0.1:{town.ports['hill'][0]}"
    options = ["--yes", "--allow-loopback", "--json", *town.at("moor")]

    # The inviter's node proposes and votes; the other member's people have their own say.
    joined = town.done("join", made["code"].lower(), address, "--name", "Moor", *options)
    town.serve("moor")
    until(lambda: voters_at(town, "dale") == [["Hill"]])
    [ballot] = ballots_at(town, "dale")
    town.done("federation", "vote", ballot["id"], "yes", *town.of("dale"))

    assert json.loads(joined)["is_member"] is False
    until(lambda: bool(town.get("moor", "/api/v1/status")["federations"]))
    until(lambda: town.get("moor", "/api/v1/status")["federations"][0]["members"] == 3)


def test_the_invitation_of_another_is_used_up_and_one_that_was_revoked_is_unknown(
    town: Town,
) -> None:
    used = found(town)
    revoked = json.loads(town.done("invite", "create", "--json", *town.of("hill")))
    town.done("invite", "revoke", revoked["id"][:8], *town.of("hill"))
    town.serve("hill")
    options = ["--name", "Moor", "--yes", "--allow-loopback", *town.at("moor")]

    second = town.run("join", used, *options)
    late = town.run("join", revoked["link"], *options)

    assert (second.returncode, "[invite.used]" in second.stderr) == (1, True)
    assert (late.returncode, "[invite.unknown]" in late.stderr) == (1, True)
    assert len(members_at(town, "hill")) == 2


def test_a_joiner_whose_answer_was_lost_joins_again_by_the_same_link(town: Town) -> None:
    link = found(town)
    charter = next(town.home("dale").glob("federations/*.charter"))
    charter.unlink()
    town.serve("hill")

    again = town.done("join", link, "--yes", "--allow-loopback", *town.of("dale"))

    assert "This co-op is a member" in again
    assert charter.exists()
    assert (town.home("dale") / "sheaf.toml").read_text().count('url = "http://127.0.0.1:') == 1


def test_a_link_read_from_standard_input_stands_in_no_list_of_processes(town: Town) -> None:
    town.done("init", "Hill", *town.at("hill"))
    link = link_in(town.done("invite", "create", "--federation", "Borders", *town.of("hill")))
    town.serve("hill")

    joined = town.done(
        "join", "-", "--name", "Dale", "--yes", "--allow-loopback", *town.at("dale"), given=link
    )

    assert "a member of Borders" in joined


def test_a_link_into_this_computer_is_not_followed_unless_the_operator_says_so(town: Town) -> None:
    town.done("init", "Hill", *town.at("hill"))
    link = link_in(town.done("invite", "create", *town.of("hill")))
    town.serve("hill")

    refused = town.run("join", link, "--name", "Dale", "--yes", *town.at("dale"))

    assert (refused.returncode, "[peer.inside]" in refused.stderr) == (1, True)
    assert not town.home("dale").exists()


def found(town: Town) -> str:
    """Make Hill and Dale the members of a federation, with no node running; return the link."""
    town.done("init", "Hill", *town.at("hill"))
    link = link_in(town.done("invite", "create", *town.of("hill")))
    with ExitStack() as stack:
        inner = Town(town.folder, stack)
        inner.ports = town.ports
        inner.serve("hill")
        options = ["--name", "Dale", "--yes", "--allow-loopback", *town.at("dale")]
        town.done("join", link, *options)
    return link


def log_at(town: Town, name: str) -> list[dict[str, Any]]:
    try:
        return list(town.get(name, "/api/v1/log")["items"])
    except Refusal:
        return []


def items_at(town: Town, name: str) -> list[str]:
    submitted = [each for each in log_at(town, name) if each["kind"] == "demand.submit"]
    return [each["record"]["item"]["code"] for each in submitted]


def ballots_at(town: Town, name: str) -> list[dict[str, Any]]:
    view = town.get(name, "/api/v1/services/governance/ballots")
    return [each for each in view["ballots"] if each["state"] == "open"]


def voters_at(town: Town, name: str) -> list[list[str]]:
    """Return who voted in each open ballot, as far as a node has heard."""
    return [[vote["name"] for vote in ballot["votes"]] for ballot in ballots_at(town, name)]


def peers_at(town: Town, name: str) -> list[dict[str, Any]]:
    return list(town.get(name, "/api/v1/status")["peers"])


def members_at(town: Town, name: str) -> list[dict[str, Any]]:
    return list(town.get(name, "/api/v1/services/governance/charter")["members"])
