"""`sheaf status`: what a running node holds and whom it is linked to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.notice import home_notices, print_notices
from sheaf_node.cli.output import home_option, json_option, print_json, printable, utc
from sheaf_node.cli.recovery import print_recovery

if TYPE_CHECKING:
    from pathlib import Path


NOT_SUBSCRIBED: Final = "service.not_subscribed"


@click.command()
@json_option
@home_option
def status(as_json: bool, home: Path) -> None:
    """Show what a running node holds and its links."""
    from sheaf_node.backup.holding import held_in  # noqa: PLC0415 - as in main

    answer = NodeClient(home).get("/api/v1/status")
    answer["notices"] = home_notices(home)
    answer["held"] = held_in(home).named
    if as_json:
        print_json(answer)
        return
    _print(answer)


def _print(answer: Any) -> None:
    click.echo(f"{printable(answer['name'])}, co-op {answer['cid'][:8]}")
    print_notices(answer["notices"])
    print_recovery(answer["recovery"])
    if not answer["federations"] and not answer["joining"]:
        click.echo(
            "In no federation yet: `sheaf invite create` founds one, `sheaf join` enters one."
        )
    for federation in answer["federations"]:
        _print_federation(federation)
    for joining in answer["joining"]:
        click.echo(f"{printable(joining['name'])}: has not admitted this co-op so far")
    _print_quotas(answer)
    for damage in answer["damaged"]:
        whose = "an unreadable log" if damage["cid"] is None else f"co-op {damage['cid'][:8]}"
        what = f"entry {damage['seq']} of {whose}: {printable(damage['detail'])}"
        click.echo(f"Damaged on this disk: {what}; `sheaf verify` looks at everything")
    click.echo(f"Services: {', '.join(answer['services']) or 'none'}")
    if answer["stopped"]:
        click.echo(f"  stopped by a fault, see the node's output: {', '.join(answer['stopped'])}")
    for name, kinds in answer["not_subscribed"].items():
        listed = ", ".join(kinds)
        click.echo(f"  {name} sees nothing of {listed}: {NOT_SUBSCRIBED}")
    for name, code in answer["refused"].items():
        click.echo(f"  {name} may not publish what it wants to: {code}")
    for lost in answer["unreadable"]:
        click.echo(
            f"  private message {lost['id'][:8]} of co-op {lost['cid'][:8]} may have been for the"
            " sealing key that is lost here: ask them, and to send it again"
        )
    _print_beside(answer)
    linked = [peer for peer in answer["peers"] if peer["in_sync"]]
    click.echo(f"Peers: {len(answer['peers'])} linked, {len(linked)} in sync")
    for dial in answer["dials"]:
        if not dial["is_linked"]:
            reason = dial["reason"] or "being dialled"
            click.echo(f"  not linked: {printable(dial['url'])}: {printable(reason)}")


def _print_federation(federation: Any) -> None:
    name = printable(federation["name"])
    click.echo(
        f"{name}: {federation['members']} members, {federation['entries']} entries"
        f" in {federation['logs']} logs, epoch {federation['epoch']},"
        f" policy version {federation['policy_version']}"
    )
    if federation["forked"]:
        click.echo(f"  {federation['forked']} log(s) forked: their authors must open a new one")
    if federation["is_forked"]:
        ids = ", ".join(id_[:8] for id_ in federation["conflicting"])
        click.echo(f"  halted, as members certified both {ids}: charter.forked")
    if federation["is_suspended"]:
        click.echo("  this co-op is suspended")
    if federation["ended_by"]:
        ended = federation["ended_by"]
        how = "left" if ended["action"] == "leave" else "was expelled"
        click.echo(f"  this co-op {how} in epoch {ended['epoch']}: charter.left")


def _print_beside(answer: Any) -> None:
    """Tell of services of other processes, webhooks and seats, where there are any."""
    for each in answer["remote"]:
        where = f"{printable(each['name'])} in {each['fid'][:8]}"
        if not each["is_connected"]:
            when = "since the start" if each["seen_ms"] is None else f"since {_at(each['seen_ms'])}"
            click.echo(f"  {where} is not connected {when}; {each['behind']} entries behind")
        if each["refused"]:
            click.echo(f"  {where} was refused {each['refusals']} times: {each['refused']}")
    for hook in answer["webhooks"]:
        since = "" if hook["oldest_ms"] is None else f" since {_at(hook['oldest_ms'])}"
        waiting = f"{hook['waiting']} waiting{since}, {hook['dead']} given up"
        name = f"{hook['id'][:8]} to {printable(hook['host'])}"
        click.echo(f"Webhook {name}: {printable(hook['state'])}, {waiting}")
    if answer["seats"]["seats"]:
        seats = answer["seats"]
        click.echo(f"Seats: {seats['seats']}, {seats['open_links']} links wait for an answer")
    if answer["held"]:
        click.echo(f"Held back by a restore: {', '.join(answer['held'])}; `sheaf backup held`")


def _at(ms: int) -> str:
    return f"{utc(ms):%Y-%m-%d %H:%M} UTC"


def _print_quotas(answer: Any) -> None:
    disk = answer["disk"]
    if disk["is_full"]:
        free, reserve = disk["free_bytes"] >> 20, disk["reserve_bytes"] >> 20
        click.echo(f"Disk: {free} MiB free of the {reserve} MiB to be kept free: nothing is taken")
    for full in answer["full"]:
        size = f"{full['entries']} entries, {full['bytes'] >> 20} MiB"
        click.echo(f"  over its quota: co-op {full['cid'][:8]} ({size}); see limits.author_entries")
