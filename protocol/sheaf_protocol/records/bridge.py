"""Entries that cross into another federation under a treaty (spec 16).

The author asks, a bridge takes the entry across: it says so in the federation that the entry
leaves, and wraps it, origin signature and all, in the federation that it enters. Each federation
judges what leaves it and what enters it; the bridge's signature under both is the evidence.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sheaf_protocol.digest import FederationId
from sheaf_protocol.limits import MAX_HEADER, MAX_PAYLOAD
from sheaf_protocol.records.values import Count, EntryRef, Hash, Text

FederationRef: TypeAlias = Annotated[FederationId, Meta(min_length=32, max_length=32)]
MAX_BRIDGED: Final = 40_960
"""Bytes of a payload that may cross; wrapped, with proof and receipt, it still is a payload."""


class BridgeAsk(msgspec.Struct, frozen=True, kw_only=True):
    """The author of an entry lets it cross: into one federation, or as far as treaties lead."""

    entry: EntryRef
    into: FederationRef | UnsetType = UNSET


class BridgeExport(msgspec.Struct, frozen=True, kw_only=True):
    """A bridge says, where an entry leaves, what it shows on the other side.

    `entry` is the id of the origin's entry. `granted_by` is the entry that lets it cross: its
    author's ask at home, elsewhere the import by which it came. `shown` is the hash H("shown",
    bytes) of the payload shown. `is_onward` says whether it may cross again from there.
    """

    entry: EntryRef
    granted_by: EntryRef
    into: FederationRef
    is_onward: bool
    shown: Hash
    treaty: Hash


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The bridge's own `bridge.export` entry, with its own signature."""

    header: Annotated[bytes, Meta(max_length=MAX_HEADER)]
    payload: Annotated[bytes, Meta(max_length=512)]
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class Bridged(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of another federation.

    `payload` is the origin's, salt and all, unless `is_view`: then it is what is left after the
    treaty's keys were removed and its ids renamed, under a salt of its own. `proof` is the origin's
    own signature, or the encoded tail of headers that ends in a signed one. `via` lists the
    federations passed, the origin's first.
    """

    header: Annotated[bytes, Meta(max_length=MAX_HEADER)]
    is_view: bool
    payload: Annotated[bytes, Meta(max_length=MAX_BRIDGED)]
    proof: Annotated[bytes, Meta(max_length=MAX_PAYLOAD)]
    receipt: Receipt
    treaty: Hash
    via: Annotated[list[FederationRef], Meta(min_length=1, max_length=3)]


class TreatyBrake(msgspec.Struct, frozen=True, kw_only=True):
    """A steward asks the bridges to let less pass until members decide by a vote.

    `per_day` stands with `limit` and with nothing else; `allow` takes an own brake back.
    """

    level: Literal["allow", "limit", "pause"]
    per_day: Count | UnsetType = UNSET
    reason: Text
    treaty: Hash

    def __post_init__(self) -> None:
        if (self.level == "limit") != (self.per_day is not UNSET):
            raise ValueError("expected per_day with the level limit and with no other")
