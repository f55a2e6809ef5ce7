"""A good award in few steps: the offer that adds most comes next, until none adds anything.

It is where the search starts, what a pool gets whose solver does not come back, and the figure
that tells what solving is worth.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from sheaf_protocol.clearing import MOST_WINNERS
from sheaf_services.pooled_purchasing.clearing.fill import fill

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_protocol.clearing import Market, Option


SECONDS: Final = 2.0
"""As many offers as a close can list would take minutes to try; honest pools take milliseconds."""


def greedy(market: Market) -> list[tuple[Option, int]] | None:
    """Return the quantities that adding one offer at a time comes to; None where none fits.

    It stops where it stands after `SECONDS`.
    """
    ends_s = time.monotonic() + SECONDS
    chosen: dict[int, Option] = {}
    best, gained = None, 0
    while True:
        found = None
        for option in (option for options in market.offers for option in options):
            if time.monotonic() > ends_s:
                return best
            if chosen.get(option.offer) is option or _is_one_too_many(chosen, option):
                continue
            sold = fill(market, list({**chosen, option.offer: option}.values()))
            if sold and market.gained(sold) > gained:
                found, best, gained = option, sold, market.gained(sold)
        if found is None:
            return best
        chosen[found.offer] = found


def _is_one_too_many(chosen: Mapping[int, Option], option: Option) -> bool:
    return option.offer not in chosen and len(chosen) == MOST_WINNERS


def single(market: Market) -> list[tuple[Option, int]] | None:
    """Return the best quantities that one offer alone sells; None where none fits."""
    found = (fill(market, [option]) for options in market.offers for option in options)
    return max((sold for sold in found if sold), key=market.gained, default=None)
