"""Leads one service of another process in one federation: shows it records, takes its answers.

Such a service has no rights but those of its grant, and nothing that it does or leaves undone is
waited for without a limit:

1. It goes away, or never came. Calls are refused at once (`service.unreachable`), its turns wait.
2. It reads nothing. Its connection is cut off; nothing is kept for it meanwhile.
3. It answers nothing. Each step is over after ten seconds; then the next is told.
4. It publishes without end. Beyond the entries of its grant answers are refused (`service.rate`).
5. It comes twice. The newer connection is served and the older one ends.
6. It answers what it was not asked, or for kinds that it was not granted. That is refused whole.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sheaf_node.remote.answering import Answering
from sheaf_node.remote.due import Due
from sheaf_node.remote.feed import Event, Feed
from sheaf_node.remote.steps import STEP_MS, OpenStep, Steps, Waiting, unreachable
from sheaf_node.remote.wire import Published, Step
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from sheaf_node.kinds import Kinds
    from sheaf_node.plugins.host import Parts
    from sheaf_node.plugins.installed import Grant
    from sheaf_node.plugins.service import Call, Json
    from sheaf_node.remote.wire import Answer
    from sheaf_node.store.receipt import NewReceipt
    from sheaf_protocol.charter import Federation

MAX_BODY: Final = 1_048_576
"""1 MiB of a command: it travels in one event."""
PING_MS: Final = 15_000
"""Silence after which a comment is sent, by which a connection that is gone is found out."""


@dataclass(frozen=True, slots=True)
class Ping:
    """A comment that keeps a connection open."""


class RemoteHost:
    """One granted service in one federation."""

    def __init__(
        self,
        grant: Grant,
        *,
        federation: Federation,
        parts: Parts,
        kinds: Kinds,
        schema_version: Callable[[], int],
        elapsed_ms: Callable[[], int],
    ) -> None:
        """`elapsed_ms` is a clock that does not jump; `schema_version` tells of the storage."""
        self.grant, self.federation = grant, federation
        self.refused: str | None = None
        """The rule by which its newest answer was refused, if any."""
        self.missed = 0
        """How many steps in a row it let go by."""
        self.refusals = 0
        """How many of its answers were refused."""
        self.seen_ms: int | None = None
        """When it was last heard of, by the node's clock; None where it never was."""
        self._parts = parts
        self._schema_version, self._elapsed_ms = schema_version, elapsed_ms
        self._feed = Feed(parts, federation, grant.manifest)
        self._steps = Steps()
        self._due = Due()
        self._answering = Answering(grant.manifest, federation.fid, parts, kinds, elapsed_ms())
        self._news = asyncio.Event()
        self._connection = 0
        self._connected = False
        self._is_publishing = self._has_ended = False

    @property
    def name(self) -> str:
        """The service's name."""
        return self.grant.manifest.name

    @property
    def is_connected(self) -> bool:
        """Whether the service reads its feed."""
        return self._connected

    @property
    def behind(self) -> int:
        """How many entries of the store it was not shown so far, whatever their kind."""
        return max(0, self._parts.store.arrival - self._feed.cursor)

    def end(self) -> None:
        """End the feed for good: the node stops, or the grant is no more."""
        self._has_ended = True
        self._steps.end()
        self._news.set()

    async def view(self, name: str, call: Call) -> Json:
        """Return what the service shows. Raises Refusal `service.unreachable`, or its own."""
        return await self._ask(Waiting(what="view", **self._asked(name, call)))

    async def command(
        self, name: str, call: Call, receipt_of: Callable[[Json], NewReceipt | None] | None = None
    ) -> Json:
        """Have a command carried out; return its reply once all that it published is durable.

        The receipt that `receipt_of` makes of the reply is kept with that. Raises as `view` does.
        """
        await self._parts.ingest.until_compared()
        asked = self._asked(name, call)
        return await self._ask(Waiting(what="command", receipt_of=receipt_of, **asked))

    def _asked(self, name: str, call: Call) -> Json:
        reply = asyncio.get_running_loop().create_future()
        return {"name": name, "call": call, "seen": self._parts.store.arrival, "reply": reply}

    async def _ask(self, waiting: Waiting) -> Json:
        if len(waiting.call.body) > MAX_BODY:
            raise Refusal("api.too_large", f"expected at most {MAX_BODY} bytes for {self.name}")
        if not self._connected:
            raise unreachable("is not connected; `sheaf service run` starts it")
        self._steps.add(waiting)
        self._news.set()
        timer = asyncio.ensure_future(self._parts.clock.sleep_ms(STEP_MS))
        try:
            await asyncio.wait({waiting.reply, timer}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.reply.done():
                is_told = self._steps.open is not None and self._steps.open.waiting is waiting
                self.missed += is_told
                raise unreachable(f"did not within {STEP_MS // 1_000} s")
            return waiting.reply.result()
        finally:
            timer.cancel()
            waiting.reply.cancel()
            self._steps.drop(waiting)
            self._news.set()

    async def answer(self, answer: Answer) -> Published:
        """Carry out an answer; return what was published once it is durable.

        Raises Refusal `service.step`, `service.kind`, `service.rate`, `schema.invalid` and what
        the publication is refused with; nothing is then published, and the step is over.
        """
        self.seen_ms = self._parts.clock.now_ms()
        taken = self._steps.take(answer.step)
        if isinstance(taken, Published):
            return taken
        self._is_publishing, self.missed = True, 0
        if taken.waiting is None and answer.wake_at_ms is not None:
            wait_ms = answer.wake_at_ms - self._parts.clock.now_ms()
            self._due.wake(wait_ms, self._elapsed_ms())
        try:
            published = await self._answering.carry_out(taken, answer, self._elapsed_ms())
        except Refusal as refusal:
            self.refused = refusal.code
            self.refusals += 1
            self._due.note_refusal(self._elapsed_ms())
            if taken.waiting is not None and not taken.waiting.reply.done():
                taken.waiting.reply.set_exception(refusal)
            raise
        finally:
            self._is_publishing = False
            self._news.set()
        self.refused = None if answer.refusal is None else answer.refusal.code
        is_command = taken.waiting is not None and taken.waiting.what == "command"
        # Until a turn has nothing to say; and a command may have changed what is due.
        self._due.has_news |= is_command or bool(published.entries)
        self._steps.note(taken, published)
        return published

    # --- the feed

    async def events(self, last: str | None) -> AsyncGenerator[Event | Ping]:
        """Give what the service is shown and asked, behind the id that it had last, until another
        connection takes its place."""
        self._connection += 1
        mine = self._connection
        self._steps.end()
        self._news.set()
        begins_anew = self._feed.connect(last)
        self._connected, self.missed = True, 0
        self.seen_ms = self._parts.clock.now_ms()
        self._due.begin()
        compared = asyncio.ensure_future(self._parts.ingest.until_compared())
        version = self._schema_version()
        welcome = self._feed.welcome(self.name, begins_anew=begins_anew, schema_version=version)
        try:
            yield Event("welcome", welcome)
            while self._connection == mine and not self._has_ended:
                async for event in self._next(compared):
                    yield event
        finally:
            compared.cancel()
            if self._connection == mine:
                self.seen_ms = self._parts.clock.now_ms()
                self._connected = False
                self._steps.end()

    async def _next(self, compared: asyncio.Future[None]) -> AsyncGenerator[Event | Ping]:
        """Give what is there to tell, or wait for more."""
        self._news.clear()
        arrivals = self._parts.arrivals
        control, payloads = arrivals.control, arrivals.payloads
        if self._steps.expire(self._elapsed_ms()):
            self.missed += 1
            self._due.has_news = True
        read = self._feed.read()
        if read is None:
            begins = self._feed.welcome(self.name, begins_anew=True, schema_version=0)
            self._steps.end()
            yield Event("reset", begins, "")
            return
        events, has_more = read
        for event in events:
            self._due.has_news = True
            yield event
        step = self._step(is_caught_up=not has_more, may_publish=compared.done())
        if step is not None:
            yield Event("step", step, self._feed.id())
        elif has_more:
            await asyncio.sleep(0)
        elif not await self._wait(control, payloads, compared):
            yield Ping()

    def _step(self, *, is_caught_up: bool, may_publish: bool) -> Step | None:
        """Return the next step, if it is time for one."""
        if self._is_publishing or self._steps.open is not None:
            return None
        now_ms, control = self._elapsed_ms(), self._parts.arrivals.control
        waiting = self._steps.next_call(self._feed.cursor)
        if waiting is None:
            if not (is_caught_up and may_publish and self._due.is_now(now_ms, control)):
                return None
            self._due.take(now_ms, control)
        self._feed.context.begin()
        open_ = OpenStep(
            id=self._parts.random(8).hex(),
            until_ms=now_ms + STEP_MS,
            now_ms=self._feed.context.now_ms(),
            waiting=waiting,
        )
        self._steps.begin(open_)
        return self._told(open_)

    def _told(self, step: OpenStep) -> Step:
        waiting = step.waiting
        return Step(
            step=step.id,
            what="turn" if waiting is None else waiting.what,
            name="" if waiting is None else waiting.name,
            options={} if waiting is None else dict(waiting.call.options),
            body="" if waiting is None else base64.b64encode(waiting.call.body).decode(),
            now_ms=step.now_ms,
            answer_within_ms=STEP_MS,
            heads=self._feed.news(),
            forked=self._feed.forked(),
            control=self._parts.arrivals.control,
        )

    async def _wait(self, control: int, payloads: int, compared: asyncio.Future[None]) -> bool:
        """Return whether there is something to do before it is time for a ping."""
        now_ms, arrivals = self._elapsed_ms(), self._parts.arrivals
        ends = [now_ms + PING_MS]
        if self._steps.open is not None:
            ends.append(self._steps.open.until_ms)
        elif compared.done() and not self._is_publishing:
            ends += self._due.times_ms()
        delay_ms = max(0, min(ends) - now_ms)
        sleep = asyncio.ensure_future(self._parts.clock.sleep_ms(delay_ms))
        news = arrivals.wait_news(self._feed.cursor, control=control, payloads=payloads)
        waits: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(news),
            asyncio.ensure_future(self._news.wait()),
        ]
        both = [*waits, sleep, *([] if compared.done() else [compared])]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            return delay_ms < PING_MS or any(each.done() for each in both if each is not sleep)
        finally:
            for wait in (*waits, sleep):
                wait.cancel()
            await asyncio.gather(*waits, sleep, return_exceptions=True)
