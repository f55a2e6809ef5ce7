"""The demo's outcome for a manager: money, item names and dates."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

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
        parts.append(_pools(pools))
        parts.append(_incidents(outcome))
    parts.append(_coops(outcome, scenario))
    parts.append(_footer(outcome, scenario))
    return "\n\n".join(parts)


def _headline(outcome: dict[str, Any]) -> str:
    p, s = outcome["purchasing"], outcome["shipments"]
    return (
        f"{outcome['coops']} co-ops on {outcome['nodes']} nodes: {p['demands']} lines wanted,"
        f" {p['served_pooled']} bought together ({p['served_alone']} could be bought alone),"
        f"\n{p['awards']} awards; {s['requests']} deliveries on {s['trips']} trips."
    )


def _pools(pools: Sequence[dict[str, Any]]) -> str:
    rows = [("Pool", "closed", "units", "price break", "goods")]
    for pool in pools:
        closed = datetime.now(UTC).strftime("%d %b %Y")
        outcome = pool["outcome"]
        if outcome["awarded"]:
            tier = "list price" if outcome["tier"] == 0 else f"break {outcome['tier']}"
            goods = _money(outcome["amount_minor"])
            rows.append((pool["title"], closed, str(outcome["units"]), tier, goods))
        else:
            rows.append((pool["title"], closed, "-", "no award", "-"))
    return _columns(rows)


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
    header = ("Co-op", "alone", "goods", "fee", "carriage", "total", "saved", "unserved")
    rows: list[tuple[str, ...]] = [header]
    totals = [0] * 6
    for coop in outcome["per_coop"]:
        carriage, own = coop["carriage"], coop["carriage_alone"]
        alone = coop["alone_minor"] + (own if is_money else 0)
        total = coop["goods_minor"] + coop["fee_minor"] + (carriage if is_money else 0)
        numbers = [alone, coop["goods_minor"], coop["fee_minor"], carriage, total, alone - total]
        totals = [a + b for a, b in zip(totals, numbers, strict=True)]
        rows.append((coop["name"], *_cells(numbers, is_money), str(coop["unserved"])))
    unserved = str(sum(coop["unserved"] for coop in outcome["per_coop"]))
    rows.append(("Together", *_cells(totals, is_money), unserved))
    return _columns(rows)


def _cells(numbers: Sequence[int], is_money: bool) -> list[str]:
    cells = [_money(number) for number in numbers]
    if not is_money:
        cells[3] = f"{numbers[3]} min"
    return cells


def _footer(outcome: dict[str, Any], scenario: Scenario) -> str:
    lines = ["alone: the same goods at the price each buyer gets by itself, and own trips."]
    if scenario.fleet is None:
        lines = ["alone: the same goods at the price each buyer gets by itself."]
    lines += [f"Note: {note}." for note in scenario.notes]
    checked = outcome["purchasing"]["verified_by"]
    if checked:
        lines.append(
            f"Every node checked every award itself: {min(checked.values())} of"
            f" {outcome['purchasing']['awards']} found right by the least of them."
        )
    lines.append(
        f"{outcome['wall_s']:.0f} s, {outcome['cpu_s']:.0f} CPU s,"
        f" {outcome['peak_pss_mb']:.0f} MB in all processes together."
    )
    return "\n".join(lines)


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
