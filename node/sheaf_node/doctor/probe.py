"""Looks over the network, with the standard library and nothing of the environment: no proxy, no
redirect, few bytes, short waits.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from sheaf_node.peering.network import WELL_KNOWN
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TIMEOUT_S: Final = 5.0
MAX_DOCUMENT: Final = 4_096
"""DSC-15."""
_TLS: Final = frozenset({"https", "wss"})
_LATE: Final = "no answer in time"


@dataclass(frozen=True, kw_only=True, slots=True)
class Met:
    """Who answered at an address, as it says itself, and when by its own clock."""

    document: Mapping[str, Any]
    """The well-known document; empty where it is none."""
    ahead_ms: int | None
    """How far its clock is ahead of ours, to about a second; None where it told no time."""
    certificate_ends_ms: int | None
    """None without TLS."""


def meet(url: str, timeout_s: float = TIMEOUT_S) -> Met:
    """Return who is at a peer's url. Raises Refusal `link.unreachable`, `doctor.tls`."""
    with _connected(url, timeout_s) as connection:
        before = time.time_ns() // 1_000_000
        connection.request("GET", WELL_KNOWN)
        ends_ms = _certificate_ends_ms(connection.sock)
        with connection.getresponse() as response:
            data = response.read(MAX_DOCUMENT + 1)
        after = time.time_ns() // 1_000_000
    if response.status != HTTPStatus.OK:
        raise _unreachable(url, f"HTTP status {response.status}")
    told = response.headers.get("Date")
    return Met(
        document=_document(data),
        ahead_ms=None if told is None else _ahead_ms(told, before, after),
        certificate_ends_ms=ends_ms,
    )


def post(url: str, path: str, body: bytes, *, timeout_s: float, most: int) -> bytes:
    """Return the answer to bytes posted to a peer's url.

    Raises Refusal `link.unreachable`, `doctor.tls`.
    """
    with _connected(url, timeout_s) as connection:
        connection.request("POST", path, body=body)
        with connection.getresponse() as response:
            data = response.read(most + 1)
    if response.status != HTTPStatus.OK or len(data) > most:
        raise _unreachable(url, f"HTTP status {response.status}")
    return data


def addresses_of(host: str) -> list[str]:
    """Return the network addresses that a name resolves to; none where it is no name."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def is_free(host: str, port: int) -> bool:
    """Return whether this process could listen there."""
    try:
        socket.create_server((host, port)).close()
    except OSError:
        return False
    return True


@contextmanager
def _connected(url: str, timeout_s: float) -> Iterator[http.client.HTTPConnection]:
    """Yield a connection to a peer's url, which ends in time however slowly the peer talks.

    Raises Refusal `link.unreachable`, `doctor.tls`, also for what goes wrong inside.
    """
    is_late = threading.Event()
    try:
        with closing(_connection(url, timeout_s)) as connection:
            connection.connect()
            # A socket's own time-out is for each byte, and a peer may send one in a while.
            late = threading.Timer(timeout_s, _cut, [connection.sock, is_late])
            late.daemon = True
            late.start()
            try:
                yield connection
            finally:
                late.cancel()
    except ssl.SSLError as exc:
        detail = exc.verify_message if isinstance(exc, ssl.SSLCertVerificationError) else "no TLS"
        said = f"expected a valid certificate at {url}, got: {detail}"
        raise Refusal("doctor.tls", said) from exc
    except (OSError, http.client.HTTPException, ValueError) as exc:
        raise _unreachable(url, _LATE if is_late.is_set() else _reason(exc)) from exc
    if is_late.is_set():  # what was cut off may look like a short answer
        raise _unreachable(url, _LATE)


def _cut(sock: socket.socket, is_late: threading.Event) -> None:
    is_late.set()
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _connection(url: str, timeout_s: float) -> http.client.HTTPConnection:
    """Return a connection that is not made yet. Raises ValueError for what is no address."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme in _TLS:
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(
            host, parts.port or 443, timeout=timeout_s, context=context
        )
    return http.client.HTTPConnection(host, parts.port or 80, timeout=timeout_s)


def _document(data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and len(data) <= MAX_DOCUMENT else {}


def _ahead_ms(told: str, before_ms: int, after_ms: int) -> int | None:
    """Return how far a clock is ahead that wrote this date, cut to a second, in between."""
    try:
        at_ms = int(parsedate_to_datetime(told).timestamp()) * 1_000 + 500
    except (ValueError, OverflowError):
        return None
    return at_ms - (before_ms + after_ms) // 2


def _certificate_ends_ms(sock: object) -> int | None:
    found = sock.getpeercert() if isinstance(sock, ssl.SSLSocket) else None
    ends = None if not found else found.get("notAfter")
    return int(ssl.cert_time_to_seconds(ends)) * 1_000 if isinstance(ends, str) else None


def _reason(exc: Exception) -> str:
    if isinstance(exc, TimeoutError):
        return _LATE
    if isinstance(exc, ConnectionRefusedError):
        return "connection refused"
    if isinstance(exc, (socket.gaierror, ValueError)):
        return "no such name"
    return "no answer that is HTTP"


def _unreachable(url: str, why: str) -> Refusal:
    return Refusal("link.unreachable", f"expected a node at {url}, got: {why}")
