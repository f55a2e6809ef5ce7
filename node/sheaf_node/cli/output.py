"""What the commands share: the home option, printing, and how a refusal ends a command."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sheaf_protocol.errors import Refusal

_LAST_MS: Final = 253_402_300_799_000
"""The end of the year 9999."""
MISUSE = frozenset({"config.unknown_key", "config.invalid"})
"""Codes that mean the caller asked wrongly (exit 2) and was not refused by a rule (exit 1)."""


def default_home() -> Path:
    """Return the node's folder: SHEAF_HOME, or `sheaf` in the user's data folder."""
    given = os.environ.get("SHEAF_HOME")
    if given:
        return Path(given)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "sheaf"


def home_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--home` to a command."""
    option = click.option(
        "--home",
        type=click.Path(path_type=Path, file_okay=False),
        default=default_home,
        show_default="$SHEAF_HOME or ~/.local/share/sheaf",
        help="Folder of the node.",
    )
    return option(command)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json` to a command."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(command)


def print_json(value: object) -> None:
    """Print one JSON value on one line, in ASCII: a peer's text may hold terminal commands."""
    click.echo(json.dumps(value))


def utc(time_ms: int) -> datetime:
    """Return a time that anybody wrote; one that no calendar of ours has is its last or first."""
    return datetime.fromtimestamp(min(max(time_ms, 0), _LAST_MS) // 1_000, UTC)


def printable(text: str) -> str:
    """Return a peer's text with control characters shown, so that no terminal obeys it."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def counted(count: int, one: str, many: str) -> str:
    """Return a number with the word for as many: `1 entry`, `3 entries`."""
    return f"{count} {one if count == 1 else many}"


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under a head, in columns."""
    shown = [[printable(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def fail(refusal: Refusal) -> NoReturn:
    """Print one sentence with its code and end: 2 for misuse, 1 for a refusal."""
    click.echo(f"sheaf: {printable(refusal.detail)} [{refusal.code}]", err=True)
    sys.exit(exit_status(refusal))


def exit_status(refusal: Refusal) -> int:
    """Return with what a command ends that was refused: 2 for misuse, 1 for a rule."""
    return 2 if refusal.code in MISUSE else 1
