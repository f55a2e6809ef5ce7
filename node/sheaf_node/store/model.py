"""What goes into the store and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_protocol.log import EMPTY, Head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_protocol.charter import Certificate
    from sheaf_protocol.digest import CoopId, EntryId, FederationId, WriterId
    from sheaf_protocol.envelope import Envelope, Header
    from sheaf_protocol.identity import KeyOp
    from sheaf_protocol.log import ForkProof

FORKED: Final = "log.forked"
"""No effect: at or after the place where the writer forked its log."""
CLOSED: Final = "key.closed"
"""No effect: beyond the cut at which the manager closed the writer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewEntry:
    """An entry that was verified and is to be stored.

    `proven_by_seq` names the later entry whose signature proves this one, where it has none of its
    own; `no_effect` is the author's fault that makes readers skip it.
    """

    id: EntryId
    """The hash of the envelope's header, which costs too much to be taken at every step."""
    envelope: Envelope
    header: Header
    kind: str
    no_effect: str | None = None
    proven_by_seq: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredEntry:
    """An entry as stored. `arrival` numbers the entries of this store from 1, without gaps."""

    arrival: int
    id: EntryId
    envelope: Envelope
    header: Header
    kind: str
    no_effect: str | None
    proven_by_seq: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldLog:
    """A log of which something is held: entries, a fork proof, or both."""

    fid: FederationId
    cid: CoopId
    wid: WriterId
    number: int
    """The short name of the log inside this store."""
    head: Head = EMPTY
    forked_at: int | None = None
    """The lowest place for which two signed entries are known; from there on nothing counts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What is stored together or not at all, all of it verified by the caller.

    Entries follow the heads of their logs in the order given; key operations follow the heads of
    their key logs; a fork proof is the lowest of its log.
    """

    entries: Sequence[NewEntry] = ()
    key_ops: Sequence[tuple[CoopId, KeyOp]] = ()
    certificates: Sequence[Certificate] = ()
    fork_proofs: Sequence[ForkProof] = ()
