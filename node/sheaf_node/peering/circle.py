"""Which peers a node talks to, and which control items each of them may see.

A stranger gets nothing. A member of a federation sees that federation's certificate, the key logs
of its members and the fork proofs of its logs. A node that the operator configured to dial, but
which no charter names yet, sees our own key log only: that is how a joiner meets its federation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sheaf_node.store.state import header_of
from sheaf_protocol.charter import Certificate, read_charter
from sheaf_protocol.fork import ForkProof
from sheaf_protocol.limits import MAX_BATCH_BYTES
from sheaf_protocol.link import ControlState, HeldKeyLog
from sheaf_protocol.link.messages import (
    ControlItems,
    ControlWant,
    KeyOps,
    certificate_size,
    key_op_size,
    proof_size,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sheaf_node.events import Arrivals
    from sheaf_node.ingest import Ingest
    from sheaf_node.store import Store
    from sheaf_protocol.digest import CoopId, Digest, FederationId
    from sheaf_protocol.identity import KeyHistory, KeyOp

_Piece: TypeAlias = KeyOps | Certificate | ForkProof


class Circle:
    """The co-ops that a node shares federations with."""

    def __init__(self, store: Store, ingest: Ingest, arrivals: Arrivals, own: CoopId) -> None:
        self._store, self._ingest, self._arrivals, self._own = store, ingest, arrivals, own
        self._members: dict[FederationId, frozenset[CoopId]] = {}
        self._proof_fids: dict[Digest, FederationId] = {}
        self._states: dict[CoopId, ControlState] = {}
        self._version = -1

    def knows(self, cid: CoopId) -> bool:
        """Return whether a charter that we hold names the co-op, founded or not."""
        return bool(self._named_with(cid))

    def shared_with(self, cid: CoopId) -> frozenset[FederationId]:
        """Return the founded federations that both we and the co-op are members of."""
        return frozenset(
            fid
            for fid, federation in self._ingest.federations.items()
            if federation.is_member(cid) and federation.is_member(self._own)
        )

    def control_for(self, cid: CoopId) -> ControlState:
        """Return the control items that the co-op may see."""
        if self._version != self._arrivals.control:
            self._states.clear()
            self._version = self._arrivals.control
        state = self._states.get(cid)
        if state is None:
            state = self._states[cid] = self._control_for(cid)
        return state

    def answer(self, cid: CoopId, want: ControlWant) -> Iterator[ControlItems]:
        """Yield the messages that answer a peer's want, of what it may see."""
        return _packed(self._pieces(self.control_for(cid), want))

    def _named_with(self, cid: CoopId) -> list[FederationId]:
        for fid in self._store.certificates.keys() - self._members.keys():
            charter = read_charter(self._store.certificates[fid])
            self._members[fid] = frozenset(member.cid for member in charter.members)
        return [fid for fid, members in self._members.items() if cid in members]

    def _control_for(self, cid: CoopId) -> ControlState:
        fids = frozenset(self._named_with(cid))
        visible = {self._own, cid}.union(*(self._members[fid] for fid in fids))
        histories = self._store.key_histories
        return ControlState(
            key_logs={c: _held_key_log(histories[c]) for c in visible if c in histories},
            certificates=fids,
            proofs=frozenset(p for p in self._store.fork_proofs if self._fid_of(p) in fids),
        )

    def _fid_of(self, proof: Digest) -> FederationId:
        fid = self._proof_fids.get(proof)
        if fid is None:
            header = self._store.fork_proofs[proof].first.header
            fid = self._proof_fids[proof] = header_of(header).fid
        return fid

    def _pieces(self, visible: ControlState, want: ControlWant) -> Iterator[_Piece]:
        for item in want.key_logs:
            if item.cid in visible.key_logs:
                history = self._store.key_histories[item.cid]
                # Both sides of a division, from where they part at the latest.
                first = min(item.first, history.state.size) if history.rival else item.first
                yield from _parts(item.cid, history.path[first:])
                yield from _parts(item.cid, history.rival[first:])
        for fid in want.certificates:
            if fid in visible.certificates:
                yield self._store.certificates[fid]
        for id_ in want.proofs:
            # Since the want came a lower proof may have taken this one's place.
            if id_ in visible.proofs and id_ in self._store.fork_proofs:
                yield self._store.fork_proofs[id_]


def _held_key_log(history: KeyHistory) -> HeldKeyLog:
    state = history.state
    branches = tuple(end.heads for end in history.ends)
    return HeldKeyLog(size=state.size, head=state.head, branches=branches)


def _parts(cid: CoopId, ops: Sequence[KeyOp]) -> Iterator[KeyOps]:
    """Yield a key log in stretches that fit a message."""
    part: list[KeyOp] = []
    size = 0
    for op in ops:
        if part and size + key_op_size(op) > MAX_BATCH_BYTES:
            yield KeyOps(cid, part)
            part, size = [], 0
        part.append(op)
        size += key_op_size(op)
    if part:
        yield KeyOps(cid, part)


def _packed(pieces: Iterator[_Piece]) -> Iterator[ControlItems]:
    """Yield messages of about a batch each, in the order of the pieces, the last one marked."""
    batch: list[_Piece] = []
    size = 0
    for piece in pieces:
        if batch and size + _size(piece) > MAX_BATCH_BYTES:
            yield _message(batch, is_last=False)
            batch, size = [], 0
        batch.append(piece)
        size += _size(piece)
    yield _message(batch, is_last=True)


def _size(piece: _Piece) -> int:
    match piece:
        case KeyOps():
            return sum(key_op_size(op) for op in piece.ops)
        case Certificate():
            return certificate_size(piece)
        case ForkProof():
            return proof_size(piece)


def _message(batch: Sequence[_Piece], *, is_last: bool) -> ControlItems:
    return ControlItems(
        [piece for piece in batch if isinstance(piece, KeyOps)],
        [piece for piece in batch if isinstance(piece, Certificate)],
        [piece for piece in batch if isinstance(piece, ForkProof)],
        is_last,
    )
