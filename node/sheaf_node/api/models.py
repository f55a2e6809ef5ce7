"""What the local API takes and answers, as structs: they are its JSON and its schemas."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from sheaf_node.api.reading import BodyFault
from sheaf_protocol.limits import MAX_BLOB, MAX_INT
from sheaf_protocol.records import KINDS, PRIVATE
from sheaf_protocol.records.extension import MAX_KIND, PATTERN

MAX_PAGE = 1_000

Hex = Annotated[str, Meta(pattern=r"\A([0-9a-f]{2})*\Z", description="Lower-case hex.")]
Count = Annotated[int, Meta(ge=0)]

_Prefix = Annotated[
    str,
    Meta(
        max_length=64,
        pattern=r"\A[0-9a-f]+\Z",
        description="The first hex digits of a federation's id; the first one joined where absent.",
    ),
]
_Arrival = Annotated[
    int,
    Meta(ge=0, le=MAX_INT, description="Only entries that arrived after the one of this number."),
]

PATH: dict[str, dict[str, Any]] = {
    "kind": {
        "description": "The kind of a public record (chapter 10 of the spec), or that of an"
        " extension whose schema is installed here.",
        "schema": {
            "anyOf": [
                {"type": "string", "enum": sorted(set(KINDS) - PRIVATE)},
                {"type": "string", "pattern": PATTERN, "maxLength": MAX_KIND},
            ]
        },
    },
    "entry": {
        "description": "8 or more digits of an entry's id.",
        "schema": {"type": "string", "pattern": "^([0-9a-f]{2}){4,32}$"},
    },
    "service": {
        "description": "A service's name.",
        "schema": {"type": "string", "minLength": 1},
    },
    "name": {
        "description": "The name of one of its views or commands.",
        "schema": {"type": "string", "minLength": 1},
    },
    "seat": {
        "description": "A seat's name, or the first digits of its id.",
        "schema": {"type": "string", "minLength": 1},
    },
    "id": {
        "description": "A blob's id.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    },
    "draft": {
        "description": "The first digits of a draft's id.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{1,16}$"},
    },
    "webhook": {
        "description": "The first digits of a webhook's id.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{1,16}$"},
    },
    "invitation": {
        "description": "The first digits of an invitation's id.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{1,64}$"},
    },
}
"""What the braces in paths stand for. One word means one thing, and paths that differ by that alone
are one path to OpenAPI."""


class FederationQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which federation is meant."""

    federation: _Prefix | None = None


class LogQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of the log."""

    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE, description="Entries at most.")] = 100
    cursor: (
        Annotated[str, Meta(max_length=200, description="Where the page before this one ended.")]
        | None
    ) = None
    since: _Arrival | None = None
    after: (
        Annotated[
            int,
            Meta(
                ge=0,
                le=MAX_INT,
                description="The older name of `since`.",
                extra_json_schema={"deprecated": True},
            ),
        ]
        | None
    ) = None
    federation: _Prefix | None = None


class StreamQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a stream begins behind, where the client has no `Last-Event-ID`."""

    since: _Arrival | None = None
    federation: _Prefix | None = None


class BlobQuery(FederationQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A blob, and its size where that is known."""

    size: Annotated[int, Meta(ge=1, le=MAX_BLOB, description="Its bytes.")] | None = None


class EraseQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why an entry is erased."""

    reason: (
        Annotated[
            str,
            Meta(
                max_length=65,
                pattern=r"\A[a-z0-9_]{1,32}(\.[a-z0-9_]{1,32})?\Z",
                description="A code such as personal_data; no free text.",
            ),
        ]
        | None
    ) = None


class NewRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A record to be published: its JSON view (spec/schemas), and the entries that it refers to."""

    record: Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})]
    refs: list[Annotated[str, Meta(min_length=64, max_length=64, pattern=r"\A[0-9a-f]{64}\Z")]] = []


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the log, with its record where it is readable."""

    arrival: Count
    id: Hex
    fid: Hex
    cid: Hex
    wid: Hex
    seq: Count
    kind: str
    time_ms: int
    refs: list[Hex]
    no_effect: str | None
    """The code of the rule by which it counts for nothing."""
    absence: str | None
    """Why its record is null: `erased`, `expired`, or `env.withheld`."""
    record: Any
    misfit: BodyFault | None
    """Where the record of an extension does not fit the schema that is installed here. It counts
    all the same."""


class LogPage(msgspec.Struct, frozen=True, kw_only=True):
    """Entries in the order of arrival."""

    items: list[Entry]
    next: int | None
    """The arrival number to go on after; null behind the last entry."""
    cursor: str
    """Where to go on, now or once more has arrived."""


class ErasedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry whose erasure was asked for."""

    id: Hex
    kind: str
    seq: Count
    deleted_at_ms: int


class RestoredEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry whose erasure was taken back."""

    id: Hex
    kind: str
    seq: Count
    is_here: bool
    """False where the payload has to come from a peer."""


class StoredBlob(msgspec.Struct, frozen=True, kw_only=True):
    """The reference of a blob that is on disk, as records name it."""

    id: Hex
    size: Count


class BlobProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a blob is that is being fetched."""

    id: Hex
    size: Count | None
    pieces: Count
    of: Count | None
