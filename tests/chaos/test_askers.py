"""Fifty askers at once, over HTTP and to real processes: as much is granted as there is."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from tests.chaos.api import eventually, new_key
from tests.chaos.history import Outcome, Scarce, Shown
from tests.chaos.run import HEAL_S, checked, started
from tests.chaos.workload import LONG_MS, hold_name, publish_capacity

from sheaf_protocol.digest import digest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.town import Town, TownNode

ASKERS = 50
VEHICLES = 7
DAY = {"from_ms": 0, "to_ms": 2**43}
FLEET = {
    "ref": "roads",
    "provider": "test",
    "places": [{"name": name, "lat_udeg": 0, "lon_udeg": 0} for name in ("yard", "north", "east")],
    "seconds": [60 * abs(a - b) for a in range(3) for b in range(3)],
    "depot": 0,
    "vehicles": VEHICLES,
    "vehicle": {"load": 10},
    "tariff": {"amount": 1, "base_s": 60, "currency": "GBP", "per_trip": 0},
    "window": DAY,
}


async def test_of_fifty_askers_at_once_as_many_are_granted_as_fit(tmp_path: Path) -> None:
    totals = {6: 100, 7: 7, 50: 149}
    async with started(tmp_path, count=4) as (town, history, workload):
        owner, workload.patience_s = town.nodes[0], HEAL_S
        history.scarce = [
            Scarce(capacity=await publish_capacity(owner, f"{size}", total), quantity=size)
            for size, total in totals.items()
        ]

        async with asyncio.TaskGroup() as askers:
            for number in range(ASKERS):
                node = town.nodes[number % len(town.nodes)]
                for each in history.scarce:
                    hold = hold_name(each.capacity, number)
                    asked = workload.ask(node, each.capacity, hold, each.quantity, LONG_MS)
                    askers.create_task(asked)

        assert await checked(town, history) == []
        shown = history.final["dale"]
        granted = [each.record["locked"] for each in shown if each.kind == "hold.grant"]
        assert sum(each.kind == "hold.request" for each in shown) == len(totals) * ASKERS
        for size, total in totals.items():
            assert granted.count({"load": size}) == total // size


async def test_of_fifty_proposals_for_one_fleet_as_many_are_held_as_it_has_vehicles(
    tmp_path: Path,
) -> None:
    async with started(tmp_path, count=4, has_desk=False) as (town, *_):
        carrier, *matchers, buyer = town.nodes
        capacity = await _offer_vehicles(town)

        async with asyncio.TaskGroup() as askers:
            for number in range(ASKERS):
                matcher = matchers[number % len(matchers)]
                askers.create_task(_ask_for_trip(buyer, matcher, capacity, number))

        async def is_answered() -> bool:
            entries = await _entries(carrier)
            return sum(each.kind in {"hold.grant", "hold.refuse"} for each in entries) >= ASKERS

        await eventually(is_answered, within_s=HEAL_S, what="an answer to each hold")
        kinds = [each.kind for each in await _entries(carrier)]
        assert kinds.count("hold.grant") == VEHICLES
        assert kinds.count("hold.refuse") == ASKERS - VEHICLES


async def _offer_vehicles(town: Town) -> str:
    """Let the first node publish its fleet; return the capacity once all nodes have it."""
    path = "services/shipment_matching/publish_capacity"
    owner = town.nodes[0]
    answer = await owner.api.post(path, key=new_key(), data=json.dumps(FLEET), within_s=HEAL_S)
    assert answer.outcome is Outcome.OK, answer
    await eventually(town.is_equal, within_s=HEAL_S, what="equal nodes")
    entries = await _entries(owner)
    [capacity] = [each.id for each in entries if each.kind == "capacity.publish"]
    return capacity


async def _ask_for_trip(buyer: TownNode, matcher: TownNode, capacity: str, number: int) -> None:
    """Ask for transport, let a matcher propose a trip for it alone, and accept that."""
    ends = [{"place": place, "service_s": 0, "window": DAY} for place in (1, 2)]
    wanted = {"delivery": ends[1], "load": {"load": 3}, "pickup": ends[0]}
    wanted |= {"ref": f"r{number}", "table_ref": "roads"}
    request = await _publish(buyer, "transport.request", wanted)
    # From the yard to north, east and back: four minutes at a penny each.
    trips = [{"cost": 4, "stops": [0, 1]}]
    proposal = {
        "baseline": "own_pooled",
        "baselines": [{"cid": buyer.cid, "trips": trips}],
        "capacity": capacity,
        "inputs": digest("match-inputs", bytes.fromhex(capacity), bytes.fromhex(request)).hex(),
        "requests": [request],
        "shares": [{"amount": 4, "cid": buyer.cid}],
        "split": "proportional_to_baseline/1",
        "trips": trips,
    }
    proposed = await _publish(matcher, "match.propose", proposal, capacity)
    # The buyer's manager accepts. Its node would, too, once it has planned the trip itself.
    await _publish(buyer, "match.accept", {"proposal": proposed}, proposed)


async def _publish(node: TownNode, kind: str, record: dict[str, Any], *refs: str) -> str:
    """Publish a record and return its id. A node that has too much to do is asked again."""
    body, key = {"record": record, "refs": refs}, new_key()
    ids: list[str] = []

    async def is_published() -> bool:
        answer = await node.api.post(f"records/{kind}", key=key, json=body, within_s=HEAL_S)
        assert answer.outcome is Outcome.OK or not answer.is_refused, answer
        ids.extend(() if answer.value is None else [str(answer.value["id"])])
        return bool(ids)

    await eventually(is_published, within_s=HEAL_S, what=f"{kind} to be published")
    return ids[0]


async def _entries(node: TownNode) -> list[Shown]:
    return [Shown.of(item) for item in await node.api.log_after(0) or ()]
