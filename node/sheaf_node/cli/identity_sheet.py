"""`sheaf identity recovery-sheet`: the co-op's last resort, on paper."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sheaf_node.cli.output import home_option
from sheaf_node.cli.passphrase import open_files
from sheaf_node.clock import SystemClock
from sheaf_node.keyring import read_files
from sheaf_node.keyring.files import MAX_SHEETS
from sheaf_node.keyring.quorum import numbered
from sheaf_node.keyring.sheet import (
    TITLES,
    Sheet,
    asked_words,
    forget_seeds,
    mark_kept,
    require_answers,
    sheet_count,
    sheet_of,
    unkept,
)
from sheaf_node.keyring.sheet_page import sheet_html, sheet_text
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.keyring import KeyFiles


@click.command("recovery-sheet")
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a page to print to this file, in place of text to the terminal.",
)
@click.option(
    "--sheet",
    "number",
    type=click.IntRange(1, MAX_SHEETS),
    help="This one of several sheets alone.",
)
@click.option("--confirm", is_flag=True, help="Print nothing; ask for three words of the sheet.")
@click.option(
    "--forget", is_flag=True, help="Remove the keys of the kept sheets from this computer."
)
@home_option
def recovery_sheet(
    *, page: Path | None, number: int | None, confirm: bool, forget: bool, home: Path
) -> None:
    """Print the recovery sheets, or ask whether they are kept.

    Each holds two keys as words. With as many of them as are needed and any fellow member's help a
    co-op comes back after its computers are lost; without them, it does not.
    """
    if forget and (confirm or page is not None or number is not None):
        raise click.UsageError("--forget goes with no other option")
    if confirm and page is not None:
        raise click.UsageError("--confirm and --html do not go together")
    files = open_files(home)
    if forget:
        forget_seeds(files)
        click.echo("The rotation and next keys are off this computer: the sheet alone has them.")
        return
    sheets = _sheets(files, number, confirm=confirm)
    if confirm or sys.stdin.isatty():
        _hand_out_and_ask(home, sheets, page, confirm=confirm)
        return
    _hand_out(sheets, page)
    click.echo("When it is on paper: `sheaf identity recovery-sheet --confirm`.")


def _sheets(files: KeyFiles, number: int | None, *, confirm: bool) -> list[Sheet]:
    """Return the sheets that are asked for: of those to be confirmed the ones not kept yet."""
    log, now_ms = files.key_log()[1], SystemClock().now_ms()
    numbers = list(range(1, sheet_count(log) + 1))
    if number is not None and number not in numbers:
        raise click.UsageError(f"expected --sheet from 1 to {numbers[-1]}, got {number}")
    if number is not None:
        numbers = [number]
    elif confirm:
        numbers = unkept(files, log) or numbers
    return [sheet_of(files, now_ms, each) for each in numbers]


def _hand_out_and_ask(
    home: Path, sheets: Sequence[Sheet], page: Path | None, *, confirm: bool
) -> None:
    """Print and ask back, one sheet after another, so that each is seen by its keeper alone."""
    if page is not None:
        _hand_out(sheets, page)
    for sheet in sheets:
        if page is None and not confirm:
            _hand_out([sheet], None)
        _ask_back(home, sheet)


def _hand_out(sheets: Sequence[Sheet], page: Path | None) -> None:
    if page is None:
        # A form feed: a printer begins another page.
        click.echo("\f\n".join(map(sheet_text, sheets)))
        return
    try:
        # Not through a file of another name: the page is secret from its first byte on.
        with os.fdopen(os.open(page, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(sheet_html(*sheets))
    except OSError as exc:
        raise Refusal("key.write", f"expected to write {page}, got {exc.strerror}") from exc
    click.echo(f"Written to {page}. Print it, then delete the file: it holds the keys.")


def _ask_back(home: Path, sheet: Sheet) -> None:
    which = f" {sheet.number} of {sheet.count}" if sheet.count > 1 else ""
    if sys.stdin.isatty():
        prompt = f"Press Enter when the sheet{which} is on paper"
        click.prompt(prompt, default="", show_default=False)
        click.clear()
    if which:
        click.echo(f"Sheet{which}:")
    answers = {
        (use, place): click.prompt(f"Word {place} of the {TITLES[use].lower()}")
        for use, place in asked_words(os.urandom)
    }
    require_answers(sheet, answers)
    mark_kept(home, SystemClock().now_ms(), sheet.number)
    files = read_files(home)
    if missing := unkept(files, files.key_log()[1]):
        click.echo(f"Kept{which}. Not kept yet: {numbered(missing)}.")
        return
    keys = "their keys" if which else "its keys"
    done = f"Kept{which}, and so are all." if which else "Kept."
    click.echo(f"{done} `sheaf identity recovery-sheet --forget` takes {keys} off this computer.")
