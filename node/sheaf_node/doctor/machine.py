"""Looks at this computer: its disk, the file system under the home, the modes of key files."""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sheaf_node.backup.contents import private_paths
from sheaf_node.config import CONFIG_FILE
from sheaf_node.doctor.finding import Finding, bad, ok, warn
from sheaf_node.store import DATABASE

if TYPE_CHECKING:
    from collections.abc import Iterator

_MIB: Final = 1 << 20
_WAL_MOST: Final = 256 * _MIB
"""A WAL is folded back at 4 MiB; one of this size has a reader that never ends."""
_NETWORKED: Final = frozenset(
    {"9p", "afs", "ceph", "cifs", "fuse.sshfs", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4"}
    | {"smb3", "smbfs"}
)
_PASSING: Final = frozenset({"ramfs", "tmpfs"})
_PRIVATE: Final = stat.S_IRWXG | stat.S_IRWXO


def disk(home: Path, reserve_mb: int) -> Finding:
    """Return whether there is room for what must be written."""
    found = os.statvfs(home)
    free = found.f_bavail * found.f_frsize // _MIB
    said = f"{free} MiB are free where {home} is; {reserve_mb} are kept free"
    if free < reserve_mb:
        todo = "free some, or lower limits.disk_reserve_mb; until then the node takes nothing"
        return bad("disk", said, todo)
    if free < 2 * reserve_mb:
        return warn("disk", said, "free some soon: below the reserve the node takes nothing")
    return ok("disk", said)


def file_system(home: Path) -> Finding:
    """Return whether what the database needs of a file system is given: locks, and a true sync."""
    look = "file system"
    kind = kind_at(home, _mounts())
    if kind in _NETWORKED:
        todo = "move the home to a disk of this computer: locks over a network are not safe"
        return bad(look, f"{home} is on {kind}, a file system over the network", todo)
    try:
        mode = _wal_mode(home)
    except (OSError, sqlite3.Error) as exc:
        todo = "see who may write in this folder, and whether the disk is full or mounted read-only"
        return bad(look, f"nothing can be written in {home}: {exc}", todo)
    if mode != "wal":
        todo = "move the home to another file system, such as ext4 or xfs"
        return bad(look, f"{home} is on {kind}, where the database cannot work safely", todo)
    if kind in _PASSING:
        todo = "move the home to a disk: all in it is gone when this computer is switched off"
        return warn(look, f"{home} is on {kind}, which is memory and no disk", todo)
    if kind == "overlay":
        todo = "give the home a volume: what is written here goes with the container"
        return warn(look, f"{home} is inside a container's own layer", todo)
    return _wal(home, kind)


def keys(home: Path) -> list[Finding]:
    """Return files that others on this computer may read and should not."""
    open_ones = [path for path in _secrets(home) if _is_open(path)]
    if not open_ones:
        return [ok("keys", "keys, tokens and all that is private are for this user alone")]
    return [
        bad(
            "keys",
            f"others on this computer may read {path}",
            f"chmod {'700' if path.is_dir() else '600'} {path}; if strangers log in here,"
            " take what is in it for stolen",
        )
        for path in open_ones
    ]


def kind_at(path: Path, mounts: str) -> str:
    """Return the kind of file system at a path, by the text of /proc/self/mountinfo."""
    best, kind = "", "an unknown file system"
    real = str(path.resolve())
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        at = fields[4].replace("\\040", " ")
        if len(at) >= len(best) and (real == at or real.startswith(at.rstrip("/") + "/")):
            best, kind = at, after.split(" ")[0]
    return kind


def _mounts() -> str:
    try:
        return Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # no Linux


def _wal_mode(home: Path) -> str:
    """Write a small database beside the store's and sync it. Raises OSError, sqlite3.Error."""
    with tempfile.TemporaryDirectory(prefix=".sheaf-doctor-", dir=home) as folder:
        path = Path(folder) / "look.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("CREATE TABLE look (at INTEGER)")
    return str(mode)


def _wal(home: Path, kind: str) -> Finding:
    wal = home / f"{DATABASE}-wal"
    size = wal.stat().st_size if wal.exists() else 0
    if size > _WAL_MOST:
        todo = "restart the node; if it stays, some other program holds sheaf.db open: end that"
        return warn("file system", f"{wal} has grown to {size // _MIB} MiB", todo)
    return ok("file system", f"{home} is on {kind}, where the database works")


def _secrets(home: Path) -> Iterator[Path]:
    yield home / CONFIG_FILE
    yield from private_paths(home)


def _is_open(path: Path) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    is_key_log = path.name == "key_log"  # any peer has it
    is_settings = path.name == CONFIG_FILE
    wanted = stat.S_IWGRP | stat.S_IWOTH if is_settings else _PRIVATE
    return bool(found.st_mode & wanted) and not is_key_log
