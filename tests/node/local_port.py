"""A local API on a real port, with one service that can be held up."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession
from tests.node.taking import make_keyring
from yarl import URL

from sheaf_node.api import LocalApi
from sheaf_node.blobs import Blobs, Fetching
from sheaf_node.clock import ManualClock
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Ingest
from sheaf_node.store import Store
from sheaf_protocol.json_view import to_json
from sheaf_protocol.records import Demand, Item, Price
from sheaf_protocol.testing.author import START_MS, make_coop, make_federation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from sheaf_node.plugins import Call

TOKEN = "ef" * 32
MILL = make_coop("Mill")
FIRST = make_federation([(MILL, ["member"])])
SECOND = make_federation([(MILL, ["member"])], name="Second")
DEMAND = Demand(
    is_firm=True,
    item=Item(code="feed", name="Feed", scale=0, unit="KGM"),
    max_price=Price(amount=10, base=1, currency="GBP"),
    min_quantity=1,
    quantity=5,
    ref="r1",
    zone="N",
)


class Slow:
    """Stands for a service's host: its answers come once the gate is open."""

    def __init__(self) -> None:
        self.gate, self.asked = asyncio.Event(), asyncio.Semaphore(0)
        self.name, self.is_stopped, self.refused = "slow", False, None
        self.lost: dict[Any, Any] = {}
        self.follows: frozenset[str] = frozenset()

    async def view(self, name: str, call: Call) -> Any:
        return await self._answer()

    async def command(self, name: str, call: Call, receipt_of: object = None) -> Any:
        return await self._answer()

    async def _answer(self) -> Any:
        self.asked.release()
        await self.gate.wait()
        return {"done": True}


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str:
        """Return the code, once the body is seen to be a whole problem."""
        assert self.headers["Content-Type"].startswith("application/problem+json")
        keys = {"type", "title", "status", "detail", "instance", "code"}
        assert keys <= set(self.body) <= keys | {"errors"}
        assert self.body["status"] == self.status
        return str(self.body["code"])


@dataclass(frozen=True, kw_only=True)
class Port:
    api: LocalApi
    store: Store
    slow: Slow
    session: ClientSession

    async def ask(self, method: str, path: str, *, token: str = TOKEN, **kwargs: Any) -> Answer:
        headers = {"Authorization": f"Bearer {token}", **kwargs.pop("headers", {})}
        if method == "POST":
            headers.setdefault("Idempotency-Key", os.urandom(16).hex())
        url = URL(f"http://127.0.0.1:{self.api.port}{path}", encoded=True)
        async with self.session.request(method, url, headers=headers, **kwargs) as response:
            body = await response.json(content_type=None)
            return Answer(status=response.status, headers=response.headers, body=body)

    async def get(self, path: str, **kwargs: Any) -> Answer:
        return await self.ask("GET", path, **kwargs)

    async def post_demand(self, query: str = "", **changes: Any) -> Answer:
        record = {**to_json(DEMAND), **changes}
        path = f"/api/v1/records/demand.submit{query}"
        return await self.ask("POST", path, json={"record": record})

    async def raw(self, sent: bytes) -> tuple[bytes, bytes]:
        """Send bytes that no client would; return the head and the body of what comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.api.port)
        writer.write(sent)
        try:
            async with asyncio.timeout(60):
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        return head, body


@asynccontextmanager
async def local_port(folder: Path, **settings: Any) -> AsyncIterator[Port]:
    async with AsyncExitStack() as stack:
        store = Store.open(folder / "sheaf.db", random=os.urandom)
        stack.push_async_callback(store.close)
        arrivals, clock, keyring = Arrivals(), ManualClock(START_MS), make_keyring(MILL)
        ingest = Ingest(
            store=store, arrivals=arrivals, clock=clock, random=os.urandom, keyring=keyring
        )
        await ingest.receive_key_ops(MILL.cid, MILL.key_ops)
        for certificate in (FIRST, SECOND):
            await ingest.receive_certificate(certificate)
        blobs, slow = Blobs(folder), Slow()
        stack.push_async_callback(blobs.close)
        api = LocalApi(
            token=TOKEN,
            port=0,
            store=store,
            ingest=ingest,
            keyring=keyring,
            hosts={FIRST.fid: {"slow": slow}},  # type: ignore[dict-item]  # what the API calls
            peering=None,
            blobs=Fetching(blobs, clock),
            arrivals=arrivals,
            clock=clock,
            random=os.urandom,
            **settings,
        )
        await api.start()
        stack.push_async_callback(api.stop)
        stack.callback(slow.gate.set)
        session = await stack.enter_async_context(ClientSession())
        yield Port(api=api, store=store, slow=slow, session=session)
