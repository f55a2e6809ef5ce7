"""The side that looks back: whom it does that for, and what it tells."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from sheaf_node.address import audiences, link_address
from sheaf_node.peering.look_back import (
    DIAL_MS,
    MAX_REQUEST,
    OK,
    LookBackAnswer,
    LookBackRequest,
    Times,
    Wish,
)
from sheaf_node.peering.network import Posted, SocketClosed
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import CoopId, WriterId
from sheaf_protocol.errors import Refusal, RemoteProtocolError
from sheaf_protocol.limits import MAX_CLOCK_AHEAD_MS
from sheaf_protocol.link import Dial, Fresh, Identity, Link

if TYPE_CHECKING:
    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.config import Config
    from sheaf_node.ingest import Ingest
    from sheaf_node.keyring import Keyring
    from sheaf_node.peering.network import Socket
    from sheaf_node.store import Store

_UNREACHABLE = "link.unreachable"


class Dialling(Protocol):
    """What a look-back asks of the machine's network."""

    async def dial(self, url: str, timeout_ms: int) -> Socket:
        """Connect to an address that the operator wrote down."""

    async def dial_hint(self, url: str, timeout_ms: int) -> Socket:
        """Connect to an address outside of any network, checked as it is resolved."""


class LookBack:
    """Answers requests for look-backs, one at a time."""

    def __init__(
        self,
        *,
        network: Dialling,
        store: Store,
        ingest: Ingest,
        keyring: Keyring,
        clock: Clock,
        random: Randomness,
        config: Config,
    ) -> None:
        self._network, self._store, self._ingest = network, store, ingest
        self._keyring, self._clock, self._random, self._config = keyring, clock, random, config
        self._times = Times()
        self._is_at_work = False

    async def answer(self, body: bytes, address: str) -> Posted:
        """Return the answer to a posted request, whoever sent it; a `Post` of the peer port."""
        del address  # behind a proxy it is the proxy's
        try:
            request = decode(body, LookBackRequest, limit=MAX_REQUEST)
            self._require_welcome(request)
        except Refusal as refusal:
            return _answered(refusal.code, [])
        self._is_at_work = True
        try:
            met = [await self._look(request.wish, url) for url in request.wish.urls]
        finally:
            self._is_at_work = False
        return _answered(OK, met)

    def _require_welcome(self, request: LookBackRequest) -> None:
        """Return if a request is to be carried out; the cheapest checks come first.

        Raises Refusal `link.not_member`, `link.audience`, `look_back.busy`, `look_back.time`.
        """
        now_ms, wish = self._clock.now_ms(), request.wish
        if not self._is_member(wish, now_ms):  # DSC-21
            raise _stranger()
        if self._is_at_work or not self._times.may_glance(now_ms):
            raise Refusal("look_back.busy", "expected fewer requests at a time")
        if not request.is_signed:
            raise _stranger()
        config = self._config
        if wish.audience not in audiences(config.public_names, config.peer_host, config.peer_port):
            raise RemoteProtocolError("link.audience", "expected a request to this node")
        if abs(wish.time_ms - now_ms) > MAX_CLOCK_AHEAD_MS:
            raise Refusal("look_back.time", "expected a request of these minutes")
        if not self._times.may_look(CoopId(wish.cid), now_ms):  # DSC-23
            raise Refusal("look_back.busy", "expected at most one request a minute")

    def _is_member(self, wish: Wish, now_ms: int) -> bool:
        """Return whether an open writer of a fellow member asks, as far as it says so itself."""
        cid, own = CoopId(wish.cid), self._keyring.cid
        keys = self._store.key_logs.get(cid)
        writer = None if keys is None else keys.writers.get(WriterId(wish.wid))
        if writer is None or writer.is_closed or (writer.expires_ms or 0) <= now_ms:
            return False
        return not self._config.rule(cid).paused and any(
            federation.is_member(cid) and federation.is_member(own)
            for federation in self._ingest.federations.values()
        )

    async def _look(self, wish: Wish, url: str) -> str:
        """Return `ok` where the asker proves itself at an address of its own.

        DSC-24: nobody learns what else answers there.
        """
        try:
            socket = await self._dialled(url)
        except Refusal as refusal:
            return refusal.code if refusal.code == "peer.inside" else _UNREACHABLE
        is_met = False
        try:
            async with asyncio.timeout(DIAL_MS / 1000):
                is_met = await self._meets(socket, link_address(url)[1], wish)
        except (SocketClosed, TimeoutError):
            is_met = False
        finally:
            await socket.close("link.bye", is_fault=False)
        return OK if is_met else _UNREACHABLE

    async def _dialled(self, url: str) -> Socket:
        """Connect. Raises Refusal `peer.url`, `peer.inside`, `link.unreachable`."""
        address, _ = link_address(url)
        if address in {link_address(peer.url)[0] for peer in self._config.peers}:
            return await self._network.dial(address, DIAL_MS)  # the operator here wrote it down
        return await self._network.dial_hint(address, DIAL_MS)

    async def _meets(self, socket: Socket, audience: str, wish: Wish) -> bool:
        """Begin a handshake and see who proves itself; our own identity (M3) is not sent."""
        own = self._keyring
        identity = Identity(cid=own.cid, key_log=list(own.key_ops), writer=own.writer)
        fresh = Fresh(seed=self._random(32), nonce=self._random(16))
        link = Link(Dial(audience=audience), identity, fresh, self._clock.now_ms())
        for frame in link.data_to_send():
            await socket.send(frame)
        link.receive_data(await socket.receive(), self._clock.now_ms())
        peer = link.peer
        return peer is not None and (peer.cid, peer.wid) == (wish.cid, wish.wid)


def _stranger() -> RemoteProtocolError:
    return RemoteProtocolError("link.not_member", "expected a member of our federations")


def _answered(code: str, met: list[str]) -> Posted:
    return Posted(status=200, body=encode(LookBackAnswer(code=code, met=met)))
