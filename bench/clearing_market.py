"""Markets for `clearing.py`: drawn from a seed, read from a file, or of a real week's sales.

A market file is JSON, so that others can bring their own; money in minor units, all numbers whole:

    {"currency": "GBP", "pools": [{
        "item": "feed", "reference": [1200, 1], "fee_bps": 0,
        "demands": [{"coop": "hill", "quantity": 40, "min_quantity": 1, "max_price": [1150, 1]}],
        "offers": [{"supplier": "mill", "base": 1, "tiers": [[1, 1180], [500, 1100]],
                    "max_quantity": 2000, "min_quantity": 1, "pack": 1, "carriage": 0}]}]}

A price is [amount, base]; `fee_bps`, `min_quantity`, `pack`, `max_quantity` and `carriage` may be
left out.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Final

from sheaf_protocol.clearing import MIX, SEVERAL_OFFERS, Case
from sheaf_protocol.digest import CoopId, EntryId, WriterId, digest
from sheaf_protocol.records import Demand, Item, Offer, PoolOpen, Price, Tier
from sheaf_protocol.records.offer import Carriage
from sheaf_services.pooled_purchasing.retail import read_week

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

ZONE: Final = "GB"
TIERS: Final = 4
STEEP: Final = {"depth": 0.35, "breaks": (0.10, 0.85), "capacity": 3.0}
NORMAL: Final = {"depth": 0.15, "breaks": (0.05, 0.50), "capacity": 1.5}
"""How deep the last tier is below the first, where tiers begin as shares of an offer's capacity,
and how much all offers for an item have together, as a multiple of what is wanted."""


def drawn(seed: int, demands: int, offers: int, kind: Mapping[str, Any]) -> dict[str, Any]:
    """Return a market of one item for each five offers, as a market file has it."""
    rng, items = random.Random(seed), max(1, offers // 5)  # noqa: S311  # no secret is drawn
    pools = [_pool(rng, number, demands // items, offers // items, kind) for number in range(items)]
    return {"currency": "GBP", "pools": pools}


def cases(market: Mapping[str, Any]) -> Iterator[Case]:
    """Yield the pools of a market file as they are cleared."""
    for pool in market["pools"]:
        yield _case(pool, market["currency"])


def week(folder: Path) -> dict[str, Any]:
    """Return a real week with two wholesalers for each item, who sold it in one half of it each.

    Both have the tiers of their days, and half of the units that were sold on them.
    """
    files = [(path.name, path.read_bytes()) for path in sorted(folder.glob("*.csv"))]
    halves = [read_week(half, is_tiered=False) for half in (files[:3], files[3:])]
    pools: dict[str, dict[str, Any]] = {}
    for item in read_week(files).items:
        pools[item.code] = {
            "item": item.item.code,
            "reference": [item.tiers[0][1], 1],
            "demands": [
                {"coop": each.customer, "quantity": each.quantity, "max_price": [each.max_price, 1]}
                for each in item.wanted
            ],
            "offers": [],
        }
    for number, half in enumerate(halves):
        for item in half.items:
            sold = sum(each.quantity for each in item.wanted)
            if item.code in pools and sold > 1:
                pools[item.code]["offers"].append(
                    {
                        "supplier": f"wholesaler-{number}",
                        "base": 1,
                        "tiers": [list(tier) for tier in item.tiers],
                        "max_quantity": sold // 2,
                    }
                )
    return {"currency": "GBP", "pools": [pool for pool in pools.values() if pool["offers"]]}


def _pool(
    rng: random.Random, number: int, demands: int, offers: int, kind: Mapping[str, Any]
) -> dict[str, Any]:
    reference = rng.randrange(500, 20_000)
    wanted: list[dict[str, Any]] = [
        {
            "coop": f"coop-{at}",
            "quantity": rng.randrange(1, 100),
            "max_price": [rng.randint(reference * 80 // 100, reference), 1],
        }
        for at in range(demands)
    ]
    total = sum(each["quantity"] for each in wanted)
    share = kind["capacity"] * total / offers
    return {
        "item": f"item-{number}",
        "reference": [reference, 1],
        "demands": wanted,
        "offers": [_offer(rng, at, reference, share, kind) for at in range(offers)],
    }


def _offer(
    rng: random.Random, number: int, reference: int, share: float, kind: Mapping[str, Any]
) -> dict[str, Any]:
    capacity = max(TIERS * 2, int(share * rng.uniform(0.5, 1.5)))
    low, high = kind["breaks"]
    starts = sorted(
        {1, *(max(2, int(capacity * rng.uniform(low, high))) for _ in range(TIERS - 1))}
    )
    first = reference * rng.randrange(92, 101) // 100
    tiers: list[list[int]] = []
    for tier, start in enumerate(starts):
        price = int(first * (1 - kind["depth"] * tier / (TIERS - 1) * rng.uniform(0.9, 1.0)))
        if not tiers or price < tiers[-1][1]:
            tiers.append([start, price])
    return {
        "supplier": f"supplier-{number}",
        "base": 1,
        "tiers": tiers,
        "max_quantity": capacity,
    }


def _case(pool: Mapping[str, Any], currency: str) -> Case:
    item = Item(code=pool["item"], name=pool["item"], scale=0, unit="H87")
    opening = PoolOpen(
        closes_at_ms=1,
        fee_bps=pool.get("fee_bps", 0),
        item=item,
        k_min=1,
        may_close_early=True,
        mode="open",
        objective=SEVERAL_OFFERS,
        owner=WriterId(digest("bench-owner", b"")),
        ration=MIX,
        reference=_price(pool["reference"], currency),
        title=item.name,
        zone=ZONE,
    )
    demands = {
        _id(item, "demand", at): (_coop(each["coop"]), _demand(each, item, currency, at))
        for at, each in enumerate(pool["demands"])
    }
    offers = {
        _id(item, "offer", at): _offered(each, item, currency, at)
        for at, each in enumerate(pool["offers"])
    }
    return Case(
        id=_id(item, "pool", 0),
        pool=opening,
        demands=dict(sorted(demands.items())),
        offers=dict(sorted(offers.items())),
    )


def _demand(each: Mapping[str, Any], item: Item, currency: str, at: int) -> Demand:
    return Demand(
        is_firm=True,
        item=item,
        max_price=_price(each["max_price"], currency),
        min_quantity=each.get("min_quantity", 1),
        quantity=each["quantity"],
        ref=f"line-{at}",
        zone=ZONE,
    )


def _offered(each: Mapping[str, Any], item: Item, currency: str, at: int) -> Offer:
    optional = {
        name: each[name] for name in ("max_quantity", "min_quantity", "pack") if name in each
    }
    if each.get("carriage"):
        optional["carriage"] = [Carriage(amount=each["carriage"], zone=ZONE)]
    return Offer(
        base=each["base"],
        currency=currency,
        item=item,
        ref=f"offer-{at}",
        tier_basis="all_units",
        tiers=[Tier(amount=amount, from_quantity=start) for start, amount in each["tiers"]],
        valid_until_ms=1,
        **optional,
    )


def _price(pair: Sequence[int], currency: str) -> Price:
    return Price(amount=pair[0], base=pair[1], currency=currency)


def _coop(name: str) -> CoopId:
    return CoopId(digest("bench-coop", name.encode()))


def _id(item: Item, what: str, at: int) -> EntryId:
    return EntryId(digest("bench-entry", f"{item.code} {what} {at}".encode()))


def read_market(path: Path) -> dict[str, Any]:
    """Return the market of a file."""
    market: dict[str, Any] = json.loads(path.read_text())
    return market
