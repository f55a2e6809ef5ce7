"""Own new entries as they are pushed: by log, in batches, made once for all links."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.peering.exchange import Live
from sheaf_protocol.frontier import FrontierItem
from sheaf_protocol.limits import MAX_BATCH_BYTES, MAX_BATCH_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sheaf_node.store import StoredEntry
    from sheaf_protocol.digest import FederationId, WriterId


def own_batches(entries: Sequence[StoredEntry], own: WriterId) -> Iterator[Live]:
    """Yield the entries of our own writer, by federation, in batches that fit a frame."""
    by_federation: dict[FederationId, list[StoredEntry]] = {}
    for entry in entries:
        if entry.header.wid == own:
            by_federation.setdefault(entry.header.fid, []).append(entry.as_passed_on())
    for fid, run in by_federation.items():
        yield from _batches(fid, run)


def _batches(fid: FederationId, run: Sequence[StoredEntry]) -> Iterator[Live]:
    batch: list[StoredEntry] = []
    size = 0
    for entry in run:
        is_full = size + entry.envelope.size > MAX_BATCH_BYTES or len(batch) == MAX_BATCH_ENTRIES
        if batch and is_full:
            yield _live(fid, batch, size)
            batch, size = [], 0
        batch.append(entry)
        size += entry.envelope.size
    yield _live(fid, batch, size)


def _live(fid: FederationId, batch: Sequence[StoredEntry], size: int) -> Live:
    last = batch[-1]
    return Live(
        fid=fid,
        first=batch[0].header.seq,
        last=FrontierItem(last.header.log, last.header.seq, bytes(last.id[:8])),
        entries=batch,
        size=size,
    )
