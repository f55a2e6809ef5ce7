"""Checking proposals and, as a party, comparing, accepting and holding to one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_protocol.digest import digest
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import OK, MatchAccept, Verdict
from sheaf_services.shipment_matching.attempt import SOLVER_FAILED, Failed, OwnCost, attempt_own
from sheaf_services.shipment_matching.deal import Status
from sheaf_services.shipment_matching.proposal import Costs, verify_proposal
from sheaf_services.shipment_matching.solve import OWN_BUDGET
from sheaf_services.shipment_matching.translate import party_of

if TYPE_CHECKING:
    from sheaf_node.plugins import ServiceContext
    from sheaf_protocol.digest import EntryId, WriterId
    from sheaf_services.shipment_matching.ledger import Ledger, Proposal
    from sheaf_services.shipment_matching.proposal import Inputs
    from sheaf_services.shipment_matching.solve import Budget

MOST_A_TURN: Final = 4
"""Proposals checked before the node's loop gets its turn: the largest take a tenth of a second."""

MOST_PLANNED: Final = 32
"""Own plans made to compare with one matcher's baselines. Each may cost CPU seconds, and a matcher
that names ever other sets of our requests must not have more of them."""


class Judge:
    """Signs what a node finds of proposals, and accepts for its co-op."""

    def __init__(
        self, context: ServiceContext, ledger: Ledger, budget: Budget = OWN_BUDGET
    ) -> None:
        self._context = context
        self._ledger = ledger
        self._budget = budget
        self._checked: dict[EntryId, Costs | Refusal] = {}
        self._own: dict[str, OwnCost | Failed] = {}
        self._planned_for: dict[WriterId, set[str]] = {}
        self._running: str | None = None

    def decide(self) -> None:
        """Sign verdicts that are due, then accept what we found right."""
        signed = 0
        for proposal in list(self._ledger.unjudged.values()):
            code = self._judge(proposal)
            if code is not None:
                self._sign(proposal.id, code)
                signed += 1
            if signed == MOST_A_TURN:
                break
        self._accept_all()

    def finish(self, key: str, result: object) -> bool:
        """Take the cost of own trips; return whether the job was ours."""
        if key != self._running:
            return False
        self._running = None
        is_known = isinstance(result, OwnCost | Failed)
        failure = Failed(code=SOLVER_FAILED, detail="expected trips, got no answer")
        self._own[key] = result if is_known else failure  # type: ignore[assignment]  # checked
        return True

    def check(self, proposal: Proposal) -> Costs | Refusal | None:
        """Return what a proposal comes to or breaks, or None while part of it is missing."""
        known = self._checked.get(proposal.id)
        if known is not None:
            return known
        inputs = self._ledger.inputs(proposal.record.capacity, proposal.record.requests)
        if inputs is None:
            return None
        try:
            self._checked[proposal.id] = verify_proposal(inputs, proposal.record)
        except Refusal as refusal:
            self._checked[proposal.id] = refusal
        return self._checked[proposal.id]

    def _judge(self, proposal: Proposal) -> str | None:
        """Return the code of our verdict, or None while it cannot be given yet."""
        finding = self.check(proposal)
        if finding is None or isinstance(finding, Refusal):
            return None if finding is None else finding.code
        claimed = finding.baselines.get(self._context.cid)
        return OK if claimed is None else self._compare(proposal, claimed)

    def _compare(self, proposal: Proposal, claimed: int) -> str | None:
        """Return our verdict as a party: a baseline padded with bad trips makes any share fair."""
        inputs = self._ledger.inputs(proposal.record.capacity, proposal.record.requests)
        if inputs is None:
            return None
        mine = [request.id for request in inputs.requests if request.cid == self._context.cid]
        key = f"own:{digest('own-plan', inputs.capacity_id, *mine).hex()}"
        found = self._own.get(key)
        if found is None:
            return self._plan(key, proposal, inputs)
        if isinstance(found, Failed):
            # Nothing found to compare with leaves the claim standing; a solver that broke does not.
            return "match.baseline_unchecked" if found.code == SOLVER_FAILED else OK
        return "match.baseline_high" if found.minor < claimed else OK

    def _plan(self, key: str, proposal: Proposal, inputs: Inputs) -> str | None:
        """Have our own trips planned, one job at a time."""
        planned = self._planned_for.setdefault(proposal.line, set())
        if key not in planned and len(planned) == MOST_PLANNED:
            return "match.too_many"
        if self._running is None:
            planned.add(key)
            self._running = key
            own = inputs.problem().for_party(party_of(self._context.cid))
            self._context.run(key, attempt_own, own, self._budget)
        return None

    def _sign(self, proposal_id: EntryId, code: str) -> None:
        verdict = Verdict(code=code, level="full", subject=proposal_id)
        self._context.publish(verdict, refs=[proposal_id])

    # --- as a party -------------------------------------------------------------------------

    def _accept_all(self) -> None:
        """Accept what we found right, but no two proposals for one request at a time."""
        cid = self._context.cid
        proposals = [p for p in self._ledger.proposals.values() if cid in p.parties]
        engaged = {
            request
            for proposal in proposals
            if self._is_engaged(proposal)
            for request in self._mine(proposal)
        }
        for proposal in proposals:
            is_right = self._ledger.verdict(proposal.id) == OK
            is_new = cid not in self._ledger.accepts.get(proposal.id, {})
            if is_right and is_new and engaged.isdisjoint(self._mine(proposal)):
                engaged |= self._mine(proposal)
                self._context.publish(MatchAccept(proposal=proposal.id), refs=[proposal.id])

    def _is_engaged(self, proposal: Proposal) -> bool:
        """Return whether we accepted and it may still come about."""
        if self._context.cid not in self._ledger.accepts.get(proposal.id, {}):
            return False
        status = self._ledger.status(proposal, self._context.now_ms())
        return status.is_live or status is Status.BOOKED

    def _mine(self, proposal: Proposal) -> set[EntryId]:
        known = self._ledger.requests
        mine = self._context.cid
        return {id_ for id_ in proposal.record.requests if id_ in known and known[id_].cid == mine}
