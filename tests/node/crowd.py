"""Many peers of one real node, in this process: each a link of its own that brings entries."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import aiohttp
from tests.node.notebook import until

from sheaf_node.charter_file import FOLDER, CharterFile
from sheaf_node.config import CONFIG_FILE
from sheaf_node.keyring import create_keyring
from sheaf_protocol.charter import Certificate, Member, approve, genesis_body
from sheaf_protocol.codec import encode
from sheaf_protocol.identity import fold_key_log
from sheaf_protocol.limits import CREDIT_BYTES, MAX_FRAME
from sheaf_protocol.link import Dial, Fresh, Link, MessageReceived, PeerAuthenticated, Phase
from sheaf_protocol.link.messages import ControlHave, Entries, cost
from sheaf_protocol.testing.author import LogAuthor, TestCoop, make_coop
from sheaf_protocol.testing.link_pair import identity_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from sheaf_protocol.digest import FederationId
    from sheaf_protocol.link.events import Event

BODY = encode({"text": "A note of the length that most records have. " * 10})
BATCH = 16
STEP_S = 0.05


def make_coops(count: int) -> list[TestCoop]:
    """Return co-ops whose peers link with a node, made a moment ago."""
    now_ms = time.time_ns() // 1_000_000
    return [make_coop(f"co-op {n}", now_ms=now_ms) for n in range(count)]


def make_home(
    home: Path, coops: Sequence[TestCoop], ports: Sequence[int], limits: str = ""
) -> FederationId:
    """Make the home of one more member of their federation; return the federation's id."""
    now_ms = time.time_ns() // 1_000_000
    home.mkdir()
    keyring = create_keyring(home, name="Hill", country="GB", random=os.urandom, now_ms=now_ms)
    (home / CONFIG_FILE).write_text(
        f'name = "Hill"\npeer_port = {ports[0]}\nlocal_port = {ports[1]}\n[limits]\n{limits}'
    )
    own = fold_key_log(keyring.key_ops)
    named = [(coop.cid, coop.keys.head) for coop in coops] + [(own.cid, own.head)]
    members = [
        Member(cid=cid, is_suspended=False, key_head=head, roles=["member"])
        for cid, head in sorted(named)
    ]
    body = genesis_body("Borders", members, bytes(16))
    approvals = [approve(body, coop.cid, coop.manager) for coop in coops]
    approvals.append(approve(body, own.cid, keyring.require_manager()))
    certificate = Certificate(approvals=approvals, body=body)
    key_logs = [list(keyring.key_ops), *(list(coop.key_ops) for coop in coops)]
    charter = home / FOLDER / f"{certificate.fid.hex()}.charter"
    charter.parent.mkdir()
    charter.write_bytes(encode(CharterFile(certificate=certificate, key_logs=key_logs)))
    return certificate.fid


class CrowdPeer:
    """One link, which brings entries of its co-op for as long as it is told to."""

    def __init__(self, coop: TestCoop, fid: FederationId) -> None:
        self.author = LogAuthor(coop, fid)
        self.is_ready, self.brought, self.entries_a_step = False, 0, 0
        self.is_over = False
        """Whether all that the node said was read, and the link is no more."""
        self.ending = ""
        """What the node said as it ended the link."""
        self._coop, self._fid, self._taken = coop, fid, 0
        self._link: Link

    async def run(self, client: aiohttp.ClientSession, port: int) -> None:
        """Keep the link until the node ends it."""
        fresh = Fresh(seed=os.urandom(32), nonce=os.urandom(16))
        dial = Dial(audience=f"127.0.0.1:{port}")
        self._link = Link(dial, identity_of(self._coop), fresh, _now_ms())
        url = f"ws://127.0.0.1:{port}/sheaf/1/link"
        async with client.ws_connect(url, max_msg_size=2 * MAX_FRAME, compress=0) as socket:
            bringing = asyncio.create_task(self._bring(socket))
            try:
                await self._read(socket)
            finally:
                bringing.cancel()
                self.is_over = True

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        await self._flush(socket)
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.BINARY:
                break
            self._link.receive_data(message.data, _now_ms())
            while (event := self._link.next_event()) is not None:
                self._hear(event)
            with suppress(ConnectionError):  # the node went; what it said before is still here
                await self._flush(socket)

    def _hear(self, event: Event) -> None:
        match event:
            case PeerAuthenticated():
                self._link.send(ControlHave([], [], [], True))
                self._link.offer([self._fid], self.author.cid[:16])
            case MessageReceived():
                self.is_ready = self._link.is_ready
                self._taken += cost(event.message)
                if self._taken > CREDIT_BYTES // 8:
                    self._link.grant(self._taken)
                    self._taken = 0
            case _:
                self.ending = event.code

    async def _bring(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        with suppress(ConnectionError):
            while not self.ending:
                await asyncio.sleep(STEP_S)
                if self.is_ready and self._link.phase is Phase.OPEN and self.entries_a_step:
                    self._push()
                    await self._flush(socket)

    def _push(self) -> None:
        if self._link.credit < BATCH * 2 * len(BODY):
            return
        self.author.now_ms = _now_ms()
        batch = [self.author.append("x.note", BODY) for _ in range(self.entries_a_step)]
        self._link.send(Entries(self._link.blind(self._fid), True, batch, []))
        self.brought += len(batch)

    async def _flush(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        for frame in self._link.data_to_send():
            await socket.send_bytes(frame)


@asynccontextmanager
async def linked(
    coops: Sequence[TestCoop], fid: FederationId, port: int
) -> AsyncIterator[list[CrowdPeer]]:
    """Give peers that are linked with the node at a port, one for each co-op."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        peers = [CrowdPeer(coop, fid) for coop in coops]
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(peer.run(client, port)) for peer in peers]
            await until(lambda: all(peer.is_ready for peer in peers))
            yield peers
            for task in running:
                task.cancel()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
