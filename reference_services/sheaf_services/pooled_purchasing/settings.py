"""What an operator may set for the service, below `[services.pooled_purchasing]` of sheaf.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import Place
from sheaf_services.pooled_purchasing.unasked import Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

_AT = "services.pooled_purchasing"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All that may be set."""

    open_pools: Rule | UnsetType = UNSET
    """When a coordinator's pools open unasked; never where it is absent."""
    orders: Literal["accepted", "by_hand"] = "accepted"
    """Whether a supplier's node accepts what an award and its own check agree on."""
    place: Place | UnsetType = UNSET
    """Where goods come to or from."""


def read_settings(given: Mapping[str, Any]) -> Settings:
    """Return the settings, or raise Refusal `config.unknown_key`, `config.invalid`."""
    for name in given:
        if name not in Settings.__struct_fields__:
            known = ", ".join(Settings.__struct_fields__)
            raise Refusal("config.unknown_key", f"{_AT}: expected one of {known}, got {name!r}")
    try:
        return msgspec.convert(given, Settings)
    except msgspec.ValidationError as exc:
        raise Refusal("config.invalid", f"{_AT}: {exc}") from exc
