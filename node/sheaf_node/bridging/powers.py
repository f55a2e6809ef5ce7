"""What bridging may do beyond what a service may: read and publish in two federations.

Third-party services do not get these. What is to be written in the other federation is asked for
here and carried out by the host, so that a service decides without waiting.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from msgspec import UNSET

from sheaf_node.ingest import Draft
from sheaf_node.plugins.reading import Reader
from sheaf_protocol.charter import read_charter
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import short
from sheaf_protocol.envelope import decode_header
from sheaf_protocol.errors import LocalProtocolError
from sheaf_protocol.records import kind_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from sheaf_node.crossing import Crossings
    from sheaf_node.plugins import SeenRecord
    from sheaf_node.plugins.host import Parts
    from sheaf_node.store import StoredEntry
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.digest import CoopId, Digest, EntryId, FederationId, WriterId
    from sheaf_protocol.envelope import Envelope
    from sheaf_protocol.proof import Proof
    from sheaf_protocol.records import Record

_READ = 512
_LOG = logging.getLogger("sheaf.bridging")


class Powers:
    """The store of one node, as far as the treaties of one federation need it."""

    def __init__(self, parts: Parts, fid: FederationId) -> None:
        self._parts, self.fid = parts, fid
        self._errands: list[Callable[[], Awaitable[bool]]] = []
        self._shown: dict[EntryId, Envelope] = {}
        self.refused: Mapping[FederationId, str] = {}
        """Why the newest entry for another federation was not taken there, by federation."""

    @property
    def federations(self) -> Mapping[FederationId, Federation]:
        """The federations that our co-op is in, by their newest certificates."""
        return self._parts.ingest.federations

    @property
    def foreign(self) -> Mapping[FederationId, Federation]:
        """The other federations of which charters are held."""
        return self._parts.ingest.known.foreign

    def federation(self, fid: FederationId) -> Federation | None:
        """Return a federation as far as its certificates are held, ours or not."""
        return self.federations.get(fid) or self._parts.ingest.known.foreign.get(fid)

    def crossings(self, fid: FederationId) -> Crossings:
        """Return what crossed into a federation of ours, read up to the end of the store."""
        parts = self._parts
        found = parts.crossings.into(
            fid, store=parts.store, ingest=parts.ingest, arrivals=parts.arrivals
        )
        found.catch_up()
        return found

    def reader(self, fid: FederationId) -> Reader:
        """Return a reader from the beginning of a federation of ours, and of what crossed in."""
        parts = self._parts
        crossings = self.crossings(fid)
        federation = self.federations[fid]
        wanted = parts.ingest.subscription
        return Reader(parts.store, parts.keyring, federation, wanted, crossings)

    def records(
        self, fid: FederationId, follows: frozenset[str], abroad: frozenset[str]
    ) -> Iterator[SeenRecord]:
        """Yield all records of these kinds that count in a federation of ours."""
        reader = self.reader(fid)
        while batch := reader.next_batch(_READ, follows, abroad=abroad):
            yield from batch.records

    def level_set_ms(self, fid: FederationId, treaty: Digest) -> int:
        """Return when members last voted on a treaty's level in a federation; 0 where they never
        did. No certificate bears a time: the last vote that it lists stands for it.
        """
        chain = self._parts.store.chains[fid]
        id_ = chain.federation.id
        while id_ in chain.links:
            charter = read_charter(chain.links[id_].certificate)
            change, ballot = charter.change, charter.ballot
            if change is not UNSET and change.treaty_id == treaty:
                votes = [] if ballot is UNSET else map(self.entry, ballot.votes)
                return max((vote.header.time_ms for vote in votes if vote), default=0)
            id_ = charter.prev
        return 0

    def entry(self, id_: EntryId) -> StoredEntry | None:
        """Return an entry that is held, or None."""
        return self._parts.store.entry(id_)

    def proof_of(self, entry: StoredEntry) -> Proof | None:
        """Return what proves an entry that is held: its own signature, or headers after it."""
        if entry.envelope.signature:
            return entry.envelope.signature
        if entry.tail is not None:
            return entry.tail
        seq = entry.header.seq
        return self._parts.store.log_entries(entry.log, seq, seq, 1 << 20, 1).tail

    def is_erased(self, entry: StoredEntry) -> bool:
        """Return whether an entry's own co-op erased it."""
        return self._parts.store.erasures.is_erased(entry.id, entry.header)

    def name_of(self, cid: CoopId) -> str:
        """Return a co-op's name, or the start of its id where its key log is not here."""
        log = self._parts.store.key_logs.get(cid)
        return f"co-op {short(cid)}" if log is None else log.name

    def federation_name(self, fid: FederationId) -> str:
        """Return a federation's name, or the start of its id where its charter is not here."""
        federation = self.federation(fid)
        return f"federation {short(fid)}" if federation is None else federation.charter.name

    def speaks(self, cid: CoopId, wid: WriterId, now_ms: int) -> bool:
        """Return whether a writer is its co-op's first that is open: one node of it bridges."""
        log = self._parts.store.key_logs.get(cid)
        writers = () if log is None else log.writers.values()
        is_open = (w.wid for w in writers if not w.is_closed and not w.is_expired_at(now_ms))
        return next(is_open, None) == wid

    def publish_in(self, fid: FederationId, record: Record) -> None:
        """Ask for a record to be published in another federation."""

        async def errand() -> bool:
            draft = Draft(kind=kind_of(record), body=encode(record))
            try:
                await self._parts.ingest.publish(fid, [draft])
            except LocalProtocolError as exc:
                if self.refused.get(fid) != exc.code:
                    _LOG.warning("nothing enters %s: %s", self.federation_name(fid), exc)
                self.refused = {**self.refused, fid: exc.code}
                return False
            self.refused = {at: code for at, code in self.refused.items() if at != fid}
            return True

        self._errands.append(errand)

    def bring_home(self, envelope: Envelope) -> None:
        """Take in an entry that was shown elsewhere where it belongs, once it can be (TRT-56).

        Where another stands at its place that makes a fork proof.
        """
        self._shown[envelope.id] = envelope

    async def carry_out(self) -> bool:
        """Do what was asked for; return whether any of it changed what the node holds."""
        errands, self._errands = self._errands, []
        done = [await errand() for errand in errands]
        for id_, envelope in list(self._shown.items()):
            header = decode_header(envelope.header)
            if header.seq == 1 or self.entry(header.prev) is not None:
                del self._shown[id_]
                await self._parts.ingest.receive([envelope])
        return any(done)

    def forget(self) -> None:
        """Drop what was asked for."""
        self._errands.clear()
