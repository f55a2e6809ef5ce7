"""Vehicles that a carrier offers, and the travel times of its trips (spec 10, section 8)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sheaf_protocol.records.values import (
    Amount,
    Code,
    Currency,
    Hash,
    Place,
    Vector,
    Window,
    WriterRef,
)

PlaceIndex = Annotated[int, Meta(ge=0, le=1_023)]


class Tariff(msgspec.Struct, frozen=True, kw_only=True):
    """What a trip costs: `per_trip`, and `amount` for each `base_s` seconds of driving."""

    amount: Amount
    base_s: Annotated[int, Meta(ge=1, le=86_400)]
    currency: Currency
    per_trip: Amount


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """Like vehicles of one owner in one window. Only the owner's line grants holds on them.

    `resource` is what holds draw on; `vehicle` is what one of them carries; `depot` is where each
    trip starts and ends, as an index into the owner's travel table `table_ref`, whose rows hash to
    `table`.
    """

    depot: PlaceIndex
    owner: WriterRef
    ref: Code
    resource: Vector
    table: Hash
    table_ref: Code
    tariff: Tariff
    vehicle: Vector
    window: Window


class TravelTable(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a square table of driving seconds, four bytes each, big endian.

    A table larger than one payload comes in parts that share `ref`; `first_row` orders them.
    """

    first_row: PlaceIndex
    places: Annotated[list[Place], Meta(max_length=1_024)] | UnsetType = UNSET
    provider: Code
    ref: Code
    rows: Annotated[int, Meta(ge=1, le=1_024)]
    seconds: Annotated[bytes, Meta(min_length=4, max_length=65_000)]
    size: Annotated[int, Meta(ge=1, le=1_024)]

    def __post_init__(self) -> None:
        if len(self.seconds) != 4 * self.rows * self.size:
            raise ValueError(f"expected {self.rows} x {self.size} numbers of four bytes")
        if self.first_row + self.rows > self.size:
            raise ValueError(f"expected rows up to {self.size}")
