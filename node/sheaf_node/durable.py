"""Files that outlive a power cut: written whole, and synced with the folder that names them."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def sync(path: Path) -> None:
    """Make a file, or a folder's list of files, durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def new_private_file(path: Path) -> int:
    """Return the descriptor of a new file that its owner alone can read. Raises OSError.

    A file or a link that is there already is not followed: somebody may have put it in the way.
    """
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def replace_file(path: Path, data: bytes) -> None:
    """Put a file in place whole, or leave what is there. Raises OSError.

    A crash later leaves the old file or the new one; which of them is sure once its folder is
    synced as well.
    """
    draft = path.with_name(f".{path.name}.new")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        # Where it cannot be written it often cannot be removed either; the first fault is told.
        with suppress(OSError):
            draft.unlink()
        raise
