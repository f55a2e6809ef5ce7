"""What a node checks of an award of several offers, as deep as it can look (spec 21).

`verify_totals` takes what anybody has: quantities and sums against offers, demand and certificate.
`verify_full` shares the quantities out again and compares every sum and the root of the leaves.
`verify_own` takes one leaf and its path: what a member can check that sees no other line.

The first thing wrong is what is named, under a code of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from sheaf_protocol import merkle
from sheaf_protocol.clearing.case import in_order, require_rules
from sheaf_protocol.clearing.certificate import upper_bound
from sheaf_protocol.clearing.leaves import can_pay, part_of, share_out
from sheaf_protocol.clearing.market import MOST_WINNERS, rate_at
from sheaf_protocol.clearing.rate import MILLION, rate_of
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import digest, short
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.limits import MAX_INT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sheaf_protocol.clearing.case import Case
    from sheaf_protocol.clearing.market import Option
    from sheaf_protocol.digest import Digest, EntryId
    from sheaf_protocol.records import Allotment, Award, AwardLine, Demand, Offer, Part

    Sold = list[tuple[Option, int]]

_SUMS: Final = ("amount", "fee", "carriage")
"""What is told of money, each by a code of its own."""


def verify_totals(case: Case, award: Award) -> Sold:
    """Return what an award sells, if its public part is right and proved.

    Raises RemoteProtocolError `award.*`.
    """
    _check_rules(case, award)
    _check_inputs(case, award)
    return _public(case, award)


def _public(case: Case, award: Award) -> Sold:
    """Return what an award sells, by offers and sums of demand alone."""
    sold = [_sale(case, line) for line in award.lines]
    offers = [line.offer for line in award.lines]
    if offers != sorted(set(offers)):
        raise _refused("award.lines", "one line for each offer, by ascending id", "another order")
    if len(offers) > MOST_WINNERS:
        raise _refused("award.lines", f"at most {MOST_WINNERS} offers", len(offers))
    _check_demand(case, sold)
    units = sum(quantity for _, quantity in sold)
    if award.quantity != units:
        raise _refused("award.quantity", f"{units} units", award.quantity)
    if units < case.market.least:
        raise _refused("award.below_minimum", f"{case.market.least} units or more", units)
    for line in award.lines:
        _check_sums(case, line)
    _check_gain(case, award, case.market.gained(sold))
    return sold


def verify_full(case: Case, award: Award) -> list[Allotment]:
    """Return the leaves of an award, if all of it follows from the inputs.

    Raises RemoteProtocolError `award.*`.
    """
    sold = verify_totals(case, award)
    shared = share_out(case, sold)
    if not shared.is_whole:
        raise _refused("award.unshared", "quantities that find takers", "units for nobody")
    leaves = list(shared.leaves)
    _check_lines(award, leaves)
    if award.leaves != len(leaves):
        raise _refused("award.leaves", f"{len(leaves)} leaves", award.leaves)
    root = merkle.root([encode(leaf) for leaf in leaves])
    if award.root != root:
        raise _refused("award.root", f"root {short(root)}", short(award.root))
    return leaves


@dataclass(frozen=True, slots=True)
class OwnLeaf:
    """A leaf, its place among all, and the siblings from the bottom up."""

    leaf: Allotment
    index: int
    path: Sequence[Digest]


def verify_own(case: Case, award: Award, line: tuple[EntryId, Demand], own: OwnLeaf) -> None:
    """Return if an award is right in public, and the leaf of a member's own line under its root.

    Of the demands it needs no more than how many units can pay each rate. Raises
    RemoteProtocolError `award.*`.
    """
    _check_rules(case, award)
    sold, leaf = _public(case, award), own.leaf
    id_, demand = line
    if leaf.demand != id_:
        raise _refused("award.not_included", f"the leaf of {short(id_)}", short(leaf.demand))
    if not merkle.is_included(encode(leaf), own.index, award.leaves, own.path, award.root):
        detail = f"the leaf of {short(leaf.demand)} under the root"
        raise _refused("award.not_included", detail, "another root")
    lines = {each.offer: each for each in award.lines}
    for part in leaf.parts:
        _check_part(case, part, lines.get(part.offer))
    order = [case.offer_ids[option.offer] for option, _ in reversed(in_order(sold))]
    offers = [part.offer for part in leaf.parts]
    if offers != [offer for offer in order if offer in offers]:
        raise _refused("award.parts", "one part for each offer, the cheapest first", "others")
    units = sum(part.quantity for part in leaf.parts)
    if not demand.min_quantity <= units <= demand.quantity:
        expected = f"{demand.min_quantity} to {demand.quantity} units"
        raise _refused("award.quantity", expected, units)
    landed = sum(part.amount + part.fee + part.carriage for part in leaf.parts)
    if not can_pay(demand, units, landed):
        raise _refused("award.over_max_price", "at most the maximum", landed)
    least = least_share(case, sold, demand)
    if units < least:
        raise _refused("award.ration", f"{least} units or more by the ration", units)


def _check_part(case: Case, part: Part, line: AwardLine | None) -> None:
    if line is None or line.tier != part.tier:
        raise _refused("award.offer_unknown", "an offer and tier of the award", "another")
    own = part_of(case.pool, part.offer, case.offers[part.offer], part.tier, part.quantity)
    for name in _SUMS:
        if getattr(part, name) != getattr(own, name):
            raise _refused(f"award.{name}", f"{getattr(own, name)} as {name}", getattr(part, name))


def least_share(case: Case, sold: Sold, demand: Demand) -> int:
    """Return the units that a line gets at least of what is sold, were nobody left out.

    Where others are left out the rest get more, so this holds without knowing who is. Rounding may
    take one unit of each offer. Zero where classes of priority go before.
    """
    if case.is_ranked:
        return 0
    rate, left, taken = rate_of(demand.max_price), demand.quantity, 0
    market, sales = case.market, 0
    for option, quantity in in_order(sold):
        if option.rate <= rate:
            share = left * quantity // (market.demand[option.row] - taken)
            left -= share
            sales += 1
        taken += quantity
    return max(0, demand.quantity - left - sales)


def inputs_hash(pool: EntryId, demands: Iterable[EntryId], offers: Iterable[EntryId]) -> Digest:
    """Return the commitment of an award to what it decided on (AWD-2)."""
    listed = {"demands": sorted(demands), "offers": sorted(offers), "pool": pool}
    return digest("award-inputs", encode(listed))


def _check_rules(case: Case, award: Award) -> None:
    require_rules(award.objective, award.ration)
    if award.pool != case.id:
        raise _refused("award.pool", f"an award of pool {short(case.id)}", short(award.pool))
    if (award.objective, award.ration) != (case.pool.objective, case.pool.ration):
        raise _refused("award.rule", f"{case.pool.objective} and {case.pool.ration}", "others")


def _check_inputs(case: Case, award: Award) -> None:
    coops = len({cid for cid, _ in case.demands.values()})
    if coops < case.pool.k_min:
        raise _refused("award.too_few", f"lines of at least {case.pool.k_min} co-ops", coops)
    own = inputs_hash(case.id, case.demands, case.offers)
    if award.inputs != own:
        raise _refused("award.inputs_hash", f"inputs {short(own)}", short(award.inputs))


def _sale(case: Case, line: AwardLine) -> tuple[Option, int]:
    """Return the option that a line sells of, if the offer allows this quantity at this tier."""
    if line.zone != case.pool.zone:
        raise _refused("award.zone", f"zone {case.pool.zone}", line.zone)
    if line.offer not in case.offers:
        raise _refused("award.offer_unknown", "an offer that counts", short(line.offer))
    offer = case.offers[line.offer]
    _check_terms(offer, line)
    options = case.market.offers[case.offer_ids.index(line.offer)]
    option = next((one for one in options if one.tier == line.tier), None)
    if option is None:
        gain = rate_of(case.pool.reference) - rate_at(case.pool, offer, line.tier) + 1
        if not 1 <= gain <= MAX_INT:
            raise _refused("award.no_gain", "a tier at or below the reference price", line.tier)
        raise _refused("award.over_demand", "as many units as can pay", line.quantity)
    return option, line.quantity


def _check_terms(offer: Offer, line: AwardLine) -> None:
    tiers, units = offer.tiers, line.quantity
    if line.tier >= len(tiers):
        raise _refused("award.wrong_tier", f"one of {len(tiers)} tiers", line.tier)
    if offer.max_quantity is not UNSET and units > offer.max_quantity:
        raise _refused("award.over_capacity", f"at most {offer.max_quantity} units", units)
    if units < tiers[line.tier].from_quantity:
        detail = f"{tiers[line.tier].from_quantity} units or more for tier {line.tier}"
        raise _refused("award.tier_not_reached", detail, units)
    if line.tier + 1 < len(tiers) and units >= tiers[line.tier + 1].from_quantity:
        detail = f"less than {tiers[line.tier + 1].from_quantity} units at tier {line.tier}"
        raise _refused("award.wrong_tier", detail, units)
    if offer.min_quantity is not UNSET and units < offer.min_quantity:
        raise _refused("award.offer_minimum", f"{offer.min_quantity} units or more", units)
    if offer.pack is not UNSET and units % offer.pack:
        raise _refused("award.pack", f"a multiple of {offer.pack} units", units)


def _check_demand(case: Case, sold: Sold) -> None:
    """What is sold at a rate or above it is no more than can pay the rate."""
    for option, _ in sold:
        taken = sum(quantity for other, quantity in sold if other.row >= option.row)
        able = case.market.demand[option.row]
        if taken > able:
            raise _refused("award.over_demand", f"at most {able} units that can pay", taken)


def _check_sums(case: Case, line: AwardLine) -> None:
    """Sums lie within what rounding each line once can make of them."""
    own = part_of(case.pool, line.offer, case.offers[line.offer], line.tier, line.quantity)
    for name in _SUMS:
        told, exact = getattr(line, name), getattr(own, name)
        if abs(told - exact) > line.lines + 1:
            raise _refused(f"award.{name}", f"about {exact} as {name}", told)


def _check_gain(case: Case, award: Award, gained: int) -> None:
    if award.value != gained // MILLION:
        raise _refused("award.value", f"a value of {gained // MILLION}", award.value)
    if award.branches is UNSET:
        raise _refused("award.certificate", "branches", "none")
    bound = upper_bound(case.market, award.branches)
    if award.gap != min(bound - gained, MAX_INT):
        raise _refused("award.gap", f"a gap of {bound - gained}", award.gap)


def _check_lines(award: Award, leaves: Sequence[Allotment]) -> None:
    sums = {line.offer: [0, 0, 0, 0] for line in award.lines}
    for leaf in leaves:
        for part in leaf.parts:
            of_offer = sums[part.offer]
            of_offer[0] += part.amount
            of_offer[1] += part.fee
            of_offer[2] += part.carriage
            of_offer[3] += 1
    for line in award.lines:
        *money, count = sums[line.offer]
        if line.lines != count:
            raise _refused("award.lines", f"{count} lines served", line.lines)
        for name, exact in zip(_SUMS, money, strict=True):
            if getattr(line, name) != exact:
                raise _refused(f"award.{name}", f"{exact} as {name}", getattr(line, name))


def _refused(code: str, expected: str, got: object) -> RemoteProtocolError:
    return RemoteProtocolError(code, f"expected {expected}, got {got}", Fault.AUTHOR)
