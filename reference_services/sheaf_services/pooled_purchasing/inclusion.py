"""A member's own leaf: the proof that it stands under the award's root, and that it is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sheaf_protocol import merkle
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import Digest, short
from sheaf_protocol.errors import LocalProtocolError, Refusal
from sheaf_services.pooled_purchasing.recount import is_payable, leaf_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_protocol.digest import EntryId
    from sheaf_protocol.records import Allocation, Award, Demand
    from sheaf_services.pooled_purchasing.inputs import Inputs


@dataclass(frozen=True, kw_only=True, slots=True)
class LeafProof:
    """One leaf, its place and the siblings up to the root."""

    allocation: Allocation
    index: int
    path: tuple[Digest, ...]


def prove_allocation(allocations: Sequence[Allocation], demand: EntryId) -> LeafProof:
    """Return the proof of a demand's leaf.

    Raises LocalProtocolError `award.leaf_unknown` for a demand that got nothing.
    """
    for index, allocation in enumerate(allocations):
        if allocation.demand == demand:
            path = merkle.proof([encode(leaf) for leaf in allocations], index)
            return LeafProof(allocation=allocation, index=index, path=tuple(path))
    raise LocalProtocolError(
        "award.leaf_unknown", f"expected a demand that got units, got {short(demand)}"
    )


def verify_allocation(inputs: Inputs, award: Award, proof: LeafProof) -> None:
    """Return if a leaf is under the award's root and right for its demand, else raise `award.*`.

    This is what a member can check of its own line without knowing any other's.
    """
    leaf = proof.allocation
    if not merkle.is_included(encode(leaf), proof.index, award.leaves, proof.path, award.root):
        detail = f"expected the leaf of {short(leaf.demand)} under the root, got another root"
        raise Refusal("award.not_included", detail)
    demand = _demand_of(inputs, leaf)
    if not demand.min_quantity <= leaf.quantity <= demand.quantity:
        detail = f"expected {demand.min_quantity} to {demand.quantity} units, got {leaf.quantity}"
        raise Refusal("award.quantity", detail)
    _check_price(inputs, leaf)
    if not is_payable(demand, leaf):
        total = leaf.amount + leaf.fee + leaf.carriage
        raise Refusal("award.over_max_price", f"expected at most the maximum, got {total}")


def _demand_of(inputs: Inputs, leaf: Allocation) -> Demand:
    for seen in inputs.demands:
        if seen.id == leaf.demand:
            return seen.record
    raise Refusal(
        "award.demand_unknown", f"expected a demand that counts, got {short(leaf.demand)}"
    )


def _check_price(inputs: Inputs, leaf: Allocation) -> None:
    offer = next((seen for seen in inputs.offers if seen.id == leaf.offer), None)
    if offer is None:
        raise Refusal("award.offer_unknown", f"expected a counted offer, got {short(leaf.offer)}")
    if leaf.tier >= len(offer.record.tiers):
        detail = f"expected one of {len(offer.record.tiers)} tiers, got {leaf.tier}"
        raise Refusal("award.wrong_tier", detail)
    own = leaf_of(inputs, offer, leaf.tier, leaf.demand, leaf.quantity)
    if leaf.amount != own.amount:
        raise Refusal("award.amount", f"expected {own.amount} for the goods, got {leaf.amount}")
    if leaf.fee != own.fee:
        raise Refusal("award.fee", f"expected a fee of {own.fee}, got {leaf.fee}")
    if leaf.carriage != own.carriage:
        detail = f"expected {own.carriage} for carriage, got {leaf.carriage}"
        raise Refusal("award.carriage", detail)
