"""Where this node stops taking lost logs: its own promises, kept (spec 18, RST-5 and RST-6).

Every promise that our co-op signed holds, under whichever writer, be it void by now or not: what
was promised once is kept once too often rather than broken. So they are found in what is stored,
and need no place of their own. But it holds only where the co-op of that log has said that the
writer is lost (RST-21): a thief of our writer's key could else keep us from logs of his choice.
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
    from sheaf_node.store import HeldLog, State, Store
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
        for lost, seq in list(self._promised.get(log, {}).items()):
            if self._is_of(log, lost):
                del self._promised[log][lost]
                self._true[log] = max(self._true.get(log, 0), seq)
        return self._true.get(log)

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

    def _is_of(self, log: LogId, lost: EntryId) -> bool:
        """Return whether an entry is the word of a log's own co-op that its writer is lost."""
        entry = self._store.entry(lost)
        if entry is None or entry.kind != LOST or not entry.envelope.payload:
            return False
        header = entry.header
        try:
            told = decode(body_of(entry.envelope.payload), WriterLost)
        except RemoteProtocolError:
            return False
        return log_id(header.fid, header.cid, told.wid) == log


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
