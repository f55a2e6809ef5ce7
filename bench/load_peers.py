"""The fifty peers of `load.py`, in one process: links of their own, scripted above the protocol.

Together they hold the logs of a thousand authors. Each pushes the entries of its own co-op as they
are made, and announces those of nineteen others, which the node asks it for and is served. They
hold all that the others hold, as in a federation where all are linked, and so ask for nothing.

Reads one JSON order a line on standard input, and answers each with a line: `{"do": "rate", "to":
1500}`, `{"do": "prepare"}`, `{"do": "flood", "on": true}`, `{"do": "figures"}`.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import struct
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from socket import IPPROTO_TCP, TCP_INFO
from typing import TYPE_CHECKING, Any

import aiohttp

from sheaf_protocol.codec import encode
from sheaf_protocol.digest import Digest, FederationId, LogId
from sheaf_protocol.envelope import open_header
from sheaf_protocol.frontier import Frontier, FrontierItem, LogState
from sheaf_protocol.limits import CREDIT_BYTES, MAX_BATCH_BYTES, MAX_BATCH_ENTRIES, MAX_FRAME
from sheaf_protocol.link import (
    Dial,
    Fresh,
    Link,
    LinkClosed,
    MessageReceived,
    PeerAuthenticated,
    Phase,
)
from sheaf_protocol.link.messages import (
    LIST,
    Compare,
    ControlHave,
    Entries,
    Have,
    Message,
    RangeItem,
    Scope,
    Served,
    Want,
    cost,
)
from sheaf_protocol.testing.author import LogAuthor, TestCoop, make_coop
from sheaf_protocol.testing.link_pair import identity_of

if TYPE_CHECKING:
    import socket as sockets
    from collections.abc import Sequence

    from sheaf_protocol.envelope import Envelope

BODY = encode({"text": "A note of the length that most records have. " * 10})
TICK_S = 0.3
"""Between announcements, as a node has it (`waits.announce_ms`)."""
KEPT = 4_096
"""Entries of one log that are still served."""
FLOOD = 128
"""Entries of one batch of the flood: as much as most frames have."""
AHEAD = 4_000
"""Entries of the flood that are signed before it begins, more than the credit of a link."""


_COUNTED = slice(120, 136)
"""Of Linux's `struct tcp_info`: `tcpi_bytes_acked` and `tcpi_bytes_received`."""


@dataclass(frozen=True)
class World:
    """The members of a run but for the node's own co-op; both processes derive them from the time
    it began."""

    began_ms: int
    authors: int

    def coops(self) -> list[TestCoop]:
        """Return the authors; the first of them are the peers."""
        return [make_coop(f"co-op {n}", now_ms=self.began_ms) for n in range(self.authors)]


@dataclass
class Log:
    """One author's log: how it goes on, and what may still be asked for."""

    author: LogAuthor
    entries: deque[Envelope] = field(default_factory=lambda: deque(maxlen=KEPT))
    told: int = 0
    made_s: dict[int, float] = field(default_factory=dict)
    """When each entry was made that was not asked for so far."""

    def append(self) -> Envelope:
        """Make the next entry."""
        self.author.now_ms = time.time_ns() // 1_000_000
        envelope = self.author.append("x.note", BODY)
        self.entries.append(envelope)
        return envelope

    def between(self, first: int, last: int) -> list[Envelope]:
        """Return entries by number, as far as they are kept."""
        newest = self.author.head.seq
        start = newest - len(self.entries) + 1
        return [
            self.entries[seq - start] for seq in range(max(first, start), min(last, newest) + 1)
        ]


class Swarm:
    """What all peers know together."""

    def __init__(self, world: World, fid: FederationId, peers: int) -> None:
        coops, self.fid = world.coops(), fid
        self.logs = [Log(LogAuthor(coop, fid, now_ms=world.began_ms)) for coop in coops]
        self.by_id = {log.author.log: log for log in self.logs}
        self.frontier = Frontier.of({})
        self.changed: dict[LogId, LogState | None] = {}
        self.rate = 0
        self.made = 0
        self.is_flooding = False
        self.ask_s: list[float] = []
        """From the making of an announced entry until the node asked for it."""
        self.store_id = os.urandom(16)
        self.peers = [
            BenchPeer(self, coop, self.logs[at::peers]) for at, coop in enumerate(coops[:peers])
        ]

    @property
    def root_now(self) -> Frontier:
        """What is held now."""
        if self.changed:
            self.frontier = self.frontier.moved(self.changed)
            self.changed = {}
        return self.frontier

    def note(self, log: LogId, seq: int, head: bytes) -> None:
        """Take it that a log goes on, unless it is known to have gone on further."""
        before = self.changed.get(log) or self.frontier.logs.get(log)
        if before is None or seq > before.seq:
            self.changed[log] = LogState(seq=seq, head=Digest(head))

    def make(self, count: int, at: int) -> None:
        """Make entries of the authors in turn, from a place on."""
        now_s = time.monotonic()
        for number in range(at, at + count):
            log = self.logs[number % len(self.logs)]
            envelope = log.append()
            seq = log.author.head.seq
            log.made_s[seq] = now_s
            self.note(log.author.log, seq, envelope.id)
        self.made += count

    async def produce(self) -> None:
        """Make entries at the rate, in small steps, and have the peers tell of them."""
        owed, at, last_s = 0.0, 0, time.monotonic()
        while True:
            await asyncio.sleep(0.02)
            now_s = time.monotonic()
            owed, last_s = owed + self.rate * min(now_s - last_s, 1.0), now_s
            count = int(owed)
            owed -= count
            self.make(count, at)
            at = (at + count) % len(self.logs)

    def figures(self) -> dict[str, Any]:
        """Return what was counted since the last call."""
        asked, self.ask_s = sorted(self.ask_s), []
        return {
            "made": self.made,
            "ask_ms": round(1e3 * statistics.median(asked), 1) if asked else None,
            "ask_p99_ms": round(1e3 * asked[len(asked) * 99 // 100], 1) if asked else None,
            "bytes": sum(peer.carried for peer in self.peers),
            "open": sum(peer.link.phase is Phase.OPEN for peer in self.peers),
            "flooded": self.peers[-1].flooded,
            "ended": sorted({peer.ending for peer in self.peers if peer.ending}),
        }


class BenchPeer:
    """One link to the node."""

    def __init__(self, swarm: Swarm, coop: TestCoop, logs: Sequence[Log]) -> None:
        self.swarm, self.coop, self.logs = swarm, coop, logs
        self.own = next(log for log in logs if log.author.cid == coop.cid)
        self.link: Link
        self._plug: sockets.socket | None = None
        self.flooded = 0
        self.ending = ""
        self._wants: deque[RangeItem] = deque()
        self._is_served_due = False
        self._taken = 0
        self._told_root = b""
        self._wake = asyncio.Event()
        self._is_ready = False
        self._ahead: deque[Envelope] = deque()

    async def run(self, client: aiohttp.ClientSession, url: str, audience: str) -> None:
        """Keep the link until it ends."""
        fresh = Fresh(seed=os.urandom(32), nonce=os.urandom(16))
        now_ms = time.time_ns() // 1_000_000
        self.link = Link(Dial(audience=audience), identity_of(self.coop), fresh, now_ms)
        connecting = client.ws_connect(url, max_msg_size=2 * MAX_FRAME, compress=0)
        async with connecting as socket, asyncio.TaskGroup() as tasks:
            self._plug = socket.get_extra_info("socket")
            others = [tasks.create_task(each) for each in (self._write(socket), self._tick())]
            await self._read(socket)
            for task in others:
                task.cancel()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.BINARY:
                break
            self.link.receive_data(message.data, time.time_ns() // 1_000_000)
            while (event := self.link.next_event()) is not None:
                self._hear(event)
            self._wake.set()
        self.ending = self.ending or f"closed {socket.close_code}"

    async def _write(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            while self._is_ready and self._serve():
                pass
            for frame in self.link.data_to_send():
                await socket.send_bytes(frame)
            await self._wake.wait()
            self._wake.clear()

    async def _tick(self) -> None:
        await asyncio.sleep(TICK_S * int.from_bytes(os.urandom(1), "big") / 256)
        while True:
            await asyncio.sleep(0.01 if self.is_flooding else TICK_S)
            if self._is_ready and self.link.phase is Phase.OPEN:
                self._flood() if self.is_flooding else self._tell()
                self._wake.set()

    @property
    def carried(self) -> int:
        """Bytes that the connection carried both ways, whatever for, as the kernel counts."""
        if self._plug is None:
            return 0
        about = self._plug.getsockopt(IPPROTO_TCP, TCP_INFO, _COUNTED.stop)
        return sum(struct.unpack("=QQ", about[_COUNTED]))

    @property
    def is_flooding(self) -> bool:
        """Whether this is the one that sends whatever it can."""
        return self.swarm.is_flooding and self is self.swarm.peers[-1]

    def _hear(self, event: object) -> None:
        match event:
            case PeerAuthenticated():
                self.link.send(ControlHave([], [], [], True))
                self.link.offer([self.swarm.fid], self.swarm.store_id)
            case MessageReceived():
                self._take(event.message)
            case LinkClosed():
                self.ending = event.code
            case _:
                pass

    def _take(self, message: Message) -> None:
        match message:
            case Scope():
                self._is_ready = self.link.is_ready
            case Want():
                self._note_asked(message)
                self._wants = deque(message.ranges)
                self._is_served_due = True
            case Compare():
                self._tell(is_asked=True)
            case Have():
                self._ask_for_its_own(message)
            case Entries():
                for envelope in message.envelopes:  # the node's own: we asked for nothing
                    header = open_header(envelope)
                    self.swarm.note(header.log, header.seq, envelope.id)
            case _:
                pass
        self._taken += cost(message)
        if self._taken > CREDIT_BYTES // 8:
            self.link.grant(self._taken)
            self._taken = 0

    def _ask_for_its_own(self, message: Have) -> None:
        """Ask for what the node published and could not push."""
        held = self.swarm.root_now.logs
        for item in message.items:
            before = held[item.log].seq if item.log in held else 0
            if item.log not in self.swarm.by_id and item.seq > before:
                wanted = RangeItem(item.log, before + 1, item.seq)
                self.link.send(Want(self.link.blind(self.swarm.fid), [wanted]))

    def _note_asked(self, message: Want) -> None:
        now_s = time.monotonic()
        for wanted in message.ranges:
            made_s = self.swarm.by_id[wanted.log].made_s
            for seq in range(wanted.first, wanted.last + 1):
                if seq in made_s:
                    self.swarm.ask_s.append(now_s - made_s.pop(seq))

    def _serve(self) -> bool:
        """Send the next batch of what the node asked for; return whether to go on at once."""
        if not self._is_served_due or self.link.credit < MAX_BATCH_BYTES:
            return False
        batch: list[Envelope] = []
        size = 0
        while self._wants and len(batch) < MAX_BATCH_ENTRIES:
            wanted = self._wants[0]
            last = min(wanted.last, wanted.first + MAX_BATCH_ENTRIES - len(batch) - 1)
            found = self.swarm.by_id[wanted.log].between(wanted.first, last)
            found_size = sum(envelope.size for envelope in found)
            if size + found_size > MAX_BATCH_BYTES - 65_536 and batch:
                break
            batch += found
            size += found_size
            self._wants.popleft()
            if found and last < wanted.last:
                self._wants.appendleft(RangeItem(wanted.log, last + 1, wanted.last))
        scope = self.link.blind(self.swarm.fid)
        if batch:
            self.link.send(Entries(scope, False, batch, []))
            return True
        self.link.send(Served(scope))
        self._is_served_due = False
        return False

    def _tell(self, *, is_asked: bool = False) -> None:
        """Push what is new of our own log, and announce what is new of the others."""
        swarm, scope = self.swarm, self.link.blind(self.swarm.fid)
        newest = self.own.told if self._ahead else self.own.author.head.seq
        own = self.own.between(self.own.told + 1, newest)[:MAX_BATCH_ENTRIES]
        size = sum(envelope.size for envelope in own)
        if own and size <= min(self.link.credit, MAX_BATCH_BYTES):
            self.link.send(Entries(scope, True, own, []))
            self.own.told += len(own)
        news = []
        for log in self.logs:
            head = log.author.head
            if log is not self.own and head.seq > log.told:
                log.told = head.seq
                news.append(FrontierItem(log.author.log, head.seq, bytes(head.id[:8])))
        root = swarm.root_now.root
        if news or is_asked or root != self._told_root:
            self._told_root = root
            self.link.send(Have(scope, root, max(1, swarm.made), news[:LIST]))

    def _flood(self) -> None:
        """Push entries of our own log for as long as there is credit."""
        if not self._ahead:
            self._sign_ahead(FLOOD)
        scope = self.link.blind(self.swarm.fid)
        while self._ahead:
            batch = [self._ahead[at] for at in range(min(FLOOD, len(self._ahead)))]
            if sum(envelope.size for envelope in batch) > self.link.credit:
                return
            for _ in batch:
                self._ahead.popleft()
            self.link.send(Entries(scope, True, batch, []))
            self.flooded += len(batch)
            self.own.told = open_header(batch[-1]).seq
            self.swarm.note(self.own.author.log, self.own.told, batch[-1].id)

    def _sign_ahead(self, count: int) -> None:
        self._ahead.extend(self.own.append() for _ in range(count))

    def prepare_flood(self) -> None:
        """Sign what is to be sent, and make no further entries of this co-op otherwise."""
        self.swarm.logs = [log for log in self.swarm.logs if log is not self.own]
        self._sign_ahead(AHEAD)


async def obey(swarm: Swarm) -> None:
    """Carry out orders until standard input ends."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        match order["do"]:
            case "rate":
                swarm.rate = order["to"]
            case "prepare":
                swarm.peers[-1].prepare_flood()
            case "flood":
                swarm.is_flooding = order["on"]
            case _:
                pass
        print(json.dumps(swarm.figures()), flush=True)


async def main() -> None:
    """Dial with all peers, then do as told."""
    fid, *numbers = sys.argv[1:]
    began_ms, authors, peers, port = (int(each) for each in numbers)
    swarm = Swarm(World(began_ms, authors), FederationId(bytes.fromhex(fid)), peers)
    url, audience = f"ws://127.0.0.1:{port}/sheaf/1/link", f"127.0.0.1:{port}"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        links = []
        for peer in swarm.peers:
            links.append(asyncio.create_task(peer.run(client, url, audience)))
            await asyncio.sleep(0.05)
        while not all(peer._is_ready for peer in swarm.peers):
            await asyncio.sleep(0.1)
            failed = [link.exception() for link in links if link.done() and not link.cancelled()]
            if failed:
                raise RuntimeError(f"a link ended: {failed[0]!r}")
        producing = asyncio.create_task(swarm.produce())
        print("ready", flush=True)
        await obey(swarm)
        for task in (producing, *links):
            task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
