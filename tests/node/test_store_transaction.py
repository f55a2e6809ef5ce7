"""A transaction is kept whole or not at all, and leaves the connection free for the next."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from sheaf_node.store.transaction import transaction

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TABLES = (
    "PRAGMA foreign_keys = ON",
    "CREATE TABLE names (name TEXT PRIMARY KEY)",
    "CREATE TABLE notes (name TEXT REFERENCES names DEFERRABLE INITIALLY DEFERRED)",
)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Give a file whose rows are checked at COMMIT alone."""
    with closing(sqlite3.connect(tmp_path / "some.db", isolation_level=None)) as opened:
        for statement in _TABLES:
            opened.execute(statement)
        yield opened


def notes(connection: sqlite3.Connection) -> list[tuple[str]]:
    return connection.execute("SELECT name FROM notes").fetchall()


def test_a_fault_inside_leaves_nothing_written(connection: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError), transaction(connection):
        connection.executemany("INSERT INTO names VALUES (?)", [("hill",), ("hill",)])

    assert connection.execute("SELECT count(*) FROM names").fetchone() == (0,)


def test_a_commit_that_fails_leaves_room_for_the_next_transaction(
    connection: sqlite3.Connection,
) -> None:
    with pytest.raises(sqlite3.IntegrityError), transaction(connection):
        connection.execute("INSERT INTO notes VALUES ('nobody')")

    with transaction(connection):
        connection.execute("INSERT INTO names VALUES ('hill')")
        connection.execute("INSERT INTO notes VALUES ('hill')")

    assert notes(connection) == [("hill",)]
