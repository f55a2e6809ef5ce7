"""What is brought to ingest and what it answers."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from sheaf_node.store import StoredEntry
from sheaf_protocol.digest import EntryId, LogId
from sheaf_protocol.envelope import Envelope, Header, decode_header, open_header
from sheaf_protocol.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence


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


class Result(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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
    decided_ms: int | None = None
    """When it was decided, by our clock; None for when it is signed. What was in time then stays so
    however long the signing takes."""


class Opened(msgspec.Struct, frozen=True):
    """A received envelope whose header can be read, with what is computed from it once."""

    envelope: Envelope
    id: EntryId
    header: Header
    log: LogId
    fault: RemoteProtocolError | None = None
    """The sender's fault that was found in the bytes, or was found in them before."""


class Unreadable(msgspec.Struct, frozen=True):
    """A received envelope without a header that can be read."""

    envelope: Envelope
    id: EntryId
    fault: RemoteProtocolError


Item: TypeAlias = Opened | Unreadable


def open_envelope(
    envelope: Envelope, id_: EntryId, known: RemoteProtocolError | None = None
) -> Item:
    """Return the opened envelope; `known` is the fault that is remembered of it."""
    try:
        header = open_header(envelope)
    except RemoteProtocolError as exc:
        return _faulty(envelope, id_, exc)
    return Opened(envelope, id_, header, header.log, known)


def _faulty(envelope: Envelope, id_: EntryId, fault: RemoteProtocolError) -> Item:
    """Return the opened envelope of a spoilt one. A header alone still is a link of its chain."""
    if fault.code != "env.payload_hash":
        return Unreadable(envelope, id_, fault)
    header = decode_header(envelope.header)
    return Opened(envelope, id_, header, header.log, fault)
