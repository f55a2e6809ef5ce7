"""`create`, `verify` and `restore` as one call each; and which backups of a folder are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sheaf_node.backup.folder import reading, workshop, writing
from sheaf_node.backup.laying import require_absent, require_own_keys, settle
from sheaf_node.backup.sealed_file import open_file, unpack, write_backup
from sheaf_node.backup.snapshot import gather
from sheaf_node.backup.soundness import require_integrity, require_sound
from sheaf_node.durable import sync
from sheaf_node.keyring import KEYS
from sheaf_node.keyring.files import KEY_LOG
from sheaf_node.observing.backup_age import note_backup
from sheaf_node.store import DATABASE
from sheaf_protocol.digest import short
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sheaf_node.backup.manifest import Manifest
    from sheaf_protocol.digest import CoopId

ENDING: Final = ".backup"
_CHECKED: Final = frozenset({DATABASE, f"{KEYS}/{KEY_LOG}"})
"""What a look at a backup writes to the disk for a moment: no secret is among it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A backup that was written."""

    path: Path
    size: int
    manifest: Manifest


def create_backup(
    home: Path, out: Path, *, created_ms: int, software: str, blobs: bool = False
) -> Made:
    """Write a backup of a home to the new file `out`; the home's node may be running.

    What is not whole is not backed up, so that it never takes the place of a good one. No secret
    is written in clear. Raises Refusal `backup.exists`, `backup.sheets`, and as `gather` does;
    there is then no file.
    """
    _require_no_file(out)
    with workshop(out.parent) as room:
        folder, draft = room / "home", room / "file"
        gathered = gather(home, folder, created_ms=created_ms, software=software, blobs=blobs)
        require_integrity(folder / DATABASE)
        write_backup(draft, gathered.manifest, folder, gathered.key_ops, small=gathered.small)
        size = draft.stat().st_size
        put_in_place(draft, out)
    note_backup(home, created_ms)
    return Made(path=out, size=size, manifest=gathered.manifest)


def verify_whole(file: Path, seeds: Sequence[bytes], parent: Path) -> Manifest:
    """Return the manifest of a backup in which everything was checked, as a restore would.

    Keys are never written; the database is, into a folder in `parent` that goes again. Raises
    Refusal as `unpack` and `require_sound` do.
    """
    with workshop(parent) as room:
        folder = room / "home"
        manifest = unpack(file, seeds, folder, wanted=lambda name: name in _CHECKED)
        require_own_keys(manifest, folder)
        require_sound(manifest, folder, room)
    return manifest


def restore_backup(file: Path, seeds: Sequence[bytes], home: Path, *, now_ms: int) -> Manifest:
    """Make the home that a backup holds. Raises Refusal as `unpack` and `settle` do; there is then
    no home.
    """
    require_absent(home)
    with workshop(home.parent) as room:
        manifest = unpack(file, seeds, room / "home")
        settle(manifest, room / "home", home, room, now_ms=now_ms)
    return manifest


def name_of(cid: CoopId, created_ms: int) -> str:
    """Return the name of a backup in a folder of several."""
    at = datetime.fromtimestamp(created_ms / 1000, UTC)
    return f"sheaf-{short(cid)}-{at:%Y%m%dT%H%M%SZ}{ENDING}"


def drop_older(made: Path, cid: CoopId, keep: int) -> list[Path]:
    """Remove all backups of a co-op beside the one just made but the newest; return what is gone.

    `keep` are left in all, the one just made among them whatever the clock said then. What is not
    named as `name_of` does, or is of another co-op by its header, stays. Raises Refusal
    `backup.read`, `backup.write`.
    """
    with reading(made.parent):
        paths = sorted(made.parent.glob(f"sheaf-{short(cid)}-*{ENDING}"))
    others = [path for path in paths if path.name != made.name]
    dated = sorted((at, path) for path in others if (at := _made_ms(path, cid)) is not None)
    gone = [path for _, path in dated[: max(0, len(dated) - keep + 1)]]
    for path in gone:
        with writing(path):
            path.unlink()
    return gone


def _made_ms(path: Path, cid: CoopId) -> int | None:
    try:
        opening = open_file(path)
    except Refusal:
        return None  # damaged or newer: a person has to look at it
    return opening.header.created_ms if opening.cid == cid else None


def put_in_place(draft: Path, out: Path) -> None:
    """Give a finished file its name, on the same disk, unless something has that name.

    Raises Refusal `backup.exists`, `backup.write`; what is there is then as it was.
    """
    with writing(out):
        try:
            _link(draft, out)
        except FileExistsError as exc:
            raise _taken(out) from exc
        sync(out.parent)


def _link(draft: Path, out: Path) -> None:
    """Move a file to a name that is free, in one step: a rename would overwrite."""
    try:
        out.hardlink_to(draft)
    except FileExistsError:
        raise
    except OSError:
        # A stick with FAT knows no links. There the name is taken by an empty file first.
        out.touch(mode=0o600, exist_ok=False)
        try:
            draft.replace(out)
        except OSError:
            out.unlink()
            raise
    else:
        draft.unlink()


def _require_no_file(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise _taken(path)


def _taken(path: Path) -> Refusal:
    return Refusal("backup.exists", f"expected no file at {path}: nothing is ever overwritten")
