"""Files and folders that a backup is put together in, for their owner alone.

What is half done lies in a folder `.sheaf-backup-*` beside its goal, which the process that made it
holds locked. Whatever a crash leaves there is removed by the next one that works in the same place.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sheaf_node.durable import new_private_file, sync
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_PREFIX: Final = ".sheaf-backup-"
_TRIES: Final = 8


@contextmanager
def workshop(parent: Path) -> Iterator[Path]:
    """Give a private folder in `parent` for the length of a block; Refusal `backup.write`."""
    with writing(parent):
        parent.mkdir(parents=True, exist_ok=True)
        folder, lock = _locked_folder(parent)
        _sweep(parent, folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system says against writing into Refusal `backup.write`."""
    try:
        yield
    except OSError as exc:
        detail = f"expected to write {exc.filename or path}, got: {exc.strerror}"
        raise Refusal("backup.write", detail) from exc


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the system says against reading into Refusal `backup.read`."""
    try:
        yield
    except OSError as exc:
        detail = f"expected to read {exc.filename or path}, got: {exc.strerror}"
        raise Refusal("backup.read", detail) from exc


def new_file(path: Path) -> BinaryIO:
    """Return a file that is not there yet, open for writing, with the folders that it is in."""
    _make_folder(path.parent)
    return os.fdopen(new_private_file(path), "wb")


def _make_folder(path: Path) -> None:
    """Make a folder and those that it is in, each for its owner alone: `parents` would not."""
    for each in reversed([path, *path.parents]):
        if not each.exists():
            each.mkdir(mode=0o700, exist_ok=True)


def sync_all(folder: Path) -> None:
    """Make a folder durable, with everything in it."""
    for path in sorted(folder.rglob("*"), reverse=True):
        sync(path)
    sync(folder)


def _locked_folder(parent: Path) -> tuple[Path, int]:
    """Return a new folder and its lock. Between the two another process may have swept it away."""
    for _ in range(_TRIES):
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        if _is_ours(folder, lock):
            return folder, lock
        os.close(lock)
    raise FileNotFoundError(0, "it is removed again and again", str(parent))


def _is_ours(folder: Path, lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return folder.stat().st_ino == os.fstat(lock).st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


def _sweep(parent: Path, own: Path) -> None:
    """Remove what processes left that died: their locks are gone."""
    for folder in sorted(parent.glob(f"{_PREFIX}*")):
        if folder == own:
            continue
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue  # done and gone meanwhile, another user's, or no folder
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)
