"""What the node under test says in its own log, as another member is served it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sheaf_node.conform.model import Failed
from sheaf_protocol.digest import log_id
from sheaf_protocol.envelope import body_of, open_header
from sheaf_protocol.link.messages import Entries, Served
from sheaf_protocol.records import decode_record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sheaf_node.conform.peer import KitPeer
    from sheaf_protocol.digest import LogId
    from sheaf_protocol.envelope import Envelope
    from sheaf_protocol.records import Record

_ROUNDS: Final = 200
_PAUSE_S: Final = 0.05


async def read_until(
    peer: KitPeer, kinds: Collection[str], is_enough: Callable[[Record], bool]
) -> None:
    """Return once a record of these kinds in the node's log was enough; each is shown in order.

    Raises Failed where none was after long asking.
    """
    node = peer.session.peer
    log, read = log_id(peer.author.fid, node.cid, node.wid), 0
    for _ in range(_ROUNDS):
        item = await peer.heads(log)
        last = 0 if item is None else item.seq
        while read < last:
            for entry in await _served(peer, log, read + 1, last):
                header = open_header(entry)
                read = header.seq
                if header.kind not in kinds or not entry.payload:
                    continue
                record = decode_record(header.kind, body_of(entry.payload))
                if record is not None and is_enough(record):
                    return
        await asyncio.sleep(_PAUSE_S)
    raise Failed(expected=f"{' or '.join(sorted(kinds))} of the node", got="none that is right")


async def _served(peer: KitPeer, log: LogId, first: int, last: int) -> Sequence[Envelope]:
    """Return entries of a log from the first on: as many as the node serves at a time."""
    before = len(peer.heard)
    await peer.want(log, first, last)
    await peer.hear(Served)
    batches = [each for each in peer.heard[before:] if isinstance(each, Entries)]
    served = [each for batch in batches if not batch.is_live for each in batch.envelopes]
    if not served:
        raise Failed(expected=f"entry {first} of the node's log", got="none")
    return served
