"""What every member checks before it honours an award (spec 10, section 5).

An award is verified, not reproduced: its claims are walked one by one in an order in which the
first thing wrong is the thing to name. First who decided, on what and by which rules; then the
public line against the offer; then quantities, money, leaves and value against the verifier's own
count; then the certificate, and whether another offer or tier would have been worth more; last,
whether the pool was decided before.

Each check raises Refusal with a code of its own and returns nothing when all is well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from sheaf_protocol.clearing import inputs_hash, verify_full
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import short
from sheaf_protocol.errors import Refusal
from sheaf_services.pooled_purchasing.clearing.judging import case_of, is_cleared
from sheaf_services.pooled_purchasing.evaluate import require_rules
from sheaf_services.pooled_purchasing.inclusion import (
    LeafProof,
    prove_allocation,
    verify_allocation,
)
from sheaf_services.pooled_purchasing.listing import (
    AWARD,
    require_cut,
    require_listing,
    verify_close,
    verify_lapse,
)
from sheaf_services.pooled_purchasing.recount import (
    TierCount,
    capacity,
    commitment,
    goods_at,
    recount,
    tier_at,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_protocol.digest import EntryId
    from sheaf_protocol.records import Award, AwardLine, Offer
    from sheaf_services.pooled_purchasing.inputs import Inputs, Seen

__all__ = [
    "LeafProof",
    "prove_allocation",
    "verify_allocation",
    "verify_award",
    "verify_close",
    "verify_lapse",
]


def verify_award(inputs: Inputs, award: Seen[Award]) -> None:
    """Return if the award follows from the inputs, else raise Refusal `award.*`."""
    _check_standing(inputs, award)
    record = award.record
    require_cut(inputs)
    if is_cleared(inputs):
        require_listing(AWARD, inputs)
        verify_full(case_of(inputs), record)
    else:
        _check_single(inputs, record)
    # Last, so that a false award published after the true one is named by its own fault.
    if inputs.decided not in {None, award.id}:
        raise _refused("award.second", "a pool that is not decided yet", "a second decision")


def _check_single(inputs: Inputs, record: Award) -> None:
    """What an award of one offer says, in the order in which the first fault is the one to name."""
    _check_rules(inputs, record)
    require_listing(AWARD, inputs)
    _check_inputs_hash(inputs, record)
    line = _the_line(inputs, record)
    offer = _offer_of(inputs, line)
    _check_claim(inputs, line, offer)
    counts = recount(inputs)
    own = counts[line.offer, line.tier]
    _check_quantity(record, line, own, offer)
    _check_money(inputs, line, offer, own)
    _check_leaves(record, own)
    _check_value(record, own)
    _check_certificate(record, counts)
    _check_best(own, counts)


def _check_standing(inputs: Inputs, award: Seen[Award]) -> None:
    """The pool's owner decides, and on the close of this pool."""
    pool, close, record = inputs.pool, inputs.close, award.record
    if award.line != pool.line:
        raise _refused("award.not_owner", "the pool's owner", short(award.wid))
    if record.pool != pool.id:
        raise _refused("award.pool", f"an award of pool {short(pool.id)}", short(record.pool))
    if record.close != close.id or close.record.pool != pool.id:
        raise _refused("award.close", f"the close {short(close.id)}", short(record.close))


def _check_rules(inputs: Inputs, record: Award) -> None:
    pool = inputs.pool.record
    require_rules(record.objective, record.ration)
    if (record.objective, record.ration) != (pool.objective, pool.ration):
        raise _refused("award.rule", f"{pool.objective} and {pool.ration}", "other rules")
    coops = len({seen.cid for seen in inputs.demands})
    if coops < pool.k_min:
        raise _refused("award.too_few", f"lines of at least {pool.k_min} co-ops", coops)


def _check_inputs_hash(inputs: Inputs, record: Award) -> None:
    demands, offers = (s.id for s in inputs.demands), (s.id for s in inputs.offers)
    own = inputs_hash(inputs.pool.id, demands, offers)
    if record.inputs != own:
        raise _refused("award.inputs_hash", f"inputs {short(own)}", short(record.inputs))


def _the_line(inputs: Inputs, record: Award) -> AwardLine:
    """Return the one line of an award: this rule names one offer, and a pool has one zone."""
    if len(record.lines) != 1:
        raise _refused("award.lines", "one line", len(record.lines))
    line = record.lines[0]
    if line.zone != inputs.pool.record.zone:
        raise _refused("award.zone", f"zone {inputs.pool.record.zone}", line.zone)
    return line


def _offer_of(inputs: Inputs, line: AwardLine) -> Offer:
    for offer in inputs.offers:
        if offer.id == line.offer:
            return offer.record
    raise _refused("award.offer_unknown", "an offer that counts", short(line.offer))


def _check_claim(inputs: Inputs, line: AwardLine, offer: Offer) -> None:
    """The public line alone: can this offer deliver so much, and at which tier."""
    pool = inputs.pool.record
    if line.quantity > capacity(offer):
        raise _refused("award.over_capacity", f"at most {capacity(offer)} units", line.quantity)
    if line.tier >= len(offer.tiers):
        raise _refused("award.wrong_tier", f"one of {len(offer.tiers)} tiers", line.tier)
    reached = tier_at(pool, offer, line.quantity)
    if reached is None or reached < line.tier:
        start = offer.tiers[line.tier].from_quantity
        detail = f"{start} units or more for tier {line.tier}, and the pool's minimum"
        raise _refused("award.tier_not_reached", detail, line.quantity)
    if reached > line.tier:
        detail = f"tier {reached}, which {line.quantity} units reach"
        raise _refused("award.wrong_tier", detail, f"tier {line.tier}")


def _check_quantity(record: Award, line: AwardLine, own: TierCount, offer: Offer) -> None:
    """Units and lines against the eligible demands.

    1. More lines and more units than are eligible: somebody is in who cannot pay.
    2. Fewer lines and fewer units though nothing is rationed: somebody is left out who can pay.
    3. Anything else is a wrong number.
    """
    lines, units = len(own.leaves), own.total("quantity")
    if line.lines > own.eligible_lines and line.quantity > own.eligible:
        detail = f"{own.eligible_lines} lines that can pay, {own.eligible} units"
        raise _refused("award.over_max_price", detail, f"{line.lines}, {line.quantity} units")
    is_rationed = own.eligible > capacity(offer)
    if line.lines < lines and line.quantity < units and not is_rationed:
        detail = f"all {lines} lines that can pay, {units} units"
        raise _refused("award.demand_missing", detail, f"{line.lines}, {line.quantity} units")
    for claimed in (line.quantity, record.quantity):
        if claimed != units:
            raise _refused("award.quantity", f"{units} units", claimed)
    if line.lines != lines:
        raise _refused("award.lines", f"{lines} lines served", line.lines)


def _check_money(inputs: Inputs, line: AwardLine, offer: Offer, own: TierCount) -> None:
    goods = own.total("amount")
    if line.amount != goods:
        for other in range(len(offer.tiers)):
            # The quantity is settled by now, so another tier's price shows exactly.
            if line.amount == goods_at(offer, other, own.leaves):
                detail = f"the price of tier {line.tier}, {goods}"
                raise _refused("award.wrong_tier", detail, f"that of tier {other}, {line.amount}")
        raise _refused("award.amount", f"{goods} for the goods", line.amount)
    if line.fee != own.total("fee"):
        bps = inputs.pool.record.fee_bps
        raise _refused("award.fee", f"{own.total('fee')} at {bps} basis points", line.fee)
    if line.carriage != own.total("carriage"):
        raise _refused("award.carriage", f"{own.total('carriage')} for carriage", line.carriage)


def _check_leaves(record: Award, own: TierCount) -> None:
    if record.leaves != len(own.leaves):
        raise _refused("award.leaves", f"{len(own.leaves)} leaves", record.leaves)
    root = commitment(encode(leaf) for leaf in own.leaves)
    if record.root != root:
        raise _refused("award.root", f"root {short(root)}", short(record.root))


def _check_value(record: Award, own: TierCount) -> None:
    if record.value != own.value:
        raise _refused("award.value", f"a value of {own.value}", record.value)


def _check_certificate(record: Award, counts: Mapping[tuple[EntryId, int], TierCount]) -> None:
    """One bound for each offer and tier, in order, with the totals that are so."""
    certificate = () if record.certificate is UNSET else record.certificate
    places = [(bound.offer, bound.tier) for bound in certificate]
    if places != list(counts):
        raise _refused(
            "award.certificate", f"a bound for each of {len(counts)} tiers, in order", len(places)
        )
    for bound in certificate:
        own = counts[bound.offer, bound.tier]
        where = f"tier {bound.tier} of offer {short(bound.offer)}"
        if bound.eligible != own.eligible:
            raise _refused(
                "award.certificate", f"{own.eligible} eligible at {where}", bound.eligible
            )
        if bound.bound != own.bound:
            raise _refused("award.certificate", f"{own.bound} as bound of {where}", bound.bound)


def _check_best(own: TierCount, counts: Mapping[tuple[EntryId, int], TierCount]) -> None:
    """No feasible tier is worth more; of equals more units, then the lowest offer id."""
    if not own.is_feasible:
        raise _refused("award.not_best", "a value of 0 or more", own.value)
    for other in counts.values():
        is_lower = other.rank == own.rank and other.offer < own.offer
        if other.is_feasible and (other.rank > own.rank or is_lower):
            where = f"tier {other.tier} of offer {short(other.offer)}"
            raise _refused("award.not_best", f"{where}, worth {other.value}", f"worth {own.value}")


def _refused(code: str, expected: str, got: object) -> Refusal:
    return Refusal(code, f"expected {expected}, got {got}")
