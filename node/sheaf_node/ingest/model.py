"""What is brought to ingest and what it answers."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sheaf_protocol.envelope import Envelope, Header, open_header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.store import StoredEntry
    from sheaf_protocol.digest import EntryId, LogId


class Outcome(enum.Enum):
    """What became of an entry."""

    NEW = "new"
    """Stored."""
    KNOWN = "known"
    """Stored before."""
    NO_EFFECT = "no_effect"
    """Stored, and readers skip it: its author broke a rule that replicas do not stop for."""
    HELD = "held"
    """Not stored; may be right later, so ask again. Never counted against the sender."""
    REJECTED = "rejected"
    """Not stored; the sender is at fault."""
    FORK = "fork"
    """Not stored, but a proof made of it is: its author signed two entries for one place."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The answer for one entry. `code` is the rule, for all outcomes but NEW and KNOWN."""

    id: EntryId
    outcome: Outcome
    code: str | None = None
    detail: str = ""
    entry: StoredEntry | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """An entry of our own before it has a place in the log: a kind and a canonical body."""

    kind: str
    refs: Sequence[EntryId] = field(default=())
    body: bytes
    expires_ms: int = 0


@dataclass(frozen=True, slots=True)
class Opened:
    """A received envelope whose form is right, with what is computed from it once."""

    envelope: Envelope
    id: EntryId
    header: Header
    log: LogId


def open_envelope(envelope: Envelope, id_: EntryId) -> Opened:
    """Return the opened envelope. Raises RemoteProtocolError `enc.*`, `env.*`."""
    header = open_header(envelope)
    return Opened(envelope, id_, header, header.log)
