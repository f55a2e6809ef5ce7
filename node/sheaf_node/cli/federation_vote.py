"""`sheaf federation admit|propose|vote|tally|policy`: how members decide, at the running node."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from sheaf_node.charter_file import read_card, read_file, write_file
from sheaf_node.cli.governance import (
    Asked,
    ballot_cells,
    federation_option,
    print_ballot,
    setting_line,
)
from sheaf_node.cli.output import home_option, json_option, print_json, print_table, printable
from sheaf_node.cli.proposing import Said, proposing
from sheaf_node.keyring import fingerprint
from sheaf_protocol.charter import Role
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import fold_key_log

FILE = click.Path(path_type=Path, dir_okay=False)
_HEAD = ("ballot", "state", "closes (UTC)", "yes", "no", "abstain", "missing", "own", "title")
role_option = click.option(
    "--role", "roles", type=click.Choice(get_args(Role)), multiple=True, help="May be repeated."
)


@click.command()
@click.argument("card", type=FILE)
@role_option
@click.option("--sponsor", default="", help="Member that signs for a seat.")
@click.option("--out", type=FILE, help="Write the charter here, for the candidate to join with.")
@click.option("--yes", is_flag=True, help="Do not ask about the fingerprint.")
@proposing
def admit(
    *,
    card: Path,
    roles: tuple[Role, ...],
    sponsor: str,
    out: Path | None,
    yes: bool,
    said: Said,
) -> None:
    """Propose to admit the co-op whose CARD is given.

    It shows the fingerprint and asks first: let the candidate's manager read it to you.
    """
    data = read_file(card)
    log = fold_key_log(read_card(data))
    if not yes:
        click.echo(f"{printable(log.name)}. Fingerprint: {fingerprint(log.cid)}", err=True)
        click.confirm("Does their manager read you the same words?", abort=True, err=True)
    wish = {
        "action": "admit",
        "card": data.hex(),
        "roles": list(roles) or ["member"],
        "sponsor": sponsor,
    }
    said.propose(wish)
    if out is not None:
        write_file(out, said.asked.charter_file())
        message = f"Charter written to {out}, for `sheaf federation join` there."
        click.echo(message, err=said.as_json)


@click.command()
@click.argument("action", type=click.Choice(["expel", "restore", "roles", "suspend"]))
@click.argument("coop")
@role_option
@click.option("--sponsor", default="", help="Member that signs for a seat.")
@proposing
def propose(
    *,
    action: str,
    coop: str,
    roles: tuple[Role, ...],
    sponsor: str,
    said: Said,
) -> None:
    """Propose to change something about the member COOP, given by name or digits of its id.

    `admit` proposes a new member, and `policy set` other rules.
    """
    if (action == "roles") is not bool(roles):
        raise click.UsageError("--role goes with `propose roles`, once for each role")
    wish = {"action": action, "coop": coop, "roles": list(roles), "sponsor": sponsor}
    said.propose(wish)


@click.command()
@click.argument("ballot")
@click.argument("choice", type=click.Choice(["yes", "no", "abstain"]))
@federation_option
@json_option
@home_option
def vote(*, ballot: str, choice: str, fid: str | None, as_json: bool, home: Path) -> None:
    """Vote for this co-op on BALLOT, which `tally` lists. A later vote takes its place."""
    asked = Asked(home, fid)
    voted = asked.command("vote", options={"proposal": ballot, "choice": choice})
    if as_json:
        print_json(voted)
        return
    click.echo(f"Voted {choice} on {voted['id'][:8]}: {printable(voted['title'])}")


@click.command()
@click.argument("ballot", required=False)
@federation_option
@json_option
@home_option
def tally(*, ballot: str | None, fid: str | None, as_json: bool, home: Path) -> None:
    """List the ballots, or show BALLOT: what it would do, who said what, what it comes to."""
    options = {} if ballot is None else {"proposal": ballot}
    ballots = Asked(home, fid).view("ballots", options)["ballots"]
    if as_json:
        print_json(ballots)
    elif ballot is not None:
        for each in ballots:
            print_ballot(each)
    elif ballots:
        print_table(_HEAD, map(ballot_cells, ballots))
    if not ballots and ballot is not None:
        detail = f"expected the start of one ballot's id, got {ballot[:64]!r}: 0 fit"
        raise Refusal("governance.ballot", detail)
    if not ballots and not as_json:
        click.echo("No ballot yet: `sheaf federation admit`, `propose` or `policy set` opens one.")


@click.group()
def policy() -> None:
    """Show the rules that a vote may change, or propose others."""


@policy.command("show")
@federation_option
@json_option
@home_option
def policy_show(*, fid: str | None, as_json: bool, home: Path) -> None:
    """Show the policy in force."""
    charter = Asked(home, fid).view("charter")
    if as_json:
        print_json(charter["policy"])
        return
    for key, value in charter["policy"].items():
        click.echo(setting_line(key, value))
    click.echo(charter["promise"])


@policy.command("set")
@click.argument("settings", nargs=-1, required=True, metavar="KEY=VALUE...")
@proposing
def policy_set(
    *,
    settings: tuple[str, ...],
    said: Said,
) -> None:
    """Propose a policy in which KEY has another VALUE; lists are written with commas."""
    wish = {"action": "policy", "policy": read_settings(settings)}
    said.propose(wish)


def read_settings(settings: tuple[str, ...]) -> dict[str, object]:
    """Return settings of a policy as typed: `key=value`. Misuse where there is no `=`."""
    found: dict[str, object] = {}
    for text in settings:
        key, sign, value = text.partition("=")
        if not sign:
            raise click.UsageError(f"expected KEY=VALUE, got {text!r}")
        is_number = value.isascii() and value.isdecimal() and len(value) <= 16
        words: object = sorted(value.split(",")) if key == "modes" else value
        found[key] = int(value) if is_number else words
    return found
