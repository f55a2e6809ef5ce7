"""`sheaf recovery`: what a home waits for that was put back, and who is done without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.output import home_option, json_option, print_json, printable
from sheaf_node.clock import SystemClock
from sheaf_node.config import load_config
from sheaf_node.identity import held_state
from sheaf_node.keyring import load_key_ops
from sheaf_node.recovery import mark, name_absent, read_marker, report
from sheaf_node.store import DATABASE
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import fold_key_log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sheaf_protocol.digest import CoopId

_SILENT = frozenset({"node.unreachable", "api.no_token"})
"""Codes of a node that does not run."""


@click.group()
def recovery() -> None:
    """Show what a restored or copied home waits for, and let it go on."""


@recovery.command()
@json_option
@home_option
def show(as_json: bool, home: Path) -> None:
    """Show whether the home recovers, and what it waits for."""
    answer = _report(home)
    if as_json:
        print_json(answer)
        return
    print_recovery(answer)
    if answer["state"] == "free":
        click.echo("Nothing to recover: this node signs with its own writer.")
    for url in answer["peers_missing"]:
        click.echo(f"  If it is gone for good: sheaf recovery go-on --without {printable(url)}")
    if any(answer["waits_for"].values()):
        click.echo("  If a member is gone for good: sheaf recovery go-on --without NAME")
    if answer["without"]:
        names = _names(home)
        without = (printable(names.get(name, name)) for name in answer["without"])
        click.echo(f"Done without: {', '.join(without)}")


@recovery.command("go-on")
@click.option(
    "--without",
    "names",
    multiple=True,
    required=True,
    metavar="NAME",
    help="Another member's name, the first digits of its id (four at least), or a configured peer's"
    " url; may be repeated.",
)
@json_option
@home_option
def go_on(names: tuple[str, ...], as_json: bool, home: Path) -> None:
    """Go on without members or peers that are gone for good.

    The members are named in a signed entry, and what they alone hold of the lost log counts no
    more when they come back.
    """
    urls = [peer.url for peer in load_config(home).peers]
    found = [name if name in urls else _member(home, name, urls).hex() for name in names]
    marker = name_absent(home, found)
    if as_json:
        print_json({"without": list(marker.without)})
        return
    click.echo(f"Going on without {', '.join(printable(name) for name in names)}.")


@recovery.command()
@json_option
@home_option
def begin(as_json: bool, home: Path) -> None:
    """Take this home for an old copy, which needs a new writer.

    For a node that says `node.identity_in_use`, after the other one was stopped for good. It signs
    again once the other members have said what they know of the old writer.
    """
    load_config(home)
    mark(home, now_ms=SystemClock().now_ms())
    if as_json:
        print_json({"state": "recovering"})
        return
    click.echo("This home recovers: see `sheaf recovery show`, and `sheaf serve` if it is stopped.")


def print_recovery(answer: Mapping[str, Any]) -> None:
    """Print the lines of a status that tell of a recovery; none for a node that is free."""
    if answer["state"] == "free":
        return
    what = "RECOVERING" if answer["state"] == "recovering" else "NOT SIGNING"
    waits = _waits(answer) or answer["sentence"]
    click.echo(f"{what}: {printable(waits)}")
    if answer["key_missing"] not in {None, waits}:
        click.echo(f"  Its key log cannot go on: {printable(answer['key_missing'])}")


def _waits(answer: Mapping[str, Any]) -> str:
    """Return what a home waits for as people say it; empty where it waits for nobody."""
    if answer["peers_missing"]:
        return f"waits for a link to {', '.join(answer['peers_missing'])}"
    texts = [text for listed in answer["waits_for"].values() for text in listed]
    return "; ".join(dict.fromkeys(texts))


def _report(home: Path) -> dict[str, Any]:
    """Return what the node says of itself, or where it does not run what its home does."""
    marker = read_marker(home)
    without = [] if marker is None else list(marker.without)
    try:
        answer = dict(NodeClient(home).get("/api/v1/status")["recovery"])
    except Refusal as refusal:
        if refusal.code not in _SILENT:
            raise
        state = "free" if marker is None else "recovering"
        sentence = None if marker is None else "expected a running node: `sheaf serve` starts it"
        answer = {**report(None), "state": state, "sentence": sentence}
        return {**answer, "without": without, "is_running": False}
    return {**answer, "without": without, "is_running": True}


def _names(home: Path) -> dict[str, str]:
    """Return the names of the co-ops that a home knows, by id in hex."""
    if not (home / DATABASE).exists():
        return {}
    return {cid.hex(): log.name for cid, log in held_state(home / DATABASE).key_logs.items()}


def _member(home: Path, name: str, urls: Sequence[str]) -> CoopId:
    """Return the member that a name or the beginning of an id means.

    Raises Refusal `recovery.unknown`.
    """
    state, own = held_state(home / DATABASE), fold_key_log(load_key_ops(home))
    cids = {cid for chain in state.chains.values() for cid in chain.federation.members}
    cids.discard(own.cid)
    named = {cid for cid in cids if cid in state.key_logs and state.key_logs[cid].name == name}
    found = named or {cid for cid in cids if _begins(cid, name)}
    if len(found) != 1:
        known = ", ".join([*urls, *sorted(state.key_logs[cid].name for cid in cids)])
        is_own = name == own.name or _begins(own.cid, name)
        got = f"{name!r}{', this co-op itself' if is_own else ''}"
        raise Refusal(
            "recovery.unknown", f"expected one other member or configured peer ({known}), got {got}"
        )
    return found.pop()


def _begins(cid: CoopId, digits: str) -> bool:
    """Return whether an id begins with these digits, and they are enough to mean it."""
    return len(digits) >= 4 and cid.hex().startswith(digits)
