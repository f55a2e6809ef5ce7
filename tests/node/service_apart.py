"""A node's local API on a real port, with services of other processes added to its home."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
from tests.node.taking import make_keyring

from sheaf_node.api import LocalApi, Tokens
from sheaf_node.api.route import Scope
from sheaf_node.blobs import Blobs, Fetching
from sheaf_node.clock import ManualClock
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Draft, Ingest
from sheaf_node.plugins.host import Parts
from sheaf_node.plugins.inside import load_class
from sheaf_node.plugins.installed import Installed
from sheaf_node.plugins.service_folder import read_folder
from sheaf_node.remote import Remotes
from sheaf_node.remote.client import NodeClient
from sheaf_node.remote.running import Running
from sheaf_node.store import Store
from sheaf_protocol.codec import encode
from sheaf_protocol.json_view import to_json
from sheaf_protocol.records import Demand, Item, Offer, Price, Tier, kind_of
from sheaf_protocol.testing.author import START_MS, make_coop, make_federation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from sheaf_node.clock import Randomness
    from sheaf_node.store import StoredEntry

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
HOME_TOKEN = "ef" * 32
PATIENCE_S = 60
MILL, HILL = make_coop("Mill"), make_coop("Hill Farm")
CERTIFICATE = make_federation([(MILL, ["member", "supplier"]), (HILL, ["member", "supplier"])])
FEED = Item(code="feed", name="Feed", scale=0, unit="KGM")
WATCH = {"item": "feed", "currency": "GBP", "amount": 900, "base": 1, "quantity": 5}


def offer(ref: str, amount: int = 800) -> Offer:
    return Offer(
        base=1,
        currency="GBP",
        item=FEED,
        ref=ref,
        tier_basis="all_units",
        tiers=[Tier(amount=amount, from_quantity=1)],
        valid_until_ms=START_MS + 86_400_000,
    )


def demand(ref: str) -> Demand:
    price = Price(amount=10, base=1, currency="GBP")
    return Demand(
        is_firm=True, item=FEED, max_price=price, min_quantity=1, quantity=5, ref=ref, zone="N"
    )


def published(*records: Any) -> list[Any]:
    """Return publications as an answer has them."""
    return [{"kind": kind_of(record), "record": to_json(record)} for record in records]


def write_service(folder: Path, **changes: object) -> Path:
    """Return the folder of a service without a class."""
    asked = {"name": "plain", "version": "1", "title": "Plain", "follows": ["demand.submit"]}
    asked |= {"publishes": ["demand.submit"], "storage_bytes": 2_000, **changes}
    folder.mkdir(exist_ok=True)
    lines = (f"{key} = {toml(value)}" for key, value in asked.items())
    (folder / "sheaf-service.toml").write_text("\n".join(lines))
    return folder


def toml(value: object) -> str:
    return msgspec.json.encode(value).decode()


class Listener:
    """A plain client of a feed."""

    def __init__(self, client: NodeClient, last: str = "") -> None:
        self._events = client.events(last)
        self._client = client
        self.last = last

    async def next(self) -> tuple[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            name, id_, data = await anext(self._events)
        self.last = self.last if id_ is None else id_
        return name, msgspec.json.decode(data)

    async def until_step(self, what: str = "turn") -> tuple[list[Any], Any]:
        """Return the records before the next step of a sort, and that step."""
        records = []
        while True:
            name, data = await self.next()
            if name == "step" and data["what"] == what:
                return records, data
            records += [data["record"]["ref"]] if name == "record" else []

    async def to_the_end(self) -> None:
        while True:
            await self.next()

    async def answer(self, step: Any, **said: Any) -> Any:
        answer = {"step": step["step"], **said}
        return msgspec.json.decode(await self._client.post("answers", answer))

    async def close(self) -> None:
        await self._events.aclose()


@dataclass(kw_only=True)
class Apart:
    home: Path
    parts: Parts
    api: LocalApi
    remotes: Remotes
    session: aiohttp.ClientSession
    tokens: Tokens
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    listeners: list[Listener] = field(default_factory=list)

    @property
    def clock(self) -> ManualClock:
        assert isinstance(self.parts.clock, ManualClock)
        return self.parts.clock

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.api.port}"

    def add(self, folder: Path, *, shares_process: bool = False) -> str:
        """Install a service; return its token."""
        source = read_folder(folder)
        name = source.manifest.name
        Installed(self.home).add(
            source, granted_ms=START_MS, is_inside=shares_process, shares_process=shares_process
        )
        with suppress(Exception):
            self.tokens.revoke(f"service-{name}")
        return self.tokens.create(f"service-{name}", [Scope.SERVICE], service=name)

    def client(self, name: str, token: str) -> NodeClient:
        return NodeClient(self.session, self.url, name, token, "")

    def listen(self, name: str, token: str, last: str = "") -> Listener:
        listener = Listener(self.client(name, token), last)
        self.listeners.append(listener)
        return listener

    async def run(self, folder: Path, token: str) -> Running:
        """Run a service's class over HTTP, as `sheaf service run` does."""
        manifest = read_folder(folder).manifest
        class_ = load_class(folder, manifest)
        running = Running(manifest, class_, {}, self.client(manifest.name, token))
        ready = asyncio.Event()
        self.tasks.append(asyncio.create_task(running.run(ready.set)))
        async with asyncio.timeout(PATIENCE_S):
            await ready.wait()
        return running

    async def publish(self, *records: Any) -> list[StoredEntry]:
        drafts = [Draft(kind=kind_of(record), body=encode(record)) for record in records]
        return await self.parts.ingest.publish(CERTIFICATE.fid, drafts)

    def refs(self, kind: str = "demand.submit") -> list[str]:
        """Return the references of all records of a kind that are stored."""
        entries = self.parts.store.entries_after(0, 100_000)
        return [self._ref(entry) for entry in entries if entry.kind == kind]

    def _ref(self, entry: StoredEntry) -> str:
        from sheaf_node.api.json_view import entry_json  # noqa: PLC0415 - one of its users

        return str(entry_json(entry).record["ref"])

    async def ask(
        self, method: str, path: str, *, token: str = HOME_TOKEN, **kwargs: Any
    ) -> tuple[int, Any]:
        headers: Mapping[str, str] = {"Authorization": f"Bearer {token}"}
        url = f"{self.url}/api/v1/{path}"
        async with self.session.request(method, url, headers=headers, **kwargs) as response:
            return response.status, await response.json(content_type=None)

    def asking(self, method: str, path: str, **kwargs: Any) -> asyncio.Task[tuple[int, Any]]:
        return asyncio.create_task(self.ask(method, path, **kwargs))

    async def stop(self) -> None:
        for listener in self.listeners:
            await listener.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def until(is_true: Callable[[], bool]) -> None:
    """Return once something holds, which it does long before our patience ends."""
    async with asyncio.timeout(PATIENCE_S):
        while not is_true():  # noqa: ASYNC110 - what is awaited are plain values
            await asyncio.sleep(0.005)


@asynccontextmanager
async def apart(
    folder: Path, certificate: Any = CERTIFICATE, salts: Randomness = os.urandom
) -> AsyncIterator[Apart]:
    async with AsyncExitStack() as stack:
        home = folder / "home"
        home.mkdir()
        store = Store.open(home / "sheaf.db", random=os.urandom)
        stack.push_async_callback(store.close)
        arrivals, clock, keyring = Arrivals(), ManualClock(START_MS), make_keyring(MILL)
        ingest = Ingest(store=store, arrivals=arrivals, clock=clock, random=salts, keyring=keyring)
        for coop in (MILL, HILL):
            await ingest.receive_key_ops(coop.cid, coop.key_ops)
        await ingest.receive_certificate(certificate)
        parts = Parts(
            store=store,
            ingest=ingest,
            arrivals=arrivals,
            keyring=keyring,
            clock=clock,
            random=os.urandom,
        )
        blobs = Blobs(home)
        stack.push_async_callback(blobs.close)
        remotes = Remotes(home, parts, elapsed_ms=clock.now_ms)
        tokens = Tokens(home, clock=clock, random=os.urandom)
        api = LocalApi(
            token=HOME_TOKEN,
            port=0,
            store=store,
            ingest=ingest,
            keyring=keyring,
            hosts={},
            peering=None,
            blobs=Fetching(blobs, clock),
            arrivals=arrivals,
            clock=clock,
            random=os.urandom,
            tokens=tokens,
            remotes=remotes,
        )
        await api.start()
        stack.push_async_callback(api.stop)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        made = Apart(
            home=home, parts=parts, api=api, remotes=remotes, session=session, tokens=tokens
        )
        stack.push_async_callback(made.stop)
        yield made
