"""People who buy together: lists at every node, a supplier's prices, pools that somebody runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from tests.simulation.ledger import CANARY
from tests.simulation.world import Unknown

from sheaf_node.config import CONFIG_FILE
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.simulation.plan import Plan
    from tests.simulation.world import World

NAME: Final = "pooled_purchasing"
SUPPLIER: Final = "hill"
COORDINATOR: Final = "dale"
ITEMS: Final = ("feed", "wire")
_PRICES: Final = """item,name,unit,min_quantity,price,currency,valid_until,max_quantity
feed,Ewe nuts,pcs,1,2.00,EUR,2030-01-01,97
feed,Ewe nuts,pcs,50,1.50,EUR,2030-01-01,
wire,Fencing wire,pcs,1,5.00,EUR,2030-01-01,
wire,Fencing wire,pcs,20,4.20,EUR,2030-01-01,
"""
_PLACE: Final = f"""
[services.{NAME}]
place = {{ lat_udeg = 54000000, lon_udeg = -2000000, name = "{CANARY.decode()}" }}
"""


def furnish(home: Path) -> None:
    """Let a home's orders and answers say where its co-op is: to nobody but the other party."""
    with (home / CONFIG_FILE).open("a") as file:
        file.write(_PLACE)


def begin_pools(world: World, plan: Plan, waiting: set[str]) -> None:
    """Let members send their lists, and the pools close while some of it is still on its way."""
    dice = world.dice("markets")
    span = plan.profile.safety_s
    body = _PRICES.encode()
    least = "1" if dice.random() < 0.7 else ""  # all or nothing
    world.loop.spawn(None, world.insist(SUPPLIER, NAME, "import_prices", body))
    for number in range(plan.ops):
        op = f"list{number}"
        waiting.add(op)
        rows = ["ref,item,quantity,unit,max_price,currency,min_quantity"]
        rows += [
            f"{op}-{at},{item},{dice.randint(5, 60)},pcs,{dice.randint(100, 600) / 100:.2f},EUR,"
            f"{least}"
            for at, item in enumerate(ITEMS)
            if dice.random() < 0.7
        ]
        name = dice.choice(world.names)
        at = 2 + (span * 0.6 - 2) * dice.random()
        world.loop.schedule(
            None, at, world.loop.spawn, None, _buy(world, waiting, op, name, "\n".join(rows))
        )
    waiting.add("pools")
    closes_in_s = dice.randint(10, int(span * 0.7))
    k_min = dice.randint(1, 3)
    rule = world.dice("rule").choice(("one", "several"))
    world.loop.spawn(None, _run_pools(world, waiting, closes_in_s, k_min, rule))


async def _buy(world: World, waiting: set[str], op: str, name: str, rows: str) -> None:
    if "\n" in rows:
        await world.insist(name, NAME, "import_purchases", rows.encode())
    world.trace.note("answer", op, name)
    world.seen["list sent"] += 1
    waiting.discard(op)


async def _run_pools(
    world: World, waiting: set[str], closes_in_s: int, k_min: int, rule: str
) -> None:
    """Open a pool for each item, and wait until it is decided."""
    options = {"closes_in_s": str(closes_in_s), "k_min": str(k_min), "offers": rule}
    while len(await _states(world)) < len(ITEMS):
        await world.insist(COORDINATOR, NAME, "open_pools", **options)
        await asyncio.sleep(2)
    while not set(states := await _states(world)) <= {"awarded", "lapsed"}:  # noqa: ASYNC110
        await asyncio.sleep(4)
    while not await _is_ordered(world):  # noqa: ASYNC110
        await asyncio.sleep(4)
    for state in states:
        world.seen[f"pool {state}"] += 1
        world.seen[f"pool {state} by {rule}"] += 1
    world.trace.note("answer", "pools", *states)
    waiting.discard("pools")


async def _states(world: World) -> list[str]:
    try:
        shown = await world.view(COORDINATOR, NAME, "report")
    except (Unknown, Refusal):
        return []
    return [pool["state"] for pool in shown["pools"]]


async def _is_ordered(world: World) -> bool:
    """Return whether every buyer has ordered what it was awarded, and each order was answered."""
    for name in world.names:
        try:
            shown = await world.view(name, NAME, "report")
        except (Unknown, Refusal):
            return False
        answered = shown["orders_accepted"] + shown["orders_refused"]
        served = sum(line["state"] == "served" for line in shown["lines"])
        if shown["orders_owed"] or answered < shown["orders"] or served > shown["orders"]:
            return False
    return True
