"""Checks of a pool's close and lapse: the owner's lists against what a node itself counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_protocol.digest import short
from sheaf_protocol.errors import Refusal
from sheaf_services.pooled_purchasing.clearing.judging import is_cleared, require_founded
from sheaf_services.pooled_purchasing.evaluate import AwardDraft, Lapse, evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_protocol.digest import EntryId
    from sheaf_protocol.records import PoolLapse
    from sheaf_services.pooled_purchasing.inputs import Inputs, Seen


@dataclass(frozen=True, kw_only=True, slots=True)
class ListCodes:
    """The codes under which one kind of entry is refused for its close's lists."""

    demand_missing: str
    demand_unknown: str
    offer_missing: str
    offer_unknown: str
    order: str


AWARD: Final = ListCodes(
    demand_missing="award.demand_missing",
    demand_unknown="award.demand_unknown",
    offer_missing="award.offer_missing",
    offer_unknown="award.offer_unknown",
    order="award.order",
)
CLOSE: Final = ListCodes(
    demand_missing="close.demand_missing",
    demand_unknown="close.demand_unknown",
    offer_missing="close.offer_missing",
    offer_unknown="close.offer_unknown",
    order="close.order",
)
LAPSE: Final = ListCodes(
    demand_missing="lapse.demand_missing",
    demand_unknown="lapse.demand_unknown",
    offer_missing="lapse.offer_missing",
    offer_unknown="lapse.offer_unknown",
    order="lapse.order",
)


def require_listing(codes: ListCodes, inputs: Inputs) -> None:
    """Return if the close lists exactly what counts, by ascending id; else raise under `codes`."""
    demands, offers = [s.id for s in inputs.demands], [s.id for s in inputs.offers]
    listed = inputs.close.record
    _compare(listed.demands, demands, "demand", codes.demand_missing, codes.demand_unknown)
    _compare(listed.offers, offers, "offer", codes.offer_missing, codes.offer_unknown)
    if listed.demands != demands or listed.offers != offers:
        raise Refusal(codes.order, "expected each id once and ascending, got another order")


def verify_close(inputs: Inputs) -> None:
    """Return if the owner closed its pool on what its own cut counts, else raise `close.*`.

    The caller holds every log up to the cut; `inputs` come from there.
    """
    pool, close = inputs.pool, inputs.close
    if close.line != pool.line:
        raise Refusal("close.not_owner", f"expected the pool's owner, got {short(close.wid)}")
    if close.record.pool != pool.id:
        detail = f"expected pool {short(pool.id)}, got {short(close.record.pool)}"
        raise Refusal("close.pool", detail)
    require_cut(inputs)
    require_listing(CLOSE, inputs)


def verify_lapse(inputs: Inputs, lapse: Seen[PoolLapse]) -> None:
    """Return if the pool ends without an award for the reason given, else raise `lapse.*`."""
    pool, record = inputs.pool, lapse.record
    if lapse.line != pool.line:
        raise Refusal("lapse.not_owner", f"expected the pool's owner, got {short(lapse.wid)}")
    if record.pool != pool.id:
        raise Refusal("lapse.pool", f"expected pool {short(pool.id)}, got {short(record.pool)}")
    if record.close != inputs.close.id or inputs.close.record.pool != pool.id:
        detail = f"expected the close {short(inputs.close.id)}, got {short(record.close)}"
        raise Refusal("lapse.close", detail)
    require_cut(inputs)
    if record.reason not in {reason.value for reason in Lapse}:
        raise Refusal("lapse.reason_unknown", f"expected a known reason, got {record.reason}")
    require_listing(LAPSE, inputs)
    _check_reason(inputs, record)
    if inputs.decided not in {None, lapse.id}:
        raise Refusal("lapse.second", "expected a pool not decided yet, got a second decision")


def _check_reason(inputs: Inputs, record: PoolLapse) -> None:
    if is_cleared(inputs):
        require_founded(inputs, record.reason)
        return
    outcome = evaluate(inputs)
    if isinstance(outcome, AwardDraft):
        detail = f"expected an award worth {outcome.award.value}, got the lapse {record.reason}"
        raise Refusal("lapse.unfounded", detail)
    if outcome.value != record.reason:
        detail = f"expected the reason {outcome.value}, got {record.reason}"
        raise Refusal("lapse.reason", detail)


def require_cut(inputs: Inputs) -> None:
    """Return if the cut names each log once, and the entries that we hold; else raise `close.*`."""
    close = inputs.close
    logs = {(cut.cid, cut.wid) for cut in close.record.cut}
    if len(logs) < len(close.record.cut):
        raise Refusal("close.cut_twice", "expected one cut for each log, got two for one")
    held = {(seen.cid, seen.wid, seen.seq): seen.id for seen in (*inputs.demands, *inputs.offers)}
    for cut in close.record.cut:
        own = held.get((cut.cid, cut.wid, cut.seq), cut.head)
        if own != cut.head:
            detail = f"expected {short(own)} at {cut.seq} of {short(cut.wid)}, got another entry"
            raise Refusal("close.cut_head", detail)


def _compare(
    listed: Sequence[EntryId], counted: Sequence[EntryId], what: str, missing: str, unknown: str
) -> None:
    left_out = sorted(set(counted) - set(listed))
    if left_out:
        detail = f"expected {what} {short(left_out[0])} in the close, got a list without it"
        raise Refusal(missing, detail)
    added = sorted(set(listed) - set(counted))
    if added:
        detail = f"expected {what}s that count at the cut, got {short(added[0])}"
        raise Refusal(unknown, detail)
