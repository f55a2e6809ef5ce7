"""The slow scrub: what it finds in every log, and what a node does about it."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

import pytest
from tests.node.notebook import Notebook, demand, judge
from tests.node.taking import Bench, chain, make_keyring, note

from sheaf_node.api.json_view import status_json
from sheaf_node.plugins import Call, ServiceHost
from sheaf_node.plugins.host import Parts
from sheaf_node.scrubbing import EVERY_MS, FIRST_MS, PAUSE_MS, STEP, Scrubbing
from sheaf_node.store.model import WITHHELD
from sheaf_node.store.scrub import require_sound
from sheaf_protocol.errors import Refusal
from sheaf_protocol.link.messages import PayloadItem

if TYPE_CHECKING:
    from pathlib import Path

FLIPPED = (
    "UPDATE entries SET {0} = cast(substr({0}, 1, 9) || x'ff' || substr({0}, 11) AS BLOB)"
    " WHERE arrival = {1}"
)
"""Leaves the same bytes but for one."""


@pytest.fixture
def scrubbing(bench: Bench) -> Scrubbing:
    return Scrubbing(
        store=bench.store, arrivals=bench.arrivals, clock=bench.clock, own=bench.mill.cid
    )


def damage(tmp_path: Path, sql: str) -> None:
    """Change a row behind the store's back, as bit rot does."""
    connection = sqlite3.connect(tmp_path / "sheaf.db")
    with connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(sql)
    connection.close()


async def fill(bench: Bench, theirs: int = 3) -> None:
    """Store two entries of our own and some of Hill's."""
    for _ in range(2):
        await bench.ingest.publish(bench.fid, [note()])
    await bench.receive(*chain(bench.author(), theirs))


async def scrub(scrubbing: Scrubbing, bench: Bench) -> None:
    """Scrub all, with the clock passing."""
    task = asyncio.create_task(scrubbing.scrub())
    while not task.done():
        await asyncio.sleep(0)
        bench.clock.advance(PAUSE_MS)
    await task


def judging(bench: Bench) -> ServiceHost:
    """Return a service that signs what it found of each demand."""
    federation = bench.ingest.federations[bench.fid]
    parts = Parts(
        store=bench.store,
        ingest=bench.ingest,
        arrivals=bench.arrivals,
        keyring=make_keyring(bench.mill),
        clock=bench.clock,
        random=bytes,
    )
    settings = {"decide": judge}
    return ServiceHost("notebook", Notebook, settings, federation=federation, parts=parts)


async def found(scrubbing: Scrubbing, bench: Bench) -> list[str]:
    await scrub(scrubbing, bench)
    return [each.detail for each in bench.store.damages.values()]


async def test_a_sound_store_has_no_damage(bench: Bench, scrubbing: Scrubbing) -> None:
    await fill(bench)

    assert await found(scrubbing, bench) == []


@pytest.mark.parametrize(
    ("sql", "detail"),
    [
        (FLIPPED.format("header", 3), "hashes"),
        ("UPDATE entries SET kind = 'x.other' WHERE arrival = 3", "kind and times"),
        ("UPDATE entries SET time_ms = time_ms + 1 WHERE arrival = 3", "kind and times"),
        ("UPDATE entries SET expires_ms = 7 WHERE arrival = 3", "kind and times"),
        (
            FLIPPED.format("proof", 5),
            "signature",
        ),
        ("UPDATE entries SET proof = x'c1' WHERE arrival = 3", "expected"),
        ("UPDATE entries SET absence = 'lost' WHERE arrival = 3", "reason"),
        ("UPDATE entries SET payload = NULL WHERE arrival = 3", "payload"),
        ("UPDATE entries SET payload = 7 WHERE arrival = 3", "int"),
        ("UPDATE entries SET log = 1 - log + 2, seq = 9 WHERE arrival = 3", "place"),
        ("DELETE FROM entries WHERE arrival = 3", "before it"),
        ("UPDATE logs SET cid = zeroblob(32) WHERE number = 2", "place"),
    ],
)
async def test_a_changed_row_is_found(
    bench: Bench, scrubbing: Scrubbing, tmp_path: Path, sql: str, detail: str
) -> None:
    await fill(bench)
    damage(tmp_path, sql)

    details = await found(scrubbing, bench)

    assert details
    assert detail in details[0]


async def test_damage_to_our_own_log_stops_the_signing_and_nothing_else(
    bench: Bench, scrubbing: Scrubbing, tmp_path: Path
) -> None:
    await fill(bench)
    damage(tmp_path, FLIPPED.format("payload", 1))

    await scrub(scrubbing, bench)

    with pytest.raises(Refusal) as refusal:
        await bench.ingest.publish(bench.fid, [note()])
    assert refusal.value.code == "store.corrupt"
    assert "entry 1" in refusal.value.detail
    assert [each.outcome.value for each in await bench.receive(*chain(bench.author(bench.dale), 1))]


async def test_a_service_that_may_not_sign_beside_damage_still_answers(
    bench: Bench, scrubbing: Scrubbing, tmp_path: Path
) -> None:
    await fill(bench, theirs=0)
    damage(tmp_path, FLIPPED.format("payload", 1))
    await scrub(scrubbing, bench)
    await bench.receive(bench.author().publish(demand("r1")))
    host = judging(bench)

    await host.take_turn()

    assert (host.refused, host.is_stopped) == ("store.corrupt", False)
    assert await host.view("refs", Call()) == ["r1"]


async def test_a_damaged_payload_of_another_is_let_go_of_and_taken_again(
    bench: Bench, scrubbing: Scrubbing, tmp_path: Path
) -> None:
    await fill(bench)
    sound = bench.store.entries_after(2)[1]
    damage(tmp_path, FLIPPED.format("payload", 4))
    control = bench.arrivals.control

    await scrub(scrubbing, bench)
    gone = bench.store.entry(sound.id)
    item = PayloadItem(sound.log, sound.header.seq, sound.envelope.payload)
    await bench.ingest.receive_payloads(bench.fid, [item])
    back = bench.store.entry(sound.id)

    assert gone is not None
    assert (gone.absence, gone.envelope.payload) == (WITHHELD, b"")
    assert bench.arrivals.control > control
    assert back is not None
    assert back.envelope.payload == sound.envelope.payload
    assert await found(scrubbing, bench) == []


async def test_status_tells_of_damage(bench: Bench, scrubbing: Scrubbing, tmp_path: Path) -> None:
    await fill(bench)
    damage(tmp_path, "UPDATE entries SET kind = 'x.other' WHERE arrival = 3")

    await scrub(scrubbing, bench)
    keyring = make_keyring(bench.mill)
    status = status_json(bench.store, bench.ingest, keyring, peers=[], dials=[], hosts={})

    [told] = status.damaged
    assert (told.arrival, told.cid, told.seq) == (3, bench.hill.cid.hex(), 1)
    assert "kind" in told.detail


async def test_a_page_that_cannot_be_read_is_reported_and_stops_the_signing(
    bench: Bench, scrubbing: Scrubbing, tmp_path: Path
) -> None:
    await fill(bench, theirs=STEP)
    damage(tmp_path, "DROP TABLE refs")
    damage(tmp_path, "ALTER TABLE entries RENAME TO other")

    details = await found(scrubbing, bench)

    assert len(details) == 1
    with pytest.raises(Refusal) as refusal:
        require_sound(bench.store.damages.values(), bench.mill.cid)
    assert refusal.value.code == "store.corrupt"


async def test_the_scrub_runs_daily_and_gives_the_loop_its_turn_after_each_step(
    bench: Bench, scrubbing: Scrubbing, tmp_path: Path
) -> None:
    await fill(bench, theirs=STEP)
    running = asyncio.create_task(scrubbing.run())
    await asyncio.sleep(0)
    bench.clock.advance(FIRST_MS)
    await asyncio.sleep(0)
    damage(tmp_path, "UPDATE entries SET kind = 'x.other' WHERE arrival = 3")  # passed by then
    damage(tmp_path, "UPDATE entries SET kind = 'x.other' WHERE arrival = 66")

    seen = []
    for wait_ms in (PAUSE_MS, PAUSE_MS, EVERY_MS, PAUSE_MS, PAUSE_MS):
        seen.append(sorted(bench.store.damages))
        bench.clock.advance(wait_ms)
        for _ in range(3):
            await asyncio.sleep(0)

    assert seen[0] == []
    assert seen[2] == [STEP + 2]
    assert sorted(bench.store.damages) == [3, STEP + 2]
    running.cancel()


async def test_a_scrub_that_breaks_is_noted_and_tried_again(
    bench: Bench, scrubbing: Scrubbing, caplog: pytest.LogCaptureFixture
) -> None:
    running = asyncio.create_task(scrubbing.run())
    await asyncio.sleep(0)
    await bench.store.close()

    bench.clock.advance(FIRST_MS)
    await asyncio.sleep(0)

    assert "the scrub was left undone" in caplog.text
    assert not running.done()
    running.cancel()
