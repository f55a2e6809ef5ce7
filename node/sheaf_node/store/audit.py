"""What is checked of a store before it is used: the end of our own log, byte by byte.

SQLite's own check finds about one bit flip in a hundred, the hash chain nearly all. A damaged copy
of another's log can be fetched again; a damaged log of our own would be continued on a wrong head,
which is a fork in our own name, so the store is not opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_node.store.loading import corrupt
from sheaf_protocol.digest import EntryId, WriterId, short
from sheaf_protocol.envelope import open_header, verify_signature
from sheaf_protocol.errors import ProtocolError
from sheaf_protocol.proof import prove_tail

if TYPE_CHECKING:
    from sheaf_node.store.model import HeldLog
    from sheaf_node.store.reader import Reader
    from sheaf_node.store.state import State

TAIL: Final = 256
"""Entries checked at the end of each own log: 20 ms."""


def verify_own_logs(reader: Reader, state: State, own: WriterId, *, most: int = TAIL) -> None:
    """Return if the last entries of the writer's logs are as written, else raise `store.corrupt`.

    Of each log the last `most` are looked at: form, payload hash, signature, and the chain of ids
    up to the head.
    """
    for held in state.logs.values():
        if held.wid == own:
            state.key_logs.get(held.cid)  # folded here, so that damage to it shows before use
            _verify_tail(reader, held, most)


def _verify_tail(reader: Reader, held: HeldLog, most: int) -> None:
    expected: EntryId = held.head.id
    for seq in range(held.head.seq, max(0, held.head.seq - most), -1):
        try:
            expected = _verify_entry(reader, held, seq, expected)
        except ProtocolError as exc:
            raise corrupt(f"entry {seq} of our log {short(held.wid)}: {exc.detail}") from exc


def _verify_entry(reader: Reader, held: HeldLog, seq: int, expected: EntryId) -> EntryId:
    """Return the id that the entry before this one is to have."""
    entry = reader.entry_at(held.number, seq)
    if entry is None or {entry.id, entry.envelope.id} != {expected} or entry.header.seq != seq:
        raise corrupt(f"expected entry {seq} of our log {short(held.wid)} in its chain")
    open_header(entry.envelope)
    if entry.envelope.signature:  # else the chain up to a later one proves it
        verify_signature(entry.envelope, entry.header)
    elif entry.tail is not None:
        prove_tail(entry.id, entry.header, entry.tail)
    return entry.header.prev
