"""Keys are renewed before they end, by a node that starts and by one that runs."""

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from sheaf_node.app import Node, open_node
from sheaf_node.charter_file import adopt_charter, draft_charter, read_charter_file, sign_charter
from sheaf_node.clock import ManualClock
from sheaf_node.config import CONFIG_FILE, initial_config
from sheaf_node.identity import DailyRenewal, held_state
from sheaf_node.ingest import Draft, Outcome
from sheaf_node.keyring import Keyring, Passphrase, create_keyring, load_keyring, read_files
from sheaf_node.keyring.notice import KeyStatus, key_status, notices_of
from sheaf_node.keyring.protection import protect
from sheaf_node.keyring.secret_file import LEAST
from sheaf_node.keyring.sheet import mark_kept
from sheaf_node.store import DATABASE
from sheaf_protocol.digest import WriterId, log_id
from sheaf_protocol.errors import LocalProtocolError, Refusal
from sheaf_protocol.identity import fold_key_log
from sheaf_protocol.limits import PREKEY_LIFETIME_MS, WRITER_LIFETIME_MS
from sheaf_protocol.log import Head
from sheaf_protocol.testing.author import START_MS, LogAuthor

DAY_MS = 86_400_000
THIRD = PREKEY_LIFETIME_MS // 3
NOTE = Draft(kind="x.note", body=b"\x80")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of a co-op that is alone in a federation."""
    keyring = create_keyring(
        tmp_path, name="Hill", country="GB", random=os.urandom, now_ms=START_MS
    )
    settings = initial_config(name="Hill", peer_port=8440, local_port=8441)
    (tmp_path / CONFIG_FILE).write_text(settings)
    charter = read_charter_file(draft_charter("Dale", [(keyring.key_ops, ["member"])], bytes(16)))
    adopt_charter(read_charter_file(sign_charter(charter, keyring)), tmp_path)
    return tmp_path


async def started(
    home: Path, now_ms: int, *, publish: int = 0, passphrase: Passphrase | None = None
) -> Keyring:
    """Return the keys of a node that started at a time, and wrote some entries then."""
    clock = ManualClock(now_ms)
    async with open_node(home, clock=clock, random=os.urandom, passphrase=passphrase) as node:
        if publish:
            await node.parts.ingest.publish(federation(node), [NOTE] * publish)
        return node.parts.keyring


def federation(node: Node):
    [fid] = node.parts.ingest.federations
    return fid


def daily(home: Path, node: Node, clock: ManualClock) -> DailyRenewal:
    return DailyRenewal(
        home,
        None,
        keyring=node.parts.keyring,
        store=node.parts.store,
        ingest=node.parts.ingest,
        clock=clock,
        random=os.urandom,
    )


class DayClock(ManualClock):
    """A clock that tells when whoever sleeps by it sleeps again."""

    def __init__(self, now_ms: int) -> None:
        super().__init__(now_ms)
        self._asleep = asyncio.Event()

    async def sleep_ms(self, ms: int) -> None:
        self._asleep.set()
        await super().sleep_ms(ms)

    async def pass_days(self, days: int) -> None:
        for _ in range(days):
            await self._asleep.wait()
            self._asleep.clear()
            self.advance(DAY_MS)
        await self._asleep.wait()


# --- at the start


async def test_keys_with_time_left_stay(home: Path) -> None:
    before = load_keyring(home)

    after = await started(home, START_MS + PREKEY_LIFETIME_MS - THIRD)

    assert (after.wid, after.prekeys) == (before.wid, before.prekeys)
    assert list(after.key_ops) == list(before.key_ops)


async def test_a_sealing_key_is_renewed_in_the_last_third_and_the_old_one_still_opens(
    home: Path,
) -> None:
    before, now_ms = load_keyring(home), START_MS + PREKEY_LIFETIME_MS - THIRD + 1

    after = await started(home, now_ms)

    assert after.prekeys[0] == before.prekeys[0]
    newest = fold_key_log(after.key_ops).prekey_at(now_ms)
    assert newest is not None
    assert (newest.key, newest.expires_ms) == (after.prekeys[1][0], now_ms + PREKEY_LIFETIME_MS)
    assert load_keyring(home).prekeys == after.prekeys


async def test_a_writer_is_handed_over_at_its_heads(home: Path) -> None:
    old = (await started(home, START_MS, publish=3)).wid
    now_ms = START_MS + WRITER_LIFETIME_MS - 7 * DAY_MS + 1

    after = await started(home, now_ms, publish=2)

    state = held_state(home / DATABASE)
    [fid] = state.chains
    log = state.key_logs[after.cid]
    assert after.wid != old
    assert log.writers[after.wid].expires_ms == now_ms + WRITER_LIFETIME_MS
    cut = log.writers[old].cut_in(fid)
    assert cut is not None
    assert (cut.seq, cut.head) == (3, state.logs[log_id(fid, after.cid, old)].head.id)
    assert state.logs[log_id(fid, after.cid, after.wid)].head.seq == 3


async def test_a_writer_with_a_week_left_goes_on(home: Path) -> None:
    """Pools and proposals are decided by the writer that opened them: a handover orphans them."""
    old = (await started(home, START_MS, publish=3)).wid

    after = await started(home, START_MS + WRITER_LIFETIME_MS - 7 * DAY_MS, publish=1)

    assert after.wid == old


async def test_what_the_old_writer_wrote_still_counts(home: Path) -> None:
    await started(home, START_MS, publish=3)
    clock = ManualClock(START_MS + WRITER_LIFETIME_MS)

    async with open_node(home, clock=clock, random=os.urandom) as node:
        entries = node.parts.store.entries_after(0)

    assert [entry.no_effect for entry in entries] == [None] * 3


async def test_a_writer_that_has_ended_is_renewed_too(home: Path) -> None:
    before = load_keyring(home).wid

    after = await started(home, START_MS + 2 * WRITER_LIFETIME_MS, publish=1)

    assert after.wid != before


async def test_a_writer_that_forked_its_log_stays_and_signs_no_more(home: Path) -> None:
    """Whoever signed beside it may replace it, too: two operations would freeze the key log."""
    keyring, clock = load_keyring(home), ManualClock(START_MS)
    async with open_node(home, clock=clock, random=os.urandom) as node:
        fid = federation(node)
        entries = await node.parts.ingest.publish(fid, [NOTE] * 3)
        twin = LogAuthor(SimpleNamespace(cid=keyring.cid), fid, writer=keyring.writer)
        twin.head = Head(seq=1, id=entries[0].id, time_ms=START_MS)
        [answer] = await node.parts.ingest.receive([twin.append("x.note", b"\x80")])
        assert answer.outcome is Outcome.FORK

    with pytest.raises(LocalProtocolError) as refusal:
        await started(home, START_MS, publish=1)

    assert refusal.value.code == "node.identity_in_use"
    assert load_keyring(home).wid == keyring.wid


async def test_without_the_manager_key_the_node_runs_on_what_it_has(home: Path) -> None:
    before = load_keyring(home)
    (home / "keys" / "manager.key").unlink()

    after = await started(home, START_MS + PREKEY_LIFETIME_MS, publish=1)

    assert (after.wid, after.prekeys) == (before.wid, before.prekeys)


async def test_renewed_keys_are_under_the_passphrase_of_the_others(home: Path) -> None:
    passphrase = Passphrase("seven old ewes")
    protect(read_files(home), passphrase, random=os.urandom, cost=LEAST)

    await started(home, START_MS + WRITER_LIFETIME_MS, passphrase=passphrase)

    files = read_files(home)
    assert all(len(files.files[name]) > 32 for name in files.secrets)
    assert load_keyring(home, Passphrase("seven old ewes"))


async def test_the_secret_of_an_ended_sealing_key_is_deleted_after_sixty_days(home: Path) -> None:
    first = load_keyring(home).prekeys[0]
    ends_ms = START_MS + PREKEY_LIFETIME_MS

    kept = await started(home, ends_ms + 60 * DAY_MS)
    dropped = await started(home, ends_ms + 60 * DAY_MS + 1)

    assert first in kept.prekeys
    assert first not in dropped.prekeys
    assert len(dropped.prekeys) == 1


async def test_the_newest_sealing_key_is_kept_whatever_its_age(home: Path) -> None:
    before = load_keyring(home)
    (home / "keys" / "manager.key").unlink()

    after = await started(home, START_MS + 10 * PREKEY_LIFETIME_MS)

    assert after.prekeys == before.prekeys


# --- while it runs


async def test_a_running_node_renews_its_sealing_key_and_opens_with_both(home: Path) -> None:
    clock = DayClock(START_MS)
    async with open_node(home, clock=clock, random=os.urandom) as node:
        running = asyncio.create_task(daily(home, node, clock).run())
        await clock.pass_days(21)
        running.cancel()

        keyring = node.parts.keyring
        log = node.parts.store.key_logs[keyring.cid]

    assert len(keyring.prekeys) == 2
    assert [bytes(prekey.key) for prekey in log.prekeys] == [key for key, _ in keyring.prekeys]
    assert load_keyring(home).prekeys == keyring.prekeys
    assert load_keyring(home).wid == keyring.wid


async def test_a_renewal_that_fails_is_told_and_tried_again(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = DayClock(START_MS)
    async with open_node(home, clock=clock, random=os.urandom) as node:
        running = asyncio.create_task(daily(home, node, clock).run())
        (home / "keys").chmod(0o750)
        await clock.pass_days(2)
        (home / "keys").chmod(0o700)
        running.cancel()

    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "key.file_mode" in caplog.text


# --- what a manager is told


def status(**changes) -> KeyStatus:
    given = {
        "is_sealed": True,
        "sheet_kept_ms": 1,
        "has_manager": True,
        "writer_ends_ms": START_MS + 14 * DAY_MS,
        "prekey_ends_ms": START_MS + 7 * DAY_MS,
    }
    return KeyStatus(**{**given, **changes})


@pytest.mark.parametrize(
    ("changes", "matter", "words"),
    [
        ({"is_sealed": False}, "plain_keys", "`sheaf identity passphrase`"),
        ({"sheet_kept_ms": None}, "sheet", "`sheaf identity recovery-sheet`"),
        ({"writer_ends_ms": START_MS + 14 * DAY_MS - 1}, "writer", "ends on 2026-01-14: start"),
        (
            {"writer_ends_ms": START_MS + 10 * DAY_MS},  # too early for a start to renew it
            "writer",
            "ends on 2026-01-11: start the node again from 2026-01-05 on, which renews it",
        ),
        (
            {"writer_ends_ms": START_MS + DAY_MS},
            "writer",
            "2026-01-02: start the node again, which",
        ),
        (
            {"sheet_kept_ms": None, "sheets": 3, "unkept": (2, 3)},
            "sheet",
            "recovery sheets 2 and 3 of 3 are not kept",
        ),
        ({"sheet_kept_ms": None, "sheets": 3, "unkept": (2,)}, "sheet", "sheet 2 of 3 is not kept"),
        ({"writer_ends_ms": START_MS - 1}, "writer", "has ended: start the node again"),
        ({"writer_ends_ms": None}, "writer", "has ended"),
        (
            {"prekey_ends_ms": START_MS + DAY_MS, "has_manager": False},
            "sealing_key",
            "ends on 2026-01-02: bring keys/manager.key back",
        ),
    ],
)
def test_a_manager_is_told_what_to_do(changes: dict, matter: str, words: str) -> None:
    notices = notices_of(status(**changes), START_MS)

    assert list(notices) == [matter]
    assert words in notices[matter]


def test_nothing_is_told_where_nothing_is_to_be_done() -> None:
    assert notices_of(status(), START_MS) == {}


def test_the_state_of_the_keys_shows_without_a_passphrase(home: Path) -> None:
    protect(read_files(home), Passphrase("ewes"), random=os.urandom, cost=LEAST)
    mark_kept(home, START_MS)
    files = read_files(home)

    found = key_status(files, files.key_log()[1])

    assert (found.is_sealed, found.sheet_kept_ms, found.has_manager) == (True, START_MS, True)
    assert found.writer_ends_ms == START_MS + WRITER_LIFETIME_MS
    assert found.prekey_ends_ms == START_MS + PREKEY_LIFETIME_MS


async def test_a_locked_store_hands_nothing_over(home: Path) -> None:
    before = load_keyring(home).wid
    late = ManualClock(START_MS + WRITER_LIFETIME_MS)
    async with open_node(home, clock=ManualClock(START_MS), random=os.urandom):
        with pytest.raises(Refusal) as refusal:
            async with open_node(home, clock=late, random=os.urandom):
                pass

    assert refusal.value.code == "store.locked"
    assert load_keyring(home).wid == before == WriterId(before)
