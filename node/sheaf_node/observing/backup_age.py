"""When this home was backed up last: a small file that each backup leaves in it.

Backups lie elsewhere, on disks that the node does not see; without a note nobody could tell.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from sheaf_node.durable import replace_file

if TYPE_CHECKING:
    from pathlib import Path

FILE: Final = "last_backup"
_DIGITS: Final = 16
"""Of a time in milliseconds, as the protocol has them: up to 2^53."""


def note_backup(home: Path, created_ms: int) -> None:
    """Note when a backup was made. A home that may only be read keeps no note."""
    with suppress(OSError):
        replace_file(home / FILE, f"{created_ms}\n".encode())


def last_backup_ms(home: Path) -> int | None:
    """Return when the newest backup was made; None where none was, or nobody could note it."""
    try:
        with (home / FILE).open() as file:
            text = file.read(_DIGITS + 2).strip()
    except (OSError, UnicodeDecodeError):
        return None
    is_time = text.isascii() and text.isdecimal() and len(text) <= _DIGITS
    return int(text) if is_time else None
