"""`sheaf import`: hands a list to the service that understands it.

The service parses and refuses; the file is published whole or not at all. Where the node is not
running, its store is opened here for the length of the command and the entries travel later.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, Final

import click

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.output import home_option, json_option, print_json
from sheaf_protocol.errors import Refusal

MAX_FILE: Final = 8 * 1024 * 1024
"""8 MiB: a list of fifty thousand lines."""
_TARGETS: Final = {
    "purchases": ("pooled_purchasing", "import_purchases"),
    "prices": ("pooled_purchasing", "import_prices"),
    "transport": ("shipment_matching", "import_transport"),
}


@click.command("import")
@click.argument("what", type=click.Choice(sorted(_TARGETS)))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Check the file and publish nothing.")
@json_option
@home_option
def import_(what: str, file: Path, dry_run: bool, as_json: bool, home: Path) -> None:
    """Publish the lines of FILE: purchases (CSV), prices (CSV) or transport (PDPTW)."""
    body = _read(file)
    service, command = _TARGETS[what]
    options = {"file": file.name} | ({"dry_run": "1"} if dry_run else {})
    try:
        answer = NodeClient(home).post(f"/api/v1/services/{service}/{command}", body, options)
    except Refusal as refusal:
        if refusal.code not in {"node.unreachable", "api.no_token"}:
            raise
        answer = asyncio.run(_without_node(home, service, command, body, options))
    if as_json:
        print_json(answer)
        return
    verb = "would publish" if dry_run else "published"
    click.echo(f"{file.name}: {verb} {answer['published']} of {answer['lines']} lines.")


def _read(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        if size > MAX_FILE:
            raise Refusal("import.too_large", f"expected at most 8 MiB, {file} has {size} bytes")
        return file.read_bytes()
    except OSError as exc:
        raise Refusal("import.unreadable", f"expected a readable file at {file}") from exc


async def _without_node(
    home: Path, service: str, command: str, body: bytes, options: dict[str, str]
) -> Any:
    from sheaf_node import app  # noqa: PLC0415 - needed only where no node runs
    from sheaf_node.clock import SystemClock  # noqa: PLC0415
    from sheaf_node.plugins import Call  # noqa: PLC0415

    async with app.open_node(home, clock=SystemClock(), random=os.urandom) as node:
        host = node.services.get(service)
        if host is None:
            raise Refusal("node.no_federation", f"expected the node in {home} to be in one")
        return await host.command(command, Call(body=body, options=options))
