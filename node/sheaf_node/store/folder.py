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


class FolderLock:
    """The lock on a store's folder, held from construction to `release`.

    Two processes on one store would sign the same numbers twice. SQLite's own locks allow a second
    writer in turn, so they do not help.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            holder = os.read(self._descriptor, 20).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            detail = f"expected {folder} to be free, but process {holder or '?'} has it open"
            raise Refusal("store.locked", f"{detail}; stop it first") from exc
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go. The file stays: removing it would let two processes lock two files."""
        os.close(self._descriptor)
