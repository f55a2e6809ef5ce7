"""The demo's outcome for a manager: money, item names and dates."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sheaf_services.demo.cast import CARRIER
from sheaf_services.demo.story import WITHDRAWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sheaf_services.demo.scenario import Scenario

_REASONS: Final = {
    "pool.too_few": "fewer than three co-ops want it, so nobody is bound",
    "pool.no_tier": "nobody's maximum reaches a price that the total earns",
    "pool.no_demand": "nobody wants it",
    "pool.no_offer": "nobody offers it",
}


def render(outcome: dict[str, Any], scenario: Scenario, pools: Sequence[dict[str, Any]]) -> str:
    """Return the summary as text of at most 100 columns."""
    parts = [_headline(outcome)]
    if scenario.has_plot:
        parts.append(_pools(pools, scenario))
        parts.append(_dates(outcome, scenario) + "\n" + _incidents(outcome))
    parts.append(_coops(outcome, scenario))
    parts.append(_footer(outcome, scenario))
    return "\n\n".join(parts)


def _headline(outcome: dict[str, Any]) -> str:
    p, s = outcome["purchasing"], outcome["shipments"]
    shipped = f"; {s['requests']} deliveries on {s['trips']} trips" if s["requests"] else ""
    return (
        f"{outcome['coops']} co-ops on {outcome['nodes']} nodes: {p['demands']} lines wanted,"
        f" {p['served_pooled']} bought together ({p['served_alone']} could be bought alone),"
        f"\n{p['awards']} awards{shipped}."
    )


def _pools(pools: Sequence[dict[str, Any]], scenario: Scenario) -> str:
    """Return what each pool bought: the price alone, the price together, and the goods."""
    alone = _list_prices(scenario.prices)
    rows = [("Pool", "units", "list", "together", "goods")]
    for pool in pools:
        outcome, listed = pool["outcome"], alone[pool["item"]]
        if outcome["awarded"]:
            each = outcome["amount_minor"] // outcome["units"]
            goods = _money(outcome["amount_minor"])
            rows.append((pool["title"], str(outcome["units"]), listed, _money(each), goods))
        else:
            rows.append((pool["title"], "-", listed, "no award", "-"))
    return _columns(rows)


def _list_prices(prices: bytes) -> dict[str, str]:
    """Return each item's price from one piece on."""
    rows = csv.DictReader(io.StringIO(prices.decode()))
    return {row["item"]: row["price"] for row in rows if row["min_quantity"] == "1"}


def _dates(outcome: dict[str, Any], scenario: Scenario) -> str:
    """Return when the pools closed and when the goods come."""
    closed = datetime.now(UTC).strftime("%a %d %b %Y")
    delivery_ms = int(scenario.pool_options["from_ms"])
    day = datetime.fromtimestamp(delivery_ms / 1000, UTC).strftime("%a %d %b %Y")
    trips = outcome["shipments"]["trips"]
    return f"Pools closed {closed}. Delivery {day} on {trips} lorries of {CARRIER.name}."


def _incidents(outcome: dict[str, Any]) -> str:
    told = outcome["incidents"]
    lines = [
        f"Not awarded: {lapse['item']} - {_REASONS.get(lapse['reason'], lapse['reason'])}."
        for lapse in told["lapsed"]
    ]
    lines.append(f"Withdrawn before closing: {WITHDRAWN[1]} of {WITHDRAWN[0].capitalize()}.")
    refused = told.get("false_award_refused_by", {})
    codes = ", ".join(sorted(set(refused.values())))
    lines.append(
        f"A second award, one penny dearer, was published: refused by {len(refused)} of"
        f" {outcome['nodes']} nodes ({codes})."
    )
    return "\n".join(lines)


def _coops(outcome: dict[str, Any], scenario: Scenario) -> str:
    """Return the table per co-op; carriage is money where the story says so, else minutes."""
    is_money = scenario.fleet is not None
    header = ["Co-op", "alone", "goods", "fee", "carriage", "total", "saved", "unserved"]
    rows: list[list[str]] = [header]
    totals = [0] * 6
    for coop in outcome["per_coop"]:
        carriage, own = coop["carriage"], coop["carriage_alone"]
        alone = coop["alone_minor"] + (own if is_money else 0)
        total = coop["goods_minor"] + coop["fee_minor"] + (carriage if is_money else 0)
        numbers = [alone, coop["goods_minor"], coop["fee_minor"], carriage, total, alone - total]
        totals = [a + b for a, b in zip(totals, numbers, strict=True)]
        rows.append([coop["name"], *_cells(numbers, is_money), str(coop["unserved"])])
    unserved = str(sum(coop["unserved"] for coop in outcome["per_coop"]))
    rows.append(["Together", *_cells(totals, is_money), unserved])
    if not outcome["shipments"]["requests"]:
        rows = [[cell for i, cell in enumerate(row) if header[i] != "carriage"] for row in rows]
    return _columns(rows)


def _cells(numbers: Sequence[int], is_money: bool) -> list[str]:
    cells = [_money(number) for number in numbers]
    if not is_money:
        cells[3] = f"{numbers[3]} min"
    return cells


def _footer(outcome: dict[str, Any], scenario: Scenario) -> str:
    what = "the same goods at the price that each buyer gets by itself"
    lines = [
        "Amounts in pounds.",
        f"alone: {what}{', and own lorries' if scenario.fleet is not None else ''}.",
        "unserved: lines whose maximum is below the price that their pool earned, or that no pool"
        " could serve.",
    ]
    lines += [f"Note: {note}." for note in scenario.notes]
    checked = outcome["purchasing"]["verified_by"]
    if checked:
        lines.append(_checked(min(checked.values()), outcome["purchasing"]["awards"]))
    cpu = f" {outcome['cpu_s']:.0f} CPU s," if "cpu_s" in outcome else ""
    memory = f"{outcome['peak_pss_mb']:.0f} MB in all processes together"
    lines.append(f"{outcome['wall_s']:.0f} s,{cpu} {memory}.")
    return "\n".join(lines)


def _checked(least: int, awards: int) -> str:
    if least == awards:
        return f"Each node checked all {awards} awards itself and found them right."
    return f"At least one node found only {least} of {awards} awards right."


def _money(minor: int) -> str:
    sign = "-" if minor < 0 else ""
    return f"{sign}{abs(minor) // 100:,}.{abs(minor) % 100:02d}"


def _columns(rows: Iterable[Sequence[str]]) -> str:
    """Return rows with the first column left and the others right aligned."""
    table = [list(row) for row in rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = []
    for row in table:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells))
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
