"""What governance may do beyond what a service may: sign certificates and hand them to ingest.

Third-party services do not get these. What waits for the disk is asked for here and carried out by
the host before it publishes, so that a certificate or a candidate's keys are here before whatever
names them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sheaf_node.governance.certification import Statements
from sheaf_node.governance.epoch import Epochs
from sheaf_node.governance.export import Export
from sheaf_node.governance.voices import Voices
from sheaf_protocol.digest import short
from sheaf_protocol.errors import Fault, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from sheaf_node.governance.sighting import Sightings
    from sheaf_node.plugins.host import Parts
    from sheaf_node.store import StoredEntry
    from sheaf_protocol.charter import Certificate, Chain, Federation
    from sheaf_protocol.digest import CoopId, Digest, EntryId, FederationId, LogId, WriterId
    from sheaf_protocol.identity import KeyHistory, KeyLog, KeyOp

_LOG = logging.getLogger("sheaf.governance")


class Powers:
    """The store and the keys of one node, as far as the governance of one federation needs them."""

    def __init__(self, parts: Parts, fid: FederationId, sightings: Sightings) -> None:
        self._parts, self._fid = parts, fid
        self.sightings = sightings
        self.statements, self.epochs = Statements(), Epochs()
        self.export = Export(parts.store, parts.keyring, fid)
        self._voices: Voices | None = None
        self._errands: list[Callable[[], Awaitable[bool]]] = []
        self.refused: str | None = None
        """Why the newest certificate that we put together was not taken, if it was not."""

    @property
    def chain(self) -> Chain:
        """The certificates of the federation."""
        return self._parts.store.chains[self._fid]

    @property
    def histories(self) -> Mapping[CoopId, KeyHistory]:
        """The key logs held."""
        return self._parts.store.key_histories

    def voices(self, federation: Federation) -> Voices:
        """Return what voters need to speak on the newest certificate."""
        if self._voices is None or self._voices.prev != federation.id:
            self._voices = Voices(federation, self)
        return self._voices

    def entry(self, id_: EntryId) -> StoredEntry | None:
        """Return an entry that is held, or None."""
        return self._parts.store.entry(id_)

    def entry_after(self, log: LogId, seq: int) -> StoredEntry | None:
        """Return the first entry of a log beyond a number, or None."""
        return next(iter(self._parts.store.log_after(log, seq + 1, 1)), None)

    def name_of(self, cid: CoopId) -> str:
        """Return a co-op's name, or the start of its id where its key log is not here."""
        history = self.histories.get(cid)
        return f"co-op {short(cid)}" if history is None else history.state.name

    def is_writer(self, cid: CoopId, wid: WriterId) -> bool:
        """Return whether a co-op ever delegated a writer, as far as we know."""
        history = self.histories.get(cid)
        return history is not None and any(wid in log.writers for log in _logs(history))

    def is_open_at(self, cid: CoopId, wid: WriterId, head: Digest) -> bool:
        """Return whether a writer is open at an operation of its co-op's key log, if held."""
        history = self.histories.get(cid)
        return history is not None and any(log.has_writer_at(head, wid) for log in _logs(history))

    def first_writer(self, cid: CoopId, now_ms: int) -> WriterId | None:
        """Return the co-op's writer that speaks in rounds: the first that is open."""
        history = self.histories.get(cid)
        writers = () if history is None else history.state.writers.values()
        is_open = (w.wid for w in writers if not w.is_closed and not w.is_expired_at(now_ms))
        return next(is_open, None)

    def sign(self, purpose: str, message: bytes) -> bytes:
        """Return this node's signature for a statement of a round."""
        return self._parts.keyring.writer.sign(purpose, message)

    def welcome(self, candidates: Iterable[CoopId]) -> None:
        """Let the key logs of those whom members may admit in and on to other members."""
        wanted = frozenset(candidates)
        if self._parts.ingest.known.candidates.get(self._fid, frozenset()) != wanted:
            self._parts.ingest.known.welcome(self._fid, wanted)

    def certify(self, certificate: Certificate) -> None:
        """Ask for a certificate to be taken in."""

        async def errand() -> bool:
            try:
                is_new = await self._parts.ingest.receive_certificate(certificate)
            except RemoteProtocolError as exc:
                self._note(exc)
                return False
            self.refused = None
            return is_new

        self._errands.append(errand)

    def take_certificate(self, certificate: Certificate) -> None:
        """Ask for a certificate to be taken in; the turn fails where it is refused."""

        async def errand() -> bool:
            return await self._parts.ingest.receive_certificate(certificate)

        self._errands.append(errand)

    def take_key_log(self, cid: CoopId, runs: Sequence[Sequence[KeyOp]]) -> None:
        """Ask for the key log on a card to be taken in; the turn fails where it is refused."""

        async def errand() -> bool:
            took = [await self._parts.ingest.receive_key_ops(cid, ops) for ops in runs]
            return any(took)

        self._errands.append(errand)

    async def carry_out(self) -> bool:
        """Do what was asked for; return whether any of it changed what the node holds."""
        errands, self._errands = self._errands, []
        done = [await errand() for errand in errands]
        return any(done)

    def forget(self) -> None:
        """Drop what was asked for."""
        self._errands.clear()

    def _note(self, refusal: RemoteProtocolError) -> None:
        """Note why a certificate waits; log what is no matter of waiting, once."""
        if refusal.fault is not Fault.NOT_YET and self.refused != refusal.code:
            _LOG.warning("a certificate was refused: %s", refusal)
        self.refused = refusal.code


def _logs(history: KeyHistory) -> tuple[KeyLog, ...]:
    """Return what is in force and both sides of a division: any may be what was anchored."""
    return (history.state, *history.ends)
