"""Ingest: decides by the pure rules beside it, stores in one commit, tells the rest of the node.

Any number of links may bring batches at once. A decision is made on all decisions before it,
durable or not, and the store keeps them in that order; so batches share a commit and still no two
of them put an entry at one place.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from sheaf_node.config import Limits
from sheaf_node.ingest.control import (
    is_new_fork_proof,
    new_certificate,
    new_history,
)
from sheaf_node.ingest.decision import Decider, Verdict, refused
from sheaf_node.ingest.model import (
    Draft,
    Item,
    Opened,
    Outcome,
    Result,
    Unreadable,
    open_envelope,
)
from sheaf_node.ingest.quota import Quota
from sheaf_node.ingest.rejects import Rejects
from sheaf_node.store import Change
from sheaf_node.store.model import FORKED
from sheaf_protocol.charter import federation_of
from sheaf_protocol.digest import log_id, short
from sheaf_protocol.envelope import Header, make_payload, payload_hash, seal
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.limits import SALT_BYTES
from sheaf_protocol.log import EMPTY, Head
from sheaf_protocol.proof import Checks, Run, split_runs
from sheaf_protocol.subscription import Filter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.events import Arrivals
    from sheaf_node.keyring import Keyring
    from sheaf_node.store import State, Store, StoredEntry
    from sheaf_node.store.effects import Effects
    from sheaf_node.store.model import NewPayload
    from sheaf_node.store.planned import Planned
    from sheaf_protocol.charter import Certificate, Federation
    from sheaf_protocol.digest import CoopId, FederationId
    from sheaf_protocol.envelope import Envelope
    from sheaf_protocol.fork import ForkProof
    from sheaf_protocol.identity import KeyOp
    from sheaf_protocol.link.messages import PayloadItem
    from sheaf_protocol.proof import Tail


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
    ) -> None:
        self._store = store
        self._arrivals = arrivals
        self._clock = clock
        self._random = random
        self._keyring = keyring
        self._limits = limits or Limits()
        self._checks = checks
        self.quota = Quota(self._limits, keyring.cid, free_bytes)
        self.subscription = subscription or Filter()
        """Which payloads this node wants."""
        self._rejects = Rejects(self._limits.rejects_per_sender)
        self.rejected = 0
        """Foreign entries refused since the node started, by the sender's fault."""
        self._federations: dict[FederationId, Federation] = {}
        self._found(store.certificates.values())
        arrivals.announce(store.arrival)

    @property
    def federations(self) -> Mapping[FederationId, Federation]:
        """The federations that this co-op is a member of, by id."""
        return self._federations

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
            return _change(verdicts), verdicts

        verdicts, stored = await self._store.transact(decide, then=self._tell)
        if len(readable) < len(items):
            verdicts = _with_unreadable(items, verdicts)
        for item, verdict in zip(items, verdicts, strict=True):
            if verdict.outcome is Outcome.REJECTED and verdict.code is not None:
                self.rejected += 1
                if verdict.is_of_bytes:
                    self._rejects.remember(sender, item.envelope, verdict.code)
        return _results(items, verdicts, stored)

    async def receive_payloads(self, fid: FederationId, items: Sequence[PayloadItem]) -> None:
        """Take in payloads of entries that are held without them.

        Passed over are those that are here or erased by now, and those of a place that is not held
        in the federation, or for which there is no room. Raises RemoteProtocolError
        `env.payload_hash`, `enc.*`; nothing of them is then stored.
        """

        def decide(planned: Planned) -> tuple[Change, None]:
            decider = self._decider(planned)
            found = [decider.fill(fid, item.log, item.seq, item.payload) for item in items]
            return Change(payloads=[payload for payload in found if payload is not None]), None

        await self._store.transact(decide, then=self._tell)

    async def publish(self, fid: FederationId, drafts: Sequence[Draft]) -> list[StoredEntry]:
        """Sign our own entries, in order, and store all of them or none.

        They pass the same rules as everybody's. What would be stored without effect is refused
        here instead. Raises LocalProtocolError with the code of the rule.
        """

        def decide(planned: Planned) -> tuple[Change, None]:
            self.quota.require_disk()
            runs = _each_alone(self._sign(planned.state, fid, drafts))
            decider = self._decider(planned)
            verdicts = [verdict for run in runs for verdict in decider.decide(run)]
            for verdict in verdicts:
                if verdict.outcome is not Outcome.NEW:
                    detail = verdict.detail or "expected an entry that has effect"
                    raise LocalProtocolError(verdict.code or "log.known", detail)
            return _change(verdicts), None

        _, stored = await self._store.transact(decide, then=self._tell)
        return stored

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
        return is_changed

    async def receive_certificate(
        self,
        certificate: Certificate,
        *,
        key_logs: Mapping[CoopId, Sequence[KeyOp]] = MappingProxyType({}),
    ) -> bool:
        """Take in a federation's certificate; return whether it was new.

        Its founders' key logs are merged with those in `key_logs`, under the anchors that the
        certificate brings, and stored with it or not at all. Raises RemoteProtocolError
        `charter.*`, `key.*`, `enc.*`, `schema.invalid`.
        """

        def decide(planned: Planned) -> tuple[Change, bool]:
            changed = new_certificate(
                planned.state,
                certificate,
                key_logs,
                own=self._keyring.cid,
                most=self._limits.key_logs,
            )
            if changed is None:
                return Change(), False
            return Change(key_histories=changed, certificates=[certificate]), True

        is_new, _ = await self._store.transact(decide, then=self._tell)
        return is_new

    async def receive_fork_proof(self, proof: ForkProof) -> bool:
        """Take in a proof that a writer forked its log; return whether it says more than we knew.

        Raises RemoteProtocolError `fork.*`, `env.*`, `key.unknown`, `charter.unknown_federation`.
        """

        def decide(planned: Planned) -> tuple[Change, bool]:
            meter = self.quota.meter(planned.state.usage)
            is_new = is_new_fork_proof(planned, proof, self._federations, meter)
            return Change(fork_proofs=[proof] if is_new else []), is_new

        is_new, _ = await self._store.transact(decide, then=self._tell)
        return is_new

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
            return _each_alone(items)  # LOG-23: so that one without its own is refused
        return split_runs(items, tails, self._checks)

    def _decider(self, planned: Planned) -> Decider:
        meter = self.quota.meter(planned.state.usage)
        return Decider(
            planned,
            self._federations,
            now_ms=self._clock.now_ms(),
            meter=meter,
            subscription=self.subscription,
        )

    def _sign(self, state: State, fid: FederationId, drafts: Sequence[Draft]) -> list[Opened]:
        cid, wid = self._keyring.cid, self._keyring.wid
        held = state.logs.get(log_id(fid, cid, wid))
        if held is not None and held.forked_at is not None:
            # Not even below the fork: this node may be an old copy that knows less than its peers.
            detail = f"expected a new writer: {short(wid)} is proven to have forked its log"
            raise LocalProtocolError(FORKED, f"{detail} at {held.forked_at}")
        head = EMPTY if held is None else held.head
        items: list[Opened] = []
        for draft in drafts:
            items.append(self._sign_one(fid, draft, head))
            header = items[-1].header
            head = Head(seq=header.seq, id=items[-1].id, time_ms=header.time_ms)
        return items

    def _sign_one(self, fid: FederationId, draft: Draft, head: Head) -> Opened:
        payload = make_payload(draft.body, self._random(SALT_BYTES))
        header = Header(
            1,
            fid,
            self._keyring.cid,
            self._keyring.wid,
            head.seq + 1,
            head.id,
            draft.kind,
            # LOG-5: a clock that was set back does not make the log run backwards.
            max(self._clock.now_ms(), head.time_ms),
            draft.expires_ms,
            payload_hash(payload),
            len(payload),
            list(draft.refs),
            0,
        )
        envelope = seal(header, payload, self._keyring.writer)
        item = open_envelope(envelope, envelope.id)
        if isinstance(item, Unreadable):
            raise LocalProtocolError(item.fault.code, item.fault.detail)
        return item

    def _tell(self, effects: Effects) -> None:
        """Tell the rest of the node what became durable."""
        self._found(effects.certificates)
        if effects.entries:
            self._arrivals.announce(effects.entries[-1].arrival)
        if effects.has_control:
            self._arrivals.announce_control()
        if effects.payloads:
            self._arrivals.announce_payloads()

    def _found(self, certificates: Iterable[Certificate]) -> None:
        """Note the federations of certificates that the store has, and so were verified."""
        for certificate in certificates:
            self._federations[certificate.fid] = federation_of(certificate)


def _each_alone(items: Iterable[Opened]) -> list[Run]:
    """Return each entry as a run of its own, which nothing proves but its own signature."""
    return [Run([item]) for item in items]


def _change(verdicts: Sequence[Verdict]) -> Change:
    return Change(
        entries=[v.entry for v in verdicts if v.entry is not None],
        fork_proofs=[v.proof for v in verdicts if v.proof is not None],
        payloads=_payloads(verdicts),
    )


def _payloads(verdicts: Sequence[Verdict]) -> Sequence[NewPayload]:
    """Return the payloads that were lacking, each once however often it came."""
    found = [verdict.payload for verdict in verdicts if verdict.payload is not None]
    return list({new.entry.id: new for new in found}.values())


def _with_unreadable(items: Sequence[Item], verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return the verdicts with those on what could not be read, in the order of the items."""
    left = iter(verdicts)
    return [
        refused(item.fault, is_of_bytes=True) if isinstance(item, Unreadable) else next(left)
        for item in items
    ]


def _results(
    items: Sequence[Item], verdicts: Sequence[Verdict], stored: Sequence[StoredEntry]
) -> list[Result]:
    entries = iter(stored)
    return [
        Result(
            id=item.id,
            outcome=verdict.outcome,
            code=verdict.code,
            detail=verdict.detail,
            entry=None if verdict.entry is None else next(entries),
        )
        for item, verdict in zip(items, verdicts, strict=True)
    ]
