"""A node's links: who may have one, which of two stays, and how each is run to its end.

`rounds.py` serves all of them together, `status.py` tells people of them.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from sheaf_node.address import audiences, link_address
from sheaf_node.events import Counter
from sheaf_node.peering.circle import Circle
from sheaf_node.peering.dialer import Dialer, Ended, reason_of
from sheaf_node.peering.frontiers import Frontiers
from sheaf_node.peering.policy import Buckets, keeps_new
from sheaf_node.peering.rounds import Rounds, keep_cursors
from sheaf_node.peering.runner import run_session
from sheaf_node.peering.server import PeerServer
from sheaf_node.peering.session import Session
from sheaf_node.peering.share import Shares
from sheaf_node.peering.shared import Shared
from sheaf_node.peering.status import DialStatus, PeerStatus, peer_status
from sheaf_node.peering.traffic import Traffic
from sheaf_node.turns import Turns
from sheaf_protocol.errors import Refusal
from sheaf_protocol.link import Claims, Dial, Fresh, Identity, Link, Listen

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from sheaf_node.blobs import Fetching
    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.config import Config
    from sheaf_node.events import Arrivals
    from sheaf_node.ingest import Ingest
    from sheaf_node.keyring import Keyring
    from sheaf_node.peering.network import Network, Post, Socket
    from sheaf_node.store import Store
    from sheaf_protocol.digest import CoopId, WriterId
    from sheaf_protocol.identity import KeyOp

_LOG = logging.getLogger("sheaf.peering")


class Peering:
    """A node's side of all its links."""

    def __init__(
        self,
        *,
        ingest: Ingest,
        store: Store,
        arrivals: Arrivals,
        keyring: Keyring,
        network: Network,
        clock: Clock,
        random: Randomness,
        config: Config,
        blobs: Fetching,
        turns: Turns | None = None,
        posts: Mapping[str, Post] | None = None,
        seek: Callable[[Peering], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        self._store, self._arrivals, self._keyring = store, arrivals, keyring
        self._clock, self._random, self._config = clock, random, config
        self._links: dict[WriterId, Session] = {}
        self._sessions: dict[Session, None] = {}
        self._ends = Counter()
        self._unsettled = asyncio.Event()
        self._compared_at: set[str] = set()
        self._main: asyncio.Task[None] | None = None
        self._network, self._seek = network, seek
        self._turns = turns or Turns()
        self.near_names: list[str] = []
        """Names under which nodes of this network may dial this one, besides those of the settings:
        the numbers that are told there."""
        self._is_stopping = False
        self.compared: dict[WriterId, CoopId] = {}
        """The peers with which control items were compared since the node started."""
        self.has_agreed = False
        """Whether a peer held the same of all federations in common at one time since then."""
        self.traffic = Traffic()
        self._server = PeerServer(config, keyring, network, self._accepted, posts or {})
        self._shared = Shared(
            own=keyring.wid,
            store=store,
            ingest=ingest,
            clock=clock,
            circle=Circle(store, ingest, arrivals, clock, keyring.cid),
            frontiers=Frontiers(store, arrivals),
            claims=Claims(),
            blobs=blobs,
            buckets=Buckets(),
            shares=Shares(config.limits.peer_kib_per_s),
            traffic=self.traffic,
            admit=self._admit,
            note_compared=self._note_compared,
            stir=self._unsettled.set,
        )
        self._rounds = Rounds(
            self._links,
            self._shared,
            arrivals=arrivals,
            random=random,
            waits=config.waits,
            turns=self._turns,
            unsettled=self._unsettled,
        )
        self._dialer = Dialer(
            network=network,
            clock=clock,
            random=random,
            waits=config.waits,
            run=self._dialled,
            wait_gone=self._wait_gone,
        )

    @property
    def port(self) -> int:
        """The port that peers reach, once started."""
        return self._server.port

    async def start(self) -> None:
        """Listen and begin to dial.

        Raises Refusal `peer.port_in_use`, `peer.address`, `peer.url`; nothing runs then.
        """
        for peer in self._config.peers:
            link_address(peer.url)
        await self._server.start()
        # The one task outside a group: it owns the group of all others, and `stop` awaits it.
        self._main = asyncio.create_task(self._run(), name="sheaf-peering")

    async def stop(self) -> None:
        """End all links, tell the peers, and stop listening."""
        self._is_stopping = True
        for session in list(self._sessions):
            session.close("link.bye")
        await self._wait_all_gone()
        if self._main is not None:
            self._main.cancel()
            await asyncio.wait([self._main])
        await self._server.stop()

    async def follow(
        self, url: str, admits: Callable[[CoopId], bool], *, is_near: bool = False
    ) -> Ended:
        """Dial an address that others told, once; use the link to its end if it is one of those
        that `admits` names, which alone are told who we are.

        Raises Refusal `peer.url`.
        """
        address, audience = link_address(url)
        try:
            socket = await self._network.dial_hint(
                address, self._config.waits.dial_ms, is_near=is_near
            )
        except Refusal as refusal:
            return Ended(refusal.detail)
        return await self._use(socket, Dial(audience=audience, admits=admits), address, audience)

    def peers(self) -> list[PeerStatus]:
        """Return the links that are up, in the order in which they came up."""
        found = (peer_status(session) for session in self._links.values())
        return [peer for peer in found if peer is not None]

    def dials(self) -> list[DialStatus]:
        """Return how each peer that is dialled stands, in the order of the settings."""
        return [self._dial_status(peer.url) for peer in self._config.dialled]

    def doubled_at(self) -> str | None:
        """Return the url of a peer that has a link with our key which is not ours, or None."""
        for peer in self._config.dialled:
            if self._has_another(peer.url):
                return peer.url
        return None

    def _has_another(self, url: str) -> bool:
        """Return whether a peer keeps a link with our key that is not ours.

        What we dialled anew is no answer before it is in sync: the peer may be about to end it.
        """
        wid = self._dialer.duplicate_at(url)
        if wid is None:
            return False
        ours = self._links.get(wid)
        return ours is None or (ours.is_dialled and not ours.in_sync)

    def _dial_status(self, url: str) -> DialStatus:
        address, _ = link_address(url)
        last = self._dialer.last_writer(url)
        is_doubled = self._has_another(url)
        is_linked = not is_doubled and any(
            (peer.is_dialled and peer.url == address) or peer.wid == last for peer in self.peers()
        )
        reason = None if is_linked else self._dialer.last_reason(url)
        if is_doubled:
            reason = "the node there keeps another link of this node's key"
        is_compared = address in self._compared_at or last in self.compared
        return DialStatus(url=url, is_linked=is_linked, reason=reason, is_compared=is_compared)

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                self._rounds.start(tasks)
                for peer in self._config.dialled:
                    tasks.create_task(self._dialer.keep(peer.url, is_outside=peer.outside))
                if self._seek is not None:
                    tasks.create_task(self._seek(self))
        except Exception:
            # Only a fault of ours or a failed store ends up here; the store tells the node itself.
            _LOG.exception("peering stopped")

    async def _accepted(self, socket: Socket, address: str) -> None:
        names = audiences(self._config.public_names, self._config.peer_host, self.port)
        names += self.near_names
        listen = Listen(public_names=names, admits=self._shared.circle.knows)
        await self._use(socket, listen, address, "")

    async def _dialled(self, socket: Socket, url: str, audience: str) -> Ended:
        return await self._use(socket, Dial(audience=audience), url, audience)

    async def _use(self, socket: Socket, part: Dial | Listen, url: str, audience: str) -> Ended:
        """Run one link on a connected socket to its end."""
        link = self._link(part)
        session = Session(link, self._shared, url=url, is_dialled=isinstance(part, Dial))
        if self._is_stopping:
            session.close("link.bye")
        self._make_room()
        self._sessions[session] = None
        try:
            why = await run_session(session, socket, self._clock, self._turns)
            await keep_cursors(session, self._store)
        except Exception:
            # A fault of ours on one link must not take the others with it.
            _LOG.exception("link with %s failed", url)
            _go_if_cancelled()
            await socket.close("link.internal", is_fault=True)
            return Ended("a fault of this node ended the link; see its output", wid=session.wid)
        finally:
            self._sessions.pop(session, None)
            self._forget(session)
        # A peer that took the link and ended it for a fault is not asked again in half a second.
        was_open = link.is_ready and why.code in {"link.bye", "link.lost"}
        return Ended(
            reason_of(why, audience),
            wid=session.wid,
            was_open=was_open,
            is_self=why.code == "link.self",
            is_duplicate=why.code == "link.duplicate" and why.is_by_peer,
        )

    def _link(self, part: Dial | Listen) -> Link:
        """Return our end of one more link, before its first message."""
        ops = self._own_ops()
        identity = Identity(cid=self._keyring.cid, key_log=list(ops), writer=self._keyring.writer)
        fresh = Fresh(seed=self._random(32), nonce=self._random(16))
        return Link(part, identity, fresh, self._clock.now_ms())

    def _own_ops(self) -> Sequence[KeyOp]:
        """Return the key log to prove our writer by: the newest one that says it is open.

        A home that was put back may know of the close of its writer, and has more peers to ask.
        """
        cid, own = self._keyring.cid, self._keyring
        keys = self._store.key_logs.get(cid)
        writer = None if keys is None else keys.writers.get(own.wid)
        if writer is None or writer.is_closed:
            return own.key_ops
        return self._store.key_ops(cid)

    def _make_room(self) -> None:
        """Drop the oldest handshake where too many are under way; an honest one takes no time."""
        waiting = [s for s in self._sessions if s.is_shaking_hands and not s.is_dialled]
        if len(waiting) >= self._config.limits.handshakes:
            waiting[0].close("link.busy", "expected fewer handshakes at a time")

    def _admit(self, session: Session) -> None:
        """Take up a welcome peer; of two links to one peer, keep the one that it keeps too."""
        if session.peer is None:
            return
        rule = self._config.rule(session.peer.cid)
        if rule.paused:
            session.close("link.paused", "the operator here paused links with this co-op")
            return
        session.slow_to(rule.kib_per_s)
        wid = session.peer.wid
        old = self._links.get(wid)
        if old is None and not session.is_dialled and self._has_all_links(session.peer.cid):
            session.close("link.busy", "expected fewer links with one co-op")
            return
        if old is not None and not keeps_new(
            self._keyring.wid,
            wid,
            is_old_dialled=old.is_dialled,
            is_new_dialled=session.is_dialled,
        ):
            session.close("link.duplicate", "the other link to this peer stays")
            return
        self._links[wid] = session
        if old is not None:
            old.close("link.duplicate", "a later link to this peer stays")
        self._unsettled.set()

    def _has_all_links(self, cid: CoopId) -> bool:
        """Return whether a co-op has as many links as it may begin, with writers of its own each:
        it may delegate hundreds, and there are places for few links.
        """
        peers = [session.peer for session in self._links.values() if not session.is_dialled]
        linked = sum(peer is not None and peer.cid == cid for peer in peers)
        return linked >= self._config.limits.links_per_coop

    def _note_compared(self, session: Session) -> None:
        """Note how far a session has come in comparing what both sides hold."""
        if session.peer is not None:
            self.compared[session.peer.wid] = session.peer.cid
            if session.is_dialled:
                self._compared_at.add(session.url)
        self.has_agreed = self.has_agreed or session.in_sync

    def _forget(self, session: Session) -> None:
        wid = session.wid
        if wid is not None and self._links.get(wid) is session:
            del self._links[wid]
        self._ends.increase()

    async def _wait_gone(self, wid: WriterId) -> None:
        while wid in self._links:
            await self._ends.wait_beyond(self._ends.value)

    async def _wait_all_gone(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            limit = tasks.create_task(self._stop_waiting())
            while self._sessions and not limit.done():
                await self._ends.wait_beyond(self._ends.value)
            limit.cancel()
        if self._sessions:
            _LOG.warning("%d links did not end in time", len(self._sessions))

    async def _stop_waiting(self) -> None:
        await self._clock.sleep_ms(self._config.waits.stop_ms)
        self._ends.increase()


def _go_if_cancelled() -> None:
    """End a task that is to end: a task group that meets a fault as it is cancelled says so only of
    the fault (Python 3.11 to 3.12), and who waits for the task would wait for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
