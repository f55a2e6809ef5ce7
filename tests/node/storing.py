"""What tests of the store share: a store in a folder, and entries for it."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sheaf_node.store import Change, NewEntry, Store
from sheaf_protocol.digest import CoopId, FederationId
from sheaf_protocol.envelope import Envelope, open_header
from sheaf_protocol.identity import KeyHistory, KeyOp, begin_history
from sheaf_protocol.testing.author import LogAuthor, TestCoop, make_coop

FID, OTHER_FID = FederationId(bytes(32)), FederationId(b"o" * 32)
BODY = b"\x80"  # an empty map


def zeros(size: int) -> bytes:
    return bytes(size)


def open_store(folder: Path, **options: Any) -> Store:
    return Store.open(folder / "sheaf.db", random=zeros, **options)


def new(envelope: Envelope, **options: Any) -> NewEntry:
    header = open_header(envelope)
    return NewEntry(id=envelope.id, log=header.log, envelope=envelope, header=header, **options)


def authored(count: int, coop: TestCoop | None = None) -> tuple[LogAuthor, list[Envelope]]:
    author = LogAuthor(coop or make_coop("Hill Farm"), FID)
    return author, [author.append("x.note", BODY) for _ in range(count)]


def histories(*coops: TestCoop) -> dict[CoopId, KeyHistory]:
    """Return the key histories of these co-ops as they are by now."""
    return {coop.cid: begin_history(coop.key_ops) for coop in coops}


def keys(*coops: TestCoop) -> Change:
    """Return the change that stores them."""
    return Change(key_histories=histories(*coops))


def path(coop: TestCoop, ops: Sequence[KeyOp]) -> Change:
    """Return the change that puts a key log in force."""
    return Change(key_histories={coop.cid: begin_history(ops)})


def effects(store: Store) -> list[str | None]:
    """Return of each entry why it has no effect."""
    return [entry.no_effect for entry in store.entries_after(0)]


def traced(statements: list[str]) -> Callable[..., sqlite3.Connection]:
    """Return connections that note each statement."""

    class Traced(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            statements.append(sql)
            return super().execute(sql, *args)

    return lambda *args, **options: sqlite3.connect(*args, factory=Traced, **options)
