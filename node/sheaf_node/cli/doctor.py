"""`sheaf doctor`: what keeps this node from being well, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.output import home_option, json_option, print_json, printable
from sheaf_node.clock import SystemClock
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sheaf_node.doctor import Finding

_MARKS: Final = {"ok": "ok  ", "skipped": "-   ", "warn": "warn", "fail": "FAIL"}


@click.command()
@click.option("--from-peer", metavar="PEER", help="Have this peer dial us: an address or a name.")
@json_option
@home_option
def doctor(*, from_peer: str | None, as_json: bool, home: Path) -> None:
    """Look at everything that keeps a node from being well, and say what to do.

    Settings, keys, disk, backup, ports, the clock, public names and their TLS, peers. The exit
    status is 1 where a line says FAIL. The node may run or not; nothing is changed. Peers and this
    node's own public names are dialled, and nobody else.
    """
    found: list[Finding] = []
    for each in _findings(home, from_peer):
        found.append(each)
        if not as_json:
            _print(each)
    failed = [each for each in found if each.level.value == "fail"]
    if as_json:
        print_json({"findings": [_fact(each) for each in found], "is_well": not failed})
    if failed:
        raise Refusal("doctor.failed", f"{len(failed)} of {len(found)} looks found a fault")


def _findings(home: Path, from_peer: str | None) -> Iterator[Finding]:
    # The network parts load here, so that `sheaf --help` stays quick.
    from sheaf_node.doctor import judging  # noqa: PLC0415
    from sheaf_node.doctor.report import examine, not_looked_back  # noqa: PLC0415

    status, now_ms = _status(home), SystemClock().now_ms()
    yield from examine(home, status, now_ms)
    if from_peer is not None:
        yield from _looked_back(home, from_peer, now_ms)
    elif status is not None:
        yield judging.reached(status) or not_looked_back()


def _status(home: Path) -> Mapping[str, Any] | None:
    """Return what the running node says; None where none answers."""
    try:
        answer: Mapping[str, Any] = NodeClient(home).get("/api/v1/status")
    except Refusal:
        return None
    return answer


def _looked_back(home: Path, peer: str, now_ms: int) -> Iterator[Finding]:
    from sheaf_node.cli.passphrase import given_passphrase  # noqa: PLC0415
    from sheaf_node.cli.peers_known import choose, known_peers  # noqa: PLC0415
    from sheaf_node.doctor.asking import look_back  # noqa: PLC0415
    from sheaf_node.keyring import load_keyring  # noqa: PLC0415

    known = known_peers(home)
    chosen = choose(known, peer)
    if not chosen.urls:
        detail = f"expected a peer that sheaf.toml names and is linked, got {peer!r}"
        raise Refusal("peer.unknown", f"{detail}; give its address")
    keyring = load_keyring(home, given_passphrase(home))
    yield from look_back(known.config, keyring, chosen.urls[0], now_ms)


def _print(finding: Finding) -> None:
    mark = _MARKS[finding.level.value]
    click.echo(f"{mark}  {finding.look:<11}  {printable(finding.said)}")
    if finding.todo:
        click.echo(f"{'':19}-> {printable(finding.todo)}")


def _fact(finding: Finding) -> dict[str, str]:
    return {
        "level": finding.level.value,
        "look": finding.look,
        "said": finding.said,
        "todo": finding.todo,
    }
