"""Reads of what was committed, on a connection that cannot write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sheaf_node.store.model import HeldLog, StoredEntry
from sheaf_node.store.state import State, header_of
from sheaf_protocol.charter import Certificate
from sheaf_protocol.codec import decode
from sheaf_protocol.digest import CoopId, EntryId, FederationId, WriterId, log_id
from sheaf_protocol.envelope import Envelope, entry_id
from sheaf_protocol.errors import ProtocolError, Refusal
from sheaf_protocol.identity import KeyOp, fold_key_log
from sheaf_protocol.limits import MAX_CERTIFICATE
from sheaf_protocol.log import EMPTY, Head, decode_fork_proof

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

_ENTRY: Final = (
    "SELECT arrival, id, header, signature, payload, kind, no_effect, proven_by_seq FROM entries"
)
_HEADS: Final = (
    "SELECT number, fid, cid, wid, forked_at, id, header FROM logs LEFT JOIN entries"
    " ON log = number AND seq = (SELECT MAX(seq) FROM entries WHERE log = number)"
)


class Reader:
    """Queries over one read-only connection, for the thread that opened it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def entry(self, id_: EntryId) -> StoredEntry | None:
        """Return the entry with this id, or None."""
        return self._one(f"{_ENTRY} WHERE id = ?", (id_,))

    def entry_at(self, number: int, seq: int) -> StoredEntry | None:
        """Return the entry at a place of a log, or None."""
        return self._one(f"{_ENTRY} WHERE log = ? AND seq = ?", (number, seq))

    def entries_after(self, arrival: int, limit: int) -> list[StoredEntry]:
        """Return the next entries in the order of arrival."""
        sql = f"{_ENTRY} WHERE arrival > ? ORDER BY arrival LIMIT ?"
        return [_entry(row) for row in self._connection.execute(sql, (arrival, limit))]

    def log_entries(self, number: int, first: int, last: int, max_bytes: int) -> list[StoredEntry]:
        """Return entries of a log from `first` that a receiver can prove.

        The list ends at a signed entry, which may lie a little beyond `last` or, where the bytes
        run out, before it. At least one entry comes whatever its size. Where no signature follows,
        the list ends with the log: then its co-op's cut or a fork proof proves the rest.
        """
        sql = f"{_ENTRY} WHERE log = ? AND seq >= ? ORDER BY seq"
        rows = self._connection.execute(sql, (number, first))
        return _provable((_entry(row) for row in rows), last, max_bytes)

    def store_id(self) -> bytes:
        """Return the id that the store was given when it was made."""
        sql = "SELECT value FROM store WHERE key = 'store_id'"
        return bytes(self._connection.execute(sql).fetchone()[0])

    def state(self) -> State:
        """Return the state at the last commit. Raises Refusal `store.corrupt`."""
        state = State()
        (state.arrival,) = self._rows("SELECT COALESCE(MAX(arrival), 0) FROM entries")[0]
        try:
            self._load_control(state)
            for row in self._rows(_HEADS):
                held = _held(row)
                state.logs[log_id(held.fid, held.cid, held.wid)] = held
        except ProtocolError as exc:
            raise corrupt(f"expected valid key logs and heads: {exc.detail}") from exc
        return state

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _load_control(self, state: State) -> None:
        for cid, data in self._rows("SELECT cid, data FROM key_ops ORDER BY cid, seq"):
            state.key_ops.setdefault(CoopId(cid), []).append(decode(data, KeyOp))
        for cid, ops in state.key_ops.items():
            state.key_logs[cid] = fold_key_log(ops)
        for fid, data in self._rows("SELECT fid, data FROM certificates"):
            certificate = decode(data, Certificate, limit=MAX_CERTIFICATE)
            state.certificates[FederationId(fid)] = certificate
        for (data,) in self._rows("SELECT data FROM fork_proofs"):
            proof = decode_fork_proof(data)
            state.fork_proofs[proof.id] = proof
            state.proof_of[header_of(proof.first.header).log] = proof

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql).fetchall()

    def _one(self, sql: str, key: tuple[object, ...]) -> StoredEntry | None:
        row = self._connection.execute(sql, key).fetchone()
        return None if row is None else _entry(row)


def corrupt(detail: str) -> Refusal:
    """Return the refusal of a store whose bytes are not what was written."""
    return Refusal("store.corrupt", f"the file is damaged: {detail}")


def _entry(row: tuple[Any, ...]) -> StoredEntry:
    arrival, id_, header, signature, payload, kind, no_effect, proven_by_seq = row
    return StoredEntry(
        arrival=arrival,
        id=EntryId(id_),
        envelope=Envelope(header, signature or b"", payload or b""),
        header=header_of(header),
        kind=kind,
        no_effect=no_effect,
        proven_by_seq=proven_by_seq,
    )


def _held(row: tuple[Any, ...]) -> HeldLog:
    number, fid, cid, wid, forked_at, id_, header = row
    head = EMPTY
    if header is not None:
        if entry_id(header) != id_:
            raise corrupt(f"expected the head of log {number} to hash to its id")
        last = header_of(header)
        head = Head(seq=last.seq, id=EntryId(id_), time_ms=last.time_ms)
    return HeldLog(
        fid=FederationId(fid),
        cid=CoopId(cid),
        wid=WriterId(wid),
        number=number,
        head=head,
        forked_at=forked_at,
    )


def _provable(entries: Iterable[StoredEntry], last: int, max_bytes: int) -> list[StoredEntry]:
    taken: list[StoredEntry] = []
    provable = size = 0
    for entry in entries:
        size += entry.envelope.size
        if provable and size > max_bytes:
            break
        taken.append(entry)
        if entry.envelope.signature:
            provable = len(taken)
            if entry.header.seq >= last:
                break
    return taken[:provable] if provable else taken
