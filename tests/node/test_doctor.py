"""What the doctor says of a home, part by part."""

import http.server
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.node.test_cli import done, run

from sheaf_node.config import load_config
from sheaf_node.doctor import Level, beside, judging, machine
from sheaf_node.doctor.listening import unheard
from sheaf_node.doctor.probe import addresses_of, is_free, meet
from sheaf_node.doctor.report import examine
from sheaf_node.doctor.settings import faults_of
from sheaf_node.peering.look_back import own_addresses
from sheaf_protocol.errors import Refusal
from sheaf_services.demo.ports import free_ports

DAY_MS = 86_400_000
NOW_MS = 1_800_000_000_000
SOUND: dict[str, Any] = {
    "recovery": {"state": "free", "sentence": ""},
    "damaged": [],
    "stopped": [],
    "federations": [{"name": "Borders", "is_forked": False}],
    "refused": {},
    "peers": [{"cid": "aa", "in_sync": True, "is_dialled": True}],
    "dials": [],
    "remote": [],
    "webhooks": [],
    "seats": {"seats": 0, "open_links": 0},
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    peer_port, local_port = free_ports(2)
    ports = ("--peer-port", peer_port, "--local-port", local_port)
    done("init", "Mill", "--home", tmp_path / "mill", *ports)
    return tmp_path / "mill"


@contextmanager
def answering(
    document: bytes,
    *,
    status: int = 200,
    date: str | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[int]:
    """Run a web server with one answer; give its port."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(status)
            if date is not None:
                self.send_header("Date", date)
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass

    with Server(("127.0.0.1", 0), Answer) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@contextmanager
def dripping() -> Iterator[int]:
    """Run a server that sends one byte of a head every 100 ms, without end; give its port."""
    ended = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not ended.wait(0.1):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=[listener])
        thread.start()
        yield listener.getsockname()[1]
        ended.set()
        thread.join()


# --- clocks


@pytest.mark.parametrize(
    ("ahead_ms", "level"),
    [
        ({}, Level.SKIPPED),
        ({"a": 900}, Level.OK),
        ({"a": -31_000}, Level.WARN),
        ({"a": 240_000}, Level.FAIL),
        ({"a": 86_400_000, "b": 0, "c": 100}, Level.OK),  # one liar among three
        ({"a": -600_000, "b": -600_000, "c": 0}, Level.FAIL),  # two against us
    ],
)
def test_the_middle_clock_is_what_ours_is_held_against(
    ahead_ms: dict[str, int], level: Level
) -> None:
    assert judging.clock(ahead_ms).level is level


def test_a_clock_is_said_to_be_ahead_or_behind() -> None:
    assert "60 s behind" in judging.clock({"a": 60_000}).said
    assert "60 s ahead of" in judging.clock({"a": -60_000}).said


# --- backups


@pytest.mark.parametrize(
    ("age_ms", "level"),
    [
        (None, Level.WARN),
        (DAY_MS, Level.OK),
        (3 * DAY_MS, Level.WARN),
        (15 * DAY_MS, Level.FAIL),
        (-DAY_MS, Level.WARN),  # the clock was put back
    ],
)
def test_a_backup_gets_old(age_ms: int | None, level: Level) -> None:
    last_ms = None if age_ms is None else NOW_MS - age_ms

    assert judging.backup(last_ms, NOW_MS).level is level


# --- what the node says


def test_a_sound_node_is_one_line() -> None:
    assert [each.level for each in judging.node(SOUND)] == [Level.OK]


@pytest.mark.parametrize(
    ("trouble", "level"),
    [
        ({"recovery": {"state": "in_use", "sentence": "expected to be alone"}}, Level.FAIL),
        ({"damaged": [{}]}, Level.FAIL),
        ({"stopped": ["pooled_purchasing"]}, Level.FAIL),
        ({"federations": [{"name": "Borders", "is_forked": True}]}, Level.FAIL),
        ({"refused": {"governance": "key.expired"}}, Level.WARN),
        ({"federations": []}, Level.WARN),
    ],
)
def test_each_trouble_of_a_node_is_a_line_with_a_remedy(
    trouble: dict[str, Any], level: Level
) -> None:
    [finding] = judging.node(SOUND | trouble)

    assert finding.level is level
    assert finding.todo


def test_a_node_that_hears_of_nobody_fails() -> None:
    dial = {"url": "ws://a", "is_linked": False, "reason": "connection refused"}

    first, second = judging.peers(SOUND | {"peers": [], "dials": [dial]})

    assert (first.level, second.level) == (Level.FAIL, Level.WARN)
    assert "connection refused" in second.said


def test_a_peer_that_dialled_shows_that_the_node_is_reached() -> None:
    called = {"cid": "aa", "in_sync": True, "is_dialled": False}

    assert judging.reached(SOUND) is None
    found = judging.reached(SOUND | {"peers": [called]})
    assert found is not None
    assert found.level is Level.OK


# --- what works beside the logs


SERVICE = {"name": "price_alert", "fid": "aa" * 32, "is_connected": True, "seen_ms": NOW_MS}
SERVICE |= {"behind": 0, "refused": None, "refusals": 0}
HOOK = {"id": "0a" * 8, "host": "erp.example", "state": "active", "waiting": 1, "dead": 0}
HOOK |= {"oldest_ms": NOW_MS}


def test_what_a_node_does_not_have_is_no_line() -> None:
    assert list(beside.judged(SOUND, NOW_MS)) == []
    assert list(beside.held([])) == []


def test_what_works_is_one_line_each() -> None:
    status = {"remote": [SERVICE], "webhooks": [HOOK], "seats": {"seats": 2, "open_links": 1}}

    found = list(beside.judged(status, NOW_MS))

    assert [(each.look, each.level) for each in found] == [
        ("services", Level.OK),
        ("webhooks", Level.OK),
        ("seats", Level.OK),
    ]


@pytest.mark.parametrize(
    ("what", "trouble", "said"),
    [
        ("remote", {"is_connected": False}, "not connected"),
        ("remote", {"behind": beside.BEHIND_WARN + 1}, "entries behind"),
        ("remote", {"refused": "service.rate", "refusals": 3}, "service.rate"),
        ("webhooks", {"state": "failed"}, "failed"),
        ("webhooks", {"state": "gone"}, "gone"),
        ("webhooks", {"dead": 2}, "2 deliveries"),
        ("webhooks", {"oldest_ms": NOW_MS - beside.WAIT_WARN_MS}, "waited for 1 hour"),
    ],
)
def test_each_trouble_beside_the_logs_is_a_line_with_a_remedy(
    what: str, trouble: dict[str, Any], said: str
) -> None:
    sound = SERVICE if what == "remote" else HOOK

    [finding] = beside.judged(SOUND | {what: [sound | trouble]}, NOW_MS)

    assert finding.level is Level.WARN
    assert said in finding.said
    assert finding.todo


def test_what_a_restore_holds_back_is_told() -> None:
    [finding] = beside.held(["token:ci", "webhook:0a"])

    assert finding.level is Level.WARN
    assert "token:ci, webhook:0a" in finding.said


# --- this computer


MOUNTS = """22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/nas rw - nfs4 nas:/x rw
31 22 0:41 / /mnt/nas/usb\\040stick rw - vfat /dev/sdb rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/sheaf", "ext4"),
        ("/mnt/nas/home", "nfs4"),
        ("/mnt/nasty", "ext4"),  # begins like a mount, and is none
        ("/mnt/nas/usb stick/home", "vfat"),
    ],
)
def test_the_nearest_mount_tells_the_file_system(path: str, kind: str) -> None:
    assert machine.kind_at(Path(path), MOUNTS) == kind


def test_a_home_that_cannot_be_written_fails(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryDirectory", refuse)

    assert machine.file_system(home).level is Level.FAIL


def test_looking_at_a_home_leaves_nothing_in_it(home: Path) -> None:
    before = sorted(home.rglob("*"))

    machine.file_system(home)

    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "mode", "level"),
    [
        ("keys", 0o755, Level.FAIL),
        ("keys/writer.key", 0o640, Level.FAIL),
        ("keys/key_log", 0o644, Level.OK),  # any peer has it
        ("sheaf.toml", 0o644, Level.OK),  # nothing secret stands there
        ("sheaf.toml", 0o666, Level.FAIL),  # whoever may write it names our peers
    ],
)
def test_files_that_others_may_read_are_named(
    home: Path, name: str, mode: int, level: Level
) -> None:
    (home / name).chmod(mode)

    found = machine.keys(home)

    assert [each.level for each in found] == [level]
    assert level is Level.OK or str(home / name) in found[0].said


def test_a_disk_below_the_reserve_fails(home: Path) -> None:
    assert machine.disk(home, 1).level is Level.OK
    assert machine.disk(home, 10**9).level is Level.FAIL


# --- settings


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("local_port = 7000\npeer_port = 7000", "two ports"),
        ('peers = [{ url = "ws://a:1" }, { url = "http://a:1/" }]', "once"),
        ('peers = [{ url = "ws://127.0.0.1:8440" }]', "this one"),
        ('peer_host = "0.0.0.0"', "public_names"),
        ("[services.poled_purchasing]", "pooled_purchasing"),
    ],
)
def test_settings_that_parse_and_do_not_work_are_told(
    tmp_path: Path, line: str, words: str
) -> None:
    (tmp_path / "sheaf.toml").write_text(f'name = "Mill"\n{line}\n')

    [fault] = faults_of(load_config(tmp_path), tmp_path / "sheaf.toml")

    assert words in fault.detail


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("mill.example", "wss://mill.example"),
        ("mill.example:8440", "ws://mill.example:8440"),  # the peer port itself
        ("mill.example:9000", "wss://mill.example:9000"),
        ("192.0.2.7", "ws://192.0.2.7:8440"),
        ("localhost", "ws://localhost:8440"),
    ],
)
def test_a_public_name_is_an_address(tmp_path: Path, name: str, address: str) -> None:
    (tmp_path / "sheaf.toml").write_text(f'name = "Mill"\npublic_names = ["{name}"]\n')

    assert own_addresses(load_config(tmp_path)) == [address]


# --- the network


def test_who_answers_is_met_with_its_time() -> None:
    with answering(b'{"cid": "aa"}', date="Fri, 15 Jan 2100 08:00:00 GMT") as port:
        met = meet(f"ws://127.0.0.1:{port}")

    assert met.document == {"cid": "aa"}
    assert met.ahead_ms is not None
    assert met.ahead_ms > 365 * DAY_MS
    assert met.certificate_ends_ms is None


@pytest.mark.parametrize(
    ("document", "date"), [(b"[]", "yesterday"), (b"\xff", None), (b'"' + b"x" * 9_000, None)]
)
def test_nonsense_is_met_as_nothing(document: bytes, date: str | None) -> None:
    with answering(document, date=date) as port:
        met = meet(f"http://127.0.0.1:{port}")

    assert (met.document, met.ahead_ms) == ({}, None)


@pytest.mark.parametrize("status", [302, 404, 500])
def test_another_status_is_no_node_and_a_redirect_is_not_followed(status: int) -> None:
    with answering(b"{}", status=status) as port, pytest.raises(Refusal) as refusal:
        meet(f"ws://127.0.0.1:{port}")

    assert refusal.value.code == "link.unreachable"
    assert str(status) in refusal.value.detail


def test_a_port_without_tls_is_told() -> None:
    with answering(b"{}") as port, pytest.raises(Refusal) as refusal:
        meet(f"wss://127.0.0.1:{port}")

    assert refusal.value.code == "doctor.tls"


def test_a_certificate_that_nobody_vouches_for_is_told(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not here: no certificate can be made")
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    options = ["-newkey", "ed25519", "-nodes", "-days", "3", "-subj", "/CN=mill.example"]
    command = [openssl, "req", "-x509", *options, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    with answering(b"{}", tls=context) as port, pytest.raises(Refusal) as refusal:
        meet(f"wss://127.0.0.1:{port}")

    assert refusal.value.code == "doctor.tls"
    assert "self" in refusal.value.detail


def test_nobody_there_is_told() -> None:
    [port] = free_ports(1)

    with pytest.raises(Refusal) as refusal:
        meet(f"ws://127.0.0.1:{port}")

    assert refusal.value.code == "link.unreachable"
    assert "connection refused" in refusal.value.detail


@pytest.mark.parametrize("url", ["ws://[::1", "ws://a:99999", f"ws://{'a' * 64}.example", "ws://"])
def test_what_is_no_address_is_told(url: str) -> None:
    with pytest.raises(Refusal) as refusal:
        meet(url)

    assert refusal.value.code == "link.unreachable"


def test_a_peer_that_talks_without_end_is_left_in_time() -> None:
    begun = time.monotonic()

    with dripping() as port, pytest.raises(Refusal) as refusal:
        meet(f"ws://127.0.0.1:{port}", timeout_s=0.6)

    assert time.monotonic() - begun < 30
    assert "no answer in time" in refusal.value.detail


def test_wrong_addresses_in_the_settings_do_not_end_the_report(home: Path) -> None:
    settings = home / "sheaf.toml"
    whole = settings.read_text()
    faults = {}
    for name in ("[::1", "mill.example.invalid"):
        settings.write_text(whole.replace('"127.0.0.1"', f'"{name}"'))
        found = list(examine(home, None, NOW_MS))
        faults[name] = [each.look for each in found if each.level in {Level.FAIL, Level.WARN}]

    assert "settings" in faults["[::1"]
    assert "names" in faults["mill.example.invalid"]


def test_names_and_ports_are_looked_at() -> None:
    with answering(b"{}") as port:
        assert not is_free("127.0.0.1", port)
    assert addresses_of("127.0.0.1") == ["127.0.0.1"]
    assert addresses_of("mill.invalid") == []


def test_a_certificate_that_ends_soon_is_a_warning() -> None:
    late, soon = NOW_MS + 60 * DAY_MS, NOW_MS + 3 * DAY_MS

    assert judging.certificate("wss://a", late, NOW_MS).level is Level.OK
    assert judging.certificate("wss://a", soon, NOW_MS).level is Level.WARN
    assert judging.certificate("ws://a", None, NOW_MS).level is Level.WARN


def test_another_server_at_our_name_fails() -> None:
    found = judging.identity("wss://a", {"cid": "bb"}, "aa")

    assert judging.identity("wss://a", {"cid": "aa"}, "aa") is None
    assert found is not None
    assert found.level is Level.FAIL


# --- the whole


def test_a_node_that_does_not_run_is_looked_at(home: Path) -> None:
    found = {each.look: each for each in examine(home, None, NOW_MS)}

    assert found["settings"].level is Level.OK
    assert found["node"].level is Level.WARN
    assert found["ports"].level is Level.OK
    assert found["clock"].level is Level.SKIPPED


def test_a_finding_that_is_not_well_says_what_to_do(home: Path) -> None:
    wanting = [each for each in examine(home, None, NOW_MS) if each.level is not Level.OK]

    assert wanting
    assert [each for each in wanting if not each.todo] == []


def test_wrong_settings_end_with_status_1_and_one_sentence(home: Path) -> None:
    (home / "sheaf.toml").write_text("nmae = 1\n")

    result = run("doctor", "--home", home)

    assert result.exit_code == 1
    assert "FAIL  settings" in result.stdout
    assert "'name'" in result.stdout
    assert result.stderr.endswith("[doctor.failed]\n")


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    result = run("doctor", "--home", tmp_path / "none")

    assert result.exit_code == 1
    assert "`sheaf init`" in result.stdout


def test_a_peer_that_is_not_known_is_not_asked(home: Path) -> None:
    result = run("doctor", "--from-peer", "Nobody", "--home", home)

    assert result.exit_code == 1
    assert result.stderr.endswith("[peer.unknown]\n")


@pytest.mark.parametrize(
    ("lines", "looks"),
    [
        ('public_names = ["192.168.1.5"]', ["names"]),
        ('public_names = ["192.168.1.5"]\npeer_host = "0.0.0.0"', []),
        ('public_names = ["mill.example"]', []),  # a proxy on this computer
        ('public_names = ["127.0.0.1:8440"]', []),
        ("[discovery]\nlan = true", ["multicast"]),
        ('peer_host = "192.168.1.5"\npublic_names = ["a"]\n[discovery]\nlan = true', []),
    ],
)
def test_a_node_that_nobody_can_dial_is_told_what_to_set(
    tmp_path: Path, lines: str, looks: list[str]
) -> None:
    (tmp_path / "sheaf.toml").write_text(f'name = "Mill"\n{lines}\n')

    found = list(unheard(load_config(tmp_path)))

    assert [each.look for each in found] == looks
    assert all("peer_host" in each.todo for each in found)
