"""One peer: what its link's messages mean to this node, and what this node sends it.

Control items first (`control_exchange.py`), then each common federation (`exchange.py`) and the
blobs of all of them (`blob_exchange.py`). The reader side is `receive`, the writer side `pump`;
`runner.py` calls both and moves the bytes.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from sheaf_node.peering.blob_exchange import BlobExchange
from sheaf_node.peering.conduct import Conduct
from sheaf_node.peering.control_exchange import ControlExchange
from sheaf_node.peering.exchange import Exchange
from sheaf_node.peering.policy import EMPTY_WANT, work
from sheaf_protocol.digest import log_id, short
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.frontier import idle_digest
from sheaf_protocol.limits import CREDIT_BYTES
from sheaf_protocol.link import (
    LinkClosed,
    MessageReceived,
    PeerAuthenticated,
    Phase,
    require_live_writer,
)
from sheaf_protocol.link.messages import (
    BlobEnd,
    BlobPiece,
    BlobWant,
    Bye,
    Compare,
    ControlHave,
    ControlItems,
    ControlWant,
    Credit,
    DataMessage,
    Entries,
    Have,
    Idle,
    Lagged,
    Payloads,
    PayloadWant,
    Reject,
    Scope,
    Served,
    Subscribe,
    Tree,
    TreeWant,
    Want,
    cost,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sheaf_node.blobs import Fetching
    from sheaf_node.clock import Clock
    from sheaf_node.ingest import Ingest
    from sheaf_node.peering.circle import Circle
    from sheaf_node.peering.exchange import Live
    from sheaf_node.peering.frontiers import Frontiers
    from sheaf_node.peering.policy import Buckets
    from sheaf_node.store import Store
    from sheaf_protocol.digest import FederationId, WriterId
    from sheaf_protocol.identity import KeyLog
    from sheaf_protocol.link import Claims, Cursor, Event, Link, Peer
    from sheaf_protocol.link.messages import (
        BlobMessage,
        EntryMessage,
        Message,
        PayloadMessage,
    )

_GRANT_AT = CREDIT_BYTES // 8
"""Credit goes back in eighths: one small frame for each full batch stored."""

_LOG = logging.getLogger("sheaf.peering")


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """What all sessions of a node use."""

    own: WriterId
    store: Store
    ingest: Ingest
    clock: Clock
    circle: Circle
    frontiers: Frontiers
    claims: Claims
    blobs: Fetching
    buckets: Buckets
    admit: Callable[[Session], None]
    """Take up a welcome peer, or close one of two links to it."""
    note_compared: Callable[[Session], None]
    """Take note that control items were compared, and perhaps logs, too."""
    stir: Callable[[], None]
    """Say that something is to be announced or waited for."""


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
        self._exchanges: dict[FederationId, Exchange] = {}
        self._their_store = b""
        self._is_idle_due = False
        self._blobs = BlobExchange(link, shared.blobs, self._stir)
        self._to_grant = 0

    @property
    def peer(self) -> Peer | None:
        """Who is at the other end, once proven."""
        return self.link.peer

    @property
    def is_shaking_hands(self) -> bool:
        """Whether the peer has still to prove who it is, or is being looked up."""
        return not self.is_welcome and self.link.phase is not Phase.CLOSED

    @property
    def in_sync(self) -> bool:
        """Whether both hold the same of each federation in common, as last told."""
        return (
            self.link.is_ready
            and bool(self._exchanges)
            and all(exchange.in_sync for exchange in self._exchanges.values())
        )

    async def receive(self, event: Event) -> None:
        """Take one event of the link."""
        try:
            match event:
                case PeerAuthenticated():
                    await self._welcome(event.peer)
                case MessageReceived():
                    await self._take(event.message, event.fid)
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

    def tick(self, *, is_settling: bool) -> bool:
        """Let announcements fall due; return whether more ticks are needed."""
        now_ms = self._shared.clock.now_ms()
        try:
            needed = [e.tick(now_ms, is_settling=is_settling) for e in self._exchanges.values()]
            needed.append(self._blobs.tick(now_ms))
        except RemoteProtocolError as exc:
            self.close(exc.code, exc.detail)
            return False
        self.wake.set()
        return any(needed) and self.link.phase is Phase.OPEN

    def recheck(self) -> None:
        """Compare everything again: time has passed, or control items have changed."""
        self._is_idle_due = True
        self._control.recheck()
        for exchange in self._exchanges.values():
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
        if self._to_grant >= _GRANT_AT:
            self.link.grant(self._to_grant)
            self._to_grant = 0
        if not self.link.is_ready:
            return False
        now_ms = self._shared.clock.now_ms()
        has_more = any([self._exchange(fid).pump(now_ms) for fid in self.link.common])
        has_more |= self._blobs.pump(now_ms)
        if self._is_idle_due:
            self._is_idle_due = False
            self.link.send(Idle(self._all_roots()))
        return has_more

    def cursors(self) -> dict[FederationId, Cursor]:
        """Return the last moments of equal roots, by federation."""
        known = {fid: exchange.comparing.cursor for fid, exchange in self._exchanges.items()}
        return {fid: cursor for fid, cursor in known.items() if cursor is not None}

    def end(self) -> None:
        """Let go of what was reserved for this link."""
        for exchange in self._exchanges.values():
            self._shared.claims.drop(exchange.sync)
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
            self._forget_withdrawn()

    def _forget_withdrawn(self) -> None:
        """Let go of exchanges in federations that are not common any more."""
        for fid in self._exchanges.keys() - self.link.common:
            self._shared.claims.drop(self._exchanges.pop(fid).sync)
        self._blobs.withdraw()

    async def _take(self, message: Message, fid: FederationId | None) -> None:
        if fid is None and isinstance(message, DataMessage):
            # LNK-31: it was sent before the peer heard that we withdrew.
            self._conduct.spend(work(message))
            self._to_grant += cost(message)
            return
        self._charge(message, fid)
        match message:
            case ControlHave():
                self._control.hear_have(message)
            case ControlWant():
                self._control.hear_want(message, self._require_peer().cid)
            case ControlItems():
                await self._control.take(message)
                self._to_grant += cost(message)
            case Scope():
                self._their_store = message.store_id
                self._forget_withdrawn()
                self._control.recheck()
                self._blobs.wake()
            case Idle():
                self._hear_idle(message)
            case Reject():
                _LOG.info("peer refused entry %s: %s", short(message.entry), message.code)
            case Credit() | Bye():
                pass
            case BlobWant() | BlobPiece() | BlobEnd():
                await self._take_blob(message, self._exchange(fid).fid)
            case Subscribe() | PayloadWant() | Payloads():
                await self._take_payload(message, self._exchange(fid))
            case (
                Compare() | Have() | Tree() | TreeWant() | Want() | Entries() | Served() | Lagged()
            ):
                await self._take_data(message, self._exchange(fid))
            case _:
                assert_never(message)

    async def _take_blob(self, message: BlobMessage, fid: FederationId) -> None:
        match message:
            case BlobWant():
                if not self._blobs.hear_want(message, fid):
                    self._conduct.spend(EMPTY_WANT)
            case BlobPiece():
                await self._blobs.take(message, fid)
                self._to_grant += cost(message)
            case BlobEnd():
                if not self._blobs.hear_end(message, fid, self._shared.clock.now_ms()):
                    self._conduct.strike(
                        "link.withheld", "pieces that were said to be sent did not come"
                    )
            case _:
                assert_never(message)

    async def _take_payload(self, message: PayloadMessage, exchange: Exchange) -> None:
        match message:
            case Subscribe():
                exchange.payloads.hear_subscribe(message)
            case PayloadWant():
                if not exchange.hear_payload_want(message):
                    self._conduct.spend(EMPTY_WANT)
            case Payloads():
                await exchange.payloads.take(message, self._shared.clock.now_ms())
                self._to_grant += cost(message)
            case _:
                assert_never(message)

    async def _take_data(self, message: EntryMessage, exchange: Exchange) -> None:
        now_ms = self._shared.clock.now_ms()
        match message:
            case Compare():
                exchange.comparing.hear_compare(message)
            case Have():
                exchange.hear_have(message, now_ms)
                self._shared.stir()
            case Tree():
                exchange.comparing.hear_tree(message)
                self._shared.stir()
            case TreeWant():
                exchange.comparing.hear_tree_want(message)
            case Lagged():
                exchange.comparing.hear_lagged()
            case Want():
                if not exchange.hear_want(message):
                    self._conduct.spend(EMPTY_WANT)
            case Served():
                if not exchange.hear_served(now_ms):
                    self._conduct.strike(
                        "link.withheld", "entries that were announced did not come"
                    )
            case Entries():
                results = await exchange.take(message, now_ms)
                self._to_grant += cost(message)
                self._blobs.hear_other(now_ms)
                self._conduct.judge(results, message.envelopes, self._require_peer().wid)
            case _:
                assert_never(message)

    def _stir(self) -> None:
        self.wake.set()
        self._shared.stir()

    def _charge(self, message: Message, fid: FederationId | None) -> None:
        """Make the peer pay for what it makes us do."""
        if isinstance(message, Compare) and self._exchange(fid).has_root(message.root):
            return
        self._conduct.spend(work(message))

    def _all_roots(self) -> bytes:
        """Return the digest over the roots of all common federations."""
        return idle_digest(self._shared.frontiers.of(fid).root for fid in self.link.in_order)

    def _hear_idle(self, message: Idle) -> None:
        """Compare each federation where not all of them are as the peer has them."""
        if message.digest == self._all_roots():
            return
        for fid in self.link.in_order:
            self._exchange(fid).comparing.begin()

    def _exchange(self, fid: FederationId | None) -> Exchange:
        """Return the exchange of a federation that both sides offered, begun if need be."""
        if fid is None:
            raise LocalProtocolError("link.scope", "expected the federation of a data message")
        if fid not in self._exchanges:
            peer, shared = self._require_peer(), self._shared
            exchange = self._exchanges[fid] = Exchange(
                fid,
                self.link,
                store=shared.store,
                ingest=shared.ingest,
                frontiers=shared.frontiers,
                claims=shared.claims,
                store_id=self._their_store,
            )
            shared.claims.expect(log_id(fid, peer.cid, peer.wid), exchange.sync)
            shared.stir()
        return self._exchanges[fid]

    def _require_peer(self) -> Peer:
        if self.peer is None:
            raise LocalProtocolError("link.not_open", "expected an authenticated peer")
        return self.peer


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
