"""The governance of one federation on one node: a service that is always on (spec 15).

People propose and vote; that is all they do. What passed is certified by the nodes without them:
each looks at its own copy of the votes, takes part in the rounds, and puts the certificate together
as soon as a quorum approved it.

What keeps a node from contradicting itself is its own log: a statement is signed, is durable there,
is folded, and only then the next one is asked for. A node that was killed folds its log first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from sheaf_node.governance.anchoring import Anchoring
from sheaf_node.governance.ballot import Ballots, Bench, Stage, welcome
from sheaf_node.governance.certification import STATEMENTS, Certification
from sheaf_node.governance.epoch import enacted
from sheaf_node.governance.opinion import Opinion
from sheaf_node.governance.request import Requests
from sheaf_node.governance.tallies import installed_tallies
from sheaf_node.governance.view import Report
from sheaf_protocol.governance import Views

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sheaf_node.governance.powers import Powers
    from sheaf_node.plugins import Call, Json, SeenRecord, ServiceContext
    from sheaf_protocol.digest import CoopId, EntryId


class Governance:
    """Folds ballots and rounds; decides what to say next in the rounds."""

    follows: ClassVar[frozenset[str]] = frozenset(
        {"ballot.propose", "ballot.vote", "member.leave"}
        | {"charter.abandon", "charter.accept", "charter.approve", "charter.propose"}
    )
    sees_contested: ClassVar[bool] = True
    """What was said in a round counts for good, also where its author forked its log since."""

    def __init__(self, context: ServiceContext, powers: Powers) -> None:
        self._context, self._powers = context, powers
        self._tallies = installed_tallies()
        self._ballots = Ballots()
        self._certification = Certification(context, powers, context.federation)

    @property
    def commands(self) -> Mapping[str, Callable[[Call], Json]]:
        """`propose`, `vote` and `leave`; and `refound`, where two certificates appeared."""
        requests = self._requests()
        return {
            "leave": requests.leave,
            "propose": requests.propose,
            "refound": requests.refound,
            "vote": requests.vote,
        }

    @property
    def views(self) -> Mapping[str, Callable[[Call], Json]]:
        """`ballots`, `charter`; `export` for who leaves, `refounding` for who settles a fork."""
        report = Report(self._context, self._powers, self._ballots, self.bench())
        return {
            "ballots": report.ballots,
            "charter": lambda call: report.charter(call, self._certification, self._speaks()),
            "export": self._powers.export.page,
            "refounding": self._requests().refounding,
        }

    def fold(self, seen: SeenRecord) -> None:
        """Learn one record."""
        if isinstance(seen.record, STATEMENTS):
            self._powers.statements.note(seen, self._powers.chain)
        elif not seen.is_contested:
            self._ballots.fold(seen)

    def decide(self) -> None:
        """Say the next thing in the round, or put together what a quorum approved."""
        bench = self.bench()
        self._welcome(bench)
        federation = bench.federation
        if self._certification.prev != federation.id:
            self._certification = Certification(self._context, self._powers, federation)
        self._powers.statements.forget(bench.epochs.keys() - {federation.id})
        self._certification.hear(self._powers.statements.on(federation.id))
        certificate = self._certification.certificate()
        if certificate is not None:
            self._powers.certify(certificate)
        elif self._speaks() and not federation.is_forked:
            self._speak(bench)

    def finish(self, key: str, result: object) -> None:
        """Nothing is computed apart."""

    def keeps(self, id_: EntryId) -> bool:
        """Return whether an entry is evidence of a round that is not over, or an open ballot's."""
        if self._powers.statements.has(self._certification.prev, id_):
            return True
        ballot = self._ballots.ballot_of(id_)
        if ballot not in self._ballots.proposals:
            return False
        return self._ballots.held(ballot, self.bench()).stage in {Stage.OPEN, Stage.PASSED}

    def bench(self) -> Bench:
        """Return what ballots are judged by at this moment."""
        epochs = self._powers.epochs.in_force(self._powers.chain)
        return Bench(
            federation=self._context.federation,
            epochs=epochs,
            enacted=enacted(epochs),
            tallies=self._tallies,
            histories=self._powers.histories,
            now_ms=self._context.now_ms(),
        )

    def opinion(self, bench: Bench) -> Opinion:
        """Return what our node would certify, at this moment."""
        return Opinion(
            own=self._context.cid,
            wid=self._context.wid,
            bench=bench,
            ballots=self._ballots,
            anchoring=Anchoring(
                bench.federation.charter,
                self._powers.histories,
                self._powers.sightings,
                bench.now_ms,
            ),
            drafts=self._certification.drafts,
            powers=self._powers,
            voices=self._powers.voices(bench.federation),
            heads=self._context.heads(),
        )

    def _requests(self) -> Requests:
        return Requests(self._context, self._powers, self._ballots, self.bench, self.opinion)

    def _welcome(self, bench: Bench) -> None:
        """Let in the key logs of candidates, and wake up when the next ballot closes."""
        live = self._ballots.live(bench)
        for held in live:
            if held.stage is Stage.OPEN and held.proposal.closes_at_ms > bench.now_ms:
                self._context.wake_at(held.proposal.closes_at_ms)
        self._powers.welcome(cast("CoopId", each.proposal.change.cid) for each in welcome(live))

    def _speaks(self) -> bool:
        """Return whether this node speaks for its co-op: one of its writers does, the first."""
        context = self._context
        if context.cid not in context.federation.voters:
            return False
        return self._powers.first_writer(context.cid, context.now_ms()) == context.wid

    def _speak(self, bench: Bench) -> None:
        opinion = self.opinion(bench)
        opinion.anchoring.tidy()
        value = opinion.value()
        views = Views(
            value=lambda: value,
            derive=self._certification.drafts.id,
            agrees=opinion.agrees,
            may_approve=self._certification.may_approve,
        )
        step = self._certification.next_step(
            views, now_ms=bench.now_ms, has_value=value is not None
        )
        if step is not None:
            said, refs = step
            self._context.publish(cast("Any", said), refs=refs)
        for due_ms in (self._certification.due_ms, opinion.anchoring.due_ms()):
            if due_ms is not None and due_ms > bench.now_ms:
                self._context.wake_at(due_ms)
