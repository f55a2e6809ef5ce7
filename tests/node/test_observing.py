"""What a node shows of itself: log lines, counts of commits, metrics, its readiness."""

import asyncio
import base64
import json
import logging
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed
from tests.node.taking import BODY, DEMAND, Bench, make_ingest

from sheaf_node.clock import ManualClock
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Draft
from sheaf_node.observing.backup_age import last_backup_ms, note_backup
from sheaf_node.observing.beside import Beside, SeenService, SeenWebhook
from sheaf_node.observing.commits import BOUNDS_S, Commits, kind_class, metered
from sheaf_node.observing.exposition import exposition
from sheaf_node.observing.health import KEPT_S, Health
from sheaf_node.observing.log_lines import JsonLines, TextLines
from sheaf_node.observing.metrics import MAX_PEERS, MAX_SERVICES, METRICS
from sheaf_node.observing.observed import Observed, SeenPeer
from sheaf_node.observing.redaction import MAX_LINE, redacted
from sheaf_node.observing.supervisor import READY, stay_alive, tell_supervisor
from sheaf_node.observing.watching import EVERY_MS, Watching
from sheaf_node.peering import PeerStatus
from sheaf_node.peering.traffic import MAX_CLOCKS, Traffic
from sheaf_node.store import Store
from sheaf_node.store.writer import Writer
from sheaf_protocol.digest import WriterId
from sheaf_protocol.errors import Refusal
from sheaf_protocol.testing.author import START_MS, LogAuthor, make_coop, make_federation

SECRET = bytes(range(200, 232))
HILL = make_coop("Hill")


class Hand:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("sheaf.test", logging.WARNING, "", 0, message, args, None)
    made.__dict__.update(extra)
    return made


# --- log lines


@pytest.mark.parametrize(
    "text",
    [
        f"got Authorization: Bearer {SECRET.hex()}",  # a header
        f"GET http://127.0.0.1:8441/x?token={SECRET.hex()[:20]}",  # a query
        f"wss://sheaf:{SECRET.hex()[:20]}@hill.example",  # a password in an address
        f"https://hill.example/i#{SECRET.hex()[:20]}",  # an invitation
        f"expected a key, got {SECRET.hex()}",
        f"expected a key, got {SECRET.hex().upper()}",
        f"expected a key, got {SECRET!r}",
        f"expected a key, got {base64.b64encode(SECRET).decode()}",
        f"expected a key, got {base64.urlsafe_b64encode(SECRET).decode()}",
        f"expected a key, got {base64.b64encode(SECRET).decode().rstrip('=')}",
    ],
)
def test_a_log_line_quotes_no_secret(text: str) -> None:
    shown = redacted(text)

    forms = (SECRET.hex(), base64.b64encode(SECRET).decode(), repr(SECRET)[2:])
    for form in (*forms, base64.urlsafe_b64encode(SECRET).decode(), SECRET.hex().upper()):
        assert form[:12] not in shown
    assert "[" in shown


@pytest.mark.parametrize(
    "text",
    [
        "link with 127.0.0.1:40312 ended: link.lost: expected an answer",
        "peer wss://hill.example/sheaf/1/link: connection refused",
        "expected seq 8 from 05bc8bc3, got 6",
        'File "/opt/sheaf/lib/python3.13/site-packages/sheaf_node/observing/redaction.py", line 9',
    ],
)
def test_an_honest_log_line_stays_as_it_is(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize("kept", [0, 8, 40, 63])
def test_a_secret_at_the_cut_is_not_shown_in_part(kept: int) -> None:
    shown = redacted("ab " * ((MAX_LINE - kept) // 3) + SECRET.hex() + " ab" * MAX_LINE)

    assert SECRET.hex()[:8] not in shown


def test_an_endless_log_line_is_cut_off() -> None:
    assert len(redacted("ab " * MAX_LINE)) < MAX_LINE + 20


def test_an_event_is_one_json_object_on_one_line() -> None:
    try:
        raise ValueError(f"expected less,\n got {SECRET.hex()}")
    except ValueError as fault:
        made = record("peer %s\x1b[2J\nERROR forged", "Hill", event="tried", code="link.lost")
        made.exc_info = (type(fault), fault, fault.__traceback__)

    line = JsonLines().format(made)

    assert "\n" not in line
    assert line.isascii()
    event = json.loads(line)
    assert set(event) == {
        *("time", "level", "logger", "message"),
        *("event", "code", "exception", "stack"),
    }
    assert (event["level"], event["logger"]) == ("warning", "sheaf.test")
    assert event["time"].endswith("Z")
    assert event["exception"] == "ValueError"
    assert SECRET.hex() not in line


def test_a_peers_text_makes_no_second_line_for_people() -> None:
    line = TextLines().format(record("peer: %s", "x\nERROR sheaf.node: forged\x1b[2J"))

    assert line == r"WARNING sheaf.test: peer: x\u000aERROR sheaf.node: forged\u001b[2J"


# --- what is counted


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("demand.submit", "demand"),
        ("verdict", "verdict"),
        ("sealed", "sealed"),
        ("x.note", "other"),
        ("demand.made_up", "other"),
    ],
)
def test_kinds_are_told_by_class_and_those_made_up_together(kind: str, name: str) -> None:
    assert kind_class(kind) == name


async def test_each_entry_that_becomes_durable_is_counted_once(tmp_path: Path) -> None:
    commits = Commits(Hand())
    mill = make_coop("Mill")
    certificate = make_federation([(mill, ["member"]), (HILL, ["member"])])
    writer = metered(commits, Writer)
    store = Store.open(tmp_path / "sheaf.db", random=bytes, writer=writer)
    ingest = make_ingest(store, mill, ManualClock(START_MS), Arrivals())
    for coop in (mill, HILL):
        await ingest.receive_key_ops(coop.cid, coop.key_ops)
    await ingest.receive_certificate(certificate)
    before, commits.own = sum(commits.buckets), mill.cid

    author = LogAuthor(HILL, certificate.fid)
    brought = [author.publish(DEMAND), author.publish(DEMAND)]
    await ingest.receive(brought)
    await ingest.receive(brought)  # known by now
    await ingest.publish(certificate.fid, [Draft(kind="x.note", body=BODY)])
    await store.close()

    assert commits.entries == {("other", "demand"): 2, ("own", "other"): 1}
    assert sum(commits.buckets) == before + 2
    assert commits.pending == 0


def test_commits_fall_into_the_bucket_of_their_time() -> None:
    hand = Hand()
    commits = Commits(hand)
    jobs = [_Job(), _Job(), _Job()]

    for job, seconds in zip(jobs, (0.0005, 0.3, 60.0), strict=True):
        commits.begin(job)  # type: ignore[arg-type]  # a job of which only the effects are read
        assert commits.pending == 1
        hand.now_s += seconds
        commits.end([job], None)  # type: ignore[list-item]

    assert commits.buckets[0] == 1
    assert commits.buckets[BOUNDS_S.index(0.5)] == 1
    assert commits.buckets[-1] == 1
    assert commits.sum_s == pytest.approx(60.3005)


class _Job:
    class effects:
        is_empty = False
        entries = ()


def test_what_failed_is_no_commit() -> None:
    commits = Commits(Hand())
    job = _Job()
    commits.begin(job)  # type: ignore[arg-type]

    commits.end([job], OSError("no room"))  # type: ignore[list-item]

    assert (sum(commits.buckets), commits.pending) == (0, 0)


def test_clocks_of_few_peers_are_remembered_the_newest() -> None:
    traffic = Traffic()

    for number in range(MAX_CLOCKS + 5):
        traffic.note_clock(WriterId(number.to_bytes(32, "big")), number)

    assert len(traffic.clock_lead_ms) == MAX_CLOCKS
    assert min(traffic.clock_lead_ms.values()) == 5


def test_a_peer_lags_from_when_it_was_last_in_step() -> None:
    hand, peers = Hand(), [_peer(in_sync=True)]
    watching = Watching(lambda: peers, ManualClock(), hand)
    watching.look()

    peers[0] = _peer(in_sync=False)
    hand.now_s += 30
    watching.look()
    lag_s = watching.lag_s(HILL.wid)
    peers[0] = _peer(in_sync=True)
    watching.look()

    assert lag_s == 30
    assert watching.lag_s(HILL.wid) == 0


def test_a_peer_that_is_gone_is_forgotten() -> None:
    hand, peers = Hand(), [_peer(in_sync=False)]
    watching = Watching(lambda: peers, ManualClock(), hand)
    watching.look()

    peers.clear()
    hand.now_s += 30
    watching.look()

    assert watching.lag_s(HILL.wid) == 0


async def test_a_loop_that_was_held_up_is_late() -> None:
    hand, clock = Hand(), ManualClock()
    watching = Watching(list, clock, hand)
    running = asyncio.create_task(watching.run())
    await asyncio.sleep(0)

    hand.now_s += EVERY_MS / 1_000 + 2.5
    clock.advance(EVERY_MS)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()

    assert watching.late_s == pytest.approx(2.5)


def _peer(*, in_sync: bool) -> PeerStatus:
    return PeerStatus(
        cid=HILL.cid, wid=HILL.wid, url="ws://x", since_ms=0, is_dialled=True, in_sync=in_sync
    )


# --- metrics


SERVICE = SeenService(
    name="price_alert",
    fid="aabbccdd" * 8,
    is_connected=True,
    seen_ms=START_MS,
    behind=5,
    refused="service.rate",
    refusals=4,
)
HOOK = SeenWebhook(
    id="0a1b2c3d4e5f6071",
    host="erp.example",
    state="held",
    waiting=6,
    dead=7,
    oldest_ms=START_MS,
)


def seen(*, peers: int = 1) -> Observed:
    plain = {
        about.name: 1.0
        for about in METRICS.values()
        if not about.labels and about.type != "histogram"
    }
    return Observed(
        version="1",
        coop="05bc8bc3",
        stored={("own", "demand"): 2},
        sent={"pushed": 3},
        received={"asked": 4},
        held={"aabbccdd": (5, 600)},
        buckets=[1] * (len(BOUNDS_S) + 1),
        commit_sum_s=1.5,
        plain=plain,
        dials={f"h{n}.example": n == 0 for n in range(peers)},
        peers={(f"w{n}", "c"): SeenPeer(lag_s=2, clock_lead_s=-0.25) for n in range(peers)},
        counts={("pooled_purchasing", "aabbccdd", "open_pools"): 7},
        beside=Beside(services=[SERVICE], webhooks=[HOOK], seats=3, open_links=2),
        now_ms=START_MS + 90_000,
    )


def test_every_metric_has_a_value_that_prometheus_reads() -> None:
    text = exposition(seen()).decode()

    families = {family.name: family for family in parsed(text)}
    told = {family.samples[0].name for family in families.values() if family.samples}
    histogram = families["sheaf_commit_seconds"].samples
    assert {name for name in told if name.startswith("sheaf_")} == {
        name + ("_bucket" if about.type == "histogram" else "") for name, about in METRICS.items()
    }
    assert next(s.value for s in histogram if s.labels.get("le") == "+Inf") == len(BOUNDS_S) + 1
    assert next(s.value for s in histogram if s.name.endswith("_sum")) == 1.5
    assert 'sheaf_entries_total{author="own",class="demand"} 2.0' in text
    assert 'sheaf_entries_sent_total{way="asked"} 0.0' in text
    assert 'sheaf_clock_skew_seconds{coop="c",peer="w0"} -0.25' in text
    assert "process_resident_memory_bytes" in text
    assert 'sheaf_remote_silent_seconds{federation="aabbccdd",service="price_alert"} 90.0' in text
    assert 'sheaf_remote_refused_total{federation="aabbccdd",service="price_alert"} 4.0' in text
    assert 'sheaf_webhook_oldest_seconds{webhook="0a1b2c3d"} 90.0' in text
    assert 'sheaf_webhooks{state="held"} 1.0' in text
    assert 'sheaf_webhooks{state="failed"} 0.0' in text


def test_a_service_never_heard_of_and_a_webhook_without_a_queue_have_no_times() -> None:
    service, hook = replace(SERVICE, seen_ms=None), replace(HOOK, waiting=0, oldest_ms=None)
    quiet = replace(seen(), beside=Beside(services=[service], webhooks=[hook]))

    text = exposition(quiet).decode()

    assert "\nsheaf_remote_silent_seconds{" not in text
    assert "\nsheaf_webhook_oldest_seconds{" not in text
    assert 'sheaf_webhook_waiting{webhook="0a1b2c3d"} 0.0' in text


def test_many_services_make_few_series() -> None:
    many = [replace(SERVICE, name=f"s{number}") for number in range(3 * MAX_SERVICES)]

    text = exposition(replace(seen(), beside=Beside(services=many))).decode()

    assert text.count("\nsheaf_remote_up{") == MAX_SERVICES


def test_what_is_not_known_is_left_out() -> None:
    known = seen()
    plain = {**known.plain, "sheaf_backup_age_seconds": None}
    unknown = Observed(
        **{name: getattr(known, name) for name in known.__slots__} | {"plain": plain}
    )

    assert "\nsheaf_backup_age_seconds " not in exposition(unknown).decode()


def test_many_peers_make_few_series() -> None:
    text = exposition(seen(peers=3 * MAX_PEERS)).decode()

    assert text.count("\nsheaf_peer_up{") == MAX_PEERS
    assert text.count("\nsheaf_sync_lag_seconds{") == MAX_PEERS


def test_labels_of_metrics_are_never_whole_ids() -> None:
    assert all(
        label not in {"cid", "wid", "fid", "kind"} for m in METRICS.values() for label in m.labels
    )


# --- when it was backed up


@pytest.mark.parametrize("text", ["", "yesterday", "-5", "1" * 40, "\xff"])
def test_a_note_of_a_backup_that_is_none_tells_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "last_backup").write_text(text, encoding="latin-1")

    assert last_backup_ms(tmp_path) is None


def test_a_backup_is_noted_and_a_home_that_cannot_be_written_keeps_no_note(tmp_path: Path) -> None:
    assert last_backup_ms(tmp_path) is None

    note_backup(tmp_path, 1_767_225_600_000)
    note_backup(tmp_path / "nowhere", 5)

    assert last_backup_ms(tmp_path) == 1_767_225_600_000


# --- readiness


async def test_a_node_is_ready_until_its_store_is_not(bench: Bench) -> None:
    hand = Hand()
    health = Health(bench.store, bench.ingest, None, hand)

    first = await health.readiness()
    await bench.store.close()
    kept = await health.readiness()
    hand.now_s += KEPT_S + 1
    then = await health.readiness()

    assert (first.is_ready, kept.is_ready) == (True, True)
    assert then.code == "store.closed"


async def test_a_node_that_may_not_sign_is_not_ready(bench: Bench) -> None:
    class Halted:
        def require_publishing(self, kinds: object) -> None:
            raise Refusal("node.recovering", "expected a writer that has taken over")

    health = Health(bench.store, bench.ingest, Halted(), Hand())  # type: ignore[arg-type]

    assert (await health.readiness()).code == "node.recovering"


async def test_a_disk_that_does_not_answer_is_told_in_time(bench: Bench) -> None:
    class Stuck:
        async def commit(self, change: object) -> None:
            await asyncio.Event().wait()

    health = Health(Stuck(), bench.ingest, None, Hand(), commit_s=0.05)  # type: ignore[arg-type]

    assert (await health.readiness()).code == "store.slow"


# --- the supervisor


def test_the_supervisor_is_told_where_there_is_one(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(path))
        supervisor.settimeout(5)

        tell_supervisor(READY, {"NOTIFY_SOCKET": str(path)})
        tell_supervisor(READY, {})
        tell_supervisor(READY, {"NOTIFY_SOCKET": str(tmp_path / "nobody")})

        assert supervisor.recv(100) == b"READY=1"


async def test_the_supervisor_hears_twice_in_each_interval_that_the_loop_turns(
    tmp_path: Path,
) -> None:
    path, clock = tmp_path / "notify", ManualClock()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(path))
        supervisor.settimeout(5)
        given = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "60000000"}
        telling = asyncio.create_task(stay_alive(clock, given))

        for _ in range(3):
            await asyncio.sleep(0)
            assert supervisor.recv(100) == b"WATCHDOG=1"
            clock.advance(30_000)
        telling.cancel()

    await stay_alive(clock, {})  # nobody asks for it: it returns
