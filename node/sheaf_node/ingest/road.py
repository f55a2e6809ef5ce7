"""Ingest: decides by the pure rules beside it, stores in one commit, tells the rest of the node.

Any number of links may bring batches at once. A decision is made on all decisions before it,
durable or not, and the store keeps them in that order; so batches share a commit and still no two
of them put an entry at one place.
"""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from sheaf_node.config import Limits
from sheaf_node.ingest.belonging import Belonging
from sheaf_node.ingest.control import (
    is_new_fork_proof,
    new_certificate,
    new_history,
)
from sheaf_node.ingest.decision import Decider, Verdict
from sheaf_node.ingest.fence import Fences, require_promises
from sheaf_node.ingest.guard import Unguarded
from sheaf_node.ingest.judge import changed_by
from sheaf_node.ingest.model import (
    Draft,
    Item,
    Opened,
    Outcome,
    Result,
    open_envelope,
)
from sheaf_node.ingest.quota import Quota
from sheaf_node.ingest.rejects import Rejects
from sheaf_node.ingest.results import change_of, each_alone, results_of, with_unreadable
from sheaf_node.ingest.signing import Signer
from sheaf_node.ingest.succession import handing_over, opens
from sheaf_node.store import Change
from sheaf_node.store.scrub import require_sound
from sheaf_protocol.envelope import decode_header, entry_id
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.proof import Checks, Run, split_runs
from sheaf_protocol.subscription import Filter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.events import Arrivals
    from sheaf_node.ingest.guard import Guard
    from sheaf_node.keyring import Keyring
    from sheaf_node.store import State, Store, StoredEntry
    from sheaf_node.store.effects import Effects
    from sheaf_node.store.model import HeldLog
    from sheaf_node.store.planned import Planned
    from sheaf_protocol.charter import Certificate, Federation
    from sheaf_protocol.digest import CoopId, FederationId, LogId
    from sheaf_protocol.envelope import Envelope
    from sheaf_protocol.fork import ForkProof
    from sheaf_protocol.identity import KeyLog, KeyOp
    from sheaf_protocol.link.messages import PayloadItem
    from sheaf_protocol.proof import Tail


_ORDINARY: Final = "verdict"
"""A kind that any member may publish at any time, and none that restores a writer."""


class Ingest:
    """The only writer of the store's content.

    Every method returns once its effect is durable; none of them can be half done. All raise
    Refusal `store.*` where the store is closed or has failed.
    """

    def __init__(
        self,
        *,
        store: Store,
        arrivals: Arrivals,
        clock: Clock,
        random: Randomness,
        keyring: Keyring,
        limits: Limits | None = None,
        checks: Checks = Checks.CHAIN,
        subscription: Filter | None = None,
        free_bytes: Callable[[], int] | None = None,
        guard: Guard | None = None,
    ) -> None:
        self._store = store
        self._arrivals = arrivals
        self._clock = clock
        self._keyring = keyring
        self._signer = Signer(keyring, clock, random)
        self._limits = limits or Limits()
        self._checks = checks
        self.quota = Quota(self._limits, keyring.cid, free_bytes)
        self.subscription = subscription or Filter()
        """Which payloads this node wants."""
        self._guard: Guard = guard or Unguarded()
        self._fences = Fences(store, keyring.cid)
        self._rejects = Rejects(self._limits.rejects_per_sender)
        self.rejected = 0
        """Foreign entries refused since the node started, by the sender's fault."""
        self._belonging = Belonging(keyring.cid)
        self.candidates: Mapping[FederationId, frozenset[CoopId]] = MappingProxyType({})
        """The co-ops that members propose to admit, by federation; see `welcome`."""
        self._found()
        arrivals.announce(store.arrival)

    @property
    def federations(self) -> Mapping[FederationId, Federation]:
        """The federations that this co-op is or was a member of, by id, the longest held first.

        Of those that it did not found, only the adopted ones.
        """
        return self._federations

    @property
    def foreign(self) -> Mapping[FederationId, Federation]:
        """The other federations of which certificates are held, by id."""
        return self._foreign

    @property
    def adopted(self) -> frozenset[FederationId]:
        """The federations that this home adopted, be it a member or not so far."""
        return self._belonging.adopted

    def adopt(self, *fids: FederationId) -> None:
        """Take these federations for ours, from when they admit our co-op."""
        self._belonging.adopted |= set(fids)
        self._found()
        self._arrivals.announce_control()

    def welcome(self, fid: FederationId, cids: frozenset[CoopId]) -> None:
        """Take up the key logs of these co-ops, and of no others, as candidates of a federation."""
        if self.candidates.get(fid, frozenset()) == cids:
            return
        self.candidates = MappingProxyType({**self.candidates, fid: cids})
        self._arrivals.announce_control()

    def now_ms(self) -> int:
        """Return the time that an entry published now would bear, but for its log's head."""
        return self._clock.now_ms()

    async def receive(
        self,
        envelopes: Sequence[Envelope],
        tails: Sequence[Tail] = (),
        *,
        is_live: bool = False,
        sender: bytes = b"",
    ) -> list[Result]:
        """Open and take in entries that a peer sent: see `open` and `take`."""
        return await self.take(self.open(envelopes, sender), tails, is_live=is_live, sender=sender)

    def open(self, envelopes: Sequence[Envelope], sender: bytes = b"") -> list[Item]:
        """Return received envelopes with their headers, so that each is decoded once.

        `sender` names whose rejections are remembered together.
        """
        return [self._open(envelope, sender) for envelope in envelopes]

    async def take(
        self,
        items: Sequence[Item],
        tails: Sequence[Tail] = (),
        *,
        is_live: bool = False,
        sender: bytes = b"",
    ) -> list[Result]:
        """Take in opened entries in their order; return an answer for each.

        Each carries its payload, and is proven by its own signature, by that of an entry after it
        in its run, or by a tail. Of a live push each is to carry its own. Raises
        RemoteProtocolError `log.tail` where a tail is left over; nothing is then stored.
        """
        readable = [item for item in items if isinstance(item, Opened)]
        runs = self._runs(readable, tails, is_live=is_live)

        def decide(planned: Planned) -> tuple[Change, list[Verdict]]:
            decider = self._decider(planned)
            verdicts = [verdict for run in runs for verdict in decider.decide(run)]
            self._note_foreign(readable, verdicts)
            return self._change(verdicts), verdicts

        verdicts, stored = await self._store.transact(decide, then=self._tell)
        if len(readable) < len(items):
            verdicts = with_unreadable(items, verdicts)
        for item, verdict in zip(items, verdicts, strict=True):
            if verdict.outcome is Outcome.REJECTED and verdict.code is not None:
                self.rejected += 1
                if verdict.is_of_bytes:
                    self._rejects.remember(sender, item.envelope, verdict.code)
        return results_of(items, verdicts, stored)

    async def receive_payloads(self, fid: FederationId, items: Sequence[PayloadItem]) -> None:
        """Take in payloads of entries that are held without them.

        Passed over are those that are here or erased by now, and those of a place that is not held
        in the federation, or for which there is no room. Raises RemoteProtocolError
        `env.payload_hash`, `enc.*`; nothing of them is then stored.
        """

        def decide(planned: Planned) -> tuple[Change, None]:
            decider = self._decider(planned)
            found = [decider.fill(fid, item.log, item.seq, item.payload) for item in items]
            payloads = [payload for payload in found if payload is not None]
            for new in payloads:
                self._fences.note(new.entry.kind, new.entry.header.cid, new.payload)
            return Change(payloads=payloads), None

        await self._store.transact(decide, then=self._tell)

    async def until_compared(self) -> None:
        """Return once our own log was compared with a peer, or that was waited for long enough."""
        await self._guard.until_compared()

    async def publish(self, fid: FederationId, drafts: Sequence[Draft]) -> list[StoredEntry]:
        """Sign our own entries, in order, and store all of them or none.

        They pass the same rules as everybody's. What would be stored without effect is refused
        here instead. Raises LocalProtocolError with the code of the rule, `charter.forked` while
        two certificates of one epoch contradict each other, `node.recovering`, `node.doubled`
        and `node.identity_in_use` while this node may not sign, `log.promise` for a promise that
        says less or more than is held. Waits for the first comparison with a peer, at a start.
        """
        await self.until_compared()

        def decide(planned: Planned) -> tuple[Change, None]:
            self._guard.require_publishing(draft.kind for draft in drafts)
            require_sound(self._store.damages.values(), self._keyring.cid)
            self.quota.require_disk()
            require_promises(planned.state, drafts)
            state = planned.state
            first = () if opens(drafts) else self._handing_over(state.key_logs, state.logs, fid)
            runs = each_alone(self._signer.sign(state, fid, [*first, *drafts]))
            decider = self._decider(planned)
            verdicts = [verdict for run in runs for verdict in decider.decide(run)]
            for verdict in verdicts:
                # What we sign stands at a new place, so that whatever is not new has a code.
                if verdict.code is not None:
                    detail = verdict.detail or "expected an entry that has effect"
                    raise LocalProtocolError(verdict.code, detail)
            return self._change(verdicts), None

        _, stored = await self._store.transact(decide, then=self._tell)
        return stored[len(stored) - len(drafts) :]

    async def hand_over(self, fid: FederationId) -> None:
        """Say whom our writer succeeds in a federation, where that is due and not said yet.

        Raises LocalProtocolError as `publish` does, which says it first if nobody did.
        """
        # While the home is restored, what restores it says so, after what has to come before.
        self._guard.require_publishing([_ORDINARY])
        if self._handing_over(self._store.key_logs, self._store.logs, fid):
            await self.publish(fid, [])

    async def receive_key_ops(self, cid: CoopId, ops: Sequence[KeyOp]) -> bool:
        """Take in a run of operations of a key log; return whether they changed what is held.

        Known ones are passed over, so a whole key log may be sent again; of two branches the one
        of greater authority is kept. Raises RemoteProtocolError `key.*`; its fault tells whether
        asking again later may help.
        """

        def decide(planned: Planned) -> tuple[Change, bool]:
            history = new_history(planned.state, cid, [ops], most=self._limits.key_logs)
            changed = {} if history is None else {cid: history}
            return Change(key_histories=changed), bool(changed)

        is_changed, _ = await self._store.transact(decide, then=self._tell)
        if is_changed:
            self._note_own_keys()
        return is_changed

    async def receive_certificate(
        self,
        certificate: Certificate,
        *,
        key_logs: Mapping[CoopId, Sequence[KeyOp]] = MappingProxyType({}),
        wanted: bool = False,
    ) -> bool:
        """Take in a certificate of a federation, of any epoch; return whether it was new.

        A genesis has to name our co-op, unless it is adopted or `wanted`; others follow on one that
        is held.
        The members' key logs are merged with those in `key_logs`, under the anchors that the
        certificate brings, and stored with it or not at all, together with what it makes of entries
        stored before. Raises RemoteProtocolError `charter.*`, `key.*`, `enc.*`, `schema.invalid`.
        """

        def decide(planned: Planned) -> tuple[Change, bool]:
            taken = new_certificate(
                planned.state,
                certificate,
                key_logs,
                most=self._limits.key_logs,
                belonging=self._belonging,
                is_wanted=wanted,
            )
            if taken is None:
                return Change(), False
            return changed_by(planned, taken), True

        is_new, _ = await self._store.transact(decide, then=self._tell)
        if is_new:
            self._note_own_keys()
        return is_new

    async def receive_fork_proof(self, proof: ForkProof) -> bool:
        """Take in a proof that a writer forked its log; return whether it says more than we knew.

        Raises RemoteProtocolError `fork.*`, `env.*`, `key.unknown`, `charter.unknown_federation`.
        """

        def decide(planned: Planned) -> tuple[Change, bool]:
            meter = self.quota.meter(planned.state.usage)
            federation_of = partial(self._federation_in, planned.state)
            is_new = is_new_fork_proof(planned, proof, federation_of, meter)
            if is_new:
                header = decode_header(proof.first.header)
                self._guard.note_foreign(header, entry_id(proof.first.header))
            return Change(fork_proofs=[proof] if is_new else []), is_new

        is_new, _ = await self._store.transact(decide, then=self._tell)
        return is_new

    def _handing_over(
        self,
        key_logs: Mapping[CoopId, KeyLog],
        logs: Mapping[LogId, HeldLog],
        fid: FederationId,
    ) -> Sequence[Draft]:
        """Return what our writer says of those it succeeds, before the first word of its own."""
        keys = key_logs.get(self._keyring.cid)
        if keys is None:
            return []
        return handing_over(keys, logs, self._store.planned_entry, fid, self._keyring.wid)

    def _open(self, envelope: Envelope, sender: bytes) -> Item:
        code = self._rejects.code(sender, envelope)
        known = None
        if code is not None:
            detail = "expected other bytes than those rejected before"
            known = RemoteProtocolError(code, detail)
        return open_envelope(envelope, envelope.id, known)

    def _runs(
        self, items: Sequence[Opened], tails: Sequence[Tail], *, is_live: bool
    ) -> Sequence[Run]:
        if is_live and tails:
            raise RemoteProtocolError("log.tail", "expected live entries signed, each by itself")
        if is_live and not all(item.envelope.signature for item in items):
            return each_alone(items)  # LOG-23: so that one without its own is refused
        return split_runs(items, tails, self._checks)

    def _decider(self, planned: Planned) -> Decider:
        meter = self.quota.meter(planned.state.usage)
        return Decider(
            planned,
            partial(self._federation_in, planned.state),
            now_ms=self._clock.now_ms(),
            meter=meter,
            subscription=self.subscription,
            fences=self._fences,
        )

    def held_back(self) -> frozenset[LogId]:
        """Return the logs of which we promised to take no more as things stand."""
        return self._fences.held_back(self._store.key_logs, self._store.logs)

    def _note_foreign(self, items: Sequence[Opened], verdicts: Sequence[Verdict]) -> None:
        """Tell the guard of entries of our own co-op that are not held, before they are stored."""
        for item, verdict in zip(items, verdicts, strict=True):
            # One that is ahead of our clock is proven as well, and not stored for now.
            is_unseen = verdict.outcome in _UNSEEN or verdict.code == "clock.ahead"
            if item.header.cid == self._keyring.cid and is_unseen:
                self._guard.note_foreign(item.header, item.id)

    def _change(self, verdicts: Sequence[Verdict]) -> Change:
        """Return the change that verdicts make, with our own promises in it kept from here on."""
        for verdict in verdicts:
            if verdict.entry is not None:
                header = verdict.entry.header
                self._fences.note(header.kind, header.cid, verdict.entry.envelope.payload)
        return change_of(verdicts)

    def _tell(self, effects: Effects) -> None:
        """Tell the rest of the node what became durable."""
        if effects.chains:
            self._found()
        if effects.entries:
            self._arrivals.announce(effects.entries[-1].arrival)
        if effects.has_control:
            self._arrivals.announce_control()
        if effects.payloads:
            self._arrivals.announce_payloads()

    def _note_own_keys(self) -> None:
        log = self._store.key_logs.get(self._keyring.cid)
        if log is not None:
            self._guard.note_keys(log)

    def _found(self) -> None:
        """Note what is in force in federations whose chains the store has, and so were verified."""
        self._federations = self._belonging.ours(self._store.chains)
        self._foreign = self._belonging.foreign(self._store.chains)

    def _federation_in(self, state: State, fid: FederationId) -> Federation | None:
        """Return what is in force in a federation of ours, by all that was decided so far."""
        chain = state.chains.get(fid)
        is_ours = chain is not None and self._belonging.is_ours(fid, chain)
        return chain.federation if chain is not None and is_ours else None


_UNSEEN: Final = (Outcome.NEW, Outcome.NO_EFFECT, Outcome.FORK)
