"""`sheaf invite`: links and codes by which another co-op joins, at a node that runs or not."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final, get_args
from urllib.parse import urlsplit

import click

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.output import home_option, json_option, print_json, print_table, printable, utc
from sheaf_node.cli.passphrase import given_passphrase
from sheaf_node.config import load_config
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records.governance import Role

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sheaf_node.joining import Inviting

_PATH: Final = "/api/v1/invitations"
_UNITS_MS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_NOT_RUNNING: Final = frozenset({"node.unreachable", "api.no_token"})


def milliseconds(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """Return what minutes, hours or days such as `90m`, `12h` or `7d` come to."""
    match = re.fullmatch(r"([0-9]{1,4})([mhd])", value)
    if match is None:
        detail = f"expected minutes, hours or days such as 90m, 12h or 7d, got {value[:20]!r}"
        raise click.BadParameter(detail)
    return int(match[1]) * _UNITS_MS[match[2]]


def validity(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """Return how long an invitation is valid, in milliseconds: from a minute up to 90 days."""
    found = milliseconds(ctx, param, value)
    if not _UNITS_MS["m"] <= found <= 90 * _UNITS_MS["d"]:
        raise click.BadParameter(f"expected from 1m to 90d, got {value!r}")
    return found


@click.group()
def invite() -> None:
    """Invite another co-op into a federation of this one."""


@invite.command()
@click.option(
    "--expires",
    default="7d",
    callback=validity,
    show_default=True,
    help="How long it is valid, such as 90m, 12h or 7d; 90d at most.",
)
@click.option(
    "--federation",
    default="",
    help="Its name, or the first digits of its id; a co-op in none founds one.",
)
@click.option(
    "--role",
    "roles",
    type=click.Choice(get_args(Role)),
    multiple=True,
    help="What the other co-op is to be; may be repeated.  [default: member]",
)
@click.option(
    "--address",
    default="",
    help="Where the other co-op reaches this node, where the settings say otherwise.",
)
@click.option("--note", default="", help="Whom it is for; only this co-op sees it.")
@click.option("--qr", is_flag=True, help="Show the link as a code for a camera, too.")
@json_option
@home_option
def create(
    *,
    expires: int,
    federation: str,
    roles: tuple[Role, ...],
    address: str,
    note: str,
    qr: bool,
    as_json: bool,
    home: Path,
) -> None:
    """Print a link, and a code, by which one other co-op joins. Give it to nobody else."""
    if qr and as_json:
        raise click.UsageError("--qr is for people, and --json for programs: give one of them")
    wish = {
        "expires_in_ms": expires,
        "federation": federation,
        "roles": list(roles),
        "address": address,
        "note": note,
    }
    made = _asked(home, "POST", _PATH, wish)
    if as_json:
        print_json(made)
        return
    _print(made, is_near=load_config(home).discovery.lan)
    if qr:
        _print_picture(made["link"])


@invite.command("list")
@json_option
@home_option
def list_(*, as_json: bool, home: Path) -> None:
    """List the invitations: which are open, and who joined by which."""
    rows = _asked(home, "GET", _PATH)["invitations"]
    if as_json:
        print_json(rows)
    elif rows:
        head = ("invitation", "state", "expires (UTC)", "federation", "roles", "joined", "note")
        print_table(head, map(_cells, rows))
    else:
        click.echo("No invitation yet: `sheaf invite create` makes one.")


@invite.command()
@click.argument("invitation")
@json_option
@home_option
def revoke(*, invitation: str, as_json: bool, home: Path) -> None:
    """End INVITATION, given by the first digits that `list` shows. Who joined by it stays."""
    if re.fullmatch(r"[0-9a-f]{1,64}", invitation) is None:
        raise click.UsageError(f"expected the digits that `list` shows, got {invitation[:64]!r}")
    ended = _asked(home, "POST", f"{_PATH}/{invitation}/revoke")
    if as_json:
        print_json(ended)
        return
    click.echo(f"Ended invitation {ended['id'][:8]}.")


def _print(made: Any, *, is_near: bool) -> None:
    federation = printable(made["federation"]["name"])
    if made["founded"]:
        click.echo(f"Founded the federation {federation}, of this co-op alone so far.")
    click.echo(f"Invitation to {federation}, for one co-op, until {_day(made['expires_ms'])} UTC.")
    click.echo("Whoever has the link or the code can join by it: send it to them alone.")
    click.echo(f"\n  link  {made['link']}\n  code  {made['code']}\n")
    for where, typed in _ways(made["link"], made["code"], is_near=is_near):
        click.echo(f"{where}:\n  {typed}")
    if made["is_local"]:
        click.echo(
            "Warning: only this computer can follow it. For co-ops on your network set up the node"
            " with `sheaf init --lan`, for others with `--public-address`; for a node that is set"
            " up, see `Inviting and joining` in docs/operating.md.",
            err=True,
        )


def _ways(link: str, code: str, *, is_near: bool) -> Iterator[tuple[str, str]]:
    """Yield where the other side types what, ready to be sent; first what works for most."""
    from sheaf_node.address import is_this_computer  # noqa: PLC0415
    from sheaf_node.peering.reach import may_be_outside  # noqa: PLC0415

    parts, they = urlsplit(link), "While this node runs (`sheaf serve`), they type"
    if is_this_computer(str(parts.hostname)):
        other = "--home OTHER --peer-port 8450 --local-port 8451"
        yield f"{they}, on this computer", f"sheaf join '{link}' --allow-loopback {other}"
        return
    if may_be_outside(link):
        yield they, f"sheaf join '{link}'"
    elif is_near:
        yield f"{they}, on this network", f"sheaf join {code}"
    # A link of others leads nowhere inside a network; an address that one typed oneself does.
    address = parts.netloc if parts.scheme == "http" else f"https://{parts.netloc}"
    where = "Or by the code" if may_be_outside(link) or is_near else they
    yield where, f"sheaf join {code} {address}"


def _print_picture(link: str) -> None:
    """Print a link as a QR code, of half blocks where the terminal has them."""
    import segno  # noqa: PLC0415 - loaded by this option alone

    picture = segno.make(link, error="m", micro=False)
    drawn = io.StringIO()
    picture.terminal(out=drawn, border=2, compact=True)
    try:
        drawn.getvalue().encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        drawn = io.StringIO()
        picture.terminal(out=drawn, border=2)
    click.echo(f"\n{drawn.getvalue()}")
    click.echo("Whoever takes a picture of this can join by it, too.")


def _cells(row: Any) -> tuple[str, ...]:
    joined = "" if row["used_by"] is None else row["used_by"][:8]
    federation, roles = row["federation"]["name"], ", ".join(row["roles"])
    expires = _day(row["expires_ms"])
    return row["id"][:8], row["state"], expires, federation, roles, joined, row["note"]


def _day(ms: int) -> str:
    return utc(ms).strftime("%Y-%m-%d %H:%M")


def _asked(home: Path, method: str, path: str, body: object = None) -> Any:
    """Return the running node's answer; where none runs, its home is opened for this command."""
    client = NodeClient(home)
    try:
        if method == "GET":
            return client.get(path)
        return client.post(path, b"" if body is None else json.dumps(body).encode())
    except Refusal as refusal:
        if refusal.code not in _NOT_RUNNING:
            raise
    return asyncio.run(_without_node(home, method, path, body))


async def _without_node(home: Path, method: str, path: str, body: object) -> Any:
    from sheaf_node.app import open_node  # noqa: PLC0415 - needed only where no node runs
    from sheaf_node.clock import SystemClock  # noqa: PLC0415
    from sheaf_node.joining import Shelf  # noqa: PLC0415
    from sheaf_node.linking import make_inviting  # noqa: PLC0415

    passphrase = given_passphrase(home)
    async with open_node(
        home, clock=SystemClock(), random=os.urandom, passphrase=passphrase
    ) as node:
        return await _answer(make_inviting(node, home, Shelf(home)), method, path, body)


async def _answer(inviting: Inviting, method: str, path: str, body: object) -> Any:
    import msgspec  # noqa: PLC0415

    from sheaf_node.joining import Wish  # noqa: PLC0415

    if method == "GET":
        return {"invitations": inviting.listed()}
    if path != _PATH:
        return inviting.revoke(path.removeprefix(f"{_PATH}/").partition("/")[0])
    try:
        wish = msgspec.convert(body, Wish)
    except msgspec.ValidationError as exc:
        raise Refusal("api.json", f"expected what an invitation is to say: {exc}") from exc
    return (await inviting.create(wish)).told()
