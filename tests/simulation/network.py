"""A network between hosts that delays, loses, repeats, reorders, flips and cuts, by its weather.

A connection carries frames in order, as TCP does, until the weather meddles with one: then the link
above has to find it out by itself. That an end is gone without a word, its transport notices after
a while, as WebSockets do by their pings.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from sheaf_node.peering.network import SocketClosed
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.simulation.loop import VirtualLoop
    from tests.simulation.trace import Trace

    from sheaf_node.peering.network import Front

WINDOW: Final = 16
"""Frames under way in one direction before the sender waits."""
PING_S: Final = 12.0
"""How long a connection outlives its other end, or a way to it, at most."""
_KEPT: Final = 32
"""Old frames that may come again."""


@dataclass
class Weather:
    """How bad the network is; chances are per frame, times in seconds."""

    least_s: float = 0.001
    most_s: float = 0.02
    lost: float = 0.0
    repeated: float = 0.0
    reordered: float = 0.0
    flipped: float = 0.0
    replayed: float = 0.0
    """An old frame of another connection between the same hosts comes in its stead."""
    reset: float = 0.0
    stalled: float = 0.0
    """Seconds of delay instead of milliseconds."""


@dataclass
class Network:
    """All hosts, and every connection between them."""

    loop: VirtualLoop
    dice: random.Random
    trace: Trace
    weather: Weather = field(default_factory=Weather)
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.blocked: set[tuple[str, str]] = set()
        """Directions in which nothing arrives."""
        self._listeners: dict[str, Listener] = {}
        self._wires: list[Wire] = []
        self.on_forged: Callable[[str], None] = lambda name: None
        """Told of a host whose link went on after a frame that its peer did not send so."""
        self._old: deque[tuple[str, str, bytes]] = deque(maxlen=_KEPT)

    def host(self, name: str) -> Host:
        """Return the network as one host sees it."""
        return Host(self, name)

    def listen(self, host: str, front: Front) -> Listener:
        """Open the port of a host."""
        listener = self._listeners[host] = Listener(self, host, front)
        return listener

    def forget(self, listener: Listener) -> None:
        """Close a port."""
        if self._listeners.get(listener.host) is listener:
            del self._listeners[listener.host]

    def drop_host(self, host: str, *, is_silent: bool) -> None:
        """Break what a host had open when it died; silently: its peers are not told."""
        self._listeners.pop(host, None)
        for wire in self._wires:
            if host in wire.ends:
                wire.end_of(host).is_dead = True
                most_s = PING_S if is_silent else 0.2
                self.loop.schedule(None, self.dice.random() * most_s, wire.break_)
        self._wires = [wire for wire in self._wires if not wire.is_over]

    async def dial(self, dialling: str, host: str, timeout_ms: int) -> End:
        """Connect; what is cut in either direction times out."""
        await asyncio.sleep(self._delay())
        listener = self._listeners.get(host)
        if (dialling, host) in self.blocked or (host, dialling) in self.blocked:
            await asyncio.sleep(min(timeout_ms, 2_000) / 1_000)
            raise Refusal("link.unreachable", f"expected an answer of {host}, got none")
        if listener is None:
            raise Refusal("link.unreachable", f"expected a node at {host}, got none")
        wire = Wire(self, dialling, host)
        self._wires = [*(w for w in self._wires if not w.is_over), wire]
        listener.knock(Knock(dialling, wire))
        if not await wire.is_accepted:
            raise Refusal("link.unreachable", f"expected to be let in at {host}")
        return wire.dialled

    def carry(self, end: End, frame: bytes) -> None:
        """Take a frame from one end of a wire towards the other."""
        wire, weather, dice = end.wire, self.weather, self.dice
        self.trace.note("frame", end.name, end.other.name, frame)
        if (end.name, end.other.name) in self.blocked:
            self.seen["frame cut off"] += 1
            self._lose(end)
            return
        draw = dice.random()
        if weather.lost > draw:
            self.seen["frame lost"] += 1
            self._lose(end)
            return
        delay = self._delay()
        if weather.stalled > dice.random():
            self.seen["connection stalled"] += 1
            delay += 1 + 9 * dice.random()
        if weather.reset > dice.random():
            self.seen["connection reset"] += 1
            self.loop.schedule(None, delay, wire.break_)
        if weather.flipped > dice.random() and frame:
            self.seen["bit flipped"] += 1
            at = dice.randrange(8 * len(frame))
            flipped = bytearray(frame)
            flipped[at // 8] ^= 1 << at % 8
            frame = bytes(flipped)
        if weather.replayed > dice.random():
            frame = self._older(end, frame)
        self._old.append((end.name, end.other.name, frame))
        end.put(frame, delay, in_order=weather.reordered <= dice.random())
        if weather.repeated > dice.random():
            self.seen["frame repeated"] += 1
            end.put(frame, delay + self._delay(), in_order=True, counts=False)

    def _lose(self, end: End) -> None:
        """Let a frame be lost; what TCP cannot deliver ends its connection in time."""
        end.landed()
        self.loop.schedule(None, self.dice.random() * PING_S, end.wire.break_)

    def _older(self, end: End, frame: bytes) -> bytes:
        among = [old for a, b, old in self._old if (a, b) == (end.name, end.other.name)]
        if not among:
            return frame
        self.seen["frame replayed"] += 1
        return self.dice.choice(among)

    def _delay(self) -> float:
        weather = self.weather
        return weather.least_s + (weather.most_s - weather.least_s) * self.dice.random()


class Wire:
    """A connection."""

    def __init__(self, network: Network, dialling: str, listening: str) -> None:
        self.network = network
        self.ends = (dialling, listening)
        self.dialled = End(self, dialling)
        self.accepted = End(self, listening)
        self.dialled.other, self.accepted.other = self.accepted, self.dialled
        self.is_over = False
        self.is_accepted: asyncio.Future[bool] = network.loop.create_future()

    def end_of(self, host: str) -> End:
        return self.dialled if self.dialled.name == host else self.accepted

    def break_(self) -> None:
        """Lose what is under way, and tell both ends."""
        self.is_over = True
        for end in (self.dialled, self.accepted):
            end.finish("link.lost", "the connection broke", is_now=True)
        self.decide(is_accepted=False)

    def decide(self, *, is_accepted: bool) -> None:
        if not self.is_accepted.done():
            self.is_accepted.set_result(is_accepted)


class End:
    """One end of a connection: the socket that a node has."""

    other: End

    def __init__(self, wire: Wire, name: str) -> None:
        self.wire, self.name = wire, name
        self.is_dead = False
        self._arrived: deque[bytes] = deque()
        self._over: tuple[str, str] | None = None
        self._reading: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._under_way = 0
        self._last_at = 0.0
        self._sent: deque[bytes] = deque()
        """What the other end is to read next."""
        self._has_read = self._is_deceived = False

    async def receive(self) -> bytes:
        """Return the next frame. Raises SocketClosed."""
        if self._is_deceived and self._over is None:
            self.wire.network.on_forged(self.name)
        while not self._arrived:
            if self._over is not None:
                raise SocketClosed(*self._over)
            self._reading = self.wire.network.loop.create_future()
            await self._reading
        frame = self._arrived.popleft()
        self.other.landed()
        self._compare(frame)
        return frame

    def _compare(self, frame: bytes) -> None:
        """Note a frame that is not the next one sent. The first of a dialler is no secret: it shows
        only by the answer that it was another.
        """
        sent = self.other._sent
        is_next = bool(sent) and sent.popleft() == frame
        is_first = self is self.wire.accepted and not self._has_read
        self._is_deceived |= not is_next and not is_first
        self._has_read = True

    async def send(self, frame: bytes) -> None:
        """Send a frame once there is room for it. Raises SocketClosed."""
        while self._under_way >= WINDOW and self._over is None:
            self._room = self.wire.network.loop.create_future()
            await self._room
        if self._over is not None:
            raise SocketClosed("link.lost", "expected a connection that is open")
        self._under_way += 1
        self._sent.append(frame)
        self.wire.network.carry(self, frame)

    async def close(self, code: str, *, is_fault: bool) -> None:
        """End the connection; the peer reads what is under way, and then the code."""
        network = self.wire.network
        if self._over is None and (self.name, self.other.name) not in network.blocked:
            network.loop.schedule(
                None, max(0.03, self._last_at - network.loop.time()), self._say_over, code
            )
        self.finish("link.lost", "we closed it", is_now=True)

    def _say_over(self, code: str) -> None:
        self.wire.is_over = True
        self.other.finish(code, "the peer ended the link", is_now=False)

    def put(self, frame: bytes, delay: float, *, in_order: bool, counts: bool = True) -> None:
        """Let a frame of ours arrive at the other end."""
        loop = self.wire.network.loop
        at = loop.time() + delay
        if in_order:
            at = self._last_at = max(at, self._last_at + 1e-6)
        else:
            self.wire.network.seen["frame reordered"] += 1
        loop.schedule(None, at - loop.time(), self.other.arrive, frame, counts)

    def arrive(self, frame: bytes, counts: bool) -> None:
        if self._over is not None or self.is_dead:
            return
        self._arrived.append(frame)
        if not counts:
            self.other._under_way += 1
        _wake(self._reading)

    def landed(self) -> None:
        """Note that one of our frames is no longer under way."""
        self._under_way = max(0, self._under_way - 1)
        _wake(self._room)

    def finish(self, code: str, detail: str, *, is_now: bool) -> None:
        if self._over is None:
            self._over = (code, detail)
        if is_now:
            self._arrived.clear()
        _wake(self._reading)
        _wake(self._room)


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)


class Knock:
    """A host that asks for a link."""

    def __init__(self, address: str, wire: Wire) -> None:
        self.address = self.name = address
        self.wire = wire

    async def accept(self) -> End:
        """Return this side's end."""
        self.wire.decide(is_accepted=True)
        return self.wire.accepted

    async def refuse(self) -> None:
        """Turn the dialler away."""
        self.wire.decide(is_accepted=False)


class Listener:
    """An open port. What answers a knock runs in the life that opened it."""

    port = 8440

    def __init__(self, network: Network, host: str, front: Front) -> None:
        self.host = host
        self._network, self._front = network, front
        self._queue: asyncio.Queue[Knock] = asyncio.Queue()
        self._main = asyncio.get_running_loop().create_task(self._run())

    def knock(self, knock: Knock) -> None:
        """Hand a knock over."""
        self._queue.put_nowait(knock)

    async def close(self) -> None:
        """Stop listening, and end what is connected."""
        self._network.forget(self)
        self._main.cancel()
        await asyncio.gather(self._main, return_exceptions=True)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(self._answer(await self._queue.get()))

    async def _answer(self, knock: Knock) -> None:
        try:
            await self._front.answer(knock)
        finally:
            knock.wire.decide(is_accepted=False)
            knock.wire.accepted.finish("link.lost", "the connection ended", is_now=True)


class Host:
    """The network of one node."""

    def __init__(self, network: Network, name: str) -> None:
        self._network, self._name = network, name

    async def listen(self, host: str, port: int, front: Front) -> Listener:
        """Listen at this host's own port."""
        return self._network.listen(self._name, front)

    async def dial(self, url: str, timeout_ms: int) -> End:
        """Connect. Raises Refusal `link.unreachable`."""
        return await self._network.dial(self._name, urlsplit(url).hostname or "", timeout_ms)
