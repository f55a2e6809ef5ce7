"""The local API of the node under test, for implementations that offer the same one as this."""

from __future__ import annotations

import json
import secrets
from io import BytesIO
from typing import TYPE_CHECKING, Any

import aiohttp

from sheaf_node.conform.model import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Api:
    """A local port and the token that opens it."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url.rstrip("/"), token

    async def ask(
        self,
        client: aiohttp.ClientSession,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        say: Callable[[str], None],
    ) -> tuple[int, Any]:
        """Return the status and the JSON of an answer, None for one that is not JSON."""
        sent = {"Authorization": f"Bearer {self.token}"}
        if method == "POST":
            sent["Idempotency-Key"] = secrets.token_hex(16)
        sent |= dict(headers or {})
        say(f"kit -> {method} {path} {'' if body is None else f'({len(body)} bytes)'}")
        try:
            async with client.request(
                method,
                self.url + path,
                data=None if body is None else BytesIO(body),
                headers=sent,
                allow_redirects=False,
            ) as answer:
                data = await answer.read()
        except aiohttp.ClientError as exc:
            raise Failed(expected=f"an answer to {method} {path}", got=str(exc)) from exc
        say(f"kit <- {answer.status} {data[:120].decode(errors='replace')}")
        try:
            return answer.status, json.loads(data)
        except ValueError:
            return answer.status, None
