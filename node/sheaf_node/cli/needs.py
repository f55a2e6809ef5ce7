"""`sheaf needs`: what this co-op needs, from a spreadsheet to the lines that pools buy for it."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - click reads the type
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.import_ import keep_draft, publish_list, tell_published
from sheaf_node.cli.list_words import (
    list_options,
    list_query,
    read_list_file,
    tell_notes,
    tell_preview,
    write_file,
)
from sheaf_node.cli.needs_standing import keep_standing, standing
from sheaf_node.cli.output import home_option, json_option, print_json, print_table, printable
from sheaf_node.cli.pools import LINE_HEAD, SERVICE, line_cells, tell_withdrawn
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.group()
def needs() -> None:
    """Publish what this co-op needs from a list, show what became of it, take lines back."""


needs.add_command(standing)


@needs.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Show how it is understood and publish nothing.")
@click.option(
    "--problems",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Of a dry run: write the lines that are wrong to this new CSV file.",
)
@click.option("--draft", "name", help="Keep it as a draft of this name and publish nothing.")
@click.option(
    "--standing",
    "every",
    type=click.Choice(["weekly", "2-weekly", "monthly"]),
    help="Keep it, and publish it again for each period; the node must run.",
)
@click.option("--name", "called", help="Of a standing list: its name; else that of the file.")
@click.option("--lead-days", type=click.IntRange(0, 92), help="Of one: days before (14).")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Of one: the last day on which anything of it is needed.",
)
@list_options
@json_option
@home_option
def import_(
    *,
    file: Path,
    dry_run: bool,
    problems: Path | None,
    name: str | None,
    every: str | None,
    called: str | None,
    lead_days: int | None,
    until: datetime | None,
    sheet: str,
    numbers: str,
    decimals: Sequence[str],
    items: Sequence[str],
    as_json: bool,
    home: Path,
) -> None:
    """Publish the lines of FILE, a workbook (.xlsx) or CSV: each becomes a demand.

    The same list sent again publishes nothing; a line that was changed under its reference replaces
    the one before. Nothing is published while a line is wrong, or a number may mean either of two.
    """
    if problems is not None and not dry_run:
        raise click.UsageError("--problems is for --dry-run")
    if name is not None and dry_run:
        raise click.UsageError("--draft is without --dry-run: a draft is shown by `sheaf draft`")
    if (every is None) != (until is None) or (every is None and (called or lead_days is not None)):
        raise click.UsageError("--standing needs --until; --name and --lead-days are for it")
    query = list_query(sheet, numbers, decimals, items)
    content = read_list_file(file)
    if name is not None:
        keep_draft(home, name, "purchases", content, query, as_json=as_json)
    elif every is not None and until is not None:
        lead = {} if lead_days is None else {"lead_days": str(lead_days)}
        wish = {"list": called or file.stem, "every": every, "until": f"{until:%Y-%m-%d}", **lead}
        keep_standing(home, content, {**query, **wish}, is_dry=dry_run, as_json=as_json)
    elif dry_run:
        _preview(home, file, content, query, problems, as_json=as_json)
    else:
        answer, is_running = publish_list(home, "purchases", content, query)
        tell_published(file, answer, is_running=is_running, is_dry=False, as_json=as_json)


@needs.command("list")
@json_option
@home_option
def list_(*, as_json: bool, home: Path) -> None:
    """List the lines of this co-op and what became of them."""
    lines = _lines(home)
    if as_json:
        print_json(lines)
    elif lines:
        print_table(LINE_HEAD, map(line_cells, lines))
    else:
        click.echo("No lines of this co-op: `sheaf needs import FILE` publishes them.")


@needs.command()
@click.argument("ref")
@json_option
@home_option
def show(*, ref: str, as_json: bool, home: Path) -> None:
    """Show what became of the lines under REF, in each pool that took them."""
    lines = [line for line in _lines(home) if line["ref"] == ref]
    if not lines:
        raise Refusal("demand.unknown", f"expected the reference of an own line, got {ref[:64]!r}")
    if as_json:
        print_json(lines)
    else:
        print_table(LINE_HEAD, map(line_cells, lines))


@needs.command()
@click.argument("ref")
@json_option
@home_option
def withdraw(*, ref: str, as_json: bool, home: Path) -> None:
    """Take back the line REF, as `list` names it. Pools closed before keep it."""
    answer = NodeClient(home).post(f"{SERVICE}/withdraw", b"", {"ref": ref})
    tell_withdrawn(answer, as_json=as_json)


def _preview(
    home: Path,
    file: Path,
    content: bytes,
    query: dict[str, str],
    problems: Path | None,
    *,
    as_json: bool,
) -> None:
    """Print how a list is understood. Raises Refusal `import.faults` where lines are wrong."""
    from sheaf_node.drafts import problem_file  # noqa: PLC0415 - of a dry run alone
    from sheaf_node.drafts.model import Checked  # noqa: PLC0415

    found, _ = publish_list(home, "purchases", content, query, is_checked=True)
    if as_json:
        print_json(found)
    else:
        tell_notes(found["notes"])
        tell_preview(found, f"{found['faulty']} of {len(found['rows'])} lines are to be mended.")
    if problems is not None and found["faulty"]:
        write_file(problems, problem_file(msgspec.convert(found, Checked)).encode())
    if found["faulty"]:
        detail = f"expected a list without problems, got {found['faulty']} lines that have one"
        raise Refusal("import.faults", detail)
    if not as_json:
        count = len(found["records"])
        lines = "1 line" if count == 1 else f"{count} lines"
        click.echo(f"{printable(file.name)}: would publish {lines}, but for those known already.")


def _lines(home: Path) -> list[Any]:
    """Return the own lines, which the running node tells."""
    lines: list[Any] = NodeClient(home).get(f"{SERVICE}/report")["lines"]
    return lines
