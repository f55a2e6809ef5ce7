"""How control items come in: key logs, certificates and proofs of forks, each by its own rules."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from sheaf_node.ingest.control import is_new_fork_proof, new_certificate, new_history
from sheaf_node.ingest.judge import changed_by
from sheaf_node.store import Change
from sheaf_protocol.envelope import decode_header, entry_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sheaf_node.ingest.belonging import Belonging
    from sheaf_node.ingest.guard import Guard
    from sheaf_node.ingest.known import KnownFederations
    from sheaf_node.ingest.quota import Quota
    from sheaf_node.store import Store
    from sheaf_node.store.effects import Effects
    from sheaf_node.store.planned import Planned
    from sheaf_protocol.charter import Certificate
    from sheaf_protocol.digest import CoopId
    from sheaf_protocol.fork import ForkProof
    from sheaf_protocol.identity import KeyOp


class ControlRoad:
    """Takes in control items. Every method returns once its effect is durable; none is half done.

    At most `most_key_logs` key logs are held; `then` is called with what became durable.
    """

    def __init__(
        self,
        store: Store,
        *,
        own: CoopId,
        belonging: Belonging,
        known: KnownFederations,
        quota: Quota,
        guard: Guard,
        most_key_logs: int,
        then: Callable[[Effects], None],
    ) -> None:
        self._store, self._own = store, own
        self._belonging, self._known = belonging, known
        self._quota, self._guard = quota, guard
        self._most_key_logs, self._then = most_key_logs, then

    async def receive_key_ops(self, cid: CoopId, ops: Sequence[KeyOp]) -> bool:
        """Take in a run of operations of a key log; return whether they changed what is held.

        Known ones are passed over, so a whole key log may be sent again; of two branches the one
        of greater authority is kept. Raises RemoteProtocolError `key.*`; its fault tells whether
        asking again later may help.
        """

        def decide(planned: Planned) -> tuple[Change, bool]:
            history = new_history(planned.state, cid, [ops], most=self._most_key_logs)
            changed = {} if history is None else {cid: history}
            return Change(key_histories=changed), bool(changed)

        is_changed, _ = await self._store.transact(decide, then=self._then)
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
                most=self._most_key_logs,
                belonging=self._belonging,
                is_wanted=wanted,
            )
            if taken is None:
                return Change(), False
            return changed_by(planned, taken), True

        is_new, _ = await self._store.transact(decide, then=self._then)
        if is_new:
            self._note_own_keys()
        return is_new

    async def receive_fork_proof(self, proof: ForkProof) -> bool:
        """Take in a proof that a writer forked its log; return whether it says more than we knew.

        Raises RemoteProtocolError `fork.*`, `env.*`, `key.unknown`, `charter.unknown_federation`.
        """

        def decide(planned: Planned) -> tuple[Change, bool]:
            meter = self._quota.meter(planned.state.usage)
            federation_of = partial(self._known.in_force, planned.state)
            is_new = is_new_fork_proof(planned, proof, federation_of, meter)
            if is_new:
                header = decode_header(proof.first.header)
                self._guard.note_foreign(header, entry_id(proof.first.header))
            return Change(fork_proofs=[proof] if is_new else []), is_new

        is_new, _ = await self._store.transact(decide, then=self._then)
        return is_new

    def _note_own_keys(self) -> None:
        log = self._store.key_logs.get(self._own)
        if log is not None:
            self._guard.note_keys(log)
