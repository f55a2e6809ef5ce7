"""An upgrade from copy to proof, and the way back.

    store of before --copy--> upgrade/ --migrate--> compare --> done
                                 ^                     |
                                 +------ put back <----+  where anything is missing

A process may die anywhere. Each step of a migration is one transaction, so the store is then of one
schema or the next, never in between, and the copy is whole or not there under its name. Applying
again goes on where it was; the copy is made anew only while the store is still as it was copied.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sheaf_node.backup.folder import workshop
from sheaf_node.backup.soundness import require_integrity, state_of
from sheaf_node.store import DATABASE
from sheaf_node.store.folder import FolderLock
from sheaf_node.store.schema import open_database
from sheaf_node.upgrading.census import take_census
from sheaf_node.upgrading.looking import look, may_roll_back, require_room
from sheaf_node.upgrading.snapshot import make_snapshot, put_back, remove
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sheaf_node.store.schema import Connect
    from sheaf_node.upgrading.looking import Outlook
    from sheaf_node.upgrading.snapshot import Note


@dataclass(frozen=True, kw_only=True, slots=True)
class Applied:
    """An upgrade that was carried out."""

    steps: list[str]
    schema: str
    note: Note
    """Of the copy that the store can be taken back to."""


def apply(
    home: Path, *, software: str, now_ms: int, connect: Connect = sqlite3.connect
) -> Applied | None:
    """Bring a home's store to the installed version's schema; None where it is there already.

    Raises Refusal `store.locked` while the node runs, `upgrade.room`, `upgrade.lost` after which
    the store is as it was, and as `look` and `make_snapshot` do. Safe to repeat after any of them.
    """
    with _alone(home):
        outlook = look(home, software=software)
        if not outlook.steps:
            return None
        note = _begun(home, outlook) or _copied(home, outlook, now_ms)
        _migrate(home, connect)
        try:
            _compare(home, note)
        except Refusal as refusal:
            with workshop(home) as room:
                put_back(home, room, note)
            detail = f"{refusal.detail}; the store was put back as it was"
            raise Refusal("upgrade.lost", detail) from refusal
    return Applied(steps=outlook.steps, schema=outlook.newest, note=note)


def roll_back(home: Path) -> Note:
    """Put the store of before the last upgrade back, and return what it is.

    Raises Refusal `store.locked` while the node runs, and as `may_roll_back` and `put_back` do; the
    store is then as it was.
    """
    with _alone(home):
        note = may_roll_back(home)
        with workshop(home) as room:
            put_back(home, room, note)
        remove(home)
    return note


def _begun(home: Path, outlook: Outlook) -> Note | None:
    """Return the note of a copy that an upgrade made which did not come to its end.

    Of one that did, the store has taken in more since, or is to be copied as it is now.
    """
    note = outlook.note
    if note is None or note.schema == outlook.schema or outlook.kept_back is not None:
        return None
    return note if take_census(home / DATABASE) == note.census else None


def _copied(home: Path, outlook: Outlook, now_ms: int) -> Note:
    require_room(outlook, home)
    software, schema = outlook.software, outlook.schema
    with workshop(home) as room:
        return make_snapshot(home, room, schema=schema, software=software, now_ms=now_ms)


def _migrate(home: Path, connect: Connect) -> None:
    try:
        open_database(home / DATABASE, connect, os.urandom).close()
    except Refusal as refusal:
        way = "once that is mended, `sheaf upgrade apply` goes on, and `rollback` goes back"
        raise Refusal(refusal.code, f"{refusal.detail}; {way}") from refusal


def _compare(home: Path, note: Note) -> None:
    """Return if a migrated store is whole, opens, and holds what was copied. Raises Refusal."""
    require_integrity(home / DATABASE)
    state_of(home / DATABASE)
    now = take_census(home / DATABASE)
    for sort, before in note.census.items():
        if now[sort] != before:
            counts = f"expected the {before.count} {sort} of before, got {now[sort].count}"
            raise Refusal("upgrade.lost", counts)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Have a home without its node for the length of a block. Raises Refusal `store.locked`."""
    lock = FolderLock(home)
    try:
        yield
    finally:
        lock.release()
