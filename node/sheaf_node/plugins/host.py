"""Runs one service in one federation: reads the log by a cursor, folds, decides, carries out.

The host is the only caller of its service and calls it from one task, so a service needs no lock.
A turn is: take in all that arrived, decide, publish what was asked for in one transaction, and take
that in before deciding again. So a service never decides on a state that lacks its own last word.

What may go wrong, and what then happens:

1. The service raises when made or from `fold`, `decide` or `finish`, or a computation fails. It is
   stopped and says so; the node keeps the logs and the links, which it owes its peers.
2. A publication is refused (our writer has expired or has forked, a role is missing). Nothing of
   it is stored. The refusal of a command goes to its caller; that of a decision is noted for the
   status, and the service asks again at its next turn.
3. A recipient has no prekey that can be sealed to now. As before, and what else was asked for goes
   out.
4. Entries that were folded lose their effect, by a fork or a cut. A fold cannot be undone, so the
   service is made anew and folds again; what it had running is ended.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from sheaf_node.plugins.context import Context
from sheaf_node.plugins.guard import guarded
from sheaf_node.plugins.jobs import run_apart
from sheaf_node.plugins.parts import Errands, Parts
from sheaf_node.plugins.reading import Reader
from sheaf_node.plugins.waking import Waking
from sheaf_protocol.errors import LocalProtocolError, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sheaf_node.plugins.service import Call, Json, SeenRecord, Service, ServiceFactory
    from sheaf_node.store import StoredEntry
    from sheaf_node.store.receipt import NewReceipt
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.digest import CoopId, EntryId

_READ = 512
"""Entries folded before the loop gets its turn again."""
_LOG = logging.getLogger("sheaf.plugins")

__all__ = ["Errands", "Parts", "ServiceHost"]


class ServiceHost:
    """One running service in one federation. Making it raises what its factory refuses."""

    def __init__(
        self,
        name: str,
        factory: ServiceFactory,
        settings: Mapping[str, Any],
        *,
        federation: Federation,
        parts: Parts,
        errands: Errands | None = None,
        looks_around: bool = False,
    ) -> None:
        """`looks_around` says that it decides also on what it does not follow: a part of the node
        that reads the store, or other federations.
        """
        self.name = name
        self._errands, self._looks_around = errands, looks_around
        self.federation = federation
        self._factory = factory
        self._settings = settings
        self._parts = parts
        self._turn = asyncio.Lock()
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._waking = Waking(parts.arrivals, parts.clock, parts.turns)
        self._crossings = parts.crossings.into(
            federation.fid, store=parts.store, ingest=parts.ingest, arrivals=parts.arrivals
        )
        self._successions: Sequence[StoredEntry] = ()
        """By which entries writers succeed one another, as far as was read before."""
        self.is_stopped = False
        """Whether a fault ended the service; the node goes on without it."""
        self.refused: str | None = None
        """The rule under which the newest turn was not let publish all it wanted, if any."""
        try:
            self._begin()
        except Refusal:
            raise  # its settings are wrong, and whoever starts the node can mend them
        except Exception:
            self._stop()

    @property
    def follows(self) -> frozenset[str]:
        """The kinds that the service follows; none where a fault ended it."""
        return frozenset() if self.is_stopped else self.service.follows

    @property
    def lost(self) -> Mapping[EntryId, CoopId]:
        """Private bodies that came for us and cannot be opened, and their senders (ENV-44)."""
        return {} if self.is_stopped else self._reader.lost

    async def run(self) -> None:
        """Serve until cancelled, or until the service fails."""
        try:
            # What is decided before it may be said would be old when it is.
            await self._parts.ingest.until_compared()
            async with asyncio.TaskGroup() as tasks:
                while not self.is_stopped:
                    await self._parts.turns.other()
                    async with self._turn:
                        await self._take_turn(tasks)
                    await self._waking.wait(self._reader.cursor)
                self._end_jobs()
        except* Exception:
            self._stop()

    async def take_turn(self) -> None:
        """Take a turn, and another one after whatever it computes: for a host that nobody runs."""
        self._waking.again.set()
        while self._waking.again.is_set() and not self.is_stopped:
            async with asyncio.TaskGroup() as jobs, self._turn:
                await self._take_turn(jobs)

    async def command(
        self, name: str, call: Call, receipt_of: Callable[[Json], NewReceipt | None] | None = None
    ) -> Json:
        """Carry out a command and return its reply once all that it published is durable.

        The receipt that `receipt_of` makes of the reply is kept with that. What errands bring is
        stored before; they change nothing where the command is repeated.

        Raises Refusal `service.no_command`, `service.stopped` and whatever the command or the
        publication is refused with; nothing is then published.
        """
        await self._parts.ingest.until_compared()
        async with self._turn:
            await self._read()
            command = self.service.commands.get(name)
            if command is None:
                raise Refusal("service.no_command", f"{self.name} has no command {name!r}")
            try:
                self._context.begin()
                reply = guarded(command, call)
                await self._publish(_refuse, receipt_of(reply) if receipt_of else None)
            except BaseException:
                self._context.forget()
                if self._errands is not None:
                    self._errands.forget()
                raise
            await self._read()
            self._waking.again.set()
            return reply

    async def view(self, name: str, call: Call) -> Json:
        """Return a view over all that has arrived so far.

        Raises Refusal `service.no_view`, `service.stopped`.
        """
        async with self._turn:
            await self._read()
            view = self.service.views.get(name)
            if view is None:
                raise Refusal("service.no_view", f"{self.name} has no view {name!r}")
            self._context.begin()
            return guarded(view, call)

    def keeps(self, id_: EntryId) -> bool:
        """Return whether the service still needs an entry, so that its payload is not deleted.

        While it cannot say, since it has not read all or a fault ended it, it needs everything.
        """
        if self.is_stopped or self._voids != self._parts.store.voids_in(self.federation.fid):
            return True
        keeps = getattr(self.service, "keeps", None)
        if keeps is None:
            return False
        self._context.begin()
        if self._reader.cursor < self._parts.store.arrival:
            return True
        item = self._crossings.get(id_)
        # What a service knows of an import is the entry that it brought.
        origin = None if item is None else item.origin
        try:
            return any(guarded(keeps, each) for each in (id_, origin) if each is not None)
        except Exception:
            self._stop()
            return True

    def _begin(self) -> None:
        """Make the service anew, with nothing read and nothing running."""
        voids = self._parts.store.voids_in(self.federation.fid)
        parts = self._parts
        wanted = parts.ingest.subscription
        reader = Reader(
            parts.store,
            parts.keyring,
            self.federation,
            wanted,
            self._crossings,
            now_ms=parts.clock.now_ms,
        )
        reader.lineages.take_up(self._successions)
        context = Context(self._parts, self.federation, reader)
        self.service: Service = guarded(self._factory, context, self._settings)
        self._voids, self._reader, self._context = voids, reader, context
        self._is_undecided = True
        self._end_jobs()

    async def _take_turn(self, tasks: asyncio.TaskGroup) -> None:
        is_due = self._waking.take_up()
        await self._read()
        if not (self._is_undecided or is_due or self._looks_around):
            return  # of what arrives in a federation most is for others
        before, self.refused = self.refused, None
        while True:
            self._is_undecided = False
            self._context.wake_ms = None
            self._context.begin()
            guarded(self.service.decide)
            self._start_jobs(tasks)
            if not await self._publish_own():
                break
            await self._read()
        if self.refused not in {None, before}:
            _LOG.warning("service %s may not publish: %s", self.name, self.refused)
        self._waking.note_decided(self._context.wake_ms, is_refused=self.refused is not None)

    async def _read(self) -> None:
        """Fold all that has arrived; from the start again where entries lost their effect since."""
        while True:
            if self.is_stopped:
                raise self._stopped()
            if (
                self._voids != self._parts.store.voids_in(self.federation.fid)
                or self._reader.is_outdated
            ):
                # What was found of lines is found at once again: else each would be read twice.
                self._successions = self._reader.lineages.known()
                self._begin()
            batch = self._reader.next_batch(
                _READ,
                self.service.follows,
                sees_contested=getattr(self.service, "sees_contested", False),
                abroad=getattr(self.service, "follows_abroad", frozenset()),
            )
            if self._reader.is_outdated:
                continue
            if not batch:
                return
            self._is_undecided |= bool(batch.records)
            self._fold(batch.records)
            await asyncio.sleep(0)

    def _fold(self, records: Sequence[SeenRecord]) -> None:
        try:
            for record in records:
                guarded(self.service.fold, record)
        except Exception as exc:
            # The cursor is past the record that broke it: whoever asked, the service has lost it.
            self._stop()
            raise self._stopped() from exc

    async def _publish(
        self, left_out: Callable[[LocalProtocolError], None], receipt: NewReceipt | None = None
    ) -> bool:
        """Append what was asked for in one transaction; return whether there was anything.

        `left_out` is called for each record that cannot be sealed, and may refuse all of it.
        Errands come first: what is published may name what they bring.
        """
        # Before anything is awaited: whoever asks what is kept lets the context's time move on.
        now_ms = self._context.now_ms()
        has_changed = self._errands is not None and await self._errands.carry_out()
        try:
            drafts = self._context.publications.drafts(
                self.federation.fid,
                keyring=self._parts.keyring,
                key_logs=self._parts.store.key_logs,
                now_ms=now_ms,
                random=self._parts.random,
                left_out=left_out,
            )
        finally:
            self._context.publications.clear()
        if drafts:
            await self._parts.ingest.publish(self.federation.fid, drafts, receipt=receipt)
        elif receipt is not None:
            await self._parts.ingest.keep(receipt)
        return bool(drafts) or has_changed

    async def _publish_own(self) -> bool:
        """Append what the service asked for of itself; note a refusal, for it will ask again."""
        try:
            return await self._publish(self._note)
        except LocalProtocolError as exc:
            self._note(exc)
            return False

    def _note(self, refusal: LocalProtocolError) -> None:
        self.refused = refusal.code

    def _start_jobs(self, tasks: asyncio.TaskGroup) -> None:
        for key, (function, args) in self._context.jobs.items():
            if key not in self._jobs:
                self._jobs[key] = tasks.create_task(self._job(key, function, args))
        self._context.jobs.clear()

    async def _job(
        self, key: str, function: Callable[..., object], args: tuple[object, ...]
    ) -> None:
        service = self.service
        result = await run_apart(function, *args)
        async with self._turn:
            del self._jobs[key]
            await self._read()
            if service is self.service:  # else it was made anew meanwhile, and will ask again
                self._context.begin()
                guarded(service.finish, key, result)
                await self._publish_own()
        self._waking.again.set()

    def _end_jobs(self) -> None:
        for job in self._jobs.values():
            job.cancel()
        self._jobs.clear()

    def _stop(self) -> None:
        """Note the fault being handled, once."""
        if not self.is_stopped:
            self.is_stopped = True
            self._waking.again.set()
            _LOG.exception("service %s stopped", self.name)

    def _stopped(self) -> Refusal:
        detail = f"expected {self.name} to run, but a fault stopped it: see the node's output"
        return Refusal("service.stopped", detail)


def _refuse(refusal: LocalProtocolError) -> None:
    raise refusal
