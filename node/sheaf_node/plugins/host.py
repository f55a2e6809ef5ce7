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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sheaf_node.plugins.jobs import run_apart
from sheaf_node.plugins.reading import Reader
from sheaf_node.plugins.writing import Publications
from sheaf_protocol.errors import LocalProtocolError, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.events import Arrivals
    from sheaf_node.ingest import Ingest
    from sheaf_node.keyring import Keyring
    from sheaf_node.plugins.service import Call, Json, SeenRecord, Service, ServiceFactory
    from sheaf_node.store import Store
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.digest import CoopId, EntryId, WriterId
    from sheaf_protocol.log import Head
    from sheaf_protocol.records import Record

_READ = 512
"""Entries folded before the loop gets its turn again."""
_IDLE_MS = 60_000
"""Longest sleep without a reason, so that a clock set by hand is noticed within a minute."""
_LOG = logging.getLogger("sheaf.plugins")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What a host needs of its node."""

    store: Store
    ingest: Ingest
    arrivals: Arrivals
    keyring: Keyring
    clock: Clock
    random: Randomness


class Context:
    """The ServiceContext that a host gives to its service."""

    def __init__(self, parts: Parts, federation: Federation, reader: Reader) -> None:
        self._parts = parts
        self._federation = federation
        self._reader = reader
        self.publications = Publications()
        self.wake_ms: int | None = None
        self.jobs: dict[str, tuple[Callable[..., object], tuple[object, ...]]] = {}

    @property
    def cid(self) -> CoopId:
        """The co-op that runs this node."""
        return self._parts.keyring.cid

    @property
    def wid(self) -> WriterId:
        """The writer under which it publishes."""
        return self._parts.keyring.wid

    @property
    def federation(self) -> Federation:
        """The federation that the service works in."""
        return self._federation

    def now_ms(self) -> int:
        """Return the node's own clock."""
        return self._parts.clock.now_ms()

    def name_of(self, cid: CoopId) -> str:
        """Return a co-op's name."""
        return self._parts.store.key_logs[cid].name

    def heads(self) -> Sequence[tuple[CoopId, WriterId, Head]]:
        """Return how far each log was folded."""
        return self._reader.heads()

    def publish(
        self, record: Record, *, refs: Sequence[EntryId] = (), to: Sequence[CoopId] = ()
    ) -> None:
        """Ask for a record to be appended when the turn ends."""
        self.publications.add(record, refs, to)

    def can_seal_to(self, cid: CoopId) -> bool:
        """Return whether a co-op has a sealing key that is valid now."""
        log = self._parts.store.key_logs.get(cid)
        return log is not None and log.prekey_at(self.now_ms()) is not None

    def wake_at(self, time_ms: int) -> None:
        """Ask for a decision at this time at the latest."""
        self.wake_ms = time_ms if self.wake_ms is None else min(self.wake_ms, time_ms)

    def run(self, key: str, function: Callable[..., object], *args: object) -> None:
        """Ask for a computation in a process of its own."""
        self.jobs.setdefault(key, (function, args))

    def forget(self) -> None:
        """Forget what was asked for and not carried out yet."""
        self.publications.clear()
        self.jobs.clear()


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
    ) -> None:
        self.name = name
        self.federation = federation
        self._factory = factory
        self._settings = settings
        self._parts = parts
        self._turn = asyncio.Lock()
        self._again = asyncio.Event()
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._control = parts.arrivals.control
        self._payloads = parts.arrivals.payloads
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

    async def run(self) -> None:
        """Serve until cancelled, or until the service fails."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while not self.is_stopped:
                    async with self._turn:
                        await self._take_turn(tasks)
                    await self._wait()
                self._end_jobs()
        except* Exception:
            self._stop()

    async def command(self, name: str, call: Call) -> Json:
        """Carry out a command and return its reply once all that it published is durable.

        Raises Refusal `service.no_command`, `service.stopped` and whatever the command or the
        publication is refused with; nothing is then published.
        """
        async with self._turn:
            await self._read()
            command = self.service.commands.get(name)
            if command is None:
                raise Refusal("service.no_command", f"{self.name} has no command {name!r}")
            try:
                reply = command(call)
                await self._publish(_refuse)
            except BaseException:
                self._context.forget()
                raise
            await self._read()
            self._again.set()
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
            return view(call)

    def keeps(self, id_: EntryId) -> bool:
        """Return whether the service still needs an entry, so that its payload is not deleted.

        While it cannot say, since it has not read all or a fault ended it, it needs everything.
        """
        if self.is_stopped or self._voids != self._parts.store.voids:
            return True
        keeps = getattr(self.service, "keeps", None)
        if keeps is None:
            return False
        return self._reader.cursor < self._parts.store.arrival or bool(keeps(id_))

    def _begin(self) -> None:
        """Make the service anew, with nothing read and nothing running."""
        voids = self._parts.store.voids
        parts = self._parts
        wanted = parts.ingest.subscription
        reader = Reader(parts.store, parts.keyring, self.federation, wanted)
        context = Context(self._parts, self.federation, reader)
        self.service: Service = self._factory(context, self._settings)
        self._voids, self._reader, self._context = voids, reader, context
        self._end_jobs()

    async def _take_turn(self, tasks: asyncio.TaskGroup) -> None:
        self._again.clear()
        self._control = self._parts.arrivals.control
        self._payloads = self._parts.arrivals.payloads
        before, self.refused = self.refused, None
        while True:
            await self._read()
            self._context.wake_ms = None
            self.service.decide()
            self._start_jobs(tasks)
            if not await self._publish_own():
                break
        if self.refused not in {None, before}:
            _LOG.warning("service %s may not publish: %s", self.name, self.refused)

    async def _read(self) -> None:
        """Fold all that has arrived; from the start again where entries lost their effect since."""
        while True:
            if self.is_stopped:
                raise self._stopped()
            if self._voids != self._parts.store.voids:
                self._begin()
            batch = self._reader.next_batch(
                _READ,
                self.service.follows,
                sees_contested=getattr(self.service, "sees_contested", False),
            )
            if not batch:
                return
            self._fold(batch.records)
            await asyncio.sleep(0)

    def _fold(self, records: Sequence[SeenRecord]) -> None:
        try:
            for record in records:
                self.service.fold(record)
        except Exception as exc:
            # The cursor is past the record that broke it: whoever asked, the service has lost it.
            self._stop()
            raise self._stopped() from exc

    async def _publish(self, left_out: Callable[[LocalProtocolError], None]) -> bool:
        """Append what was asked for in one transaction; return whether there was anything.

        `left_out` is called for each record that cannot be sealed, and may refuse all of it.
        """
        try:
            drafts = self._context.publications.drafts(
                self.federation.fid,
                keyring=self._parts.keyring,
                key_logs=self._parts.store.key_logs,
                now_ms=self._parts.clock.now_ms(),
                random=self._parts.random,
                left_out=left_out,
            )
        finally:
            self._context.publications.clear()
        if drafts:
            await self._parts.ingest.publish(self.federation.fid, drafts)
        return bool(drafts)

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
                service.finish(key, result)
                await self._publish_own()
        self._again.set()

    def _end_jobs(self) -> None:
        for job in self._jobs.values():
            job.cancel()
        self._jobs.clear()

    def _stop(self) -> None:
        """Note the fault being handled, once."""
        if not self.is_stopped:
            self.is_stopped = True
            self._again.set()
            _LOG.exception("service %s stopped", self.name)

    def _stopped(self) -> Refusal:
        detail = f"expected {self.name} to run, but a fault stopped it: see the node's output"
        return Refusal("service.stopped", detail)

    async def _wait(self) -> None:
        """Sleep until something arrives, a job or command is done, or it is time."""
        now_ms = self._parts.clock.now_ms()
        wake_ms = self._context.wake_ms
        delay = _IDLE_MS if wake_ms is None else max(0, min(wake_ms - now_ms, _IDLE_MS))
        waits = [
            asyncio.ensure_future(self._parts.clock.sleep_ms(delay)),
            asyncio.ensure_future(self._parts.arrivals.wait_beyond(self._reader.cursor)),
            asyncio.ensure_future(self._parts.arrivals.wait_control_beyond(self._control)),
            asyncio.ensure_future(self._parts.arrivals.wait_payloads_beyond(self._payloads)),
            asyncio.ensure_future(self._again.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


def _refuse(refusal: LocalProtocolError) -> None:
    raise refusal
