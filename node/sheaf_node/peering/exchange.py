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

from sheaf_node.ingest import Opened, Outcome
from sheaf_node.peering.comparing import Comparing
from sheaf_node.peering.leaving import logs_left
from sheaf_node.peering.payload_exchange import PayloadExchange
from sheaf_node.peering.policy import ANSWER_MS
from sheaf_protocol.digest import short
from sheaf_protocol.envelope import Envelope, Header, entry_id
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.frontier import FrontierItem, Range, items
from sheaf_protocol.limits import MAX_BATCH_BYTES, MAX_BATCH_ENTRIES
from sheaf_protocol.link import DataSync
from sheaf_protocol.link.messages import (
    Entries,
    Have,
    PayloadWant,
    RangeItem,
    Reject,
    Served,
    Want,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.ingest import Ingest, Result
    from sheaf_node.ingest.model import Item
    from sheaf_node.peering.frontiers import Frontiers, Moment
    from sheaf_node.peering.traffic import Traffic
    from sheaf_node.store import Store, StoredEntry
    from sheaf_protocol.digest import Digest, FederationId, LogId
    from sheaf_protocol.link import Claims, Link
    from sheaf_protocol.proof import Tail

Glance: TypeAlias = tuple[Header, "LogId", FrontierItem]
"""A header as it says of itself, with its log and its place as a frontier has it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Live:
    """Own entries of one log, as pushed to every linked peer; made once for all of them."""

    fid: FederationId
    first: int
    last: FrontierItem
    entries: Sequence[StoredEntry]
    size: int


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
        store_id: bytes,
        traffic: Traffic,
    ) -> None:
        self.fid = fid
        self.sync = DataSync(claims)
        self.comparing = Comparing(
            fid, link, sync=self.sync, store=store, frontiers=frontiers, store_id=store_id
        )
        self.payloads = PayloadExchange(fid, link, store=store, ingest=ingest)
        self._link, self._store, self._ingest, self._frontiers = link, store, ingest, frontiers
        self._scope, self._traffic = link.blind(fid), traffic
        self._sender = b"" if link.peer is None else bytes(link.peer.wid)
        self._serving: deque[Range] = deque()
        self._ends: dict[LogId, int] = {}
        self._rejects: deque[Reject] = deque(maxlen=64)
        self._told_left: set[LogId] = set()
        self._is_served_due = False
        self._is_ask_due = False

    @property
    def in_sync(self) -> bool:
        """Whether the root that the peer told last is ours."""
        return self.sync.their_root is not None and self.has_root(self.sync.their_root)

    def has_root(self, theirs: Digest) -> bool:
        """Return whether a root is ours."""
        return theirs == self._frontiers.of(self.fid).root

    def hear_have(self, message: Have, now_ms: int) -> None:
        """Take what the peer holds."""
        self.comparing.hear_have(message, now_ms)
        self._is_ask_due = True

    def hear_want(self, message: Want) -> bool:
        """Serve these ranges from now on, and no earlier ones; return whether we hold any."""
        ranges = [Range(log=r.log, first=r.first, last=r.last) for r in message.ranges]
        self._serving = deque(r for r in ranges if self._is_held(r))
        self._ends = {r.log: r.last for r in self._serving}
        self._is_served_due = True
        self.payloads.stop_serving()
        return bool(self._serving)

    def hear_payload_want(self, message: PayloadWant) -> bool:
        """Serve these payloads from now on, and no ranges; return whether a log is held."""
        self._serving.clear()
        self._is_served_due = False
        return self.payloads.hear_want(message)

    def hear_served(self, now_ms: int) -> bool:
        """Close the question; return whether the peer delivered what it had told of."""
        self._is_ask_due = True
        if self.payloads.sync.is_asking:
            self.payloads.sync.served(now_ms)
            return True
        left = logs_left(self._store, self._ingest, self.fid)
        missing = self.sync.served(self._frontiers.of(self.fid).logs)
        return all(log in left for log in missing)  # SYN-64: nobody is blamed for what we leave

    async def take(self, message: Entries, now_ms: int) -> list[Result]:
        """Ingest a batch and return the outcomes.

        Raises RemoteProtocolError `link.scope`, `link.range`, `log.tail` before anything is stored.
        """
        self._traffic.note_received(len(message.envelopes), is_live=message.is_live)
        opened = self._ingest.open(message.envelopes, self._sender)
        for item in opened:
            if isinstance(item, Opened) and item.header.fid != self.fid:
                raise RemoteProtocolError("link.scope", f"expected federation {short(self.fid)}")
            if isinstance(item, Opened) and not message.is_live:
                self.sync.receive(item.log, item.header.seq, now_ms)
        results = await self._ingest.take(
            opened, message.tails, is_live=message.is_live, sender=self._sender
        )
        furthest: dict[LogId, Opened] = {}
        for item, result in zip(opened, results, strict=True):
            if isinstance(item, Opened) and self._learn(item, result):
                furthest[item.log] = item
            if message.is_live:
                self._note_clock(item, result, now_ms)
        for log, item in furthest.items():
            self.sync.assume(FrontierItem(log, item.header.seq, bytes(item.id[:8])), now_ms)
        return results

    def _note_clock(self, item: Item, result: Result, now_ms: int) -> None:
        """Note what a proven entry that its author pushed just now tells of that peer's clock."""
        is_proven = result.outcome is Outcome.NEW or result.code == "clock.ahead"
        if isinstance(item, Opened) and is_proven and item.header.wid == self._sender:
            self._traffic.note_clock(item.header.wid, item.header.time_ms - now_ms)

    def push(self, live: Live, now_ms: int) -> bool:
        """Queue own new entries, unless the peer lacks what comes before them or credit is short.

        What is not pushed is announced, and the peer asks for it when it can take it.
        """
        if not self.sync.follows(live.last.log, live.first):
            return False
        if live.size > self._link.credit:
            self.comparing.lag()
            return False
        self._link.send(Entries(self._scope, True, self.payloads.let_through(live.entries), []))
        self._traffic.note_sent(len(live.entries), is_live=True)
        self.sync.assume(live.last, now_ms)
        return True

    def tick(self, now_ms: int, moment: Moment, *, is_settling: bool) -> bool:
        """Let news and postponed questions fall due; return whether there is more to wait for.

        Raises RemoteProtocolError `link.stalled` where the peer owes an answer for too long.
        """
        is_stalled = self.payloads.sync.is_stalled(now_ms, ANSWER_MS)
        if is_stalled or self.sync.is_stalled(now_ms, ANSWER_MS):
            raise RemoteProtocolError("link.stalled", f"expected an answer within {ANSWER_MS} ms")
        self._is_ask_due |= self.sync.is_waiting
        is_unsettled = self.comparing.tick(moment, is_settling=is_settling)
        is_unsettled |= self.payloads.tick(now_ms)
        return self.sync.is_waiting or is_unsettled

    def recheck(self) -> None:
        """Let what failed before be tried again."""
        self.sync.retry()
        self.payloads.recheck()
        self._is_ask_due = True

    def pump(self, now_ms: int) -> bool:
        """Send what is due, at most one batch of entries; return whether there is more."""
        while self._rejects:
            self._link.send(self._rejects.popleft())
        self.payloads.tell()
        self.comparing.tell()
        # One question at a time (SYN-11), ranges first: payloads are asked for by what came.
        if self._is_ask_due and not self.payloads.sync.is_asking:
            self._ask(now_ms)
        if not self.sync.is_asking:
            self.payloads.ask(now_ms)
        return self.payloads.serve() if self.payloads.is_serving else self._serve(now_ms)

    def _ask(self, now_ms: int) -> None:
        self._is_ask_due = False
        left = logs_left(self._store, self._ingest, self.fid)
        ranges = self.sync.ask(self._frontiers.of(self.fid).logs, now_ms, left)
        if ranges:
            wanted = [RangeItem(r.log, r.first, r.last) for r in ranges]
            self._link.send(Want(self._scope, wanted))

    def _serve(self, now_ms: int) -> bool:
        """Send the next batch of what the peer wants, once there is credit for a full one."""
        if not self._is_served_due or self._link.credit < MAX_BATCH_BYTES:
            return False
        batch, tails = self._next_batch()
        if batch:
            self._link.send(Entries(self._scope, False, batch, tails))
            self._traffic.note_sent(len(batch), is_live=False)
            return True
        self._link.send(Served(self._scope))
        self._is_served_due = False
        self._assume_served(now_ms)
        return False

    def _assume_served(self, now_ms: int) -> None:
        """Take it that the peer holds the logs that it was sent to their ends."""
        logs = self._frontiers.of(self.fid).logs
        ends, self._ends = self._ends, {}
        for log, last in ends.items():
            if log in logs and last >= logs[log].seq:
                [item] = items({log: logs[log]})
                self.sync.assume(item, now_ms)

    def _next_batch(self) -> tuple[list[Envelope], list[Tail]]:
        """Return the next entries wanted, of one log or several, as many as fit in a batch, and
        the tails of those that end unsigned.
        """
        batch: list[Envelope] = []
        tails: list[Tail] = []
        room = MAX_BATCH_BYTES
        while self._serving and len(batch) < MAX_BATCH_ENTRIES:
            wanted = self._serving[0]
            last = self._last_served(wanted)
            most = MAX_BATCH_ENTRIES - len(batch)
            found = self._store.log_entries(wanted.log, wanted.first, last, room, most)
            if batch and found.size > room:  # at least one comes, whatever its size
                break
            batch += self.payloads.let_through(found.entries)
            room -= found.size
            if not found.entries or found.entries[-1].header.seq >= last:
                self._serving.popleft()
            else:
                self._serving[0] = replace(wanted, first=found.entries[-1].header.seq + 1)
            if found.tail is not None:
                tails.append(found.tail)
                if self._serving and self._serving[0].log == wanted.log:
                    break  # what follows would make one run of both, which ends somewhere else
        return batch, tails

    def _last_served(self, wanted: Range) -> int:
        """Return up to where a range is served. What lies beyond a fork goes to those who ask for
        just that, in search of a proof.
        """
        held = self._store.logs.get(wanted.log)
        if held is not None and held.forked_at is not None and wanted.first < held.forked_at:
            return min(wanted.last, held.forked_at - 1)
        return wanted.last

    def _is_held(self, wanted: Range) -> bool:
        held = self._store.logs.get(wanted.log)
        return held is not None and held.fid == self.fid and wanted.first <= held.head.seq

    def _learn(self, opened: Opened, result: Result) -> bool:
        """Note what a received entry tells of the peer's log; return whether the peer holds it."""
        if result.outcome is Outcome.NEW:
            return True
        header, log = opened.header, opened.log
        match result.outcome:
            case Outcome.REJECTED:
                if result.code == "log.bad_prev":
                    self.sync.search(log, header.seq - 1)
                    self._is_ask_due = True
                self._reject(result)
                return False
            case Outcome.FORK:
                self._is_ask_due = True
                self._search_below(header, log)
            case Outcome.HELD:
                self._is_ask_due = True
                if (result.code or "").startswith("quota."):
                    self._tell_left(result, log)
            case _:
                pass
        return True

    def _tell_left(self, result: Result, log: LogId) -> None:
        """Tell the peer that a log is left with it, once."""
        if log not in self._told_left:
            self._told_left.add(log)
            self._reject(result)

    def _reject(self, result: Result) -> None:
        """Tell the peer why an entry was not stored; whatever refuses one has a code."""
        if result.code is not None:
            self._rejects.append(Reject(result.id, result.code))

    def _search_below(self, header: Header, log: LogId) -> None:
        """Look for an earlier difference, unless both sides follow the same entry."""
        before = self._store.log_entries(log, header.seq - 1, header.seq - 1, MAX_BATCH_BYTES)
        if before.entries and before.entries[0].id != header.prev:
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
