"""What a manager is to be told about the keys: what ends soon, and what was left undone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sheaf_node.keyring.files import MANAGER
from sheaf_node.keyring.quorum import numbered
from sheaf_node.keyring.renewal import DAY_MS, WRITER_RENEWED_MS
from sheaf_node.keyring.secret_file import is_sealed
from sheaf_node.keyring.sheet import kept_since, sheet_count, unkept

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_node.keyring.files import KeyFiles
    from sheaf_protocol.identity import KeyLog

WRITER_NOTICE_MS: Final = 14 * DAY_MS
"""A week before a start renews it: time to close what the old writer alone can decide."""
PREKEY_NOTICE_MS: Final = 7 * DAY_MS
"""A node with the manager key renews after twenty days of thirty: at seven it has none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyStatus:
    """The state of the keys under one home, as far as it shows without a passphrase."""

    is_sealed: bool
    sheet_kept_ms: int | None
    """Since when all recovery sheets are kept; None where one is not."""
    has_manager: bool
    writer_ends_ms: int | None
    """When the newest open writer ends; None where none is open."""
    prekey_ends_ms: int | None
    sheets: int = 1
    unkept: Sequence[int] = (1,)
    """The sheets that nobody is known to keep."""


def key_status(files: KeyFiles, log: KeyLog) -> KeyStatus:
    """Return what there is to say about the keys in files that were read."""
    writers = [w.expires_ms for w in log.writers.values() if not w.is_closed]
    prekeys = [prekey.expires_ms for prekey in log.prekeys]
    numbers = range(1, sheet_count(log) + 1)
    kept = [kept_ms for n in numbers if (kept_ms := kept_since(files, n)) is not None]
    return KeyStatus(
        is_sealed=all(is_sealed(files.files[name]) for name in files.secrets),
        sheet_kept_ms=max(kept) if len(kept) == len(numbers) else None,
        has_manager=MANAGER in files.files,
        writer_ends_ms=writers[-1] if writers else None,
        prekey_ends_ms=prekeys[-1] if prekeys else None,
        sheets=len(numbers),
        unkept=unkept(files, log),
    )


def notices_of(status: KeyStatus, now_ms: int) -> Mapping[str, str]:
    """Return what a manager should do, one sentence for each name of a matter."""
    found: dict[str, str] = {}
    if not status.is_sealed:
        found["plain_keys"] = "the keys are not encrypted: `sheaf identity passphrase` does that"
    if status.sheet_kept_ms is None:
        found["sheet"] = _unkept(status)
    found |= _ending("writer", status.writer_ends_ms, status, now_ms, WRITER_NOTICE_MS)
    found |= _ending("sealing key", status.prekey_ends_ms, status, now_ms, PREKEY_NOTICE_MS)
    return found


def day_of(time_ms: int) -> str:
    """Return the day of a time in UTC."""
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d}"


def _unkept(status: KeyStatus) -> str:
    if status.sheets == 1:
        return (
            "no recovery sheet is kept, so losing this computer loses the co-op:"
            " `sheaf identity recovery-sheet` prints it"
        )
    are = "is" if len(status.unkept) == 1 else "are"
    return (
        f"recovery {numbered(status.unkept)} of {status.sheets} {are} not kept:"
        " `sheaf identity recovery-sheet` prints what is missing"
    )


def _ending(
    use: str, ends_ms: int | None, status: KeyStatus, now_ms: int, notice_ms: int
) -> Mapping[str, str]:
    if ends_ms is not None and ends_ms - now_ms >= notice_ms:
        return {}
    when = "has ended" if ends_ms is None or ends_ms < now_ms else f"ends on {day_of(ends_ms)}"
    remedy = "start the node again" if status.has_manager else "bring keys/manager.key back first"
    if use == "writer" and ends_ms is not None and ends_ms - now_ms >= WRITER_RENEWED_MS:
        remedy += f" from {day_of(ends_ms - WRITER_RENEWED_MS + DAY_MS)} on"
    return {use.replace(" ", "_"): f"the {use} {when}: {remedy}, which renews it"}
