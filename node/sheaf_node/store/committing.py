"""From a decision to the disk, and only then to everybody else.

The order of things is the whole point. A decision is made on the planned state and queued without a
wait in between, so decisions follow one another; the writer thread commits them in that order, many
at a time; only then the durable state moves on, the entries can be read, and the caller goes on to
acknowledge them. If the disk fails, nothing that was planned ever became visible.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from sheaf_node.store.planned import Planned
from sheaf_node.store.recent import Recent
from sheaf_node.store.writer import Job, MakeWriter
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sheaf_node.store.admission import Admission
    from sheaf_node.store.database import Database
    from sheaf_node.store.effects import Effects
    from sheaf_node.store.model import Change, StoredEntry
    from sheaf_node.store.state import State
    from sheaf_protocol.digest import LogId

T = TypeVar("T")


class Committing:
    """Moves a store's durable state on, one decision after another.

    `retired` returns the logs that are left out by now; `on_failure` is called once, on the event
    loop, when the disk fails.
    """

    def __init__(
        self,
        database: Database,
        durable: State,
        *,
        retired: Callable[[], frozenset[LogId]],
        on_failure: Callable[[], None] | None,
        admission: Admission,
        writer: MakeWriter,
    ) -> None:
        self._database, self._durable = database, durable
        self._on_failure, self._admission = on_failure, admission
        self._planned_state = durable.copy()
        self.planned = Planned(self._planned_state, durable, database.reader, retired)
        self.recent = Recent()
        """The newest durable entries."""
        self._refusal: Refusal | None = None
        self._is_closed = False
        self._writer = writer(database.connection, self._finished)

    def require_usable(self) -> None:
        """Return while the store is open and its disk has not failed.

        Raises Refusal `store.failed`, `store.closed`.
        """
        if self._refusal is not None:
            raise Refusal(self._refusal.code, self._refusal.detail)
        if self._is_closed:
            raise Refusal("store.closed", "expected an open store")

    async def begin(
        self,
        decide: Callable[[Planned], tuple[Change, T]],
        then: Callable[[Effects], None] | None,
        *,
        is_foreign: bool,
    ) -> tuple[T, list[StoredEntry], asyncio.Future[None]]:
        """Decide and queue; see `Store.begin`."""
        await self._admission.enter(is_foreign=is_foreign)
        try:
            self.require_usable()
            change, result = decide(self.planned)
            effects = self._planned_state.plan(change)
        except BaseException:
            self._admission.leave(is_foreign=is_foreign)
            raise
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._enqueue(effects, done, then, is_foreign=is_foreign)
        return result, effects.entries, done

    async def close(self) -> None:
        """Commit what is queued, then let go of the files."""
        if self._is_closed:
            return
        self._is_closed = True
        await asyncio.to_thread(self._writer.stop)
        self._refusal = self._refusal or Refusal("store.closed", "expected an open store")
        self._database.close(has_failed=self._refusal.code == "store.failed")

    def _enqueue(
        self,
        effects: Effects,
        done: asyncio.Future[None],
        then: Callable[[Effects], None] | None,
        *,
        is_foreign: bool,
    ) -> None:
        self._planned_state.absorb(effects)
        self.planned.note(effects)
        may_wait = is_foreign and self._admission.may_wait
        self._writer.put(Job(effects, self._numbers(effects), done, then, is_foreign, may_wait))

    def _numbers(self, effects: Effects) -> dict[LogId, int]:
        named = (*effects.logs, *effects.sizes, *(log for log, *_ in effects.judged))
        return {log: self._planned_state.logs[log].number for log in named}

    def _finished(self, group: Sequence[Job], error: Exception | None) -> None:
        """Hand a group's outcome from the writer thread to the event loop."""
        with suppress(RuntimeError):  # the loop was closed: nobody is left to tell
            group[0].loop.call_soon_threadsafe(self._settle, group, error)

    def _settle(self, group: Sequence[Job], error: Exception | None) -> None:
        error = error or self._database.loss()
        if error is not None:
            self._fail(group, error)
            return
        for job in group:
            self._durable.absorb(job.effects)
            self.recent.add(job.effects, self._planned_state.arrival)
            self._database.reader.erasures.learn(job.effects)
            self.planned.forget(job.effects)
            self._admission.leave(is_foreign=job.is_foreign)
            # First: whoever waits for it is to go on before those who hear of it.
            if not job.done.done():
                job.done.set_result(None)
            if job.then is not None:
                job.then(job.effects)

    def _fail(self, group: Sequence[Job], error: Exception) -> None:
        """Stop for good, and tell all that wait, those still queued included."""
        detail = f"the disk refused a write ({error}); the node must be restarted"
        self._refusal = Refusal("store.failed", detail)
        for job in (*group, *self._writer.abandoned()):
            self._admission.leave(is_foreign=job.is_foreign)
            if not job.done.done():
                job.done.set_exception(Refusal("store.failed", detail))
        if self._on_failure is not None:
            self._on_failure()
