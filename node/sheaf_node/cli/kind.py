"""`sheaf kind`: kinds of extensions, each with a JSON Schema, that this home takes up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sheaf_node.cli.output import home_option, json_option, print_json, print_table, printable
from sheaf_node.config import load_config
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from sheaf_node.kinds import Kinds


@click.group()
def kind() -> None:
    """Install kinds of records that others have thought up, each by a file with its JSON Schema.

    A running node takes changes up at once. Entries of any kind are carried with or without.
    """


@kind.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@home_option
def add(*, file: Path, home: Path) -> None:
    """Install the kind that FILE defines, or put another schema in the place of its old one."""
    from sheaf_node.kinds.schema import MAX_FILE  # noqa: PLC0415

    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_FILE + 1)
    except OSError as exc:
        detail = f"expected a readable file, got: {exc.strerror}"
        raise Refusal("kind.file", f"{detail} ({file})") from exc
    added = _kinds(home).add(data)
    click.echo(f"Installed {added.kind}{_title(added.title)}.")
    click.echo(f"This node publishes it where a record fits: POST /api/v1/records/{added.kind}.")


@kind.command("list")
@json_option
@home_option
def list_(*, as_json: bool, home: Path) -> None:
    """List the kinds that are installed. The node may run or not."""
    kinds = _kinds(home)
    rows = sorted(kinds.installed().values(), key=lambda each: each.kind)
    if as_json:
        print_json([{"kind": each.kind, "title": each.title} for each in rows])
    elif rows:
        print_table(("kind", "title"), [(each.kind, each.title) for each in rows])
    else:
        click.echo("No kind of an extension is installed: `sheaf kind add FILE` installs one.")
    for name, why in kinds.faults.items():
        click.echo(f"Warning: {printable(name)} is passed over: {printable(why)}.", err=True)


@kind.command()
@click.argument("name", metavar="KIND")
@home_option
def remove(*, name: str, home: Path) -> None:
    """Forget KIND: it is published here no more. Its entries stay, and are still carried."""
    _kinds(home).remove(name)
    click.echo(f"Removed {printable(name)}. Its entries stay.")


def _kinds(home: Path) -> Kinds:
    from sheaf_node.kinds import Kinds  # noqa: PLC0415

    load_config(home)  # a folder without a node gets none
    return Kinds(home)


def _title(title: str) -> str:
    return f" ({printable(title)})" if title else ""
