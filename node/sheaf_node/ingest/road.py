"""Ingest: decides by the pure rules beside it, stores in one commit, tells the rest of the node.

Any number of links may bring batches at once. A decision is made on all decisions before it,
durable or not, and the store keeps them in that order; so batches share a commit and still no two
of them put an entry at one place.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from sheaf_node.config import Limits
from sheaf_node.ingest.belonging import Belonging
from sheaf_node.ingest.control_road import ControlRoad
from sheaf_node.ingest.decision import Decider, Verdict
from sheaf_node.ingest.fence import Fences, require_promises
from sheaf_node.ingest.guard import Unguarded
from sheaf_node.ingest.known import KnownFederations
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
from sheaf_node.ingest.results import (
    change_of,
    each_alone,
    in_parts,
    results_of,
    runs_of,
    with_unreadable,
)
from sheaf_node.ingest.signing import Signer
from sheaf_node.ingest.succession import handing_over, opens
from sheaf_node.store import Change
from sheaf_node.store.receipt import require_new
from sheaf_node.store.scrub import require_sound
from sheaf_node.turns import Turns
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.proof import Checks, Run
from sheaf_protocol.subscription import Filter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.events import Arrivals
    from sheaf_node.ingest.guard import Guard
    from sheaf_node.keyring import Keyring
    from sheaf_node.store import Store, StoredEntry
    from sheaf_node.store.effects import Effects
    from sheaf_node.store.model import HeldLog
    from sheaf_node.store.planned import Planned
    from sheaf_node.store.receipt import NewReceipt
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.digest import CoopId, FederationId, LogId
    from sheaf_protocol.envelope import Envelope
    from sheaf_protocol.identity import KeyLog
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
        turns: Turns | None = None,
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
        self._turns = turns or Turns()
        self._fences = Fences(store, keyring.cid)
        self._rejects = Rejects(self._limits.rejects_per_sender)
        self.rejected = 0
        """Foreign entries refused since the node started, by the sender's fault."""
        belonging = Belonging(keyring.cid)
        self.known = KnownFederations(belonging, store, arrivals)
        control = ControlRoad(
            store,
            own=keyring.cid,
            belonging=belonging,
            known=self.known,
            quota=self.quota,
            guard=self._guard,
            most_key_logs=self._limits.key_logs,
            then=self._tell,
        )
        # The other half of the road: each says more in `control_road.py`.
        self.receive_key_ops = control.receive_key_ops
        self.receive_certificate = control.receive_certificate
        self.receive_fork_proof = control.receive_fork_proof
        arrivals.announce(store.arrival)

    @property
    def federations(self) -> Mapping[FederationId, Federation]:
        """The federations that this co-op is or was a member of: see `KnownFederations.ours`."""
        return self.known.ours

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

        A large batch is decided part by part, so that what this node does itself comes in between.
        """
        readable = [item for item in items if isinstance(item, Opened)]
        verdicts: list[Verdict] = []
        stored: list[StoredEntry] = []
        waits: list[asyncio.Future[None]] = []
        runs = self._runs(readable, tails, is_live=is_live)
        for part in in_parts(runs, self._turns.piece):
            found, entries, done = await self._store.begin(
                partial(self._decide, part), then=self._tell, is_foreign=True
            )
            verdicts += found
            stored += entries
            waits.append(done)
        await (waits[0] if len(waits) == 1 else asyncio.gather(*waits))
        if len(readable) < len(items):
            verdicts = with_unreadable(items, verdicts)
        for item, verdict in zip(items, verdicts, strict=True):
            if verdict.outcome is Outcome.REJECTED and verdict.code is not None:
                self.rejected += 1
                if verdict.is_of_bytes:
                    self._rejects.remember(sender, item.envelope, verdict.code)
        return results_of(items, verdicts, stored)

    def _decide(self, runs: Sequence[Run], planned: Planned) -> tuple[Change, list[Verdict]]:
        decider = self._decider(planned)
        verdicts = [verdict for run in runs for verdict in decider.decide(run)]
        items = (cast("Sequence[Opened]", run.entries) for run in runs)  # as `take` made them
        self._note_foreign([item for entries in items for item in entries], verdicts)
        return self._change(verdicts), verdicts

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

        await self._store.transact(decide, then=self._tell, is_foreign=True)

    async def until_compared(self) -> None:
        """Return once our own log was compared with a peer, or that was waited for long enough."""
        await self._guard.until_compared()

    async def publish(
        self, fid: FederationId, drafts: Sequence[Draft], *, receipt: NewReceipt | None = None
    ) -> list[StoredEntry]:
        """Sign our own entries, in order, and store all of them or none.

        They pass the same rules as everybody's. What would be stored without effect is refused
        here instead. Raises LocalProtocolError with the code of the rule, `charter.forked` while
        two certificates of one epoch contradict each other, `node.recovering`, `node.doubled`
        and `node.identity_in_use` while this node may not sign, `log.promise` for a promise that
        says less or more than is held. Waits for the first comparison with a peer, at a start.

        A `receipt` is kept with the entries, or neither is: of a request that was answered under
        its key meanwhile nothing is stored (`api.idempotency_busy`, `api.idempotency_full`).
        """
        await self.until_compared()

        def decide(planned: Planned) -> tuple[Change, None]:
            self._guard.require_publishing(draft.kind for draft in drafts)
            require_sound(self._store.damages.values(), self._keyring.cid)
            self.quota.require_disk()
            self._require_new(planned, receipt)
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
            return replace(self._change(verdicts), receipt=receipt), None

        _, stored = await self._store.transact(decide, then=self._tell)
        return stored[len(stored) - len(drafts) :]

    async def keep(self, receipt: NewReceipt) -> None:
        """Keep the receipt of a request that published nothing. Refuses as `publish` does."""

        def decide(planned: Planned) -> tuple[Change, None]:
            self.quota.require_disk()
            self._require_new(planned, receipt)
            return Change(receipt=receipt), None

        await self._store.transact(decide)

    async def hand_over(self, fid: FederationId) -> None:
        """Say whom our writer succeeds in a federation, where that is due and not said yet.

        Raises LocalProtocolError as `publish` does, which says it first if nobody did.
        """
        # While the home is restored, what restores it says so, after what has to come before.
        self._guard.require_publishing([_ORDINARY])
        if self._handing_over(self._store.key_logs, self._store.logs, fid):
            await self.publish(fid, [])

    def _require_new(self, planned: Planned, receipt: NewReceipt | None) -> None:
        if receipt is not None:
            require_new(planned, receipt, self._limits.receipt_mb << 20)

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
        return runs_of(items, tails, self._checks, is_live=is_live)

    def _decider(self, planned: Planned) -> Decider:
        meter = self.quota.meter(planned.state.usage)
        return Decider(
            planned,
            partial(self.known.in_force, planned.state),
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
            self.known.learn()
        if effects.entries:
            self._arrivals.announce(effects.entries[-1].arrival)
        if effects.has_control:
            self._arrivals.announce_control()
        if effects.payloads:
            self._arrivals.announce_payloads()


_UNSEEN: Final = (Outcome.NEW, Outcome.NO_EFFECT, Outcome.FORK)
