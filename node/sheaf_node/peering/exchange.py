"""One federation's data on one link: carries out what `DataSync` decides, over the store.

The reader of a link calls the `hear_*` methods and `take`; they note what is due. The writer calls
`pump`, which alone sends. So a peer that asks much and reads little makes us hold flags and not
frames.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from sheaf_node.ingest import Outcome
from sheaf_node.peering.policy import ANSWER_MS
from sheaf_protocol.digest import short
from sheaf_protocol.envelope import Envelope, Header, entry_id
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.frontier import FrontierItem, Range, root
from sheaf_protocol.limits import MAX_BATCH_BYTES, MAX_BATCH_ENTRIES
from sheaf_protocol.link import DataSync
from sheaf_protocol.link.messages import (
    LIST,
    Compare,
    Entries,
    Have,
    RangeItem,
    Reject,
    Served,
    Want,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_node.events import Arrivals
    from sheaf_node.ingest import Ingest, Result
    from sheaf_node.store import Store, StoredEntry
    from sheaf_protocol.digest import Digest, FederationId, LogId
    from sheaf_protocol.frontier import LogState
    from sheaf_protocol.link import Claims, Link

Glance: TypeAlias = tuple[Header, "LogId", FrontierItem]
"""A header as it says of itself, with its log and its place as a frontier has it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Live:
    """Own entries of one log, as pushed to every linked peer; made once for all of them."""

    fid: FederationId
    first: int
    last: FrontierItem
    envelopes: Sequence[Envelope]
    size: int


class Frontiers:
    """Each federation's frontier and its root, worked out once for all links."""

    def __init__(self, store: Store, arrivals: Arrivals) -> None:
        self._store, self._arrivals = store, arrivals
        self._known: dict[
            FederationId, tuple[tuple[int, int], Mapping[LogId, LogState], Digest]
        ] = {}

    def of(self, fid: FederationId) -> tuple[Mapping[LogId, LogState], Digest]:
        """Return what we hold of a federation, and the root over it."""
        # Closes and fork proofs move a frontier without an arrival.
        version = (self._store.arrival, self._arrivals.control)
        known = self._known.get(fid)
        if known is None or known[0] != version:
            logs = self._store.frontier(fid)
            known = self._known[fid] = (version, logs, root(logs))
        return known[1], known[2]


class Exchange:
    """One federation on one link."""

    def __init__(
        self,
        fid: FederationId,
        link: Link,
        *,
        store: Store,
        ingest: Ingest,
        frontiers: Frontiers,
        claims: Claims,
    ) -> None:
        self.fid = fid
        self.sync = DataSync(claims)
        self._link, self._store, self._ingest, self._frontiers = link, store, ingest, frontiers
        self._scope = link.blind(fid)
        self._sender = b"" if link.peer is None else bytes(link.peer.wid)
        self._serving: deque[Range] = deque()
        self._rejects: deque[Reject] = deque(maxlen=64)
        self._is_served_due = False
        self._is_compare_due = True
        self._is_all_due = False
        self._is_ask_due = False
        self._is_news_due = False
        self._is_root_due = False

    @property
    def in_sync(self) -> bool:
        """Whether the root that the peer told last is ours."""
        return self.sync.their_root == self._frontiers.of(self.fid)[1]

    def hear_compare(self, message: Compare) -> None:
        """Take the peer's root, and owe it the whole frontier where that differs from ours."""
        ours, own_root = self._frontiers.of(self.fid)
        self._is_all_due |= not self.sync.hear_root(message.root, own_root, ours)

    def hear_have(self, message: Have, now_ms: int) -> None:
        """Take what the peer holds."""
        ours, own_root = self._frontiers.of(self.fid)
        self.sync.hear(message.items, now_ms)
        self.sync.hear_root(message.root, own_root, ours)
        self._is_ask_due = True

    def hear_want(self, message: Want) -> None:
        """Serve these ranges from now on, and no earlier ones."""
        ranges = (Range(log=r.log, first=r.first, last=r.last) for r in message.ranges)
        self._serving = deque(r for r in ranges if self._is_of_federation(r.log))
        self._is_served_due = True

    def hear_served(self) -> bool:
        """Close the question; return whether the peer delivered what it had told of."""
        ours, _ = self._frontiers.of(self.fid)
        missing = self.sync.served(ours)
        self._is_ask_due = True
        return not missing

    async def take(self, message: Entries, now_ms: int) -> list[Result]:
        """Ingest a batch and return the outcomes.

        Raises RemoteProtocolError `link.scope`, `link.range` before anything is stored.
        """
        glances = [glance(envelope) for envelope in message.envelopes]
        for seen in glances:
            if seen is not None and seen[0].fid != self.fid:
                raise RemoteProtocolError("link.scope", f"expected federation {short(self.fid)}")
            if seen is not None and not message.is_live:
                self.sync.receive(seen[1], seen[0].seq, now_ms)
        results = await self._ingest.receive(message.envelopes, sender=self._sender)
        for seen, result in zip(glances, results, strict=True):
            if seen is not None:
                self._learn(seen, result, now_ms)
        return results

    def push(self, live: Live, now_ms: int) -> bool:
        """Queue own new entries, unless the peer lacks what comes before them or credit is short.

        What is not pushed is announced, and the peer asks for it when it can take it.
        """
        if not self.sync.follows(live.last.log, live.first) or live.size > self._link.credit:
            return False
        self._link.send(Entries(self._scope, True, list(live.envelopes)))
        self.sync.assume(live.last, now_ms)
        return True

    def tick(self, now_ms: int, *, is_settling: bool) -> bool:
        """Let news and postponed questions fall due; return whether there is more to wait for.

        Raises RemoteProtocolError `link.stalled` where the peer owes an answer for too long.
        """
        if self.sync.is_stalled(now_ms, ANSWER_MS):
            raise RemoteProtocolError("link.stalled", f"expected an answer within {ANSWER_MS} ms")
        self._is_news_due = True
        self._is_root_due = is_settling
        self._is_ask_due |= self.sync.is_waiting
        return self.sync.is_waiting or not self.sync.is_root_told(self._frontiers.of(self.fid)[1])

    def recheck(self) -> None:
        """Compare frontiers again, and let what failed before be tried again."""
        self.sync.retry()
        self._is_compare_due = self._is_ask_due = True

    def pump(self, now_ms: int) -> bool:
        """Send what is due, at most one batch of entries; return whether there is more."""
        while self._rejects:
            self._link.send(self._rejects.popleft())
        self._tell()
        if self._is_ask_due:
            self._ask(now_ms)
        return self._serve()

    def _tell(self) -> None:
        if not (self._is_compare_due or self._is_all_due or self._is_news_due or self._is_root_due):
            return
        ours, own_root = self._frontiers.of(self.fid)
        if self._is_compare_due:
            self._link.send(Compare(self._scope, own_root))
            self.sync.tell_root(own_root)
        if self._is_all_due:
            self._have(self.sync.all_items(ours), own_root)
        if self._is_news_due and (news := self.sync.news(ours)):
            self._have(news, own_root)
        if self._is_root_due and not self.sync.is_root_told(own_root):
            self._have([], own_root)
        self._is_compare_due = self._is_all_due = self._is_news_due = self._is_root_due = False

    def _have(self, items: Sequence[FrontierItem], own_root: Digest) -> None:
        for at in range(0, max(1, len(items)), LIST):
            self._link.send(Have(self._scope, own_root, list(items[at : at + LIST])))
        self.sync.tell_root(own_root)

    def _ask(self, now_ms: int) -> None:
        self._is_ask_due = False
        ours, _ = self._frontiers.of(self.fid)
        ranges = self.sync.ask(ours, now_ms)
        if ranges:
            wanted = [RangeItem(r.log, r.first, r.last) for r in ranges]
            self._link.send(Want(self._scope, wanted))

    def _serve(self) -> bool:
        """Send the next batch of what the peer wants, once there is credit for a full one."""
        if not self._is_served_due or self._link.credit < MAX_BATCH_BYTES:
            return False
        batch = self._next_batch()
        if batch:
            self._link.send(Entries(self._scope, False, batch))
            return True
        self._link.send(Served(self._scope))
        self._is_served_due = False
        return False

    def _next_batch(self) -> list[Envelope]:
        """Return the next entries wanted, of one log or several, as many as fit in a batch."""
        batch: list[Envelope] = []
        room = MAX_BATCH_BYTES
        while self._serving and len(batch) < MAX_BATCH_ENTRIES:
            wanted = self._serving[0]
            found = self._find(wanted, MAX_BATCH_ENTRIES - len(batch), room)
            size = sum(entry.envelope.size for entry in found)
            # The store gives at least what can be proven, be it more than was asked for.
            if found and (size > room or len(batch) + len(found) > MAX_BATCH_ENTRIES):
                if batch:
                    return batch
                found = []
            batch += [entry.envelope for entry in found]
            room -= size
            if not found or found[-1].header.seq >= wanted.last:
                self._serving.popleft()
            else:
                self._serving[0] = replace(wanted, first=found[-1].header.seq + 1)
        return batch

    def _find(self, wanted: Range, most: int, room: int) -> Sequence[StoredEntry]:
        last = min(wanted.last, wanted.first + most - 1)
        held = self._store.logs.get(wanted.log)
        if held is not None and held.forked_at is not None and wanted.first < held.forked_at:
            # What lies beyond a fork goes to those who ask for just that, in search of a proof.
            last = min(last, held.forked_at - 1)
        return self._store.log_entries(wanted.log, wanted.first, last, room)

    def _is_of_federation(self, log: LogId) -> bool:
        held = self._store.logs.get(log)
        return held is not None and held.fid == self.fid

    def _learn(self, seen: Glance, result: Result, now_ms: int) -> None:
        """Note what a received entry tells of the peer's log."""
        header, log, item = seen
        match result.outcome:
            case Outcome.REJECTED:
                if result.code == "log.bad_prev":
                    self.sync.search(log, header.seq - 1)
                    self._is_ask_due = True
                self._rejects.append(Reject(result.id, result.code or "link.rejected"))
                return
            case Outcome.FORK:
                self._search_below(header, log)
            case _:
                pass
        self.sync.assume(item, now_ms)
        self._is_ask_due |= result.outcome in {Outcome.HELD, Outcome.FORK}

    def _search_below(self, header: Header, log: LogId) -> None:
        """Look for an earlier difference, unless both sides follow the same entry."""
        before = self._store.log_entries(log, header.seq - 1, header.seq - 1, MAX_BATCH_BYTES)
        if before and before[0].id != header.prev:
            self.sync.search(log, header.seq - 1)


def glance(envelope: Envelope) -> Glance | None:
    """Return what a header says of itself, unverified, or None where it is no header.

    Whether it is canonical and signed is for ingest to find; this decides only whether it was
    asked for, and what the peer seems to hold.
    """
    try:
        header = msgspec.msgpack.decode(envelope.header, type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    log = header.log
    return header, log, FrontierItem(log, header.seq, bytes(entry_id(envelope.header)[:8]))
