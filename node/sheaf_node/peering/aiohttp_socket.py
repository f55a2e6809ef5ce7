"""A WebSocket of aiohttp as a socket of peering: its messages and errors in a link's words."""

from __future__ import annotations

import re
from typing import Final

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, web

from sheaf_node.peering.network import SocketClosed

CLOSE_S: Final = 2.0
"""How long a peer may take to answer a WebSocket close."""
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

    def __init__(self, socket: aiohttp.ClientWebSocketResponse | web.WebSocketResponse) -> None:
        self._socket = socket

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
        """Send a binary message; waits while the peer reads too slowly. Raises SocketClosed."""
        try:
            await self._socket.send_bytes(frame)
        except (ConnectionError, RuntimeError) as exc:  # aiohttp: "WebSocket connection is closed"
            raise SocketClosed("link.lost", str(exc)) from exc

    async def close(self, code: str, *, is_fault: bool) -> None:
        """Close with the code as the reason."""
        usual = WSCloseCode.POLICY_VIOLATION if is_fault else WSCloseCode.OK
        status = _STATUS.get(code, usual) if is_fault else usual
        await self._socket.close(code=status, message=code.encode())


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
