"""Which payloads a replica wants; headers come whole to everybody (spec 06, section 7)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sheaf_protocol.envelope import SEALED
from sheaf_protocol.retention import LASTING

_Kinds = Annotated[
    list[Annotated[str, Meta(pattern=r"\A[a-z0-9_.]{1,24}\Z")]], Meta(min_length=1, max_length=64)
]
_Topics = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\A[!-~]+\Z")]],
    Meta(min_length=1, max_length=64),
]


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """The payloads wanted: those that fit each list that is there. No list, no limit."""

    categories: _Topics | UnsetType = UNSET
    kinds: _Kinds | UnsetType = UNSET
    regions: _Topics | UnsetType = UNSET

    @property
    def is_whole(self) -> bool:
        """Whether everything is wanted."""
        return self.categories is UNSET and self.kinds is UNSET and self.regions is UNSET

    @property
    def looks_inside(self) -> bool:
        """Whether a header alone does not always say if its payload is wanted."""
        return self.categories is not UNSET or self.regions is not UNSET


def wants_kind(wanted: Filter, kind: str) -> bool:
    """Return whether payloads of a kind are wanted at all: as much as a header can tell.

    What erases other payloads or restores a writer is wanted by everyone (SYN-73).
    """
    return wanted.kinds is UNSET or kind in wanted.kinds or kind in LASTING


def kinds_of(wanted: Filter) -> list[str] | None:
    """Return the kinds whose payloads are wanted, or None where there is no limit to them."""
    return None if wanted.kinds is UNSET else sorted({*wanted.kinds, *LASTING})


def matches(wanted: Filter, kind: str, body: object) -> bool:
    """Return whether the payload of a kind with this plain body is wanted.

    What names no category, or no region, is wanted by everyone who wants its kind; so is a sealed
    body, which nobody but its recipients can look into.
    """
    if not wants_kind(wanted, kind):
        return False
    if kind == SEALED or kind in LASTING or not isinstance(body, dict):
        return True
    return _fits(wanted.categories, category_of(body)) and _fits(wanted.regions, region_of(body))


def awaits(wanted: Filter, kind: str) -> bool:
    """Return whether a payload of a kind that is not here holds up what follows it in its log.

    One that is not wanted does not. Where the filter looks inside, who left it out may be right.
    """
    is_plain = kind == SEALED or kind in LASTING
    return wants_kind(wanted, kind) and (is_plain or not wanted.looks_inside)


def category_of(body: dict[str, Any]) -> str | None:
    """Return the text at `category`, else at `item.category`, else None."""
    inner = body.get("item")
    found = body.get("category", inner.get("category") if isinstance(inner, dict) else None)
    return found if isinstance(found, str) else None


def region_of(body: dict[str, Any]) -> str | None:
    """Return the text at `zone`, else at `region`, else None."""
    found = body.get("zone", body.get("region"))
    return found if isinstance(found, str) else None


def _fits(wanted: list[str] | UnsetType, topic: str | None) -> bool:
    return wanted is UNSET or topic is None or topic in wanted
