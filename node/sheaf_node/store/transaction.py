"""A transaction of SQLite on a connection that begins none by itself (`isolation_level=None`)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Keep what is written meanwhile, or nothing of it where anything is raised, COMMIT included.

    It takes the file's one place for writers at once. Raises sqlite3.Error.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        # Of a full disk SQLite may have rolled back by itself, or have left it to us.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
