"""Puts a home in place from a snapshot: whole or not at all, and marked as recovering.

A restored home may lack entries that it signed. So it takes another writer before it signs again,
and waits until the other members said how far they know the old one (spec 18). What it could do
beside its log is held back until a person lets it go on (`holding`).
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from sheaf_node.backup.folder import new_file, reading, sync_all, workshop, writing
from sheaf_node.backup.holding import hold_all, require_beside
from sheaf_node.backup.snapshot import hash_of
from sheaf_node.backup.soundness import require_schema, require_sound
from sheaf_node.config import CONFIG_FILE
from sheaf_node.durable import sync
from sheaf_node.keyring import read_files
from sheaf_node.recovery import mark
from sheaf_node.store import DATABASE
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from sheaf_node.backup.manifest import Manifest


def lay_down(manifest: Manifest, folder: Path, home: Path, *, now_ms: int) -> None:
    """Make a home of what `snapshot` put into a folder, which stays as it is.

    Raises Refusal as `settle` does.
    """
    require_absent(home)
    with workshop(home.parent) as room:
        draft = room / "home"
        for each in manifest.files:
            with reading(folder / each.name):
                data = (folder / each.name).open("rb")
            with data, writing(draft / each.name), new_file(draft / each.name) as out:
                while part := data.read(65_536):
                    out.write(part)
        settle(manifest, draft, home, room, now_ms=now_ms)


def settle(manifest: Manifest, draft: Path, home: Path, room: Path, *, now_ms: int) -> None:
    """Make a home of the files in a folder on the same disk, which becomes the home.

    Every hash, the database and the co-op's logs in it are checked first; nothing is migrated.
    `room` is a folder for what is needed meanwhile. Raises Refusal `backup.exists`,
    `backup.damaged`, `backup.schema`, `backup.coop`, `backup.unsound`, `backup.write`, `store.*`,
    `key.*`, `recovery.file`, and as `hold_all` does; there is then no home.
    """
    require_absent(home)
    require_schema(manifest)
    _require_files(manifest, draft)
    require_own_keys(manifest, draft)
    require_sound(manifest, draft, room)
    require_beside(draft)
    forget_store_id(draft / DATABASE)
    hold_all(draft)
    with writing(home):
        draft.chmod(0o700)
        mark(draft, now_ms=now_ms)
        sync_all(draft)
        _put_in_place(draft, home)


def require_absent(home: Path) -> None:
    """Return if there is nothing at a path, or an empty folder. Refusal `backup.exists`."""
    with writing(home):
        is_taken = home.is_symlink() or (home.exists() and not _is_empty_folder(home))
    if is_taken:
        raise Refusal("backup.exists", f"expected nothing at {home}: nothing is ever overwritten")


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def require_own_keys(manifest: Manifest, folder: Path) -> None:
    """Return if a folder's keys are the manifest's co-op's. Raises Refusal `backup.coop`."""
    if read_files(folder).key_log()[1].cid != manifest.cid:
        raise Refusal("backup.coop", "the keys within are another co-op's than the backup's")


def _require_files(manifest: Manifest, draft: Path) -> None:
    if not {DATABASE, CONFIG_FILE} <= manifest.names:
        raise Refusal("backup.unsound", f"expected {DATABASE} and {CONFIG_FILE} in the backup")
    for each in manifest.files:
        with reading(draft / each.name):
            is_same = hash_of(draft / each.name) == each.sha256
        if not is_same:
            raise Refusal("backup.damaged", f"expected {each.name} as it was backed up")


def forget_store_id(path: Path) -> None:
    """Let a store get another id when it is opened. Raises Refusal `backup.write`.

    Peers remember where two stores were equal by the numbers in which entries arrived; this one
    counts on from an earlier number, so it must not pass for the one they knew.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("DELETE FROM store WHERE key = 'store_id'")
    except sqlite3.Error as exc:
        raise Refusal("backup.write", f"expected to write {path.name}, got: {exc}") from exc


def _put_in_place(draft: Path, home: Path) -> None:
    try:
        draft.rename(home)
    except OSError as exc:
        require_absent(home)  # somebody else was quicker
        raise exc
    sync(home.parent)
