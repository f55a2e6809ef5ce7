"""The network as it is: WebSockets over TCP and TLS, by aiohttp."""

from __future__ import annotations

import asyncio
import errno
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import aiohttp

from sheaf_node.address import PORTS
from sheaf_node.peering.aiohttp_listener import AiohttpListener
from sheaf_node.peering.aiohttp_resolver import CheckedResolver
from sheaf_node.peering.aiohttp_socket import CLOSE_S, AiohttpSocket
from sheaf_node.peering.forwarded import trusted_networks
from sheaf_node.peering.reach import Reach, allowed, is_literal, require_port
from sheaf_protocol.errors import Refusal
from sheaf_protocol.limits import HANDSHAKE_MS, MAX_FRAME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from types import SimpleNamespace
    from typing import Self

    from sheaf_node.config import Limits, Waits
    from sheaf_node.peering.forwarded import Networks
    from sheaf_node.peering.network import Front


_MOST_OUTSIDE: Final = 64
"""Links to addresses that others told, and looks back, at a time."""
_REASONS: Final[Mapping[type[Exception], str]] = {
    TimeoutError: "no answer in time",
    aiohttp.ClientConnectorCertificateError: "the TLS certificate there is not valid for this name",
    aiohttp.ClientSSLError: "no TLS there, try ws://",
    aiohttp.ClientConnectorDNSError: "no such name",
    aiohttp.ServerDisconnectedError: "the connection was closed at once; does it want wss://?",
    ConnectionResetError: "the connection was closed at once; does it want wss://?",
}


class AiohttpNetwork:
    """The machine's network."""

    def __init__(
        self,
        client: aiohttp.ClientSession,
        outside: aiohttp.ClientSession,
        limits: Limits,
        waits: Waits,
        head_ms: int,
        *,
        trusted: Networks,
    ) -> None:
        self._outside, self._trusted = outside, trusted
        self._client, self._limits, self._waits, self._head_ms = client, limits, waits, head_ms

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        *,
        limits: Limits,
        waits: Waits,
        head_ms: int = HANDSHAKE_MS,
        trusted_proxies: Sequence[str] = (),
    ) -> AsyncIterator[Self]:
        """Give the network for as long as a node runs; what was dialled ends with it.

        `head_ms` is how long an accepted connection may take to become a link; the word of
        `trusted_proxies` is taken for whom they pass on. Raises ValueError for what is none.
        """
        async with AsyncExitStack() as stack:
            # The dialler holds one connection per configured peer, and that is the limit.
            client = await stack.enter_async_context(_session(aiohttp.TCPConnector(limit=0)))
            # DSC-9: each dial resolves anew, and goes to what was checked.
            few = aiohttp.TCPConnector(
                limit=_MOST_OUTSIDE,
                resolver=CheckedResolver(partial(allowed, reach=Reach.PUBLIC)),
                use_dns_cache=False,
                force_close=True,
            )
            outside = await stack.enter_async_context(_session(few))
            trusted = trusted_networks(trusted_proxies)
            yield cls(client, outside, limits, waits, head_ms, trusted=trusted)

    async def listen(self, host: str, port: int, front: Front) -> AiohttpListener:
        """Listen on TCP. Raises Refusal `peer.port_in_use`, `peer.address`."""
        listener = AiohttpListener(front, self._limits, self._waits, self._head_ms, self._trusted)
        await listener.open(host, port)
        return listener

    async def dial(self, url: str, timeout_ms: int) -> AiohttpSocket:
        """Connect a WebSocket. Raises Refusal `link.unreachable`, `link.redirect`."""
        return await self._dial(self._client, url, timeout_ms)

    async def dial_hint(self, url: str, timeout_ms: int, *, is_near: bool = False) -> AiohttpSocket:
        """Connect to an address that somebody else chose, nowhere inside a network (DSC-8); one
        that is near may be of this network, and is a number.

        Raises Refusal `peer.inside`, `link.unreachable`, `link.redirect`.
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        require_port(parts.port or PORTS[parts.scheme], Reach.PUBLIC)
        if is_near or is_literal(host):  # aiohttp asks no resolver about these
            allowed([host], Reach.PRIVATE if is_near else Reach.PUBLIC)
        return await self._dial(self._client if is_near else self._outside, url, timeout_ms)

    async def _dial(
        self, client: aiohttp.ClientSession, url: str, timeout_ms: int
    ) -> AiohttpSocket:
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                opened = await client.ws_connect(
                    url,
                    compress=0,
                    max_msg_size=MAX_FRAME + 1024,
                    heartbeat=self._waits.idle_ms / 1000,
                    autoping=False,  # AiohttpSocket counts them
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            raise Refusal("link.unreachable", _reason(exc)) from exc
        return AiohttpSocket(opened)


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    """Return a client that follows no redirect and takes nothing from the environment."""
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse_redirect)
    # No proxies or passwords from the environment: whom a node talks to is in its settings.
    return aiohttp.ClientSession(
        trust_env=False,
        trace_configs=[trace],
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )


def _reason(fault: Exception) -> str:
    """Return in words why a dial failed; text of the other side is no part of it."""
    if isinstance(fault, aiohttp.WSServerHandshakeError):
        return _answered(fault.status)
    if isinstance(fault, OSError) and fault.errno == errno.ECONNREFUSED:
        return "connection refused"
    for type_, words in _REASONS.items():
        if isinstance(fault, type_):
            return words
    return str(fault) or type(fault).__name__


def _answered(status: int) -> str:
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return "the node there has as many links as it takes"
    return f"expected a Sheaf node there, got HTTP status {status}"


async def _refuse_redirect(
    session: aiohttp.ClientSession,
    context: SimpleNamespace,
    params: aiohttp.TraceRequestRedirectParams,
) -> None:
    raise Refusal("link.redirect", f"expected no redirect, got one from {params.url}")
