"""What the commands that take lists share: the file, what is said of it, how it was understood."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import click

from sheaf_node.cli.output import print_table, printable
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

MAX_FILE: Final = 8 * 1024 * 1024
"""8 MiB: a list of fifty thousand lines."""
_MOST_FAULTS: Final = 20
"""Faults that are printed; `--json` has all that the node tells."""
_ANSWER: Final = re.compile(r"[a-z_]{1,32}=(point|comma)")

_ITEM: Final = re.compile(r"[1-9][0-9]{0,6}=[A-Za-z0-9][A-Za-z0-9._/|:-]{0,63}")


def list_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how a list is to be read."""
    for option in (
        click.option("--sheet", default="", help="Of a workbook: the sheet, not its first."),
        numbers_option,
        decimal_option,
        item_option,
    ):
        command = option(command)
    return command


def numbers_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--numbers` to a command."""
    return click.option(
        "--numbers",
        type=click.Choice(["auto", "point", "comma"]),
        default="auto",
        show_default=True,
        help="What 1.234 means, and 1,234: which mark stands before decimals. auto asks.",
    )(command)


def decimal_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--decimal` to a command."""
    return click.option(
        "--decimal",
        "decimals",
        metavar="COLUMN=MARK",
        multiple=True,
        callback=_answers,
        help="The same for one column: max_price=comma; may be repeated.",
    )(command)


def item_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--item` to a command."""
    return click.option(
        "--item",
        "items",
        metavar="LINE=CODE",
        multiple=True,
        callback=_items,
        help="The item of a line that has a name alone: 4=EWE-NUTS-25; may be repeated.",
    )(command)


def list_query(
    sheet: str, numbers: str, decimals: Sequence[str], items: Sequence[str]
) -> dict[str, str]:
    """Return how a list is to be read as the node is told."""
    given = {"sheet": sheet, "numbers": numbers, "decimal": ",".join(decimals)}
    given["items"] = ",".join(items)
    return {name: text for name, text in given.items() if text and text != "auto"}


def read_list_file(file: Path) -> bytes:
    """Return a list's bytes. Raises Refusal `import.unreadable`, `import.too_large`."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE + 1)
    except OSError as exc:
        detail = f"expected a readable file at {file}, got: {exc.strerror}"
        raise Refusal("import.unreadable", detail) from exc
    if len(content) > MAX_FILE:
        raise Refusal("import.too_large", f"expected at most 8 MiB in {file}, got more")
    return content


def write_file(file: Path, content: bytes) -> None:
    """Write a new file. Raises Refusal `import.unwritable`."""
    try:
        with file.open("xb") as opened:
            opened.write(content)
    except OSError as exc:
        detail = f"expected to write a new file {file}, got: {exc.strerror}"
        raise Refusal("import.unwritable", detail) from exc


def tell_notes(notes: Sequence[Any]) -> None:
    """Say how a list was read, beside what is printed of it."""
    for note in notes:
        click.echo(f"  {printable(note['message'])}", err=True)


def tell_preview(found: Any, wrong: str) -> None:
    """Print a list's lines as they were written and understood, and what is wrong with them.

    `wrong` says of how many lines, where there are any.
    """
    if found["rows"]:
        names = (name for row in found["rows"] for name in (*row["cells"], *row["understood"]))
        columns = list(dict.fromkeys(names))
        print_table(("line", *columns), [_cells(row, columns) for row in found["rows"]])
    for question in found["questions"]:
        click.echo(printable(_asked(question)))
    for match in found["matches"]:
        click.echo(printable(_which(match)))
    for fault in found["faults"][:_MOST_FAULTS]:
        where = f"line {fault['line']}: " if fault["line"] else ""
        where = f"line {fault['line']}, {fault['column']}: " if fault["column"] else where
        click.echo(printable(f"  {where}{fault['message']} [{fault['code']}]"))
    if found["faulty"]:
        click.echo(wrong)


def _cells(row: Any, columns: Sequence[str]) -> tuple[str, ...]:
    cells = [_cell(row["cells"].get(name, ""), row["understood"].get(name)) for name in columns]
    return (str(row["line"]), *cells)


def _cell(written: str, understood: str | None) -> str:
    """Return a cell, and behind it what it was taken for where that is something else."""
    return written if understood is None else f"{written} [{understood}]".strip()


def _asked(question: Any) -> str:
    point, comma, column = question["point"], question["comma"], question["column"]
    return (
        f"  Is {question['came']} of {column} {point} or {comma}?"
        f" Say --decimal {column}=point or {column}=comma."
    )


def _which(match: Any) -> str:
    proposed = [
        f"{each['code']} ({each['name']}, {each['score']} %)" for each in match["proposals"]
    ]
    near = f": {', '.join(proposed)}" if proposed else " not known so far"
    code = match["proposals"][0]["code"] if proposed else "CODE"
    line = match["line"]
    return f"  Which item is {match['name']} in line {line}{near}? Say --item {line}={code}."


def _items(
    context: click.Context, parameter: click.Parameter, values: Sequence[str]
) -> Sequence[str]:
    for value in values:
        if _ITEM.fullmatch(value) is None:
            raise click.BadParameter(f"expected LINE=CODE, got {value[:80]!r}")
    return values


def _answers(
    context: click.Context, parameter: click.Parameter, values: Sequence[str]
) -> Sequence[str]:
    for value in values:
        if _ANSWER.fullmatch(value) is None:
            raise click.BadParameter(f"expected COLUMN=point or COLUMN=comma, got {value[:60]!r}")
    return values
