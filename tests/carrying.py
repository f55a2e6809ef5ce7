"""How tests bring entries from one node to another without a link."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sheaf_node.ingest import Ingest
    from sheaf_node.store import Store
    from sheaf_protocol.digest import LogId


async def bring_log(
    log: LogId, giver: Store, taker: Store, ingest: Ingest, most: int = 1 << 20
) -> None:
    """Bring the entries of a log that `taker` lacks, `most` at the most, as a link would."""
    held = taker.logs.get(log)
    first = 1 if held is None else held.head.seq + 1
    last = min(giver.logs[log].head.seq, first + most - 1)
    while first <= last:
        run = giver.log_entries(log, first, last, 1 << 20)
        tails = [run.tail] if run.tail is not None else []
        await ingest.receive([entry.envelope for entry in run.entries], tails)
        first += max(len(run.entries), 1)
