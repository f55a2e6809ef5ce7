"""Dials the configured peers, and again after a jittered wait, for as long as the node runs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from sheaf_node.address import link_address
from sheaf_node.peering.policy import back_off_ms
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.config import Waits
    from sheaf_node.peering.network import Network, Socket
    from sheaf_protocol.digest import WriterId
    from sheaf_protocol.link import LinkClosed

_REASONS: Final = {
    "link.self": "this is the node itself; it is not dialled again",
    "link.bye": "the node there stopped or starts anew",
    "link.busy": "the node there has as many links as it takes",
    "link.lost": "the connection broke",
    "link.paused": "links between the two co-ops are paused by an operator",
    "link.timeout": "no answer in time",
}
_LOG = logging.getLogger("sheaf.peering")


class Ended:
    """How a dialled link ended: who was there, whether it was of use, whether to dial again, and
    whether the peer had another one."""

    def __init__(
        self,
        reason: str | None,
        *,
        wid: WriterId | None = None,
        was_open: bool = False,
        is_self: bool = False,
        is_duplicate: bool = False,
    ) -> None:
        self.reason, self.wid, self.was_open, self.is_self = reason, wid, was_open, is_self
        self.is_duplicate = is_duplicate


class Dialer:
    """Keeps links to configured peers up.

    `run` uses one dialled socket to its end; `wait_gone` returns once no link to a writer is up.
    """

    def __init__(
        self,
        *,
        network: Network,
        clock: Clock,
        random: Randomness,
        waits: Waits,
        run: Callable[[Socket, str, str], Awaitable[Ended]],
        wait_gone: Callable[[WriterId], Awaitable[None]],
    ) -> None:
        self._network, self._clock, self._random, self._waits = network, clock, random, waits
        self._run, self._wait_gone = run, wait_gone
        self._last: dict[str, Ended] = {}

    def last_reason(self, url: str) -> str | None:
        """Return why the last link to a peer ended or did not come about; None before that."""
        ended = self._last.get(url)
        return None if ended is None else ended.reason

    def last_writer(self, url: str) -> WriterId | None:
        """Return who answered the last dial, where anybody proved who it is."""
        ended = self._last.get(url)
        return None if ended is None else ended.wid

    def duplicate_at(self, url: str) -> WriterId | None:
        """Return who ended the last link to a peer since it has another one with our key."""
        ended = self._last.get(url)
        return ended.wid if ended is not None and ended.is_duplicate else None

    async def keep(self, url: str, *, is_outside: bool = False) -> None:
        """Dial one peer for ever; return only where the url turns out to be this node's own.

        `is_outside` is for an address that came from others, and leads nowhere inside a network.
        """
        address, audience = link_address(url)
        failures = 0
        while True:
            ended = await self._dial(address, audience, is_outside=is_outside)
            self._note(url, ended)
            if ended.is_self:
                return
            if ended.wid is not None:
                # The peer may have dialled us meanwhile; one link is enough.
                await self._wait_gone(ended.wid)
            failures = 0 if ended.was_open else failures + 1
            waits = self._waits
            wait_ms = back_off_ms(
                failures, waits.redial_first_ms, waits.redial_most_ms, self._random
            )
            await self._clock.sleep_ms(wait_ms)

    async def _dial(self, address: str, audience: str, *, is_outside: bool) -> Ended:
        dial = self._network.dial_hint if is_outside else self._network.dial
        try:
            socket = await dial(address, self._waits.dial_ms)
        except Refusal as exc:
            return Ended(exc.detail)
        return await self._run(socket, address, audience)

    def _note(self, url: str, ended: Ended) -> None:
        """Keep how a dial ended, and tell of it where it is not what it was the last time."""
        if ended.reason not in {None, self.last_reason(url)}:
            # A node that says goodbye is well: if it stays away, the next dial tells why.
            level = logging.INFO if ended.reason == _REASONS["link.bye"] else logging.WARNING
            _LOG.log(level, "peer %s: %s", url, ended.reason)
        self._last[url] = ended


def reason_of(why: LinkClosed, audience: str) -> str | None:
    """Return in words why a dialled link ended; None where another link to the peer stays."""
    if why.code == "link.duplicate":
        return None
    if why.code == "link.audience":
        return f"the node there is not called {audience}; see its public_names"
    if why.code == "link.not_member" and why.is_by_peer:
        return "the node there is in no federation with this co-op, or does not know so yet"
    return _REASONS.get(why.code) or f"{why.detail or 'the link ended'} ({why.code})"
