"""Values that records share: money, quantities, places, times (spec 10, section 2).

Every number is an integer in a declared unit. A price is an amount of minor units for a base
quantity, so that 12.5 cents a piece is written as 125 for 10 and nothing is ever a fraction.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sheaf_protocol.digest import CoopId, Digest, EntryId, WriterId
from sheaf_protocol.limits import MAX_INT

Amount: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_INT)]
"""Minor units of a currency."""
Quantity: TypeAlias = Annotated[int, Meta(ge=1, le=10**12)]
"""Units of an item at its scale; a million tonnes in grams is the ceiling."""
Count: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_INT)]
TimeMs: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_INT)]
"""UTC milliseconds."""
Currency: TypeAlias = Annotated[str, Meta(pattern=r"\A[A-Z]{3}\Z")]
"""ISO 4217; XXX where no money is meant."""
Code: TypeAlias = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._/|:-]{0,63}\Z")]
"""An identifier: ASCII, so that no two look alike."""
RuleId: TypeAlias = Annotated[str, Meta(pattern=r"\A[a-z0-9_]{1,48}/[0-9]{1,3}\Z")]
Reason: TypeAlias = Annotated[str, Meta(pattern=r"\A[a-z0-9_]{1,32}(\.[a-z0-9_]{1,32})?\Z")]
"""An error or reason code of spec chapter 12."""
Text: TypeAlias = Annotated[str, Meta(max_length=1_000, pattern=r"\A[^\x00]*\Z")]
"""Free text for people; opaque to the protocol."""
EntryRef: TypeAlias = Annotated[EntryId, Meta(min_length=32, max_length=32)]
CoopRef: TypeAlias = Annotated[CoopId, Meta(min_length=32, max_length=32)]
WriterRef: TypeAlias = Annotated[WriterId, Meta(min_length=32, max_length=32)]
Hash: TypeAlias = Annotated[Digest, Meta(min_length=32, max_length=32)]


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """`amount` minor units of `currency` for `base` units."""

    amount: Amount
    base: Annotated[int, Meta(ge=1, le=10**9)]
    currency: Currency


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """What is bought. Code, unit and scale identify it; the name is for people.

    Replicas may keep the payloads of some categories only (chapter 06).

    `unit` is a UN/CEFACT Recommendation 20 code, `scale` the decimals of a quantity: 12.5 kg at
    scale 1 is the quantity 125 of unit KGM.
    """

    category: Code | UnsetType = UNSET
    code: Code
    name: Text
    scale: Annotated[int, Meta(ge=0, le=6)]
    unit: Annotated[str, Meta(pattern=r"\A[A-Z0-9]{2,3}\Z")]

    @property
    def key(self) -> tuple[str, str, int]:
        """What makes two items the same."""
        return (self.code, self.unit, self.scale)


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """From one instant to another, both included."""

    from_ms: TimeMs
    to_ms: TimeMs

    def __post_init__(self) -> None:
        if self.from_ms > self.to_ms:
            raise ValueError(f"expected from_ms <= to_ms, got {self.from_ms} > {self.to_ms}")


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A place as WGS84 micro-degrees, with a GLN or UN/LOCODE where it has one."""

    gln: Annotated[str, Meta(pattern=r"\A[0-9]{13}\Z")] | UnsetType = UNSET
    lat_udeg: Annotated[int, Meta(ge=-90_000_000, le=90_000_000)]
    locode: Annotated[str, Meta(pattern=r"\A[A-Z]{2}[A-Z0-9]{3}\Z")] | UnsetType = UNSET
    lon_udeg: Annotated[int, Meta(ge=-180_000_000, le=180_000_000)]
    name: Text


class Vector(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts along the dimensions in which a resource can run out. Absent means none."""

    load: Count | UnsetType = UNSET
    pallets: Count | UnsetType = UNSET
    vehicles: Count | UnsetType = UNSET
    volume_ml: Count | UnsetType = UNSET
    weight_g: Count | UnsetType = UNSET

    def amounts(self) -> dict[str, int]:
        """Return the dimensions named, by name."""
        named = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return {name: value for name, value in named if value is not UNSET}


def line_amount(price: Price, quantity: int) -> int:
    """Return the minor units of a quantity at a price, rounded half to even once (VAL-4)."""
    return half_even(price.amount * quantity, price.base)


def half_even(numerator: int, denominator: int) -> int:
    """Return the quotient of two integers, numerator >= 0, rounded half to even."""
    if denominator == 1:
        return numerator
    whole, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return whole + (twice > denominator or (twice == denominator and whole % 2 == 1))
