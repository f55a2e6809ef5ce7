"""Requests of a joiner to the node that invites it: one address, checked, and no other."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from sheaf_node.peering.reach import allowed, is_literal, require_port
from sheaf_protocol.errors import Refusal
from sheaf_protocol.invitation import JOIN_PATH, MAX_ANSWER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import TypeAlias

    from sheaf_node.peering.reach import Reach

    Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]

CALL_S: Final = 30
"""For one request: the inviting node may wait some seconds for its own certificate."""
_PORTS: Final = {"http": 80, "https": 443}
_OK: Final = 200
_REFUSED: Final = 403
_REDIRECTS: Final = range(300, 400)
_SAID: Final = {
    "invite.unknown": "the node there knows of no such invitation: it was mistyped, taken back,"
    " used by somebody else, or is of another node",
    "invite.expired": "the invitation has expired; ask for another",
    "invite.used": "a co-op joined by this invitation before; ask for another",
    "invite.busy": "the node there was asked wrongly too often: compare the link or code, and try"
    " again in a minute",
    "invite.member": "this home is of the very co-op that invites",
    "invite.exchange": "the node there waited too long, or started anew; join once more",
}
"""What the codes of the other side mean. Its own words are never shown."""
_CODE: Final = re.compile(rb"[a-z0-9_]{1,32}\.[a-z0-9_]{1,32}")


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a name, by the system's resolver. Raises Refusal
    `link.unreachable`."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise Refusal("link.unreachable", f"{host}: no such name") from exc
    return [str(address[0]) for *_, address in found]


async def call(url: str, body: bytes, reach: Reach, *, find: Resolve = resolve) -> bytes:
    """Return the answer to a request posted to a node at a url of scheme, host and port.

    Raises Refusal `peer.inside`, `link.unreachable`, `link.redirect`, and `invite.*` as the node
    there refuses.
    """
    parts = urlsplit(url)
    host, port = str(parts.hostname), parts.port or _PORTS[parts.scheme]
    require_port(port, reach)
    [address, *_] = allowed([host] if is_literal(host) else await find(host, port), reach)
    connector = aiohttp.TCPConnector(resolver=_Fixed(address), use_dns_cache=False)
    try:
        async with (
            asyncio.timeout(CALL_S),
            aiohttp.ClientSession(
                trust_env=False,
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            ) as client,
            client.post(url + JOIN_PATH, data=body, allow_redirects=False) as response,
        ):
            return _checked(response.status, await _read(response), url)
    except (aiohttp.ClientError, OSError, TimeoutError) as exc:
        why = "no answer in time" if isinstance(exc, TimeoutError) else "no node answers there"
        raise Refusal(
            "link.unreachable", f"{url}: {why}; does it run, and is the address right?"
        ) from exc


class _Fixed(AbstractResolver):
    """Resolves any name to the address that was checked."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the one address."""
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        return [
            ResolveResult(
                hostname=host,
                host=self._address,
                port=port,
                family=family,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Hold nothing."""


async def _read(response: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for piece in response.content.iter_any():
        data += piece
        if len(data) > MAX_ANSWER:
            raise Refusal("link.frame_size", f"expected at most {MAX_ANSWER} bytes of answer")
    return bytes(data)


def _checked(status: int, data: bytes, url: str) -> bytes:
    if status == _OK:
        return data
    if status in _REDIRECTS:
        raise Refusal("link.redirect", f"{url}: expected no redirect")
    if status == _REFUSED and _CODE.fullmatch(data):
        code = data.decode()
        raise Refusal(code, _SAID.get(code, "the node there refuses to let this co-op join"))
    raise Refusal("link.unreachable", f"{url}: expected a Sheaf node, got HTTP status {status}")
