"""`sheaf treaty`: what may cross into another federation, decided by votes in both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sheaf_node.charter_file import read_file, write_file
from sheaf_node.cli.output import print_json
from sheaf_node.cli.proposing import Said, proposing
from sheaf_node.cli.treaty_draft import (
    Party,
    TreatyFile,
    draft_treaty,
    expires_at,
    find_coops,
    fit,
    party_in,
    party_lines,
    read_maps,
    read_treaty_file,
    require_bridges,
    treaty_lines,
    turned,
)
from sheaf_node.cli.treaty_level import Bridging, allow, ask, end, limit, list_, pause, show
from sheaf_protocol.codec import encode
from sheaf_protocol.errors import Refusal
from sheaf_protocol.treaty import Direction, require_readable, treaty_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sheaf_node.cli.governance import Asked
    from sheaf_protocol.treaty import Treaty

FILE = click.Path(path_type=Path, dir_okay=False)
_YEAR: Final = 365


@click.group()
def treaty() -> None:
    """Agree with another federation on what may cross, and let less cross."""


for _command in (allow, ask, end, limit, list_, pause, show):
    treaty.add_command(_command)


@treaty.command()
@click.option("--with", "partner", required=True, help="Charter file of the other, or its id.")
@click.option("--bridge", "bridges", multiple=True, required=True, help="Member of both.")
@click.option("--kinds", required=True, help="Kinds of entries that may cross, with commas.")
@click.option("--kinds-in", help="Those that may come in, where they differ.")
@click.option("--per-day", type=click.IntRange(0), default=100, show_default=True)
@click.option("--per-day-in", type=click.IntRange(0), help="Those that come in, where they differ.")
@click.option("--hops", type=click.IntRange(1, 3), default=1, show_default=True)
@click.option("--category", "categories", multiple=True, help="Of items that may leave.")
@click.option("--category-in", "categories_in", multiple=True, help="Of items that may come in.")
@click.option("--region", "regions", multiple=True, help="Zone that may leave.")
@click.option("--region-in", "regions_in", multiple=True, help="Zone that may come in.")
@click.option("--remove", "removed", multiple=True, help="Key that is not shown beyond.")
@click.option("--map", "maps", multiple=True, metavar="FIELD:OURS=THEIRS", help="Another name.")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="Last day (in a year).")
@click.option("--out", type=FILE, help="Write the treaty here, for the other federation.")
@click.option("--dry-run", is_flag=True, help="Show the treaty and propose nothing.")
@click.option("--yes", is_flag=True, help="Do not ask about the other federation.")
@proposing
def propose(
    *,
    partner: str,
    bridges: tuple[str, ...],
    kinds: str,
    kinds_in: str | None,
    per_day: int,
    per_day_in: int | None,
    hops: int,
    categories: tuple[str, ...],
    categories_in: tuple[str, ...],
    regions: tuple[str, ...],
    regions_in: tuple[str, ...],
    removed: tuple[str, ...],
    maps: tuple[str, ...],
    expires: datetime | None,
    out: Path | None,
    dry_run: bool,
    yes: bool,
    said: Said,
) -> None:
    """Draft a treaty and propose it here; the file it writes is for `sheaf treaty accept` there.

    Both directions are alike but where an option with `-in` says otherwise. The first bridge acts,
    the others stand by.
    """
    ours, theirs = own_party(said.asked), _partner(partner, said)
    cids = find_coops(ours, bridges)
    require_bridges(cids, ours, theirs)
    ids = read_maps(maps)
    kept: dict[str, Any] = {"hops": hops, "removed": sorted(set(removed))}
    out_way = {"kinds": _listed(kinds), "per_day": per_day, "ids": ids}
    places = {"categories": sorted(set(categories)), "regions": sorted(set(regions))}
    in_way = {
        "kinds": _listed(kinds if kinds_in is None else kinds_in),
        "per_day": per_day if per_day_in is None else per_day_in,
        "ids": turned(ids),
        "categories": sorted(set(categories_in)),
        "regions": sorted(set(regions_in)),
    }
    made = draft_treaty(
        (ours.fid, theirs.fid),
        (fit({**kept, **out_way, **places}, Direction), fit({**kept, **in_way}, Direction)),
        bridges=cids,
        expires_ms=expires_at(expires, _YEAR),
        title=said.title or f"{ours.name} and {theirs.name}",
    )
    require_readable(made)
    if not _confirmed(made, ours, theirs, is_asked=not (yes or dry_run), as_json=said.as_json):
        return
    if dry_run:
        _shown(made, encode(made), said)
        return
    _open_ballot(encode(made), said)
    path = out or Path(f"{treaty_id(encode(made)).hex()[:8]}.treaty")
    write_file(path, encode(TreatyFile(body=encode(made), charter=said.asked.charter_file())))
    message = f"Treaty written to {path}, for `sheaf treaty accept` there."
    click.echo(message, err=said.as_json)


@treaty.command()
@click.argument("file", type=FILE)
@click.option("--dry-run", is_flag=True, help="Show the treaty and propose nothing.")
@click.option("--yes", is_flag=True, help="Do not ask about the other federation.")
@proposing
def accept(
    *,
    file: Path,
    dry_run: bool,
    yes: bool,
    said: Said,
) -> None:
    """Propose here the treaty that another federation voted on, from its FILE."""
    current, made, theirs = read_treaty_file(file)
    ours = own_party(said.asked)
    if {each.hex() for each in made.parties} != {ours.fid, theirs.fid}:
        detail = f"expected a treaty between {ours.name} and {theirs.name}, which sent it"
        raise Refusal("treaty.parties", detail)
    require_bridges([cid.hex() for cid in made.bridges], ours, theirs)
    require_readable(made)
    if not _confirmed(made, ours, theirs, is_asked=not (yes or dry_run), as_json=said.as_json):
        return
    if dry_run:
        _shown(made, current.body, said)
        return
    _open_ballot(current.body, said)


def own_party(asked: Asked) -> Party:
    """Return our federation, as the running node has it."""
    charter = asked.view("charter")
    return Party(fid=charter["fid"], name=charter["name"], members=charter["members"])


def _partner(text: str, said: Said) -> Party:
    """Return the other federation: of a charter file, or of an id that our node knows."""
    if Path(text).is_file():
        return party_in(read_file(Path(text)))
    known = Bridging(said.home, said.fid).view("partners")["federations"]
    found = [each for each in known if text and each["fid"].startswith(text.lower())]
    if len(found) != 1:
        detail = "expected a charter file, or the start of the id of a federation that is known"
        raise Refusal("treaty.parties", f"{detail} here, got {text[:80]!r}: {len(found)} fit")
    one = found[0]
    return Party(fid=one["fid"], name=one["name"], members=one["members"])


def _confirmed(made: Treaty, ours: Party, theirs: Party, *, is_asked: bool, as_json: bool) -> bool:
    for line in (*party_lines(theirs), *treaty_lines(made, ours.fid, theirs)):
        click.echo(line, err=as_json)
    return not is_asked or click.confirm("Do people there read you the same?", err=True)


def _shown(made: Treaty, body: bytes, said: Said) -> None:
    if said.as_json:
        print_json({"id": treaty_id(body).hex(), "title": made.title, "body": body.hex()})
    else:
        click.echo(f"Treaty {treaty_id(body).hex()[:8]}; nothing was proposed.")


def _open_ballot(body: bytes, said: Said) -> None:
    # The ballot is named by its treaty, which may have been given a title.
    said.propose({"action": "treaty", "treaty": body.hex(), "title": ""})


def _listed(text: str) -> Sequence[str]:
    return sorted({each.strip() for each in text.split(",") if each.strip()})
