"""`sheaf offers`: what this co-op sells, from a price list to what its offers won."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sheaf_node.cli.amounts import money, quantity, unit_price
from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.import_ import keep_draft, publish_list, tell_published
from sheaf_node.cli.list_words import list_options, list_query, read_list_file
from sheaf_node.cli.output import home_option, json_option, print_json, print_table, utc
from sheaf_node.cli.pools import SERVICE, tell_withdrawn
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD: Final = ("your offer", "item", "state", "until", "prices from", "won", "goods")


@click.group()
def offers() -> None:
    """Publish a price list, show what the offers won, take one back; for suppliers."""


@offers.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Check the file and publish nothing.")
@click.option("--draft", "name", help="Keep it as a draft of this name and publish nothing.")
@list_options
@json_option
@home_option
def import_(
    *,
    file: Path,
    dry_run: bool,
    name: str | None,
    sheet: str,
    numbers: str,
    decimals: Sequence[str],
    items: Sequence[str],
    as_json: bool,
    home: Path,
) -> None:
    """Publish the offers of FILE, a price list.

    It is a workbook (.xlsx) or CSV, and the lines of one item are one offer. The same list sent
    again publishes nothing; an offer changed under its reference replaces the one before.
    """
    if name is not None and dry_run:
        raise click.UsageError("--draft is without --dry-run: a draft is shown by `sheaf draft`")
    query = list_query(sheet, numbers, decimals, items)
    if name is not None:
        keep_draft(home, name, "prices", read_list_file(file), query, as_json=as_json)
        return
    options = ({"dry_run": "1"} if dry_run else {}) | query
    answer, is_running = publish_list(home, "prices", read_list_file(file), options)
    tell_published(file, answer, is_running=is_running, is_dry=dry_run, as_json=as_json)


@offers.command("list")
@json_option
@home_option
def list_(*, as_json: bool, home: Path) -> None:
    """List the offers of this co-op and what they won."""
    found = _offers(home)
    if as_json:
        print_json(found)
    elif found:
        print_table(_HEAD, map(_cells, found))
    else:
        click.echo("No offers of this co-op: `sheaf offers import FILE` publishes them.")


@offers.command()
@click.argument("ref")
@json_option
@home_option
def show(*, ref: str, as_json: bool, home: Path) -> None:
    """Show the offer REF: each price, what limits it, and what it won."""
    found = next((offer for offer in _offers(home) if offer["ref"] == ref), None)
    if found is None:
        raise Refusal("offer.unknown", f"expected the reference of an own offer, got {ref[:64]!r}")
    if as_json:
        print_json(found)
        return
    print_table(_HEAD, [_cells(found)])
    for tier in found["tiers"]:
        start = quantity(tier["from_quantity"], found)
        click.echo(f"  from {start}: {unit_price(tier['price'], found)}")
    for name, words in (
        ("min_quantity", "delivers no less than"),
        ("pack", "delivers multiples of"),
        ("max_quantity", "delivers at most"),
    ):
        if found[name] is not None:
            click.echo(f"  {words} {quantity(found[name], found)}")


@offers.command()
@click.argument("ref")
@json_option
@home_option
def withdraw(*, ref: str, as_json: bool, home: Path) -> None:
    """Take back the offer REF, as `list` names it. Pools closed before keep it."""
    answer = NodeClient(home).post(f"{SERVICE}/withdraw_offer", b"", {"ref": ref})
    tell_withdrawn(answer, as_json=as_json)


def _offers(home: Path) -> list[Any]:
    found: list[Any] = NodeClient(home).get(f"{SERVICE}/offers")["offers"]
    return found


def _cells(offer: Any) -> Sequence[str]:
    won = quantity(offer["sold"], offer) if offer["awards"] else "-"
    goods = money(offer["goods_minor"], offer) if offer["awards"] else "-"
    until = f"{utc(offer['valid_until_ms']):%Y-%m-%d}"
    price = unit_price(offer["tiers"][-1]["price"], offer)
    return offer["ref"], offer["item"], offer["state"], until, price, won, goods
