"""`sheaf import`: hands a list to the service that understands it.

The service parses and refuses; the file is published whole or not at all. Where the node is not
running, its store is opened here for the length of the command and the entries travel later.
"""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.output import home_option, json_option, print_json, printable
from sheaf_node.cli.passphrase import given_passphrase
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
@click.option(
    "--as",
    "part",
    type=click.Choice(["buyer", "carrier"]),
    help="Of a transport file: publish its requests (buyer, the default) or its vehicles.",
)
@click.option(
    "--day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Of a transport file: the day of its minute 0, in UTC; today where not given.",
)
@click.option("--draft", "name", help="Keep it as a draft of this name and publish nothing.")
@json_option
@home_option
def import_(
    *,
    what: str,
    file: Path,
    dry_run: bool,
    part: str | None,
    day: datetime | None,
    name: str | None,
    as_json: bool,
    home: Path,
) -> None:
    """Publish the lines of FILE: purchases (CSV), prices (CSV) or transport (PDPTW)."""
    if name is not None:
        if what == "transport" or dry_run:
            raise click.UsageError("--draft is for purchases and prices, and without --dry-run")
        _keep(home, name, what, _read(file), as_json=as_json)
        return
    options = {"dry_run": "1"} if dry_run else {}
    options |= _transport_options(what, part, day)
    answer, is_running = _publish(home, *_TARGETS[what], _read(file), options)
    if as_json:
        print_json(answer)
        return
    verb = "would publish" if dry_run else "published"
    text = f"{printable(file.name)}: {verb} {_told(answer)}"
    if answer["published"] and not dry_run and not is_running:
        text += " Others get it when the node runs: `sheaf serve`."
    click.echo(text)


def _keep(home: Path, name: str, what: str, content: bytes, *, as_json: bool) -> None:
    """Keep a list as a draft of the running node."""
    from sheaf_node.cli.draft import tell_made  # noqa: PLC0415 - needed only for drafts

    made = NodeClient(home).post("/api/v1/uploads", content, {"name": name, "what": what})
    if as_json:
        print_json(made)
    else:
        tell_made(made)


def _told(answer: Any) -> str:
    """Return what was published of what, and what became of the rest."""
    new, withdrawn = answer["published"], answer.get("withdrawn", 0)
    total = answer.get("offers", answer["lines"])
    known = total - new - withdrawn
    if "offers" in answer:
        of = f"{new} of {total} offers" if new < total else _count(total, "offer")
        text = f"{of} from {_count(answer['lines'], 'line')}"
    else:
        text = f"{new} of {total} lines"
    parts = [f"{new} new"] if new < total else []
    parts += [f"{known} already published"] if known else []
    parts += [f"{withdrawn} withdrawn before"] if withdrawn else []
    advice = " Change a line to publish it again." if withdrawn else ""
    return f"{text}{': ' if parts else ''}{', '.join(parts)}.{advice}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _transport_options(what: str, part: str | None, day: datetime | None) -> dict[str, str]:
    if what != "transport":
        if part is not None or day is not None:
            raise click.UsageError(f"--as and --day are for transport, not for {what}")
        return {}
    midnight = (day or datetime.now(UTC)).replace(hour=0, minute=0, second=0, tzinfo=UTC)
    day_ms = int(midnight.timestamp()) * 1000
    return {"as": part or "buyer", "day_ms": str(day_ms)}


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE + 1)
    except OSError as exc:
        detail = f"expected a readable file at {file}, got: {exc.strerror}"
        raise Refusal("import.unreadable", detail) from exc
    if len(content) > MAX_FILE:
        raise Refusal("import.too_large", f"expected at most 8 MiB in {file}, got more")
    return content


def _publish(
    home: Path, service: str, command: str, body: bytes, options: dict[str, str]
) -> tuple[Any, bool]:
    """Return the service's answer and whether the node is running."""
    try:
        return NodeClient(home).post(f"/api/v1/services/{service}/{command}", body, options), True
    except Refusal as refusal:
        if refusal.code not in {"node.unreachable", "api.no_token"}:
            raise
    return asyncio.run(_without_node(home, service, command, body, options)), False


async def _without_node(
    home: Path, service: str, command: str, body: bytes, options: dict[str, str]
) -> Any:
    from sheaf_node import app  # noqa: PLC0415 - needed only where no node runs
    from sheaf_node.clock import SystemClock  # noqa: PLC0415
    from sheaf_node.hosting import choose_federation, require_host  # noqa: PLC0415
    from sheaf_node.plugins import Call  # noqa: PLC0415

    passphrase = given_passphrase(home)
    async with app.open_node(
        home, clock=SystemClock(), random=os.urandom, passphrase=passphrase
    ) as node:
        hosts = node.hosts.by_federation
        host = require_host(hosts, choose_federation(hosts), service)
        return await host.command(command, Call(body=body, options=options))
