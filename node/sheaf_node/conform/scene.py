"""What a case is given: its co-ops, their links to the node under test, and the sequence so far."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import aiohttp

from sheaf_node.conform.model import Failed
from sheaf_node.conform.peer import KitPeer
from sheaf_protocol.link.messages import Entries, Served
from sheaf_protocol.testing.author import LogAuthor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.conform.api import Api
    from sheaf_node.conform.kit import Kit, Side
    from sheaf_node.conform.listener import KitListener
    from sheaf_node.conform.target import Target
    from sheaf_protocol.charter import Chain
    from sheaf_protocol.digest import CoopId, FederationId
    from sheaf_protocol.envelope import Envelope
    from sheaf_protocol.frontier import FrontierItem
    from sheaf_protocol.subscription import Filter
    from sheaf_protocol.testing.author import TestCoop

_PAUSES_S: Final = (0.005, 0.02, 0.05, 0.1, 0.2)
"""Between questions whether something has arrived: the last one again and again."""

_DIALS: Final = 75
"""Of one WebSocket, where the node has no room: more than the time after which it lets go of a
handshake that stopped."""


class Scene:
    """One case's view of the kit and of the node under test."""

    def __init__(
        self,
        kit: Kit,
        target: Target,
        client: aiohttp.ClientSession,
        *,
        home: Side,
        coops: Sequence[TestCoop],
        plain: Sequence[TestCoop],
        sides: Sequence[Side],
        now_ms: int,
        api: Api | None = None,
        listener: KitListener | None = None,
    ) -> None:
        self.coops, self.plain, self.sides = coops, plain, sides
        self.target, self.client, self.now_ms = target, client, now_ms
        self.kit, self._home = kit, home
        self.sequence: list[str] = []
        """What was sent and heard, in words."""
        self.codes: set[str] = set()
        """The codes that the node under test gave."""
        self._api, self._listener = api, listener
        self._peers: list[KitPeer] = []

    @property
    def chain(self) -> Chain:
        """The federation of the case's co-ops, which others share."""
        return self._home.chain

    @property
    def fid(self) -> FederationId:
        """Its id."""
        return self.chain.federation.fid

    @property
    def node(self) -> CoopId:
        """The co-op of the node under test."""
        return self.kit.node.cid

    @property
    def api(self) -> Api:
        """The local API; for cases of the surface `api` alone."""
        if self._api is None:
            raise Failed(expected="a local API to ask", got="none")
        return self._api

    @property
    def listener(self) -> KitListener:
        """The kit's own port; for cases of the surface `dialled` alone."""
        if self._listener is None:
            raise Failed(expected="an address that the node dials", got="none")
        return self._listener

    def say(self, line: str) -> None:
        """Add a line to the sequence."""
        self.sequence.append(line)

    def saw(self, code: str) -> None:
        """Note that the node under test gave a code."""
        self.codes.add(code)

    def expect(self, expected: object, got: object, what: str = "") -> None:
        """Raise Failed unless what came is what was expected."""
        if expected != got:
            of = f"{what}: " if what else ""
            raise Failed(expected=f"{of}{expected}", got=str(got))

    def author(self, coop: TestCoop | None = None, fid: FederationId | None = None) -> LogAuthor:
        """Return the author of a co-op's log, at its beginning."""
        return LogAuthor(coop or self.coops[0], fid or self.fid, now_ms=self.now_ms)

    async def dial(self, coop: TestCoop | None = None, fid: FederationId | None = None) -> KitPeer:
        """Open a WebSocket for a co-op, the first of the case if none is named; say nothing."""
        who = coop or self.coops[0]
        socket = await self._connected()
        peer = KitPeer(
            who, self.author(who, fid), socket, self.target.audience, say=self.say, saw=self.saw
        )
        self._peers.append(peer)
        return peer

    async def link(self, coop: TestCoop | None = None) -> KitPeer:
        """Dial and authenticate."""
        peer = await self.dial(coop)
        await peer.shake_hands()
        return peer

    async def ready(
        self,
        coop: TestCoop | None = None,
        fid: FederationId | None = None,
        filter_: Filter | None = None,
    ) -> KitPeer:
        """Dial and go as far as data of one federation."""
        peer = await self.dial(coop, fid)
        await peer.become_ready(fid, filter_)
        return peer

    async def held(self, author: LogAuthor) -> FrontierItem | None:
        """Return what the node holds of a log, asked over a link of the case that is open."""
        peer = await self._asking(author.fid)
        return await peer.heads(author.log, author.fid)

    async def await_held(self, author: LogAuthor, seq: int | None = None) -> FrontierItem:
        """Return once the node holds a log up to a place, its author's head if none is named."""
        upto = author.head.seq if seq is None else seq
        for turn in range(1_000):
            item = await self.held(author)
            if item is not None and item.seq >= upto:
                return item
            await asyncio.sleep(_PAUSES_S[min(turn, len(_PAUSES_S) - 1)])
        raise Failed(expected=f"entry {upto} of the log to be held", got="none after long asking")

    async def require_held(self, author: LogAuthor, seq: int) -> None:
        """Raise Failed unless the node holds a log up to this place and no further."""
        item = await self.await_held(author, seq)
        self.expect(seq, item.seq, "entries held of the log")

    async def require_not_held(self, author: LogAuthor, seq: int = 1) -> None:
        """Raise Failed where the node holds an entry of a log, or one behind it."""
        item = await self.held(author)
        got = 0 if item is None else item.seq
        if got >= seq:
            raise Failed(expected=f"entry {seq} of the log not to be held", got=f"{got} entries")

    async def entries(self, author: LogAuthor, first: int, last: int) -> list[Envelope]:
        """Return what the node sends of a range of a log to another member."""
        peer = await self._asking(author.fid)
        at = len(peer.heard)
        await peer.want(author.log, first, last, author.fid)
        theirs = peer.their_scope(author.fid)
        await peer.hear(Served, lambda served: served.scope == theirs)
        batches = [each for each in peer.heard[at:] if isinstance(each, Entries)]
        return [each for batch in batches if not batch.is_live for each in batch.envelopes]

    async def close(self) -> None:
        """End all links of the case."""
        for peer in self._peers:
            await peer.close()

    async def _connected(self) -> aiohttp.ClientWebSocketResponse:
        """Return a WebSocket to the node; one that has no room for it now is asked again."""
        for _ in range(_DIALS):
            try:
                return await self.client.ws_connect(
                    self.target.link, max_msg_size=0, compress=0, timeout=_CLOSE
                )
            except aiohttp.WSServerHandshakeError as exc:
                if exc.status != HTTPStatus.SERVICE_UNAVAILABLE:
                    raise Failed(expected=_websocket(self.target), got=str(exc)) from exc
            except (aiohttp.ClientError, OSError) as exc:
                raise Failed(expected=_websocket(self.target), got=str(exc)) from exc
            await asyncio.sleep(_PAUSES_S[-1])
        raise Failed(expected=_websocket(self.target), got="503 again and again")

    async def _asking(self, fid: FederationId) -> KitPeer:
        """Return a link that is ready for data, of the case's last co-op where there is none."""
        for peer in reversed(self._peers):
            if peer.ending is None and peer.is_ready_for(fid):
                return peer
        side = next((each for each in self.sides if each.fid == fid), None)
        return await self.ready((self.coops if side is None else side.coops)[-1], fid)


def _websocket(target: Target) -> str:
    return f"a WebSocket at {target.link}"


_CLOSE: Final = aiohttp.ClientWSTimeout(ws_close=1.0)
