"""A node that has all that keeps it from ending ends within ten seconds, and tells its peers."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from tests.node.crowd import linked, make_coops, make_home
from tests.node.notebook import until
from tests.node.stalling import StallingDisk
from tests.node.test_cli_serve import serving
from tests.node.test_stopping import STOP_S, Load, half_asked

from sheaf_node.api import read_token
from sheaf_node.cli.serve import LATE
from sheaf_services.demo.ports import free_ports

if TYPE_CHECKING:
    import socket
    import subprocess
    from pathlib import Path

    from tests.node.crowd import CrowdPeer

LINKS = 50
STREAMS = 16
LIMITS = f"links_per_address = {LINKS}\nhandshakes = {LINKS}\n"
PATIENCE_S = 60


async def stopped_under_load(
    home: Path, disk: StallingDisk, *, is_to_stall: bool
) -> tuple[float, int, list[CrowdPeer]]:
    """Return how long a node took to end that has everything to do, its status, and its peers."""
    coops, ports = make_coops(LINKS), free_ports(2)
    fid = make_home(home, coops, ports, LIMITS)
    async with AsyncExitStack() as stack:
        process = await asyncio.to_thread(stack.enter_context, serving(home, env=disk.environment))
        peers = await stack.enter_async_context(linked(coops, fid, ports[0]))
        # Before there is any load: a node that does not keep up may refuse a stream.
        for _ in range(STREAMS):
            stack.enter_context(await asyncio.to_thread(open_stream, home, ports[1]))
        for peer in peers:
            peer.entries_a_step = 1
        with Load(home, programs=4) as load:
            await until(lambda: len(load.acknowledged) >= 10)
            await until(lambda: all(peer.brought >= 10 for peer in peers))
            if is_to_stall:
                disk.stop()
                await asyncio.sleep(0.5)
            taken_s, status = await asyncio.to_thread(told_to_end, process)
            if is_to_stall:
                disk.go_on()
            # What the node said last came before its end, and may not have been read by now.
            await until(lambda: all(peer.is_over for peer in peers))
        return taken_s, status, peers


def open_stream(home: Path, port: int) -> socket.socket:
    """Return a stream of events of which nobody reads on."""
    head = f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {read_token(home)}\r\n"
    stream = half_asked(port, f"GET /api/v1/events/stream HTTP/1.1\r\n{head}\r\n".encode())
    assert b" 200 " in stream.recv(16)
    return stream


def told_to_end(process: subprocess.Popen[str]) -> tuple[float, int]:
    told = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE_S)
    return time.monotonic() - told, process.returncode


async def test_fifty_links_streams_and_requests_at_work_do_not_hold_up_the_end(
    tmp_path: Path,
) -> None:
    disk = StallingDisk(tmp_path)

    taken_s, status, peers = await stopped_under_load(tmp_path / "hill", disk, is_to_stall=False)

    assert taken_s < STOP_S
    assert status == 0
    assert {peer.ending for peer in peers} == {"link.bye"}


async def test_a_disk_that_stands_still_does_not_hold_up_the_end(tmp_path: Path) -> None:
    disk = StallingDisk(tmp_path)

    taken_s, status, _ = await stopped_under_load(tmp_path / "hill", disk, is_to_stall=True)

    assert taken_s < STOP_S + 1  # of which nine are waited for the disk
    assert status == LATE
