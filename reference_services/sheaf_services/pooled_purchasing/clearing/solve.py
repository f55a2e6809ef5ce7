"""Which tiers sell and how much, and the tree of prices that proves it.

The tree is grown where its bound is largest: a leaf whose bound is above what the award gains is
split at the offer that the relaxed program cannot make up its mind about. It ends when no leaf is
above the award, which is then proved to be the best, or at a limit, which leaves a gap that the
award has to tell.
"""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Final

from sheaf_protocol.clearing import upper_bound
from sheaf_protocol.records import Branch, RowPrice
from sheaf_services.pooled_purchasing.clearing.fill import fill, marginal
from sheaf_services.pooled_purchasing.clearing.greedy import greedy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sheaf_protocol.clearing import Market, Option
    from sheaf_services.pooled_purchasing.clearing.relaxation import Program

Sold = list[tuple["Option", int]]

FEW: Final = 64
"""Choices of tiers that are tried one by one: less work than one program."""
MOST_LEAVES: Final = 500
"""Of a certificate; with its branches it stays within the 1,024 steps of an award."""
SECONDS: Final = 30.0
"""Of the search, and as many again of the proof: the largest pools seen need two."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to look, and how large a proof may grow."""

    seconds: float = SECONDS
    """Without any no solver is asked: the award is what few steps find, and its gap says so."""
    leaves: int = MOST_LEAVES
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Solved:
    """Quantities, and a tree that proves a bound over all others."""

    sold: tuple[tuple[Option, int], ...]
    tree: tuple[Branch, ...]
    bound: int


def solve(market: Market, limits: Limits) -> Solved | None:
    """Return the best quantities that were found, with their proof; None where nothing can sell."""
    best = find(market, limits)
    if best is None:
        return None
    tree = _Proof(market, best, limits).grown()
    return Solved(tuple(best), tuple(tree), upper_bound(market, tree))


def find(market: Market, limits: Limits) -> Sold | None:
    """Return the best quantities that were found, without a proof; None where nothing can sell."""
    if not any(market.offers):
        return None
    if prod(len(options) + 1 for options in market.offers) <= FEW:
        return _tried(market)
    best = greedy(market)
    if not limits.seconds:
        return best
    program = _program(market, limits.seed)
    chosen = program.choose(limits.seconds)
    found = None if chosen is None else fill(market, chosen)
    best = max((sold for sold in (best, found) if sold), key=market.gained, default=None)
    return None if best is None else _first_of_equals(market, best, program, limits)


def _program(market: Market, seed: int = 0) -> Program:
    """Return the market in HiGHS, whose library is loaded here and not by every node."""
    from sheaf_services.pooled_purchasing.clearing.relaxation import (  # noqa: PLC0415
        Program,
    )

    return Program(market, seed)


def _first_of_equals(market: Market, best: Sold, program: Program, limits: Limits) -> Sold:
    """Return, of all that gain as much, the choice that comes first.

    That is the lowest option of the first offer, then of the second and so on. Solvers find another
    one of equals from another seed; so everybody finds the same.
    """
    gained = market.gained(best)
    ranges = [(0, len(options)) for options in market.offers]
    for offer, options in enumerate(market.offers):
        mine = next((option for option, _ in best if option.offer == offer), None)
        place = 0 if mine is None else options.index(mine) + 1
        for lower in range(place):
            ranges[offer] = (lower, lower)
            found = _as_good(market, gained, program, ranges, limits)
            if found is not None:
                best, place = found, lower
                break
        ranges[offer] = (place, place)
    return best


def _as_good(
    market: Market,
    gained: int,
    program: Program,
    ranges: Sequence[tuple[int, int]],
    limits: Limits,
) -> Sold | None:
    """Return quantities within ranges that gain as much, or None."""
    relaxed = program.relaxed(ranges)
    if relaxed is None or _bound(market, ranges, _prices(relaxed.prices)) < gained:
        return None
    chosen = program.choose(limits.seconds, ranges)
    found = None if chosen is None else fill(market, chosen)
    return found if found and market.gained(found) == gained else None


def _tried(market: Market) -> Sold | None:
    """Return the best of all choices of tiers, tried one by one; of equals the first."""
    choices = product(*((None, *options) for options in market.offers))
    found = (fill(market, [one for one in choice if one is not None]) for choice in choices)
    return max((sold for sold in found if sold), key=market.gained, default=None)


@dataclass(order=True, slots=True)
class _Leaf:
    """A part of all choices, and the prices that bound it; the largest bound comes first."""

    order: int
    ranges: tuple[tuple[int, int], ...] = field(compare=False)
    prices: list[RowPrice] = field(compare=False)
    torn: tuple[float, ...] = field(compare=False)
    path: tuple[int, ...] = field(compare=False)

    @property
    def bound(self) -> int:
        return -self.order


class _Proof:
    """A tree that grows until it proves an award, or as far as it may."""

    def __init__(self, market: Market, best: Sold, limits: Limits) -> None:
        self._market, self._limits = market, limits
        # Of one seed whatever the search had: equal awards have equal proofs.
        self._program = _program(market) if limits.seconds else None
        self._target = market.gained(best)
        self._margins = [marginal(market, best)]

    def grown(self) -> list[Branch]:
        """Return the tree, from its root down."""
        ends_s = time.monotonic() + self._limits.seconds
        whole = tuple((0, len(options)) for options in self._market.offers)
        leaves, splits = [self._leaf(whole, ())], dict[tuple[int, ...], tuple[int, int]]()
        most = self._limits.leaves if self._limits.seconds else 1
        while leaves[0].bound > self._target and len(leaves) < most:
            split = self._split(leaves[0])
            if split is None or time.monotonic() > ends_s:
                break
            worst = heapq.heappop(leaves)
            splits[worst.path] = split
            for side, ranges in enumerate(_halves(worst.ranges, *split)):
                heapq.heappush(leaves, self._leaf(ranges, (*worst.path, side)))
        return list(_written({leaf.path: leaf for leaf in leaves}, splits, ()))

    def _leaf(self, ranges: tuple[tuple[int, int], ...], path: tuple[int, ...]) -> _Leaf:
        """Return a part with the best prices known for it."""
        relaxed = None if self._program is None else self._program.relaxed(ranges)
        margins = [*self._margins, self._margin(ranges)]
        if relaxed is None:
            margins.append(self._overdrawn(ranges))
        tries: list[list[RowPrice]] = [[] if relaxed is None else _prices(relaxed.prices)]
        tries += [[_price(*margin)] for margin in margins if margin]
        bounds = [(_bound(self._market, ranges, prices), at) for at, prices in enumerate(tries)]
        bound, at = min(bounds)
        torn = () if relaxed is None else relaxed.shares
        return _Leaf(-bound, ranges, tries[at], torn, path)

    def _margin(self, ranges: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
        """Return the price that is exact where each offer has one option left, else None."""
        if any(first < last for first, last in ranges):
            return None
        offers = zip(self._market.offers, ranges, strict=True)
        sold = fill(self._market, [options[first - 1] for options, (first, _) in offers if first])
        return None if sold is None else marginal(self._market, sold)

    def _overdrawn(self, ranges: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
        """Return a row that offers have to take more of than it has, and a price that shows it."""
        market = self._market
        held = [
            options[first - 1 : last]
            for options, (first, last) in zip(market.offers, ranges, strict=True)
            if first
        ]
        for row, demand in enumerate(market.demand):
            taken = sum(
                min(option.low if option.row >= row else 0 for option in options)
                for options in held
            )
            if taken > demand:
                high = max(option.gain for of_one in market.offers for option in of_one)
                bound = _bound(market, ranges, [_price(row, high)])
                return row, high + max(0, -(-bound // (taken - demand)))
        return None

    def _split(self, leaf: _Leaf) -> tuple[int, int] | None:
        """Return the offer to split and up to where; None where each has one option left."""
        best, found, column = -1.0, None, 0
        for offer, (first, last) in enumerate(leaf.ranges):
            options = len(self._market.offers[offer])
            shares = leaf.torn[column : column + options]
            column += options
            if first == last:
                continue
            weights = [max(0.0, 1.0 - sum(shares)), *shares] if shares else [1.0] * (options + 1)
            doubt = 1.0 - max(weights)
            if doubt > best:
                mean = sum(place * weight for place, weight in enumerate(weights))
                best, found = doubt, (offer, min(max(int(mean), first), last - 1))
        return found


def _halves(
    ranges: tuple[tuple[int, int], ...], offer: int, upto: int
) -> Iterator[tuple[tuple[int, int], ...]]:
    first, last = ranges[offer]
    for part in ((first, upto), (upto + 1, last)):
        yield (*ranges[:offer], part, *ranges[offer + 1 :])


def _written(
    leaves: dict[tuple[int, ...], _Leaf],
    splits: dict[tuple[int, ...], tuple[int, int]],
    path: tuple[int, ...],
) -> Iterator[Branch]:
    """Yield the steps of a tree from one of its places down, the lower side first."""
    open_ = [path]
    while open_:
        at = open_.pop()
        if at in leaves:
            yield Branch(prices=leaves[at].prices)
        else:
            offer, upto = splits[at]
            yield Branch(offer=offer, upto=upto)
            open_ += [(*at, 1), (*at, 0)]


def _prices(prices: Sequence[int]) -> list[RowPrice]:
    return [_price(row, amount) for row, amount in enumerate(prices) if amount]


def _price(row: int, amount: int) -> RowPrice:
    return RowPrice(amount=amount, row=row)


def _bound(market: Market, ranges: Sequence[tuple[int, int]], prices: Sequence[RowPrice]) -> int:
    """Return what no choice within ranges can gain, by these prices."""
    paid, held, at = [0] * len(market.rows), 0, 0
    for price in prices:
        paid[price.row] = price.amount
        held += price.amount * market.demand[price.row]
    for row, amount in enumerate(paid):
        at += amount
        paid[row] = at
    for options, (first, last) in zip(market.offers, ranges, strict=True):
        best = None if first else 0
        for option in options[max(first - 1, 0) : last]:
            beyond = option.gain - paid[option.row]
            reply = beyond * (option.high if beyond > 0 else option.low)
            best = reply if best is None or reply > best else best
        held += best or 0
    return held
