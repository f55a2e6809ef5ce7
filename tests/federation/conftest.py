"""Whole nodes without services, in one process: over loopback sockets, or a network in memory.

Beside them a scripted peer that breaks whatever rule a test wants broken.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
import pytest
from tests.node.taking import make_keyring

from sheaf_node.blobs import Blobs, Fetching
from sheaf_node.clock import SystemClock
from sheaf_node.config import Config, CoopRule, Limits, PeerAddress, Waits
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Draft, Ingest
from sheaf_node.peering import Peering
from sheaf_node.peering.aiohttp_network import AiohttpNetwork
from sheaf_node.plugins.host import Parts
from sheaf_node.store import Store
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import LogId, digest
from sheaf_protocol.frontier import FrontierItem, root
from sheaf_protocol.link import Fresh
from sheaf_protocol.link.handshake import Initiator
from sheaf_protocol.link.messages import (
    ControlHave,
    Entries,
    Have,
    Message,
    RangeItem,
    Scope,
    Want,
    decode_message,
    encode_message,
)
from sheaf_protocol.testing.author import LogAuthor, TestCoop, make_coop, make_federation
from sheaf_protocol.testing.link_pair import identity_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from sheaf_node.clock import Clock
    from sheaf_node.peering.network import Network
    from sheaf_node.store import StoredEntry
    from sheaf_protocol.charter import Certificate
    from sheaf_protocol.digest import Digest, FederationId
    from sheaf_protocol.envelope import Envelope
    from sheaf_protocol.link.handshake import Session
    from sheaf_protocol.subscription import Filter

WAITS = Waits(redial_first_ms=20, redial_most_ms=200, announce_ms=20, stop_ms=2_000)
PATIENCE_S = 60.0
"""Far beyond what any test needs, for a busy machine."""
EVIL = 3
"""The co-op of the world that turns bad: a member in good standing until now."""


@dataclass
class RunningNode:
    """One node: store, ingest and peering."""

    host: str
    coop: TestCoop
    store: Store
    ingest: Ingest
    peering: Peering
    blobs: Blobs
    fetching: Fetching
    certificate: Certificate
    arrivals: Arrivals

    @property
    def url(self) -> str:
        return f"ws://{self.host}:{self.peering.port}"

    @property
    def root(self) -> Digest:
        return root(self.store.frontier(self.certificate.fid))

    async def publish(self, count: int = 1) -> list[StoredEntry]:
        drafts = [Draft(kind="x.note", body=b"\x80")] * count
        return await self.ingest.publish(self.certificate.fid, drafts)

    async def publish_large(self, count: int) -> None:
        draft = Draft(kind="x.note", body=encode({"text": bytes(60_000)}))
        await self.ingest.publish(self.certificate.fid, [draft] * count)

    def is_in_sync_with(self, *others: RunningNode) -> bool:
        linked = {peer.wid for peer in self.peering.peers() if peer.in_sync}
        return {other.coop.wid for other in others} <= linked

    async def stop(self) -> None:
        await self.peering.stop()
        await self.store.close()
        await self.blobs.close()


@dataclass
class World:
    """Co-ops of one federation and the nodes that a test starts for them."""

    folder: Path
    now_ms: int
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def __post_init__(self) -> None:
        names = ("Hill", "Dale", "Moor", "Fell")
        self.coops = [make_coop(name, now_ms=self.now_ms) for name in names]
        self.certificate = make_federation([(coop, ["member"]) for coop in self.coops])

    @property
    def evil_coop(self) -> TestCoop:
        return self.coops[EVIL]

    def evil(self, node: RunningNode, coop: TestCoop | None = None) -> EvilPeer:
        """Return the scripted peer of a co-op, the evil one's if none is named, about to dial."""
        return EvilPeer(
            coop or self.evil_coop, self.certificate.fid, node.peering.port, self.now_ms
        )

    async def until(self, is_true: Callable[[], bool]) -> None:
        """Return once something holds; fail where it takes too long."""
        async with asyncio.timeout(PATIENCE_S):
            while not is_true():  # noqa: ASYNC110  # nodes have no event for "converged"
                await asyncio.sleep(0.01)

    async def until_converged(self, *nodes: RunningNode, entries: int) -> None:
        """Return once all hold as many entries and have equal roots."""
        await self.until(lambda: all(node.store.arrival == entries for node in nodes))
        await self.until(lambda: len({node.root for node in nodes}) == 1)

    async def start(
        self,
        index: int,
        *,
        dials: Sequence[RunningNode | str] = (),
        clock: Clock | None = None,
        knows: Sequence[int] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        network: Network | None = None,
        limits: Limits | None = None,
        free_bytes: Callable[[], int] | None = None,
        waits: Waits = WAITS,
        has_certificate: bool = True,
        adopts: bool = False,
        subscription: Filter | None = None,
        rules: Mapping[str, CoopRule] | None = None,
    ) -> RunningNode:
        """Start a co-op's node on its own folder, as left by the last run.

        Without a network of its own it takes the machine's.
        """
        coop, clock, arrivals = self.coops[index], clock or SystemClock(), Arrivals()
        config = Config(
            name=coop.name,
            peer_host=host,
            peer_port=port,
            peers=[PeerAddress(url=d if isinstance(d, str) else d.url) for d in dials],
            waits=waits,
            limits=limits or Limits(),
            coops=dict(rules or {}),
        )
        store = Store.open(self.folder / coop.name / "sheaf.db", random=os.urandom)
        ingest = Ingest(
            store=store,
            arrivals=arrivals,
            clock=clock,
            random=os.urandom,
            keyring=make_keyring(coop),
            limits=limits,
            subscription=subscription,
            free_bytes=free_bytes,
        )
        known = self.coops if knows is None else [coop, *(self.coops[at] for at in knows)]
        for other in known:
            await ingest.receive_key_ops(other.cid, other.key_ops)
        if adopts:
            ingest.known.adopt(self.certificate.fid)
        if has_certificate:
            await ingest.receive_certificate(self.certificate)
        parts = Parts(
            store=store,
            ingest=ingest,
            arrivals=arrivals,
            keyring=make_keyring(coop),
            clock=clock,
            random=os.urandom,
        )
        return await self._peered(coop, config, parts, network)

    async def _peered(
        self, coop: TestCoop, config: Config, parts: Parts, network: Network | None
    ) -> RunningNode:
        if network is None:
            network = await self.stack.enter_async_context(
                AiohttpNetwork.open(limits=config.limits, waits=config.waits)
            )
        blobs = Blobs(self.folder / coop.name, quota_bytes=config.limits.blob_bytes)
        fetching = Fetching(blobs, parts.clock)
        peering = Peering(
            ingest=parts.ingest,
            store=parts.store,
            arrivals=parts.arrivals,
            keyring=parts.keyring,
            network=network,
            clock=parts.clock,
            random=parts.random,
            config=config,
            blobs=fetching,
        )
        node = RunningNode(
            host=config.peer_host,
            coop=coop,
            store=parts.store,
            ingest=parts.ingest,
            peering=peering,
            blobs=blobs,
            fetching=fetching,
            certificate=self.certificate,
            arrivals=parts.arrivals,
        )
        self.stack.push_async_callback(node.stop)
        await peering.start()
        return node


class EvilPeer:
    """A peer that speaks the protocol by hand, as far as a test wants it to."""

    def __init__(self, coop: TestCoop, fid: FederationId, port: int, now_ms: int) -> None:
        self.coop, self.now_ms, self.fid = coop, now_ms, fid
        self.author = LogAuthor(coop, self.fid, now_ms=now_ms)
        self.session: Session
        self.socket: aiohttp.ClientWebSocketResponse
        self.heard: list[Message] = []
        self._address = f"127.0.0.1:{port}"

    async def __aenter__(self) -> EvilPeer:
        self._client = aiohttp.ClientSession()
        url = f"ws://{self._address}/sheaf/1/link"
        self.socket = await self._client.ws_connect(url, max_msg_size=0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.socket.close()
        await self._client.close()

    def initiator(self) -> Initiator:
        fresh = Fresh(seed=os.urandom(32), nonce=os.urandom(16))
        return Initiator(identity_of(self.coop), self._address, fresh)

    async def shake_hands(self) -> None:
        """Authenticate as the co-op."""
        initiator = self.initiator()
        await self.socket.send_bytes(initiator.hello())
        reply = await self.socket.receive_bytes()
        proof, self.session = initiator.receive_reply(reply, self.now_ms)
        await self.socket.send_bytes(proof)

    async def become_ready(self) -> None:
        """Go as far as data: tell nothing of control items and be ready for the federation."""
        await self.shake_hands()
        await self.send(ControlHave([], [], [], True))
        await self.send(Scope([self.scope], bytes(16)))
        await self.hear(Scope)

    @property
    def scope(self) -> bytes:
        return digest("scope-initiator", self.session.secret, self.fid)[:16]

    @property
    def scope_of_victim(self) -> bytes:
        return digest("scope-responder", self.session.secret, self.fid)[:16]

    def want(self, log: bytes, first: int = 1, last: int = 1) -> Want:
        return Want(self.scope, [RangeItem(LogId(log), first, last)])

    async def send(self, message: Message) -> None:
        await self.send_plain(encode_message(message))

    async def send_plain(self, plaintext: bytes) -> None:
        await self.socket.send_bytes(self.session.sealer.seal(plaintext))

    async def push(self, *envelopes: Envelope, is_live: bool = True) -> None:
        await self.send(Entries(self.scope, is_live, list(envelopes), []))

    async def tell(self, seq: int, head: bytes) -> None:
        """Claim to hold our own log up to a place."""
        item = FrontierItem(self.author.log, seq, head[:8])
        root = digest("test", b"whatever")
        await self.send(Have(self.scope, root, 1, [item]))

    async def hear(self, kind: type[Message]) -> Message:
        """Return the next message of a kind, passing over the others."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                frame = await self.socket.receive_bytes()
                self.heard.append(decode_message(self.session.opener.open(frame)))
                if isinstance(self.heard[-1], kind):
                    return self.heard[-1]

    async def ending(self) -> str:
        """Return why the victim ended the connection, as the WebSocket close says it."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await self.socket.receive()
                if message.type is aiohttp.WSMsgType.CLOSE:
                    return str(message.extra)
                if message.type is not aiohttp.WSMsgType.BINARY:
                    return message.type.name.lower()
                if hasattr(self, "session"):
                    self.heard.append(decode_message(self.session.opener.open(message.data)))


class Scene:
    """A victim with an honest peer, and whoever turns against it."""

    def __init__(self, world: World, victim: RunningNode, honest: RunningNode) -> None:
        self.world, self.victim, self.honest = world, victim, honest

    def evil(self, coop: TestCoop | None = None) -> EvilPeer:
        return self.world.evil(self.victim, coop)

    async def require_unharmed(self, entries: int = 1) -> None:
        """The victim stored nothing, and goes on with its honest peer."""
        # The other side hears that a link ends a moment before the victim has forgotten it.
        await self.world.until(lambda: len(self.victim.peering.peers()) == 1)
        [link] = self.victim.peering.peers()
        assert link.wid == self.honest.coop.wid
        assert self.victim.store.arrival == entries
        await self.victim.publish()
        await self.world.until_converged(self.victim, self.honest, entries=entries + 1)
        await self.world.until(lambda: self.victim.is_in_sync_with(self.honest))
        assert self.victim.peering.peers()[0].since_ms == link.since_ms


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path, time.time_ns() // 1_000_000)
    async with made.stack:
        yield made


@pytest.fixture
async def scene(world: World) -> Scene:
    victim = await world.start(0)
    honest = await world.start(1, dials=[victim])
    await victim.publish()
    await world.until_converged(victim, honest, entries=1)
    return Scene(world, victim, honest)
