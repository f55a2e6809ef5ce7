"""What writers say of those that they succeed, read from a store and said for our own (spec 18).

A writer that is replaced hands over what it began: the new one begins its log in each federation
with a `writer.succeed` for each writer of its co-op that ended there without a successor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_node.ingest.model import Draft
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import Digest, EntryId, log_id
from sheaf_protocol.envelope import body_of
from sheaf_protocol.identity import Cut
from sheaf_protocol.lineage import OPENING, Succession, owed
from sheaf_protocol.records import WriterSucceed, decode_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sheaf_node.store import StoredEntry
    from sheaf_node.store.model import HeldLog
    from sheaf_protocol.digest import CoopId, FederationId, LogId, WriterId
    from sheaf_protocol.identity import KeyLog

SUCCEED: Final = "writer.succeed"


def opens(drafts: Sequence[Draft]) -> bool:
    """Return whether drafts begin with what may stand before a `writer.succeed` in a log."""
    return bool(drafts) and drafts[0].kind in OPENING


def succession_of(entry: StoredEntry) -> Succession | None:
    """Return what an entry says of a writer that its own one succeeds; None if it says nothing.

    Whether nothing else stands before it in its log is the caller's to see.
    """
    if entry.kind != SUCCEED or entry.no_effect is not None or not entry.envelope.payload:
        return None
    record = decode_record(SUCCEED, body_of(entry.envelope.payload))
    if not isinstance(record, WriterSucceed):
        return None
    cut = Cut(seq=record.seq, head=EntryId(record.head))
    return Succession(by=entry.header.wid, at=entry.header.seq, wid=record.wid, cut=cut)


def said_by(
    logs: Mapping[LogId, HeldLog],
    entry_at: Callable[[LogId, int], StoredEntry | None],
    fid: FederationId,
    cid: CoopId,
) -> Iterator[StoredEntry]:
    """Yield the entries of a co-op in a federation by which its writers succeed others."""
    for log, held in logs.items():
        if (held.fid, held.cid) == (fid, cid):
            yield from (each for each in _opening(log, entry_at) if each.kind == SUCCEED)


def handing_over(
    keys: KeyLog,
    logs: Mapping[LogId, HeldLog],
    entry_at: Callable[[LogId, int], StoredEntry | None],
    fid: FederationId,
    wid: WriterId,
) -> list[Draft]:
    """Return what a writer has to say before anything else in a federation."""
    if not any(writer.is_closed for writer in keys.writers.values()):
        return []
    log = log_id(fid, keys.cid, wid)
    opening = sum(1 for _ in _opening(log, entry_at))
    if log in logs and logs[log].head.seq > opening:
        return []  # it has spoken for itself: what it says of others counts no more
    entries = said_by(logs, entry_at, fid, keys.cid)
    said = (said for said in map(succession_of, entries) if said is not None)
    return [
        Draft(
            kind=SUCCEED,
            refs=[],
            body=encode(WriterSucceed(head=Digest(cut.head), seq=cut.seq, wid=before)),
        )
        for before, cut in owed(keys, fid, said, wid)
    ]


def _opening(
    log: LogId, entry_at: Callable[[LogId, int], StoredEntry | None]
) -> Iterator[StoredEntry]:
    """Yield the entries of a log before the first of a kind that may not precede a succession."""
    seq = 1
    while (entry := entry_at(log, seq)) is not None and entry.kind in OPENING:
        yield entry
        seq += 1
