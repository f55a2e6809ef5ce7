"""The tables of a store and the steps that made them.

A log has a short number, because its 32-byte id in every row and index costs a third of the write.
An entry's `proof` is its own signature, or an encoded tail, or NULL where a later row of its log
proves it. `absence` says why an entry has no payload. Of `entries` only `void`, `absence`,
`payload` and `fault` are ever updated, and rows are deleted only with all of their log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from sqlite_utils import Migrations

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.envelope import Envelope, Header
from sheaf_protocol.fork import ForkProof, make_branch
from sheaf_protocol.limits import MAX_HEADER

if TYPE_CHECKING:
    from sqlite_utils import Database

MIGRATIONS: Final = Migrations("sheaf.store")
SCHEMAS: Final = (
    "0001_logs",
    "0002_proofs",
    "0003_cursors",
    "0004_erasure",
    "0005_chains",
    "0006_promises",
    "0007_receipts",
)
"""Every schema this version knows, oldest first; a store with another is left alone."""
_VOIDS: Final = frozenset({"log.forked", "key.closed"})


@MIGRATIONS(name=SCHEMAS[0])
def _create(db: Database) -> None:
    for statement in (
        "CREATE TABLE store (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
        "CREATE TABLE key_ops (cid BLOB NOT NULL, seq INTEGER NOT NULL, data BLOB NOT NULL,"
        " PRIMARY KEY (cid, seq)) WITHOUT ROWID",
        "CREATE TABLE certificates (fid BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID",
        "CREATE TABLE logs (number INTEGER PRIMARY KEY, fid BLOB NOT NULL, cid BLOB NOT NULL,"
        " wid BLOB NOT NULL, forked_at INTEGER, UNIQUE (fid, cid, wid))",
        "CREATE TABLE fork_proofs (log INTEGER PRIMARY KEY REFERENCES logs (number),"
        " data BLOB NOT NULL)",
        "CREATE TABLE entries (arrival INTEGER PRIMARY KEY AUTOINCREMENT,"
        " log INTEGER NOT NULL REFERENCES logs (number), seq INTEGER NOT NULL,"
        " id BLOB NOT NULL UNIQUE, kind TEXT NOT NULL, header BLOB NOT NULL, signature BLOB,"
        " payload BLOB, no_effect TEXT, proven_by_seq INTEGER, UNIQUE (log, seq),"
        " CHECK (signature IS NOT NULL OR proven_by_seq IS NOT NULL))",
    ):
        db.execute(statement)


@MIGRATIONS(name=SCHEMAS[1])
def _prove_by_later_signatures(db: Database) -> None:
    """Split `no_effect` in what never changes and what may, and key logs in two branches.

    An old mark of a fork or cut took the place of the author's fault, which is lost; no cut was
    reversible then, so none of those entries had counted.
    """
    for statement in (
        # No AUTOINCREMENT: the numbers are given by the store, and its bookkeeping costs a write.
        "CREATE TABLE proven_entries (arrival INTEGER PRIMARY KEY,"
        " log INTEGER NOT NULL REFERENCES logs (number), seq INTEGER NOT NULL,"
        " id BLOB NOT NULL UNIQUE, kind TEXT NOT NULL, header BLOB NOT NULL, proof BLOB,"
        " payload BLOB, time_ms INTEGER NOT NULL, fault TEXT, void TEXT, UNIQUE (log, seq))",
        # Who names whom: asked for entries that became void, of which there are few.
        "CREATE TABLE refs (target BLOB NOT NULL, arrival INTEGER NOT NULL,"
        " PRIMARY KEY (target, arrival)) WITHOUT ROWID",
        "CREATE TABLE branches (cid BLOB NOT NULL, branch INTEGER NOT NULL, seq INTEGER NOT NULL,"
        " data BLOB NOT NULL, PRIMARY KEY (cid, branch, seq)) WITHOUT ROWID",
        "INSERT INTO branches SELECT cid, 0, seq, data FROM key_ops",
        "DROP TABLE key_ops",
        "ALTER TABLE branches RENAME TO key_ops",
    ):
        db.execute(statement)
    _convert_entries(db)
    _convert_fork_proofs(db)
    db.execute("DROP TABLE entries")
    db.execute("ALTER TABLE proven_entries RENAME TO entries")


def _convert_entries(db: Database) -> None:
    sql = "SELECT arrival, log, seq, id, kind, header, signature, payload, no_effect FROM entries"
    for *row, no_effect in db.execute(sql):
        header = decode(row[5], Header, limit=MAX_HEADER)
        marks = (None, no_effect) if no_effect in _VOIDS else (no_effect, None)
        db.execute(
            "INSERT INTO proven_entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, header.time_ms, *marks),
        )
        for target in set(header.refs):
            db.execute("INSERT INTO refs VALUES (?, ?)", (target, row[0]))


class _OldProof(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Two envelopes without payloads, before a proof could be two chains."""

    first: Envelope
    second: Envelope


def _convert_fork_proofs(db: Database) -> None:
    for log, data in db.execute("SELECT log, data FROM fork_proofs").fetchall():
        old = decode(data, _OldProof)
        branches = [make_branch([side.header], side.signature) for side in (old.first, old.second)]
        row = (encode(ForkProof(*branches)), log)
        db.execute("UPDATE fork_proofs SET data = ? WHERE log = ?", row)


@MIGRATIONS(name=SCHEMAS[2])
def _remember_peers(db: Database) -> None:
    """Add the last moment of equal roots with each peer, as arrival numbers of both stores."""
    db.execute(
        "CREATE TABLE cursors (wid BLOB NOT NULL, fid BLOB NOT NULL, store_id BLOB NOT NULL,"
        " theirs INTEGER NOT NULL, ours INTEGER NOT NULL, PRIMARY KEY (wid, fid)) WITHOUT ROWID"
    )


@MIGRATIONS(name=SCHEMAS[3])
def _know_what_is_absent(db: Database) -> None:
    """Add why payloads are not here and until when they are needed, marks, and sizes of logs."""
    for statement in (
        "ALTER TABLE entries ADD COLUMN absence TEXT",
        # NULL for never: then the index below holds those alone that end.
        "ALTER TABLE entries ADD COLUMN expires_ms INTEGER",
        "ALTER TABLE logs ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0",
        "UPDATE entries SET absence = 'env.withheld' WHERE payload IS NULL",
        "UPDATE logs SET bytes = COALESCE((SELECT SUM(LENGTH(header) + COALESCE(LENGTH(proof), 0)"
        " + COALESCE(LENGTH(payload), 0)) FROM entries WHERE log = number), 0)",
        "CREATE TABLE marks (id BLOB PRIMARY KEY, target BLOB NOT NULL, fid BLOB NOT NULL,"
        " cid BLOB NOT NULL, is_restore INTEGER NOT NULL, time_ms INTEGER NOT NULL,"
        " taken_ms INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE INDEX marks_by_target ON marks (target)",
        "CREATE VIEW erase_targets AS SELECT target FROM marks WHERE is_restore = 0",
    ):
        db.execute(statement)
    dated = (
        (decode(header, Header, limit=MAX_HEADER).expires_ms, arrival)
        for arrival, header in db.execute("SELECT arrival, header FROM entries")
    )
    for row in [each for each in dated if each[0]]:
        db.execute("UPDATE entries SET expires_ms = ? WHERE arrival = ?", row)
    db.execute(
        "CREATE INDEX entries_absent ON entries (absence, arrival, kind) WHERE absence NOT NULL"
    )
    db.execute(
        "CREATE INDEX entries_ending ON entries (expires_ms)"
        " WHERE expires_ms NOT NULL AND payload NOT NULL"
    )


@MIGRATIONS(name=SCHEMAS[4])
def _keep_chains(db: Database) -> None:
    """Let a federation have a certificate for each epoch; rows stay in the order of arrival."""
    for statement in (
        "CREATE TABLE chains (number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE,"
        " fid BLOB NOT NULL, epoch INTEGER NOT NULL, data BLOB NOT NULL)",
        "INSERT INTO chains (id, fid, epoch, data) SELECT fid, fid, 0, data FROM certificates",
        "DROP TABLE certificates",
        "ALTER TABLE chains RENAME TO certificates",
    ):
        db.execute(statement)


@MIGRATIONS(name=SCHEMAS[5])
def _find_promises(db: Database) -> None:
    """Let a node find what it promised, however long its logs are."""
    db.execute("CREATE INDEX entries_promising ON entries (arrival) WHERE kind = 'writer.promise'")


@MIGRATIONS(name=SCHEMAS[6])
def _keep_receipts(db: Database) -> None:
    """Let replies be kept with what they tell of; a rowid, since a reply may be long."""
    db.execute(
        "CREATE TABLE receipts (number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE,"
        " request BLOB NOT NULL, taken_ms INTEGER NOT NULL, reply BLOB NOT NULL)"
    )
    db.execute("CREATE INDEX receipts_by_age ON receipts (taken_ms)")
