"""The adapter between a WebSocket and a link: one task reads, one writes, one keeps the time.

All sending is the writer's, so the order of frames is that of the link's counters, and a peer that
does not read stops our writer and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Final, TypeAlias

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, web

from sheaf_protocol.link import LinkClosed, Phase

if TYPE_CHECKING:
    from sheaf_node.clock import Clock
    from sheaf_node.peering.session import Session

Socket: TypeAlias = aiohttp.ClientWebSocketResponse | web.WebSocketResponse

CLOSE_S: Final = 2.0
"""How long a peer may take to answer a WebSocket close."""
_CODE: Final = re.compile(r"[a-z0-9_]{1,32}\.[a-z0-9_]{1,32}\Z")
_QUIET: Final = frozenset({"link.bye", "link.duplicate"})
"""Ends that are nobody's fault."""
_LOG = logging.getLogger("sheaf.peering")


async def run_session(session: Session, socket: Socket, clock: Clock) -> LinkClosed:
    """Move bytes between a socket and a session until the link has ended; return why it did."""
    try:
        async with asyncio.TaskGroup() as tasks:
            reader = tasks.create_task(_read(session, socket, clock))
            timer = tasks.create_task(_keep_time(session, clock))
            await _write(session, socket)
            await _close(session, socket)
            reader.cancel()
            timer.cancel()
    finally:
        session.end()
    return _why(session)


async def _read(session: Session, socket: Socket, clock: Clock) -> None:
    link = session.link
    while link.phase is not Phase.CLOSED:
        message = await socket.receive()
        if message.type is WSMsgType.BINARY:
            link.receive_data(message.data, clock.now_ms())
        else:
            link.close(*_ending(message), is_by_peer=True)
        while (event := link.next_event()) is not None:
            await session.receive(event)
        session.wake.set()


async def _write(session: Session, socket: Socket) -> None:
    link = session.link
    while True:
        has_more = session.pump()
        try:
            for frame in link.data_to_send():
                await socket.send_bytes(frame)
        except (ConnectionError, RuntimeError) as exc:  # aiohttp: "WebSocket connection is closed"
            link.close("link.lost", str(exc), is_by_peer=True)
        if link.phase is Phase.CLOSED:
            return
        if has_more:
            await asyncio.sleep(0)  # other links' turn
        else:
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
    status = WSCloseCode.POLICY_VIOLATION
    if why.is_by_peer or why.code in _QUIET:
        status = WSCloseCode.OK
    elif why.code == "link.frame_size":
        status = WSCloseCode.MESSAGE_TOO_BIG
    level = logging.DEBUG if why.code in _QUIET else logging.INFO
    _LOG.log(level, "link with %s ended: %s: %s", session.url, why.code, why.detail)
    await socket.close(code=status, message=why.code.encode())


def _why(session: Session) -> LinkClosed:
    while (event := session.link.next_event()) is not None:
        if isinstance(event, LinkClosed):
            session.closed = event
    return session.closed or LinkClosed(code="link.lost", detail="", is_by_peer=True)


def _ending(message: aiohttp.WSMessage) -> tuple[str, str]:
    """Return the code and sentence of whatever came in place of a frame."""
    reason = message.extra or ""
    if message.type is WSMsgType.CLOSE and _CODE.match(reason):
        return reason, "the peer ended the link"
    if message.type is WSMsgType.TEXT:
        return "link.message", "expected a binary message, got text"
    if message.type is WSMsgType.ERROR and _is_too_big(message.data):
        return "link.frame_size", "expected a smaller frame"
    return "link.lost", f"the connection ended ({message.type.name.lower()})"


def _is_too_big(error: object) -> bool:
    return isinstance(error, aiohttp.WebSocketError) and error.code == WSCloseCode.MESSAGE_TOO_BIG
