"""`sheaf draft`: what is prepared and not signed yet, by this co-op's people or its seats."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sheaf_node.cli.client import MATCH, NodeClient
from sheaf_node.cli.invite import milliseconds
from sheaf_node.cli.list_words import (
    decimal_option,
    item_option,
    numbers_option,
    tell_preview,
    write_file,
)
from sheaf_node.cli.output import home_option, json_option, print_json, print_table, printable, utc
from sheaf_node.cli.seat import tell_link

if TYPE_CHECKING:
    from collections.abc import Sequence

_PATH: Final = "/api/v1/drafts"


@click.group()
def draft() -> None:
    """Look at drafts, and publish them or not. The node must run.

    DRAFT is the first digits of an id that `list` shows. `sheaf needs import .. --draft NAME` makes
    one.
    """


@draft.command("list")
@json_option
@home_option
def list_(*, as_json: bool, home: Path) -> None:
    """List the drafts, who made them, and whether they can be published."""
    rows = NodeClient(home).get(_PATH)["drafts"]
    if as_json:
        print_json(rows)
    elif rows:
        head = ("draft", "state", "what", "lines", "to mend", "changed (UTC)", "by", "name")
        print_table(head, map(_cells, rows))
    else:
        click.echo("No draft: `sheaf needs import FILE --draft NAME` makes one.")


@draft.command()
@click.argument("draft_id", metavar="DRAFT")
@json_option
@home_option
def show(*, draft_id: str, as_json: bool, home: Path) -> None:
    """Print the lines of DRAFT and what is wrong with them."""
    _tell(NodeClient(home).get(_path(draft_id)), as_json=as_json)


@draft.command()
@click.argument("draft_id", metavar="DRAFT")
@json_option
@home_option
def check(*, draft_id: str, as_json: bool, home: Path) -> None:
    """Look at DRAFT anew: what was right may have become late. Nothing is published."""
    _tell(NodeClient(home).post(f"{_path(draft_id)}/check", b""), as_json=as_json)


@draft.command()
@click.argument("draft_id", metavar="DRAFT")
@click.option(
    "--seen", help="Tag that `show` printed: refused where it changed since. No question."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@home_option
def publish(*, draft_id: str, seen: str | None, yes: bool, as_json: bool, home: Path) -> None:
    """Publish all lines of DRAFT or none, signed by this co-op, and forget the draft."""
    client = NodeClient(home)
    found = client.get(_path(draft_id))
    if seen is None and not yes:
        _print(found)
        click.confirm("Publish these lines?", abort=True, err=True)
    tag = found["etag"] if seen is None else f'"{seen}"'
    done = client.post(f"{_PATH}/{found['id']}/publish", b"", more={MATCH: tag})
    if as_json:
        print_json(done)
        return
    known = f", {done['known']} were published before" if done["known"] else ""
    click.echo(f"{printable(done['name'])}: published {done['published']}{known}.")


@draft.command()
@click.argument("draft_id", metavar="DRAFT")
@numbers_option
@decimal_option
@item_option
@json_option
@home_option
def answer(
    *,
    draft_id: str,
    numbers: str,
    decimals: Sequence[str],
    items: Sequence[str],
    as_json: bool,
    home: Path,
) -> None:
    """Say what numbers of DRAFT mean, and which items its names are. Nothing is published."""
    client = NodeClient(home)
    found = client.get(_path(draft_id))
    kept = dict(found["answers"])
    if numbers != "auto":
        kept["numbers"] = numbers
    kept["decimal"] = ",".join(filter(None, [kept.get("decimal"), *decimals]))
    kept["items"] = ",".join(filter(None, [kept.get("items"), *items]))
    body = {"name": found["name"], "what": found["what"], "list": found["list"], "answers": kept}
    _tell(
        client.put(f"{_PATH}/{found['id']}", json.dumps(body).encode(), {MATCH: found["etag"]}),
        as_json=as_json,
    )


@draft.command()
@click.argument("draft_id", metavar="DRAFT")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
@home_option
def problems(*, draft_id: str, out: Path, home: Path) -> None:
    """Write the lines of DRAFT that are wrong to a new CSV file, to be mended and imported."""
    write_file(out, bytes(NodeClient(home).get_bytes(f"{_path(draft_id)}/problems")))
    click.echo(f"Wrote {printable(str(out))}.")


@draft.command("return")
@click.argument("draft_id", metavar="DRAFT")
@click.argument("word")
@click.option(
    "--expires", default="7d", callback=milliseconds, show_default=True, help="Valid so long."
)
@json_option
@home_option
def return_(*, draft_id: str, word: str, expires: int, as_json: bool, home: Path) -> None:
    """Send DRAFT back to its seat with a WORD, and print the link to send along."""
    client = NodeClient(home)
    found = client.get(_path(draft_id))
    body = json.dumps({"word": word, "expires_in_ms": expires}).encode()
    made = client.post(f"{_PATH}/{found['id']}/return", body, more={MATCH: found["etag"]})
    if as_json:
        print_json(made)
        return
    click.echo(f"The draft is with {printable(found['seat']['name'])} again.")
    tell_link(made)


@draft.command()
@click.argument("draft_id", metavar="DRAFT")
@click.option("--yes", is_flag=True, help="Do not ask.")
@home_option
def remove(*, draft_id: str, yes: bool, home: Path) -> None:
    """Forget DRAFT. Nothing of it is published."""
    client = NodeClient(home)
    found = client.get(_path(draft_id))
    if not yes:
        click.confirm(f"Forget the draft {printable(found['name'])}?", abort=True, err=True)
    client.delete(f"{_PATH}/{found['id']}", more={MATCH: found["etag"]})
    click.echo(f"Forgot the draft {printable(found['name'])}.")


def tell_made(made: Any) -> None:
    """Print what became of a list that was kept as a draft."""
    click.echo(f"{printable(made['name'])} is draft {made['id'][:8]}: {made['lines']} lines.")
    _print_lines({**made, "rows": []})
    if made["state"] == "ready":
        click.echo(f"`sheaf draft publish {made['id'][:8]}` publishes it.")


def _tell(found: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    _print(found)
    click.echo(f"Tag {found['etag'].strip(chr(34))}")


def _print(found: Any) -> None:
    seat = found["seat"]
    of = f" of {found['seat']['name']}, as agreed by {seat['by']}" if seat else ""
    click.echo(printable(f"{found['name']}: {found['what']}{of}, {found['state']}"))
    for number, each in enumerate(found["records"] if not found["rows"] else (), start=1):
        click.echo(printable(f"{number}  {each['kind']}  {json.dumps(each['record'])}"))
    for note in found["notes"]:
        click.echo(f"  {printable(note['message'])}")
    _print_lines(found)


def _print_lines(found: Any) -> None:
    wrong = f"{found['faulty']} of {found['lines']} lines are to be mended first."
    tell_preview(found, wrong)
    if found["questions"] or found["matches"]:
        click.echo(f"`sheaf draft answer {found['id'][:8]}` settles what is asked.")


def _path(draft_id: str) -> str:
    if re.fullmatch(r"[0-9a-f]{1,16}", draft_id) is None:
        raise click.UsageError(f"expected the digits that `list` shows, got {draft_id[:64]!r}")
    return f"{_PATH}/{draft_id}"


def _cells(row: Any) -> tuple[str, ...]:
    maker = row["made_by"]
    by = maker["sort"] if not maker["name"] else f"{maker['sort']} {maker['name']}"
    when = utc(row["changed_ms"]).strftime("%Y-%m-%d %H:%M")
    counts = (str(row["lines"]), str(row["faulty"] or ""))
    return (row["id"][:8], row["state"], row["what"], *counts, when, by, row["name"])
