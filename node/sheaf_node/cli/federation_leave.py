"""`sheaf federation leave`: takes this co-op's own data along, then says that it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sheaf_node.charter_file import write_file
from sheaf_node.cli.governance import Asked, federation_option
from sheaf_node.cli.output import home_option, printable
from sheaf_node.leaving import read_taken, write_taken

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Where to write this co-op's own entries and the charter.",
)
@click.option("--text", default="", help="Reasons, for members to read.")
@click.option("--export-only", is_flag=True, help="Write the file and stay.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@federation_option
@home_option
def leave(
    *, out: Path, text: str, export_only: bool, yes: bool, fid: str | None, home: Path
) -> None:
    """Leave the federation; nobody votes on that.

    First all that this co-op published is written to a file. Then its node says so in its log, and
    as soon as the other nodes have certified it, nothing that it publishes counts there any more.
    """
    asked = Asked(home, fid)
    charter = asked.view("charter")
    data = write_taken(
        charter["own"], charter["fid"], charter["name"], asked.charter_file(), _entries(asked)
    )
    count = len(read_taken(data).entries)
    write_file(out, data)
    click.echo(f"{count} entries of this co-op and the charter are in {out}.")
    if export_only:
        return
    if not yes:
        click.confirm(f"Leave {printable(charter['name'])}?", abort=True)
    asked.command("leave", options={"text": text} if text else {})
    click.echo("Said so. Keep the node running until `sheaf status` tells that this co-op left.")


def _entries(asked: Asked) -> Iterator[dict[str, Any]]:
    after: int | None = 0
    while after is not None:
        page = asked.view("export", {"after": after})
        yield from page["items"]
        after = page["next"]
