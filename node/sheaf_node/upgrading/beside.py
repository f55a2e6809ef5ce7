"""The databases beside the store in a copy of before an upgrade, and when one goes back.

An upgrade changes the store alone; the others a node brings to its own form when it opens them. So
on the way back one that has another form by then is put back as it was, for the older version could
not open it. One of the same form stays: it lost nothing, and knows what came since.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from sheaf_node.backup.contents import CONTENTS
from sheaf_node.backup.folder import new_file, reading, writing
from sheaf_node.backup.snapshot import copy_database, hash_of
from sheaf_node.durable import sync
from sheaf_node.store import DATABASE
from sheaf_node.store.schema import BUSY_MS, UNREADABLE, open_reader
from sheaf_node.webhooks.copied import join_store
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SUFFIX: Final = ".db"
NameBeside: TypeAlias = Annotated[
    str, Meta(pattern=r"\A([a-z]{1,16}/[a-z][a-z0-9_]{0,31}/)?[a-z]{1,16}\.db\Z")
]
"""Where such a database is in a home. A note of somebody's making leads nowhere else."""


class CopiedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A database that was copied."""

    sha256: str
    form: str
    """The SHA-256 of its version and its tables, in hex."""


def size_beside(home: Path) -> int:
    """Return how many bytes a copy of these databases takes at the most."""
    return sum(path.stat().st_size for path in _databases(home))


def copy_beside(home: Path, into: Path) -> dict[str, CopiedFile]:
    """Copy these databases of a home into a folder; return what was copied, by name.

    Raises Refusal `store.*`, `backup.write`, `backup.read`.
    """
    copied = {}
    for path in _databases(home):
        name = path.relative_to(home).as_posix()
        copy_database(path, into / name)
        with reading(into / name):
            sha256 = hash_of(into / name).hex()
        copied[name] = CopiedFile(sha256=sha256, form=form_of(into / name))
    return copied


def require_whole_beside(folder: Path, copied: Mapping[str, CopiedFile]) -> None:
    """Return if all copies are as they were written. Refusal `upgrade.damaged`, `backup.read`."""
    for name, about in copied.items():
        path = folder / name
        with reading(path):
            is_whole = path.exists() and hash_of(path).hex() == about.sha256
        if not is_whole:
            raise Refusal("upgrade.damaged", f"expected {path} as it was copied")


def put_back_beside(home: Path, folder: Path, room: Path, copied: Mapping[str, CopiedFile]) -> None:
    """Put back what has another form by now, one after the other; safe to repeat.

    What was removed since stays removed. Webhooks take up the store that goes back with them.
    Raises Refusal `store.unreadable`, `webhook.file`, `backup.write`.
    """
    for name, about in copied.items():
        path = home / name
        if path.exists() and form_of(path) != about.form:
            draft = room / name
            with writing(draft), (folder / name).open("rb") as source, new_file(draft) as out:
                shutil.copyfileobj(source, out)
            fold_journal(path)
            with writing(path):
                sync(draft)
                draft.replace(path)
                sync(path.parent)
    join_store(home)


def form_of(path: Path) -> str:
    """Return what a version of the software makes of a database. Raises `store.unreadable`."""
    try:
        with closing(open_reader(path, sqlite3.connect)) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()
            tables = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name")
            return hashlib.sha256(repr((version, tables.fetchall())).encode()).hexdigest()
    except UNREADABLE as exc:
        raise Refusal("store.unreadable", f"expected a database at {path}, got: {exc}") from exc


def fold_journal(database: Path) -> None:
    """Write what a database's journal holds into its file, and have no journal any more.

    SQLite would play a journal that is left into whatever file has that name.
    """
    try:
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
            [mode] = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    except UNREADABLE as exc:
        raise Refusal("store.unreadable", f"expected a store at {database}, got: {exc}") from exc
    if mode != "delete" or database.with_name(f"{database.name}-wal").exists():
        detail = f"expected nobody else at {database}: another program has it open"
        raise Refusal("store.unreadable", detail)


def _databases(home: Path) -> Iterator[Path]:
    """Yield the databases that `contents` says are copied, but for the store."""
    for part in CONTENTS:
        if part.in_snapshot and part.path != DATABASE:
            found = home.glob(f"{part.path}*/*{SUFFIX}" if part.path.endswith("/") else part.path)
            yield from sorted(found)
