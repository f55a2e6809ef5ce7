"""Erasing an entry of our own co-op, and taking that back, for the people of this node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from sheaf_node.ingest import Draft
from sheaf_node.store.model import ERASED
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import EntryId, short
from sheaf_protocol.errors import Refusal
from sheaf_protocol.limits import ERASE_AFTER_MS
from sheaf_protocol.records import Erase, Restore, kind_of
from sheaf_protocol.retention import LASTING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sheaf_node.ingest import Ingest
    from sheaf_node.store import Store, StoredEntry
    from sheaf_node.store.effects import Effects
    from sheaf_node.store.receipt import NewReceipt, Told
    from sheaf_protocol.digest import CoopId

LEAST_DIGITS: Final = 8
"""Of an id: as many as other commands take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Erased:
    """An entry that is erased, and when its payload is deleted here."""

    entry: StoredEntry
    deleted_at_ms: int


class Erasing:
    """What this co-op erases and restores. Each is safe to repeat.

    `receipt_of` makes the receipt that is kept with what is published; see `store.receipt`.
    """

    def __init__(self, store: Store, ingest: Ingest, own: CoopId) -> None:
        self._store, self._ingest, self._own = store, ingest, own

    async def erase(
        self,
        digits: str,
        reason: str | None = None,
        receipt_of: Callable[[Told[Erased]], NewReceipt | None] = lambda _: None,
    ) -> Erased:
        """Ask all members to delete the payload of an entry whose id begins with these digits.

        Raises Refusal `erase.unknown`, `erase.not_own`, `erase.kind`, and those of publishing.
        """
        target = self._find(digits)
        if target.kind in LASTING:
            raise Refusal("erase.kind", f"expected another kind of entry than {target.kind}")
        records = []
        if target.absence != ERASED:
            records = [Erase(entry=target.id, reason=UNSET if reason is None else reason)]

        def told(effects: Effects) -> Erased:
            taken = [mark.taken_ms for _, mark in effects.marks] or [self._erased_at(target)]
            return Erased(entry=target, deleted_at_ms=taken[0] + ERASE_AFTER_MS)

        await self._publish(target, records, receipt_of(told))
        return Erased(entry=target, deleted_at_ms=self._erased_at(target) + ERASE_AFTER_MS)

    async def restore(
        self,
        digits: str,
        receipt_of: Callable[[Told[StoredEntry]], NewReceipt | None] = lambda _: None,
    ) -> StoredEntry:
        """Take back all that erases an entry, and return the entry.

        Raises Refusal `erase.unknown`, `erase.not_own`, `erase.not_erased`, `erase.too_late`, and
        those of publishing.
        """
        target = self._find(digits)
        erases = self._store.erasures.erases_of(target.id, target.header)
        if not erases:
            detail = f"expected entry {short(target.id)} to be erased by this co-op"
            raise Refusal("erase.not_erased", detail)
        now_ms = self._ingest.now_ms()
        if any(now_ms > erase.time_ms + ERASE_AFTER_MS for erase in erases):
            detail = "expected a restore within 72 hours of the erase: other nodes have deleted it"
            raise Refusal("erase.too_late", detail)
        records = [Restore(erase=erase.id) for erase in erases]
        await self._publish(target, records, receipt_of(lambda _: target))
        return self._store.entry(target.id) or target

    def _erased_at(self, target: StoredEntry) -> int:
        return self._store.erasures.erased_at(target.id, target.header) or 0

    def _find(self, digits: str) -> StoredEntry:
        is_hex = len(digits) % 2 == 0 and set(digits) <= set("0123456789abcdef")
        ids: Sequence[EntryId] = ()
        if is_hex and LEAST_DIGITS <= len(digits) <= 64:
            ids = self._store.ids_like(bytes.fromhex(digits))
        entry = self._store.entry(ids[0]) if len(ids) == 1 else None
        if entry is None:
            found = "several" if ids else "none"
            detail = f"expected one entry whose id begins with {digits[:64]!r}, got {found}"
            raise Refusal(
                "erase.unknown", f"{detail}; an even number of digits, {LEAST_DIGITS} at least"
            )
        if entry.header.cid != self._own:
            detail = f"expected an entry of this co-op, got one of {short(entry.header.cid)}"
            raise Refusal("erase.not_own", detail)
        return entry

    async def _publish(
        self,
        target: StoredEntry,
        records: Sequence[Erase | Restore],
        receipt: NewReceipt | None,
    ) -> None:
        drafts = [Draft(kind=kind_of(each), body=encode(each)) for each in records]
        if drafts:
            await self._ingest.publish(target.header.fid, drafts, receipt=receipt)
        elif receipt is not None:
            await self._ingest.keep(receipt)
