"""One POST to an address that was checked, and what came of it.

The receiver is a stranger. Its name is resolved anew for each try, and the connection goes to the
very address that was checked; it is sent nowhere else by a redirect; of its answer the status is
read and nothing more; and it has so much time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import aiohttp

from sheaf_node.peering.aiohttp_resolver import CheckedResolver
from sheaf_node.peering.reach import is_literal
from sheaf_node.webhooks.address import reached
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from sheaf_node.peering.reach import Reach

PATIENCE_S: Final = 15.0
"""From the name to the status; Standard Webhooks recommends 15 to 30 seconds."""
MAX_HEAD: Final = 8_190
"""Bytes of a line or a header of the answer."""
_FAULTS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (TimeoutError, "no answer in time"),
    (aiohttp.ClientConnectorCertificateError, "a TLS certificate that is not valid for this name"),
    (aiohttp.ClientSSLError, "no TLS there"),
    (aiohttp.ClientConnectorDNSError, "no such name"),
    (aiohttp.ServerDisconnectedError, "the connection was closed without an answer"),
    (aiohttp.ClientConnectorError, "no connection"),
    (aiohttp.ClientError, "an answer that is no HTTP"),
    (OSError, "the connection broke"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a try came to; `words` are this node's own, never the receiver's."""

    words: str
    status: int | None = None

    @property
    def is_taken(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300


class Posting:
    """Posts deliveries."""

    def __init__(
        self, *, patience_s: float = PATIENCE_S, tls: ssl.SSLContext | None = None
    ) -> None:
        """`tls` is for receivers whose certificates this computer does not know."""
        self._patience = aiohttp.ClientTimeout(total=patience_s)
        self._tls = tls

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], reach: Reach
    ) -> Outcome:
        """Post once. What goes wrong is an outcome, whatever the receiver does."""
        parts = urlsplit(url)
        fit = partial(reached, reach=reach, is_open=parts.scheme == "http")
        try:
            if is_literal(parts.hostname or ""):  # aiohttp asks no resolver about these
                fit([parts.hostname or ""])
            return await self._post(url, body, headers, CheckedResolver(fit))
        except Refusal as refusal:
            return Outcome(refusal.detail)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as exc:
            return Outcome(_words(exc))

    async def _post(
        self, url: str, body: bytes, headers: Mapping[str, str], resolver: CheckedResolver
    ) -> Outcome:
        connector = aiohttp.TCPConnector(
            resolver=resolver,
            use_dns_cache=False,
            force_close=True,
            ssl=True if self._tls is None else self._tls,
        )
        # No proxy or password of the environment, no cookie from one delivery to the next.
        async with (
            aiohttp.ClientSession(
                connector=connector,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._patience,
                auto_decompress=False,
                max_line_size=MAX_HEAD,
                max_field_size=MAX_HEAD,
            ) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            return Outcome(_answered(response.status), response.status)


def _answered(status: int) -> str:
    if 300 <= status < 400:
        return f"HTTP {status}: a redirect, which is not followed"
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def _words(fault: Exception) -> str:
    return next((words for type_, words in _FAULTS if isinstance(fault, type_)), "no HTTP there")
