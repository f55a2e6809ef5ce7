"""Ingest: decides by the pure rules beside it, stores in one commit, tells the rest of the node.

Any number of links may bring batches at once. A decision is made on all decisions before it,
durable or not, and the store keeps them in that order; so batches share a commit and still no two
of them put an entry at one place.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from sheaf_node.config import Limits
from sheaf_node.ingest.control import is_new_fork_proof, new_certificate, new_key_ops
from sheaf_node.ingest.decision import Decider, Verdict, refused
from sheaf_node.ingest.model import Draft, Opened, Outcome, Result, open_envelope
from sheaf_node.ingest.rejects import Rejects
from sheaf_node.store import Change
from sheaf_node.store.model import FORKED
from sheaf_protocol.charter import found
from sheaf_protocol.digest import EntryId, log_id, short
from sheaf_protocol.envelope import Header, make_payload, payload_hash, seal
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.limits import SALT_BYTES
from sheaf_protocol.log import EMPTY, Head

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.events import Arrivals
    from sheaf_node.keyring import Keyring
    from sheaf_node.store import State, Store, StoredEntry
    from sheaf_node.store.state import Effects
    from sheaf_node.store.store import Planned
    from sheaf_protocol.charter import Certificate, Federation
    from sheaf_protocol.digest import CoopId, FederationId
    from sheaf_protocol.envelope import Envelope
    from sheaf_protocol.identity import KeyOp
    from sheaf_protocol.log import ForkProof


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
    ) -> None:
        self._store = store
        self._arrivals = arrivals
        self._clock = clock
        self._random = random
        self._keyring = keyring
        self._limits = limits or Limits()
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

    async def receive(self, envelopes: Sequence[Envelope], *, sender: bytes = b"") -> list[Result]:
        """Take in entries that a peer sent, in their order; return an answer for each.

        Each carries its own signature and payload. `sender` names whose rejections are remembered
        together.
        """
        items = [self._open(envelope, sender) for envelope in envelopes]

        def decide(planned: Planned) -> tuple[Change, list[Verdict]]:
            decider = self._decider(planned)
            verdicts = [
                decider.decide(item) if isinstance(item, Opened) else item[1] for item in items
            ]
            return _change(verdicts), verdicts

        verdicts, stored = await self._store.transact(decide, then=self._tell)
        for envelope, verdict in zip(envelopes, verdicts, strict=True):
            if verdict.outcome is Outcome.REJECTED and verdict.code is not None:
                self.rejected += 1
                self._rejects.remember(sender, envelope, verdict.code)
        ids = [item.id if isinstance(item, Opened) else item[0] for item in items]
        return _results(ids, verdicts, stored)

    async def publish(self, fid: FederationId, drafts: Sequence[Draft]) -> list[StoredEntry]:
        """Sign our own entries, in order, and store all of them or none.

        They pass the same rules as everybody's. What would be stored without effect is refused
        here instead. Raises LocalProtocolError with the code of the rule.
        """

        def decide(planned: Planned) -> tuple[Change, None]:
            items = self._sign(planned.state, fid, drafts)
            decider = self._decider(planned)
            verdicts = [decider.decide(item) for item in items]
            for verdict in verdicts:
                if verdict.outcome is not Outcome.NEW:
                    detail = verdict.detail or "expected an entry that has effect"
                    raise LocalProtocolError(verdict.code or "log.known", detail)
            return _change(verdicts), None

        _, stored = await self._store.transact(decide, then=self._tell)
        return stored

    async def receive_key_ops(self, cid: CoopId, ops: Sequence[KeyOp]) -> bool:
        """Take in operations of a key log; return whether any was new.

        Known ones are passed over, so a whole key log may be sent again. Raises RemoteProtocolError
        `key.*`; its fault tells whether asking again later may help.
        """

        def decide(planned: Planned) -> tuple[Change, bool]:
            new = new_key_ops(planned.state, cid, ops, most=self._limits.key_logs)
            return Change(key_ops=new), bool(new)

        is_new, _ = await self._store.transact(decide, then=self._tell)
        return is_new

    async def receive_certificate(
        self,
        certificate: Certificate,
        *,
        key_logs: Mapping[CoopId, Sequence[KeyOp]] = MappingProxyType({}),
    ) -> bool:
        """Take in a federation's certificate; return whether it was new.

        Its founders' key logs are taken from `key_logs` where the store lacks them, and stored with
        the certificate or not at all. Raises RemoteProtocolError `charter.*`, `key.*`, `enc.*`,
        `schema.invalid`.
        """

        def decide(planned: Planned) -> tuple[Change, bool]:
            ops = new_certificate(
                planned.state,
                certificate,
                key_logs,
                own=self._keyring.cid,
                most=self._limits.key_logs,
            )
            if ops is None:
                return Change(), False
            return Change(key_ops=ops, certificates=[certificate]), True

        is_new, _ = await self._store.transact(decide, then=self._tell)
        return is_new

    async def receive_fork_proof(self, proof: ForkProof) -> bool:
        """Take in a proof that a writer forked its log; return whether it says more than we knew.

        Raises RemoteProtocolError `fork.*`, `env.*`, `key.unknown`, `charter.unknown_federation`.
        """

        def decide(planned: Planned) -> tuple[Change, bool]:
            is_new = is_new_fork_proof(planned.state, proof, self._federations)
            return Change(fork_proofs=[proof] if is_new else []), is_new

        is_new, _ = await self._store.transact(decide, then=self._tell)
        return is_new

    def _open(self, envelope: Envelope, sender: bytes) -> Opened | tuple[EntryId, Verdict]:
        id_ = envelope.id
        code = self._rejects.code(sender, envelope)
        if code is not None:
            detail = "expected other bytes than those rejected before"
            return id_, Verdict(outcome=Outcome.REJECTED, code=code, detail=detail)
        try:
            return open_envelope(envelope, id_)
        except RemoteProtocolError as exc:
            return id_, refused(exc)

    def _decider(self, planned: Planned) -> Decider:
        return Decider(planned, self._federations, now_ms=self._clock.now_ms())

    def _sign(self, state: State, fid: FederationId, drafts: Sequence[Draft]) -> list[Opened]:
        cid, wid = self._keyring.cid, self._keyring.wid
        held = state.logs.get(log_id(fid, cid, wid))
        if held is not None and held.forked_at is not None:
            # Not even below the fork: this node may be an old copy that knows less than its peers.
            detail = f"expected a new writer: {short(wid)} is proven to have forked its log"
            raise LocalProtocolError(FORKED, f"{detail} at {held.forked_at}")
        head = EMPTY if held is None else held.head
        items = []
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
        try:
            return open_envelope(envelope, envelope.id)
        except RemoteProtocolError as exc:
            raise LocalProtocolError(exc.code, exc.detail) from exc

    def _tell(self, effects: Effects) -> None:
        """Tell the rest of the node what became durable."""
        self._found(effects.certificates)
        if effects.entries:
            self._arrivals.announce(effects.entries[-1].arrival)
        if effects.has_control:
            self._arrivals.announce_control()

    def _found(self, certificates: Iterable[Certificate]) -> None:
        for certificate in certificates:
            self._federations[certificate.fid] = found(certificate, self._store.key_logs)


def _change(verdicts: Sequence[Verdict]) -> Change:
    return Change(
        entries=[v.entry for v in verdicts if v.entry is not None],
        fork_proofs=[v.proof for v in verdicts if v.proof is not None],
    )


def _results(
    ids: Sequence[EntryId], verdicts: Sequence[Verdict], stored: Sequence[StoredEntry]
) -> list[Result]:
    entries = iter(stored)
    return [
        Result(
            id=id_,
            outcome=verdict.outcome,
            code=verdict.code,
            detail=verdict.detail,
            entry=None if verdict.entry is None else next(entries),
        )
        for id_, verdict in zip(ids, verdicts, strict=True)
    ]
