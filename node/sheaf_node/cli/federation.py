"""`sheaf federation`: founding one out of cards, round by round, and joining it.

A federation has no server to register at. Its charter is a file that goes from founder to founder,
each signing what they read; when every one has signed, each node adopts it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
import msgspec
from msgspec import structs

from sheaf_node.charter_file import (
    CharterFile,
    adopt_charter,
    draft_charter,
    join_charter,
    make_card,
    read_card,
    read_charter_file,
    read_file,
    require_unsigned,
    sign_charter,
    write_file,
)
from sheaf_node.cli.federation_leave import leave
from sheaf_node.cli.federation_refound import refound
from sheaf_node.cli.federation_vote import admit, policy, propose, read_settings, tally, vote
from sheaf_node.cli.governance import Asked, federation_option, print_charter, setting_line
from sheaf_node.cli.output import home_option, json_option, print_json, printable
from sheaf_node.cli.passphrase import open_files
from sheaf_node.keyring import fingerprint, keyring_of, load_key_ops
from sheaf_protocol.charter import DEFAULT_POLICY, Policy, Role, read_charter
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import CoopId, short
from sheaf_protocol.governance import promise
from sheaf_protocol.identity import fold_key_log

if TYPE_CHECKING:
    from sheaf_protocol.identity import KeyOp

FILE = click.Path(path_type=Path, dir_okay=False)
policy_option = click.option(
    "--policy",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of the policy that differs from the usual; may be repeated.",
)


def founding_policy(settings: tuple[str, ...]) -> Policy:
    """Return the usual policy with settings as typed. Misuse where one is no setting's."""
    usual, given = structs.asdict(DEFAULT_POLICY), read_settings(settings)
    for key in given:
        if key not in usual or key == "version":
            known = ", ".join(name for name in usual if name != "version")
            raise click.UsageError(f"expected a setting of {known}, got {key!r}")
    fields = {**usual, **given}
    try:
        return msgspec.convert(fields, Policy)
    except msgspec.ValidationError as exc:
        fault, _, setting = str(exc).partition(" - at `$.")
        raise click.UsageError(f"expected another value of `{setting}: {fault}") from exc


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
@click.option(
    "--role",
    "roles",
    type=click.Choice(get_args(Role)),
    multiple=True,
    default=("coordinator", "member"),
    show_default=True,
    help="A role of this co-op; may be repeated.",
)
@policy_option
@click.option("--out", type=FILE, help="With cards: where to write the charter for them to sign.")
@click.argument("others", nargs=-1, metavar="[CARD=ROLE[,ROLE]]...")
@home_option
def create(
    *,
    name: str,
    roles: tuple[Role, ...],
    settings: tuple[str, ...],
    out: Path | None,
    others: tuple[str, ...],
    home: Path,
) -> None:
    """Found federation NAME: alone, at once, or with co-ops whose CARDs are given.

    Alone, members are admitted by vote from then on. With cards, each of them signs and adopts.
    `sheaf federation policy show` lists the settings; docs/governing.md says what they mean.
    """
    if others and out is None:
        raise click.UsageError("expected --out, where to write the charter for the others to sign")
    if out is not None and not others:
        raise click.UsageError("--out goes with cards: alone nobody else has to sign")
    own = (load_key_ops(home), list(roles))
    policy = founding_policy(settings)
    data = draft_charter(name, [own, *map(_member, others)], os.urandom(16), policy)
    if out is not None:
        require_unsigned(out)
    current = read_charter_file(sign_charter(read_charter_file(data), keyring_of(open_files(home))))
    click.echo(promise(policy.certify))
    if out is None:
        adopt_charter(current, home)
        _show(current)
        click.echo("Founded. (Re)start `sheaf serve`; `sheaf federation admit` proposes members.")
        return
    write_file(out, encode(current))
    _show(current)
    click.echo(f"Written to {out}: each signs it (`sign`), then all adopt it (`adopt`).")


@federation.command()
@click.argument("name")
@policy_option
@click.option("--out", type=FILE, required=True, help="Where to write the draft.")
@click.argument("members", nargs=-1, required=True, metavar="CARD=ROLE[,ROLE]...")
def draft(name: str, settings: tuple[str, ...], out: Path, members: tuple[str, ...]) -> None:
    """Draft the charter of federation NAME for the co-ops whose CARDs are given.

    Roles are bridge, carrier, coordinator, member, observer, seat, service, steward and supplier.
    """
    require_unsigned(out)
    policy = founding_policy(settings)
    listed = [_member(text) for text in members]
    write_file(out, draft_charter(name, listed, os.urandom(16), policy))
    click.echo(f"Draft written to {out}; every member signs it with `sheaf federation sign`.")
    click.echo(promise(policy.certify))


@federation.command()
@click.argument("file", type=FILE, required=False)
@federation_option
@json_option
@home_option
def show(file: Path | None, fid: str | None, *, as_json: bool, home: Path) -> None:
    """Show who is in the charter in FILE, who has signed it, and what policy is not the usual.

    Without FILE the running node tells of its federation: members, roles, epoch.
    """
    if file is not None:
        current = read_charter_file(read_file(file))
        if as_json:
            print_json(_listed(current))
        else:
            _show(current)
        return
    charter = Asked(home, fid).view("charter")
    if as_json:
        print_json(charter)
    else:
        print_charter(charter)


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
def join(file: Path, home: Path) -> None:
    """Let this node join the federation of the charter in FILE, as soon as members admit it.

    A member's `sheaf federation admit --out FILE` writes it. Nobody makes a node take part by
    admitting its co-op: without this, it does not.
    """
    current = read_charter_file(read_file(file))
    joined = join_charter(current, home)
    cid = fold_key_log(load_key_ops(home)).cid
    epoch = f"epoch {joined.charter.epoch}"
    click.echo(f"{printable(joined.charter.name)}, federation {short(joined.fid)}, {epoch}")
    click.echo("Name nodes of its members in sheaf.toml and (re)start `sheaf serve`.")
    if not joined.is_member(cid):
        click.echo("Not a member so far: its node takes part as soon as they admit this co-op.")


@federation.command()
@click.argument("file", type=FILE)
@home_option
def adopt(file: Path, home: Path) -> None:
    """Join the federation of the charter in FILE, which all members have signed.

    A re-foundation goes to the running node.
    """
    current = read_charter_file(read_file(file))
    adopt_charter(current, home)
    _show(current)
    if current.is_refounding:
        Asked(home, current.certificate.fid.hex()).hand_in(encode(current))
        click.echo("Adopted. The other nodes get it over the links.")
        return
    click.echo("Adopted. Name the other nodes in sheaf.toml and (re)start `sheaf serve`.")


for _command in (admit, leave, policy, propose, refound, tally, vote):
    federation.add_command(_command)


def _member(text: str) -> tuple[list[KeyOp], list[Role]]:
    path, _, names = text.rpartition("=")
    roles = [role for role in get_args(Role) if role in names.split(",")]
    if not path or len(roles) != len(names.split(",")):
        raise click.UsageError(f"expected CARD=ROLE of {', '.join(get_args(Role))}, got {text!r}")
    return read_card(read_file(Path(path))), roles


def _listed(current: CharterFile) -> dict[str, Any]:
    """Return what a charter file says, for programs and for `_show`."""
    newest = current.certificates[-1]
    charter = read_charter(newest)
    logs = {log.cid: log for log in map(fold_key_log, current.key_logs)}
    signed: set[CoopId] = {approval.cid for approval in newest.approvals}
    return {
        "fid": current.certificate.fid.hex(),
        "name": charter.name,
        "epoch": charter.epoch,
        "is_refounding": current.is_refounding,
        "policy": structs.asdict(charter.policy),
        "members": [
            {
                "cid": member.cid.hex(),
                "name": logs[member.cid].name if member.cid in logs else "unknown",
                "fingerprint": fingerprint(CoopId(member.cid)),
                "roles": list(member.roles),
                "has_signed": member.cid in signed,
            }
            for member in charter.members
        ],
    }


def _show(current: CharterFile) -> None:
    """Print who signs what: a signature is for the policy as well."""
    charter = _listed(current)
    epoch = f", epoch {charter['epoch']}" if charter["epoch"] else ""
    click.echo(f"{printable(charter['name'])}, federation {charter['fid'][:8]}{epoch}")
    if charter["is_refounding"]:
        click.echo("A re-foundation, in the place of certificates that contradict one another.")
    for member in charter["members"]:
        mark = "signed" if member["has_signed"] else "not signed"
        name, roles = printable(member["name"]), ", ".join(member["roles"])
        click.echo(f"  {member['cid'][:8]}  {name}  {roles}  ({mark})")
        click.echo(f"            {member['fingerprint']}")
    usual = structs.asdict(DEFAULT_POLICY) | {"version": charter["policy"]["version"]}
    changed = {key: value for key, value in charter["policy"].items() if value != usual[key]}
    settings = "".join(f"\n  {setting_line(key, value)}" for key, value in changed.items())
    click.echo(f"Policy: as usual{', but' if changed else '.'}{settings}")
