"""One peer: from its welcome to its end, and when this node sends it what is due.

Control items first (`control_exchange.py`), then each common federation (`exchange.py`) and the
blobs of all of them (`blob_exchange.py`). The reader side is `receive`, and `hearing.py` for what
messages mean; the writer side is `pump`. `runner.py` calls both and moves the bytes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, assert_never

from sheaf_node.peering.blob_exchange import BlobExchange
from sheaf_node.peering.conduct import Conduct
from sheaf_node.peering.control_exchange import ControlExchange
from sheaf_node.peering.credit import Crediting
from sheaf_node.peering.exchanges import Exchanges
from sheaf_node.peering.hearing import Hearing
from sheaf_protocol.digest import short
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.link import (
    LinkClosed,
    MessageReceived,
    PeerAuthenticated,
    Phase,
    require_live_writer,
)
from sheaf_protocol.link.messages import Idle

if TYPE_CHECKING:
    from sheaf_node.peering.exchange import Live
    from sheaf_node.peering.frontiers import Moment
    from sheaf_node.peering.shared import Shared
    from sheaf_protocol.digest import FederationId, WriterId
    from sheaf_protocol.identity import KeyLog
    from sheaf_protocol.link import Cursor, Event, Link, Peer


class Session:
    """One link and what it is used for."""

    def __init__(self, link: Link, shared: Shared, *, url: str, is_dialled: bool) -> None:
        self.link, self.url, self.is_dialled = link, url, is_dialled
        self.wake = asyncio.Event()
        self.since_ms = shared.clock.now_ms()
        self.closed: LinkClosed | None = None
        self.is_welcome = False
        self._shared = shared
        self._conduct = Conduct(shared.clock, url)
        self._control = ControlExchange(
            link,
            store=shared.store,
            ingest=shared.ingest,
            circle=shared.circle,
            strike=self._conduct.strike,
            spend=self._conduct.spend,
        )
        self._exchanges = Exchanges(link, shared)
        self._blobs = BlobExchange(link, shared.blobs, self._stir)
        self._credit = Crediting(link)
        self._hearing = Hearing(
            link,
            shared,
            conduct=self._conduct,
            control=self._control,
            exchanges=self._exchanges,
            blobs=self._blobs,
            credit=self._credit,
        )
        self._is_idle_due = False

    @property
    def peer(self) -> Peer | None:
        """Who is at the other end, once proven."""
        return self.link.peer

    @property
    def wid(self) -> WriterId | None:
        """The writer at the other end, once proven."""
        return None if self.peer is None else self.peer.wid

    @property
    def is_shaking_hands(self) -> bool:
        """Whether the peer has still to prove who it is, or is being looked up."""
        return not self.is_welcome and self.link.phase is not Phase.CLOSED

    @property
    def in_sync(self) -> bool:
        """Whether both hold the same of each federation in common, as last told."""
        return self.link.is_ready and self._exchanges.in_sync

    async def receive(self, event: Event) -> None:
        """Take one event of the link."""
        try:
            match event:
                case PeerAuthenticated():
                    await self._welcome(event.peer)
                case MessageReceived():
                    await self._hearing.take(event.message, event.fid)
                case LinkClosed():
                    self.closed = event
                case _:
                    assert_never(event)
        except RemoteProtocolError as exc:
            self.close(exc.code, exc.detail)
        self.wake.set()

    def close(self, code: str, detail: str = "") -> None:
        """End the link for a reason of ours."""
        self.link.close(code, detail)
        self.wake.set()

    def push(self, live: Live) -> None:
        """Send own new entries to the peer if it is up to date with that log."""
        self._withdraw()
        exchange = self._exchanges.get(live.fid)
        if exchange is not None and self.link.phase is Phase.OPEN:
            exchange.push(live, self._shared.clock.now_ms())
            self.wake.set()

    def tick(self, moment: Moment, *, is_settling: bool) -> bool:
        """Let announcements fall due; return whether more ticks are needed."""
        now_ms = self._shared.clock.now_ms()
        try:
            needed = [
                exchange.tick(now_ms, moment, is_settling=is_settling)
                for exchange in self._exchanges
            ]
            needed.append(self._blobs.tick(now_ms))
            needed.append(self._credit.is_due)  # held back by the pace: look again
        except RemoteProtocolError as exc:
            self.close(exc.code, exc.detail)
            return False
        self.wake.set()
        return any(needed) and self.link.phase is Phase.OPEN

    def slow_to(self, kib_per_s: int) -> None:
        """Take no more than this of the peer in a second, by granting credit later; 0 for all."""
        self._credit.slow_to(kib_per_s)

    def recheck(self) -> None:
        """Compare everything again: time has passed, or control items have changed."""
        self._is_idle_due = True
        self._control.recheck()
        for exchange in self._exchanges:
            exchange.recheck()
        self.wake.set()

    def pump(self) -> bool:
        """Send what is due and at most one batch; return whether there is more to send now."""
        if not self.is_welcome or self.link.phase is not Phase.OPEN or self.peer is None:
            return False
        self._withdraw()
        self._control.pump(self.peer.cid)
        if self._control.is_compared:
            self._shared.note_compared(self)
        now_ms = self._shared.clock.now_ms()
        if self._credit.is_due:
            self._credit.grant(now_ms)
            if self._credit.is_due:
                self._shared.stir()  # held back by the pace: ticks look again
        if not self.link.is_ready:
            return False
        has_more = any([self._exchanges.of(fid).pump(now_ms) for fid in self.link.common])
        has_more |= self._blobs.pump(now_ms)
        if self._is_idle_due:
            self._is_idle_due = False
            self.link.send(Idle(self._exchanges.roots()))
        return has_more

    def cursors(self) -> dict[FederationId, Cursor]:
        """Return the last moments of equal roots, by federation."""
        return self._exchanges.cursors()

    def end(self) -> None:
        """Let go of what was reserved for this link."""
        self._exchanges.end()
        self._blobs.end()

    async def _welcome(self, peer: Peer) -> None:
        """Decide whether an authenticated peer may stay, and take up its key log."""
        shared = self._shared
        if peer.wid == shared.own:
            raise RemoteProtocolError("link.self", "expected another node than this one")
        if not (self.is_dialled or shared.circle.knows(peer.cid)):
            detail = f"expected a member of a federation of this node, got {short(peer.cid)}"
            raise RemoteProtocolError("link.not_member", detail)
        self._conduct.take_up(shared.buckets.of(peer.cid, shared.clock.now_ms()))
        # It may continue ours, or be another path: which of the two is in force ingest decides.
        await self._control.take_key_ops(peer.cid, peer.key_ops)
        held = shared.store.key_logs.get(peer.cid)
        if held is not None and _is_ended(held, peer.wid, shared.clock.now_ms()):
            # LNK-32: it may be a home that was put back, and has to learn that from its key log.
            self._control.narrow()
        self.is_welcome = True
        self._blobs.join()
        shared.admit(self)

    def _withdraw(self) -> None:
        """Exchange no data of a federation from the moment that one of us is no longer in it."""
        if self.peer is None or self.link.phase is not Phase.OPEN:
            return
        if self._control.withdraw(self.peer.cid):
            self._exchanges.withdraw()
            self._blobs.withdraw()

    def _stir(self) -> None:
        self.wake.set()
        self._shared.stir()


def _is_ended(keys: KeyLog, wid: WriterId, now_ms: int) -> bool:
    """Return whether a writer was closed, by a close that the peer's own copy may lack.

    Raises RemoteProtocolError `link.not_delegated`, `link.expired`.
    """
    try:
        require_live_writer(keys, wid, now_ms)
    except RemoteProtocolError as exc:
        if exc.code != "link.writer_closed":
            raise
        return True
    return False
