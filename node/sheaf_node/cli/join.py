"""`sheaf join`: into a federation by an invitation, with a new home where there is none."""

from __future__ import annotations

import asyncio
import re
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from sheaf_node.charter_file import join_charter, read_charter_file
from sheaf_node.cli.init import HomeWish, asked_name, home_wish_options, make_home
from sheaf_node.cli.output import home_option, json_option, print_json, printable
from sheaf_node.cli.passphrase import open_files
from sheaf_node.clock import SystemClock
from sheaf_node.config import CONFIG_FILE, load_config, parse_config
from sheaf_node.durable import replace_file
from sheaf_node.keyring import fingerprint, keyring_of, load_key_ops
from sheaf_protocol.digest import short
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import fold_key_log
from sheaf_protocol.invitation import read_invitation
from sheaf_protocol.link import Identity

if TYPE_CHECKING:
    from pathlib import Path

    from sheaf_node.peering.reach import Reach
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.invitation import Asking, Invitation, Offered, Welcome


@click.command()
@click.argument("invitation")
@click.argument("address", required=False)
@click.option("--name", help="Name of this co-op, where it has no node so far.")
@home_wish_options
@click.option(
    "--allow-loopback",
    is_flag=True,
    help="Let the node that invites be on this computer, to try it out.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@home_option
def join(
    *,
    invitation: str,
    address: str | None,
    name: str | None,
    wish: HomeWish,
    allow_loopback: bool,
    yes: bool,
    as_json: bool,
    home: Path,
) -> None:
    """Join a federation by INVITATION: a link, or a code that somebody read out to you.

    \b
      sheaf join 'https://mill.example/sheaf/1/join#...'   the whole link, in quotes
      sheaf join 000G-40R4-... 192.168.1.5:8440            a code, and where that node is
      sheaf join 000G-40R4-...                             a code: looks for it on this network

    It shows what it joins, and asks. Where this co-op has no node, one is made.

    A link leads nowhere inside a network, as somebody else wrote it: where the node that invites is
    in your own, type its ADDRESS behind the link. `-` for INVITATION reads it from standard input,
    so that it stands in no list of processes.
    """
    from sheaf_node.peering.reach import Reach  # noqa: PLC0415 - aiohttp comes with the package

    given = read_invitation(_typed(invitation))
    known, reach = _address(given, address, allow_loopback=allow_loopback)
    is_new = not (home / CONFIG_FILE).exists()
    called = asked_name() if is_new and name is None else name or ""
    # No key is made before the clock was compared with the inviter's.
    url, asking, offered = asyncio.run(_look(given, known, reach))
    _show(offered)
    if not yes:
        click.confirm("Join it?", default=True, abort=True, err=True)
    if is_new:
        make_home(home, called, wish, err=as_json)
    welcome = _welcomed(asking, home, url, reach, is_new=is_new)
    federation = _enter(welcome, offered, home)
    _pin(url, home, is_outside=reach is Reach.PUBLIC)
    _tell(federation, home, as_json=as_json, is_new=is_new)


def _welcomed(asking: Asking, home: Path, url: str, reach: Reach, *, is_new: bool) -> Welcome:
    """Return the answer to the join; where it is refused, tell what is there nevertheless."""
    try:
        return asyncio.run(_join(asking, home, url, reach))
    except Refusal:
        if is_new:
            click.echo(f"The node in {home} is made, and in no federation so far.", err=True)
        raise


def _typed(invitation: str) -> str:
    return sys.stdin.readline() if invitation == "-" else invitation


def _address(
    given: Invitation, typed: str | None, *, allow_loopback: bool
) -> tuple[str | None, Reach]:
    """Return the address to join at, and how far into our own network it may lead; None to look
    for it on this network.

    That of a link is what others say; one that was typed is the operator's own word.
    """
    from sheaf_node.joining.inviting import public_url  # noqa: PLC0415 - aiohttp comes with it
    from sheaf_node.peering.reach import Reach  # noqa: PLC0415

    if typed is not None:
        # A bare name is behind TLS; with a port it is the node's own.
        is_bare = "://" not in typed
        has_port = re.search(r":[0-9]{1,5}\Z", typed) is not None
        typed = public_url(f"http://{typed}" if is_bare and has_port else typed)
    url = given.url if typed is None else typed
    is_ours = typed is not None or url is None
    usual = Reach.PRIVATE if is_ours else Reach.PUBLIC
    return url, Reach.LOOPBACK if allow_loopback else usual


async def _look(given: Invitation, url: str | None, reach: Reach) -> tuple[str, Asking, Offered]:
    """Return where the inviter is, how to go on with it, and what it offers."""
    from sheaf_node.joining import find_near, hearing, look  # noqa: PLC0415

    ask = partial(look, given, reach, SystemClock().now_ms)
    if url is not None:
        return url, *await ask(url)
    click.echo("Looking on this network for the node that invites ...", err=True)
    async with hearing() as heard:
        return await find_near(heard, ask)


async def _join(asking: Asking, home: Path, url: str, reach: Reach) -> Welcome:
    from sheaf_node.joining import call  # noqa: PLC0415

    keyring = keyring_of(open_files(home))
    identity = Identity(cid=keyring.cid, key_log=list(keyring.key_ops), writer=keyring.writer)
    return asking.receive_welcome(await call(url, asking.join(identity), reach))


def _show(offered: Offered) -> None:
    terms, peer = offered.terms, offered.peer
    count = f"{terms.members} member{'' if terms.members == 1 else 's'}"
    roles = ", ".join(terms.roles)
    click.echo(f"{printable(terms.name)}, federation {short(terms.fid)}, {count}.", err=True)
    click.echo(f"Invited by {printable(peer.keys.name)}, as {roles}. Its fingerprint:", err=True)
    click.echo(f"  {fingerprint(peer.cid)}", err=True)
    if not terms.is_alone:
        click.echo("Its members vote on whom they admit.", err=True)


def _enter(welcome: Welcome, offered: Offered, home: Path) -> Federation:
    """Write the charter into the home. Raises Refusal `charter.*`; nothing is written then."""
    current = read_charter_file(welcome.charter)
    if current.certificate.fid != offered.terms.fid:
        detail = f"expected the charter of federation {short(offered.terms.fid)}"
        raise Refusal("charter.file", f"{detail}, got that of {short(current.certificate.fid)}")
    return join_charter(current, home)


def _pin(url: str, home: Path, *, is_outside: bool) -> None:
    """Write the inviting node into the settings, as one to dial; what else stands there stays.

    An address that came in a link stays what others say: it is never dialled inside a network.
    """
    from sheaf_node.peer_list import with_peer  # noqa: PLC0415 - tomlkit loads where it is used

    path = home / CONFIG_FILE
    known = {peer.url for peer in load_config(home).peers}
    try:
        text = with_peer(path.read_text(encoding="utf-8"), url, is_outside=is_outside)
        parse_config(text.encode(), path)
        replace_file(path, text.encode())
        path.chmod(0o600)
    except Refusal as refusal:
        if refusal.code != "peer.known" and url not in known:
            raise
    except OSError as exc:
        raise Refusal("node.unwritable", f"expected to write {path}, got: {exc.strerror}") from exc


def _tell(federation: Federation, home: Path, *, as_json: bool, is_new: bool) -> None:
    cid = fold_key_log(load_key_ops(home)).cid
    is_member = federation.is_member(cid)
    if as_json:
        said: dict[str, Any] = {
            "fid": federation.fid.hex(),
            "name": federation.charter.name,
            "cid": cid.hex(),
            "is_member": is_member,
        }
        print_json(said)
        return
    name = printable(federation.charter.name)
    if is_member:
        click.echo(f"This co-op is a member of {name}. Next: `sheaf serve`.")
    else:
        click.echo(f"The members of {name} vote on admitting this co-op; the inviter proposed it.")
        click.echo("Next: `sheaf serve`; the node takes part as soon as they admit it.")
    if not is_new:
        click.echo("If the node runs already, stop it and start it anew.")
