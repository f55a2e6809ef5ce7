"""What passes between a node and a service of another process, as structs: they are its JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from sheaf_node.plugins.service import Extension
from sheaf_protocol.json_view import to_json
from sheaf_protocol.limits import MAX_INT

if TYPE_CHECKING:
    from sheaf_node.plugins.service import SeenRecord
    from sheaf_protocol.records import Record

MOST_PUBLICATIONS = 256
"""Of one step: what is more waits for the next one."""

Hash = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z", description="Lower-case hex.")]
Hex = Annotated[str, Meta(pattern=r"\A([0-9a-f]{2})*\Z", description="Lower-case hex.")]
Json = Annotated[msgspec.Raw, Meta(extra_json_schema={})]
"""Any JSON value, as text."""
_Count = Annotated[int, Meta(ge=0)]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a writer stands in its line, where that has several (chapter 18 of the spec)."""

    writers: list[Hex]
    before: _Count
    ends: int | None
    begins: _Count


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One record, as the event `record` has it."""

    id: Hex
    cid: Hex
    wid: Hex
    log: Hex
    seq: _Count
    time_ms: int
    kind: str
    refs: list[Hex]
    record: Any
    line: Hex
    """The first writer of its writer's line."""
    place: _Count
    """The record's number in that line."""
    is_contested: bool = False
    home: Hex | None = None
    """The federation of its author, where it came over a treaty."""
    link: Place | None = None


class LogHead(msgspec.Struct, frozen=True, kw_only=True):
    """How far a log was shown."""

    log: Hex
    cid: Hex
    wid: Hex
    seq: _Count
    id: Hex
    time_ms: int
    link: Place | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What a service is asked for: the event `step`. Each is answered once, in time, or is over."""

    step: str
    """Its name in the answer."""
    what: Literal["turn", "command", "view"]
    """A turn asks to publish what is due; the others are asked by people and programs."""
    name: str = ""
    options: dict[str, str] = {}
    body: str = ""
    """Of a command, in base64."""
    now_ms: int
    """The node's clock. What is published in answer bears this time."""
    answer_within_ms: int
    heads: list[LogHead] = []
    """Those that were shown further since the step before; in the first of a feed, all."""
    forked: list[list[Hex]] = []
    """The logs that are proven to have forked, as co-op and writer."""
    control: int = 0
    """A number that changes where members or their keys may have: get `members` anew."""


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """The first event of a feed."""

    service: str
    fid: Hex
    cid: Hex
    """The co-op that runs the node."""
    wid: Hex
    """The writer under which it publishes."""
    line: Hex
    now_ms: int
    control: int
    """See `Step`."""
    begins_anew: bool
    """Whether the feed begins with the first record, so that nothing folded before counts."""
    schema_version: int
    """Of what is in the storage; 0 where nothing ever was."""


class Publication(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A record to be published."""

    kind: Annotated[str, Meta(max_length=64)]
    record: Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})]
    refs: Annotated[list[Hash], Meta(max_length=1_024)] = []
    to: Annotated[list[Hash], Meta(max_length=1_024)] = []
    """The co-ops that a record of a private kind is sealed to."""


class Refused(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a service does not do what it was asked for."""

    code: Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9_]{0,31}\.[a-z0-9_]{1,32}\Z")]
    detail: Annotated[str, Meta(max_length=500)]


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service's answer to a step."""

    step: Annotated[str, Meta(max_length=64)]
    publications: Annotated[list[Publication], Meta(max_length=MOST_PUBLICATIONS)] = []
    wake_at_ms: Annotated[int, Meta(ge=0, le=MAX_INT)] | None = None
    """When the next turn is due at the latest; of a turn."""
    reply: Json | msgspec.UnsetType = msgspec.UNSET
    """What a command or view says; 1 MiB at most."""
    refusal: Refused | None = None


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an answer, once all of it is on disk."""

    entries: list[Hex]
    """The ids of the entries, in the order of the publications."""
    left_out: list[str]
    """Of a turn: the code for each publication that could not be sealed now."""


class StorageChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Values put and deleted together."""

    put: dict[str, Json] = {}
    """Not taken apart before it is known to be no more than may be kept."""
    delete: Annotated[list[str], Meta(max_length=100_000)] = []
    schema_version: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    """Where given, all values are of this version from now on."""
    replaces_all: bool = False
    """Whether every other value goes."""


class StorageState(msgspec.Struct, frozen=True, kw_only=True):
    """How much is kept."""

    schema_version: _Count
    used_bytes: _Count
    storage_bytes: _Count
    """The quota."""
    values: dict[str, Any]
    """The next values in the order of their keys, some 1 MiB."""
    next: str | None
    """The key to go on after; null behind the last one."""


class StoredValue(msgspec.Struct, frozen=True, kw_only=True):
    """A value by its key."""

    key: str
    value: Any


def seen_view(seen: SeenRecord) -> Seen:
    """Return a record as its event has it."""
    return Seen(
        id=seen.id.hex(),
        cid=seen.cid.hex(),
        wid=seen.wid.hex(),
        log=seen.log.hex(),
        seq=seen.seq,
        time_ms=seen.time_ms,
        kind=seen.kind,
        refs=[ref.hex() for ref in seen.refs],
        record=value_of(seen.record),
        line=seen.line.hex(),
        place=seen.place,
        is_contested=seen.is_contested,
        home=None if seen.home is None else seen.home.hex(),
        link=place_view(seen.link),
    )


def value_of(record: Record | Extension) -> Any:
    """Return the JSON view of a record."""
    return record.value if isinstance(record, Extension) else to_json(record)


def place_view(link: Any) -> Place | None:
    """Return where a writer stands in its line; None where it is alone in it."""
    if link is None:
        return None
    writers = [wid.hex() for wid in link.writers]
    return Place(writers=writers, before=link.before, ends=link.ends, begins=link.begins)
