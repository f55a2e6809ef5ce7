"""How a command gets the keys of recovery sheets: from files, this computer, or words typed."""

from __future__ import annotations

import re
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from sheaf_node.keyring.quorum import Quorum, numbered
from sheaf_node.keyring.sheet import TITLES, Sheet, read_sheets
from sheaf_node.keyring.words import seed_of
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sheaf_node.keyring import KeyFiles
    from sheaf_node.keyring.quorum import Use
    from sheaf_protocol.identity import KeyOp

sheet_option = click.option(
    "--sheet",
    "sheets",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    help="Read the words from this text file, where the keys are not on this computer;"
    " may be repeated.",
)
_MAX_FILE: Final = 65_536


def shown_seeds(
    ops: Sequence[KeyOp], use: Use, sheets: Sequence[Path], files: KeyFiles | None = None
) -> list[bytes]:
    """Return the seeds that sign: of sheets given as files, of this computer, the rest as typed.

    Raises Refusal `key.words`, and `key.sheet*` of `Quorum`.
    """
    quorum = Quorum(ops, use)
    for path in sheets:
        for sheet in read_sheet_file(path):
            quorum.add(sheet.next if use == "next" else sheet.rotation, sheet.cid)
    if quorum.missing and files is not None:
        quorum.add_held(files)
    while quorum.missing:
        _ask_one(quorum)
    return quorum.seeds


def read_sheet_file(path: Path) -> list[Sheet]:
    """Return the sheets kept as text in a file. Raises Refusal `key.words`."""
    try:
        with path.open("rb") as file:
            return read_sheets(file.read(_MAX_FILE).decode())
    except OSError as exc:
        detail = f"expected a recovery sheet as text in {path}, got: {exc.strerror}"
        raise Refusal("key.words", detail) from exc
    except UnicodeDecodeError as exc:
        raise Refusal("key.words", f"expected a recovery sheet as text in {path}") from exc


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C end a prompt at once: an event loop that runs would only note it for later."""
    noted = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, noted)


def _ask_one(quorum: Quorum) -> None:
    """Ask for the words of one more sheet; in a terminal once more where they are wrong."""
    asked = f"The 24 words of the {TITLES[quorum.use].lower()}, on one line"
    if quorum.count > 1:
        read = numbered(quorum.numbers) or "no sheet"
        asked = f"Read so far: {read}; {quorum.missing} more of {quorum.count} needed. {asked}"
    try:
        with interruptible():
            typed = click.prompt(asked, err=True)
        quorum.add(seed_of(re.findall(r"[A-Za-z]+", typed)))  # people type the numbers too
    except click.Abort:
        if sys.stdin.isatty():
            raise
        quorum.require()
    except Refusal as refusal:
        if not sys.stdin.isatty():
            raise
        click.echo(f"{refusal.detail}.", err=True)
