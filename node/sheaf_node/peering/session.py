"""One peer: what its link's messages mean to this node, and what this node sends it.

Control items first, then each common federation (`exchange.py`). The reader side is `receive`, the
writer side `pump`; `runner.py` calls both and moves the bytes.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from sheaf_node.ingest import Outcome
from sheaf_node.peering.exchange import Exchange, glance
from sheaf_node.peering.policy import Strikes, is_own_fault
from sheaf_node.peering.strangers import Strangers
from sheaf_protocol.charter import read_charter
from sheaf_protocol.digest import log_id, short
from sheaf_protocol.errors import Fault, LocalProtocolError, RemoteProtocolError
from sheaf_protocol.limits import CREDIT_BYTES
from sheaf_protocol.link import (
    ControlSync,
    LinkClosed,
    MessageReceived,
    PeerAuthenticated,
    Phase,
    require_live_writer,
)
from sheaf_protocol.link.messages import (
    Bye,
    Compare,
    ControlHave,
    ControlItems,
    ControlWant,
    Credit,
    Entries,
    Have,
    Reject,
    Scope,
    Served,
    Want,
    cost,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from sheaf_node.clock import Clock
    from sheaf_node.ingest import Ingest, Result
    from sheaf_node.peering.circle import Circle
    from sheaf_node.peering.exchange import Frontiers, Live
    from sheaf_node.store import Store
    from sheaf_protocol.charter import Certificate
    from sheaf_protocol.digest import CoopId, FederationId, WriterId
    from sheaf_protocol.envelope import Envelope
    from sheaf_protocol.link import Claims, Event, Link, Peer
    from sheaf_protocol.link.messages import KeyOps, Message

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
    admit: Callable[[Session], None]
    """Take up a welcome peer, or close one of two links to it."""
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
        self._control = ControlSync()
        self._is_control_due = True
        self._answer: Iterator[ControlItems] | None = None
        self._next_items: ControlItems | None = None
        self._offered: frozenset[FederationId] | None = None
        self._exchanges: dict[FederationId, Exchange] = {}
        self._strikes = Strikes()
        self._strangers = Strangers()
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
        exchange = self._exchanges.get(live.fid)
        if exchange is not None and self.link.phase is Phase.OPEN:
            exchange.push(live, self._shared.clock.now_ms())
            self.wake.set()

    def tick(self, *, is_settling: bool) -> bool:
        """Let announcements fall due; return whether more ticks are needed."""
        now_ms = self._shared.clock.now_ms()
        try:
            needed = [e.tick(now_ms, is_settling=is_settling) for e in self._exchanges.values()]
        except RemoteProtocolError as exc:
            self.close(exc.code, exc.detail)
            return False
        self.wake.set()
        return any(needed) and self.link.phase is Phase.OPEN

    def recheck(self) -> None:
        """Compare everything again: time has passed, or control items have changed."""
        self._is_control_due = True
        for exchange in self._exchanges.values():
            exchange.recheck()
        self.wake.set()

    def pump(self) -> bool:
        """Send what is due and at most one batch; return whether there is more to send now."""
        if not self.is_welcome or self.link.phase is not Phase.OPEN or self.peer is None:
            return False
        self._pump_control(self.peer)
        if self._to_grant >= _GRANT_AT:
            self.link.grant(self._to_grant)
            self._to_grant = 0
        if not self.link.is_ready:
            return False
        now_ms = self._shared.clock.now_ms()
        return any([self._exchange(fid).pump(now_ms) for fid in self.link.common])

    def end(self) -> None:
        """Let go of what was reserved for this link."""
        for exchange in self._exchanges.values():
            self._shared.claims.drop(exchange.sync)

    async def _welcome(self, peer: Peer) -> None:
        """Decide whether an authenticated peer may stay, and take up its key log."""
        shared = self._shared
        if peer.wid == shared.own:
            raise RemoteProtocolError("link.self", "expected another node than this one")
        if not (self.is_dialled or shared.circle.knows(peer.cid)):
            detail = f"expected a member of a federation of this node, got {short(peer.cid)}"
            raise RemoteProtocolError("link.not_member", detail)
        held = shared.store.key_logs.get(peer.cid)
        if held is None or held.size < peer.keys.size:
            await shared.ingest.receive_key_ops(peer.cid, list(peer.key_ops))
        held = shared.store.key_logs.get(peer.cid)
        if held is not None:
            # We may know of a close that the peer's own copy of its key log lacks.
            require_live_writer(held, peer.wid, shared.clock.now_ms())
        self.is_welcome = True
        shared.admit(self)

    async def _take(self, message: Message, fid: FederationId | None) -> None:
        match message:
            case ControlHave():
                self._control.hear(message)
                self._is_control_due = True
            case ControlWant():
                self._next_items = None
                self._answer = self._shared.circle.answer(self._require_peer().cid, message)
            case ControlItems():
                await self._take_control(message)
            case Scope():
                self._is_control_due = True
            case Reject():
                _LOG.info("peer refused entry %s: %s", short(message.entry), message.code)
            case Credit() | Bye():
                pass
            case Compare() | Have() | Want() | Entries() | Served():
                await self._take_data(message, self._exchange(fid))
            case _:
                assert_never(message)

    async def _take_data(
        self, message: Compare | Have | Want | Entries | Served, exchange: Exchange
    ) -> None:
        now_ms = self._shared.clock.now_ms()
        match message:
            case Compare():
                exchange.hear_compare(message)
            case Have():
                exchange.hear_have(message, now_ms)
                self._shared.stir()
            case Want():
                exchange.hear_want(message)
            case Served():
                if not exchange.hear_served():
                    self._strike("link.withheld", "entries that were announced did not come")
            case Entries():
                results = await exchange.take(message, now_ms)
                self._to_grant += cost(message)
                for result, envelope in zip(results, message.envelopes, strict=True):
                    self._judge(result, envelope)
            case _:
                assert_never(message)

    async def _take_control(self, message: ControlItems) -> None:
        """Give control items to ingest, key logs first, as the others are checked by them."""
        ingest = self._shared.ingest
        for log in message.key_logs:
            await self._try(self._take_key_ops(log), of=log.cid)
        for certificate in message.certificates:
            self._strangers.keep_certificate(certificate)
        for certificate in self._strangers.certificates:
            await self._try(self._take_certificate(certificate))
        for proof in message.proofs:
            await self._try(ingest.receive_fork_proof(proof))
        self._to_grant += cost(message)
        if message.is_last:
            self._control.answered()
        self._is_control_due = True

    async def _take_key_ops(self, log: KeyOps) -> None:
        """Store operations of a co-op that a charter names; keep those of others for a charter."""
        if log.cid in self._shared.store.key_logs or self._shared.circle.knows(log.cid):
            await self._shared.ingest.receive_key_ops(log.cid, list(log.ops))
        else:
            self._strangers.keep_key_ops(log.cid, log.ops)

    async def _take_certificate(self, certificate: Certificate) -> None:
        """Store a certificate with its founders' key logs, once they are here."""
        key_logs = self._strangers.key_logs
        await self._shared.ingest.receive_certificate(certificate, key_logs=key_logs)
        members = [member.cid for member in read_charter(certificate).members]
        self._strangers.forget(certificate, members)

    async def _try(
        self, storing: Coroutine[None, None, object], *, of: CoopId | None = None
    ) -> None:
        """Store a control item; what may be right later is asked for again later.

        Whoever passes on another's two-faced key log is not to blame: it holds the one face.
        """
        try:
            await storing
        except RemoteProtocolError as exc:
            if is_own_fault(exc.code):
                raise
            is_relayed = exc.code == "key.fork" and of != self._require_peer().cid
            if exc.fault is Fault.SENDER and not is_relayed:
                self._strike(exc.code, exc.detail)

    def _judge(self, result: Result, envelope: Envelope) -> None:
        """Make the peer answer for an entry that it should not have passed on."""
        if result.outcome not in {Outcome.REJECTED, Outcome.FORK}:
            return
        seen = glance(envelope)
        is_own = seen is not None and seen[0].wid == self._require_peer().wid
        if result.outcome is Outcome.FORK:
            # Whoever passes on another's fork does us a service; its author is not talked to.
            if is_own:
                raise RemoteProtocolError("log.forked", result.detail)
            return
        code = result.code or ""
        if is_own_fault(code):
            raise RemoteProtocolError(code, result.detail)
        if is_own or not code.startswith("log."):
            self._strike(code, result.detail)

    def _strike(self, code: str, detail: str) -> None:
        _LOG.info("peer %s: %s: %s", self.url, code, detail)
        if self._strikes.add(self._shared.clock.now_ms()):
            raise RemoteProtocolError("link.bad_entries", f"too many refusals, the last {code}")

    def _pump_control(self, peer: Peer) -> None:
        if self._is_control_due:
            self._is_control_due = False
            ours = self._shared.circle.control_for(peer.cid)
            for have in self._control.tell(ours):
                self.link.send(have)
            want = self._control.ask(ours)
            if want is not None:
                self.link.send(want)
            self._offer(peer)
        self._pump_answer()

    def _offer(self, peer: Peer) -> None:
        """Say that we are ready for data, once the peer's control items are here."""
        if not self._control.is_settled:
            return
        fids = self._shared.circle.shared_with(peer.cid)
        if fids != self._offered:
            self.link.offer(fids, self._shared.store.store_id)
            self._offered = fids

    def _pump_answer(self) -> None:
        """Send the answer to the peer's last want, as far as its credit goes."""
        while self._answer is not None:
            if self._next_items is None:
                self._next_items = next(self._answer, None)
            if self._next_items is None:
                self._answer = None
            elif cost(self._next_items) > self.link.credit:
                return
            else:
                self.link.send(self._next_items)
                self._next_items = None

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
            )
            shared.claims.expect(log_id(fid, peer.cid, peer.wid), exchange.sync)
            shared.stir()
        return self._exchanges[fid]

    def _require_peer(self) -> Peer:
        if self.peer is None:
            raise LocalProtocolError("link.not_open", "expected an authenticated peer")
        return self.peer
