"""What goes into the store and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from sheaf_protocol.digest import CoopId, EntryId, FederationId, LogId, WriterId
from sheaf_protocol.envelope import Envelope, Header
from sheaf_protocol.log import EMPTY, Head
from sheaf_protocol.proof import Tail

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_node.store.receipt import NewReceipt, Receipt
    from sheaf_protocol.charter import Chain
    from sheaf_protocol.fork import ForkProof
    from sheaf_protocol.identity import KeyHistory
    from sheaf_protocol.link import Cursor

FORKED: Final = "log.forked"
"""Void: at or after the place where the writer forked its log."""
CLOSED: Final = "key.closed"
"""Void: beyond the cut at which the writer ends, or of a writer that its co-op's key log in force
does not know."""
LEFT: Final = "charter.left"
"""Void: beyond the line at which its co-op left the federation, or of a co-op that is no member by
the certificates in force."""
EXPIRED: Final = "key.expired"
"""Void: later than its writer's delegation, which another branch of the key log had not ended."""

WITHHELD: Final = "env.withheld"
"""Absent: nobody has brought the payload so far; it has no effect, and nothing behind it has."""
ERASED: Final = "erased"
"""Absent: its co-op erased it. Until the payload is deleted services may see it, nobody else."""
PAST: Final = "expired"
"""Absent: its author let it go, and it was deleted here or by whoever brought it."""


class NewMark(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an entry says of another's payload, for the table of marks."""

    target: EntryId
    is_restore: bool
    taken_ms: int
    """When this node took it, by its own clock."""


# Structs and not dataclasses: there are three for each entry on its way in, and these are made in a
# fifth of the time. They refer to nothing that refers back, so the collector need not look at them.
class NewEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An entry that was proven and is to be stored.

    The envelope has a signature only where that was verified. Without one either `tail` proves the
    entry or an entry further on in the same change does.
    """

    id: EntryId
    """The hash of the envelope's header, which costs too much to be taken at every step."""
    log: LogId
    envelope: Envelope
    header: Header
    tail: Tail | None = None
    fault: str | None = None
    """The author's fault that makes readers skip the entry. It follows from the entry's bytes and
    the chain of certificates alone, so all replicas with the same chain agree on it."""
    absence: str | None = None
    """Why it comes without its payload."""
    mark: NewMark | None = None


class StoredEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An entry as stored. `arrival` numbers the entries of this store from 1, without gaps."""

    arrival: int
    id: EntryId
    log: LogId
    envelope: Envelope
    header: Header
    fault: str | None
    void: str | None
    """Why the entry does not count although its author made no fault. This may change, both ways,
    as key logs and fork proofs arrive."""
    tail: Tail | None = None
    """What proves the entry where neither its own signature nor a later entry of the store does."""
    absence: str | None = None
    """Why the payload is not for people and peers: it is not here, or erased and yet to delete."""

    @property
    def kind(self) -> str:
        """The kind in its header."""
        return self.header.kind

    def as_passed_on(self) -> StoredEntry:
        """Return the entry as peers get it: an erased one without its payload (ENV-35)."""
        if self.absence != ERASED or not self.envelope.payload:
            return self
        bare = Envelope(self.envelope.header, self.envelope.signature, b"")
        return msgspec.structs.replace(self, envelope=bare)

    @property
    def no_effect(self) -> str | None:
        """Why readers skip the entry, or None where it counts."""
        return self.void or self.fault or (WITHHELD if self.absence == WITHHELD else None)


@dataclass(frozen=True, kw_only=True, slots=True)
class ProvenRun:
    """Entries of one log in their order, and the headers that prove the last where it needs any."""

    entries: Sequence[StoredEntry] = ()
    tail: Tail | None = None

    @property
    def size(self) -> int:
        """Bytes that count against a link's credit."""
        tail = 0 if self.tail is None else self.tail.size
        return tail + sum(entry.envelope.size for entry in self.entries)


class HeldLog(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A log of which something is held: entries, a fork proof, or both."""

    fid: FederationId
    cid: CoopId
    wid: WriterId
    number: int
    """The short name of the log inside this store."""
    head: Head = EMPTY
    arrival: int = 0
    """The arrival number of the head."""
    size: int = 0
    """Bytes of its entries."""
    forked_at: int | None = None
    """The lowest place for which two signed entries are known; from there on nothing counts."""


class NewPayload(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The payload of an entry that is held without it, checked by its header."""

    entry: StoredEntry
    payload: bytes
    fault: str | None = None
    mark: NewMark | None = None
    was_passed_over: bool = False
    """Whether readers have not waited for it, so that they have to read again."""


class NewFault(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an entry stored before is judged to be by the chain of certificates in force."""

    entry: StoredEntry
    fault: str | None


class Absent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An entry whose payload is to go, or is not here for another reason than was thought."""

    entry: StoredEntry
    absence: str


class Usage(msgspec.Struct, frozen=True, gc=False):
    """What a co-op's entries of one federation take up."""

    entries: int = 0
    bytes: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What is stored together or not at all, all of it verified by the caller.

    Entries follow the heads of their logs in the order given; a key history or a chain of
    certificates takes the place of the one held; a fork proof is the lowest of its log.
    """

    entries: Sequence[NewEntry] = ()
    key_histories: Mapping[CoopId, KeyHistory] = field(default_factory=dict)
    chains: Mapping[FederationId, Chain] = field(default_factory=dict)
    fork_proofs: Sequence[ForkProof] = ()
    cursors: Mapping[tuple[WriterId, FederationId], Cursor] = field(default_factory=dict)
    """Per peer and federation, hints only: losing one costs traffic and nothing else."""
    payloads: Sequence[NewPayload] = ()
    faults: Sequence[NewFault] = ()
    absences: Sequence[Absent] = ()
    forgotten: Sequence[LogId] = ()
    """Retired logs, of which all entries are deleted."""
    receipt: NewReceipt | None = None
    """What the caller is to be answered, also where it asks again; see `receipt.require_new`."""
    dropped_receipts: Sequence[Receipt] = ()
    """Receipts that were kept for long enough."""
