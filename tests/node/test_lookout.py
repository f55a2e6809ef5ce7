"""What works beside the logs is looked at in limited time, and once however many ask."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from sheaf_node.api.lookout import Lookout

if TYPE_CHECKING:
    from sheaf_node.webhooks import Desk
    from sheaf_node.webhooks.model import Backlog


class StandingStill:
    """Stands for webhooks in a file whose disk answers when the gate opens."""

    def __init__(self) -> None:
        self.gate, self.asked = asyncio.Event(), 0

    async def listed(self) -> list[object]:
        self.asked += 1
        await self.gate.wait()
        return []

    async def backlogs(self) -> dict[str, Backlog]:
        return {}


async def test_a_file_that_does_not_come_is_asked_for_once_and_left_out() -> None:
    desk = StandingStill()
    lookout = Lookout(remotes=None, webhooks=cast("Desk", desk), seating=None)

    async with asyncio.timeout(60):
        seen = await asyncio.gather(*(lookout.look() for _ in range(9)))
        again = await lookout.look()
    desk.gate.set()
    await lookout.look()
    await lookout.look()

    assert [each.webhooks for each in (*seen, again)] == [()] * 10
    assert desk.asked == 2
