"""For which small member its sponsor publishes (spec 20)."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from sheaf_protocol.records.values import CoopRef

BY_LINK: Final = "link"
"""The seat itself approved the very content, by a link that it opened."""
BY_LIST: Final = "list"
"""The sponsor's word: it has the content from the seat in some other way."""


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """The seat that a record is for; its author is the sponsor, who signs and answers for it.

    `by` says how the seat agreed: `link` or `list`; other words may follow. `cid` is the seat's id,
    that of a co-op whose keys the seat holds.
    """

    by: Annotated[str, Meta(pattern=r"\A[a-z0-9_]{1,16}\Z")]
    cid: CoopRef
    name: Annotated[str, Meta(min_length=1, max_length=120, pattern=r"\A[^\x00-\x1f]+\Z")]
