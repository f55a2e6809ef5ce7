"""Runs one service in one federation: reads the log by a cursor, folds, decides, carries out.

The host is the only caller of its service and calls it from one task, so a service needs no lock.
A turn is: take in all that arrived, decide, publish what was asked for in one transaction, and take
that in before deciding again. So a service never decides on a state that lacks its own last word.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sheaf_node.plugins.jobs import run_apart
from sheaf_node.plugins.reading import Reader
from sheaf_node.plugins.writing import Outbox
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.events import Arrivals
    from sheaf_node.ingest import Ingest
    from sheaf_node.keyring import Keyring
    from sheaf_node.plugins.service import Call, Json, Service, ServiceFactory
    from sheaf_node.store import Store
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.digest import CoopId, EntryId, WriterId
    from sheaf_protocol.log import Head
    from sheaf_protocol.records import Record

_READ = 512
"""Entries folded before the loop gets its turn again."""
_IDLE_MS = 60_000
"""Longest sleep without a reason, so that a clock set by hand is noticed within a minute."""


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
        self.outbox = Outbox()
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
        self.outbox.add(record, refs, to)

    def wake_at(self, time_ms: int) -> None:
        """Ask for a decision at this time at the latest."""
        self.wake_ms = time_ms if self.wake_ms is None else min(self.wake_ms, time_ms)

    def run(self, key: str, function: Callable[..., object], *args: object) -> None:
        """Ask for a computation in a process of its own."""
        self.jobs.setdefault(key, (function, args))


class ServiceHost:
    """One running service. `run` ends only by cancellation or by a fault in the service."""

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
        self._running: set[str] = set()
        self.is_stopped = False
        """Whether a fault ended the service; the node goes on without it."""
        self._begin()

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                async with self._turn:
                    await self._take_turn(tasks)
                await self._wait()

    async def command(self, name: str, call: Call) -> Json:
        """Carry out a command and return its reply once all that it published is durable.

        Raises Refusal `service.no_command` and whatever the command refuses with.
        """
        async with self._turn:
            await self._read()
            command = self.service.commands.get(name)
            if command is None:
                raise Refusal("service.no_command", f"{self.name} has no command {name!r}")
            try:
                reply = command(call)
                await self._publish()
            finally:
                self._context.outbox.clear()
            await self._read()
            self._again.set()
            return reply

    async def view(self, name: str, call: Call) -> Json:
        """Return a view over all that has arrived so far. Raises Refusal `service.no_view`."""
        async with self._turn:
            await self._read()
            view = self.service.views.get(name)
            if view is None:
                raise Refusal("service.no_view", f"{self.name} has no view {name!r}")
            return view(call)

    def _begin(self) -> None:
        """Make the service anew, with nothing read."""
        self._voids = self._parts.store.voids
        self._control = self._parts.arrivals.control
        self._reader = Reader(self._parts.store, self._parts.keyring, self.federation)
        self._context = Context(self._parts, self.federation, self._reader)
        self.service: Service = self._factory(self._context, self._settings)

    async def _take_turn(self, tasks: asyncio.TaskGroup) -> None:
        self._again.clear()
        self._control = self._parts.arrivals.control
        while True:
            await self._read()
            self._context.wake_ms = None
            self.service.decide()
            self._start_jobs(tasks)
            if not await self._publish():
                return

    async def _read(self) -> None:
        """Fold all that has arrived; from the start again where entries lost their effect since."""
        if self._voids != self._parts.store.voids:
            self._begin()
        while seen := self._reader.next_batch(_READ, self.service.follows):
            for record in seen.records:
                self.service.fold(record)
            await asyncio.sleep(0)

    async def _publish(self) -> bool:
        """Append what was asked for in one transaction; return whether there was anything."""
        context = self._context
        if context.outbox.is_empty:
            return False
        drafts = context.outbox.drafts(
            self.federation.fid,
            keyring=self._parts.keyring,
            key_logs=self._parts.store.key_logs,
            now_ms=self._parts.clock.now_ms(),
            random=self._parts.random,
        )
        context.outbox.clear()
        await self._parts.ingest.publish(self.federation.fid, drafts)
        return True

    def _start_jobs(self, tasks: asyncio.TaskGroup) -> None:
        for key, (function, args) in self._context.jobs.items():
            if key not in self._running:
                self._running.add(key)
                tasks.create_task(self._job(key, function, args))
        self._context.jobs.clear()

    async def _job(
        self, key: str, function: Callable[..., object], args: tuple[object, ...]
    ) -> None:
        result = await run_apart(function, *args)
        async with self._turn:
            self._running.discard(key)
            self.service.finish(key, result)
        self._again.set()

    async def _wait(self) -> None:
        """Sleep until something arrives, a job or command is done, or it is time."""
        now_ms = self._parts.clock.now_ms()
        wake_ms = self._context.wake_ms
        delay = _IDLE_MS if wake_ms is None else max(0, min(wake_ms - now_ms, _IDLE_MS))
        waits = [
            asyncio.ensure_future(self._parts.clock.sleep_ms(delay)),
            asyncio.ensure_future(self._parts.arrivals.wait_beyond(self._reader.cursor)),
            asyncio.ensure_future(self._parts.arrivals.wait_control_beyond(self._control)),
            asyncio.ensure_future(self._again.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
