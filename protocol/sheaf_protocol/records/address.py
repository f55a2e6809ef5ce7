"""Where a co-op's nodes are reached: the federation's directory (spec 08, section 6)."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

MAX_ADDRESSES: Final = 8
"""As many as a node keeps of one co-op (DSC-12)."""
Address: TypeAlias = Annotated[str, Meta(pattern=r"\A(ws|wss)://[!-~]{1,190}\Z")]


class AddressList(msgspec.Struct, frozen=True, kw_only=True):
    """Where nodes of the author's co-op are dialled, the best address first; none takes all back.

    The newest of a line counts.
    """

    urls: Annotated[list[Address], Meta(max_length=MAX_ADDRESSES)]
