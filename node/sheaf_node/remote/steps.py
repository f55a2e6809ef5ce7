"""The steps of a service in another process: one at a time, each answered once and in time. Pure.

A turn asks what is due; a call asks on behalf of somebody who waits. While a step is open no other
is told, so a service never decides on a state that lacks its own last word. What may go wrong:

1. A step is not answered in time. It is over, its caller is told so, and the next one is told.
2. An answer comes to a step that is over, or to none. It is refused and publishes nothing.
3. The answer to a step was taken, and lost on its way back. Sent again, it is told again.
4. Calls come faster than they are answered. Beyond so many, callers are told at once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from sheaf_node.plugins.service import Call, Json
    from sheaf_node.remote.wire import Published
    from sheaf_node.store.receipt import NewReceipt

MOST_WAITING: Final = 8
"""Calls of one service in one federation: more than its people ask at once."""
STEP_MS: Final = 10_000
"""For a step to be answered. Long work is done between steps."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Waiting:
    """A call by somebody who waits for its reply."""

    what: Literal["command", "view"]
    name: str
    call: Call
    seen: int
    """The arrival number up to which the service is to have been shown all before it is asked."""
    reply: asyncio.Future[Json]
    receipt_of: Callable[[Json], NewReceipt | None] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenStep:
    """The step that is to be answered."""

    id: str
    until_ms: int
    now_ms: int
    """The time that its publications bear."""
    waiting: Waiting | None
    """Who waits for it; None for a turn."""


class Steps:
    """The steps of one service in one federation. Times are those of a clock that does not jump."""

    def __init__(self) -> None:
        self._calls: deque[Waiting] = deque()
        self._taken: tuple[str, Published] | None = None
        self.open: OpenStep | None = None

    def add(self, waiting: Waiting) -> None:
        """Let a call wait for its step. Raises Refusal `service.unreachable` for one too many."""
        if len(self._calls) >= MOST_WAITING:
            detail = f"expected at most {MOST_WAITING} calls waiting for the service; ask later"
            raise Refusal("service.unreachable", detail)
        self._calls.append(waiting)

    def drop(self, waiting: Waiting) -> None:
        """Forget a call whose caller waits no more."""
        if waiting in self._calls:
            self._calls.remove(waiting)
        if self.open is not None and self.open.waiting is waiting:
            self.open = None

    def next_call(self, cursor: int) -> Waiting | None:
        """Take the next call whose service was shown enough; None while a step is open."""
        if self.open is not None or not self._calls or self._calls[0].seen > cursor:
            return None
        return self._calls.popleft()

    def begin(self, step: OpenStep) -> None:
        """Note the step that was told."""
        self.open = step

    def expire(self, now_ms: int) -> bool:
        """End a step that was not answered in time; return whether there was one."""
        if self.open is None or now_ms < self.open.until_ms:
            return False
        self.open = None
        return True

    def take(self, id_: str) -> OpenStep | Published:
        """Take the open step for its answer, or return what became of the same answer before.

        Raises Refusal `service.step` for any other.
        """
        if self._taken is not None and self._taken[0] == id_:
            return self._taken[1]
        if self.open is None or self.open.id != id_:
            detail = "expected an answer to the step that was told last, and once, and in time"
            raise Refusal("service.step", detail)
        step, self.open = self.open, None
        return step

    def note(self, step: OpenStep, published: Published) -> None:
        """Keep what became of an answer, for whoever did not hear of it."""
        self._taken = (step.id, published)

    def end(self) -> None:
        """Tell all callers that nobody answers: the feed has ended."""
        calls = [*self._calls, *([] if self.open is None else [self.open.waiting])]
        self._calls.clear()
        self.open = None
        for waiting in calls:
            if waiting is not None and not waiting.reply.done():
                waiting.reply.set_exception(unreachable("went away before it answered"))


def unreachable(why: str) -> Refusal:
    """Return the refusal of a call that is not answered."""
    return Refusal("service.unreachable", f"expected the service to answer, but it {why}")
