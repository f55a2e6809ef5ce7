"""`sheaf treaty list|show|ask|allow|limit|pause|end`: treaties in force, at the running node."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.governance import federation_option, moment
from sheaf_node.cli.output import home_option, json_option, print_json, print_table, printable
from sheaf_node.cli.proposing import Said, proposing
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sheaf_node.cli.governance import Asked

_SERVICE: Final = "/api/v1/services/bridging"
_HEAD: Final = (
    "treaty",
    "with",
    "level",
    "expires (UTC)",
    "out today",
    "in today",
    "alerts",
    "title",
)


@dataclass(frozen=True, slots=True)
class Bridging:
    """The treaties of one federation at a running node."""

    home: Path
    fid: str | None

    def view(self, name: str, **options: str) -> Any:
        """Return a view. Raises Refusal with the node's own code."""
        return NodeClient(self.home).get(f"{_SERVICE}/{name}", self._query(options))

    def command(self, name: str, body: object = None, **options: str) -> Any:
        """Return the answer to a command. Raises Refusal with the node's own code."""
        data = b"" if body is None else json.dumps(body).encode()
        return NodeClient(self.home).post(f"{_SERVICE}/{name}", data, self._query(options))

    def treaty(self, prefix: str) -> dict[str, Any]:
        """Return the one treaty in force whose id begins so. Raises Refusal `treaty.unknown`."""
        found = self.view("treaties", treaty=prefix.lower())["treaties"]
        if len(found) != 1 or not prefix:
            detail = f"expected the start of the id of one treaty in force, got {prefix[:64]!r}"
            raise Refusal("treaty.unknown", f"{detail}: {len(found)} fit")
        return dict(found[0])

    def _query(self, options: Mapping[str, str]) -> Mapping[str, str]:
        return {**({} if self.fid is None else {"federation": self.fid}), **options}


@click.command("list")
@federation_option
@json_option
@home_option
def list_(*, fid: str | None, as_json: bool, home: Path) -> None:
    """List the treaties in force, what went over them today, and bridges that did wrong."""
    shown = Bridging(home, fid).view("treaties")
    if as_json:
        print_json(shown)
        return
    if shown["treaties"]:
        print_table(_HEAD, map(_cells, shown["treaties"]))
    else:
        click.echo("No treaty in force.")
    _print_alerts(shown)


@click.command()
@click.argument("treaty")
@federation_option
@json_option
@home_option
def show(*, treaty: str, fid: str | None, as_json: bool, home: Path) -> None:
    """Show TREATY: its level, numbers by direction and day, brakes, and what bridges did wrong."""
    bridging = Bridging(home, fid)
    one, shown = bridging.treaty(treaty), bridging.view("treaties", treaty=treaty.lower())
    if as_json:
        print_json(shown)
        return
    _print_treaty(one)
    _print_alerts(shown)


@click.command()
@click.argument("entry")
@click.option("--into", help="Id of the only federation that it may enter; else all.")
@federation_option
@json_option
@home_option
def ask(*, entry: str, into: str | None, fid: str | None, as_json: bool, home: Path) -> None:
    """Let ENTRY, one of this co-op's by its whole id, cross as far as treaties lead."""
    options = {"entry": entry} if into is None else {"entry": entry, "into": into}
    asked = Bridging(home, fid).command("ask", **options)
    if as_json:
        print_json(asked)
        return
    click.echo(f"Entry {entry[:8]} ({asked['kind']}) may cross from now on.")


def level_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what every change of a level takes."""
    dry_run = click.option("--dry-run", is_flag=True, help="Show what hangs on it, change nothing.")
    return click.argument("treaty")(dry_run(proposing(command)))


@click.command()
@level_options
def allow(**given: Any) -> None:
    """Propose to let TREATY hold in full again, and take back this co-op's own brake."""
    _set_level("allow", None, **given)


@click.command()
@click.option("--per-day", type=click.IntRange(0), required=True, help="Entries a day each way.")
@level_options
def limit(*, per_day: int, **given: Any) -> None:
    """Propose to let less cross under TREATY; a steward's word slows bridges down at once."""
    _set_level("limit", per_day, **given)


@click.command()
@level_options
def pause(**given: Any) -> None:
    """Propose to let nothing cross under TREATY; a steward's word stops bridges at once."""
    _set_level("pause", None, **given)


@click.command()
@level_options
def end(**given: Any) -> None:
    """Propose to end TREATY for good; a steward's word stops bridges at once."""
    _set_level("end", None, **given)


def _set_level(
    level: str,
    per_day: int | None,
    *,
    treaty: str,
    dry_run: bool,
    said: Said,
) -> None:
    bridging = Bridging(said.home, said.fid)
    one = bridging.treaty(treaty)
    if dry_run:
        _print_affected(bridging.view("affected", treaty=one["id"]), as_json=said.as_json)
        return
    if _is_steward(said.asked):
        brake = {"treaty": one["id"], "level": "pause" if level == "end" else level}
        rate = {} if per_day is None else {"per_day": per_day}
        bridging.command("brake", {**brake, **rate, "reason": said.text[:1_000]})
        message = "Bridges are asked to obey at once, as long as a ballot takes."
        click.echo(message, err=said.as_json)
    wish = {"action": "treaty_level", "treaty_id": one["id"], "level": level}
    said.propose({**wish, "per_day": per_day})


def _is_steward(asked: Asked) -> bool:
    charter = asked.view("charter")
    return any(
        member["cid"] == charter["own"] and "steward" in member["roles"]
        for member in charter["members"]
        if not member["is_suspended"]
    )


def _cells(treaty: Mapping[str, Any]) -> tuple[str, ...]:
    if "unreadable" in treaty:
        return treaty["id"][:8], "-", treaty["level"], "-", "-", "-", "-", treaty["title"]
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    counts = [str(treaty[way]["days"].get(today, 0)) for way in ("out", "in")]
    ends = "expired" if treaty["is_expired"] else moment(treaty["expires_ms"])
    level = treaty["level"] if treaty["now"] is None else treaty["now"]["level"]
    with_ = treaty["partner"]["name"]
    return treaty["id"][:8], with_, level, ends, *counts, str(treaty["alerts"]), treaty["title"]


def _print_treaty(treaty: Mapping[str, Any]) -> None:
    click.echo(f"Treaty {treaty['id'][:8]}: {printable(treaty['title'])}")
    if "unreadable" in treaty:
        click.echo(f"This version cannot read it [{treaty['unreadable']}].")
        return
    partner = treaty["partner"]
    click.echo(f"With {printable(partner['name'])}, federation {partner['fid'][:8]}")
    there = {True: "in force there", False: "not in force there", None: "their charter not here"}
    click.echo(f"Level {_level_words(treaty)}; {there[treaty['is_listed_there']]}")
    if treaty["now"] is not None and treaty["now"]["level"] != treaty["level"]:
        click.echo(f"Bridges go by {_level_words(treaty['now'])}, the strictest of all")
    click.echo(f"Until {moment(treaty['expires_ms'])} UTC")
    click.echo(f"Bridges: {', '.join(printable(each['name']) for each in treaty['bridges'])}")
    for way in ("out", "in"):
        said = treaty[way]
        click.echo(f"{way}: {', '.join(said['kinds'])}; at most {said['per_day']} a day")
        for day, count in said["days"].items():
            click.echo(f"  {day}  {count}")
    for brake in treaty["brakes"]:
        reason = f": {printable(brake['reason'])}" if brake["reason"] else ""
        click.echo(f"{printable(brake['name'])} asked for {_level_words(brake)}{reason}")


def _level_words(said: Mapping[str, Any]) -> str:
    rate = "" if said["per_day"] is None else f", {said['per_day']} a day"
    return f"{said['level']}{rate}"


def _print_alerts(shown: Mapping[str, Any]) -> None:
    for alert in shown["alerts"]:
        click.echo(f"{printable(alert['says'])} [{alert['code']}]")
        click.echo(f"  evidence: entry {alert['entry'][:8]}, {moment(alert['time_ms'])} UTC")


def _print_affected(found: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    click.echo(f"On {printable(found['title'])} with {printable(found['partner']['name'])} hang:")
    for pool in found["pools"]:
        whose = "ours" if pool["is_ours"] else "theirs"
        offers, units = pool["offers_from_there"], pool["units_wanted_there"]
        what = f"{offers} offers from there, {units} units wanted there"
        click.echo(f"  pool {pool['id'][:8]} {printable(pool['title'])} ({whose}): {what}")
    for order in found["orders"]:
        parties = f"{printable(order['buyer'])} from {printable(order['supplier'])}"
        money = f"{order['amount']} {order['currency']}"
        click.echo(f"  order {order['id'][:8]} of {parties}, {order['state']}: {money}")
    for each in found["money"]:
        click.echo(
            f"  {each['currency']}: {each['awarded']} awarded, {each['ordered']} in those orders"
        )
    if not found["pools"] and not found["orders"] and not found["money"]:
        click.echo("  nothing that this node can see")
    click.echo(f"  {found['sealed_to_others']} sealed entries are for others, unread here")
