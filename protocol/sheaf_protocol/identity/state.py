"""What a key log says at one place: its keys, its writers and where they end (spec 02)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sheaf_protocol.digest import ZERO, CoopId, Digest, EntryId, FederationId, WriterId, digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_protocol.identity.authority import Authority
    from sheaf_protocol.identity.keys import PublicKey
    from sheaf_protocol.identity.operation import Inception


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """The last place of a log that still counts, and the entry there."""

    seq: int
    head: EntryId

    def is_void(self, seq: int, id_: EntryId) -> bool:
        """Return whether an entry lies beyond the cut, or at it and is not the one named.

        A stolen key can sign another past; the manager said which one counts.
        """
        return seq > self.seq or (seq == self.seq and id_ != self.head)


_NOTHING = Cut(seq=0, head=EntryId(ZERO))


@dataclass(frozen=True, kw_only=True, slots=True)
class Writer:
    """A delegated installation, open until an operation ends it, then in all federations."""

    wid: WriterId
    expires_ms: int | None
    """The last time that its entries may bear; None where its cuts alone say what counts."""
    is_closed: bool = False
    cuts: Mapping[FederationId, Cut] = field(default_factory=dict)
    """Where its logs end once it is closed; those not named have nothing that counts."""
    opened_at: int = 0
    """The number of the operation that delegated it."""
    ended_at: int | None = None
    """The number of the first operation that ended it; None while it is open."""

    def cut_in(self, fid: FederationId) -> Cut | None:
        """Return where its log in a federation ends; None while the writer is open."""
        # IDN-28: a close that does not list the federation cuts there before the first entry.
        return self.cuts.get(fid, _NOTHING) if self.is_closed else None

    def is_expired_at(self, time_ms: int) -> bool:
        """Return whether a time lies after its delegation; never for one ended by cuts alone."""
        return self.expires_ms is not None and time_ms > self.expires_ms


@dataclass(frozen=True, kw_only=True, slots=True)
class Prekey:
    """An X25519 key that private bodies are sealed to."""

    key: PublicKey
    expires_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyLog:
    """What a key log says so far. Immutable: an operation makes a new one."""

    cid: CoopId
    inception: Inception
    heads: tuple[Digest, ...]
    """The ids of its operations, first to last: each was the head once."""
    authorities: tuple[Authority, ...]
    """Who signed each of them."""
    managers: tuple[PublicKey, ...]
    """The manager key after each of them."""
    rotation: Sequence[PublicKey]
    threshold: int
    """How many of `rotation`, or of the keys behind `next`, sign together."""
    next: Sequence[Digest]
    """The hashes of the keys that may take the place of the rotation keys."""
    guardians: Sequence[PublicKey] = ()
    guardian_threshold: int = 0
    writers: Mapping[WriterId, Writer] = field(default_factory=dict)
    prekeys: Sequence[Prekey] = ()
    ended_prekeys: frozenset[bytes] = frozenset()
    """Prekeys that are offered no more: none of them is delegated again."""
    is_frozen: bool = False
    """Whether two continuations of equal authority follow, so that none of them counts."""

    @property
    def manager(self) -> PublicKey:
        """The key that delegates and closes from here on."""
        return self.managers[-1]

    @property
    def head(self) -> Digest:
        """The id of its last operation; of a frozen log a hash that no operation can name."""
        # Nodes compare heads to see whether they agree: frozen and not yet so have to differ.
        return digest("key-frozen", self.heads[-1]) if self.is_frozen else self.heads[-1]

    @property
    def size(self) -> int:
        """The number of its operations; of a frozen log, of those before the division."""
        return len(self.heads)

    @property
    def name(self) -> str:
        """The co-op's name as its inception gives it."""
        return self.inception.name

    def frozen(self) -> KeyLog:
        """Return this state as what is in force where two equal sides follow on it."""
        return replace(self, is_frozen=True)

    def manager_at(self, head: Digest) -> PublicKey | None:
        """Return the manager key after the operation of an id; None where it holds none such.

        What a manager signed elsewhere, naming this place, stays its word after a rotation.
        """
        return self.managers[self.heads.index(head)] if head in self.heads else None

    def has_writer_at(self, head: Digest, wid: WriterId) -> bool:
        """Return whether a writer was open after the operation of an id, whatever came later.

        What a writer signed elsewhere, naming this place, stays its word once it is ended.
        """
        writer = self.writers.get(wid)
        if writer is None or head not in self.heads:
            return False
        at = self.heads.index(head)
        return writer.opened_at <= at and (writer.ended_at is None or at < writer.ended_at)

    def prekey_at(self, now_ms: int) -> Prekey | None:
        """Return the newest prekey not expired at a time, or None."""
        live = [prekey for prekey in self.prekeys if now_ms <= prekey.expires_ms]
        return live[-1] if live else None
