"""`sheaf federation refound`: drafts the charter by which people settle a fork (spec 09)."""

from __future__ import annotations

from pathlib import Path

import click

from sheaf_node.charter_file import read_charter_file, refounding_file, require_unsigned, write_file
from sheaf_node.cli.governance import Asked, federation_option
from sheaf_node.cli.output import home_option


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Where to write the charter for members to sign.",
)
@click.option("--without", multiple=True, help="A member that is not to stay; may be repeated.")
@federation_option
@home_option
def refound(*, out: Path, without: tuple[str, ...], fid: str | None, home: Path) -> None:
    """Draft a charter in the place of two certificates that contradict each other.

    Members and policy are those of the epoch before, but for who is left out. A quorum of that
    epoch signs it by hand, with `sheaf federation sign`, and one of them adopts it.
    """
    require_unsigned(out)
    asked = Asked(home, fid)
    options = {"without": ",".join(without)} if without else {}
    body = bytes.fromhex(asked.view("refounding", options)["body"])
    write_file(out, refounding_file(read_charter_file(asked.charter_file()), body))
    click.echo(f"Written to {out}; members sign it with `sheaf federation sign`.")
