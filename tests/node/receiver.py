"""A receiver of webhooks on a real port, which answers as it is told, and a clock that hurries."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HASTE = 120_000
"""Three days take two seconds."""
PATIENCE_S = 240
"""For a thousand deliveries one after another, each of them noted on a disk that others use."""


class Hurried:
    """A clock that goes on where somebody sleeps by it: an hour in a thirtieth of a second.

    What is done meanwhile takes none of its time, or each millisecond that a machine is busy with
    something else would be minutes, and deliveries be given up on the way.
    """

    def __init__(self) -> None:
        self._now_ms = 1_790_000_000_000

    def now_ms(self) -> int:
        return self._now_ms

    async def sleep_ms(self, ms: int) -> None:
        wakes_ms = self._now_ms + max(ms, 0)
        await asyncio.sleep(max(ms, 0) / 1_000 / HASTE)
        self._now_ms = max(self._now_ms, wakes_ms)


@dataclass
class Receiver:
    """What came, and what is answered next: each status once, the last one for ever."""

    url: str = ""
    statuses: list[int] = field(default_factory=lambda: [200])
    seen: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    location: str = ""
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        async with self.came:
            headers = {key.lower(): value for key, value in request.headers.items()}
            self.seen.append((headers, body))
            self.came.notify_all()
        await self.gate.wait()
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return web.Response(status=status, headers={"Location": self.location})

    async def until(self, count: int) -> None:
        """Return once so many deliveries came, tries that were refused included."""
        async with asyncio.timeout(PATIENCE_S), self.came:
            await self.came.wait_for(lambda: len(self.seen) >= count)

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.seen]


@asynccontextmanager
async def receiving(**settings: Any) -> AsyncIterator[Receiver]:
    receiver = Receiver(**settings)
    receiver.gate.set()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        yield receiver
    finally:
        receiver.gate.set()
        await runner.cleanup()
