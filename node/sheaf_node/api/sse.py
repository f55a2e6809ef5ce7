"""One answer of server-sent events to one client that may be slow, gone or rude."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp import web

from sheaf_node.api.bearer import still_admitted
from sheaf_node.api.serving import json_bytes

if TYPE_CHECKING:
    from sheaf_node.clock import Clock

WRITE_MS: Final = 30_000
"""For a client to take what fills the socket's buffer; then it is cut off."""
RECONNECT_MS: Final = 2_000
HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}


class EventStream:
    """Sends events. Raises ConnectionError and TimeoutError where nobody takes them."""

    def __init__(self, request: web.Request, clock: Clock) -> None:
        self.response = web.StreamResponse(headers=HEADERS)
        self._request, self._clock = request, clock

    async def begin(self) -> None:
        """Send the head, and how soon a client is to come back."""
        await self.response.prepare(self._request)
        await self._send(f"retry: {RECONNECT_MS}\n\n")

    async def event(self, name: str, data: object, id_: str | None = None) -> None:
        """Send one event; its id stays as it was where none is given."""
        place = "" if id_ is None else f"id: {id_}\n"
        # One line: JSON escapes line ends.
        await self._send(f"event: {name}\n{place}data: {json_bytes(data).decode()}\n\n")

    async def ping(self) -> None:
        """Send a comment."""
        await self._send(": ping\n\n")

    async def _send(self, text: str) -> None:
        if not still_admitted(self._request):
            raise ConnectionResetError("expected a token that still holds")
        writing = asyncio.ensure_future(self._write(text))
        clock = asyncio.ensure_future(self._clock.sleep_ms(WRITE_MS))
        try:
            await asyncio.wait({writing, clock}, return_when=asyncio.FIRST_COMPLETED)
            if not writing.done():
                if self._request.transport is not None:
                    self._request.transport.abort()
                raise TimeoutError
            writing.result()
        finally:
            for each in (writing, clock):
                each.cancel()
            await asyncio.gather(writing, clock, return_exceptions=True)

    async def _write(self, text: str) -> None:
        if self._request.transport is None:
            raise ConnectionResetError("expected a client")
        await self.response.write(text.encode())
        # aiohttp waits only behind each 64 KiB; an event may be shorter.
        await self._request.writer.drain()
