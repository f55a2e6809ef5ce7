"""Whether a store is byte by byte what was written: SQLite's own check, then every row of it.

It reads one moment of the file, so the node may run meanwhile. What a store merely notes for itself
is not covered, and costs traffic or a delay where it is wrong: when peers were last level with it,
when it took an erase, its own id.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Final

from sqlite_utils import Database

from sheaf_node.ingest.control import keys_named
from sheaf_node.ingest.judge import Judge
from sheaf_node.store.loading import load_state
from sheaf_node.store.migrations import MIGRATIONS, SCHEMAS
from sheaf_node.store.reader import Reader
from sheaf_node.store.schema import UNREADABLE, open_reader
from sheaf_node.store.scrub import scrub_rows
from sheaf_protocol.charter import Chain, read_charter
from sheaf_protocol.digest import EntryId, short
from sheaf_protocol.envelope import body_of, decode_header
from sheaf_protocol.errors import Refusal
from sheaf_protocol.fork import verify_fork_proof
from sheaf_protocol.records import decode_record
from sheaf_protocol.retention import ERASING, mark_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sheaf_node.store import State, StoredEntry
    from sheaf_node.store.line import Line
    from sheaf_node.store.model import HeldLog
    from sheaf_protocol.digest import CoopId

STEP: Final = 512
MOST: Final = 100
"""Findings after which the rest is not looked for: the file is lost anyway."""
_ENTRIES: Final = "SELECT arrival, id, header, payload, fault FROM entries ORDER BY arrival"
_NAMED: Final = "SELECT 1 FROM refs WHERE target = ? AND arrival = ?"
# The table of steps is the library's, and its text differs between versions of that.
# SQLite's own tables are not ours: a copy made by VACUUM leaves those out that it needs no more.
_SCHEMA: Final = (
    "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT GLOB '*_migrations*'"
    " AND name NOT GLOB 'sqlite_*' ORDER BY type, name"
)


def verify_store(path: Path) -> list[str]:
    """Return what is damaged in a store, as sentences; nothing where it is whole.

    Raises Refusal `store.unreadable` where there is no store, or one of an older schema.
    """
    if not path.is_file():
        raise Refusal("store.unreadable", f"expected a store at {path}")
    try:
        with closing(open_reader(path, sqlite3.connect)) as connection:
            connection.execute("BEGIN")
            _require_schema(connection, path)
            for look in (_of_pages, _of_rows, _of_control, _of_logs, _of_references):
                # Each rests on what those before it found sound.
                found = list(islice(look(connection), MOST))
                if found:
                    return found
    except UNREADABLE as exc:
        return [f"the file cannot be read to its end: {exc}"]
    except Refusal as refusal:
        if refusal.code != "store.corrupt":
            raise
        return [refusal.detail]
    return []


def _require_schema(connection: sqlite3.Connection, path: Path) -> None:
    applied = [each.name for each in MIGRATIONS.applied(Database(connection))]
    if applied and set(applied) < set(SCHEMAS):
        detail = f"expected a store of schema {SCHEMAS[-1]} at {path}, got {applied[-1]}"
        raise Refusal("store.unreadable", f"{detail}; the next start of the node makes it that")


def _of_pages(connection: sqlite3.Connection) -> Iterator[str]:
    for (said,) in connection.execute(f"PRAGMA integrity_check({MOST})"):
        if said != "ok":
            yield said
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        MIGRATIONS.apply(Database(fresh))
        if fresh.execute(_SCHEMA).fetchall() != connection.execute(_SCHEMA).fetchall():
            yield f"expected the tables of schema {SCHEMAS[-1]}"


def _of_rows(connection: sqlite3.Connection) -> Iterator[str]:
    page = scrub_rows(connection, 0, STEP)
    while True:
        for damage in page.damages:
            of = "an unreadable log" if damage.wid is None else f"log {short(damage.wid)}"
            yield f"entry {damage.seq} of {of}: {damage.detail}"
        if page.last is None:
            return
        page = scrub_rows(connection, page.last, STEP)


def _of_control(connection: sqlite3.Connection) -> Iterator[str]:
    state = load_state(connection)
    for cid in state.key_logs:
        yield from _refused(f"key log of co-op {short(cid)}", state, cid)
    for fid, chain in state.chains.items():
        try:
            _found_again(state, chain)
        except Refusal as refusal:
            yield f"certificates of federation {short(fid)}: {refusal.detail}"
    for id_, fid, epoch in connection.execute("SELECT id, fid, epoch FROM certificates"):
        link = state.chains[fid].links.get(id_)
        if link is None or read_charter(link.certificate).epoch != epoch:
            yield f"certificates of federation {short(fid)}: expected each by its id and epoch"
    for proof in state.fork_proofs.values():
        try:
            verify_fork_proof(proof)
        except Refusal as refusal:
            yield f"fork proof {short(proof.id)}: {refusal.detail}"


def _refused(what: str, state: State, cid: CoopId) -> Iterator[str]:
    try:
        folded = state.key_logs[cid].cid
    except Refusal as refusal:
        yield f"{what}: {refusal.detail}"
    else:
        if folded != cid:
            yield f"{what}: expected its own operations, got those of {short(folded)}"


def _found_again(state: State, chain: Chain) -> None:
    """Judge the certificates of a chain as if they had just come. Raises RemoteProtocolError."""
    made: Chain | None = None
    for certificate in chain.certificates:
        keys = keys_named(read_charter(certificate), made, state.key_histories)
        made = Chain.found(certificate, keys) if made is None else made.add(certificate, keys)


def _of_logs(connection: sqlite3.Connection) -> Iterator[str]:
    reader, state = Reader(connection), load_state(connection)
    for log, held in state.logs.items():
        of, federation = f"log {short(held.wid)}", state.federation(held.fid)
        if (log in state.proof_of) != (held.forked_at is not None):
            yield f"{of}: expected a fork proof where it is marked as forked, and nowhere else"
        judge = None if federation is None else Judge(federation, held.cid, held.wid)
        for entry in _entries_of(reader, held):
            yield from _of_effect(
                entry, f"entry {entry.header.seq} of {of}", state.line(held), judge
            )


def _entries_of(reader: Reader, held: HeldLog) -> Iterator[StoredEntry]:
    seq = 1
    while found := reader.log_after(held.number, seq, STEP):
        yield from found
        seq = found[-1].header.seq + 1


def _of_effect(entry: StoredEntry, what: str, line: Line, judge: Judge | None) -> Iterator[str]:
    """Yield what is wrong with the notes on whether an entry counts."""
    header = entry.header
    void = line.void_of(header.seq, entry.id, header.time_ms)
    if entry.void != void:
        yield f"{what}: expected it to be void for {void}, got {entry.void}"
    if judge is not None and entry.envelope.payload:
        fault = judge.fault(header, entry.envelope.payload)
        if entry.fault != (None if fault is None else fault.code):
            yield f"{what}: expected its author's fault as the charter has it, got {entry.fault}"


def _of_references(connection: sqlite3.Connection) -> Iterator[str]:
    """Compare what entries name with the tables that repeat it for looking up."""
    expected, marked = 0, "SELECT target, fid, cid, is_restore, time_ms FROM marks WHERE id = ?"
    for arrival, id_, raw, payload, fault in connection.execute(_ENTRIES):
        header = decode_header(raw)
        expected += len(set(header.refs))
        for target in set(header.refs):
            if connection.execute(_NAMED, (target, arrival)).fetchone() is None:
                yield f"the references of entry {short(id_)}: expected {short(target)} among them"
        if header.kind in ERASING and payload and fault is None:
            said = mark_of(EntryId(id_), header, decode_record(header.kind, body_of(payload)))
            held = connection.execute(marked, (id_,)).fetchone()
            if said and held != (said.target, said.fid, said.cid, said.is_restore, said.time_ms):
                yield f"the mark of entry {short(id_)}: expected what its payload says"
    (count,) = connection.execute("SELECT COUNT(*) FROM refs").fetchone()
    if count != expected:
        yield f"expected {expected} references of entries, got {count}"
