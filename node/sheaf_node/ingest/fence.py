"""Where this node stops taking lost logs: its own promises, kept (spec 18, RST-5 and RST-6).

Every promise that our co-op signed holds, under whichever writer, be it void by now or not: what
was promised once is kept once too often rather than broken. So they are found in what is stored,
and need no place of their own. But it holds only where the co-op of that log has said that the
writer is lost (RST-21): a thief of our writer's key could else keep us from logs of his choice.

While the payload of that word is away, which a damaged disk or a peer may see to, nobody can read
which writer it means. A promise on it then holds for the log that it names, if that is one of the
co-op whose word it is: an honest promise was made on what was read, and RST-6 knows no pause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_protocol.codec import decode
from sheaf_protocol.digest import ZERO, EntryId, LogId, log_id, short
from sheaf_protocol.envelope import body_of
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.records import WriterLost, WriterPromise

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sheaf_node.ingest.model import Draft
    from sheaf_node.store import HeldLog, State, Store, StoredEntry
    from sheaf_protocol.digest import CoopId, WriterId
    from sheaf_protocol.identity import KeyLog

LOST: Final = "writer.lost"
PROMISE: Final = "writer.promise"


class Fences:
    """By log, the last place that this node takes while the log's writer is open."""

    def __init__(self, store: Store, own: CoopId) -> None:
        self._store, self._own = store, own
        self._promised: dict[LogId, dict[EntryId, int]] = {}
        self._true: dict[LogId, int] = {}
        for entry in store.promises():
            self.note(entry.kind, entry.header.cid, entry.envelope.payload)

    def seq_of(self, log: LogId) -> int | None:
        """Return after which number a log is held back; None where nothing was promised.

        Promises on a word that is not held wait for it.
        """
        held = []
        for lost, seq in list(self._promised.get(log, {}).items()):
            word = self._store.entry(lost)
            if word is None or word.kind != LOST:
                continue
            if not word.envelope.payload:
                held += [seq] if self._is_log_of(log, word) else []
            elif _is_about(log, word):
                del self._promised[log][lost]
                self._true[log] = max(self._true.get(log, 0), seq)
        if log in self._true:
            held.append(self._true[log])
        return max(held, default=None)

    def held_back(
        self, key_logs: Mapping[CoopId, KeyLog], logs: Mapping[LogId, HeldLog]
    ) -> frozenset[LogId]:
        """Return the logs held of which nothing more is taken as things stand."""
        promised = {*self._true, *self._promised}
        held = {log: logs[log] for log in promised if log in logs and self.seq_of(log) is not None}
        return frozenset(
            log for log, each in held.items() if is_open(key_logs.get(each.cid), each.wid)
        )

    def note(self, kind: str, cid: CoopId, payload: bytes) -> None:
        """Take note of an entry that was stored, or is about to be."""
        if kind != PROMISE or cid != self._own or not payload:
            return
        try:
            promise = decode(body_of(payload), WriterPromise)
        except RemoteProtocolError:
            return
        told = self._promised.setdefault(promise.log, {})
        told[promise.lost] = max(told.get(promise.lost, 0), promise.seq)

    def _is_log_of(self, log: LogId, word: StoredEntry) -> bool:
        """Return whether a log is one of an entry's co-op in the entry's federation."""
        header = word.header
        held = self._store.logs.get(log)
        if held is not None:
            return (held.fid, held.cid) == (header.fid, header.cid)
        keys = self._store.key_logs.get(header.cid)
        writers = () if keys is None else keys.writers
        return any(log_id(header.fid, header.cid, wid) == log for wid in writers)


def _is_about(log: LogId, word: StoredEntry) -> bool:
    """Return whether a `writer.lost` is by the co-op of a log, and of that log's writer."""
    try:
        told = decode(body_of(word.envelope.payload), WriterLost)
    except RemoteProtocolError:
        return False
    return log_id(word.header.fid, word.header.cid, told.wid) == log


def require_promises(state: State, drafts: Iterable[Draft]) -> None:
    """Return if promises among drafts say what is held at this moment.

    Raises LocalProtocolError `log.promise`: more came since it was drafted.
    """
    for draft in drafts:
        if draft.kind == PROMISE:
            promise = decode(draft.body, WriterPromise)
            held = state.logs.get(promise.log)
            seq, head = (0, EntryId(ZERO)) if held is None else (held.head.seq, held.head.id)
            if (promise.seq, EntryId(promise.head)) != (seq, head):
                got = f"{promise.seq}, {short(promise.head)}"
                raise LocalProtocolError(
                    "log.promise", f"expected a promise at {seq}, {short(head)}, got {got}"
                )


def is_open(keys: KeyLog | None, wid: WriterId) -> bool:
    """Return whether a writer may still write, so that a promise holds it back."""
    writer = None if keys is None else keys.writers.get(wid)
    return writer is None or not writer.is_closed
