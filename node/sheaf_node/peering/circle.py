"""Which peers a node talks to, and which control items each of them may see.

What a co-op sees of a federation follows from its standing there by the newest certificate:

* A member sees all: the chain, the key logs of all that ever were members and of candidates, the
  fork proofs, and the chains of federations that treaties lead to, with their members' key logs.
* A candidate, on whose admission a ballot is open, sees the chain and the key logs that it is
  checked by: so it can tell who admits it.
* Who left or was expelled sees the same, so that its node can say why it gets no data any more.
* A stranger sees nothing.

A node that the operator configured to dial, and that no charter names, sees our own key log alone:
that is how a joiner meets its federation. Of foreign federations nobody is linked for their sake.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from sheaf_node.ingest.reach import next_end_ms, reachable
from sheaf_node.store.state import header_of
from sheaf_protocol.link import ControlState, HeldKeyLog
from sheaf_protocol.link.control_items import control_messages, key_log_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sheaf_node.clock import Clock
    from sheaf_node.events import Arrivals
    from sheaf_node.ingest import Ingest
    from sheaf_node.store import Store
    from sheaf_protocol.charter import Certificate, Charter, Federation
    from sheaf_protocol.digest import CoopId, Digest, FederationId
    from sheaf_protocol.identity import KeyHistory
    from sheaf_protocol.link.control_items import ControlPiece
    from sheaf_protocol.link.messages import ControlItems, ControlWant


@dataclass(frozen=True, slots=True)
class _Chain:
    """A federation's chain as far as control items go."""

    certificates: Mapping[Digest, Certificate]
    """By their ids, in the order in which they came (CHR-85)."""
    named: frozenset[CoopId]
    """All that a certificate of it ever named, but for late ones."""


class Circle:
    """The co-ops that a node shares federations with."""

    def __init__(
        self, store: Store, ingest: Ingest, arrivals: Arrivals, clock: Clock, own: CoopId
    ) -> None:
        self._store, self._ingest, self._arrivals = store, ingest, arrivals
        self._clock, self._own = clock, own
        self._chains: dict[FederationId, tuple[object, _Chain]] = {}
        self._reach: dict[FederationId, list[FederationId]] = {}
        self._proof_fids: dict[Digest, FederationId] = {}
        self._states: dict[CoopId, ControlState] = {}
        self._version, self._until_ms = -1, 0

    def knows(self, cid: CoopId) -> bool:
        """Return whether a federation of ours names the co-op, as a candidate or ever as more."""
        return any(self._is_named(fid, cid) for fid in self._ours())

    def calls_for(self, cid: CoopId) -> bool:
        """Return whether the co-op's key log is to be kept: something here is judged by it."""
        return self.knows(cid) or any(
            cid in self._chain(fid).named for fid in self._ingest.known.foreign
        )

    def wants(self, fid: FederationId) -> bool:
        """Return whether the chain of a federation is to be kept that was founded without us."""
        self._look_again()
        partners = chain.from_iterable(self._reach.get(ours, ()) for ours in self._ours())
        return fid in self._ingest.known.adopted or fid in partners

    def shared_with(self, cid: CoopId) -> frozenset[FederationId]:
        """Return the founded federations that both we and the co-op are members of now."""
        return frozenset(
            fid
            for fid, federation in self._ingest.federations.items()
            if federation.is_member(cid) and federation.is_member(self._own)
        )

    def control_for(self, cid: CoopId, *, is_narrow: bool = False) -> ControlState:
        """Return the control items that the co-op may see.

        A writer of it that was closed sees its key log alone, which says so.
        """
        if is_narrow:
            history = self._store.key_histories[cid]
            return ControlState(key_logs={cid: _held_key_log(history)})
        self._look_again()
        state = self._states.get(cid)
        if state is None:
            state = self._states[cid] = self._control_for(cid)
        return state

    def answer(
        self, cid: CoopId, want: ControlWant, *, is_narrow: bool = False
    ) -> Iterator[ControlItems]:
        """Yield the messages that answer a peer's want, of what it may see."""
        return control_messages(self._pieces(self.control_for(cid, is_narrow=is_narrow), want))

    def _ours(self) -> Iterator[FederationId]:
        """Yield the federations that we are in, were in, or were told to join."""
        yield from self._ingest.federations
        yield from (fid for fid in self._ingest.known.foreign if fid in self._ingest.known.adopted)

    def _is_named(self, fid: FederationId, cid: CoopId) -> bool:
        return cid in self._ingest.known.candidates.get(fid, ()) or cid in self._chain(fid).named

    def _chain(self, fid: FederationId) -> _Chain:
        held = self._store.chains[fid]
        known = self._chains.get(fid)
        if known is None or known[0] is not held:
            known = self._chains[fid] = (held, _Chain(held.told, frozenset(held.anchors)))
        return known[1]

    def _look_again(self) -> None:
        """Forget what was worked out, where control items have changed or a treaty has ended."""
        now_ms = self._clock.now_ms()
        if self._version == self._arrivals.control and now_ms < self._until_ms:
            return
        self._version = self._arrivals.control
        self._states.clear()
        # A lower proof takes the place of another, again and again where a writer makes them.
        proofs = self._store.fork_proofs
        self._proof_fids = {id_: fid for id_, fid in self._proof_fids.items() if id_ in proofs}
        charters = self._charters()
        self._reach = {
            fid: list(reachable(fid, charters, now_ms))
            for fid, federation in self._ingest.federations.items()
            if federation.is_member(self._own)
        }
        self._until_ms = next_end_ms(charters, now_ms)

    def _charters(self) -> Mapping[FederationId, Charter]:
        held: Iterable[tuple[FederationId, Federation]] = chain(
            self._ingest.federations.items(), self._ingest.known.foreign.items()
        )
        return {fid: federation.charter for fid, federation in held}

    def _control_for(self, cid: CoopId) -> ControlState:
        named = [fid for fid in self._ours() if self._is_named(fid, cid)]
        federations = self._ingest.federations
        inside = [f for f in named if f in federations and federations[f].is_member(cid)]
        # The nearest first: from them the peer learns that the next are to be kept, too.
        beyond = [
            f for ours in inside for f in self._reach.get(ours, ()) if f in self._store.chains
        ]
        chains = [self._chain(fid) for fid in dict.fromkeys([*named, *beyond])]
        visible = {self._own, cid}.union(*(each.named for each in chains))
        visible.update(*(self._ingest.known.candidates.get(fid, ()) for fid in inside))
        histories = self._store.key_histories
        return ControlState(
            key_logs={c: _held_key_log(histories[c]) for c in visible if c in histories},
            certificates=tuple(id_ for each in chains for id_ in each.certificates),
            proofs=frozenset(p for p in self._store.fork_proofs if self._fid_of(p) in inside),
        )

    def _fid_of(self, proof: Digest) -> FederationId:
        fid = self._proof_fids.get(proof)
        if fid is None:
            header = self._store.fork_proofs[proof].first.header
            fid = self._proof_fids[proof] = header_of(header).fid
        return fid

    def _pieces(self, visible: ControlState, want: ControlWant) -> Iterator[ControlPiece]:
        for item in want.key_logs:
            if item.cid in visible.key_logs:
                history = self._store.key_histories[item.cid]
                # Both sides of a division, from where they part at the latest.
                first = min(item.first, history.state.size) if history.rival else item.first
                yield from key_log_parts(item.cid, history.path[first:])
                yield from key_log_parts(item.cid, history.rival[first:])
        yield from self._certificates(visible, frozenset(want.certificates))
        for id_ in want.proofs:
            # Since the want came a lower proof may have taken this one's place.
            if id_ in visible.proofs and id_ in self._store.fork_proofs:
                yield self._store.fork_proofs[id_]

    def _certificates(
        self, visible: ControlState, wanted: frozenset[Digest]
    ) -> Iterator[Certificate]:
        """Yield certificates in the order in which they can be verified (SYN-88)."""
        held = {
            id_: certificate
            for fid in self._store.chains
            for id_, certificate in self._chain(fid).certificates.items()
            if id_ in wanted
        }
        yield from (held[id_] for id_ in visible.certificates if id_ in held)


def _held_key_log(history: KeyHistory) -> HeldKeyLog:
    state = history.state
    branches = tuple(end.heads for end in history.ends)
    return HeldKeyLog(size=state.size, head=state.head, branches=branches)
