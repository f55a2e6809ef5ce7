"""The state of a store at its last commit, read once when it is opened."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sheaf_node.store.histories import Histories, Unfolded
from sheaf_node.store.model import HeldLog
from sheaf_node.store.receipt import OVERHEAD
from sheaf_node.store.state import State, header_of
from sheaf_protocol.charter import Certificate, Chain
from sheaf_protocol.codec import decode
from sheaf_protocol.digest import CoopId, EntryId, FederationId, WriterId, log_id, short
from sheaf_protocol.envelope import entry_id
from sheaf_protocol.errors import ProtocolError, Refusal
from sheaf_protocol.fork import decode_fork_proof
from sheaf_protocol.identity import KeyOp, begin_history, merge
from sheaf_protocol.limits import MAX_CERTIFICATE
from sheaf_protocol.link import Cursor
from sheaf_protocol.log import EMPTY, Head

if TYPE_CHECKING:
    import sqlite3

    from sheaf_protocol.digest import Digest
    from sheaf_protocol.identity import KeyHistory

_Rows: TypeAlias = tuple[list[bytes], list[bytes]]
"""The operations of a path and of its rival, as they are stored."""

_MAX_STORED: Final = 2 * MAX_CERTIFICATE
"""A body of the largest size, and the approvals beside it."""

_HEADS: Final = (
    "SELECT number, fid, cid, wid, forked_at, id, header, arrival, bytes FROM logs"
    " LEFT JOIN entries"
    " ON log = number AND seq = (SELECT MAX(seq) FROM entries WHERE log = number)"
)

# Where the newest entries were deleted with their log, their numbers are not given again.
_NEWEST: Final = (
    "SELECT MAX(COALESCE((SELECT MAX(arrival) FROM entries), 0),"
    " COALESCE((SELECT value FROM store WHERE key = 'arrival'), 0))"
)


_RECEIPTS: Final = "SELECT COALESCE(SUM(? + LENGTH(reply)), 0) FROM receipts"


def load_state(connection: sqlite3.Connection) -> State:
    """Return the state at the last commit. Raises Refusal `store.corrupt`."""
    state = State()
    (state.arrival,) = connection.execute(_NEWEST).fetchone()
    (state.receipt_bytes,) = connection.execute(_RECEIPTS, (OVERHEAD,)).fetchone()
    try:
        _load_control(connection, state)
        for row in connection.execute(_HEADS):
            held = _held(row)
            state.add_log(log_id(held.fid, held.cid, held.wid), held)
    except ProtocolError as exc:
        raise corrupt(f"expected valid key logs and heads: {exc.detail}") from exc
    except (TypeError, ValueError, LookupError) as exc:  # a column of another type or number
        raise corrupt(f"expected valid key logs and heads: {exc}") from exc
    return state


def corrupt(detail: str) -> Refusal:
    """Return the refusal of a store whose bytes are not what was written."""
    return Refusal("store.corrupt", f"the file is damaged: {detail}")


def _load_control(connection: sqlite3.Connection, state: State) -> None:
    chains: defaultdict[FederationId, list[Certificate]] = defaultdict(list)
    for fid, data in connection.execute("SELECT fid, data FROM certificates ORDER BY number"):
        chains[FederationId(fid)].append(decode(data, Certificate, limit=_MAX_STORED))
    for of, certificates in chains.items():
        if certificates[0].fid != of:
            raise corrupt(f"expected the genesis of federation {short(of)}")
        state.add_chain(of, Chain.of(certificates))
    branches: defaultdict[CoopId, _Rows] = defaultdict(lambda: ([], []))
    sql = "SELECT cid, branch, data FROM key_ops ORDER BY cid, branch, seq"
    for cid, branch, data in connection.execute(sql):
        branches[CoopId(cid)][branch].append(data)
    state.key_histories = Histories(
        {
            cid: Unfolded(partial(_fold, rows, state.anchors_of(cid)))
            for cid, rows in branches.items()
        }
    )
    for (data,) in connection.execute("SELECT data FROM fork_proofs"):
        proof = decode_fork_proof(data)
        state.fork_proofs[proof.id] = proof
        state.proof_of[header_of(proof.first.header).log] = proof
    for wid, fid, store_id, theirs, ours in connection.execute("SELECT * FROM cursors"):
        cursor = Cursor(store_id=store_id, theirs=theirs, ours=ours)
        state.cursors[WriterId(wid), FederationId(fid)] = cursor


def _fold(rows: _Rows, anchors: frozenset[Digest]) -> KeyHistory:
    try:
        path, rival = ([decode(data, KeyOp) for data in branch] for branch in rows)
        history = begin_history(path)
        return merge(history, rival, anchors) if rival else history
    except ProtocolError as exc:
        raise corrupt(f"expected a valid key log: {exc.detail}") from exc
    except (TypeError, ValueError) as exc:
        raise corrupt(f"expected a valid key log: {exc}") from exc


def _held(row: tuple[Any, ...]) -> HeldLog:
    number, fid, cid, wid, forked_at, id_, header, arrival, size = row
    head = EMPTY
    if header is not None:
        if entry_id(header) != id_:
            raise corrupt(f"expected the head of log {number} to hash to its id")
        last = header_of(header)
        if [last.fid, last.cid, last.wid] != [fid, cid, wid]:
            # Else our own log would not be known as ours, and be begun a second time.
            raise corrupt(f"expected log {number} to be that of its head")
        head = Head(seq=last.seq, id=EntryId(id_), time_ms=last.time_ms)
    return HeldLog(
        fid=FederationId(fid),
        cid=CoopId(cid),
        wid=WriterId(wid),
        number=number,
        head=head,
        arrival=arrival or 0,
        size=size,
        forked_at=forked_at,
    )
