"""Control items on one link: carries out what `ControlSync` decides, over what the circle may see.

As in `exchange.py` the reader of the link calls the `hear_*` methods and `take`, and the writer
calls `pump`, which alone sends. Data follows once control items are settled: then, and whenever
the circle changes, `pump` offers the federations that both sides are members of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.peering.policy import OPS, ROWS, is_own_fault
from sheaf_node.peering.strangers import Strangers
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.link import ControlSync
from sheaf_protocol.link.messages import cost

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence

    from sheaf_node.ingest import Ingest
    from sheaf_node.peering.circle import Circle
    from sheaf_node.store import Store
    from sheaf_protocol.charter import Certificate
    from sheaf_protocol.digest import CoopId, FederationId
    from sheaf_protocol.identity import KeyHistory, KeyOp
    from sheaf_protocol.link import Link
    from sheaf_protocol.link.messages import ControlHave, ControlItems, ControlWant


class ControlExchange:
    """Key logs, certificates and fork proofs, as one link brings and fetches them."""

    def __init__(
        self,
        link: Link,
        *,
        store: Store,
        ingest: Ingest,
        circle: Circle,
        strike: Callable[[str, str], None],
        spend: Callable[[int], None],
    ) -> None:
        # `strike` counts a refusal against the peer, by code and detail; `spend` what it cost us.
        self._link, self._store, self._ingest = link, store, ingest
        self._circle, self._strike, self._spend = circle, strike, spend
        self._sync = ControlSync()
        self._strangers = Strangers()
        self._is_due = True
        self._answer: Iterator[ControlItems] | None = None
        self._next_items: ControlItems | None = None
        self._offered: frozenset[FederationId] | None = None

    def recheck(self) -> None:
        """Compare control items again: ours or the peer's may have changed."""
        self._is_due = True

    def hear_have(self, message: ControlHave) -> None:
        """Take what the peer holds."""
        self._sync.hear(message)
        self._is_due = True

    def hear_want(self, message: ControlWant, peer: CoopId) -> None:
        """Answer this question from here on, and no earlier one."""
        self._next_items = None
        self._answer = self._circle.answer(peer, message)

    async def take(self, message: ControlItems) -> None:
        """Give control items to ingest, key logs first, as the others are checked by them.

        Raises RemoteProtocolError for what the link cannot outlive.
        """
        for log in message.key_logs:
            await self._try(self.take_key_ops(log.cid, log.ops))
        for certificate in message.certificates:
            self._strangers.keep_certificate(certificate)
        for certificate in self._strangers.ready(self._store.key_logs):
            await self._take_certificate(certificate)
        for proof in message.proofs:
            await self._try(self._ingest.receive_fork_proof(proof))
        if message.is_last:
            self._sync.answered()
        self._is_due = True

    def pump(self, peer: CoopId) -> None:
        """Send what is due: what we hold, what we lack, what we are ready for, an answer."""
        if self._is_due:
            self._is_due = False
            ours = self._circle.control_for(peer)
            for have in self._sync.tell(ours):
                self._link.send(have)
            want = self._sync.ask(ours)
            if want is not None:
                self._link.send(want)
            self._offer(peer)
        self._pump_answer()

    async def take_key_ops(self, cid: CoopId, ops: Sequence[KeyOp]) -> None:
        """Store operations of a co-op that a charter names; keep those of others for a charter.

        Raises RemoteProtocolError `key.*`, `link.flood`, `link.bad_entries`.
        """
        before = self._store.key_histories.get(cid)
        if before is None and not self._circle.knows(cid):
            self._strangers.keep_key_ops(cid, ops)
            return
        is_changed = await self._ingest.receive_key_ops(cid, list(ops))
        after = self._store.key_histories[cid]
        if is_changed:
            self._spend(self._rejudged(cid, before, after))
        else:
            held = {head for end in after.ends for head in end.heads}
            vain = sum(op.id not in held for op in ops)
            if vain:
                # To check the signatures of a weaker side costs more than to send it.
                self._spend(1 + vain // OPS)
                self._strike("key.fork", "expected a side of greater authority than the one held")

    def _rejudged(self, cid: CoopId, before: KeyHistory | None, after: KeyHistory) -> int:
        """Return what a change of a key log costs: nothing where it only grew."""
        if before is None or before.state.heads == after.state.heads[: before.state.size]:
            return 0
        used = (each.entries for (_, of), each in self._store.usage.items() if of == cid)
        return 1 + sum(used) // ROWS

    async def _take_certificate(self, certificate: Certificate) -> None:
        """Store a certificate with its founders' key logs.

        It is judged once, since that may cost thousands of signatures: what could not be taken is
        asked for again, with its key logs, when something here has changed.
        """
        key_logs = self._strangers.key_logs
        try:
            await self._ingest.receive_certificate(certificate, key_logs=key_logs)
        except RemoteProtocolError as exc:
            if exc.fault is Fault.SENDER and is_own_fault(exc.code):
                raise
            members = self._strangers.members(certificate)
            self._spend(1 + sum(len(key_logs.get(cid, ())) for cid in members) // OPS)
            self._strike(exc.code, exc.detail)
        finally:
            self._strangers.forget(certificate)

    async def _try(self, storing: Coroutine[None, None, object]) -> None:
        """Store a control item; what may be right later is asked for again later."""
        try:
            await storing
        except RemoteProtocolError as exc:
            if exc.fault is Fault.SENDER and is_own_fault(exc.code):
                raise
            if exc.fault is Fault.SENDER:
                self._strike(exc.code, exc.detail)

    def _offer(self, peer: CoopId) -> None:
        """Say that we are ready for data, once the peer's control items are here."""
        if not self._sync.is_settled:
            return
        fids = self._circle.shared_with(peer)
        if fids != self._offered:
            self._link.offer(fids, self._store.store_id)
            self._offered = fids

    def _pump_answer(self) -> None:
        """Send the answer to the peer's last want, as far as its credit goes."""
        while self._answer is not None:
            if self._next_items is None:
                self._next_items = next(self._answer, None)
            if self._next_items is None:
                self._answer = None
            elif cost(self._next_items) > self._link.credit:
                return
            else:
                self._link.send(self._next_items)
                self._next_items = None
