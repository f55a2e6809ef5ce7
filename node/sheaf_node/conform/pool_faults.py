"""Decisions on a pool with one thing wrong each, and the verdict on them (spec 10, section 5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sheaf_node.conform.records import NOBODYS

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True, slots=True)
class Wrong:
    """A decision with one thing wrong, and the code of the verdict on it."""

    code: str
    clause: str
    why: str
    opening: Mapping[str, Any] = field(default_factory=dict)
    close: Mapping[str, Any] = field(default_factory=dict)
    award: Mapping[str, Any] = field(default_factory=dict)
    line: Mapping[str, Any] = field(default_factory=dict)


WRONG_AWARDS: Final = (
    Wrong(
        code="award.close",
        clause="AWD-13",
        why="names another close",
        award={"close": NOBODYS},
    ),
    Wrong(
        code="award.rule_unknown",
        clause="AWD-13",
        why="follows a rule of no version",
        award={"objective": "other/1"},
    ),
    Wrong(
        code="award.too_few",
        clause="AWD-13",
        why="serves fewer co-ops than the pool needs",
        opening={"k_min": 2},
    ),
    Wrong(
        code="award.inputs_hash",
        clause="AWD-2",
        why="commits to other inputs",
        award={"inputs": NOBODYS},
    ),
    Wrong(
        code="award.demand_missing",
        clause="POOL-8",
        why="follows a close that leaves out a line",
        close={"demands": []},
    ),
    Wrong(
        code="award.demand_unknown",
        clause="POOL-8",
        why="follows a close with a line that does not count",
        close={"demands": 1},
    ),
    Wrong(
        code="award.offer_missing",
        clause="POOL-9",
        why="follows a close that leaves out an offer",
        close={"offers": []},
    ),
    Wrong(
        code="award.offer_unknown",
        clause="POOL-9",
        why="serves from an offer that does not count",
        line={"offer": NOBODYS},
    ),
    Wrong(
        code="award.order",
        clause="POOL-10",
        why="follows a close whose lines are out of order",
        close={"demands": -1},
    ),
    Wrong(
        code="award.zone",
        clause="AWD-12",
        why="delivers to another zone",
        line={"zone": "S"},
    ),
    Wrong(
        code="award.over_capacity",
        clause="AWD-9",
        why="takes more than the offer has",
        line={"quantity": 1_001},
    ),
    Wrong(
        code="award.wrong_tier",
        clause="AWD-12",
        why="names a lower tier than is reached",
        line={"tier": 0},
    ),
    Wrong(
        code="award.tier_not_reached",
        clause="AWD-12",
        why="names a higher tier than is reached",
        line={"quantity": 10},
    ),
    Wrong(
        code="award.over_max_price",
        clause="AWD-1",
        why="serves more than can pay",
        line={"lines": 3, "quantity": 31},
    ),
    Wrong(
        code="award.quantity",
        clause="AWD-12",
        why="adds up to another quantity",
        award={"quantity": 29},
    ),
    Wrong(code="award.lines", clause="AWD-12", why="counts other lines", line={"lines": 3}),
    Wrong(
        code="award.amount",
        clause="AWD-8",
        why="asks another price for the goods",
        line={"amount": 21_001},
    ),
    Wrong(code="award.fee", clause="AWD-8", why="asks another fee", line={"fee": 211}),
    Wrong(code="award.carriage", clause="AWD-8", why="asks for carriage", line={"carriage": 1}),
    Wrong(code="award.leaves", clause="AWD-4", why="counts other leaves", award={"leaves": 3}),
    Wrong(
        code="award.root", clause="AWD-4", why="commits to other leaves", award={"root": NOBODYS}
    ),
    Wrong(code="award.value", clause="AWD-3", why="claims another value", award={"value": 1}),
    Wrong(
        code="award.certificate",
        clause="AWD-11",
        why="leaves out a bound",
        award={"certificate": 1},
    ),
    Wrong(
        code="close.cut_twice",
        clause="POOL-2",
        why="follows a close that cuts one log twice",
        close={"cut": 2},
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lapsed:
    """A lapse of a pool with lines and, where said, an offer; and the code of the verdict on it."""

    id: str
    code: str
    clause: str
    why: str
    reason: str
    has_offer: bool = False
    close: Mapping[str, Any] = field(default_factory=dict)
    lapse: Mapping[str, Any] = field(default_factory=dict)


LAPSES: Final = (
    Lapsed(
        id="lapsed",
        code="ok",
        clause="POOL-5",
        why="without an offer, for that reason,",
        reason="pool.no_offer",
    ),
    Lapsed(
        id="lapse-reason",
        code="lapse.reason",
        clause="POOL-5",
        why="for another reason than the one there is",
        reason="pool.no_demand",
    ),
    Lapsed(
        id="lapse-reason-unknown",
        code="lapse.reason_unknown",
        clause="POOL-5",
        why="for a reason of no version",
        reason="x.why",
    ),
    Lapsed(
        id="lapse-unfounded",
        code="lapse.unfounded",
        clause="POOL-5",
        why="where an award is possible",
        reason="pool.no_offer",
        has_offer=True,
    ),
    Lapsed(
        id="lapse-close",
        code="lapse.close",
        clause="POOL-5",
        why="on another close",
        reason="pool.no_offer",
        lapse={"close": NOBODYS},
    ),
    Lapsed(
        id="lapse-demand-missing",
        code="lapse.demand_missing",
        clause="POOL-8",
        why="after a close that leaves out a line",
        reason="pool.no_demand",
        close={"demands": []},
    ),
    Lapsed(
        id="lapse-demand-unknown",
        code="lapse.demand_unknown",
        clause="POOL-8",
        why="after a close with a line that does not count",
        reason="pool.no_offer",
        close={"demands": 1},
    ),
    Lapsed(
        id="lapse-order",
        code="lapse.order",
        clause="POOL-10",
        why="after a close whose lines are out of order",
        reason="pool.no_offer",
        close={"demands": -1},
    ),
    Lapsed(
        id="lapse-offer-missing",
        code="lapse.offer_missing",
        clause="POOL-9",
        why="after a close that leaves out an offer",
        reason="pool.no_offer",
        has_offer=True,
        close={"offers": []},
    ),
    Lapsed(
        id="lapse-offer-unknown",
        code="lapse.offer_unknown",
        clause="POOL-9",
        why="after a close with an offer that does not count",
        reason="pool.no_tier",
        close={"offers": [NOBODYS]},
    ),
)
