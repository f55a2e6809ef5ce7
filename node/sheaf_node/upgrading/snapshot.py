"""The copy of a home's databases from before an upgrade: `upgrade/`, with a note beside them.

It holds no key: a store is put back only where nothing was signed since, and then the keys are
those of before. It is as readable as the store itself, and goes after 72 hours, so that nothing is
in it for much longer than it may be in the store.
"""

from __future__ import annotations

import hashlib
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from sheaf_node.backup.folder import new_file, reading, sync_all, writing
from sheaf_node.backup.laying import forget_store_id
from sheaf_node.backup.snapshot import copy_database, hash_of
from sheaf_node.backup.soundness import require_integrity
from sheaf_node.durable import sync
from sheaf_node.keyring import read_files
from sheaf_node.keyring.files import KEY_LOG
from sheaf_node.store import DATABASE
from sheaf_node.upgrading.beside import (
    CopiedFile,
    NameBeside,
    copy_beside,
    fold_journal,
    put_back_beside,
    require_whole_beside,
)
from sheaf_node.upgrading.census import Counted, LogEnd, own_ends, take_census
from sheaf_protocol.digest import short
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path

FOLDER: Final = "upgrade"
NOTE: Final = "note.json"
KEPT_MS: Final = 72 * 3_600_000
"""What is erased is deleted 72 hours later, so an older copy would hold what nobody may have."""
_MAX_NOTE: Final = 4 << 20
"""4 MiB: 10,000 logs of our own at 400 bytes."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot is of."""

    v: Literal[1]
    created_ms: int
    software: str
    """The version that made it, which is the newer one."""
    schema: str
    """The newest step of the copied store's schema."""
    size: int
    sha256: str
    ends: list[LogEnd]
    """Where the co-op's own logs ended."""
    key_log: str
    """SHA-256 of the co-op's key log, as it lies in `keys/`."""
    census: dict[str, Counted]
    beside: dict[NameBeside, CopiedFile] = {}
    """The other databases by name."""


def make_snapshot(home: Path, room: Path, *, schema: str, software: str, now_ms: int) -> Note:
    """Copy a home's databases beside them, in place of an older copy; durable on return.

    The caller has the home for itself; `room` is a folder on the same disk. Raises Refusal
    `store.*`, `key.*`, `backup.read`, `backup.write`; an older copy may then be gone.
    """
    draft = room / FOLDER
    with writing(draft):
        draft.mkdir(mode=0o700)
    copy_database(home / DATABASE, draft / DATABASE)
    require_integrity(draft / DATABASE)
    with reading(draft / DATABASE):
        size, sha256 = (draft / DATABASE).stat().st_size, hash_of(draft / DATABASE).hex()
    note = Note(
        v=1,
        created_ms=now_ms,
        software=software,
        schema=schema,
        size=size,
        sha256=sha256,
        ends=own_ends(draft / DATABASE, cid_of(home)),
        key_log=_key_log_hash(home),
        census=take_census(draft / DATABASE),
        beside=copy_beside(home, draft),
    )
    with writing(draft / NOTE), new_file(draft / NOTE) as file:
        file.write(msgspec.json.format(msgspec.json.encode(note)))
    with writing(home / FOLDER):
        sync_all(draft)
        if (home / FOLDER).exists():
            (home / FOLDER).rename(room / "older")
        draft.rename(home / FOLDER)
        sync(home)
    return note


def read_note(home: Path) -> Note | None:
    """Return the note of a home's snapshot, or None where there is none.

    Raises Refusal `upgrade.damaged`, `backup.read`.
    """
    path = home / FOLDER / NOTE
    with reading(path):
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_NOTE + 1)
        except FileNotFoundError:
            return None
    try:
        return msgspec.json.decode(data, type=Note)
    except msgspec.MsgspecError as exc:
        raise _damaged(f"expected a note of what was copied at {path}, got: {exc}") from exc


def signed_since(home: Path, note: Note) -> str | None:
    """Return what a co-op signed after a snapshot, as a clause; None where it signed nothing.

    Raises Refusal `store.*`, `key.*`.
    """
    known = {(end.wid, end.fid): end for end in note.ends}
    for end in own_ends(home / DATABASE, cid_of(home)):
        before = known.get((end.wid, end.fid))
        if before != end:
            first = 1 if before is None else before.seq + 1
            what = f"entry {first}" if first >= end.seq else f"entries {first} to {end.seq}"
            return f"{what} of its log in {short(bytes.fromhex(end.fid))}"
    return None if _key_log_hash(home) == note.key_log else "an operation on its keys"


def require_whole(home: Path, note: Note) -> None:
    """Return if a snapshot is as it was written. Refusal `upgrade.damaged`, `backup.read`."""
    path = home / FOLDER / DATABASE
    with reading(path):
        is_whole = path.exists() and hash_of(path).hex() == note.sha256
    if not is_whole:
        raise _damaged(f"expected {path} as it was copied")
    require_whole_beside(home / FOLDER, note.beside)


def put_back(home: Path, room: Path, note: Note) -> None:
    """Put a snapshot in the place of the store, in one step; it stays where it is.

    The databases beside the store go first, where they have to (`beside`): they do with either.

    The caller has the home for itself and has looked that this may be. Safe to repeat. Raises
    Refusal `store.unreadable`, `backup.write`; the store is then as it was.
    """
    draft = room / DATABASE
    with writing(draft), (home / FOLDER / DATABASE).open("rb") as source, new_file(draft) as out:
        shutil.copyfileobj(source, out)
    forget_store_id(draft)
    put_back_beside(home, home / FOLDER, room, note.beside)
    fold_journal(home / DATABASE)
    with writing(home / DATABASE):
        sync(draft)
        draft.replace(home / DATABASE)
        sync(home)


def remove(home: Path) -> None:
    """Remove a snapshot. Raises Refusal `backup.write`."""
    folder = home / FOLDER
    with writing(folder):
        if not folder.exists():
            return
        # The note first: without it the rest is no snapshot any more.
        (folder / NOTE).unlink(missing_ok=True)
        shutil.rmtree(folder)
        sync(home)


def drop_old(home: Path, now_ms: int) -> bool:
    """Remove a snapshot that is older than `KEPT_MS`; return whether there was one.

    What cannot be read as one goes by the age of its file. A disk that refuses it is asked again.
    """
    with suppress(OSError, Refusal):
        folder = home / FOLDER
        made_ms = int(folder.stat().st_mtime * 1000)
        with suppress(Refusal):
            note = read_note(home)
            made_ms = made_ms if note is None else note.created_ms
        # A clock that was set back makes a copy of the future, which would stay for ever.
        if abs(now_ms - made_ms) >= KEPT_MS:
            remove(home)
            return True
    return False


def cid_of(home: Path) -> bytes:
    """Return whose home it is. Raises Refusal `key.*`."""
    return read_files(home).key_log()[1].cid


def _key_log_hash(home: Path) -> str:
    return hashlib.sha256(read_files(home).files[KEY_LOG]).hexdigest()


def _damaged(detail: str) -> Refusal:
    return Refusal("upgrade.damaged", detail)
