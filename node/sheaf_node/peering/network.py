"""What peering asks of a network: listen, dial, and frames in order over a socket.

Everything of peering sits above this file and knows no transport, so that a simulation can drive
whole nodes over `memory.py` as `app.py` drives them over `aiohttp_network.py`. What belongs to a
transport alone (WebSocket status numbers, pings, how long a half-said request may take) stays
below; what a node decides (whom it lets in, how many, when to dial again) stays above.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

WELL_KNOWN: Final = "/.well-known/sheaf"
MAX_POST: Final = 524_288
"""Bytes of a posted request: a handshake message, of which a joiner's key log is the most."""


class SocketClosed(Exception):
    """No further frame goes over a socket, and why, in the words of a link's end."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


class Socket(Protocol):
    """One connection that carries frames, whole and in order. One task reads, one writes."""

    async def receive(self) -> bytes:
        """Return the next frame.

        Raises SocketClosed: with the peer's code where it closed with one, `link.message` and
        `link.frame_size` for what is no frame of a link, and `link.lost` for all else.
        """

    async def send(self, frame: bytes) -> None:
        """Hand over a frame; return when there is room for another. Raises SocketClosed."""

    async def close(self, code: str, *, is_fault: bool) -> None:
        """End the connection and tell the peer the code. Never raises; a second close is none."""


class Knock(Protocol):
    """A peer that asks for a link. Exactly one of `accept` and `refuse` is called."""

    @property
    def address(self) -> str:
        """The network address that limits count by."""

    @property
    def name(self) -> str:
        """The address and whatever else tells connections apart in a log."""

    async def accept(self) -> Socket:
        """Return the connection. It is over when the callback that took the knock returns."""

    async def refuse(self) -> None:
        """Turn the peer away for now: there are too many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Posted:
    """What a posted request is answered with, as HTTP has it."""

    status: int
    body: bytes


Post: TypeAlias = Callable[[bytes, str], Awaitable[Posted]]
"""Answers one request, given its body and the network address that it came from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Front:
    """What a node shows at its peer port."""

    document: str
    """The well-known document, as JSON."""
    answer: Callable[[Knock], Awaitable[None]]
    """Called for each knock, in a task of the listener; returns when the link has ended."""
    posts: Mapping[str, Post] = field(default_factory=dict)
    """What is answered to requests posted to a path. Bodies are at most `MAX_POST`."""


class Listener(Protocol):
    """An open peer port."""

    @property
    def port(self) -> int:
        """The port that peers reach."""

    async def close(self) -> None:
        """Stop listening, and end what is still connected."""


class Network(Protocol):
    """How a node reaches others and is reached."""

    async def listen(self, host: str, port: int, front: Front) -> Listener:
        """Listen, on a free port where `port` is 0.

        Raises Refusal `peer.port_in_use`, `peer.address`.
        """

    async def dial(self, url: str, timeout_ms: int) -> Socket:
        """Return a connection to the link at a WebSocket address.

        Raises Refusal `link.unreachable`, `link.redirect`, whose sentence follows the peer's url
        wherever it is shown. The caller closes the socket.
        """

    async def dial_hint(self, url: str, timeout_ms: int, *, is_near: bool = False) -> Socket:
        """Return a connection to an address that others chose, nowhere inside a network; `is_near`
        is for one that was heard of on this network, as a number, and may be of it.

        Raises Refusal `peer.inside`, and as `dial` does.
        """


def port_in_use(host: str, port: int) -> Refusal:
    """Return the refusal to listen where somebody does already."""
    detail = f"expected port {host}:{port} to be free; set peer_port in sheaf.toml to another"
    return Refusal("peer.port_in_use", detail)


def not_an_address(host: str, port: int, why: str) -> Refusal:
    """Return the refusal to listen at an address that is not ours."""
    detail = f"expected an address to listen on, got {host}:{port}: {why}; see peer_host"
    return Refusal("peer.address", detail)
