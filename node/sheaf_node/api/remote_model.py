"""What the routes of services in other processes take as queries."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from sheaf_node.plugins.storage import MAX_KEY


class KeysQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which keys are told."""

    after: Annotated[str, Meta(max_length=MAX_KEY, description="Only keys behind this one.")] = ""


class KeyQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which value is meant."""

    key: Annotated[str, Meta(min_length=1, max_length=MAX_KEY, description="Its key.")]
