"""P1: what was acknowledged is there after the process was killed at any moment."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from sheaf_node.store import Store
from sheaf_protocol.digest import FederationId
from sheaf_protocol.log import EMPTY
from sheaf_protocol.testing.author import LogAuthor, make_coop

DELAYS_S = [0.007 * step for step in range(12)]
"""From before the first commit to some dozens in; the scheduler adds its own dice."""
FID = FederationId(bytes(32))

APPENDER = """
import asyncio, sys
from pathlib import Path
from sheaf_node.store import Change, NewEntry, Store
from sheaf_protocol.digest import FederationId
from sheaf_protocol.envelope import open_header
from sheaf_protocol.testing.author import LogAuthor, make_coop

async def append(store, author):
    envelope = author.append("x.note", b"\\x80")
    header = open_header(envelope)
    entry = NewEntry(id=envelope.id, log=header.log, envelope=envelope, header=header)
    [stored] = await store.commit(Change(entries=[entry]))
    sys.stdout.write(f"{stored.header.seq}\\n")
    sys.stdout.flush()

async def main():
    store = Store.open(Path(sys.argv[1]), random=lambda size: bytes(size))
    author = LogAuthor(make_coop("Hill Farm"), FederationId(bytes(32)))
    if author.log in store.logs:
        author.head = store.logs[author.log].head
    sys.stdout.write("0\\n")
    sys.stdout.flush()
    while True:
        await asyncio.gather(*(append(store, author) for _ in range(8)))

asyncio.run(main())
"""


def acknowledged_until_killed(path: Path, after_s: float) -> int:
    """Return the last number that a process acknowledged before it was killed."""
    with subprocess.Popen(
        [sys.executable, "-c", APPENDER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it has opened the store
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)
        told = [line for line in process.stdout if line.endswith("\n")]
    return max(map(int, told), default=0)


async def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    path, coop = tmp_path / "sheaf.db", make_coop("Hill Farm")
    log, acknowledged = LogAuthor(coop, FID).log, 0

    for delay_s in DELAYS_S:
        told = acknowledged_until_killed(path, delay_s)
        acknowledged = max(acknowledged, told)
        store = Store.open(path, random=bytes, own=coop.wid)
        held = store.logs[log].head if log in store.logs else EMPTY
        entries = store.entries_after(0, 1_000_000)
        await store.close()

        assert held.seq >= acknowledged, f"lost acknowledged entries after {delay_s} s"
        assert [entry.header.seq for entry in entries] == list(range(1, held.seq + 1))
        chain = [EMPTY.id, *(entry.id for entry in entries)]
        assert [entry.header.prev for entry in entries] == chain[:-1]

    assert acknowledged > 0
