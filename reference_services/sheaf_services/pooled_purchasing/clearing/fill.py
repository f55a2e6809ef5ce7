"""The best quantities for tiers that are chosen, in integers alone.

With the tiers fixed what is left is small and exact: each option sells from its least to its most,
and at each rate no more than can pay it. Rows lie within one another like bowls, so taking the
cheapest first, as much as the tightest row leaves, is the best that can be done (the greedy
algorithm of a polymatroid). With packs above one it is so up to less than a pack of each option.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_protocol.clearing import Market, Option


def fill(market: Market, chosen: Sequence[Option]) -> list[tuple[Option, int]] | None:
    """Return the quantities of the chosen options, the cheapest first; None where some do not fit.

    An option that nothing is left for is none of them: its least does not fit.
    """
    room = _room(market, chosen)
    if any(left < 0 for left in room):
        return None
    sold = []
    for option in sorted(chosen, key=lambda option: (option.rate, option.offer)):
        within = min(room[: option.row + 1])
        more = min(option.high - option.low, within) // option.pack * option.pack
        for row in range(option.row + 1):
            room[row] -= more
        sold.append((option, option.low + more))
    return sold if sum(quantity for _, quantity in sold) >= market.least else None


def marginal(market: Market, sold: Sequence[tuple[Option, int]]) -> tuple[int, int] | None:
    """Return the row that keeps the quantities from gaining more, and the price of its units.

    That one price proves quantities of `fill` to be the best for their tiers, but for packs; None
    where every option sells its most.
    """
    room = _room(market, [option for option, _ in sold])
    for option, quantity in sold:
        more = quantity - option.low
        for row in range(option.row + 1):
            room[row] -= more
        if quantity < option.high:
            tightest = min(range(option.row + 1), key=lambda row: room[row])
            return tightest, option.gain
    return None


def _room(market: Market, chosen: Sequence[Option]) -> list[int]:
    """Return what each row has left beyond the least of all chosen options."""
    room = list(market.demand)
    for option in chosen:
        for row in range(option.row + 1):
            room[row] -= option.low
    return room
