"""Nodes with one bug each on the wire, for the kit to find: sound parts, of which one is swapped.

Each bug is one that an implementer might really make. It is planted by a subclass that says
what the sound class says but for one thing; nothing of the node knows of it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec

from sheaf_node.ingest import Ingest, Opened, Outcome, Result
from sheaf_node.ingest.decision import Decider
from sheaf_node.ingest.progress import LogProgress, not_yet
from sheaf_node.store import Store
from sheaf_node.store.model import ProvenRun
from sheaf_protocol.codec import decode
from sheaf_protocol.digest import Digest
from sheaf_protocol.envelope import Envelope, body_of
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.frontier import LogState
from sheaf_protocol.identity import verify
from sheaf_protocol.limits import SALT_BYTES
from sheaf_protocol.proof import Run
from sheaf_protocol.records import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sheaf_node.ingest import Item
    from sheaf_node.store import StoredEntry
    from sheaf_node.store.planned import Planned
    from sheaf_protocol.charter.effect import AuthorFault
    from sheaf_protocol.digest import FederationId, LogId
    from sheaf_protocol.fork import ForkProof
    from sheaf_protocol.proof import Tail


T = TypeVar("T")


# --- what is taken in ---------------------------------------------------------------------------


class _AnyPurpose(Run):
    """Takes a signature of the writer for any of some purposes."""

    __slots__ = ()

    def _verify(self, place: int) -> None:
        header, signature = self.entries[place].envelope.header, self._signature(place)
        wid = self.entries[place].header.wid
        if not verify(wid, "handshake-initiator", header, signature):
            super()._verify(place)


class _Unchecked(Run):
    """Takes each signature for a good one."""

    __slots__ = ()

    def _verify(self, place: int) -> None:
        return


class _Farsighted(Run):
    """Takes the last signature of a run for proof of all before it, however far."""

    __slots__ = ()

    def _end_of(self, index: int) -> int:
        return len(self.entries) - 1


class _LooseRuns(Ingest):
    """An ingest whose runs are of another class."""

    run: type[Run] = Run

    def _runs(
        self, items: Sequence[Opened], tails: Sequence[Tail], *, is_live: bool
    ) -> Sequence[Run]:
        runs = super()._runs(items, tails, is_live=is_live)
        return [type(self).run(each.entries) if _is_signed(each) else each for each in runs]


def _is_signed(run: Run) -> bool:
    return run.entries[-1].envelope.signature != b""


class TakesAnyPurpose(_LooseRuns):
    """A signature over another domain tag proves an entry."""

    run = _AnyPurpose


class ChecksNoSignature(_LooseRuns):
    """Signatures are stored and passed on unchecked."""

    run = _Unchecked


class ProvesTooFar(_LooseRuns):
    """A signature proves more than 63 entries before it."""

    run = _Farsighted


class TakesUnsignedPushes(Ingest):
    """New entries may come unsigned, as those of an answer."""

    async def take(self, items: Sequence[Item], *tails: Any, **how: Any) -> list[Result]:
        return await super().take(items, *tails, **{**how, "is_live": False})


class DropsUnknownKinds(Ingest):
    """Entries of kinds that this version does not know are passed over, not stored."""

    async def take(self, items: Sequence[Item], *tails: Any, **how: Any) -> list[Result]:
        known = [i for i in items if not isinstance(i, Opened) or i.header.kind in KINDS]
        taken = await super().take(known, *tails, **how)
        results = {result.id: result for result in taken}
        return [results.get(i.id, Result(id=i.id, outcome=Outcome.KNOWN)) for i in items]


class SaysTheWrongCode(Ingest):
    """A bad signature is refused as a bad header."""

    async def take(self, items: Sequence[Item], *tails: Any, **how: Any) -> list[Result]:
        results = await super().take(items, *tails, **how)
        return [
            msgspec.structs.replace(each, code="env.header")
            if each.code == "env.signature"
            else each
            for each in results
        ]


def _remade(sound: T, type_: type[T]) -> T:
    """Return an object of another class that goes on where this one stands."""
    made = type_.__new__(type_)
    vars(made).update(vars(sound))
    return made


def logs(progress: type[LogProgress]) -> type[Ingest]:
    """Return an ingest that keeps its logs by these rules."""

    class LooseDecider(Decider):
        def _progress(self, first: Opened) -> LogProgress:
            if first.log not in self._logs:
                self._logs[first.log] = _remade(super()._progress(first), progress)
            return self._logs[first.log]

    class LooseIngest(Ingest):
        def _decider(self, planned: Planned) -> Decider:
            return _remade(super()._decider(planned), LooseDecider)

    return LooseIngest


class _Lax(LogProgress):
    """Passes over one code of its rules, or says something else in its place."""

    code: ClassVar[str]

    def require_author(self, item: Opened) -> None:
        with self._passing_over():
            super().require_author(item)

    def require_next(self, item: Opened) -> None:
        with self._passing_over():
            super().require_next(item)

    def fault(self, item: Opened) -> AuthorFault | None:
        with self._passing_over():
            return super().fault(item)
        return None

    @contextmanager
    def _passing_over(self) -> Iterator[None]:
        try:
            yield
        except RemoteProtocolError as exc:
            if exc.code != self.code:
                raise
            self.say(exc)

    def say(self, exc: RemoteProtocolError) -> None:
        """Raise what is said in place of an error."""


class HoldsBadPrev(_Lax):
    """An entry on another predecessor is waited with, as one behind a gap."""

    code = "log.bad_prev"

    def say(self, exc: RemoteProtocolError) -> None:
        raise not_yet("log.gap", "the entry before") from exc


class BlamesPrevForTime(_Lax):
    """Time that runs backwards is called another predecessor."""

    code = "log.bad_time"

    def say(self, exc: RemoteProtocolError) -> None:
        raise RemoteProtocolError("log.bad_prev", exc.detail) from exc


class TakesFloats(_Lax):
    """A body may have fractions."""

    code = "enc.float"


class SkipsExpiry(_Lax):
    """A writer writes for ever."""

    code = "key.expired"


class SkipsCuts(_Lax):
    """A closed writer writes on."""

    code = "key.closed"


# --- what is given out --------------------------------------------------------------------------


class _Serving(Store):
    """A store that changes the entries it gives to peers."""

    def log_entries(
        self, log: LogId, first: int, last: int, max_bytes: int, most: int = 256
    ) -> ProvenRun:
        found = super().log_entries(log, first, last, max_bytes, most)
        return self.changed(found) if found.entries else found

    def changed(self, run: ProvenRun) -> ProvenRun:
        """Return what is given in place of a run."""
        return run


def _with(entry: StoredEntry, envelope: Envelope) -> StoredEntry:
    return msgspec.structs.replace(entry, envelope=envelope)


class ServesWithoutProof(_Serving):
    """Entries are given out without their signatures and tails."""

    def changed(self, run: ProvenRun) -> ProvenRun:
        return ProvenRun(
            entries=[
                _with(e, Envelope(e.envelope.header, b"", e.envelope.payload)) for e in run.entries
            ]
        )


class EncodesAnew(_Serving):
    """Payloads are decoded, and encoded again when they are given out, unknown keys left out."""

    def changed(self, run: ProvenRun) -> ProvenRun:
        return ProvenRun(entries=[self._anew(entry) for entry in run.entries], tail=run.tail)

    def _anew(self, entry: StoredEntry) -> StoredEntry:
        type_, payload = KINDS.get(entry.kind), entry.envelope.payload
        if type_ is None or not payload:
            return entry
        try:
            record = decode(body_of(payload), type_)
        except RemoteProtocolError:
            return entry
        body = msgspec.msgpack.encode(record)
        envelope = entry.envelope
        return _with(
            entry, Envelope(envelope.header, envelope.signature, payload[:SALT_BYTES] + body)
        )


class ServesErased(_Serving):
    """What was erased is still given out for as long as it is here."""

    def changed(self, run: ProvenRun) -> ProvenRun:
        return ProvenRun(
            entries=[self.entry(entry.id) or entry for entry in run.entries], tail=run.tail
        )


class HidesForkProofs(Store):
    """Fork proofs are kept and not told of."""

    @property
    def fork_proofs(self) -> Mapping[Digest, ForkProof]:
        return {}


class ShowsForksAsHeads(Store):
    """A forked log is shown at the head of the branch that came first."""

    def frontier(
        self, fid: FederationId, only: Iterable[LogId] | None = None
    ) -> dict[LogId, LogState]:
        return {
            log: self._at_head(log) if state.is_forked else state
            for log, state in super().frontier(fid, only).items()
        }

    def _at_head(self, log: LogId) -> LogState:
        head = self.logs[log].head
        return LogState(seq=head.seq, head=Digest(head.id))
