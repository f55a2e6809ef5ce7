"""`sheaf import`: hands a list to the service that understands it.

The service parses and refuses; the file is published whole or not at all. Where the node is not
running, its store is opened here for the length of the command and the entries travel later.
"""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.list_words import list_options, list_query, read_list_file, tell_notes
from sheaf_node.cli.output import home_option, json_option, print_json, printable
from sheaf_node.cli.passphrase import given_passphrase
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHECKS: Final = {"purchases": "check_purchases"}
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
@list_options
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
    sheet: str,
    numbers: str,
    decimals: Sequence[str],
    items: Sequence[str],
    as_json: bool,
    home: Path,
) -> None:
    """Publish the lines of FILE: prices (.xlsx or CSV) or transport (PDPTW).

    For purchases `sheaf needs import` does the same and shows how a list is understood.
    """
    query = list_query(sheet, numbers, decimals, items)
    if what == "transport" and query:
        raise click.UsageError(
            "--sheet, --numbers, --decimal and --item are for purchases and prices"
        )
    if name is not None:
        if what == "transport" or dry_run:
            raise click.UsageError("--draft is for purchases and prices, and without --dry-run")
        keep_draft(home, name, what, read_list_file(file), query, as_json=as_json)
        return
    options = {"dry_run": "1"} if dry_run else {}
    options |= _transport_options(what, part, day) | query
    answer, is_running = publish_list(home, what, read_list_file(file), options)
    tell_published(file, answer, is_running=is_running, is_dry=dry_run, as_json=as_json)


def tell_published(
    file: Path, answer: Any, *, is_running: bool, is_dry: bool, as_json: bool
) -> None:
    """Print what became of a list."""
    if as_json:
        print_json(answer)
        return
    tell_notes(answer.get("notes", ()))
    verb = "would publish" if is_dry else "published"
    text = f"{printable(file.name)}: {verb} {_told(answer)}"
    if answer["published"] and not is_dry and not is_running:
        text += " Others get it when the node runs: `sheaf serve`."
    click.echo(text)


def keep_draft(
    home: Path, name: str, what: str, content: bytes, query: dict[str, str], *, as_json: bool
) -> None:
    """Keep a list as a draft of the running node."""
    from sheaf_node.cli.draft import tell_made  # noqa: PLC0415 - needed only for drafts

    given = {"name": name, "what": what, **query}
    made = NodeClient(home).post("/api/v1/uploads", content, given)
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


def publish_list(
    home: Path, what: str, body: bytes, options: dict[str, str], *, is_checked: bool = False
) -> tuple[Any, bool]:
    """Return the service's answer to a list and whether the node is running.

    Where it `is_checked` nothing is published.
    """
    service, command = _TARGETS[what]
    command = _CHECKS[what] if is_checked else command
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
