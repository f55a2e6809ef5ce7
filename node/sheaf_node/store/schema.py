"""How a store's file is opened, and brought to the newest schema (`migrations`)."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

from sqlite_utils import Database

from sheaf_node.store.migrations import MIGRATIONS, SCHEMAS
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sheaf_node.clock import Randomness

Connect: TypeAlias = "Callable[..., sqlite3.Connection]"
"""`sqlite3.connect`, or in tests one that makes connections which fail."""

DATABASE: Final = "sheaf.db"
"""The name of a store's file in a home."""
UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError)
"""What reading a damaged file raises; the second where a name in it is no text any more."""
_CHECKPOINT_PAGES: Final = 20_000
"""80 MiB of WAL between checkpoints: with random 32-byte keys twice as fast as the default."""
BUSY_MS: Final = 5_000
"""A backup or an administrator's reader may hold the file for a moment; nobody else writes."""


def open_database(path: Path, connect: Connect, random: Randomness) -> sqlite3.Connection:
    """Return the write connection of a store, made or migrated to the newest schema.

    Raises Refusal `store.schema_newer` (the file is then as it was) and `store.unreadable`.
    """
    with ExitStack() as undo:
        try:
            connection = connect(path, isolation_level=None, check_same_thread=False)
            undo.callback(connection.close)
            db = Database(connection)
            _require_known_schema(db, path)
            _prepare(connection)
            MIGRATIONS.apply(db)
            _name_store(connection, random)
        except UNREADABLE as exc:
            raise Refusal("store.unreadable", f"expected a store at {path}, got: {exc}") from exc
        undo.pop_all()
    return connection


def open_reader(path: Path, connect: Connect) -> sqlite3.Connection:
    """Return a connection that sees what was committed and cannot write."""
    connection = connect(f"file:{_quoted(path)}?mode=ro", uri=True, isolation_level=None)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    return connection


@contextmanager
def whole_file(path: Path) -> Iterator[None]:
    """Refuse with `store.corrupt` where SQLite finds a page that is not one while a store opens."""
    try:
        yield
    except UNREADABLE as exc:
        detail = f"the file is damaged: expected a store at {path}, got: {exc}"
        raise Refusal("store.corrupt", detail) from exc


def _prepare(connection: sqlite3.Connection) -> None:
    # FULL: the log may not go back by a single entry, or its owner would sign a number twice.
    for pragma in (
        f"busy_timeout = {BUSY_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
        # What is deleted is overwritten; a WAL that a crash left may hold it still.
        "secure_delete = ON",
        "wal_checkpoint(TRUNCATE)",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _require_known_schema(db: Database, path: Path) -> None:
    unknown = [m.name for m in MIGRATIONS.applied(db) if m.name not in SCHEMAS]
    if unknown:
        detail = f"expected a store of this version or older at {path}, got schema {unknown[-1]}"
        raise Refusal("store.schema_newer", detail)


def _name_store(connection: sqlite3.Connection, random: Randomness) -> None:
    """Give a new store its own id, by which peers notice that a node came back with another."""
    sql = "INSERT OR IGNORE INTO store (key, value) VALUES ('store_id', ?)"
    if connection.execute("SELECT 1 FROM store WHERE key = 'store_id'").fetchone() is None:
        connection.execute(sql, (random(16),))


def _quoted(path: Path) -> str:
    """Return a path for an SQLite URI, in which ? and # would end it."""
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
