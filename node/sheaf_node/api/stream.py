"""The stream of entries as they arrive: server-sent events (WHATWG HTML, section 9.2).

A stream has a cursor into the store and keeps nothing else, as every reader of `Arrivals`. A client
that is too slow is cut off and goes on from its last id, which costs it nothing but a connection.

An id is `ARRIVAL.STORE`: the arrival number, and the beginning of the store's own id. A home that
was put back from a backup counts on from an earlier number under another store id; by the number
alone, a client would go on behind entries that it has never seen.
"""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp import web

from sheaf_node.api.bearer import still_admitted
from sheaf_node.api.extension import Fitting
from sheaf_node.api.json_view import entry_json
from sheaf_node.api.problem import problem
from sheaf_node.api.serving import json_bytes
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from sheaf_node.api.bearer import Still
    from sheaf_node.api.models import StreamQuery
    from sheaf_node.api.parts import ApiParts
    from sheaf_node.api.route import Asked
    from sheaf_node.clock import Clock
    from sheaf_node.events import Arrivals
    from sheaf_node.kinds import Kinds
    from sheaf_node.store import Store, StoredEntry
    from sheaf_protocol.digest import FederationId

MOST: Final = 16
"""Streams at a time: an eighth of the port's connections, so that there is always room to ask."""
PING_MS: Final = 15_000
"""Silence after which a comment is sent: proxies end what is silent for 30 to 60 s."""
WRITE_MS: Final = 30_000
"""For a client to take what fills the socket's buffer; then it is cut off."""
BUSY_S: Final = 5
RECONNECT_MS: Final = 2_000
_PAGE: Final = 64
"""Entries read at once; as JSON some 8 MiB at the very most."""
_CHUNK: Final = 65_536
_ID: Final = re.compile(r"([0-9]{1,16})\.([0-9a-f]{8})")
_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}


async def get_stream(parts: ApiParts, asked: Asked[StreamQuery, None]) -> web.StreamResponse:
    """Answer with entries as they arrive, for as long as the client listens."""
    name = asked.query.federation
    fid = None if name is None else parts.federation(name)
    still = partial(still_admitted, asked.http)
    return await parts.streams.serve(asked.http, since=asked.query.since, fid=fid, still=still)


class Streams:
    """The streams of one node."""

    def __init__(
        self, *, store: Store, arrivals: Arrivals, clock: Clock, kinds: Kinds | None = None
    ) -> None:
        self._store, self._arrivals, self._clock = store, arrivals, clock
        self._kinds = kinds
        self._open = 0
        self._ending = asyncio.Event()

    def end(self) -> None:
        """End all streams: the node stops."""
        self._ending.set()

    async def serve(
        self,
        request: web.Request,
        *,
        since: int | None = None,
        fid: FederationId | None = None,
        still: Still = lambda: True,
    ) -> web.StreamResponse:
        """Answer with entries of one federation, or of all, for as long as the client listens.

        They begin behind its `Last-Event-ID`, else behind `since`, else with what comes from now
        on. They end once `still` says that whoever asked would not be let in now. Raises Refusal
        `store.*` before anything is sent.
        """
        after = self._first(request.headers.get("Last-Event-ID"), since)
        if self._open >= MOST:
            refusal = Refusal("api.streams", f"expected at most {MOST} streams open; ask later")
            return problem(refusal, headers={"Retry-After": str(BUSY_S)})
        self._open += 1
        try:
            return await self._stream(request, after, fid, still)
        finally:
            self._open -= 1

    def _first(self, last: str | None, since: int | None) -> int | None:
        """Return the arrival number to begin behind, or None where the client's is not ours."""
        latest = self._store.arrival
        after = latest if since is None else since
        if last is not None:
            match = _ID.fullmatch(last)
            if match is None or match[2] != self._store_digits:
                return None
            after = int(match[1])
        return after if after <= latest else None

    async def _stream(
        self, request: web.Request, after: int | None, fid: FederationId | None, still: Still
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=_HEADERS)
        try:
            await response.prepare(request)
            latest = self._store.arrival
            if after is None:
                await self._send(request, response, f"event: reset\n{self._data(latest)}")
            cursor = latest if after is None else after
            first = f"retry: {RECONNECT_MS}\nid: {self._id(cursor)}\n\n"
            await self._send(request, response, first)
            await self._go_on(request, response, cursor, fid, still)
        except (ConnectionError, TimeoutError):
            pass  # it went away or was cut off; it knows its last id
        except Refusal:
            pass  # the store was closed or has failed, and the node ends
        return response

    async def _go_on(
        self,
        request: web.Request,
        response: web.StreamResponse,
        cursor: int,
        fid: FederationId | None,
        still: Still,
    ) -> None:
        while not self._ending.is_set() and still():
            entries = self._store.entries_after(cursor, _PAGE)
            text, fitting = "", Fitting(self._kinds) if entries else None
            for entry in entries:
                cursor = entry.arrival
                if fid in {None, entry.header.fid}:
                    text += self._event(entry, fitting)
                if len(text) >= _CHUNK:
                    await self._send(request, response, text)
                    text = ""
            if entries:
                await self._send(request, response, text)
            elif not await self._news(cursor):
                # With the id, so that who is sent nothing of a long log does not read it again.
                await self._send(request, response, f": ping\nid: {self._id(cursor)}\n\n")

    async def _news(self, cursor: int) -> bool:
        """Return whether something arrived, or the streams end, before it is time for a ping."""
        return await self._before(PING_MS, self._arrivals.wait_beyond(cursor), self._ending.wait())

    async def _send(self, request: web.Request, response: web.StreamResponse, text: str) -> None:
        """Send text. Raises TimeoutError where the client does not read; it is then cut off."""

        async def write() -> None:
            await response.write(text.encode())
            # aiohttp waits only behind each 64 KiB; a page may be shorter.
            await _drained(request)

        if not await self._before(WRITE_MS, write()):
            if request.transport is not None:
                request.transport.abort()
            raise TimeoutError

    async def _before(self, ms: int, *waits: Coroutine[Any, Any, object]) -> bool:
        """Return whether one of these ends before so much time; what it raises is raised."""
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        clock = asyncio.ensure_future(self._clock.sleep_ms(ms))
        try:
            await asyncio.wait([*tasks, clock], return_when=asyncio.FIRST_COMPLETED)
            done = [task for task in tasks if task.done()]
            for task in done:
                task.result()
            return bool(done)
        finally:
            for each in (*tasks, clock):
                each.cancel()
            await asyncio.gather(*tasks, clock, return_exceptions=True)

    @property
    def _store_digits(self) -> str:
        return self._store.store_id[:4].hex()

    def _id(self, arrival: int) -> str:
        return f"{arrival}.{self._store_digits}"

    def _event(self, entry: StoredEntry, fitting: Fitting | None) -> str:
        # One line: JSON escapes line ends.
        data = json_bytes(entry_json(entry, fitting)).decode()
        return f"event: entry\nid: {self._id(entry.arrival)}\ndata: {data}\n\n"

    def _data(self, latest: int) -> str:
        return f'id: {self._id(latest)}\ndata: {{"latest": {latest}}}\n\n'


async def _drained(request: web.Request) -> None:
    """Return once the socket's buffer is below its mark."""
    if request.transport is None:
        raise ConnectionResetError("expected a client")
    await request.writer.drain()
