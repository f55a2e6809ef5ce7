"""What a node shows of transport: each proposal's way, who pays what, what is left and why."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sheaf_services.shipment_matching.deal import Status
from sheaf_services.shipment_matching.proposal import Costs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.plugins import ServiceContext
    from sheaf_protocol.digest import EntryId
    from sheaf_protocol.errors import Refusal
    from sheaf_services.shipment_matching.judging import Judge
    from sheaf_services.shipment_matching.ledger import Ledger, Proposal


def report(
    ledger: Ledger, judge: Judge, why: Mapping[EntryId, str], context: ServiceContext
) -> dict[str, Any]:
    """Return the proposals as this node finds them, and what keeps requests out of a plan.

    `why` is the matcher's; on other nodes nothing is known to be unserved.
    """
    return {
        "proposals": [_proposal(ledger, judge, p, context) for p in ledger.proposals.values()],
        "requests": len(ledger.requests),
        "orders": len(ledger.orders),
        "capacities": len(ledger.capacities),
        "unserved": [
            {"ref": ledger.requests[id_].record.ref, "reason": why[id_]} for id_ in sorted(why)
        ],
    }


def _proposal(
    ledger: Ledger, judge: Judge, proposal: Proposal, context: ServiceContext
) -> dict[str, Any]:
    status = ledger.status(proposal, context.now_ms())
    holds = list(ledger.holds_of(proposal))
    accepted = ledger.accepts.get(proposal.id, {})
    known = {cid for cid in proposal.parties if context.federation.is_member(cid)}
    return {
        "id": proposal.id.hex(),
        "verdict": ledger.verdict(proposal.id),
        "status": status.value,
        "is_booked": status is Status.BOOKED,
        "waits_for": sorted(context.name_of(cid) for cid in known - accepted.keys()),
        "refused_by": {
            context.name_of(cid): code
            for cid, code in sorted(ledger.refusals(proposal).items())
            if cid in known
        },
        "holds": dict(Counter(hold.state.value for hold in holds)),
        "holds_refused": sorted({hold.refused for hold in holds if hold.refused is not None}),
        "requests": len(proposal.record.requests),
        "trips": len(proposal.record.trips),
        "costs": _costs(judge.check(proposal)),
    }


def _costs(finding: Costs | Refusal | None) -> dict[str, Any] | None:
    if not isinstance(finding, Costs):
        return None
    return {
        "round_trips": finding.round_trips,
        "own_pooled": finding.own_pooled,
        "pooled": finding.pooled,
        "parties": [
            {"cid": cid.hex(), "share": share, "baseline": finding.baselines[cid]}
            for cid, share in sorted(finding.shares.items())
        ],
    }
