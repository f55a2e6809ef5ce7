"""The incidents of the built-in story."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from sheaf_protocol.records import Award

WITHDRAWN: Final = ("wooler", "doddington/stake-17")
"""A member sells the field before the pool closes and takes its fencing stakes back."""


def doctor(award: Award) -> Award:
    """Return the award with its goods dearer by one minor unit."""
    [line] = award.lines
    return msgspec.structs.replace(
        award, lines=[msgspec.structs.replace(line, amount=line.amount + 1)]
    )
