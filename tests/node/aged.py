"""A store as the first version of it wrote one, by hand."""

import sqlite3
from pathlib import Path
from typing import Any

from sheaf_protocol.codec import encode
from sheaf_protocol.envelope import Envelope, open_header
from sheaf_protocol.testing.author import LogAuthor, TestCoop, make_coop, make_federation

from .storing import BODY

SCHEMA_0001 = """
CREATE TABLE store (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE key_ops (cid BLOB NOT NULL, seq INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY (cid, seq)) WITHOUT ROWID;
CREATE TABLE certificates (fid BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE logs (number INTEGER PRIMARY KEY, fid BLOB NOT NULL, cid BLOB NOT NULL,
  wid BLOB NOT NULL, forked_at INTEGER, UNIQUE (fid, cid, wid));
CREATE TABLE fork_proofs (log INTEGER PRIMARY KEY REFERENCES logs (number), data BLOB NOT NULL);
CREATE TABLE entries (arrival INTEGER PRIMARY KEY AUTOINCREMENT,
  log INTEGER NOT NULL REFERENCES logs (number), seq INTEGER NOT NULL, id BLOB NOT NULL UNIQUE,
  kind TEXT NOT NULL, header BLOB NOT NULL, signature BLOB, payload BLOB, no_effect TEXT,
  proven_by_seq INTEGER, UNIQUE (log, seq),
  CHECK (signature IS NOT NULL OR proven_by_seq IS NOT NULL));
CREATE TABLE _sqlite_migrations (id INTEGER PRIMARY KEY, migration_set TEXT, name TEXT,
  applied_at TEXT);
CREATE UNIQUE INDEX idx__sqlite_migrations ON _sqlite_migrations (migration_set, name);
INSERT INTO _sqlite_migrations VALUES (1, 'sheaf.store', '0001_logs', '2026-01-01');
INSERT INTO store VALUES ('store_id', x'00112233445566778899aabbccddeeff');
"""


class OldStore:
    """Three logs in one federation: a whole one, one that forked, and one that was closed."""

    def __init__(self, path: Path, hill: TestCoop | None = None) -> None:
        """Write the file of a store; `hill` is the co-op whose log is whole."""
        others = [make_coop(name) for name in ("Forker", "Closer")]
        _, forked, closed = self.coops = [hill or make_coop("Hill"), *others]
        self.certificate = make_federation([(coop, ["member"]) for coop in self.coops])
        self.authors = [LogAuthor(coop, self.certificate.fid) for coop in self.coops]
        self._connection = sqlite3.connect(path)
        self._connection.executescript(SCHEMA_0001)
        self.entries = [self._append(0, "x.note"), self._append(0, "demand.submit", "policy.role")]
        self.entries.append(self._append(1, "x.note"))
        twin = self.authors[1].twin()
        self.entries.append(self._append(1, "x.note", "log.forked"))
        self.second = twin.append("x.note", b"\x90")
        self.entries.append(self._append(2, "x.note", refs=[self.entries[0]]))
        self.cut = self.authors[2].head
        self.entries.append(self._append(2, "x.note", "key.closed"))
        closed.close({self.certificate.fid: self.cut})
        self._write_control(forked.wid)
        self._connection.commit()
        self._connection.close()

    def _append(
        self, number: int, kind: str, no_effect: str | None = None, *, refs: Any = ()
    ) -> Envelope:
        author = self.authors[number]
        envelope = author.append(kind, BODY, refs=[ref.id for ref in refs])
        header = open_header(envelope)
        values = (number + 1, header.seq, envelope.id, kind, envelope.header, envelope.signature)
        self._connection.execute(
            "INSERT INTO entries (log, seq, id, kind, header, signature, payload, no_effect)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*values, envelope.payload, no_effect),
        )
        return envelope

    def _write_control(self, forked: bytes) -> None:
        sql = self._connection.execute
        sql(
            "INSERT INTO certificates VALUES (?, ?)",
            (self.certificate.fid, encode(self.certificate)),
        )
        for number, author in enumerate(self.authors, 1):
            wid = author.key.public
            forked_at = 2 if wid == forked else None
            values = (number, author.fid, author.cid, wid, forked_at)
            sql("INSERT INTO logs VALUES (?, ?, ?, ?, ?)", values)
        for coop in self.coops:
            for seq, op in enumerate(coop.key_ops):
                sql("INSERT INTO key_ops VALUES (?, ?, ?)", (coop.cid, seq, encode(op)))
        sides = sorted((self.entries[3], self.second), key=lambda envelope: envelope.id)
        # As a proof was written then: two envelopes without their payloads.
        old = [[side.header, side.signature, b""] for side in sides]
        sql("INSERT INTO fork_proofs VALUES (2, ?)", (encode(old),))
