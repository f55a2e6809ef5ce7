"""A node as an operating-system process, and the commands that ask it."""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.main import sheaf
from sheaf_protocol.errors import Refusal
from sheaf_protocol.json_view import to_json
from sheaf_protocol.records import Demand, Item, Price
from sheaf_services.demo.ports import free_ports

REFUSED, MISUSED = 1, 2
PATIENCE_S = 30
DEMAND = Demand(
    is_firm=True,
    item=Item(code="feed", name="Feed\x9b2J", scale=0, unit="KGM"),
    max_price=Price(amount=10, base=1, currency="GBP"),
    min_quantity=1,
    quantity=5,
    ref="r1",
    zone="N",
)


def run(*args: object) -> Result:
    return CliRunner().invoke(sheaf, [str(arg) for arg in args])


def done(*args: object) -> str:
    result = run(*args)
    assert result.exit_code == 0, result.output
    return result.stdout


def make_home(home: Path, name: str) -> Path:
    peer_port, local_port = free_ports(2)
    done("init", name, "--home", home, "--peer-port", peer_port, "--local-port", local_port)
    return home


def make_member(folder: Path) -> Path:
    """Return the home of Hill, alone in a federation whose name is a terminal command."""
    home = make_home(folder / "hill", "Hill")
    card, charter = folder / "hill.card", folder / "charter"
    done("federation", "card", "--out", card, "--home", home)
    done("federation", "draft", "Borders\x9b2J", f"{card}=member", "--out", charter)
    done("federation", "sign", charter, "--home", home)
    done("federation", "adopt", charter, "--home", home)
    settings = home / "sheaf.toml"
    settings.write_text(settings.read_text() + '[services.shipment_matching]\nplace = "Hill"\n')
    return home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of a node in no federation."""
    return make_home(tmp_path / "mill", "Mill")


def command(home: Path, *args: str) -> list[str]:
    return [sys.executable, "-m", "sheaf_node", "serve", "--home", str(home), *args]


@contextmanager
def serving(
    home: Path, *args: str, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command(home, *args), stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=env
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line == f"Serving {home}. Ctrl-C stops.\n", process.communicate()[1]
            yield process
        finally:
            process.kill()


@pytest.fixture
def member(tmp_path: Path) -> Path:
    return make_member(tmp_path)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = make_member(tmp_path_factory.mktemp("member"))
    with serving(home):
        yield home


def serve_in_vain(home: Path, **kwargs: Any) -> tuple[int, str]:
    """Return exit status and standard error of a node that does not start."""
    ended = subprocess.run(
        command(home), capture_output=True, text=True, check=False, timeout=PATIENCE_S, **kwargs
    )
    assert ended.stdout == ""
    return ended.returncode, ended.stderr


def set_key(home: Path, key: str, value: str) -> None:
    path = home / "sheaf.toml"
    path.write_text(re.sub(rf"^{key} = .*$", f"{key} = {value}", path.read_text(), flags=re.M))


@contextmanager
def answering(home: Path, answer: bytes) -> Iterator[None]:
    """Put another program on a node's local port, with one answer to everything."""

    def serve(listener: socket.socket) -> None:
        accepted, _ = listener.accept()
        with accepted:
            accepted.recv(65_536)
            accepted.sendall(answer)

    (home / "api.token").write_text("00" * 32)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        set_key(home, "local_port", str(listener.getsockname()[1]))
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield
        thread.join(PATIENCE_S)


def http(answer: object) -> bytes:
    return b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(answer).encode()


# --- serve


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_node_well(home: Path, number: signal.Signals) -> None:
    with serving(home) as process:
        assert "Mill" in done("status", "--home", home)

        process.send_signal(number)

        _, errors = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, errors) == (0, "")


def test_a_node_in_no_federation_says_so_when_it_serves(home: Path) -> None:
    with serving(home) as process:
        process.send_signal(signal.SIGTERM)

        assert process.stdout is not None
        # Not `communicate`, which passes over what came with the first line.
        output = process.stdout.read()

    assert output.startswith("In no federation yet: ")


def test_a_node_that_serves_its_federation_warns_of_its_keys_and_says_no_more(member: Path) -> None:
    with serving(member) as process:
        process.send_signal(signal.SIGTERM)

        assert process.stdout is not None
        # Not `communicate`, which passes over what came with the first line.
        output = process.stdout.read()

    lines = output.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["Warning", "Warning"]
    assert "not encrypted" in lines[0]
    assert "recovery sheet" in lines[1]


@pytest.mark.parametrize("text", ["import nowhere", "1 / 0", "def other"])
def test_a_service_that_cannot_be_imported_stops_alone(
    member: Path, tmp_path: Path, text: str
) -> None:
    package = tmp_path / "packages"
    (package / "broken-1.dist-info").mkdir(parents=True)
    (package / "broken.py").write_text(text)
    (package / "broken-1.dist-info" / "METADATA").write_text("Name: broken\nVersion: 1\n")
    (package / "broken-1.dist-info" / "entry_points.txt").write_text(
        "[sheaf.services]\nbroken = broken:Service\n"
    )

    with serving(member, env=os.environ | {"PYTHONPATH": str(package)}) as process:
        status = json.loads(done("status", "--json", "--home", member))
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE_S)

    assert status["stopped"] == ["broken"]
    assert {"broken", "pooled_purchasing"} <= set(status["services"])
    assert "service broken cannot be loaded from broken:Service" in errors


def test_the_end_of_input_ends_a_node_that_was_told_so(home: Path) -> None:
    with serving(home, "--stop-on-eof") as process:
        assert process.stdin is not None
        process.stdin.write("nothing that matters\n")
        process.stdin.flush()
        assert "Mill" in done("status", "--home", home)

        _, errors = process.communicate(timeout=PATIENCE_S)  # closes our end

        assert (process.returncode, errors) == (0, "")


def test_an_input_that_cannot_be_waited_for_is_misuse(home: Path) -> None:
    ended = subprocess.run(
        command(home, "--stop-on-eof"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )

    assert ended.returncode == MISUSED
    assert "--stop-on-eof" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_second_node_on_one_folder_is_refused(running: Path) -> None:
    status, errors = serve_in_vain(running)

    assert status == REFUSED
    assert errors.endswith("[store.locked]\n")
    assert str(running) in errors


@pytest.mark.parametrize(
    ("key", "code"), [("local_port", "api.port_in_use"), ("peer_port", "peer.port_in_use")]
)
def test_a_port_in_use_is_refused_with_the_key_to_change(home: Path, key: str, code: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        set_key(home, key, str(port))

        status, errors = serve_in_vain(home)

    assert status == REFUSED
    assert len(errors.splitlines()) == 1
    assert errors.endswith(f"[{code}]\n")
    assert key in errors
    assert str(port) in errors


@pytest.mark.parametrize(
    ("text", "key", "near", "code"),
    [
        ("peer_prot = 1\n", "peer_prot", "peer_port", "config.unknown_key"),  # two swapped
        (
            "[services.poled_purchasing]\n",
            "services.poled_purchasing",
            "pooled_purchasing",
            "config.unknown_key",
        ),
        ("[services.zzz]\n", "services.zzz", "installed: order_fulfilment", "config.unknown_key"),
        ("[limits]\nlinks = 0\n", "limits", "", "config.invalid"),  # lets nothing through
    ],
)
def test_a_wrong_setting_is_misuse_with_key_and_file(
    home: Path, text: str, key: str, near: str, code: str
) -> None:
    path = home / "sheaf.toml"
    path.write_text(path.read_text() + text)

    result = run("serve", "--home", home)

    assert result.exit_code == MISUSED
    assert result.stderr.endswith(f"[{code}]\n")
    assert all(part in result.stderr for part in (key, near, str(path)))


def test_a_charter_file_that_was_damaged_is_refused(home: Path) -> None:
    (home / "federations").mkdir()
    (home / "federations" / "0.charter").write_bytes(b"half")

    result = run("serve", "--home", home)

    assert result.exit_code == REFUSED
    assert result.stderr.endswith("[charter.file]\n")
    assert f"{home}/federations/0.charter: " in result.stderr


def test_a_disk_that_fails_ends_the_node_with_a_sentence(member: Path) -> None:
    body = json.dumps({"record": to_json(DEMAND)}).encode()
    # A coverage measurement could not write its own file either.
    env = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    with serving(member, env=env) as process:
        # Writes beyond this size now fail as they do on a full disk.
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))

        with pytest.raises(Refusal) as refusal:
            NodeClient(member).post("/api/v1/records/demand.submit", body)

        _, errors = process.communicate(timeout=PATIENCE_S)
    assert refusal.value.code == "store.failed"
    assert process.returncode == REFUSED
    assert errors.splitlines()[-1].endswith("[store.failed]")


# --- status and log


def test_status_is_for_people_and_for_programs(running: Path) -> None:
    text = done("status", "--home", running)
    status = json.loads(done("status", "--json", "--home", running))

    assert text.startswith(f"Hill, co-op {status['cid'][:8]}\n")
    assert "Borders\\u009b2J: 1 members" in text  # the name is shown and not obeyed
    services = "bridging, directory, governance, order_fulfilment, pooled_purchasing"
    services += ", private_demand, recovery"
    services += ", shipment_matching"
    assert f"Services: {services}\n" in text
    assert "Peers: 0 linked, 0 in sync\n" in text
    assert status["federations"][0]["name"] == "Borders\x9b2J"


def test_status_of_a_node_in_no_federation_tells_how_to_join(home: Path) -> None:
    with serving(home):
        text = done("status", "--home", home)

    said = "In no federation yet: `sheaf invite create` founds one, `sheaf join` enters one.\n"
    assert said in text


def test_status_tells_of_trouble(home: Path) -> None:
    federation = {
        "name": "Borders",
        "members": 2,
        "entries": 9,
        "logs": 2,
        "forked": 1,
        "epoch": 4,
        "policy_version": 2,
        "is_forked": True,
        "conflicting": ["aa" * 32, "bb" * 32],
        "is_suspended": True,
        "ended_by": None,
    }
    left = {
        **federation,
        "name": "Hills",
        "is_suspended": False,
        "ended_by": {"action": "expel", "epoch": 3, "id": "cc" * 32},
    }
    status = {
        "name": "Mill",
        "cid": "ab" * 32,
        "federations": [federation, left],
        "joining": [{"name": "Fells"}],
        "unreadable": [],
        "services": ["one", "two"],
        "stopped": ["one"],
        "refused": {"two": "key.expired"},
        "not_subscribed": {"one": ["verdict"]},
        "disk": {"free_bytes": 100 << 20, "reserve_bytes": 512 << 20, "is_full": True},
        "full": [{"fid": "cd" * 32, "cid": "ef" * 32, "entries": 200_000, "bytes": 9 << 20}],
        "recovery": {
            "state": "in_use",
            "sentence": "expected to be alone",
            "key_missing": None,
            "peers_missing": [],
            "waits_for": {},
        },
        "damaged": [
            {"arrival": 7, "cid": "ab" * 32, "seq": 3, "detail": "expected its payload"},
            {"arrival": 9, "cid": None, "seq": 0, "detail": "expected to read\x1b"},
        ],
        "remote": [],
        "webhooks": [],
        "seats": {"seats": 0, "open_links": 0},
        "peers": [],
        "dials": [
            {"url": "ws://a", "is_linked": False, "reason": "connection\x1brefused"},
            {"url": "ws://b", "is_linked": False, "reason": None},
            {"url": "ws://c", "is_linked": True, "reason": None},
        ],
    }

    with answering(home, http(status)):
        output = done("status", "--home", home)

    assert "1 log(s) forked" in output
    assert "2 logs, epoch 4, policy version 2" in output
    assert "halted, as members certified both aaaaaaaa, bbbbbbbb: charter.forked" in output
    assert "this co-op is suspended" in output
    assert "this co-op was expelled in epoch 3: charter.left" in output
    assert "Fells: has not admitted this co-op so far" in output
    assert "stopped by a fault, see the node's output: one" in output
    assert "two may not publish what it wants to: key.expired" in output
    assert "one sees nothing of verdict: service.not_subscribed" in output
    assert "Disk: 100 MiB free of the 512 MiB to be kept free: nothing is taken\n" in output
    assert "  over its quota: co-op efefefef (200000 entries, 9 MiB)" in output
    assert "Damaged on this disk: entry 3 of co-op abababab: expected its payload" in output
    assert "entry 0 of an unreadable log: expected to read\\u001b" in output
    assert output.splitlines()[-2:] == [
        "  not linked: ws://a: connection\\u001brefused",
        "  not linked: ws://b: being dialled",
    ]


def test_the_log_is_for_people_and_for_programs(running: Path) -> None:
    client = NodeClient(running)
    body = json.dumps({"record": to_json(DEMAND)}).encode()
    first = client.post("/api/v1/records/demand.submit", body)
    client.post("/api/v1/records/demand.submit", body)

    page = done("log", "--limit", 1, "--home", running)
    rest = done("log", "--after", 1, "--home", running)
    lines = done("log", "--json", "--home", running)

    assert page.splitlines()[1] == "More: sheaf log --after 1"
    assert "demand.submit" in rest
    assert "More" not in rest
    assert [json.loads(line)["arrival"] for line in lines.splitlines()][:2] == [1, 2]
    assert json.loads(lines.splitlines()[0]) == first
    assert lines.isascii()


def test_the_log_says_what_has_no_effect(home: Path) -> None:
    entry = {
        "arrival": 7,
        "id": "cd" * 32,
        "cid": "ab" * 32,
        "absence": None,
        "seq": 3,
        "time_ms": 1_767_225_600_000,
        "kind": "x\x1b[2J",
        "no_effect": "policy.role",
    }

    with answering(home, http({"items": [entry], "next": None})):
        [line] = done("log", "--home", home).splitlines()

    assert "2026-01-01 00:00:00" in line
    assert line.endswith("x\\u001b[2J  no effect: policy.role")


@pytest.mark.parametrize("arguments", [["--limit", "0"], ["--limit", "x"], ["--after", "-1"]])
def test_a_wrong_number_is_misuse(home: Path, arguments: list[str]) -> None:
    assert run("log", *arguments, "--home", home).exit_code == MISUSED


# --- no node to ask


@pytest.mark.parametrize("verb", ["status", "log"])
def test_a_node_that_never_ran_is_told(home: Path, verb: str) -> None:
    result = run(verb, "--home", home)

    assert (result.exit_code, result.stdout) == (REFUSED, "")
    assert "`sheaf serve`" in result.stderr
    assert result.stderr.endswith("[api.no_token]\n")


@pytest.mark.parametrize("verb", ["status", "log"])
def test_a_node_that_runs_no_more_is_told(home: Path, verb: str) -> None:
    (home / "api.token").write_text("00" * 32)

    result = run(verb, "--home", home)

    assert (result.exit_code, result.stdout) == (REFUSED, "")
    assert "`sheaf serve`" in result.stderr
    assert result.stderr.endswith("[node.unreachable]\n")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"SSH-2.0-OpenSSH_9.0\r\n", "node.unreachable"),  # no HTTP
        (b"HTTP/1.0 200 OK\r\n\r\n<html>", "node.unreachable"),  # no JSON
        (b"HTTP/1.0 404 Not Found\r\n\r\n{}", "node.unreachable"),  # no problem of ours
        (b'HTTP/1.0 422 No\r\n\r\n{"code": "api.query"}', "api.query"),  # a problem of ours
    ],
)
def test_another_program_on_the_port_is_told(home: Path, answer: bytes, code: str) -> None:
    with answering(home, answer), pytest.raises(Refusal) as refusal:
        NodeClient(home).get("/api/v1/status")

    assert refusal.value.code == code


def test_another_nodes_token_is_refused(home: Path, running: Path) -> None:
    (home / "api.token").write_text("00" * 32)
    port = re.search(r"local_port = (\d+)", (running / "sheaf.toml").read_text())
    assert port is not None
    set_key(home, "local_port", port[1])

    result = run("status", "--home", home)

    assert result.exit_code == REFUSED
    assert result.stderr.endswith("[api.unauthorized]\n")
