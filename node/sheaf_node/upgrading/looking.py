"""What an upgrade of a home would do, found out without changing anything."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlite_utils import Database

from sheaf_node.config import load_config
from sheaf_node.observing.backup_age import last_backup_ms
from sheaf_node.store import DATABASE
from sheaf_node.store.loading import corrupt
from sheaf_node.store.migrations import MIGRATIONS, SCHEMAS
from sheaf_node.store.schema import UNREADABLE, open_reader
from sheaf_node.upgrading.beside import size_beside
from sheaf_node.upgrading.snapshot import read_note, require_whole, signed_since
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from sheaf_node.upgrading.snapshot import Note

_TIMES: Final = 4
"""Of the store's size: the copy, a table written anew beside the old one, and both in the journal
until they are in the file."""
_ROOM: Final = 4 << 20
"""Beside that, 4 MiB: the folders, the note, and what SQLite sorts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """A home as an upgrade finds it."""

    software: str
    """The installed version."""
    schema: str
    """The store's; empty where there is no store so far."""
    steps: list[str]
    """What the installed version would do to the store, in order."""
    size: int
    """Bytes of the store, its journal included."""
    needed: int
    """Bytes that have to be free for the steps; 0 where there are none."""
    free: int
    note: Note | None
    """Of the copy from before the last upgrade, if there is one."""
    kept_back: Refusal | None
    """Why that copy may not be put back; None where it may be, or there is none."""
    backup_ms: int | None
    """When the newest backup was made, as far as this home knows."""

    @property
    def newest(self) -> str:
        """The schema that the installed version works with."""
        return SCHEMAS[-1]


def look(home: Path, *, software: str) -> Outlook:
    """Return what an upgrade would do; the node may be running.

    Raises Refusal `config.*` where the settings are not as the installed version takes them,
    `store.schema_newer` where the home is of a later version, `store.corrupt`.
    """
    load_config(home)
    schema, steps = _schema(home / DATABASE)
    size = _size(home)
    note, kept_back = _copy_of_before(home)
    return Outlook(
        software=software,
        schema=schema,
        steps=steps,
        size=size,
        needed=room_for(size) + size_beside(home) if steps else 0,
        free=_free(home),
        note=note,
        kept_back=kept_back,
        backup_ms=last_backup_ms(home),
    )


def room_for(size: int) -> int:
    """Return how many bytes have to be free to upgrade a store of a size."""
    return _TIMES * size + _ROOM


def require_room(outlook: Outlook, home: Path) -> None:
    """Return if the disk has room for an upgrade. Raises Refusal `upgrade.room`."""
    if outlook.free < outlook.needed:
        detail = f"expected {_mib(outlook.needed)} MiB free where {home} is, for a copy of the"
        said = f"{detail} store and the changes, got {outlook.free >> 20}; nothing was changed"
        raise Refusal("upgrade.room", said)


def may_roll_back(home: Path) -> Note:
    """Return the note of a snapshot that may be put back.

    Raises Refusal `upgrade.none`, `upgrade.damaged`, `upgrade.signed`, `store.*`, `key.*`.
    """
    _schema(home / DATABASE)  # what a later version wrote cannot be read for what was signed
    note = read_note(home)
    if note is None:
        detail = f"expected a copy of before an upgrade in {home}; `sheaf upgrade apply` makes one"
        raise Refusal("upgrade.none", f"{detail}, and it is removed 72 hours later")
    require_whole(home, note)
    signed = signed_since(home, note)
    if signed is not None:
        detail = f"expected that this co-op signed nothing since the upgrade, got {signed}"
        way = "others may rely on it, so go on as you are, or take `sheaf backup restore`"
        raise Refusal("upgrade.signed", f"{detail}: {way}, which comes back with another writer")
    return note


def _copy_of_before(home: Path) -> tuple[Note | None, Refusal | None]:
    try:
        return may_roll_back(home), None
    except Refusal as refusal:
        if refusal.code == "upgrade.none":
            return None, None
        if refusal.code == "upgrade.signed":
            return read_note(home), refusal
        return None, refusal


def _schema(database: Path) -> tuple[str, list[str]]:
    """Return a store's newest step and those that it lacks; none where there is no store."""
    if not database.exists() or database.stat().st_size == 0:
        return "", []
    try:
        with closing(open_reader(database, sqlite3.connect)) as connection:
            applied = [each.name for each in MIGRATIONS.applied(Database(connection))]
    except UNREADABLE as exc:
        raise corrupt(f"expected a store in {database}, got: {exc}") from exc
    unknown = [name for name in applied if name not in SCHEMAS]
    if unknown:
        detail = f"expected a store of this version or older at {database}, got schema"
        way = "install the version that was here before, or a later one"
        raise Refusal("store.schema_newer", f"{detail} {unknown[-1]}: {way}")
    if not applied:
        return "", []  # made a moment ago: nothing is in it
    return applied[-1], [name for name in SCHEMAS if name not in applied]


def _size(home: Path) -> int:
    paths = [home / DATABASE, home / f"{DATABASE}-wal"]
    return sum(path.stat().st_size for path in paths if path.exists())


def _free(home: Path) -> int:
    disk = os.statvfs(home)
    return disk.f_bavail * disk.f_frsize


def _mib(size: int) -> int:
    return -(-size >> 20)
