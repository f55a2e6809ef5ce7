"""Goods to be moved from one place to another (spec 10, section 9)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sheaf_protocol.records.capacity import PlaceIndex
from sheaf_protocol.records.values import Code, EntryRef, Vector, Window


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One end of a request: where, when, and for how long the vehicle stands."""

    place: PlaceIndex
    service_s: Annotated[int, Meta(ge=0, le=86_400)]
    window: Window


class TransportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An indivisible consignment to be carried from a pickup to a delivery."""

    delivery: Visit
    load: Vector
    order: EntryRef | UnsetType = UNSET
    pickup: Visit
    ref: Code
    table_ref: Code
