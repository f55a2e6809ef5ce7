"""`sheaf webhook`: addresses that a running node sends entries to as they arrive."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import click

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.invite import milliseconds
from sheaf_node.cli.output import home_option, json_option, print_json, print_table, printable, utc

if TYPE_CHECKING:
    from pathlib import Path

_PATH: Final = "/api/v1/webhooks"


@click.group()
def webhook() -> None:
    """Send entries to other programs as they arrive. The node must run.

    Deliveries are as Standard Webhooks has them: signed, and repeated until they are taken. WEBHOOK
    is the first digits of an id that `list` shows.
    """


@webhook.command()
@click.argument("url")
@click.option(
    "--kinds", required=True, help="Kinds of entries, with commas between them; * for all."
)
@click.option("--federation", default="", help="Those of this federation, by its id.")
@click.option("--allow-loopback", is_flag=True, help="Let the address be of this computer.")
@json_option
@home_option
def add(
    *, url: str, kinds: str, federation: str, allow_loopback: bool, as_json: bool, home: Path
) -> None:
    """Send entries that arrive from now on to URL, and print the secret that it checks them by.

    An address outside of this network needs https. The secret is shown once.
    """
    wanted = {
        "url": url,
        "kinds": [each for each in re.split(r"[,\s]+", kinds) if each],
        "federation": federation,
        "allow_loopback": allow_loopback,
    }
    if not wanted["kinds"]:
        raise click.UsageError("expected kinds such as --kinds demand.submit,offer.submit")
    made = NodeClient(home).post(_PATH, json.dumps(wanted).encode())
    if as_json:
        print_json(made)
        return
    click.echo(f"Webhook {made['id'][:8]}: {', '.join(made['kinds'])} to {printable(made['url'])}.")
    click.echo("Its receiver checks the signature of each delivery by this secret, shown once:")
    click.echo(f"\n  {made['secret']}\n")


@webhook.command("list")
@json_option
@home_option
def list_(*, as_json: bool, home: Path) -> None:
    """List the webhooks, and whether their receivers take what they are sent."""
    rows = NodeClient(home).get(_PATH)["webhooks"]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(("webhook", "state", "failing since", "kinds", "address"), map(_cells, rows))
    else:
        click.echo("No webhook yet: `sheaf webhook add URL --kinds ..` makes one.")


@webhook.command()
@click.argument("webhook_id", metavar="WEBHOOK")
@home_option
def remove(*, webhook_id: str, home: Path) -> None:
    """Forget WEBHOOK and its secret; what it has not been sent is sent no more."""
    removed = NodeClient(home).delete(f"{_PATH}/{_named(webhook_id)}")
    click.echo(f"Removed webhook {removed['id'][:8]} to {printable(removed['url'])}.")


def _keep(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """Return how long a secret still holds, in milliseconds."""
    from sheaf_node.webhooks.desk import MOST_KEEP_MS  # noqa: PLC0415 - it brings the node's parts

    found = milliseconds(ctx, param, value)
    if found > MOST_KEEP_MS:
        raise click.BadParameter(f"expected 30d at most, got {value!r}")
    return found


@webhook.command()
@click.argument("webhook_id", metavar="WEBHOOK")
@click.option(
    "--keep",
    default="24h",
    callback=_keep,
    show_default=True,
    help="Sign by the secret before as well for so long; 0h where somebody else has it.",
)
@json_option
@home_option
def rotate(*, webhook_id: str, keep: int, as_json: bool, home: Path) -> None:
    """Give WEBHOOK a new secret, and print it.

    Meanwhile each delivery has a signature by either, so the receiver is changed at its own time.
    """
    body = json.dumps({"keep_ms": keep}).encode()
    made = NodeClient(home).post(f"{_PATH}/{_named(webhook_id)}/rotate", body)
    if as_json:
        print_json(made)
        return
    click.echo(f"Webhook {made['id'][:8]} to {printable(made['url'])} has a new secret.")
    untils = made["old_secrets_until_ms"]
    if untils:
        click.echo(f"The one before holds until {_minute(max(untils))} UTC as well.")
    else:
        click.echo("No other holds any more.")
    click.echo(f"\n  {made['secret']}\n")


@webhook.command()
@click.argument("webhook_id", metavar="WEBHOOK")
@json_option
@home_option
def deliveries(*, webhook_id: str, as_json: bool, home: Path) -> None:
    """List what is, was and will be sent to WEBHOOK, the newest first, as far as it is kept."""
    rows = NodeClient(home).get(f"{_PATH}/{_named(webhook_id)}/deliveries")["deliveries"]
    if as_json:
        print_json(rows)
    elif rows:
        head = ("delivery", "kind", "stage", "tries", "next or last (UTC)", "result")
        print_table(head, map(_delivery_cells, rows))
    else:
        click.echo("Nothing was sent so far.")


@webhook.command()
@click.argument("webhook_id", metavar="WEBHOOK")
@click.argument("delivery", nargs=-1)
@home_option
def replay(*, webhook_id: str, delivery: tuple[str, ...], home: Path) -> None:
    """Try each DELIVERY again; without one, all that were given up.

    A webhook that was ended for its failures goes on, from the entry where it ended.
    """
    body = json.dumps({"deliveries": list(delivery)}).encode()
    told = NodeClient(home).post(f"{_PATH}/{_named(webhook_id)}/replay", body)
    click.echo(f"Deliveries to be tried again: {told['replayed']}.")


def _named(webhook_id: str) -> str:
    if re.fullmatch(r"[0-9a-f]{1,16}", webhook_id) is None:
        raise click.UsageError(f"expected the digits that `list` shows, got {webhook_id[:64]!r}")
    return webhook_id


def _cells(row: Any) -> tuple[str, ...]:
    since = "" if row["failing_since_ms"] is None else _minute(row["failing_since_ms"])
    return row["id"][:8], row["state"], since, ", ".join(row["kinds"]), row["url"]


def _delivery_cells(row: Any) -> tuple[str, ...]:
    when, tries = _minute(row["next_ms"]), str(row["tries"])
    return row["id"], row["kind"], row["stage"], tries, when, row["result"]


def _minute(ms: int) -> str:
    return utc(ms).strftime("%Y-%m-%d %H:%M")
