"""A network inside one process, for tests and simulations: no socket, no port, no real time.

    network = MemoryNetwork()
    hill = Peering(network=network.host("hill"), config=Config(peer_host="hill", ...), ...)
    dale = Peering(network=network.host("dale"), config=..., ...)    # dials "ws://hill:8440"
    network.cut("hill", "dale")      # links between them break, dialling fails
    network.heal("hill", "dale")     # the next dialling succeeds

It behaves as TCP does where that matters to a node: frames arrive whole and in order, a slow reader
stops the writer, a closed connection is read to its end, a cut loses what was under way. It has no
delay, so a dial is answered at once and its time limit never falls due; and no silent failure,
where nothing arrives and nobody is told.

It stands here and not with the tests since simulations and other implementers need it as well;
`app.py` never imports it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from sheaf_node.address import PORTS
from sheaf_node.events import Counter
from sheaf_node.peering.network import SocketClosed, not_an_address, port_in_use
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from sheaf_node.peering.network import Front

MAX_UNDER_WAY: Final = 16
"""Frames sent and not read, per direction: about what the buffers of a TCP connection hold."""
BACKLOG: Final = 128
"""Knocks that wait for an answer, as `AiohttpListener` has it."""


class MemorySocket:
    """One end of a connection."""

    def __init__(self, incoming: _Way, outgoing: _Way) -> None:
        self._incoming, self._outgoing = incoming, outgoing

    async def receive(self) -> bytes:
        """Return the next frame. Raises SocketClosed."""
        return await self._incoming.get()

    async def send(self, frame: bytes) -> None:
        """Put a frame under way, once there is room. Raises SocketClosed."""
        await self._outgoing.put(frame)

    async def close(self, code: str, *, is_fault: bool) -> None:
        """End the connection; the peer reads what is under way, and then the code."""
        self.end(code, "the peer ended the link")

    def end(self, code: str, detail: str) -> None:
        """Let the peer read what is under way, and then this; read nothing any more ourselves."""
        self._outgoing.end(code, detail)
        self._incoming.lose()


class MemoryKnock:
    """A host that asks for a link."""

    def __init__(self, address: str, wire: _Wire) -> None:
        self.address = self.name = address
        self._wire = wire
        self.is_accepted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def accept(self) -> MemorySocket:
        """Return this side's end of the connection."""
        self._decide(is_accepted=True)
        return self._wire.accepted

    async def refuse(self) -> None:
        """Turn the dialler away."""
        self._decide(is_accepted=False)

    def end(self) -> None:
        """Refuse what was not answered; end what was not closed."""
        self._decide(is_accepted=False)
        self._wire.accepted.end("link.lost", "the connection ended")

    def _decide(self, *, is_accepted: bool) -> None:
        if not self.is_accepted.done():
            self.is_accepted.set_result(is_accepted)


class MemoryListener:
    """An open port, and the tasks of the links that came by it."""

    def __init__(self, port: int, front: Front, on_close: Callable[[], None]) -> None:
        self.port = port
        self._front, self._on_close = front, on_close
        self._queue: asyncio.Queue[MemoryKnock] = asyncio.Queue(BACKLOG)
        self._knocks: set[MemoryKnock] = set()
        # The one task outside a group: it owns the group of all others, and `close` awaits it.
        self._main = asyncio.create_task(self._run(), name="memory-listener")
        self._main.add_done_callback(self._ended)

    async def knock(self, knock: MemoryKnock) -> None:
        """Hand a knock over to be answered."""
        self._knocks.add(knock)
        await self._queue.put(knock)

    async def close(self) -> None:
        """Stop listening, and end what is still connected."""
        self._main.cancel()
        [why] = await asyncio.gather(self._main, return_exceptions=True)
        if isinstance(why, Exception):
            raise why

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                knock = await self._queue.get()
                tasks.create_task(self._answer(knock))

    async def _answer(self, knock: MemoryKnock) -> None:
        await self._front.answer(knock)
        self._knocks.discard(knock)
        knock.end()

    def _ended(self, _: asyncio.Task[None]) -> None:
        self._on_close()
        for knock in self._knocks:
            knock.end()


class MemoryNetwork:
    """Hosts by name, and the connections between them."""

    def __init__(self) -> None:
        self._listeners: dict[tuple[str, int], MemoryListener] = {}
        self._wires: list[_Wire] = []
        self._cuts: set[frozenset[str]] = set()

    def host(self, name: str) -> MemoryHost:
        """Return the network as one host sees it. Names are in lower case, as urls have them."""
        return MemoryHost(self, name)

    def cut(self, one: str, other: str) -> None:
        """Part two hosts: connections break, frames under way are lost, dialling fails."""
        ends = frozenset({one, other})
        self._cuts.add(ends)
        for wire in self._wires:
            if wire.ends == ends:
                wire.lose()

    def heal(self, one: str, other: str) -> None:
        """Let two hosts reach each other again."""
        self._cuts.discard(frozenset({one, other}))

    def listen(self, host: str, port: int, front: Front) -> MemoryListener:
        """Open a port of a host, for `MemoryHost.listen`."""
        port = port or next(n for n in range(1, 65_536) if (host, n) not in self._listeners)
        if (host, port) in self._listeners:
            raise port_in_use(host, port)
        listener = MemoryListener(port, front, lambda: self._forget(host, port))
        self._listeners[host, port] = listener
        return listener

    async def dial(self, dialling: str, host: str, port: int) -> MemorySocket:
        """Connect two hosts, for `MemoryHost.dial`."""
        wire = _Wire(frozenset({dialling, host}))
        listener = self._listeners.get((host, port))
        if listener is None or wire.ends in self._cuts:
            raise Refusal("link.unreachable", f"expected a node at {host}:{port}, got none")
        self._wires = [wire, *(w for w in self._wires if not w.is_over)]
        knock = MemoryKnock(dialling, wire)
        await listener.knock(knock)
        if not await knock.is_accepted:
            raise Refusal("link.unreachable", f"expected to be let in at {host}:{port}")
        return wire.dialled

    def _forget(self, host: str, port: int) -> None:
        del self._listeners[host, port]


class MemoryHost:
    """The network of one node."""

    def __init__(self, network: MemoryNetwork, name: str) -> None:
        self._network, self._name = network, name

    async def listen(self, host: str, port: int, front: Front) -> MemoryListener:
        """Listen. Raises Refusal `peer.port_in_use`, `peer.address`."""
        if host != self._name:
            raise not_an_address(host, port, f"this host is {self._name}")
        return self._network.listen(host, port, front)

    async def dial(self, url: str, timeout_ms: int) -> MemorySocket:
        """Connect. Raises Refusal `link.unreachable`."""
        parts = urlsplit(url)
        port = parts.port or PORTS[parts.scheme]
        return await self._network.dial(self._name, parts.hostname or "", port)

    async def dial_hint(self, url: str, timeout_ms: int, *, is_near: bool = False) -> MemorySocket:
        """Connect; in memory nothing lies inside of anything. Raises Refusal `link.unreachable`."""
        return await self.dial(url, timeout_ms)


class _Wire:
    """Both directions of one connection."""

    def __init__(self, ends: frozenset[str]) -> None:
        self.ends = ends
        self._ways = (_Way(), _Way())
        self.dialled = MemorySocket(*self._ways)
        self.accepted = MemorySocket(*reversed(self._ways))

    @property
    def is_over(self) -> bool:
        """Whether no frame will ever arrive any more."""
        return all(way.is_over for way in self._ways)

    def lose(self) -> None:
        """Break the connection; neither end reads another frame."""
        for way in self._ways:
            way.lose()


class _Way:
    """Frames under way in one direction."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._end: tuple[str, str] | None = None
        self._moves = Counter()

    @property
    def is_over(self) -> bool:
        return self._end is not None and not self._frames

    async def put(self, frame: bytes) -> None:
        while self._end is None and len(self._frames) >= MAX_UNDER_WAY:
            await self._moves.wait_beyond(self._moves.value)
        if self._end is not None:
            raise SocketClosed("link.lost", "expected a connection that is open")
        self._frames.append(frame)
        self._stir()

    async def get(self) -> bytes:
        while not self._frames:
            if self._end is not None:
                raise SocketClosed(*self._end)
            await self._moves.wait_beyond(self._moves.value)
        frame = self._frames.popleft()
        self._stir()
        return frame

    def end(self, code: str, detail: str) -> None:
        """Take no more frames; what is under way arrives, and then the code."""
        if self._end is None:
            self._end = (code, detail)
            self._stir()

    def lose(self) -> None:
        """Take no more frames, and forget those under way."""
        self._frames.clear()
        self._end = ("link.lost", "the connection broke")
        self._stir()

    def _stir(self) -> None:
        self._moves.increase()
