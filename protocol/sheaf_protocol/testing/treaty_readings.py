"""How the inputs of vectors on treaties (chapter 16) are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sheaf_protocol.codec import decode
from sheaf_protocol.digest import CoopId, Digest, EntryId, FederationId, WriterId
from sheaf_protocol.envelope import Envelope, Header, body_of, open_header
from sheaf_protocol.identity import Cut, KeyOp, fold_key_log
from sheaf_protocol.limits import MAX_FRAME, MAX_PAYLOAD
from sheaf_protocol.records.bridge import BridgeAsk, Bridged, BridgeExport
from sheaf_protocol.records.governance import Level
from sheaf_protocol.records.values import CoopRef
from sheaf_protocol.treaty import (
    Control,
    Direction,
    Shown,
    Terms,
    asked,
    check_export,
    check_import,
    project,
    read_treaty,
    require_fits,
    treaty_id,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_Bytes: TypeAlias = Annotated[bytes, Meta(max_length=MAX_PAYLOAD)]
_Fid: TypeAlias = Annotated[FederationId, Meta(min_length=32, max_length=32)]
_Kind: TypeAlias = Annotated[str, Meta(pattern=r"\A[a-z0-9_.]{1,24}\Z")]


class _TreatyInput(msgspec.Struct, frozen=True, kw_only=True):
    body: _Bytes
    bridges: Annotated[list[CoopRef], Meta(max_length=16)]
    fid: _Fid


class _ProjectionInput(msgspec.Struct, frozen=True, kw_only=True):
    direction: Direction
    is_view: bool
    kind: _Kind
    payload: Annotated[bytes, Meta(min_length=16, max_length=MAX_PAYLOAD)]


class _ExportInput(msgspec.Struct, frozen=True, kw_only=True):
    ask: Envelope
    entry: Envelope
    export: Envelope
    level: Level
    treaty: _Bytes


class _May(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a charter says of a co-op, whatever its roles are called."""

    fid: _Fid
    cid: CoopRef
    kinds: Annotated[list[_Kind], Meta(max_length=64)]


class _ImportInput(msgspec.Struct, frozen=True, kw_only=True):
    charters: Annotated[list[_May], Meta(max_length=64)]
    entry: Envelope
    key_logs: Annotated[list[list[KeyOp]], Meta(max_length=64)]
    left: Level | UnsetType = UNSET
    """The level of the treaty where the entry left; absent where that does not list it."""
    level: Level
    treaty: _Bytes


@dataclass(frozen=True, slots=True)
class _Standing:
    kinds: Sequence[str]
    level: Level | None

    def may(self, kind: str) -> bool:
        return kind in self.kinds

    def level_of(self, treaty: Digest) -> Level | None:
        del treaty  # There is one.
        return self.level


@dataclass(frozen=True, slots=True)
class _Charters:
    rows: Sequence[_May]
    level: Level | None

    def standing(self, cid: CoopId, wid: WriterId, seq: int) -> _Standing:
        del wid, seq  # No certificate drew a line here.
        kinds = [kind for row in self.rows if row.cid == cid for kind in row.kinds]
        return _Standing(kinds, self.level)

    def cut_of(self, cid: CoopId, wid: WriterId) -> Cut | None:
        del cid, wid
        return None


def read_agreement(data: bytes) -> bytes:
    """Return the id of a treaty that a federation may adopt."""
    given = decode(data, _TreatyInput)
    require_fits(read_treaty(given.body), given.fid, given.bridges)
    return treaty_id(given.body)


def read_projection(data: bytes) -> bytes:
    """Return the payload that a direction shows."""
    given = decode(data, _ProjectionInput, limit=MAX_FRAME)
    source = Shown(payload=given.payload, is_view=given.is_view)
    return project(given.direction, given.kind, source).payload


def read_export(data: bytes) -> bytes:
    """Return the hash of what is shown of an entry that leaves its home."""
    given = decode(data, _ExportInput, limit=MAX_FRAME)
    id_, header = _opened(given.entry)
    ask = (*_opened(given.ask), decode(body_of(given.ask.payload), BridgeAsk))
    export = decode(body_of(given.export.payload), BridgeExport)
    terms = Terms.of(given.treaty, given.level)
    source = asked(id_, header, given.entry.payload, ask)
    check_export(_opened(given.export)[1], export, terms, source)
    return export.shown


def read_import(data: bytes) -> bytes:
    """Return the id of the origin that an import brings."""
    given = decode(data, _ImportInput, limit=MAX_FRAME)
    logs = [fold_key_log(ops) for ops in given.key_logs]
    fids = {row.fid for row in given.charters}
    left = None if given.left is UNSET else given.left
    control = Control(
        federations={
            fid: _Charters([row for row in given.charters if row.fid == fid], left) for fid in fids
        },
        keys={log.cid: log for log in logs},
    )
    bridged = decode(body_of(given.entry.payload), Bridged)
    terms = Terms.of(given.treaty, given.level)
    return check_import(_opened(given.entry)[1], bridged, terms, control).id


def _opened(envelope: Envelope) -> tuple[EntryId, Header]:
    return envelope.id, open_header(envelope)
