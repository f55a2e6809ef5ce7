"""`sheaf federation`: founding one out of cards, round by round, and joining it.

A federation has no server to register at. Its charter is a file that goes from founder to founder,
each signing what they read; when every one has signed, each node adopts it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from sheaf_node.charter_file import (
    CharterFile,
    adopt_charter,
    draft_charter,
    make_card,
    read_card,
    read_charter_file,
    read_file,
    require_unsigned,
    sign_charter,
    write_file,
)
from sheaf_node.cli.output import home_option, printable
from sheaf_node.cli.passphrase import open_files
from sheaf_node.keyring import fingerprint, keyring_of, load_key_ops
from sheaf_protocol.charter import Role, read_charter
from sheaf_protocol.digest import short
from sheaf_protocol.identity import fold_key_log

if TYPE_CHECKING:
    from sheaf_protocol.digest import CoopId
    from sheaf_protocol.identity import KeyOp

FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def federation() -> None:
    """Found or join a federation."""


@federation.command()
@click.option("--out", type=FILE, required=True, help="Where to write the card.")
@home_option
def card(out: Path, home: Path) -> None:
    """Write this co-op's card, by which others admit it. It holds public keys only."""
    ops = load_key_ops(home)
    write_file(out, make_card(ops))
    click.echo(f"Card written to {out}. Fingerprint: {fingerprint(fold_key_log(ops).cid)}")


@federation.command()
@click.argument("name")
@click.option("--out", type=FILE, required=True, help="Where to write the draft.")
@click.argument("members", nargs=-1, required=True, metavar="CARD=ROLE[,ROLE]...")
def draft(name: str, out: Path, members: tuple[str, ...]) -> None:
    """Draft the charter of federation NAME for the co-ops whose CARDs are given.

    Roles are buyer, supplier, carrier, coordinator and matcher.
    """
    require_unsigned(out)
    write_file(out, draft_charter(name, [_member(text) for text in members], os.urandom(16)))
    click.echo(f"Draft written to {out}; every member signs it with `sheaf federation sign`.")


@federation.command()
@click.argument("file", type=FILE)
def show(file: Path) -> None:
    """Show who is in the charter in FILE and who has signed it."""
    _show(read_charter_file(read_file(file)))


@federation.command()
@click.argument("file", type=FILE)
@home_option
def sign(file: Path, home: Path) -> None:
    """Sign the charter in FILE for this co-op; `show` tells what it says."""
    signed = sign_charter(read_charter_file(read_file(file)), keyring_of(open_files(home)))
    write_file(file, signed)
    _show(read_charter_file(signed))


@federation.command()
@click.argument("file", type=FILE)
@home_option
def adopt(file: Path, home: Path) -> None:
    """Join the federation of the charter in FILE, which all members have signed."""
    current = read_charter_file(read_file(file))
    adopt_charter(current, home)
    _show(current)
    click.echo("Adopted. Name the other nodes in sheaf.toml and (re)start `sheaf serve`.")


def _member(text: str) -> tuple[list[KeyOp], list[Role]]:
    path, _, names = text.rpartition("=")
    roles = [role for role in get_args(Role) if role in names.split(",")]
    if not path or len(roles) != len(names.split(",")):
        raise click.UsageError(f"expected CARD=ROLE of {', '.join(get_args(Role))}, got {text!r}")
    return read_card(read_file(Path(path))), roles


def _show(current: CharterFile) -> None:
    charter = read_charter(current.certificate)
    logs = {log.cid: log for log in map(fold_key_log, current.key_logs)}
    signed: set[CoopId] = {approval.cid for approval in current.certificate.approvals}
    click.echo(f"{printable(charter.name)}, federation {short(current.certificate.fid)}")
    for member in charter.members:
        mark = "signed" if member.cid in signed else "not signed"
        name = printable(logs[member.cid].name) if member.cid in logs else "unknown"
        click.echo(f"  {short(member.cid)}  {name}  {', '.join(member.roles)}  ({mark})")
