"""What may keep this node from signing, as ingest asks: its home is being restored, or a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sheaf_protocol.digest import EntryId
    from sheaf_protocol.envelope import Header
    from sheaf_protocol.identity import KeyLog


class Guard(Protocol):
    """Says whether this node may sign now, and is told what it did not sign."""

    async def until_compared(self) -> None:
        """Return once what this home holds of its own log was compared with a peer."""
        ...

    def require_publishing(self, kinds: Iterable[str]) -> None:
        """Return if entries of these kinds may be signed now, else raise LocalProtocolError."""
        ...

    def note_foreign(self, header: Header, id_: EntryId) -> None:
        """Take note of an entry of our own co-op that a peer brought; durable when it returns."""
        ...

    def note_keys(self, log: KeyLog) -> None:
        """Take note of our own key log, which may have gone on elsewhere; durable as well."""
        ...


class Unguarded:
    """The guard of a node whose home nobody puts back: it may always sign."""

    async def until_compared(self) -> None:
        """Return at once."""

    def require_publishing(self, kinds: Iterable[str]) -> None:
        """Return."""

    def note_foreign(self, header: Header, id_: EntryId) -> None:
        """Do nothing."""

    def note_keys(self, log: KeyLog) -> None:
        """Do nothing."""
