"""A bound that no award can pass, proved by integers and additions (spec 21, CLR-8 to CLR-10).

Give each row of the market a price for its units, at least 0. Whatever an award sells, it pays
those prices for the units that it takes from rows, and the rows have no more than their demand. So
no award gains more than all demand at these prices and what each offer gains beyond them at best:

    bound = sum over rows of price x demand + sum over offers of the best of 0 and of
            gain - prices of all rows up to the option's rate, times what it sells

One set of prices leaves a gap where tiers compete. So the certificate is a tree: a branch splits
the tiers of one offer in two, and each leaf has prices for what is left to it. The tree is written
from its root down, the lower tiers first, so that it covers every award by its form alone.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from msgspec import UNSET

from sheaf_protocol.errors import Fault, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sheaf_protocol.clearing.market import Market, Option
    from sheaf_protocol.records import Branch, RowPrice

Ranges = dict[int, tuple[int, int]]
"""For offers that were split: which are left of selling nothing (0) and the tiers (1 and on)."""


def upper_bound(market: Market, tree: Sequence[Branch]) -> int:
    """Return what no award on a market can gain, as a tree proves it.

    Raises RemoteProtocolError `award.certificate` for a tree that is not whole or names what there
    is not.
    """
    steps = iter(tree)
    bound, open_ = 0, [Ranges()]
    while open_:
        ranges = open_.pop()
        step = next(steps, None)
        if step is None:
            raise _refused("a tree in which every branch ends", f"{len(tree)} steps")
        if step.prices is UNSET:
            lower, higher = _split(market, step, ranges)
            open_ += [higher, lower]
        else:
            bound = max(bound, _bound(market, step.prices, ranges))
    if next(steps, None) is not None:
        raise _refused("no step after the last leaf", f"{len(tree)} steps")
    return bound


def _split(market: Market, step: Branch, ranges: Ranges) -> tuple[Ranges, Ranges]:
    """Return what is left on both sides of a branch; neither is empty."""
    if step.offer is UNSET or step.upto is UNSET or step.offer >= len(market.offers):
        raise _refused("a branch with an offer that counts and where it is split", "none such")
    first, last = ranges.get(step.offer, (0, len(market.offers[step.offer])))
    if not first <= step.upto < last:
        raise _refused(f"a split from {first} to below {last}", f"one at {step.upto}")
    return (
        {**ranges, step.offer: (first, step.upto)},
        {**ranges, step.offer: (step.upto + 1, last)},
    )


def _paid(market: Market, prices: Sequence[RowPrice]) -> list[int]:
    """Return the prices of all rows up to each, as an option of that rate pays them."""
    by_row = [0] * len(market.rows)
    for price in prices:
        if price.row >= len(by_row) or by_row[price.row]:
            raise _refused(f"a price above 0 for rows below {len(by_row)}, each once", price.row)
        by_row[price.row] = price.amount
    return list(accumulate(by_row))


def _bound(market: Market, prices: Sequence[RowPrice], ranges: Ranges) -> int:
    paid = _paid(market, prices)
    held = sum(price.amount * market.demand[price.row] for price in prices)
    for index, options in enumerate(market.offers):
        first, last = ranges.get(index, (0, len(options)))
        best = max(_replies(options[max(first - 1, 0) : last], paid), default=0)
        held += best if first else max(best, 0)
    return held


def _replies(options: Iterable[Option], paid: Sequence[int]) -> Iterator[int]:
    """Yield what each option gains at best beyond the prices that it pays."""
    for option in options:
        beyond = option.gain - paid[option.row]
        yield beyond * (option.high if beyond > 0 else option.low)


def _refused(expected: str, got: object) -> RemoteProtocolError:
    detail = f"expected {expected}, got {got}"
    return RemoteProtocolError("award.certificate", detail, Fault.AUTHOR)
