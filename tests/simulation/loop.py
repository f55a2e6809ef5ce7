"""An event loop whose time is virtual: it jumps to whatever is due next, so an hour takes seconds.

Every callback belongs to the life of a node, found by its context. When a life ends, what is left
of it is dropped as it stands: nothing is cancelled, no `finally` runs, as after `kill -9`. Nothing
of a dead life may be collected as garbage before the run ends, for that would run its `finally`
blocks; so a run has garbage collection off, keeps what it dropped, and ends with its process.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextvars import Context

    Callback = Callable[..., object]


class Life:
    """One run of one node, from its start to its death."""

    __slots__ = ("fuse", "is_over", "name", "on_blown", "steps")

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_over = False
        self.steps = 0
        """Callbacks run so far."""
        self.fuse = -1
        """The step before which it dies: between any two of its effects."""
        self.on_blown: Callable[[], None] = lambda: None


LIFE: Final[ContextVar[Life | None]] = ContextVar("life", default=None)


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs callbacks in the order of their time, and among equals of their asking."""

    def __init__(self) -> None:
        self._now = 0.0
        self._ready: deque[asyncio.Handle] = deque()
        self._heap: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._order = 0
        self._kept: list[object] = []
        self._tasks: dict[int, asyncio.Task[Any]] = {}
        self.steps = 0
        """Callbacks run so far, of all lives."""
        self.faults: list[dict[str, Any]] = []
        """What reached the loop as an exception that nobody took."""

    def time(self) -> float:
        """Return the seconds since the run began."""
        return self._now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks[id(task)] = task  # else the tasks of a dead life would be collected
        task.add_done_callback(self._forget)
        return task

    def call_soon(self, callback: Callback, *args: Any, context: Context | None = None) -> Any:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Callback, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + max(0.0, delay), callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callback, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._order += 1
        heapq.heappush(self._heap, (when, self._order, handle))
        return handle

    def run_in_executor(self, executor: Any, func: Callback, *args: Any) -> Any:
        """Run what would run in a thread here and at once; its answer comes with the next step."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as exc:
            done.set_exception(exc)
        return done

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.faults.append(context)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self.faults.append(context)

    async def shutdown_asyncgens(self) -> None:
        return

    def spawn(self, life: Life | None, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task in a life, or in none: the world's own."""
        context = copy_context()
        context.run(LIFE.set, life)
        return self.create_task(coro, context=context)

    def schedule(self, life: Life | None, delay: float, callback: Callback, *args: Any) -> None:
        """Call something later in a life; not at all if that is over by then."""
        context = copy_context()
        context.run(LIFE.set, life)
        self.call_later(delay, callback, *args, context=context)

    def run_until(self, end: float, is_done: Callable[[], bool] = lambda: False) -> None:
        """Run all that is due up to a time, or until something holds."""
        asyncio.events._set_running_loop(self)
        try:
            while not is_done():
                if not self._ready:
                    if not self._heap or self._heap[0][0] > end:
                        self._now = max(self._now, end)
                        return
                    self._wake()
                self._step()
        finally:
            asyncio.events._set_running_loop(None)

    def _wake(self) -> None:
        when, _, handle = heapq.heappop(self._heap)
        if not handle.cancelled():
            self._now = max(self._now, when)
            self._ready.append(handle)

    def _step(self) -> None:
        if not self._ready:
            return
        handle = self._ready.popleft()
        if handle.cancelled():
            return
        self.steps += 1
        life = handle._context.get(LIFE)  # type: ignore[attr-defined]
        if life is not None:
            if life.steps == life.fuse:
                life.fuse = -1
                life.on_blown()
            if life.is_over:
                self._kept.append(handle)
                return
            life.steps += 1
        handle._run()

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(id(task), None)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        return
