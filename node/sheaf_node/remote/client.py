"""The other side of a feed: asks a node over HTTP on behalf of one service."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import aiohttp
import msgspec

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

SILENCE_S: Final = 45
"""Three pings: a feed that is silent for longer is gone."""
ANSWER_S: Final = 60
_MAX_LINE: Final = 16 * 1024 * 1024
"""The heads of forty thousand logs, or a command's body ten times over."""
_CHUNK: Final = 65_536


class NodeClient:
    """Asks one node for one service."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, service: str, token: str, federation: str
    ) -> None:
        self._session = session
        self._base = f"{require_node(url)}/api/v1/remote/{service}"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._query = {"federation": federation} if federation else {}

    async def events(self, last: str) -> AsyncGenerator[tuple[str, str | None, bytes]]:
        """Yield event, id and data as they come. Raises Refusal, `node.unreachable` among them."""
        headers = {**self._headers, **({"Last-Event-ID": last} if last else {})}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=SILENCE_S)
        try:
            async with self._session.get(
                f"{self._base}/feed",
                params=self._query,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                await _require_ok(response)
                fields: dict[bytes, bytes] = {}
                async for line in _lines(response.content):
                    if line:
                        name, _, value = line.partition(b":")
                        fields[name] = value.removeprefix(b" ")
                        continue
                    if b"event" in fields:
                        id_ = fields[b"id"].decode() if b"id" in fields else None
                        yield fields[b"event"].decode(), id_, fields.get(b"data", b"null")
                    fields = {}
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            raise _unreachable(exc) from exc

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        """Return the body of an answer. Raises Refusal."""
        return await self._ask("GET", path, self._query if query is None else query, None)

    async def post(self, path: str, body: object, *, is_of_federation: bool = True) -> bytes:
        """Return the body of the answer to a struct or plain values. Raises Refusal."""
        asked = self._query if is_of_federation else {}
        return await self._ask("POST", path, asked, msgspec.json.encode(body))

    async def _ask(
        self, method: str, path: str, query: Mapping[str, str], body: bytes | None
    ) -> bytes:
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        try:
            async with self._session.request(
                method,
                f"{self._base}/{path}",
                params=query,
                data=body,
                headers=self._headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                await _require_ok(response)
                return await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            raise _unreachable(exc) from exc


def require_node(url: str) -> str:
    """Return a node's address without what follows its port.

    A token is sent there, so it goes over TLS or stays on this computer. Raises Refusal
    `service.address`.
    """
    try:
        parts = urlsplit(url)
    except ValueError as exc:
        raise _no_node(url) from exc
    is_near = parts.hostname in {"127.0.0.1", "localhost"}
    if parts.scheme not in {"http", "https"} or (parts.scheme == "http" and not is_near):
        raise _no_node(url)
    return f"{parts.scheme}://{parts.netloc}"


def _no_node(url: str) -> Refusal:
    detail = "expected http://127.0.0.1:PORT, or https:// of a proxy in front of the node"
    return Refusal("service.address", f"{detail}, got {url[:200]!r}")


async def _lines(content: aiohttp.StreamReader) -> AsyncGenerator[bytes]:
    """Yield lines without their ends. Raises Refusal `node.unreachable` for one without end."""
    held = b""
    async for chunk in content.iter_chunked(_CHUNK):
        *lines, held = (held + chunk).split(b"\n")
        if len(held) > _MAX_LINE:
            raise Refusal("node.unreachable", "expected events of a Sheaf node, got a longer line")
        for line in lines:
            yield line


async def _require_ok(response: aiohttp.ClientResponse) -> None:
    if response.status == HTTPStatus.OK:
        return
    try:
        problem: Any = msgspec.json.decode(await response.content.read(65_536))
        raise Refusal(str(problem["code"]), str(problem["detail"])[:500])
    except (msgspec.DecodeError, KeyError, TypeError) as exc:
        detail = f"expected a Sheaf node, got HTTP status {response.status}"
        raise Refusal("node.unreachable", detail) from exc


def _unreachable(exc: Exception) -> Refusal:
    said = str(exc) or type(exc).__name__
    return Refusal("node.unreachable", f"expected a node that runs: {said}")
