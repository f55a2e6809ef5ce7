"""`sheaf peers`: whom this node dials, whom it leaves alone, and how much it takes of whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from sheaf_node.cli.output import home_option, json_option, print_json, print_table, printable
from sheaf_node.cli.peers_known import Chosen, Known, choose, known_peers
from sheaf_node.config import (
    CONFIG_FILE,
    LEAST_KIB_PER_S,
    MAX_CONFIG_BYTES,
    load_config,
    parse_config,
)
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

RESTART: Final = "A running node takes this up when it is restarted."
_KIB: Final = click.IntRange(0, 1_048_576)


def dry_run_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--dry-run` to a command."""
    said = "Say what would change, and change nothing."
    return click.option("--dry-run", is_flag=True, help=said)(command)


@click.group()
def peers() -> None:
    """Show, add, pause, slow down or remove the nodes that this one links to.

    PEER is an address as in sheaf.toml, a member's name, or the first digits (eight at least) of
    its co-op's id. Changes are written to sheaf.toml; your comments there stay.
    """


@peers.command("list")
@json_option
@home_option
def list_(*, as_json: bool, home: Path) -> None:
    """List the nodes to dial and those that are linked. The node may be stopped."""
    known = known_peers(home)
    rows = known.rows()
    if as_json:
        print_json({"is_running": known.is_running, "peers": rows})
        return
    if not known.is_running:
        click.echo("The node does not run: only what sheaf.toml says is known.")
    if not rows:
        click.echo("No peers. `sheaf peers add wss://NAME` adds one.")
        return
    print_table(["co-op", "address", "link", "set"], [_cells(known, row) for row in rows])


@peers.command()
@click.argument("url")
@dry_run_option
@home_option
def add(*, url: str, dry_run: bool, home: Path) -> None:
    """Dial the node at URL from now on, such as wss://mill.example."""
    from sheaf_node.peer_list import with_peer  # noqa: PLC0415 - tomlkit loads where it is used

    _require_address(home, url)
    said = [
        f"This node dials {url}, and keeps dialling while nobody answers.",
        "Who is there is proven by its keys: an address is no right to anything.",
    ]
    _change(home, lambda text: with_peer(text, url), said, is_dry=dry_run)


@peers.command()
@click.argument("peer")
@dry_run_option
@click.option("--yes", is_flag=True, help="Do not ask before removing.")
@home_option
def remove(*, peer: str, dry_run: bool, yes: bool, home: Path) -> None:
    """Dial PEER no more, and forget its address. Its co-op stays a member and may still dial us."""
    from sheaf_node.peer_list import without_peer  # noqa: PLC0415

    known = known_peers(home)
    chosen = choose(known, peer)
    if not chosen.urls:
        raise _without_address(known, chosen, peer)
    rules = known.rules_of(chosen.cid)
    said = [
        *(f"This node dials {url} no more." for url in chosen.urls),
        "`sheaf peers add` with the same address undoes that.",
        "Links that the other side begins are still taken, and where few links are left, its"
        " address in the members' directory is dialled: `sheaf peers pause` ends both.",
        *([f"Of {chosen.title} there stays {' and '.join(rules)}."] if rules else []),
        "Nothing that was received is deleted.",
        *known.left_without(chosen, is_dial_only=True),
    ]
    _change(home, _each(chosen.urls, without_peer), said, is_dry=dry_run, must_confirm=not yes)


@peers.command()
@click.argument("peer")
@click.option("--off", is_flag=True, help="End the pause.")
@dry_run_option
@home_option
def pause(*, peer: str, off: bool, dry_run: bool, home: Path) -> None:
    """Keep no link with PEER until the pause is ended with --off."""
    from sheaf_node.peer_list import with_peer_paused, with_rule  # noqa: PLC0415

    known = known_peers(home)
    chosen = choose(known, peer)

    def change(text: str) -> str:
        for url in chosen.urls:
            text = with_peer_paused(text, url, is_paused=not off, cid=chosen.cid)
        if chosen.cid is not None:
            text = with_rule(text, chosen.cid, key="paused", value=not off)
        return text

    _change(home, change, _resumed(chosen) if off else _paused(known, chosen), is_dry=dry_run)


@peers.command()
@click.argument("peer")
@click.argument("kib_per_s", type=_KIB)
@dry_run_option
@home_option
def limit(*, peer: str, kib_per_s: int, dry_run: bool, home: Path) -> None:
    """Take at most KIB_PER_S kibibytes a second of PEER; 0 ends the limit."""
    from sheaf_node.peer_list import with_rule  # noqa: PLC0415

    if 0 < kib_per_s < LEAST_KIB_PER_S:
        raise click.UsageError(f"expected 0 or at least {LEAST_KIB_PER_S}, got {kib_per_s}")
    known = known_peers(home)
    chosen = choose(known, peer)
    cid = chosen.cid
    if cid is None:
        detail = f"expected a co-op to limit, got {peer!r}: nobody has proven so far who is there"
        raise Refusal("peer.unknown", f"{detail}; link to it first, or name it by name or id")
    said = (
        [f"{chosen.title} sends as fast as it can again."]
        if kib_per_s == 0
        else [
            f"At most {kib_per_s} KiB a second are taken of {chosen.title}, whoever dials.",
            "The first 2 MiB of each link come at full speed. What this node sends is not slowed.",
            "It hears of that co-op's news later where much comes at once; nothing is lost.",
        ]
    )
    _change(
        home,
        lambda text: with_rule(text, cid, key="kib_per_s", value=kib_per_s),
        said,
        is_dry=dry_run,
    )


def _without_address(known: Known, chosen: Chosen, text: str) -> Refusal:
    """Return the refusal to forget the address of a peer that has none in the settings, or whose
    address cannot be told from others'."""
    unproven = known.unproven()
    if unproven:
        detail = f"expected an address in place of {text!r}: no link proves which of these is its"
        return Refusal("peer.unknown", f"{detail} ({', '.join(unproven[:8])})")
    detail = f"expected a peer that sheaf.toml names, got {text!r}, whose node dials this one"
    return Refusal("peer.unknown", f"{detail}; `sheaf peers pause` keeps it out")


def _paused(known: Known, chosen: Chosen) -> list[str]:
    said = [f"This node keeps no link with {chosen.title}: it does not dial, and turns it away."]
    if chosen.cid is None:
        said = [
            f"This node does not dial {chosen.title}.",
            "Who is there has not been proven so far: if that co-op dials us, it is let in.",
        ]
    elif not chosen.urls and known.unproven():
        said = [
            f"This node keeps no link with {chosen.title}: it turns it away.",
            "No link proves at which address it is, so it may still be dialled, and left as soon as"
            " it says who it is. Pause its address as well, if you know it.",
        ]
    return [
        *said,
        "It stays a member. Its entries still come by way of other members that are linked.",
        "Votes, pools and treaties go on: a pause is no suspension by the federation.",
        *known.left_without(chosen, is_dial_only=False),
        "When the pause ends, both sides catch up and nothing is missing.",
    ]


def _resumed(chosen: Chosen) -> list[str]:
    return [f"Links with {chosen.title} are kept again."]


def _each(urls: Sequence[str], change: Callable[[str, str], str]) -> Callable[[str], str]:
    def all_of_them(text: str) -> str:
        for url in urls:
            text = change(text, url)
        return text

    return all_of_them


def _change(
    home: Path,
    change: Callable[[str], str],
    said: Sequence[str],
    *,
    is_dry: bool,
    must_confirm: bool = False,
) -> None:
    """Carry out a change of the settings, whole or not at all, and say what follows from it."""
    from sheaf_node.durable import replace_file, sync  # noqa: PLC0415

    path = home / CONFIG_FILE
    before = _text_of(path)
    after = change(before)
    parse_config(after.encode(), path)  # what was written here is read at the next start
    for line in said:
        click.echo(printable(line))
    if is_dry:
        click.echo("Nothing was changed (--dry-run).")
        return
    if must_confirm:
        click.confirm("Do this?", abort=True)
    try:
        mode = path.stat().st_mode & 0o777
        replace_file(path, after.encode())
        path.chmod(mode)
        sync(home)
    except OSError as exc:
        detail = f"expected to write {path}, got: {exc.strerror}"
        raise Refusal("node.unwritable", detail) from exc
    click.echo(f"Written to {path}. {RESTART}" if after != before else "It was so already.")


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_CONFIG_BYTES + 1).decode()
    except (OSError, UnicodeDecodeError) as exc:
        raise Refusal("config.invalid", f"{path}: expected a readable file of text") from exc


def _require_address(home: Path, url: str) -> None:
    """Refuse what is no address of a peer, or is this node's own."""
    from sheaf_node.address import audiences, link_address  # noqa: PLC0415

    config = load_config(home)
    _, audience = link_address(url)
    if audience.lower() in audiences(config.public_names, config.peer_host, config.peer_port):
        raise Refusal("peer.own", f"expected another node, got {url}, which is this one")


def _cells(known: Known, row: dict[str, Any]) -> list[str]:
    """Return what a row of the list shows people."""
    if row["is_linked"]:
        link = "linked, in sync" if row["in_sync"] else "linked"
        link += "" if row["is_dialled"] else ", dialled by them"
    else:
        link = row["reason"] or "not linked"
    rules = ["paused"] if row["paused"] else []
    rules += [f"{row['kib_per_s']} KiB/s"] if row["kib_per_s"] else []
    who = known.called(bytes.fromhex(row["cid"])) if row["cid"] else "not known"
    return [who, row["url"] or "", link, ", ".join(rules)]
