"""`sheaf seat`: small members without a node, for whom this co-op publishes and signs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

import click

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.init import HomeWish, make_home
from sheaf_node.cli.invite import milliseconds
from sheaf_node.cli.list_words import list_options, list_query, read_list_file, tell_notes
from sheaf_node.cli.output import home_option, json_option, print_json, print_table, printable, utc
from sheaf_node.config import CONFIG_FILE
from sheaf_node.keyring import load_key_ops
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import fold_key_log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_protocol.digest import CoopId

_PATH: Final = "/api/v1/seats"
_FILE: Final = click.Path(path_type=Path, dir_okay=False)


@click.group()
def seat() -> None:
    """Take on small members without a node, and publish for them under their names."""


@seat.command()
@click.argument("name")
@click.option(
    "--keys",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the seat's own keys; seat-NAME here where it is not given.",
)
@click.option("--country", default="GB", show_default=True, help="ISO 3166 code of the seat.")
@click.option("--id", "known", default="", help="Id of a seat that has its keys already.")
@json_option
@home_option
def add(
    *, name: str, keys: Path | None, country: str, known: str, as_json: bool, home: Path
) -> None:
    """Take on NAME as a seat, and make its keys in a folder that is to be given to it."""
    if known and (keys or re.fullmatch(r"[0-9a-f]{64}", known) is None):
        raise click.UsageError("expected --id with 64 hex digits, and no --keys beside it")
    client, called = NodeClient(home), name.strip()
    _require_new(client, called)
    folder = keys or Path(f"seat-{_plain(called)}")
    cid = known or _keys(folder, called, country).hex()
    added = client.post(_PATH, json.dumps({"cid": cid, "name": called}).encode())
    if as_json:
        print_json({**added, "keys": None if known else str(folder)})
        return
    click.echo(f"{printable(called)} is seat {added['cid'][:8]} of this co-op.")
    if not known:
        _tell_keys(called, folder)


def _tell_keys(called: str, folder: Path) -> None:
    click.echo(f"Give the folder {folder} to {printable(called)} and keep no copy:")
    click.echo("with it the seat moves to a node of its own, under this id (`sheaf join`).")


@seat.command("list")
@json_option
@home_option
def list_(*, as_json: bool, home: Path) -> None:
    """List the seats of this co-op, and how many links wait for an answer."""
    seats = NodeClient(home).get(_PATH)["seats"]
    if as_json:
        print_json(seats)
    elif seats:
        head = ("seat", "id", "state", "links open", "answered", "newest answer")
        print_table(head, map(_cells, seats))
    else:
        click.echo("No seat yet: `sheaf seat add NAME` takes one on.")


@seat.command()
@click.argument("name")
@click.option("--approve", type=_FILE, help="Purchase list (.xlsx or CSV) to be agreed to.")
@click.option(
    "--quote", "asked", type=_FILE, help="Items (.xlsx or CSV) that prices are asked for."
)
@click.option(
    "--list",
    "what",
    type=click.Choice(["prices", "purchases"]),
    help="A list of its own, which becomes a draft.",
)
@click.option(
    "--expires", default="7d", callback=milliseconds, show_default=True, help="Valid so long."
)
@json_option
@home_option
def link(
    *,
    name: str,
    approve: Path | None,
    asked: Path | None,
    what: str | None,
    expires: int,
    as_json: bool,
    home: Path,
) -> None:
    """Print a link to a page that the seat NAME answers once, on a telephone."""
    file = approve or asked
    if sum(each is not None for each in (approve, asked, what)) != 1:
        raise click.UsageError("expected one of --approve FILE, --quote FILE and --list WHAT")
    wish: dict[str, object] = {"asks": "list", "what": what, "expires_in_ms": expires}
    if file is not None:
        asks = "approve" if approve else "quote"
        text = _text(home, "purchases", file)
        wish = {"asks": asks, "list": text, "expires_in_ms": expires}
    made = NodeClient(home).post(f"{_path(name)}/links", json.dumps(wish).encode())
    if as_json:
        print_json(made)
        return
    tell_link(made)


def tell_link(made: Any) -> None:
    """Print a new link, and who may have it."""
    until = utc(made["expires_ms"])
    page = "A page for a list" if made["asks"] == "list" else f"A page of {_lines(made['lines'])}"
    click.echo(f"{page}, to be answered once, until {until:%d %B} UTC.")
    click.echo("Whoever has the link can answer for the seat: send it to them alone.\n")
    click.echo(f"  {made['address']}\n")
    parts = urlsplit(made["address"])
    if parts.hostname in {"127.0.0.1", "localhost", "::1"}:
        click.echo("It opens on this computer alone: set `url` under [seats] in sheaf.toml.")
    elif parts.scheme == "http":
        click.echo("It is not encrypted on its way: put a proxy with TLS before the port.")


@seat.command("import")
@click.argument("name")
@click.argument("what", type=click.Choice(["prices", "purchases"]))
@click.argument("file", type=_FILE)
@click.option("--dry-run", is_flag=True, help="Check the file and publish nothing.")
@list_options
@json_option
@home_option
def import_(
    *,
    name: str,
    what: str,
    file: Path,
    dry_run: bool,
    sheet: str,
    numbers: str,
    decimals: Sequence[str],
    items: Sequence[str],
    as_json: bool,
    home: Path,
) -> None:
    """Publish the lines of FILE for the seat NAME, which gave its word otherwise."""
    answers = list_query("", numbers, decimals, items)
    text = _text(home, what, file, sheet)
    wish = {"what": what, "list": text, "dry_run": dry_run, "answers": answers}
    answer = NodeClient(home).post(f"{_path(name)}/lists", json.dumps(wish).encode())
    if as_json:
        print_json(answer)
        return
    verb = "would publish" if dry_run else "published"
    total = answer.get("offers", answer["lines"])
    click.echo(f"{printable(file.name)}: {verb} {answer['published']} of {_lines(total)}.")


@seat.command()
@click.argument("name", required=False)
@json_option
@home_option
def history(*, name: str | None, as_json: bool, home: Path) -> None:
    """List what was published for the seat NAME; without it, for this co-op as a seat."""
    client = NodeClient(home)
    query = {} if name is None else {"seat": _found(client, name)["cid"]}
    lines = client.get("/api/v1/services/pooled_purchasing/seat", query)["lines"]
    if as_json:
        print_json(lines)
    elif lines:
        head = ("entry", "kind", "item", "reference", "agreed by", "sponsor")
        print_table(head, [_line(line) for line in lines])
    else:
        click.echo("Nothing was published so far.")


@seat.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@home_option
def remove(*, name: str, yes: bool, as_json: bool, home: Path) -> None:
    """End the seat NAME and its links. What was published stays, and binds this co-op."""
    if not yes:
        click.confirm(f"End the seat {printable(name)}?", abort=True, err=True)
    ended = NodeClient(home).post(f"{_path(name)}/remove", b"")
    if as_json:
        print_json(ended)
        return
    click.echo(f"{printable(ended['name'])} is no seat of this co-op any more.")


def _require_new(client: NodeClient, name: str) -> None:
    """Refuse a name that is taken before any key is made. Raises Refusal `seat.*`."""
    if not 1 <= len(name) <= 120 or any(ord(c) < 32 or ord(c) == 127 for c in name):
        raise Refusal("seat.name", "expected a name of 1 to 120 characters on one line")
    if any(each["name"] == name for each in client.get(_PATH)["seats"]):
        raise Refusal("seat.exists", f"expected a new name, got {name!r}")


def _keys(folder: Path, name: str, country: str) -> CoopId:
    """Return the id of the keys in a folder, which are made where it has none."""
    if not (folder / CONFIG_FILE).exists():
        wish = HomeWish(country=country, peer_port=8440, local_port=8441, public_address="")
        return make_home(folder, name, wish, err=True).cid
    return fold_key_log(load_key_ops(folder)).cid


def _found(client: NodeClient, name: str) -> Any:
    seats = client.get(_PATH)["seats"]
    found = [each for each in seats if each["name"] == name]
    found = found or [each for each in seats if each["cid"].startswith(name)]
    if len(found) != 1:
        raise Refusal("seat.unknown", f"expected the name of one seat, got {name[:64]!r}")
    return found[0]


def _path(name: str) -> str:
    return f"{_PATH}/{quote(name, safe='')}"


def _plain(name: str) -> str:
    """Return a name as part of a file's."""
    return re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")[:40] or "keys"


def _text(home: Path, what: str, file: Path, sheet: str = "") -> str:
    """Return a workbook or CSV as text that may be kept; say how it was read."""
    path = f"/api/v1/services/pooled_purchasing/read_{what}"
    query = list_query(sheet, "auto", (), ())
    read = NodeClient(home).post(path, read_list_file(file), query)
    tell_notes(read["notes"])
    return str(read["text"])


def _cells(told: Any) -> tuple[str, ...]:
    links = told["links"]
    times = [each["answered_ms"] for each in links if each["answered_ms"] is not None]
    newest = f"{utc(max(times)):%Y-%m-%d %H:%M}" if times else ""
    still = sum(each["state"] == "open" for each in links)
    return (told["name"], told["cid"][:8], told["state"], str(still), str(len(times)), newest)


def _line(line: Any) -> tuple[str, ...]:
    withdrawn = " (withdrawn)" if line["is_withdrawn"] else ""
    how = {"link": "link", "list": "sponsor's word"}.get(line["by"], line["by"])
    item = line["item"] + withdrawn
    return (line["entry"][:8], line["kind"], item, line["ref"], how, line["sponsor"][:8])


def _lines(count: int) -> str:
    return f"{count} line{'' if count == 1 else 's'}"
