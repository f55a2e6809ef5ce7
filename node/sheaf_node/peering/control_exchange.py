"""Control items on one link: carries out what `ControlSync` decides, over what the circle may see.

As in `exchange.py` the reader of the link calls the `hear_*` methods and `take`, and the writer
calls `pump`, which alone sends. Data follows once control items are settled: then, and whenever
the circle changes, `pump` offers the federations that both sides are members of. Those that one of
them is no longer in are withdrawn at once.

A certificate is judged as it comes. One that stands on what is not here, be it another certificate
or a key log, is let go and asked for again once something here has changed: the peer has it, and we
need no room for it. A founding alone waits, in `strangers.py`, where it makes sense of key logs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import groupby
from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from sheaf_node.peering.policy import OPS, ROWS, is_own_fault
from sheaf_node.peering.strangers import Strangers
from sheaf_protocol.charter import read_charter
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.link import ControlSync
from sheaf_protocol.link.messages import cost

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence

    from sheaf_node.ingest import Ingest
    from sheaf_node.peering.circle import Circle
    from sheaf_node.store import Store
    from sheaf_protocol.charter import Certificate, Charter
    from sheaf_protocol.digest import CoopId, FederationId
    from sheaf_protocol.identity import KeyHistory, KeyOp
    from sheaf_protocol.link import Link
    from sheaf_protocol.link.messages import ControlHave, ControlItems, ControlWant

_UNSEEN: Final = frozenset({"charter.late", "charter.unknown_epoch", "charter.unknown_federation"})
"""Codes of certificates of which no signature was checked: of a chain whose beginning could not be
taken there may be hundreds, and as many of one that parted from ours long ago."""


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
        self._is_narrow = False
        self.is_compared = False
        """Whether the peer told what it holds, and nothing that we asked for is due."""

    def narrow(self) -> None:
        """Let the peer see nothing but its own co-op's key log, and exchange no data with it."""
        self._is_narrow = True

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
        self._answer = self._circle.answer(peer, message, is_narrow=self._is_narrow)

    async def take(self, message: ControlItems) -> None:
        """Give control items to ingest, key logs first, as the others are checked by them.

        Raises RemoteProtocolError for what the link cannot outlive.
        """
        for log in message.key_logs:
            await self._try(self.take_key_ops(log.cid, log.ops))
        for is_founding, run in groupby(message.certificates, is_genesis):
            if is_founding:
                await self._take_foundings(list(run))
            else:
                await self._take_epochs(list(run))
        # What waited for key logs may have all of them now.
        await self._take_foundings([])
        for proof in message.proofs:
            await self._try(self._ingest.receive_fork_proof(proof))
        if message.is_last:
            self._sync.answered()
        self._is_due = True

    def pump(self, peer: CoopId) -> None:
        """Send what is due: what we hold, what we lack, what we are ready for, an answer."""
        if self._is_due:
            self._is_due = False
            ours = self._circle.control_for(peer, is_narrow=self._is_narrow)
            for have in self._sync.tell(ours):
                self._link.send(have)
            want = self._sync.ask(ours)
            if want is not None:
                self._link.send(want)
            self.is_compared = self._sync.is_settled
            self._offer(peer)
        self._pump_answer()

    async def take_key_ops(self, cid: CoopId, ops: Sequence[KeyOp]) -> None:
        """Store operations of a co-op that a charter names; keep those of others for a charter.

        Raises RemoteProtocolError `key.*`, `link.flood`, `link.bad_entries`.
        """
        before = self._store.key_histories.get(cid)
        if before is None and not self._circle.calls_for(cid):
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
                self._set_aside(cid, ops, vain)

    def _set_aside(self, cid: CoopId, ops: Sequence[KeyOp], vain: int) -> None:
        """Keep a weaker side: the peer may hold a certificate by which it is the stronger one."""
        # To check the signatures of a weaker side costs more than to send it.
        self._spend(1 + vain // OPS)
        if not self._strangers.has(cid, ops):
            self._strike("key.fork", "expected a side of greater authority than the one held")
            self._strangers.keep_key_ops(cid, ops)
            self._sync.ask_again()

    def _rejudged(self, cid: CoopId, before: KeyHistory | None, after: KeyHistory) -> int:
        """Return what a change of a key log costs: nothing where it only grew."""
        if before is None or before.state.heads == after.state.heads[: before.state.size]:
            return 0
        used = (each.entries for (_, of), each in self._store.usage.items() if of == cid)
        return 1 + sum(used) // ROWS

    async def _take_foundings(self, certificates: Sequence[Certificate]) -> None:
        """Store founding certificates, each with its founders' key logs.

        Each is judged once, since that may cost thousands of signatures: what could not be taken is
        asked for again, with its key logs, when something here has changed.
        """
        for certificate in certificates:
            self._strangers.keep_certificate(certificate)
        for certificate in self._strangers.ready(self._store.key_logs):
            key_logs = self._strangers.key_logs
            try:
                await self._ingest.receive_certificate(
                    certificate, key_logs=key_logs, wanted=self._circle.wants(certificate.fid)
                )
            except RemoteProtocolError as exc:
                self._count(exc)
                members = self._strangers.members(certificate)
                self._spend(1 + sum(len(key_logs.get(cid, ())) for cid in members) // OPS)
            finally:
                self._strangers.forget(certificate)

    async def _take_epochs(self, certificates: Sequence[Certificate]) -> None:
        """Store certificates of later epochs, each on those before it.

        All are decided before the first is on the disk: a chain of hundreds is one write or a few.
        One that anchors key operations which wait here comes alone, since those have to be checked.
        """
        waiting = deque(certificates)
        while waiting:
            together: list[Certificate] = []
            while waiting and not self._anchored(read_charter(waiting[0])):
                together.append(waiting.popleft())
            outcomes = await asyncio.gather(
                *(self._ingest.receive_certificate(each) for each in together),
                return_exceptions=True,
            )
            for certificate, outcome in zip(together, outcomes, strict=True):
                if isinstance(outcome, RemoteProtocolError):
                    self._count_epoch(certificate, outcome)
                elif isinstance(outcome, BaseException):
                    raise outcome
                else:
                    members = read_charter(certificate).members
                    self._strangers.forget_held(members, self._store.key_histories)
            if waiting:
                await self._take_anchoring(waiting.popleft())

    async def _take_anchoring(self, certificate: Certificate) -> None:
        """Store a certificate of a later epoch with the key logs, kept here, that it anchors."""
        charter = read_charter(certificate)
        chain = None if charter.fid is UNSET else self._store.chains.get(charter.fid)
        if chain is None or charter.prev not in chain.links:
            return  # nothing can be taken of it, and to find out may cost thousands of signatures
        key_logs = self._anchored(charter)
        try:
            await self._ingest.receive_certificate(certificate, key_logs=key_logs)
        except RemoteProtocolError as exc:
            self._count_epoch(certificate, exc)
            self._spend(1 + sum(map(len, key_logs.values())) // OPS)
        else:
            self._strangers.forget_key_logs(key_logs)

    def _anchored(self, charter: Charter) -> Mapping[CoopId, Sequence[KeyOp]]:
        return self._strangers.anchored_by(charter.members, self._store.key_histories)

    def _count_epoch(self, certificate: Certificate, exc: RemoteProtocolError) -> None:
        if exc.code not in _UNSEEN:
            self._spend(1 + len(certificate.approvals) // OPS)
        if exc.fault is Fault.SENDER:
            self._count(exc)

    def _count(self, exc: RemoteProtocolError) -> None:
        """Make the peer answer for a certificate that was not taken.

        Of a federation that a treaty leads to it may know before us; that is no offence, and it is
        asked for again when we know, too. Raises what the link cannot outlive.
        """
        if exc.code == "charter.not_ours":
            return
        if exc.fault is Fault.SENDER and is_own_fault(exc.code):
            raise exc
        self._strike(exc.code, exc.detail)

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
        fids = frozenset() if self._is_narrow else self._circle.shared_with(peer)
        if fids != self._offered:
            self._link.offer(fids, self._store.store_id)
            self._offered = fids

    def withdraw(self, peer: CoopId) -> bool:
        """Exchange no more data of federations that one of us is no longer in; return whether
        there are any. It does not wait for control items: whoever is expelled is so at once.
        """
        gone = (self._offered or frozenset()) - self._circle.shared_with(peer)
        if gone:
            self._link.withdraw(gone, self._store.store_id)
            self._offered = (self._offered or frozenset()) - gone
        return bool(gone)

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


def is_genesis(certificate: Certificate) -> bool:
    """Return whether a certificate founds a federation. Raises as `read_charter` does."""
    return read_charter(certificate).epoch == 0
