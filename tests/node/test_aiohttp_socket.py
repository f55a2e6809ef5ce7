"""A WebSocket whose other end reads nothing, over a real connection."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import ClientSession, web

from sheaf_node.peering.aiohttp_socket import CLOSE_S, AiohttpSocket
from sheaf_node.peering.network import SocketClosed

FRAME = bytes(1 << 20)
TAKEN_S = 0.3


async def send_for_ever(socket: AiohttpSocket) -> None:
    while True:
        await socket.send(FRAME)


async def test_a_peer_that_reads_nothing_is_cut_off() -> None:
    ended: asyncio.Future[SocketClosed] = asyncio.get_running_loop().create_future()

    async def serve(request: web.Request) -> web.WebSocketResponse:
        opened = web.WebSocketResponse(compress=False, timeout=CLOSE_S)
        await opened.prepare(request)
        socket = AiohttpSocket(opened, TAKEN_S)
        with pytest.raises(SocketClosed) as caught:
            await send_for_ever(socket)
        await socket.close("link.lost", is_fault=True)
        ended.set_result(caught.value)
        return opened

    app = web.Application()
    app.add_routes([web.get("/", serve)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]

    async with ClientSession() as client, client.ws_connect(f"http://127.0.0.1:{port}/"):
        # Nobody asks this end for a message, so what comes fills the buffers and stays there.
        end = await asyncio.wait_for(ended, 20)

    assert end.code == "link.lost"
    assert "take a frame" in end.detail
    await runner.cleanup()
