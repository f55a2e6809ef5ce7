"""Rule `proportional/1`: how a supplier's limit is shared among those who want more (spec 10, RAT).

A pure function of wants, minimums, ids and the limit, in integers, which every verifier computes
again. A maximum price has no part in it, else overstating it would pay.

1. Where all wants fit, everyone gets the want.
2. Else each line's exact share is `capacity * want / total`. While some line's share is below its
   minimum, one line gets nothing and the rest is shared again: the line that bends least (highest
   minimum per want), of equals the largest, then the highest id. One at a time, for taking out
   all of them at once would leave two buyers of a whole truck each with no truck at all.
3. Shares are rounded down; the units left go one each to the largest remainders, of equals to the
   lowest ids. As the exact share is at least the minimum, so is the rounded one.
4. A line that could pay its want may be unable to pay its part, by a minor unit of rounding. The
   one of these with the highest id gets nothing and the rest is shared again, up to 16 times;
   then all that are left get nothing. The limit bounds what a hostile list can cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cmp_to_key
from typing import TYPE_CHECKING, Final

from sheaf_protocol.clearing import bends_less_first, in_proportion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sheaf_protocol.digest import EntryId

PROPORTIONAL: Final = "proportional/1"

MAX_RESHARES: Final = 16
"""Rounds of step 4; honest lists need one or none."""


@dataclass(frozen=True, slots=True)
class Want:
    """One line: all or nothing between `minimum` and `want`."""

    id: EntryId
    want: int
    minimum: int


def ration(
    wants: Sequence[Want], capacity: int, can_pay: Callable[[Want, int], bool]
) -> dict[EntryId, int]:
    """Return the units of each line that gets any; each pays its whole want by assumption."""
    if sum(line.want for line in wants) <= capacity:
        return {line.id: line.want for line in wants}
    left = list(wants)
    for _ in range(MAX_RESHARES):
        parts = share(left, capacity)
        unable = _unable(left, parts, can_pay)
        if not unable:
            return parts
        last = max(unable, key=lambda line: line.id)
        left.remove(last)
    parts = share(left, capacity)
    refused = {line.id for line in _unable(left, parts, can_pay)}
    return {id_: part for id_, part in parts.items() if id_ not in refused}


def share(wants: Sequence[Want], capacity: int) -> dict[EntryId, int]:
    """Return the parts after steps 1 to 3: they sum to the capacity, or to all wants kept."""
    kept = sorted(_kept(wants, capacity), key=lambda line: line.id)
    parts = in_proportion([line.want for line in kept], capacity)
    if parts is None:  # more than all of them want
        return {line.id: line.want for line in kept}
    return {line.id: part for line, part in zip(kept, parts, strict=True)}


def _kept(wants: Sequence[Want], capacity: int) -> list[Want]:
    """Return the lines whose exact share is at least their minimum, after step 2.

    Taking a line out raises every other share, so a line that bends more than one that may stay
    may stay as well: one pass over the sorted lines is enough.
    """
    total = sum(line.want for line in wants)
    if all(capacity * line.want >= line.minimum * total for line in wants):
        return list(wants)
    lines = sorted(wants, key=cmp_to_key(bends_less_first))
    first = 0
    while first < len(lines) and total > capacity:
        line = lines[first]
        if capacity * line.want >= line.minimum * total:
            break
        total -= line.want
        first += 1
    return lines[first:]


def _unable(
    wants: Sequence[Want], parts: Mapping[EntryId, int], can_pay: Callable[[Want, int], bool]
) -> list[Want]:
    return [w for w in wants if w.id in parts and not can_pay(w, parts[w.id])]
