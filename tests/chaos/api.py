"""The local API of one node, as a client sees it that may get no answer."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from tests.chaos.history import Outcome

from sheaf_node.api.token import read_token
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

WRITING_S: Final = 1.0
"""A running node answers in milliseconds; a stopped one may still carry the call out later."""
READING_S: Final = 10.0
PAGE: Final = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What became of a call: the JSON where it is ok, the code or the failure where it is not."""

    outcome: Outcome
    said: str = ""
    value: Any = None
    is_refused: bool = False
    """Whether the node said no by a rule: to ask again would change nothing."""


class Api:
    """Calls of one node. A connection for each call, so that no call is sent twice unseen."""

    def __init__(self, home: Path, port: int, session: aiohttp.ClientSession) -> None:
        self._home, self._session = home, session
        self._url = f"http://127.0.0.1:{port}/api/v1/"

    async def get(self, path: str) -> Any:
        """Return the JSON answer to a GET, or None while the node does not answer."""
        return (await self._ask("GET", path, READING_S)).value

    async def post(
        self,
        path: str,
        *,
        key: str,
        json: Any = None,
        data: str | None = None,
        within_s: float = WRITING_S,
    ) -> Answer:
        """Return what became of a POST; by its `key` the node knows it when it comes again."""
        return await self._ask("POST", path, within_s, key, json=json, data=data)

    async def log_after(self, arrival: int) -> list[Mapping[str, Any]] | None:
        """Return all entries that arrived later, or None where the node does not answer."""
        entries: list[Mapping[str, Any]] = []
        while True:
            page = await self.get(f"log?after={arrival}&limit={PAGE}")
            if page is None:
                return None
            entries += page["items"]
            if len(page["items"]) < PAGE:
                return entries
            arrival = page["next"]

    async def _ask(
        self, method: str, path: str, within_s: float, key: str | None = None, **body: Any
    ) -> Answer:
        try:
            headers = {"Authorization": f"Bearer {read_token(self._home)}"}
            headers |= {} if key is None else {"Idempotency-Key": key}
            timeout = aiohttp.ClientTimeout(total=within_s)
            async with self._session.request(
                method, self._url + path, headers=headers, timeout=timeout, **body
            ) as response:
                value = await response.json(content_type=None)
        except (Refusal, aiohttp.ClientConnectorError) as exc:
            return Answer(outcome=Outcome.FAIL, said=f"not sent: {type(exc).__name__}")
        except (TimeoutError, aiohttp.ClientError, ValueError) as exc:
            return Answer(outcome=Outcome.UNKNOWN, said=f"no answer: {type(exc).__name__}")
        if response.status < 300:
            return Answer(outcome=Outcome.OK, value=value)
        if response.status >= 500:
            return Answer(outcome=Outcome.UNKNOWN, said=str(value["code"]))
        # An earlier attempt under the same key may be at work; what becomes of that one is unknown.
        is_refused = "Retry-After" not in response.headers
        return Answer(outcome=Outcome.FAIL, said=str(value["code"]), is_refused=is_refused)


def new_key() -> str:
    """Return the name of something that is to be done once, however often it is asked for."""
    return secrets.token_hex(16)


def new_session() -> aiohttp.ClientSession:
    """Return a session for `Api`; it is closed by whoever asked for it."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0))


async def eventually(is_true: Callable[[], Awaitable[bool]], *, within_s: float, what: str) -> None:
    """Wait until an async condition holds. Raises TimeoutError that says what it waited for."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not await is_true():
        if loop.time() > deadline:
            raise TimeoutError(f"expected within {within_s:.0f} s: {what}")
        await asyncio.sleep(0.1)
