"""A file of webhooks that was copied with its store: taken up by it, and held back where it was
restored on another day.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from sheaf_node.webhooks.ledger import FILE
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path


def join_store(home: Path) -> None:
    """Have a home's webhooks take up whatever store lies beside them when the node starts next.

    Safe to repeat, and nothing where there are none. Raises Refusal `webhook.file`.
    """
    _change(home, "DELETE FROM about")


def hold_back(home: Path) -> None:
    """The same, and nothing is sent until a person lets each go on: the backup does not know which
    were removed since, nor whether another node still sends. Raises Refusal `webhook.file`.
    """
    _change(home, "DELETE FROM about", "UPDATE webhooks SET state = 'held' WHERE state = 'active'")


def _change(home: Path, *statements: str) -> None:
    path = home / FILE
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                connection.execute(statement)
            connection.execute("COMMIT")
    except sqlite3.Error as exc:
        raise Refusal("webhook.file", f"expected webhooks at {path}, got: {exc}") from exc
