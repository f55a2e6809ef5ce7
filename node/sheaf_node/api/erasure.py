"""Handlers by which a co-op erases entries of its own and restores them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.api.idempotency import receipt_for
from sheaf_node.api.models import ErasedEntry, RestoredEntry

if TYPE_CHECKING:
    from sheaf_node.api.models import EraseQuery
    from sheaf_node.api.parts import ApiParts
    from sheaf_node.api.route import Asked, NoQuery
    from sheaf_node.erasing import Erased
    from sheaf_node.store import StoredEntry
    from sheaf_node.store.receipt import NewReceipt, Told


async def post_erase(parts: ApiParts, asked: Asked[EraseQuery, None]) -> ErasedEntry:
    """Erase an entry; return it with when its payload is deleted here."""

    def receipt_of(told: Told[Erased]) -> NewReceipt | None:
        return receipt_for(asked.http, lambda effects: _erased(told(effects)))

    return _erased(await parts.erasing.erase(asked.path["entry"], asked.query.reason, receipt_of))


async def post_restore(parts: ApiParts, asked: Asked[NoQuery, None]) -> RestoredEntry:
    """Take back what erases an entry; return it."""

    def receipt_of(told: Told[StoredEntry]) -> NewReceipt | None:
        return receipt_for(asked.http, lambda effects: _restored(told(effects)))

    return _restored(await parts.erasing.restore(asked.path["entry"], receipt_of))


def _erased(erased: Erased) -> ErasedEntry:
    entry = erased.entry
    return ErasedEntry(
        id=entry.id.hex(),
        kind=entry.kind,
        seq=entry.header.seq,
        deleted_at_ms=erased.deleted_at_ms,
    )


def _restored(entry: StoredEntry) -> RestoredEntry:
    return RestoredEntry(
        id=entry.id.hex(),
        kind=entry.kind,
        seq=entry.header.seq,
        is_here=bool(entry.envelope.payload),
    )
