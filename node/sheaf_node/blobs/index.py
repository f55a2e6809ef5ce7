"""Which blobs a node holds, in which federations, and how far those are that it fetches.

A database of its own beside the store: it holds nothing that is signed, and what it says is checked
against the files, so that the store's one writer has no part in it.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sheaf_protocol.blob import BlobId
from sheaf_protocol.digest import ZERO, Digest, FederationId
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FILE: Final = "blobs.db"
SCHEMA: Final = 1
_TABLES: Final = (
    # hashes: those of the pieces of a whole blob; NULL of a draft. pieces: a bit for each that is
    # here, the lowest first.
    "CREATE TABLE blobs (id BLOB PRIMARY KEY, size INTEGER, hashes BLOB, pieces BLOB NOT NULL)"
    " WITHOUT ROWID",
    "CREATE TABLE uses (id BLOB NOT NULL REFERENCES blobs (id) ON DELETE CASCADE,"
    " fid BLOB NOT NULL, asked_ms INTEGER NOT NULL, PRIMARY KEY (id, fid)) WITHOUT ROWID",
)
_PUT: Final = (
    "INSERT INTO blobs (id, size, hashes, pieces) VALUES (?, ?, ?, ?) ON CONFLICT (id)"
    " DO UPDATE SET size = excluded.size, hashes = excluded.hashes, pieces = excluded.pieces"
)
_USE: Final = (
    "INSERT INTO uses VALUES (?, ?, ?) ON CONFLICT (id, fid) DO UPDATE SET"
    " asked_ms = excluded.asked_ms"
)


@dataclass(kw_only=True, slots=True)
class Row:
    """One blob: whole where its pieces' hashes are known, a draft otherwise."""

    size: int | None
    hashes: list[Digest] | None = None
    pieces: set[int] = field(default_factory=set)
    """Those of a draft that are here."""
    uses: dict[FederationId, int] = field(default_factory=dict)
    """The federations that it is registered in, and when it was last asked for there."""

    @property
    def asked_ms(self) -> int:
        """When the blob was last asked for, in any federation."""
        return max(self.uses.values(), default=0)


class BlobIndex:
    """The database. Raises sqlite3.Error where it cannot write."""

    def __init__(self, home: Path) -> None:
        path = home / FILE
        try:
            path.touch(mode=0o600)
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._prepare(path)
        except (OSError, sqlite3.Error) as exc:
            detail = f"expected an index of blobs at {path}, got: {exc}"
            raise Refusal("store.unreadable", detail) from exc

    def rows(self) -> dict[BlobId, Row]:
        """Return all blobs."""
        rows = {
            BlobId(id_): Row(size=size, hashes=_hashes(hashes), pieces=_numbers(pieces))
            for id_, size, hashes, pieces in self._connection.execute("SELECT * FROM blobs")
        }
        for id_, fid, asked_ms in self._connection.execute("SELECT * FROM uses"):
            rows[BlobId(id_)].uses[FederationId(fid)] = asked_ms
        return rows

    def put(self, id_: BlobId, row: Row) -> None:
        """Store a row; it is durable on return."""
        hashes = None if row.hashes is None else b"".join(row.hashes)
        self._connection.execute("PRAGMA synchronous = FULL")
        with self._transaction():
            self._connection.execute(_PUT, (id_, row.size, hashes, _bits(row.pieces)))
            self._connection.executemany(_USE, [(id_, fid, ms) for fid, ms in row.uses.items()])

    def note_pieces(self, id_: BlobId, size: int, pieces: Iterable[int]) -> None:
        """Note how far a draft is. A crash may lose it, and then pieces come again."""
        self._connection.execute("PRAGMA synchronous = NORMAL")
        sql = "UPDATE blobs SET size = ?, pieces = ? WHERE id = ? AND hashes IS NULL"
        self._connection.execute(sql, (size, _bits(pieces), id_))

    def remove(self, id_: BlobId) -> None:
        """Forget a blob."""
        self._connection.execute("DELETE FROM blobs WHERE id = ?", (id_,))

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def _prepare(self, path: Path) -> None:
        [version] = self._connection.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA:
            detail = f"expected blobs of this version or older at {path}, got schema {version}"
            self._connection.close()
            raise Refusal("store.schema_newer", detail)
        for pragma in ("journal_mode = WAL", "foreign_keys = ON", "busy_timeout = 5000"):
            self._connection.execute(f"PRAGMA {pragma}")
        if version < SCHEMA:
            with self._transaction():
                for statement in (*_TABLES, f"PRAGMA user_version = {SCHEMA}"):
                    self._connection.execute(statement)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:  # commits, or rolls back
            yield


def _hashes(data: bytes | None) -> list[Digest] | None:
    if data is None:
        return None
    return [Digest(data[at : at + len(ZERO)]) for at in range(0, len(data), len(ZERO))]


def _bits(numbers: Iterable[int]) -> bytes:
    value = sum(1 << number for number in set(numbers))
    return value.to_bytes((value.bit_length() + 7) // 8, "little")


def _numbers(data: bytes) -> set[int]:
    value = int.from_bytes(data, "little")
    return {at for at in range(value.bit_length()) if value >> at & 1}
