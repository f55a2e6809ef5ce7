"""The marker in a home, and the parts of a recovery that need no peers."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from tests.node.taking import BODY, Bench, make_keyring, note

from sheaf_node.app import make_peering, make_watch, open_node, run_services
from sheaf_node.blobs import Blobs, Fetching
from sheaf_node.cli.main import sheaf
from sheaf_node.cli.recovery import print_recovery
from sheaf_node.clock import ManualClock
from sheaf_node.config import CONFIG_FILE, initial_config
from sheaf_node.ingest import Draft, Ingest
from sheaf_node.ingest.fence import require_promises
from sheaf_node.ingest.guard import Unguarded
from sheaf_node.keyring import create_keyring, keyring_of, read_files
from sheaf_node.keyring.draft import KeyDraft
from sheaf_node.peering.memory import MemoryNetwork
from sheaf_node.recovery import (
    Progress,
    Standing,
    Watch,
    is_marked,
    mark,
    name_absent,
    read_marker,
    report,
)
from sheaf_node.recovery.marker import FOLDER, IN_USE, MARKER, InUse, write_in_use
from sheaf_node.recovery.watch import LOOK_MS
from sheaf_node.store.state import State
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import ZERO, CoopId, Digest, EntryId, FederationId, LogId, WriterId
from sheaf_protocol.envelope import open_header
from sheaf_protocol.errors import LocalProtocolError, Refusal
from sheaf_protocol.limits import MAX_CLOCK_AHEAD_MS
from sheaf_protocol.records import WriterLost, WriterPromise
from sheaf_protocol.recovering import Lost
from sheaf_protocol.testing.author import START_MS, LogAuthor, make_coop

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sheaf_node.keyring import Keyring

URL = "ws://dale:8440"
WAIT_MS = 1_000


def make_home(home: Path, *, peers: str = "") -> Keyring:
    home.mkdir(exist_ok=True)
    keyring = create_keyring(home, name="Hill", country="GB", random=os.urandom, now_ms=START_MS)
    settings = initial_config(name="Hill", peer_port=8440, local_port=18441)
    (home / CONFIG_FILE).write_text(settings.replace("peers = [\n", f"peers = [\n{peers}\n"))
    return keyring


def standing_of(home: Path, progress: Progress | None = None) -> Standing:
    keyring = keyring_of(read_files(home))
    return Standing(home, cid=keyring.cid, own=keyring.wid, progress=progress)


class Links:
    """Peers as a watch sees them."""

    def __init__(self, *urls: str) -> None:
        self.urls = urls
        self.compared: dict[WriterId, CoopId] = {}
        self.has_agreed = False
        self.doubled: str | None = None

    def doubled_at(self) -> str | None:
        return self.doubled

    def dials(self) -> Sequence[Dial]:
        return [Dial(url, is_compared=bool(self.compared)) for url in self.urls]


class Dial:
    def __init__(self, url: str, *, is_compared: bool) -> None:
        self.url, self.is_compared = url, is_compared


def watch_of(standing: Standing, links: Links) -> Watch:
    return Watch(standing, links, clock=ManualClock(START_MS), wait_ms=WAIT_MS)


def test_a_marked_home_says_so_until_somebody_takes_the_marker_away(tmp_path: Path) -> None:
    mark(tmp_path, now_ms=5)

    assert is_marked(tmp_path)
    marker = read_marker(tmp_path)
    assert marker is not None
    assert (marker.since_ms, marker.is_fresh, marker.lost) == (5, True, [])


def test_marking_again_keeps_who_is_lost_and_begins_anew(tmp_path: Path) -> None:
    make_home(tmp_path / "home")
    mark(tmp_path / "home", now_ms=5)
    progress = Progress()
    standing = standing_of(tmp_path / "home", progress)
    standing.begin({})
    standing.note_compared()

    mark(tmp_path / "home", now_ms=9)

    marker = read_marker(tmp_path / "home")
    assert marker is not None
    assert marker.lost == [standing.own.hex()]
    assert marker.is_fresh
    standing.begin({})
    assert progress == Progress()


def test_marking_takes_away_what_said_that_another_node_signs(tmp_path: Path) -> None:
    mark(tmp_path, now_ms=1)
    write_in_use(tmp_path, InUse(fid="00", id="00", seq=1))

    mark(tmp_path, now_ms=2)

    assert not (tmp_path / FOLDER / IN_USE).exists()


def test_a_marker_that_cannot_be_read_keeps_the_home_from_signing(tmp_path: Path) -> None:
    mark(tmp_path, now_ms=1)
    (tmp_path / FOLDER / MARKER).write_bytes(b"{")

    with pytest.raises(Refusal) as refusal:
        read_marker(tmp_path)

    assert refusal.value.code == "recovery.file"


def test_a_folder_that_takes_no_marker_is_told_of(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_bytes(b"a file")

    with pytest.raises(Refusal) as refusal:
        mark(tmp_path, now_ms=1)

    assert refusal.value.code == "recovery.file"


def test_nobody_is_done_without_by_a_home_that_does_not_recover(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as refusal:
        name_absent(tmp_path, ["dale"])

    assert refusal.value.code == "recovery.none"


def test_who_is_named_twice_is_noted_once(tmp_path: Path) -> None:
    mark(tmp_path, now_ms=1)
    name_absent(tmp_path, ["dale"])

    marker = name_absent(tmp_path, ["dale", "moor"])

    assert marker.without == ["dale", "moor"]


def test_the_key_log_waits_for_every_configured_peer(tmp_path: Path) -> None:
    make_home(tmp_path / "home")
    mark(tmp_path / "home", now_ms=1)
    standing, links = standing_of(tmp_path / "home"), Links(URL)
    standing.begin({})
    watch = watch_of(standing, links)

    watch.step()
    waits = list(standing.peers_missing)
    links.compared = {WriterId(b"d" * 32): CoopId(Digest(b"d" * 32))}
    watch.step()

    assert waits == [URL]
    assert standing.restart.is_set()


def test_a_home_that_dials_nobody_hears_more_than_the_first_peer_that_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_home(tmp_path / "home")
    mark(tmp_path / "home", now_ms=1)
    standing, links = standing_of(tmp_path / "home"), Links()
    monkeypatch.setattr(standing, "is_alone", lambda _: False)
    standing.begin({})
    watch = watch_of(standing, links)
    for _ in range(100):
        watch.step()
    alone = standing.restart.is_set()
    links.compared = {WriterId(b"d" * 32): CoopId(Digest(b"d" * 32))}
    watch.step()
    at_once = standing.restart.is_set()

    for _ in range(WAIT_MS // LOOK_MS):
        watch.step()

    assert (alone, at_once, standing.restart.is_set()) == (False, False, True)


def test_a_peer_that_is_done_without_is_not_waited_for(tmp_path: Path) -> None:
    make_home(tmp_path / "home")
    mark(tmp_path / "home", now_ms=1)
    name_absent(tmp_path / "home", [URL])
    standing = standing_of(tmp_path / "home")
    standing.begin({})

    watch_of(standing, Links(URL)).step()

    assert standing.restart.is_set()


def test_a_home_that_is_marked_while_its_node_runs_is_opened_anew(tmp_path: Path) -> None:
    make_home(tmp_path / "home")
    standing = standing_of(tmp_path / "home")
    watch = watch_of(standing, Links(URL))
    watch.step()
    before = standing.restart.is_set()

    mark(tmp_path / "home", now_ms=1)
    watch.step()

    assert (before, standing.restart.is_set()) == (False, True)


def test_a_node_whose_place_another_has_at_a_peer_signs_nothing_until_it_agrees_with_one(
    tmp_path: Path,
) -> None:
    make_home(tmp_path / "home")
    standing, links = standing_of(tmp_path / "home"), Links(URL)
    watch = watch_of(standing, links)
    links.doubled = URL

    watch.step()

    with pytest.raises(LocalProtocolError) as refusal:
        standing.require_publishing(["x.note"])
    assert refusal.value.code == "node.doubled"
    assert URL in refusal.value.detail
    assert report(standing)["state"] == "doubled"

    links.has_agreed = True
    watch.step()

    standing.require_publishing(["x.note"])


async def test_a_home_without_federations_and_peers_recovers_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    old = make_home(home).wid
    mark(home, now_ms=START_MS)
    clock, runs, progress = ManualClock(START_MS), 0, Progress()

    while is_marked(home):
        runs += 1
        async with open_node(
            home, clock=clock, random=os.urandom, services={}, progress=progress
        ) as node:
            blobs = Blobs(home, quota_bytes=1 << 20)
            network = MemoryNetwork().host("hill")
            watch = make_watch(node, make_peering(node, network, Fetching(blobs, clock)))
            watch.step()
            if node.standing.restart.is_set():
                assert await run_services(node, home, watch=watch)
            await blobs.close()

    async with open_node(home, clock=clock, random=os.urandom, services={}) as node:
        keys = node.parts.store.key_logs[node.parts.keyring.cid]
        assert node.parts.keyring.wid != old
        assert keys.writers[old].is_closed
        assert node.standing.may_change_keys
    assert runs == 3


async def key_ops_made(home: Path, progress: Progress | None = None) -> int:
    """Open a home, and return how many operations that made on its key log."""
    before = len(read_files(home).key_log()[0])
    async with open_node(
        home, clock=ManualClock(START_MS), random=os.urandom, services={}, progress=progress
    ):
        return len(read_files(home).key_log()[0]) - before


async def compared_with_its_peer(home: Path) -> Progress:
    """Make a home, and let it recover as far as it comes without a key operation."""
    progress = Progress()
    make_home(home, peers=f'{{ url = "{URL}" }},')
    mark(home, now_ms=START_MS)
    assert await key_ops_made(home, progress) == 0
    standing_of(home, progress).note_compared()
    return progress


async def test_a_disk_put_back_while_it_recovered_compares_again_before_it_makes_a_writer(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    progress = await compared_with_its_peer(home)

    after_a_start = await key_ops_made(home)
    in_one_run = await key_ops_made(home, progress)

    assert (after_a_start, in_one_run) == (0, 1)


async def test_a_disk_put_back_while_it_recovered_compares_again_before_it_closes_a_writer(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    await key_ops_made(home, await compared_with_its_peer(home))
    standing, links = standing_of(home), Links(URL)
    watch = watch_of(standing, links)

    watch.step()
    told, uncompared = report(standing), standing.closing
    links.compared = {WriterId(b"d" * 32): CoopId(Digest(b"d" * 32))}
    watch.step()

    assert told["peers_missing"] == [URL]
    assert URL in told["sentence"]
    assert (len(uncompared), len(standing.closing)) == (0, 1)
    assert standing.restart.is_set()


async def test_without_the_manager_key_the_home_waits(tmp_path: Path) -> None:
    home = tmp_path / "home"
    old = make_home(home).wid
    (home / "keys" / "manager.key").unlink()
    mark(home, now_ms=START_MS)
    for _ in range(2):
        progress = Progress()
        standing = standing_of(home, progress)
        standing.begin({})
        standing.note_compared()
        async with open_node(
            home,
            clock=ManualClock(START_MS),
            random=os.urandom,
            services={},
            progress=progress,
        ) as node:
            assert node.parts.keyring.wid == old
            assert node.standing.has_lost_writer


async def opened(home: Path, progress: Progress | None = None) -> dict[str, Any]:
    """Open a home for a look of its watch, and return what it reports then."""
    clock = ManualClock(START_MS)
    async with open_node(
        home, clock=clock, random=os.urandom, services={}, progress=progress
    ) as node:
        blobs = Blobs(home, quota_bytes=1 << 20)
        network = MemoryNetwork().host("hill")
        make_watch(node, make_peering(node, network, Fetching(blobs, clock))).step()
        await blobs.close()
        return dict(report(node.standing))


async def test_a_home_without_the_manager_key_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = tmp_path / "home"
    make_home(home, peers=f'{{ url = "{URL}" }},')
    key = home / "keys" / "manager.key"
    key.rename(tmp_path / "manager.key")
    mark(home, now_ms=START_MS)

    progress = Progress()
    before = await opened(home, progress)
    standing_of(home, progress).note_compared()
    after = await opened(home, progress)
    (tmp_path / "manager.key").rename(key)
    brought_back = await opened(home)

    assert (before["peers_missing"], after["peers_missing"]) == ([URL], [])
    assert "keys/manager.key, got none" in before["key_missing"]
    assert after["sentence"] == after["key_missing"] == before["key_missing"]
    assert [record.getMessage() for record in caplog.records] == [
        f"this home cannot recover: {after['key_missing']}"
    ] * 2
    assert brought_back["key_missing"] is None


async def test_a_home_that_only_has_to_close_a_writer_misses_the_manager_key_as_well(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    make_home(home)
    mark(home, now_ms=START_MS)
    progress = Progress()
    await opened(home, progress)
    await opened(home, progress)
    (home / "keys" / "manager.key").unlink()

    told = await opened(home, progress)

    assert told["sentence"] == told["key_missing"]
    assert "sheaf identity revoke --new-manager" in told["sentence"]


async def test_a_key_log_that_is_frozen_is_told_of(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make_home(home)
    other = read_files(home)
    async with open_node(home, clock=ManualClock(START_MS), random=os.urandom, services={}) as node:
        cid = node.parts.keyring.cid
        draft = KeyDraft(other.key_log()[0], lock=other.lock(), random=os.urandom, now_ms=START_MS)
        draft.add_prekey(node.parts.keyring.require_manager())
        await node.parts.ingest.receive_key_ops(cid, draft.ops)
    draft = KeyDraft(other.key_log()[0], lock=other.lock(), random=os.urandom, now_ms=START_MS)
    draft.add_prekey(keyring_of(other).require_manager())
    draft.replace(other)
    mark(home, now_ms=START_MS)

    told = await opened(home)

    assert "sheaf identity rotate" in told["key_missing"]


def test_what_a_free_home_shows_says_nothing(tmp_path: Path) -> None:
    make_home(tmp_path / "home")

    assert report(standing_of(tmp_path / "home")) == report(None)


def test_a_fork_of_another_writer_concerns_nobody(tmp_path: Path) -> None:
    make_home(tmp_path / "home")
    standing, other = standing_of(tmp_path / "home"), LogAuthor(make_coop("Dale"), some_fid())
    entry = other.append("x.note", b"\x80")

    standing.note_foreign(open_header(entry), entry.id)

    assert standing.in_use is None


def some_fid() -> FederationId:
    return FederationId(Digest(b"f" * 32))


def a_promise(seq: int, head: bytes = ZERO) -> Draft:
    record = WriterPromise(
        head=Digest(head), log=LogId(b"l" * 32), lost=EntryId(bytes(32)), seq=seq
    )
    return Draft(kind="writer.promise", body=encode(record))


def test_a_promise_of_more_than_is_held_is_refused() -> None:
    with pytest.raises(LocalProtocolError) as refusal:
        require_promises(State(), [a_promise(1)])

    assert refusal.value.code == "log.promise"


def test_a_promise_of_nothing_is_right_where_nothing_is_held() -> None:
    require_promises(State(), [Draft(kind="x.note", body=b"\x80"), a_promise(0)])


def guarded(bench: Bench, home: Path) -> Ingest:
    """Return the ingest of a node that looks at its home before it signs."""
    return Ingest(
        store=bench.store,
        arrivals=bench.arrivals,
        clock=bench.clock,
        random=os.urandom,
        keyring=make_keyring(bench.mill),
        guard=Standing(home, cid=bench.mill.cid, own=bench.mill.wid),
    )


async def test_an_own_entry_ahead_of_our_clock_stops_the_signing(
    bench: Bench, tmp_path: Path
) -> None:
    ingest = guarded(bench, tmp_path)
    late_ms = bench.clock.now_ms() + MAX_CLOCK_AHEAD_MS + 1
    entry = bench.author(bench.mill).append("x.note", BODY, time_ms=late_ms)

    [told] = await ingest.receive([entry])

    assert told.code == "clock.ahead"
    with pytest.raises(LocalProtocolError) as refusal:
        await ingest.publish(bench.fid, [note()])
    assert refusal.value.code == "node.identity_in_use"
    assert (tmp_path / FOLDER / IN_USE).exists()


async def test_a_node_that_cannot_note_that_another_signs_does_not_sign(
    bench: Bench, tmp_path: Path
) -> None:
    ingest = guarded(bench, tmp_path)
    (tmp_path / FOLDER / f".{IN_USE}.new").mkdir(parents=True)  # where a file is to be written
    entry = bench.author(bench.mill).append("x.note", BODY)

    with pytest.raises(Refusal) as unwritten:
        await ingest.receive([entry])

    with pytest.raises(LocalProtocolError) as refusal:
        await ingest.publish(bench.fid, [note()])
    assert unwritten.value.code == "recovery.file"
    assert refusal.value.code == "node.identity_in_use"


@pytest.mark.parametrize("told_by", ["an entry", "a word"])
async def test_a_node_that_cannot_read_its_marker_does_not_sign_after_it_met_itself(
    bench: Bench, tmp_path: Path, told_by: str
) -> None:
    standing = Standing(tmp_path, cid=bench.mill.cid, own=bench.mill.wid)
    (tmp_path / FOLDER / MARKER).mkdir(parents=True)  # where a file is to be read
    entry = bench.author(bench.mill).append("x.note", BODY)
    record = WriterLost(head=Digest(ZERO), seq=0, wid=bench.mill.wid)
    lost = Lost(id=entry.id, cid=bench.mill.cid, by=WriterId(b"n" * 32), record=record)

    notes = {
        "an entry": lambda: standing.note_foreign(open_header(entry), entry.id),
        "a word": lambda: standing.note_declared(bench.fid, lost),
    }
    with pytest.raises(Refusal) as unread:
        notes[told_by]()
    (tmp_path / FOLDER / MARKER).rmdir()

    with pytest.raises(LocalProtocolError) as refusal:
        standing.require_publishing(["x.note"])
    assert unread.value.code == "recovery.file"
    assert refusal.value.code == "node.identity_in_use"


async def test_a_node_whose_home_nobody_guards_may_always_sign() -> None:
    guard = Unguarded()

    await guard.until_compared()
    guard.require_publishing(["x.note"])


def run(home: Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(sheaf, ["recovery", *arguments, "--home", str(home)])
    return result.exit_code, result.output


def test_the_command_shows_a_home_whose_node_does_not_run(tmp_path: Path) -> None:
    make_home(tmp_path / "home")
    free = run(tmp_path / "home", "show")
    mark(tmp_path / "home", now_ms=1)

    code, recovering = run(tmp_path / "home", "show")

    assert "Nothing to recover" in free[1]
    assert code == 0
    assert "RECOVERING" in recovering
    assert "sheaf serve" in recovering


def test_the_command_marks_a_home_and_names_a_peer(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make_home(home, peers=f'{{ url = "{URL}" }},')
    begun = run(home, "begin")

    code, output = run(home, "go-on", "--without", URL, "--json")

    assert begun[0] == 0
    assert code == 0
    assert json.loads(output) == {"without": [URL]}
    assert URL in run(home, "show")[1]


async def test_the_command_refuses_a_name_that_nobody_has(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make_home(home)
    async with open_node(home, clock=ManualClock(START_MS), random=os.urandom, services={}):
        pass
    mark(home, now_ms=1)

    code, output = run(home, "go-on", "--without", "Nobody")

    assert code == 1
    assert "recovery.unknown" in output


async def test_the_command_does_not_do_without_its_own_co_op(tmp_path: Path) -> None:
    home = tmp_path / "home"
    cid = make_home(home).cid.hex()
    founded = CliRunner().invoke(sheaf, ["federation", "create", "Fells", "--home", str(home)])
    async with open_node(home, clock=ManualClock(START_MS), random=os.urandom, services={}):
        pass
    mark(home, now_ms=1)

    told = [run(home, "go-on", "--without", name) for name in ("Hill", cid, cid[:8])]

    assert founded.exit_code == 0
    assert [code for code, _ in told] == [1, 1, 1]
    assert all("this co-op itself" in output for _, output in told)
    assert all("recovery.unknown" in output for _, output in told)
    marker = read_marker(home)
    assert marker is not None
    assert marker.without == []


def test_the_command_says_what_else_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    answer = {**report(None), "state": "recovering", "sentence": "", "peers_missing": [URL]}

    print_recovery({**answer, "key_missing": "expected the manager key"})

    waiting, missing = capsys.readouterr().out.splitlines()
    assert URL in waiting
    assert missing.endswith("expected the manager key")
