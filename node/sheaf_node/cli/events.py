"""`sheaf events`: entries as they come, whether all is as it was written, and a file of them."""

from __future__ import annotations

import re
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.output import counted, home_option, json_option, print_json, printable, utc
from sheaf_node.cli.verify import require_sound
from sheaf_node.clock import SystemClock
from sheaf_protocol.digest import short
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sheaf_node.bundle import Checked
    from sheaf_protocol.digest import CoopId, FederationId

FILE: Final = click.Path(path_type=Path, dir_okay=False)
POLL_S: Final = 1.0
"""Between looks for news: nobody reads faster, and a look costs the node a millisecond."""
PAGE: Final = 500
_LINES: Final = click.IntRange(0, PAGE)


@click.group()
def events() -> None:
    """Watch entries come in, check what is held, or write it to a file that others can check."""


@events.command()
@click.option("--lines", default=10, show_default=True, type=_LINES, help="Begin so many back.")
@click.option("--follow", is_flag=True, help="Go on until Ctrl-C.")
@json_option
@home_option
def tail(*, lines: int, follow: bool, as_json: bool, home: Path) -> None:
    """Print the newest entries that the running node holds, and with --follow each that comes."""
    node = NodeClient(home)
    after = max(0, node.get("/api/v1/status")["arrival"] - lines)
    for entry in _entries(node, after, is_endless=follow):
        if as_json:
            print_json(entry)
        else:
            click.echo(_line(entry))


@events.command()
@click.argument("file", type=FILE, required=False)
@json_option
@home_option
def verify(*, file: Path | None, as_json: bool, home: Path) -> None:
    """Check FILE, which `export` wrote, with nothing but what is in it; without FILE this node.

    In a file it checks each key log, certificate, and entry: who signed it, and that nothing is
    missing before it. The node may be running, or not be there at all.
    """
    if file is None:
        require_sound(home, as_json=as_json)
        return
    from sheaf_node.bundle import check_bundle  # noqa: PLC0415 - loads the store

    checked = check_bundle(file)
    if as_json:
        print_json(_facts(checked))
        return
    for chain in checked.chains.values():
        charter = chain.require_one().charter if not chain.is_forked else None
        title = "a federation that forked" if charter is None else printable(charter.name)
        epoch = "" if charter is None else f", epoch {charter.epoch}"
        certificates = counted(len(chain.certificates), "certificate", "certificates")
        click.echo(f"{title}: {certificates}{epoch}")
    held = counted(checked.entries, "entry", "entries")
    logs, coops = counted(checked.logs, "log", "logs"), counted(checked.coops, "co-op", "co-ops")
    click.echo(
        f"{held} in {logs}, key logs of {coops}: each entry is signed by a writer of its co-op,"
        " and none is missing before another."
    )
    if checked.absent:
        absent = counted(checked.absent, "entry is", "entries are")
        click.echo(f"{absent} without content: erased, or not kept.")
    if checked.forks:
        forks = counted(checked.forks, "proof", "proofs")
        click.echo(f"{forks} that a writer signed two entries for one place.")


@events.command()
@click.argument("file", type=FILE)
@click.option("--federation", help="Only this federation: the first digits of its id.")
@click.option("--own", is_flag=True, help="Only this co-op's own entries.")
@json_option
@home_option
def export(*, file: Path, federation: str | None, own: bool, as_json: bool, home: Path) -> None:
    """Write the signed entries held here to FILE, with the keys and certificates to check them.

    Whoever has the file reads what every member reads, so hand it out with care. Private entries
    stay sealed, erased content is left out. The node may be running; nothing is overwritten.
    """
    from sheaf_node.bundle import write_bundle  # noqa: PLC0415

    written = write_bundle(
        _store_of(home),
        file,
        made_ms=SystemClock().now_ms(),
        software=version("sheaf-coop"),
        fid=None if federation is None else _federation(home, federation),
        own=_own(home) if own else None,
    )
    if as_json:
        facts = {"entries": written.entries, "federations": written.federations}
        print_json({**facts, "bytes": written.size, "file": str(written.path)})
        return
    entries = counted(written.entries, "entry", "entries")
    federations = counted(written.federations, "federation", "federations")
    click.echo(f"Written to {written.path}: {entries} of {federations}, {written.size} bytes.")
    click.echo(f"`sheaf events verify {written.path}` checks it, on any computer.")


def _entries(node: NodeClient, after: int, *, is_endless: bool) -> Iterator[dict[str, Any]]:
    while True:
        page = node.get("/api/v1/log", {"after": after, "limit": PAGE})
        yield from page["items"]
        if page["items"]:
            after = page["items"][-1]["arrival"]
        if page["next"] is not None:
            continue  # a page may be shorter than was asked for
        if not is_endless:
            return
        time.sleep(POLL_S)


def _line(entry: dict[str, Any]) -> str:
    when = utc(entry["time_ms"]).strftime("%Y-%m-%d %H:%M:%S")
    effect = f"  no effect: {entry['no_effect']}" if entry["no_effect"] else ""
    return (
        f"{entry['arrival']:>7}  {when}  {entry['cid'][:8]} {entry['seq']:>6}"
        f"  {entry['id'][:12]}  {printable(entry['kind'])}{effect}"
    )


def _store_of(home: Path) -> Path:
    """Return where a home's entries are. Raises Refusal `store.unreadable` where none are yet."""
    from sheaf_node.store import DATABASE  # noqa: PLC0415

    path = home / DATABASE
    if not path.exists():
        detail = f"expected a node at {home} that has run, got no {DATABASE} there"
        raise Refusal("store.unreadable", f"{detail}; `sheaf serve` makes it")
    return path


def _federation(home: Path, text: str) -> FederationId:
    """Return the federation whose id begins so. Raises Refusal `bundle.federation`."""
    from sheaf_node.identity import held_state  # noqa: PLC0415

    is_id = re.fullmatch(r"[0-9a-f]{1,64}", text.lower()) is not None
    chains = held_state(_store_of(home)).chains
    found = [fid for fid in chains if is_id and fid.hex().startswith(text.lower())]
    if len(found) != 1:
        known = ", ".join(short(fid) for fid in chains) or "none"
        detail = f"expected the first digits of one federation's id, got {text!r}"
        raise Refusal("bundle.federation", f"{detail}; held here: {known}")
    return found[0]


def _own(home: Path) -> CoopId:
    from sheaf_node.keyring import load_key_ops  # noqa: PLC0415
    from sheaf_protocol.identity import fold_key_log  # noqa: PLC0415

    return fold_key_log(load_key_ops(home)).cid


def _facts(checked: Checked) -> dict[str, Any]:
    return {
        "absent": checked.absent,
        "coops": checked.coops,
        "entries": checked.entries,
        "federations": [fid.hex() for fid in checked.head.federations],
        "forks": checked.forks,
        "logs": checked.logs,
        "made_ms": checked.head.made_ms,
        "software": checked.head.software,
    }
