"""People who govern: somebody proposes, all vote where they hear of it, a certificate follows."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.world import Unknown

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    import random

    from tests.simulation.plan import Plan
    from tests.simulation.world import World

NAME: Final = "governance"
_ENDED: Final = frozenset({"certified", "failed", "moot", "refused"})


def begin_ballots(world: World, plan: Plan, waiting: set[str]) -> None:
    """Let some members propose changes of the policy, and all of them vote."""
    dice = world.dice("ballots")
    names = world.names
    for number in range(dice.randint(1, 3)):
        op = f"ballot{number}"
        waiting.add(op)
        at = 3 + plan.profile.safety_s * 0.7 * dice.random()
        wish = {"action": "policy", "policy": {"fee_bps": 10 * dice.randint(1, 40)}}
        by = dice.choice(names)
        world.loop.schedule(
            None, at, world.loop.spawn, None, _propose(world, waiting, op, by, wish)
        )
    for name in names:
        world.loop.spawn(None, _vote(world, name, world.dice("voter", name)))


async def _propose(
    world: World, waiting: set[str], op: str, name: str, wish: dict[str, Any]
) -> None:
    """Propose, and wait until the ballot has come to its end."""
    body = json.dumps(wish).encode()
    await world.insist(name, NAME, "propose", body, final=("charter.change",))
    world.seen["ballot opened"] += 1
    while not all(each["state"] in _ENDED for each in await _ballots(world, name)):  # noqa: ASYNC110  # as people do
        await asyncio.sleep(5)
    for each in await _ballots(world, name):
        world.seen[f"ballot {each['state']}"] += 1
    world.trace.note("answer", op, name)
    waiting.discard(op)


async def _vote(world: World, name: str, dice: random.Random) -> None:
    """Vote on whatever is open, now and then, for as long as the run lasts."""
    while True:
        await asyncio.sleep(3 + 10 * dice.random())
        for ballot in await _ballots(world, name):
            if ballot["state"] != "open" or ballot["own"] is not None:
                continue
            choice = "yes" if dice.random() < 0.85 else "no"
            try:
                await world.command(name, NAME, "vote", proposal=ballot["id"], choice=choice)
                world.seen["vote cast"] += 1
            except (Unknown, Refusal):
                continue


async def _ballots(world: World, name: str) -> list[dict[str, Any]]:
    try:
        shown = await world.view(name, NAME, "ballots")
    except (Unknown, Refusal):
        return [{"state": "unknown", "own": None, "id": ""}]
    return list(shown["ballots"])
