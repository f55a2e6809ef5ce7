"""Payloads on one link: what each side subscribed to, and what is asked for and sent of them.

As in `exchange.py` the reader of the link calls the `hear_*` methods and `take`, and the writer
calls `tell`, `ask` and `serve`, which alone send.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from sheaf_node.store.model import WITHHELD
from sheaf_protocol.codec import check
from sheaf_protocol.envelope import Envelope, body_of
from sheaf_protocol.frontier import Range
from sheaf_protocol.limits import MAX_BATCH_BYTES, MAX_BATCH_ENTRIES
from sheaf_protocol.link.messages import (
    PAYLOADS,
    PayloadItem,
    Payloads,
    PayloadWant,
    RangeItem,
    Served,
    Subscribe,
)
from sheaf_protocol.link.payload_sync import Lack, PayloadSync
from sheaf_protocol.retention import is_expired
from sheaf_protocol.subscription import Filter, kinds_of, matches, wants_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.ingest import Ingest
    from sheaf_node.store import Store, StoredEntry
    from sheaf_protocol.digest import FederationId
    from sheaf_protocol.link import Link


class PayloadExchange:
    """One federation on one link."""

    def __init__(self, fid: FederationId, link: Link, *, store: Store, ingest: Ingest) -> None:
        self.sync = PayloadSync()
        self.is_serving = False
        """Whether the peer waits for payloads."""
        self._fid, self._link, self._store, self._ingest = fid, link, store, ingest
        self._scope = link.blind(fid)
        self._ours, self._theirs = ingest.subscription, Filter()
        self._is_subscribe_due = not self._ours.is_whole
        self._is_ask_due = True
        self._serving: deque[Range] = deque()

    def hear_subscribe(self, message: Subscribe) -> None:
        """Send the peer no other payloads from now on."""
        self._theirs = message.filter

    def hear_want(self, message: PayloadWant) -> bool:
        """Serve these payloads from now on, and no earlier ones; return whether a log is held."""
        ranges = [Range(log=r.log, first=r.first, last=r.last) for r in message.ranges]
        held = self._store.logs
        self._serving = deque(r for r in ranges if r.log in held and held[r.log].fid == self._fid)
        self.is_serving = True
        return bool(self._serving)

    def stop_serving(self) -> None:
        """Let go of what the peer asked for: it has another question."""
        self._serving.clear()
        self.is_serving = False

    async def take(self, message: Payloads, now_ms: int) -> None:
        """Store payloads that were asked for.

        Raises RemoteProtocolError `link.range`, `env.payload_hash`, `enc.*`: none is stored then.
        """
        for item in message.items:
            self.sync.receive(item.log, item.seq, now_ms)
        await self._ingest.receive_payloads(self._fid, message.items)

    def let_through(self, entries: Sequence[StoredEntry]) -> list[Envelope]:
        """Return entries as the peer wants them: without what its filter leaves out."""
        if self._theirs.is_whole:
            return [entry.envelope for entry in entries]
        return [self._filtered(entry) for entry in entries]

    def tick(self, now_ms: int) -> bool:
        """Let the next question fall due; return whether there is more to wait for.

        One question a tick: a peer may have to look through thousands of entries for nothing.
        """
        # Where our filter looks inside, most are left out rightly, and without end.
        is_again = self.sync.has_missed and not self._ours.looks_inside
        if is_again:
            self.sync.renew(now_ms)
        self._is_ask_due = self.sync.after < self._store.arrival
        return self._is_ask_due or self.sync.is_asking or is_again

    def recheck(self) -> None:
        """Let everything be asked for again: a key log may have brought entries back to count."""
        if not (self._ours.looks_inside or self.sync.is_asking):
            self.sync.restart()

    def tell(self) -> None:
        """Say which payloads we want, once, before anything is asked for."""
        if self._is_subscribe_due:
            self._is_subscribe_due = False
            self._link.send(Subscribe(self._scope, self._ours))

    def ask(self, now_ms: int) -> None:
        """Ask for payloads that are wanted and not here, if that is due."""
        if not self._is_ask_due or self.sync.is_asking:
            return
        self._is_ask_due = False
        newest = self._store.arrival
        found = self._store.absences.lacking(self.sync.after, PAYLOADS, kinds_of(self._ours))
        lacking = [
            Lack(arrival=entry.arrival, log=entry.log, seq=entry.header.seq)
            for entry in found
            if self._is_wanted(entry, now_ms)
        ]
        upto = newest if len(found) < PAYLOADS else found[-1].arrival
        ranges = self.sync.ask(lacking, upto, now_ms)
        if ranges:
            wanted = [RangeItem(r.log, r.first, r.last) for r in ranges]
            self._link.send(PayloadWant(self._scope, wanted))

    def serve(self) -> bool:
        """Send the next payloads, once there is credit for a batch; return whether to go on."""
        if self._link.credit < MAX_BATCH_BYTES:
            return False
        items = self._next_batch()
        if items:
            self._link.send(Payloads(self._scope, items))
        if self._serving:
            return True
        self._link.send(Served(self._scope))
        self.is_serving = False
        return False

    def _next_batch(self) -> list[PayloadItem]:
        """Return what the peer is sent of the next entries it asked about, which may be nothing."""
        items: list[PayloadItem] = []
        room, most = MAX_BATCH_BYTES, MAX_BATCH_ENTRIES
        while self._serving and most > 0:
            wanted = self._serving[0]
            found = self._store.log_entries(wanted.log, wanted.first, wanted.last, room, most)
            if items and found.size > room:  # at least one comes, whatever its size
                break
            for entry in found.entries:
                payload = self._filtered(entry).payload
                if payload:
                    items.append(PayloadItem(entry.log, entry.header.seq, payload))
                    room -= len(payload)
            most -= len(found.entries)
            if not found.entries or found.entries[-1].header.seq >= wanted.last:
                self._serving.popleft()
                most -= 1
            else:
                self._serving[0] = replace(wanted, first=found.entries[-1].header.seq + 1)
        return items

    def _filtered(self, entry: StoredEntry) -> Envelope:
        envelope = entry.envelope
        if not envelope.payload or self._is_theirs(entry):
            return envelope
        return Envelope(envelope.header, envelope.signature, b"")

    def _is_theirs(self, entry: StoredEntry) -> bool:
        theirs = self._theirs
        if not theirs.looks_inside or not wants_kind(theirs, entry.kind):
            return wants_kind(theirs, entry.kind)
        return matches(theirs, entry.kind, check(body_of(entry.envelope.payload)))

    def _is_wanted(self, entry: StoredEntry, now_ms: int) -> bool:
        is_missing = entry.header.fid == self._fid and entry.absence == WITHHELD
        return is_missing and not is_expired(entry.header, now_ms)
