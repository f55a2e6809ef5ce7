"""What a node forgets, and when: erased and expired payloads, logs of writers long gone, receipts.

Runs at the start and then hourly, in small transactions, by the node's own clock. Which payloads
may go is the protocol's to say (spec 04, section 6; spec 05, section 7); a service may ask for one
to be kept until an agreement that rests on it is carried out.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from sheaf_node.store import Change
from sheaf_node.store.model import ERASED, PAST, WITHHELD, Absent
from sheaf_node.store.receipt import KEPT_MS
from sheaf_protocol.digest import log_id
from sheaf_protocol.limits import EXPIRE_GRACE_MS, RETENTION_MS
from sheaf_protocol.retention import is_expired, is_retired, may_drop_payload

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from sheaf_node.clock import Clock
    from sheaf_node.events import Arrivals
    from sheaf_node.store import Store, StoredEntry
    from sheaf_protocol.digest import CoopId, EntryId, LogId
    from sheaf_protocol.identity import Writer

FIRST_MS: Final = 60_000
"""After the start, by when services have read the log and can say what they need."""
EVERY_MS: Final = 3_600_000
STEP: Final = 256
"""Entries looked at before the loop gets its turn again, and deleted in one transaction."""
_DAY_MS: Final = 86_400_000
_LOG = logging.getLogger("sheaf.housekeeping")


class Housekeeping:
    """Forgets what is due on one store."""

    def __init__(
        self,
        *,
        store: Store,
        arrivals: Arrivals,
        clock: Clock,
        keeps: Callable[[EntryId], bool],
        retention_days: int = 0,
        beside: Callable[[int], Awaitable[object]] | None = None,
    ) -> None:
        """`keeps` says whether a service needs an entry; `retention_days` 0 keeps all logs.

        `beside` forgets what lies beside the store, of which the time is all that it is told.
        """
        self._beside = beside
        self._store, self._arrivals, self._clock, self._keeps = store, arrivals, clock, keeps
        self._delete_after_ms = max(RETENTION_MS, retention_days * _DAY_MS)
        self._deletes_logs = retention_days > 0

    async def run(self) -> None:
        """Tidy hourly until cancelled. A fault of ours is noted, and takes nothing with it."""
        await self.retire()
        await self._clock.sleep_ms(FIRST_MS)
        while True:
            try:
                await self.tidy()
            except Exception:
                # A store that failed ends the node by itself.
                _LOG.exception("housekeeping was left undone")
            await self._clock.sleep_ms(EVERY_MS)

    async def tidy(self) -> None:
        """Forget all that is due by now. What is undone half way is done the next time."""
        if self._beside is not None:
            await self._beside(self._clock.now_ms())
        await self.retire()
        await self._mind_absences()
        await self._drop_erased()
        await self._drop_expired()
        await self._drop_receipts()
        if self._deletes_logs:
            await self._forget_logs()

    async def retire(self) -> None:
        """Leave out the logs that are retired by now.

        Each key log is folded for it, so the loop gets its turn after each. A peer that asks or
        tells of one meanwhile hears what it would have heard a moment before the log retired.
        """
        logs: set[LogId] = set()
        for cid in list(self._store.key_logs):
            logs.update(log for log, writer in self._logs_of(cid) if self._is_retired(writer))
            await asyncio.sleep(0)
        if self._store.retire(frozenset(logs)):
            self._arrivals.announce_control()

    async def _mind_absences(self) -> None:
        """Note anew why payloads are not here: erases come, go and lose their effect."""
        for noted in (WITHHELD, ERASED):
            after = 0
            while found := self._store.absences.absent(noted, after, STEP):
                after = found[-1].arrival
                now = ((entry, self._absence(entry)) for entry in found)
                await self._note(
                    Absent(entry=entry, absence=absence)
                    for entry, absence in now
                    if absence != noted
                )

    async def _drop_erased(self) -> None:
        after = 0
        while found := self._store.absences.named(after, STEP):
            after = found[-1].arrival
            await self._note(
                Absent(entry=entry, absence=ERASED)
                for entry in found
                if entry.absence == ERASED and self._may_drop(entry)
            )

    async def _drop_expired(self) -> None:
        before_ms = self._clock.now_ms() - EXPIRE_GRACE_MS
        kept = 0
        while found := self._store.absences.ending(before_ms, kept, STEP):
            due = [entry for entry in found if self._may_drop(entry)]
            kept += len(found) - len(due)
            await self._note(Absent(entry=entry, absence=entry.absence or PAST) for entry in due)

    async def _drop_receipts(self) -> None:
        before_ms = self._clock.now_ms() - KEPT_MS
        while found := self._store.receipts.receipts_before(before_ms, STEP):
            await self._store.commit(Change(dropped_receipts=found))

    async def _forget_logs(self) -> None:
        for log, writer in [each for cid in self._store.key_logs for each in self._logs_of(cid)]:
            held = self._store.logs.get(log)
            is_held = held is not None and held.head.seq > 0
            if is_held and self._is_to_forget(writer) and not await self._is_kept(log):
                await self._store.commit(Change(forgotten=[log]))

    async def _is_kept(self, log: LogId) -> bool:
        seq = 1
        while found := self._store.log_after(log, seq, STEP):
            if any(self._keeps(entry.id) for entry in found):
                return True
            seq = found[-1].header.seq + 1
            await asyncio.sleep(0)
        return False

    async def _note(self, absences: Iterable[Absent]) -> None:
        changed = list(absences)
        if changed:
            await self._store.commit(Change(absences=changed))
        else:
            await asyncio.sleep(0)

    def _absence(self, entry: StoredEntry) -> str:
        if entry.absence != WITHHELD:
            return entry.absence or WITHHELD
        return PAST if is_expired(entry.header, self._clock.now_ms()) else WITHHELD

    def _may_drop(self, entry: StoredEntry) -> bool:
        erased_at_ms = self._store.erasures.erased_at(entry.id, entry.header)
        now_ms = self._clock.now_ms()
        is_due = may_drop_payload(entry.header, now_ms, erased_at_ms=erased_at_ms)
        return is_due and not self._keeps(entry.id)

    def _logs_of(self, cid: CoopId) -> Iterator[tuple[LogId, Writer]]:
        """Yield each log that a co-op may have, held or not, with its writer."""
        for wid, writer in self._store.key_logs[cid].writers.items():
            for fid in self._store.chains:
                yield log_id(fid, cid, wid), writer

    def _is_retired(self, writer: Writer) -> bool:
        return is_retired(writer, self._clock.now_ms())

    def _is_to_forget(self, writer: Writer) -> bool:
        # The same decision at an earlier time is the same decision for a longer retention.
        return is_retired(writer, self._clock.now_ms() - self._delete_after_ms + RETENTION_MS)
