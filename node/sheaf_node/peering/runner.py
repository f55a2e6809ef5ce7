"""The adapter between a socket and a link: one task reads, one writes, one keeps the time.

All sending is the writer's, so the order of frames is that of the link's counters, and a peer that
does not read stops our writer and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from sheaf_node.peering.network import SocketClosed
from sheaf_protocol.link import LinkClosed, Phase

if TYPE_CHECKING:
    from sheaf_node.clock import Clock
    from sheaf_node.peering.network import Socket
    from sheaf_node.peering.session import Session
    from sheaf_node.turns import Turns

SMALL_FRAME: Final = 4_096
"""Bytes of a frame that is read at once: a question or two, which the peer pays for each."""
_QUIET: Final = frozenset({"link.bye", "link.duplicate"})
"""Ends that are nobody's fault."""
_LOG = logging.getLogger("sheaf.peering")


async def run_session(session: Session, socket: Socket, clock: Clock, turns: Turns) -> LinkClosed:
    """Move bytes between a socket and a session until the link has ended; return why it did."""
    try:
        async with asyncio.TaskGroup() as tasks:
            reader = tasks.create_task(_read(session, socket, clock, turns))
            timer = tasks.create_task(_keep_time(session, clock))
            await _write(session, socket, turns)
            await _close(session, socket)
            reader.cancel()
            timer.cancel()
    finally:
        session.end()
    return _why(session)


async def _read(session: Session, socket: Socket, clock: Clock, turns: Turns) -> None:
    link = session.link
    while link.phase is not Phase.CLOSED:
        try:
            data = await socket.receive()
            # What is in the socket's buffer comes at once: a flood would have the loop alone.
            await (turns.other() if len(data) > SMALL_FRAME else asyncio.sleep(0))
            link.receive_data(data, clock.now_ms())
        except SocketClosed as end:
            link.close(end.code, end.detail, is_by_peer=True)
        while (event := link.next_event()) is not None:
            await session.receive(event)
        session.wake.set()


async def _write(session: Session, socket: Socket, turns: Turns) -> None:
    link = session.link
    while True:
        await turns.other()
        has_more = session.pump()
        try:
            for frame in link.data_to_send():
                await socket.send(frame)
        except SocketClosed as end:
            link.close(end.code, end.detail, is_by_peer=True)
        if link.phase is Phase.CLOSED:
            return
        if not has_more:
            await session.wake.wait()
            session.wake.clear()


async def _keep_time(session: Session, clock: Clock) -> None:
    while (due_ms := session.link.next_timer_ms()) is not None:
        await clock.sleep_ms(max(1, due_ms - clock.now_ms()))
        session.link.handle_timer(clock.now_ms())
    session.wake.set()


async def _close(session: Session, socket: Socket) -> None:
    """Close the socket with the link's code as its reason, where the peer has not closed it."""
    why = _why(session)
    level = logging.DEBUG if why.code in _QUIET else logging.INFO
    _LOG.log(level, "link with %s ended: %s: %s", session.url, why.code, why.detail)
    await socket.close(why.code, is_fault=not (why.is_by_peer or why.code in _QUIET))


def _why(session: Session) -> LinkClosed:
    while (event := session.link.next_event()) is not None:
        if isinstance(event, LinkClosed):
            session.closed = event
    return session.closed or LinkClosed(code="link.lost", detail="", is_by_peer=True)
