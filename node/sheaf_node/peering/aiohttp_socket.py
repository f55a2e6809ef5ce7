"""A WebSocket of aiohttp as a socket of peering: its messages and errors in a link's words."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import suppress
from typing import Final

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, web

from sheaf_node.peering.network import SocketClosed

CLOSE_S: Final = 2.0
"""How long a peer may take to answer a WebSocket close."""
TAKEN_S: Final = 30.0
"""For a peer to take what fills the socket's buffer. It holds one of few links meanwhile."""
MAX_PINGS: Final = 1_000
"""Pings and pongs without a frame between them: hours of an idle link's. Of six bytes each, they
come by the thousand in one read, and the loop would answer all before it turns to another link."""
_CODE: Final = re.compile(r"[a-z0-9_]{1,32}\.[a-z0-9_]{1,32}\Z")
_STATUS: Final = {
    "link.frame_size": WSCloseCode.MESSAGE_TOO_BIG,
    "link.internal": WSCloseCode.INTERNAL_ERROR,
}


class AiohttpSocket:
    """Either end of a WebSocket."""

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse | web.WebSocketResponse,
        taken_s: float = TAKEN_S,
    ) -> None:
        self._socket, self._taken_s = socket, taken_s

    async def receive(self) -> bytes:
        """Return the next binary message. Raises SocketClosed for anything else."""
        for _ in range(MAX_PINGS):
            message = await self._socket.receive()
            if message.type is WSMsgType.BINARY:
                data: bytes = message.data
                return data
            if message.type is WSMsgType.PING:
                await self._pong(message.data)
            elif message.type is not WSMsgType.PONG:
                raise _ending(message)
        raise SocketClosed("link.message", f"expected a frame, got {MAX_PINGS} pings in a row")

    async def _pong(self, data: bytes) -> None:
        try:
            await self._socket.pong(data)
        except (ConnectionError, RuntimeError) as exc:
            raise SocketClosed("link.lost", str(exc)) from exc

    async def send(self, frame: bytes) -> None:
        """Send a binary message; waits while the peer reads too slowly, and not for ever.

        Raises SocketClosed.
        """
        try:
            async with asyncio.timeout(self._taken_s):
                await self._socket.send_bytes(frame)
        except TimeoutError as exc:
            self._cut()
            detail = f"expected the peer to take a frame within {self._taken_s:.0f} s"
            raise SocketClosed("link.lost", detail) from exc
        except (ConnectionError, RuntimeError) as exc:  # aiohttp: "WebSocket connection is closed"
            raise SocketClosed("link.lost", str(exc)) from exc

    def _cut(self) -> None:
        """End the connection as it stands: no goodbye gets through what is not read."""
        connection = self._socket.get_extra_info("socket")
        if connection is not None:
            with suppress(OSError):  # it ended meanwhile
                connection.shutdown(socket.SHUT_RDWR)

    async def close(self, code: str, *, is_fault: bool) -> None:
        """Close with the code as the reason."""
        usual = WSCloseCode.POLICY_VIOLATION if is_fault else WSCloseCode.OK
        status = _STATUS.get(code, usual) if is_fault else usual
        try:
            await self._socket.close(code=status, message=code.encode())
        except asyncio.CancelledError:
            # aiohttp cancels what waits for the buffer of a connection that was lost meanwhile.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise


def _ending(message: aiohttp.WSMessage) -> SocketClosed:
    """Return what whatever came in place of a frame means for the link."""
    reason = message.extra or ""
    if message.type is WSMsgType.CLOSE and _CODE.match(reason):
        return SocketClosed(reason, "the peer ended the link")
    if message.type is WSMsgType.TEXT:
        return SocketClosed("link.message", "expected a binary message, got text")
    if message.type is WSMsgType.ERROR and _is_too_big(message.data):
        return SocketClosed("link.frame_size", "expected a smaller frame")
    return SocketClosed("link.lost", f"the connection ended ({message.type.name.lower()})")


def _is_too_big(error: object) -> bool:
    return isinstance(error, aiohttp.WebSocketError) and error.code == WSCloseCode.MESSAGE_TOO_BIG
