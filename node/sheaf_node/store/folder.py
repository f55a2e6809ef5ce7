"""One process per store: a lock that the kernel lets go of when the process dies."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path


def make_file(path: Path) -> None:
    """Make sure that the database file and its folder exist, the file for its owner alone.

    SQLite gives its journal the mode of the database. Raises Refusal `store.unreadable`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as exc:
        detail = f"expected a store at {path}, got: {exc.strerror}"
        raise Refusal("store.unreadable", detail) from exc


class OpenFiles:
    """The database and its write-ahead log, as they were when the store was opened.

    What is written to a file that was deleted or replaced meanwhile is not there at the next start,
    although the system reports success.
    """

    def __init__(self, path: Path) -> None:
        found = ((each, _identity(each)) for each in (path, path.with_name(f"{path.name}-wal")))
        self._were = {each: identity for each, identity in found if identity is not None}

    def missing(self) -> Path | None:
        """Return a file that is gone or another by now, or None."""
        gone = (each for each, identity in self._were.items() if _identity(each) != identity)
        return next(gone, None)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


class FolderLock:
    """The lock on a store's folder, held from construction to `release`.

    Two processes on one store would sign the same numbers twice. SQLite's own locks allow a second
    writer in turn, so they do not help. Raises Refusal `store.locked`, `store.unreadable`.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            raise _unwritable(folder, exc) from exc
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            holder = os.read(self._descriptor, 20).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            detail = f"expected {folder} to be free, but process {holder or '?'} has it open"
            raise Refusal("store.locked", f"{detail}; stop it first") from exc
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as exc:
            os.close(self._descriptor)
            raise _unwritable(folder, exc) from exc

    def release(self) -> None:
        """Let go. The file stays: removing it would let two processes lock two files."""
        os.close(self._descriptor)


def is_held(folder: Path) -> bool:
    """Return whether the process that last had a store's folder locked is still there.

    It need not have it locked now: a node that recovers lets go of its store, and takes it again.
    """
    try:
        os.kill(int((folder / "lock").read_text("ascii")), 0)
    except (OSError, ValueError):
        return False
    return True


def is_in_use(folder: Path) -> bool:
    """Return whether a process has a store's folder locked.

    For telling people: it takes a shared lock for a moment, which a node that starts in that very
    moment would be refused for. Who wants to write takes `FolderLock`.
    """
    try:
        descriptor = os.open(folder / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _unwritable(folder: Path, exc: OSError) -> Refusal:
    return Refusal("store.unreadable", f"expected to write in {folder}, got: {exc.strerror}")
