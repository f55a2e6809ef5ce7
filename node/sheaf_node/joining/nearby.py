"""Finding the node that invites by the code alone, on the network that this computer is on.

A code holds no address, and nothing of it is multicast: this computer asks by multicast who speaks
Sheaf, as any browser of services does, and then asks each node that it hears of by a number of its
own network (spec 19, INV-23 to INV-26). Who is asked sees a hash of the secret and a MAC over fresh
values; the offer of whoever lacks the invitation opens no box, so nobody there can pose as the
inviter. One who answers first, or not at all, delays; he learns nothing and is told nothing more.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, Protocol

from sheaf_node.joining.calling import call
from sheaf_node.peering.lan import Lan, own_networks
from sheaf_protocol.errors import Refusal, RemoteProtocolError
from sheaf_protocol.invitation import Asking
from sheaf_protocol.link import Fresh

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from typing import TypeAlias

    from sheaf_node.peering.hints import Hint
    from sheaf_node.peering.reach import Reach
    from sheaf_protocol.invitation import Invitation, Offered

    Look: TypeAlias = Callable[[str], Awaitable[tuple[Asking, Offered]]]

LISTEN_S: Final = 6.0
"""For nodes to be heard: the library asks three times within three seconds."""
ASK_S: Final = 5.0
"""For one node to answer: an offer takes it milliseconds."""
GLANCE_S: Final = 0.2
MOST_ASKED: Final = 64
"""Addresses asked in all: anybody on a network can make up nodes."""
MOST_AT_ONCE: Final = 8
"""And at a time: an answer may be of megabytes."""
TYPE_IT: Final = "type its address behind the code, such as `sheaf join CODE 192.168.1.5:8440`"
_NO_EXTRA: Final = "a part is not installed: `pip install 'sheaf-coop[lan]'`"
_OURS: Final = frozenset({"invite.clock"})
"""Codes of our own of a box that opened: that was the inviter."""


def require_network() -> str:
    """Return an address of this computer on its local network. Raises Refusal `invite.nearby`."""
    try:
        import zeroconf  # noqa: F401, PLC0415 - an extra
    except ImportError as exc:
        raise _unheard(_NO_EXTRA) from exc
    own = [str(each.ip) for each in own_networks()]
    if not own:
        raise _unheard("this computer is on no local network")
    return next((text for text in own if ":" not in text), f"[{own[0]}]")


@asynccontextmanager
async def hearing() -> AsyncIterator[Lan]:
    """Give what is heard on this network; nothing is told there but that somebody asks.

    Raises Refusal `invite.nearby` where this computer cannot listen.
    """
    require_network()
    lan = Lan()
    try:
        # An address of this computer alone is told to nobody.
        await lan.open("127.0.0.1", 0, os.urandom)
    except OSError as exc:
        raise _unheard(f"this network has no multicast, got: {exc.strerror}") from exc
    try:
        yield lan
    finally:
        with suppress(Exception):  # the library's own errors have no class; we are done with it
            await lan.close()


def _unheard(why: str) -> Refusal:
    return Refusal(
        "invite.nearby", f"nodes on one network cannot be found here, as {why}; or {TYPE_IT}"
    )


class Hears(Protocol):
    """What is heard on this network."""

    async def hints(self) -> Sequence[Hint]:
        """Return the addresses heard of, each as `ws://number:port` of this network."""


async def look(
    given: Invitation, reach: Reach, now_ms: Callable[[], int], url: str
) -> tuple[Asking, Offered]:
    """Return what the node at a url offers by an invitation, and how to go on with it.

    Raises Refusal as `call` does, RemoteProtocolError as `receive_offer` does.
    """
    asking = Asking(given.secret, Fresh(seed=os.urandom(32), nonce=os.urandom(16)))
    answer = await call(url, asking.ask(), reach)
    return asking, asking.receive_offer(answer, now_ms(), given.cid)


async def find_near(heard: Hears, ask: Look) -> tuple[str, Asking, Offered]:
    """Return the url of the node whose offer opens, among those heard of within some seconds.

    Raises Refusal `invite.nearby` where there is none, RemoteProtocolError `invite.clock`.
    """
    search = _Search(ask)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(LISTEN_S):
                while not search.found:
                    search.begin([_http(hint.url) for hint in await heard.hints()])
                    await search.wait(GLANCE_S)
        while search.is_busy and not search.found:
            await search.wait(ASK_S)
    finally:
        await search.end()
    return search.result()


class _Search:
    """The nodes that are asked, and what came of it."""

    def __init__(self, ask: Look) -> None:
        self._ask, self._places = ask, asyncio.Semaphore(MOST_AT_ONCE)
        self._asked: dict[str, asyncio.Task[tuple[Asking, Offered]]] = {}
        self._codes: list[str] = []

    def begin(self, urls: Sequence[str]) -> None:
        """Ask those that were not asked so far."""
        for url in urls:
            if url not in self._asked and len(self._asked) < MOST_ASKED:
                self._asked[url] = asyncio.create_task(self._one(url))

    async def wait(self, seconds: float) -> None:
        """Wait until one has answered or failed, or so long."""
        busy = [task for task in self._asked.values() if not task.done()]
        if busy:
            await asyncio.wait(busy, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(seconds)

    @property
    def is_busy(self) -> bool:
        """Whether somebody is still to answer."""
        return any(not task.done() for task in self._asked.values())

    @property
    def found(self) -> str | None:
        """The url of a node whose offer opened."""
        return next((url for url, task in self._asked.items() if _opened(task)), None)

    async def end(self) -> None:
        """Ask nobody any more."""
        for task in self._asked.values():
            task.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)

    def result(self) -> tuple[str, Asking, Offered]:
        """Return what was found. Raises Refusal `invite.nearby`, RemoteProtocolError."""
        if self.found is not None:
            return self.found, *self._asked[self.found].result()
        if not self._asked:
            detail = "no Sheaf node told of itself on this network; the node that invites needs"
            detail += " `lan = true` under [discovery] in its sheaf.toml, and to run"
        else:
            count = len(self._asked)
            detail = f"{count} node{'' if count == 1 else 's'} on this network"
            detail += f" know{'s' if count == 1 else ''} of no such invitation"
            detail += ", or the code is another"
        for why, said in (("expired", "has expired"), ("busy", "was asked for wrongly too often")):
            if f"invite.{why}" in self._codes:
                detail += f" (one says that it {said})"
        raise Refusal("invite.nearby", f"{detail}: {TYPE_IT}")

    async def _one(self, url: str) -> tuple[Asking, Offered]:
        async with self._places, asyncio.timeout(ASK_S):
            try:
                return await self._ask(url)
            except Refusal as exc:
                self._codes.append(exc.code)
                raise


def _opened(task: asyncio.Task[tuple[Asking, Offered]]) -> bool:
    """Return whether an offer opened, also one whose clock is not ours."""
    if not task.done() or task.cancelled():
        return False
    fault = task.exception()
    return fault is None or (isinstance(fault, RemoteProtocolError) and fault.code in _OURS)


def _http(url: str) -> str:
    return "http" + url.removeprefix("ws")
