"""The file of a home's drafts: a database of its own, since nothing in it is signed.

Each draft is one row, written whole. Beside it may stand the receipt under which it is being
published: the store has that receipt exactly if the entries are there, so after a crash between the
two files it is known whether the draft is to go.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from sheaf_node.drafts.model import Content, Draft, DraftHead
from sheaf_node.store.transaction import transaction
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE: Final = "drafts.db"
SCHEMA: Final = 1
MOST: Final = 256
"""Drafts of one home: what a co-op has in hand at once, many times over."""
MAX_BYTES: Final = 67_108_864
"""64 MiB of all drafts together: of the largest there are some dozens."""
MOST_OF_SEATS: Final = 128
"""Of these by seats, who are let in by a link: so much is left to the co-op's own people."""
MAX_SEATS_BYTES: Final = 33_554_432
_TABLE: Final = (
    "CREATE TABLE drafts (id TEXT PRIMARY KEY, seat TEXT NOT NULL, size INTEGER NOT NULL,"
    " publishing BLOB, head BLOB NOT NULL, content BLOB NOT NULL) WITHOUT ROWID"
)
_PUT: Final = (
    "INSERT INTO drafts VALUES (?, ?, ?, NULL, ?, ?) ON CONFLICT (id) DO UPDATE SET"
    " seat = excluded.seat, size = excluded.size, publishing = NULL, head = excluded.head,"
    " content = excluded.content"
)
_ROOM: Final = (
    "SELECT count(*), total(size), total(seat <> ''), total(iif(seat <> '', size, 0))"
    " FROM drafts WHERE id <> ?"
)


class DraftLedger:
    """The database. Any thread may call; what changed is durable on return.

    Raises Refusal `draft.file` where it cannot read or write.
    """

    def __init__(self, home: Path) -> None:
        self._path, self._lock = home / FILE, threading.Lock()
        with self._told():
            self._path.touch(mode=0o600)
            self._connection = sqlite3.connect(
                self._path, isolation_level=None, check_same_thread=False
            )
            self._prepare()

    def heads(self) -> list[DraftHead]:
        """Return all drafts without their lines, oldest first."""
        with self._told():
            found = [_head(row[0]) for row in self._connection.execute("SELECT head FROM drafts")]
        return sorted(found, key=lambda head: (head.created_ms, head.id))

    def draft(self, id_: str) -> Draft | None:
        """Return one draft whole."""
        sql = "SELECT head, content FROM drafts WHERE id = ?"
        with self._told():
            row = self._connection.execute(sql, (id_,)).fetchone()
            if row is None:
                return None
            return Draft(head=_head(row[0]), content=msgspec.msgpack.decode(row[1], type=Content))

    def put(self, draft: Draft) -> None:
        """Keep a draft, in place of the one of its id. Raises Refusal `draft.full`; nothing is
        changed then.
        """
        head = msgspec.msgpack.encode(draft.head)
        content = msgspec.msgpack.encode(draft.content)
        seat = "" if draft.head.seat is None else draft.head.seat.cid
        size = len(head) + len(content)
        with self._told(), transaction(self._connection):
            row = self._connection.execute(_ROOM, (draft.head.id,)).fetchone()
            _require_room(_Use(*map(int, row)), size, is_seats=bool(seat))
            self._connection.execute(_PUT, (draft.head.id, seat, size, head, content))

    def remove(self, id_: str) -> None:
        """Forget a draft."""
        with self._told(), transaction(self._connection):
            self._connection.execute("DELETE FROM drafts WHERE id = ?", (id_,))

    def mark(self, id_: str, receipt: bytes | None) -> None:
        """Note under which receipt a draft is being published; None once it is not."""
        with self._told(), transaction(self._connection):
            sql = "UPDATE drafts SET publishing = ? WHERE id = ?"
            self._connection.execute(sql, (receipt, id_))

    def marked(self) -> list[tuple[str, bytes]]:
        """Return the drafts that are being published, or were when the node ended."""
        sql = "SELECT id, publishing FROM drafts WHERE publishing IS NOT NULL"
        with self._told():
            return [(str(id_), bytes(mark)) for id_, mark in self._connection.execute(sql)]

    def close(self) -> None:
        """Close the file, once nobody is at it."""
        with self._lock:
            self._connection.close()

    def _prepare(self) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "trusted_schema = OFF"):
            self._connection.execute(f"PRAGMA {pragma}")
        # A list may be of people: what is deleted is overwritten.
        self._connection.execute("PRAGMA secure_delete = ON")
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA:
            detail = f"expected a file of version {SCHEMA} at most, got {version}"
            raise Refusal("draft.file", f"{detail}, of a newer node: {self._path}")
        if version == 0:
            with transaction(self._connection):
                self._connection.execute(_TABLE)
                self._connection.execute(f"PRAGMA user_version = {SCHEMA}")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except (OSError, sqlite3.Error, msgspec.DecodeError) as exc:
            detail = f"expected a file of drafts at {self._path}, got: {exc}"
            raise Refusal("draft.file", detail) from exc


class _Use(NamedTuple):
    """What other drafts take up, and those of seats among them."""

    drafts: int
    size: int
    of_seats: int
    size_of_seats: int


def _require_room(use: _Use, size: int, *, is_seats: bool) -> None:
    if use.drafts >= MOST or use.size + size > MAX_BYTES:
        detail = f"expected at most {MOST} drafts and {MAX_BYTES >> 20} MiB of them"
        raise Refusal("draft.full", f"{detail}; `sheaf draft remove` one")
    has_room = use.of_seats < MOST_OF_SEATS and use.size_of_seats + size <= MAX_SEATS_BYTES
    if is_seats and not has_room:
        detail = f"expected at most {MOST_OF_SEATS} drafts of seats"
        raise Refusal("draft.full", f"{detail} and {MAX_SEATS_BYTES >> 20} MiB of them")


def _head(data: bytes) -> DraftHead:
    return msgspec.msgpack.decode(data, type=DraftHead)
