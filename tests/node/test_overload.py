"""A real node that cannot do what it is asked says so at once, and serves again afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from typing import TYPE_CHECKING

import aiohttp
import pytest
from tests.node.notebook import until
from tests.node.stalling import StallingDisk
from tests.node.test_cli_serve import DEMAND, make_member, serving
from tests.node.test_probes import ask, base, bearer, publish_again, scraped

from sheaf_node.api import read_token
from sheaf_node.cli.client import NodeClient
from sheaf_node.config import Limits
from sheaf_protocol.json_view import to_json

if TYPE_CHECKING:
    from pathlib import Path

ASKED = 100
"""Commands at a time: three times those that may be at work, and fewer than connections."""
AT_WORK = Limits().api_requests
CONNECTIONS = 1_000
PATIENCE_S = 60
"""When a client gives up: far beyond anything that is waited for here."""


@pytest.fixture
def member(tmp_path: Path) -> Path:
    return make_member(tmp_path)


class Commands:
    """Commands sent at one time, and what became of them."""

    def __init__(self, home: Path) -> None:
        self._url = f"{base(home)}/api/v1/records/demand.submit"
        self._token = bearer(read_token(home))
        self.answers: list[tuple[int, str | None]] = []
        """Status and `Retry-After`, in the order in which they came."""

    async def send(self, client: aiohttp.ClientSession) -> None:
        headers = {"Authorization": self._token, "Idempotency-Key": os.urandom(8).hex()}
        body = {"record": to_json(DEMAND)}
        async with client.post(self._url, json=body, headers=headers) as answer:
            await answer.read()
            self.answers.append((answer.status, answer.headers.get("Retry-After")))


async def test_what_a_disk_that_stands_still_cannot_take_is_refused_at_once(
    member: Path, tmp_path: Path
) -> None:
    disk = StallingDisk(tmp_path)
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    connector = aiohttp.TCPConnector(limit=0)
    with serving(member, env=disk.environment):
        commands = Commands(member)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as client:
            disk.stop()
            sent = [asyncio.create_task(commands.send(client)) for _ in range(ASKED)]
            await until(lambda: len(commands.answers) == ASKED - AT_WORK)
            looked = await asyncio.to_thread(ask, member, "/healthz")
            pending = (await asyncio.to_thread(scraped, member))["sheaf_commits_pending"]
            disk.go_on()
            await asyncio.gather(*sent)

    assert commands.answers[: ASKED - AT_WORK] == [(503, "1")] * (ASKED - AT_WORK)
    assert [status for status, _ in commands.answers[ASKED - AT_WORK :]] == [201] * AT_WORK
    assert looked[0] == 200
    assert pending[0][1] > 0


def test_a_thousand_requests_to_a_halted_node_all_come_to_an_end(member: Path) -> None:
    with serving(member) as process:
        process.send_signal(signal.SIGSTOP)
        port = int(base(member).rpartition(":")[2])
        head = f"Host: 127.0.0.1:{port}\r\nAuthorization: {bearer(read_token(member))}\r\n"
        asked = f"GET /api/v1/status HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode()
        ends = asyncio.run(ends_of(port, asked, process.pid))
        # It may take itself for late until it has measured anew: a client asks again then.
        first = NodeClient(member).get("/api/v1/status")
        entry = publish_again(member)

    assert sum(ends.values()) == CONNECTIONS
    assert set(ends) <= {"200", "429", "503", "closed"}
    assert ends["200"] > 0
    assert first["process"] == process.pid
    assert len(entry) == 64


async def ends_of(port: int, asked: bytes, pid: int) -> Counter[str]:
    """Return how many requests ended how, of a process that goes on once they are on their way."""

    async def one() -> str:
        try:
            async with asyncio.timeout(PATIENCE_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(asked)
                answer = await reader.read()
                writer.close()
        except TimeoutError:
            return "hung"
        except OSError:
            return "closed"
        return answer.split()[1].decode() if answer else "closed"

    tasks = [asyncio.create_task(one()) for _ in range(CONNECTIONS)]
    await asyncio.sleep(1.0)  # the kernel takes as many as the port's backlog has room for
    os.kill(pid, signal.SIGCONT)
    return Counter(await asyncio.gather(*tasks))
