"""`sheaf verify`: whether the store of a home is byte by byte what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sheaf_node.cli.output import home_option, json_option, print_json, printable
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@json_option
@home_option
def verify(as_json: bool, home: Path) -> None:
    """Read all that a node holds again and check it. The node may run meanwhile."""
    require_sound(home, as_json=as_json)


def require_sound(home: Path, *, as_json: bool) -> None:
    """Tell what is damaged of what a home holds. Raises Refusal `store.corrupt` where any is."""
    from sheaf_node.store import DATABASE  # noqa: PLC0415 - loads the store
    from sheaf_node.verifying import verify_store  # noqa: PLC0415

    found = verify_store(home / DATABASE)
    if as_json:
        print_json({"damaged": found})
    else:
        for finding in found:
            click.echo(printable(finding))
    if found:
        raise Refusal("store.corrupt", f"the file is damaged in {len(found)} places or more")
    if not as_json:
        click.echo("All that is held is what was written.")
