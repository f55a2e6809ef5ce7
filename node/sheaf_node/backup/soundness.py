"""Whether what a backup holds is a home: its database, its own logs, its keys.

The hashes tell that nothing changed since the backup was made; this tells that it was sound then.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from sqlite_utils import Database

from sheaf_node.backup.folder import new_file, writing
from sheaf_node.keyring.export import LastEntry
from sheaf_node.store import DATABASE
from sheaf_node.store.audit import verify_own_logs
from sheaf_node.store.loading import corrupt, load_state
from sheaf_node.store.migrations import MIGRATIONS, SCHEMAS
from sheaf_node.store.reader import Reader
from sheaf_node.store.schema import open_database, open_reader
from sheaf_protocol.digest import WriterId
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sheaf_node.backup.manifest import Manifest
    from sheaf_node.store import State
    from sheaf_protocol.digest import CoopId

_VIEWS = {("view", "erase_targets")}
"""Of the store's schema; it has no trigger."""
_NEVER = 2**53
"""More entries than a log can have."""


def require_sound(manifest: Manifest, folder: Path, room: Path) -> None:
    """Return if the database in a folder is whole and is what the manifest says.

    `room` is a folder for a copy, where an older version made the database. Raises Refusal
    `store.corrupt`, `backup.schema`, `backup.coop`, `backup.unsound`.
    """
    require_schema(manifest)
    path = folder / DATABASE
    require_integrity(path)
    _require_tables_alone(path)
    if schema_of(path) != manifest.schema:
        detail = f"expected a store of schema {manifest.schema}, got {schema_of(path)}"
        raise Refusal("backup.unsound", detail)
    database = readable(path, room)
    state = state_of(database)
    if heads_of(state, manifest.cid) != manifest.heads:
        detail = "expected the store to end where the list of files says, got other last entries"
        raise Refusal("backup.unsound", detail)
    _verify_logs(database, state, manifest.cid)


def require_schema(manifest: Manifest) -> None:
    """Return if this version knows the database's schema. Raises Refusal `backup.schema`."""
    if manifest.schema not in SCHEMAS:
        detail = f"expected a store of {SCHEMAS[-1]} or older, got {manifest.schema}"
        raise Refusal("backup.schema", f"{detail}: take the version of sheaf that made it")


def require_integrity(path: Path) -> None:
    """Return if SQLite finds a database whole. Raises Refusal `store.corrupt`."""
    with _open(path) as connection:
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(1)")]
    if found != ["ok"]:
        raise corrupt(f"expected a whole database, got: {found[0]}")


def _require_tables_alone(path: Path) -> None:
    """Refuse a database that does more than hold: whoever opened it would carry that out.

    Anybody can seal a file to a co-op's sheets, so the file itself says nothing of its maker.
    """
    orders = "SELECT type, name FROM sqlite_master WHERE type NOT IN ('table', 'index')"
    with _open(path) as connection:
        found = [tuple(row) for row in connection.execute(orders)]
    if not set(found) <= _VIEWS:
        detail = f"expected tables in the database, got {sorted(set(found) - _VIEWS)[0]}"
        raise Refusal("backup.unsound", detail)


def schema_of(path: Path) -> str:
    """Return the newest step of a store's schema, empty where it has none."""
    with _open(path) as connection:
        names = [each.name for each in MIGRATIONS.applied(Database(connection))]
    unknown = [name for name in names if name not in SCHEMAS]
    return (unknown or names or [""])[-1]


def readable(path: Path, room: Path) -> Path:
    """Return a store that this version can read: the one at `path`, or a copy brought up to date.

    Raises Refusal `store.schema_newer`, `store.unreadable`, `backup.write`.
    """
    if schema_of(path) == SCHEMAS[-1]:
        return path
    copy = room / f"copy-{DATABASE}"
    with writing(copy), new_file(copy) as into, path.open("rb") as file:
        shutil.copyfileobj(file, into)
    open_database(copy, sqlite3.connect, bytes).close()
    return copy


def state_of(path: Path) -> State:
    """Return what a store of this version's schema holds. Raises Refusal `store.corrupt`."""
    with _open(path) as connection:
        return load_state(connection)


def heads_of(state: State, cid: CoopId | bytes) -> list[LastEntry]:
    """Return where a co-op's logs end, by writer and federation."""
    heads = [
        LastEntry(fid=held.fid, head=held.head.id, seq=held.head.seq, wid=held.wid)
        for held in state.logs.values()
        if held.cid == cid and held.head.seq > 0
    ]
    return sorted(heads, key=lambda last: (last.wid, last.fid))


def _verify_logs(database: Path, state: State, cid: bytes) -> None:
    own = sorted({held.wid for held in state.logs.values() if held.cid == cid})
    with _open(database) as connection:
        reader = Reader(connection)
        for wid in own:
            verify_own_logs(reader, state, WriterId(wid), most=_NEVER)


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection that reads a copy of a database, which nobody writes to."""
    try:
        with closing(open_reader(path, sqlite3.connect)) as connection:
            yield connection
    except sqlite3.Error as exc:
        raise corrupt(f"expected a database in {path.name}, got: {exc}") from exc
