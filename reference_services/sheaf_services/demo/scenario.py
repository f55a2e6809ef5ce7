"""What the nodes are given: the built-in story, or a real week and real transport requests."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from geographiclib.geodesic import Geodesic

from sheaf_protocol.errors import Refusal
from sheaf_services.demo.cast import BUYERS, CARRIER, CAST, sheet
from sheaf_services.demo.csv_text import csv_text
from sheaf_services.pooled_purchasing.lists.csv_table import MAX_BYTES as MAX_CSV
from sheaf_services.pooled_purchasing.retail import CURRENCY, Week, read_week
from sheaf_services.shipment_matching.pdptw import MAX_BYTES as MAX_PDPTW
from sheaf_services.shipment_matching.pdptw import parse as parse_pdptw

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sheaf_services.demo.cast import Player

_DAY_MS: Final = 86_400_000
_TUESDAY: Final = 1
_ROADS: Final = 1.35
"""Road over geodesic distance in hill country; British city pairs have 1.21 (mean of sixteen)."""
_METRES_PER_S: Final = 13.0
"""47 km/h: a lorry on single-track and B roads."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """Lists by player key, how pools are opened, and where transport comes from."""

    prices: bytes
    purchases: Mapping[str, bytes]
    pool_options: Mapping[str, str]
    fleet: bytes | None = None
    """A carrier's vehicles as JSON; transport is then asked for by the orders themselves."""
    pdptw: bytes | None = None
    """A file of real requests, instead of that."""
    lines: int = 0
    excluded: int = 0
    starts: int = 4
    """Searches for trips: two find the few drops of the story, real requests need more."""
    has_plot: bool = False
    """Whether the story's three incidents happen: a failed pool, a withdrawal, a false award."""
    notes: tuple[str, ...] = field(default=())


def built_in() -> Scenario:
    """Return the story: feed and fencing for six hill co-ops, delivered on a Tuesday."""
    day_ms = delivery_day_ms()
    window = {"from_ms": day_ms + 6 * 3_600_000, "to_ms": day_ms + 18 * 3_600_000}
    purchases = {player.key: sheet(player.key) for player in BUYERS}
    return Scenario(
        prices=_dated(sheet("prices")),
        purchases=purchases,
        pool_options={
            "k_min": "3",
            "fee_bps": "50",
            "may_close_early": "1",
            **{name: str(value) for name, value in window.items()},
        },
        fleet=_fleet(window),
        lines=sum(len(content.splitlines()) - 1 for content in purchases.values()),
        starts=2,
        has_plot=True,
    )


def delivery_day_ms() -> int:
    """Return the beginning of the Tuesday on which lorries go: in a week at the earliest."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    day = today + timedelta(days=7 + (_TUESDAY - today.weekday()) % 7)
    return int(day.timestamp()) * 1000


def from_files(purchases: Path | None, shipments: Path | None, salt: str) -> Scenario:
    """Return the scenario of a folder of sales lines and a file of transport requests.

    Raises Refusal `import.*`, `pdptw.*`, `demo.no_file`: nothing has started by then.
    """
    pdptw = None
    if shipments is not None:
        pdptw = _read(shipments, MAX_PDPTW)
        parse_pdptw(pdptw)
    if purchases is None:
        return Scenario(prices=b"", purchases={}, pool_options={}, pdptw=pdptw)
    week = read_week(_read_folder(purchases), salt)
    return Scenario(
        prices=_price_list(week),
        purchases=_purchase_lists(week),
        pool_options={"k_min": "1", "may_close_early": "1"},
        pdptw=pdptw,
        lines=week.lines,
        excluded=week.excluded,
        notes=("quantities, prices and buyers are real; maxima are synthetic",),
    )


def _read_folder(folder: Path) -> list[tuple[str, bytes]]:
    paths = sorted(folder.glob("*.csv")) if folder.is_dir() else [folder]
    if not paths:
        raise Refusal("demo.no_file", f"expected CSV files in {folder}, got none")
    return [(path.name, _read(path, MAX_CSV)) for path in paths]


def _read(path: Path, limit: int) -> bytes:
    """Return at most one byte more than the limit, so that no file is ever too much to hold."""
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as exc:
        raise Refusal("demo.no_file", f"expected a readable file at {path}") from exc


def _price_list(week: Week) -> bytes:
    day = _valid_until()
    rows = [
        (market.item.code, market.name, "piece", start, _decimal(price), CURRENCY, day)
        for market in week.items
        for start, price in market.tiers
    ]
    header = ("item", "name", "unit", "min_quantity", "price", "currency", "valid_until")
    return csv_text(header, rows)


def _valid_until() -> str:
    """Return the day until which the wholesaler is bound: a month from now."""
    return (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%d")


def _dated(prices: bytes) -> bytes:
    """Return a price list with the day until which it binds on every line."""
    header, *lines = prices.decode().splitlines()
    day = _valid_until()
    return "\n".join([f"{header},valid_until", *(f"{line},{day}" for line in lines)]).encode()


def _purchase_lists(week: Week) -> dict[str, bytes]:
    """Return one list for each co-op: customer c belongs to co-op c mod 6."""
    rows: defaultdict[str, list[tuple[object, ...]]] = defaultdict(list)
    for market in week.items:
        for wanted in market.wanted:
            demand, price = market.demand(wanted), _decimal(wanted.max_price)
            row = (demand.ref, demand.item.code, market.name, wanted.quantity, "piece", price)
            rows[BUYERS[wanted.coop(len(BUYERS))].key].append((*row, CURRENCY))
    header = ("ref", "item", "name", "quantity", "unit", "max_price", "currency")
    return {key: csv_text(header, lines) for key, lines in sorted(rows.items())}


def _decimal(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


def _fleet(window: Mapping[str, int]) -> bytes:
    fleet: dict[str, Any] = {
        "ref": f"roads-{window['from_ms'] // _DAY_MS}",
        "provider": "geodesic-1.35",
        "places": [{"name": p.name, "lat_udeg": p.lat_udeg, "lon_udeg": p.lon_udeg} for p in CAST],
        "seconds": [_drive_s(origin, target) for origin in CAST for target in CAST],
        "depot": CAST.index(CARRIER),
        "vehicles": 8,
        "vehicle": {"weight_g": 9_500_000},
        "tariff": {"amount": 4_800, "base_s": 3_600, "currency": CURRENCY, "per_trip": 6_000},
        "window": dict(window),
    }
    return json.dumps(fleet).encode()


def _drive_s(origin: Player, target: Player) -> int:
    ends = (origin.lat_udeg, origin.lon_udeg, target.lat_udeg, target.lon_udeg)
    metres: float = Geodesic.WGS84.Inverse(*(udeg / 1e6 for udeg in ends))["s12"]
    return round(metres * _ROADS / _METRES_PER_S)
