"""Which entries a pool still rests on, although their authors erase them or let them expire.

An award can be checked and ordered from as long as its inputs are there. So they stay while a pool
is open or undecided, and afterwards while orders by it are due that concern this co-op.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_protocol.records import PoolLapse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sheaf_protocol.digest import CoopId, EntryId
    from sheaf_protocol.records import LogCut
    from sheaf_services.pooled_purchasing.ledger import Ledger, Pool


def kept_entries(ledger: Ledger, cid: CoopId, cut: Sequence[LogCut]) -> frozenset[EntryId]:
    """Return the entries that pools still rest on; `cut` is how far all logs were read."""
    return frozenset(
        id_
        for pool in ledger.pools.values()
        if not _is_settled(ledger, pool, cid)
        for id_ in _entries_of(ledger, pool, cut)
    )


def _entries_of(ledger: Ledger, pool: Pool, cut: Sequence[LogCut]) -> Iterator[EntryId]:
    yield pool.opening.id
    yield from (seen.id for seen in pool.decisions)
    if pool.close is None:
        counted = ledger.book.counted(pool.opening.record, cut)
        yield from (seen.id for seen in (*counted.demands, *counted.offers))
    else:
        yield pool.close.id
        yield from (*pool.close.record.demands, *pool.close.record.offers)


def _is_settled(ledger: Ledger, pool: Pool, cid: CoopId) -> bool:
    """Return whether a pool has lapsed, or each line of ours that it served is ordered and
    answered.
    """
    decided, inputs = ledger.decided(pool), ledger.inputs(pool)
    if decided is None or inputs is None:
        return False
    if isinstance(decided.record, PoolLapse):
        return True
    own = {seen.id for seen in (*inputs.demands, *inputs.offers) if seen.cid == cid}
    answered = {
        (line.demand, order.record.offer)
        for order in ledger.orders.values()
        if order.record.award == decided.id and ledger.response(order) is not None
        for line in order.record.lines
    }
    ours = (leaf for leaf in ledger.leaves(pool) if own & {leaf.demand, leaf.offer})
    return all((leaf.demand, leaf.offer) in answered for leaf in ours)
