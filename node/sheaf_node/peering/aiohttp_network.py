"""The network as it is: WebSockets over TCP and TLS, by aiohttp."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp

from sheaf_node.peering.aiohttp_listener import AiohttpListener
from sheaf_node.peering.aiohttp_socket import CLOSE_S, AiohttpSocket
from sheaf_protocol.errors import Refusal
from sheaf_protocol.limits import HANDSHAKE_MS, MAX_FRAME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import SimpleNamespace
    from typing import Self

    from sheaf_node.config import Limits, Waits
    from sheaf_node.peering.network import Front


class AiohttpNetwork:
    """The machine's network."""

    def __init__(
        self, client: aiohttp.ClientSession, limits: Limits, waits: Waits, head_ms: int
    ) -> None:
        self._client, self._limits, self._waits, self._head_ms = client, limits, waits, head_ms

    @classmethod
    @asynccontextmanager
    async def open(
        cls, *, limits: Limits, waits: Waits, head_ms: int = HANDSHAKE_MS
    ) -> AsyncIterator[Self]:
        """Give the network for as long as a node runs; what was dialled ends with it.

        `head_ms` is how long an accepted connection may take to become a link.
        """
        trace = aiohttp.TraceConfig()
        trace.on_request_redirect.append(_refuse_redirect)
        # No proxies or passwords from the environment: whom a node talks to is in its settings.
        async with aiohttp.ClientSession(
            trust_env=False,
            trace_configs=[trace],
            # The dialler holds one connection per configured peer, and that is the limit.
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        ) as client:
            yield cls(client, limits, waits, head_ms)

    async def listen(self, host: str, port: int, front: Front) -> AiohttpListener:
        """Listen on TCP. Raises Refusal `peer.port_in_use`, `peer.address`."""
        listener = AiohttpListener(front, self._limits, self._waits, self._head_ms)
        await listener.open(host, port)
        return listener

    async def dial(self, url: str, timeout_ms: int) -> AiohttpSocket:
        """Connect a WebSocket. Raises Refusal `link.unreachable`, `link.redirect`."""
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                socket = await self._client.ws_connect(
                    url,
                    compress=0,
                    max_msg_size=MAX_FRAME + 1024,
                    heartbeat=self._waits.idle_ms / 1000,
                    autoping=False,  # AiohttpSocket counts them
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            detail = f"expected a node at {url}: {str(exc) or type(exc).__name__}"
            raise Refusal("link.unreachable", detail) from exc
        return AiohttpSocket(socket)


async def _refuse_redirect(
    session: aiohttp.ClientSession,
    context: SimpleNamespace,
    params: aiohttp.TraceRequestRedirectParams,
) -> None:
    raise Refusal("link.redirect", f"expected no redirect, got one from {params.url}")
