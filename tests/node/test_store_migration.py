"""A file that the first version of the store made is brought to the newest, and says the same."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.node.storing import BODY, effects, histories, new, open_store

from sheaf_node.store import Change
from sheaf_protocol.charter import Chain
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import Digest
from sheaf_protocol.envelope import Envelope, open_header
from sheaf_protocol.fork import fork_leaf
from sheaf_protocol.frontier import LogState
from sheaf_protocol.testing.author import LogAuthor, make_coop, make_federation
from sheaf_protocol.testing.chain import prove_fork

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

    def __init__(self, path: Path) -> None:
        _, forked, closed = self.coops = [make_coop(n) for n in ("Hill", "Forker", "Closer")]
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


@pytest.fixture
def old(tmp_path: Path) -> OldStore:
    return OldStore(tmp_path / "sheaf.db")


async def test_a_store_of_the_first_schema_opens_with_the_same_state(
    old: OldStore, tmp_path: Path
) -> None:
    store = open_store(tmp_path, own=old.coops[0].wid)

    assert store.store_id.hex() == "00112233445566778899aabbccddeeff"
    assert [entry.envelope for entry in store.entries_after(0)] == old.entries
    assert effects(store) == [None, "policy.role", None, "log.forked", None, "key.closed"]
    assert store.key_histories == histories(*old.coops)
    assert store.chains == {old.certificate.fid: Chain.of([old.certificate])}
    assert list(store.fork_proofs.values()) == [prove_fork(old.entries[3], old.second)]
    await store.close()


async def test_a_migrated_store_shows_the_frontier_that_it_showed(
    old: OldStore, tmp_path: Path
) -> None:
    whole, forked, closed = old.authors

    store = open_store(tmp_path)

    assert store.frontier(old.certificate.fid) == {
        whole.log: LogState(seq=2, head=Digest(whole.head.id)),
        forked.log: LogState(
            seq=2, head=fork_leaf(forked.log, 2, old.entries[2].id), is_forked=True
        ),
        closed.log: LogState(seq=1, head=Digest(old.cut.id)),
    }
    await store.close()


async def test_a_migrated_store_goes_on(old: OldStore, tmp_path: Path) -> None:
    store = open_store(tmp_path)

    await store.commit(Change(entries=[new(old.authors[0].append("x.note", BODY))]))
    await store.close()
    again = open_store(tmp_path)

    assert again.arrival == len(old.entries) + 1
    assert again.logs[old.authors[0].log].head == old.authors[0].head
    await again.close()


async def test_whom_old_entries_named_is_known_after_the_migration(
    old: OldStore, tmp_path: Path
) -> None:
    """The closed writer's first entry, which counts, names the other's first."""
    store = open_store(tmp_path)
    twin = LogAuthor(old.coops[0], old.certificate.fid)
    proof = prove_fork(twin.twin().append("x.note", b"\x90"), old.entries[0])

    await store.commit(Change(fork_proofs=[proof]))

    first, second, *_ = store.entries_after(0)
    assert [store.is_contested(entry) for entry in (first, second)] == [True, False]
    await store.close()
