"""The kit's own port: where the node under test dials, one path for each case that waits for it.

A node dials its pinned addresses again and again, so what comes for a case before it begins is kept
waiting, and answered with the end of the connection once nobody waits for it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Final

from aiohttp import web

PREFIX: Final = "/conform/"
_PATIENCE_S: Final = 60.0
"""How long a dial is kept waiting for its case."""


def path_of(case_id: str) -> str:
    """Return the path under which a case waits for the node."""
    return f"{PREFIX}{case_id}"


class Visit:
    """One dial of the node under test. `done` lets go of it."""

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.answer: web.StreamResponse = web.Response(status=503)
        self.done = asyncio.Event()

    @property
    def is_waiting(self) -> bool:
        """Whether the node still waits for an answer."""
        transport = self.request.transport
        return not self.done.is_set() and transport is not None and not transport.is_closing()

    async def accept(self) -> web.WebSocketResponse:
        """Upgrade to a WebSocket."""
        socket = web.WebSocketResponse(compress=False, max_msg_size=0, timeout=1.0)
        self.answer = socket
        await socket.prepare(self.request)
        return socket


class KitListener:
    """The kit's port while a run lasts."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Queue[Visit]] = defaultdict(asyncio.Queue)
        self._runner: web.AppRunner | None = None
        self.heard: dict[str, int] = defaultdict(int)
        """How often each path was asked for."""

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises OSError."""
        app = web.Application()
        app.add_routes([web.get("/{path:.*}", self._dialled)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def visit(self, path: str) -> Visit:
        """Return the next dial of a path that still waits."""
        while True:
            visit = await self._waiting[path].get()
            if visit.is_waiting:
                return visit

    async def _dialled(self, request: web.Request) -> web.StreamResponse:
        self.heard[request.path] += 1
        visit = Visit(request)
        self._waiting[request.path].put_nowait(visit)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await visit.done.wait()
        except TimeoutError:
            visit.done.set()
        return visit.answer
