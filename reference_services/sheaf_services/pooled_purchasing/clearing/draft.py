"""From the inputs of a pool to its award of several offers, or to why there is none.

Quantities are found on sums; then they are shared out among lines, of which some want all or
nothing. Where what is sold finds no takers that way, the lines that cannot be served are taken out
of the sums and it is solved again, a few times. The proof stays that of the whole demand, so what
such lines cost the others shows as the gap of the award.
"""

from __future__ import annotations

import faulthandler
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from sheaf_protocol import merkle
from sheaf_protocol.clearing import (
    MILLION,
    inputs_hash,
    market_of,
    share_out,
)
from sheaf_protocol.codec import encode
from sheaf_protocol.errors import Refusal
from sheaf_protocol.limits import MAX_INT
from sheaf_protocol.records import Award, AwardLine
from sheaf_services.pooled_purchasing.clearing.solve import Limits, find, solve

if TYPE_CHECKING:
    from sheaf_protocol.clearing import Case, Market, Option
    from sheaf_protocol.digest import EntryId
    from sheaf_protocol.records import Allotment
    from sheaf_services.pooled_purchasing.clearing.solve import Solved

MOST_ROUNDS: Final = 16
"""Times that quantities are looked for anew; lists with minimums need one or two."""


NO_FIT: Final = "pool.no_fit"
HARD_LIMIT: Final = 4
"""Times the seconds of its limits after which a computation is ended: search, proof and as much
again, on a machine that has other work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """An award ready to publish, and the private leaves under its root."""

    award: Award
    leaves: tuple[Allotment, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no award: a code, and a sentence."""

    code: str
    detail: str


def clear(case: Case, close: EntryId, limits: Limits) -> Draft | None:
    """Return the award of a pool; None where no quantities fit offers and lines."""
    solved = solve(case.market, limits)
    if solved is None:
        return None
    sold = list(solved.sold)
    out: set[EntryId] = set()
    for _ in range(MOST_ROUNDS):
        shared = share_out(case, sold)
        if shared.is_whole:
            return _draft(case, close, solved, sold, list(shared.leaves))
        out |= shared.left_out
        found = find(_without(case, out), limits)
        if found is None:
            return None
        sold = found
    return None


def attempt_clearing(case: Case, close: EntryId, limits: Limits) -> Draft | Failed:
    """Do the same as a job for a process of its own, which ends itself at a hard limit.

    A native library looks at no clock of ours: the watchdog ends the process from outside of it.
    """
    with open(os.devnull, "w") as nowhere:
        faulthandler.dump_traceback_later(HARD_LIMIT * max(limits.seconds, 5), True, nowhere)
        try:
            return _attempt(case, close, limits)
        finally:
            faulthandler.cancel_dump_traceback_later()


def _attempt(case: Case, close: EntryId, limits: Limits) -> Draft | Failed:
    try:
        return clear(case, close, limits) or Failed(NO_FIT, "expected quantities that fit")
    except Refusal as refusal:
        return Failed(refusal.code, refusal.detail)
    except Exception as exc:  # whatever a native library raises on such numbers
        return Failed("pool.solver_failed", f"expected an award, got {type(exc).__name__}")


def _without(case: Case, out: set[EntryId]) -> Market:
    """Return the market without the wants of some lines; its rows stay the same."""
    wanted = ((line.rate, line.want) for line in case.lines if line.id not in out)
    rest = market_of(case.pool, list(case.offers.values()), wanted)
    return replace(case.market, demand=rest.demand)


def _draft(
    case: Case,
    close: EntryId,
    solved: Solved,
    sold: list[tuple[Option, int]],
    leaves: list[Allotment],
) -> Draft:
    gained = case.market.gained(sold)
    award = Award(
        branches=list(solved.tree),
        close=close,
        gap=min(solved.bound - gained, MAX_INT),
        inputs=inputs_hash(case.id, case.demands, case.offers),
        leaves=len(leaves),
        lines=[_line(case, option, leaves) for option, _ in sorted(sold, key=_by_offer)],
        objective=case.pool.objective,
        pool=case.id,
        quantity=sum(quantity for _, quantity in sold),
        ration=case.pool.ration,
        root=merkle.root([encode(leaf) for leaf in leaves]),
        value=gained // MILLION,
    )
    return Draft(award=award, leaves=tuple(leaves))


def _by_offer(one: tuple[Option, int]) -> int:
    return one[0].offer


def _line(case: Case, option: Option, leaves: list[Allotment]) -> AwardLine:
    offer = case.offer_ids[option.offer]
    parts = [part for leaf in leaves for part in leaf.parts if part.offer == offer]
    return AwardLine(
        amount=sum(part.amount for part in parts),
        carriage=sum(part.carriage for part in parts),
        fee=sum(part.fee for part in parts),
        lines=len(parts),
        offer=offer,
        quantity=sum(part.quantity for part in parts),
        tier=option.tier,
        zone=case.pool.zone,
    )
