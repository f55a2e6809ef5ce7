"""What a store is put through while its disk fails, and what must be there afterwards.

One author writes entries of many sizes, several at a time, and sometimes has payloads deleted,
which empties the write-ahead log and so copies it into the database. What the store acknowledged is
written down; so is what was merely asked, for a crash may keep it or not.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sheaf_node.store import Change, NewEntry, Store
from sheaf_node.store.model import ERASED, Absent
from sheaf_node.store.receipt import NewReceipt
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import Digest, FederationId
from sheaf_protocol.envelope import open_header
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import begin_history
from sheaf_protocol.log import EMPTY
from sheaf_protocol.testing.author import LogAuthor, make_coop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from sheaf_node.store import StoredEntry
    from sheaf_node.store.effects import Effects
    from sheaf_protocol.digest import EntryId, WriterId

FID = FederationId(bytes(32))
COOP = make_coop("Hill Farm")
OWN: WriterId = COOP.wid
MOST_BYTES = 3_000
AT_ONCE = 4


def zeros(size: int) -> bytes:
    return bytes(size)


@dataclass(slots=True)
class Verdict:
    """What became of what was acknowledged."""

    lost: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not self.lost and not self.faults


async def work(
    store: Store,
    random: Random,
    told: Callable[[int, EntryId], None],
    *,
    rounds: int,
    acknowledges_first: bool = False,
) -> Refusal | None:
    """Write until done or until the store refuses; return that refusal.

    `acknowledges_first` plants the fault which durability is about.
    """
    author = LogAuthor(COOP, FID)
    if author.log in store.logs:
        author.head = store.logs[author.log].head

    async def append() -> None:
        body = encode({"text": random.randbytes(random.randrange(MOST_BYTES))})
        envelope = author.append("x.note", body)
        header = open_header(envelope)
        entry = NewEntry(id=envelope.id, log=header.log, envelope=envelope, header=header)
        if acknowledges_first:
            told(header.seq, entry.id)
        await store.commit(Change(entries=[entry], receipt=_receipt(entry.id)))
        told(header.seq, entry.id)

    try:
        if COOP.cid not in store.key_logs:
            await store.commit(Change(key_histories={COOP.cid: begin_history(COOP.key_ops)}))
        for _ in range(rounds):
            results = await asyncio.gather(
                *(append() for _ in range(random.randint(1, AT_ONCE))), return_exceptions=True
            )
            _raise_first(results)
            if random.random() < 0.1:
                await _delete_a_payload(store, random)
    except Refusal as refusal:
        return refusal
    return None


def reading(store: Store) -> str | None:
    """Return the code by which a store refuses to be read, if it does."""
    try:
        store.entries_after(0)
    except Refusal as refusal:
        return refusal.code
    return None


def _raise_first(results: list[BaseException | None]) -> None:
    for result in results:
        if result is not None:
            raise result


async def _delete_a_payload(store: Store, random: Random) -> None:
    held = [entry for entry in store.entries_after(0) if entry.envelope.payload]
    if held:
        absent = Absent(entry=random.choice(held), absence=ERASED)
        await store.commit(Change(absences=[absent]))


def judge(store: Store, acknowledged: dict[int, EntryId]) -> Verdict:
    """Return whether all that was acknowledged is there, in one whole chain."""
    entries, after = [], 0
    while page := store.entries_after(after):
        entries += page
        after = page[-1].arrival
    held = {entry.header.seq: entry.id for entry in entries}
    lost = sum(held.get(seq) != id_ for seq, id_ in acknowledged.items())
    return Verdict(lost=lost, faults=judge_chain(entries) + _judge_receipts(store, entries))


def _receipt(id_: EntryId) -> NewReceipt:
    def reply(effects: Effects) -> bytes:
        return str(effects.entries[-1].arrival).encode()

    return NewReceipt(id=Digest(id_), request=Digest(id_), taken_ms=0, reply=reply)


def _judge_receipts(store: Store, entries: Sequence[StoredEntry]) -> list[str]:
    """Return what is wrong with the receipts: each entry has one, and each of them an entry."""
    kept = {
        bytes(each.id): each.reply for each in store.receipts.receipts_before(1, len(entries) + 1)
    }
    told = {bytes(entry.id): str(entry.arrival).encode() for entry in entries}
    return [] if kept == told else ["a receipt without its entry, or an entry without its receipt"]


def judge_chain(entries: Sequence[StoredEntry]) -> list[str]:
    """Return what is wrong with the entries of one log, read in their order."""
    faults = []
    if [entry.header.seq for entry in entries] != list(range(1, len(entries) + 1)):
        faults.append("a log with holes")
    if [entry.header.prev for entry in entries] != [EMPTY.id, *(e.id for e in entries)][:-1]:
        faults.append("a broken chain")
    if any(open_header(entry.envelope) != entry.header for entry in entries):
        faults.append("a header that is not what was signed")
    return faults


def unsound(connection: Any) -> list[str]:
    """Return what SQLite finds wrong with the structure of a database, and close it."""
    found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    connection.close()
    return [] if found == ["ok"] else found
