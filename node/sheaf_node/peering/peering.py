"""A node's links: who is linked, and the tasks that serve all links together.

Nothing polls. One task waits for entries and pushes our own, one lets announcements fall due while
something is unsettled, one waits for control items, one compares everything every few minutes.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_node.events import Counter
from sheaf_node.peering.circle import Circle
from sheaf_node.peering.dialer import Dialer, Ended, audiences, link_address, reason_of
from sheaf_node.peering.frontiers import Frontiers
from sheaf_node.peering.live import own_batches
from sheaf_node.peering.policy import CONTROL_REST_MS, Buckets, keeps_new, rest_after
from sheaf_node.peering.runner import run_session
from sheaf_node.peering.server import PeerServer
from sheaf_node.peering.session import Session, Shared
from sheaf_node.store import Change
from sheaf_protocol.link import Claims, Dial, Fresh, Identity, Link, Listen, Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.blobs import Fetching
    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.config import Config
    from sheaf_node.events import Arrivals
    from sheaf_node.ingest import Ingest
    from sheaf_node.keyring import Keyring
    from sheaf_node.peering.network import Network, Socket
    from sheaf_node.store import Store
    from sheaf_protocol.digest import CoopId, WriterId
    from sheaf_protocol.identity import KeyOp

SETTLE_TICKS: Final = 4
"""A peer that lacks nothing is told our root at every fourth tick: it only wants to know that we
agree, so it may wait a second."""
CONTROL_MS: Final = 50
"""How long control items are collected before peers are told: a charter brings many key logs."""
READ: Final = 256
_LOG = logging.getLogger("sheaf.peering")


@dataclass(frozen=True, kw_only=True, slots=True)
class PeerStatus:
    """One link as its node sees it."""

    cid: CoopId
    wid: WriterId
    url: str
    since_ms: int
    is_dialled: bool
    in_sync: bool
    """Whether the roots were equal when last told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DialStatus:
    """One configured peer."""

    url: str
    is_linked: bool
    """Whether a link to it is up, from either side."""
    reason: str | None
    """Why the last dial ended; None while linked, and before the first has ended."""
    is_compared: bool = False
    """Whether control items were compared with it since the node started."""


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
    ) -> None:
        self._store, self._arrivals, self._keyring = store, arrivals, keyring
        self._clock, self._random, self._config = clock, random, config
        self._links: dict[WriterId, Session] = {}
        self._sessions: dict[Session, None] = {}
        self._ends = Counter()
        self._unsettled = asyncio.Event()
        self._compared_at: set[str] = set()
        self._main: asyncio.Task[None] | None = None
        self._is_stopping = False
        self.compared: dict[WriterId, CoopId] = {}
        """The peers with which control items were compared since the node started."""
        self.has_agreed = False
        """Whether a peer held the same of all federations in common at one time since then."""
        self._server = PeerServer(config, keyring, network, self._accepted)
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
            admit=self._admit,
            note_compared=self._note_compared,
            stir=self._unsettled.set,
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

    def peers(self) -> list[PeerStatus]:
        """Return the links that are up, in the order in which they came up."""
        return [
            PeerStatus(
                cid=session.peer.cid,
                wid=wid,
                url=session.url,
                since_ms=session.since_ms,
                is_dialled=session.is_dialled,
                in_sync=session.in_sync,
            )
            for wid, session in self._links.items()
            if session.peer is not None and session.link.phase is Phase.OPEN
        ]

    def dials(self) -> list[DialStatus]:
        """Return how each configured peer stands, in the order of the settings."""
        return [self._dial_status(peer.url) for peer in self._config.peers]

    def doubled_at(self) -> str | None:
        """Return the url of a peer that has a link with our key which is not ours, or None."""
        for peer in self._config.peers:
            wid = self._dialer.duplicate_at(peer.url)
            if wid is not None and wid not in self._links:
                return peer.url
        return None

    def _dial_status(self, url: str) -> DialStatus:
        address, _ = link_address(url)
        last = self._dialer.last_writer(url)
        is_linked = any(
            (peer.is_dialled and peer.url == address) or peer.wid == last for peer in self.peers()
        )
        reason = None if is_linked else self._dialer.last_reason(url)
        if not is_linked and self._dialer.duplicate_at(url) is not None:
            reason = "the node there keeps another link of this node's key"
        is_compared = address in self._compared_at or last in self.compared
        return DialStatus(url=url, is_linked=is_linked, reason=reason, is_compared=is_compared)

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._push())
                tasks.create_task(self._tick())
                tasks.create_task(self._watch_control())
                tasks.create_task(self._recheck())
                for peer in self._config.peers:
                    tasks.create_task(self._dialer.keep(peer.url))
        except Exception:
            # Only a fault of ours or a failed store ends up here; the store tells the node itself.
            _LOG.exception("peering stopped")

    async def _push(self) -> None:
        """Send our own new entries to all links, as one batch per log of what came together."""
        seen = self._arrivals.latest
        while True:
            latest = await self._arrivals.wait_beyond(seen)
            while seen < latest and self._links:
                entries = self._store.entries_after(seen, READ)
                for live in own_batches(entries, self._keyring.wid):
                    for session in self._links.values():
                        session.push(live)
                seen = entries[-1].arrival if entries else latest
                await asyncio.sleep(0)
            seen = max(seen, latest)
            self._unsettled.set()

    async def _tick(self) -> None:
        """Announce what is new at intervals, for as long as some link has not settled."""
        ticks = 0
        while True:
            await self._unsettled.wait()
            self._unsettled.clear()
            await self._clock.sleep_ms(self._config.waits.announce_ms)
            ticks += 1
            is_settling = ticks % SETTLE_TICKS == 0
            needed = [session.tick(is_settling=is_settling) for session in self._links.values()]
            if any(needed):
                self._unsettled.set()

    async def _watch_control(self) -> None:
        seen, rest_ms = self._arrivals.control, CONTROL_REST_MS
        while True:
            await self._arrivals.wait_control_beyond(seen)
            await self._clock.sleep_ms(CONTROL_MS)
            seen = self._arrivals.control
            for session in self._links.values():
                session.recheck()
            await self._clock.sleep_ms(rest_ms)
            is_quiet = self._arrivals.control == seen
            rest_ms = rest_after(rest_ms, is_quiet=is_quiet)

    async def _recheck(self) -> None:
        while True:
            spread = self._config.waits.recheck_ms // 5
            jitter = int.from_bytes(self._random(4), "big") % (2 * spread + 1) - spread
            await self._clock.sleep_ms(self._config.waits.recheck_ms + jitter)
            for session in list(self._links.values()):
                session.recheck()
                await self._keep_cursors(session)
            await self._shared.blobs.forget_lapsed()

    async def _keep_cursors(self, session: Session) -> None:
        """Store when the peer last held what we hold, so that the next link begins from there."""
        wid = _wid(session)
        known = {} if wid is None else {(wid, fid): c for fid, c in session.cursors().items()}
        cursors = {key: c for key, c in known.items() if self._store.cursor(*key) != c}
        if cursors:
            await self._store.commit(Change(cursors=cursors))

    async def _accepted(self, socket: Socket, address: str) -> None:
        names = audiences(self._config.public_names, self._config.peer_host, self.port)
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
            why = await run_session(session, socket, self._clock)
            await self._keep_cursors(session)
        except Exception:
            # A fault of ours on one link must not take the others with it.
            _LOG.exception("link with %s failed", url)
            _go_if_cancelled()
            await socket.close("link.internal", is_fault=True)
            return Ended("a fault of this node ended the link; see its output", wid=_wid(session))
        finally:
            self._sessions.pop(session, None)
            self._forget(session)
        # A peer that took the link and ended it for a fault is not asked again in half a second.
        was_open = link.is_ready and why.code in {"link.bye", "link.lost"}
        return Ended(
            reason_of(why, audience),
            wid=_wid(session),
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
        wid = session.peer.wid
        old = self._links.get(wid)
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

    def _note_compared(self, session: Session) -> None:
        """Note how far a session has come in comparing what both sides hold."""
        if session.peer is not None:
            self.compared[session.peer.wid] = session.peer.cid
            if session.is_dialled:
                self._compared_at.add(session.url)
        self.has_agreed = self.has_agreed or session.in_sync

    def _forget(self, session: Session) -> None:
        wid = _wid(session)
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


def _wid(session: Session) -> WriterId | None:
    return None if session.peer is None else session.peer.wid
