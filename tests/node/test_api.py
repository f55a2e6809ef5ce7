import asyncio
import gzip
import json
import os
import re
import socket
import stat
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import pytest
from aiohttp import ClientSession, web
from tests.node.taking import make_keyring

from sheaf_node.api import LocalApi, problem, read_token, write_token
from sheaf_node.api.server import MAX_BODY, MAX_CONNECTIONS
from sheaf_node.blobs import Blobs, Fetching
from sheaf_node.bridging import bridging_host
from sheaf_node.clock import ManualClock
from sheaf_node.directory import directory_host
from sheaf_node.events import Arrivals
from sheaf_node.governance import governance_host
from sheaf_node.ingest import Ingest
from sheaf_node.keyring import Keyring
from sheaf_node.peering import DialStatus, PeerStatus
from sheaf_node.plugins import Call, Json, SeenRecord, ServiceContext, ServiceHost, load_services
from sheaf_node.plugins.host import Parts
from sheaf_node.store import Store
from sheaf_protocol.digest import EntryId
from sheaf_protocol.errors import Refusal
from sheaf_protocol.json_view import to_json
from sheaf_protocol.limits import ERASE_AFTER_MS
from sheaf_protocol.records import Demand, Item, Price
from sheaf_protocol.subscription import Filter
from sheaf_protocol.testing.author import START_MS, LogAuthor, make_coop, make_federation

DOCS = (Path(__file__).parents[2] / "docs" / "local-api.md").read_text()
CODES = Path(__file__).parents[2] / "spec" / "errors.json"
SENTENCES = {row["code"]: row["sentence"] for row in json.loads(CODES.read_text())}
TOKEN = "ab" * 32
MILL, HILL = make_coop("Mill"), make_coop("Hill Farm")
CERTIFICATE = make_federation([(MILL, ["member"]), (HILL, ["member"])])
DEMAND = Demand(
    is_firm=True,
    item=Item(code="feed", name="Feed", scale=0, unit="KGM"),
    max_price=Price(amount=10, base=1, currency="GBP"),
    min_quantity=1,
    quantity=5,
    ref="r1",
    zone="N",
)
POSTED = {"record": to_json(DEMAND), "refs": [bytes(32).hex()]}


class Counter:
    """A service that counts demands."""

    follows: ClassVar[frozenset[str]] = frozenset({"demand.submit"})

    def __init__(self, context: ServiceContext, settings: Mapping[str, Any]) -> None:
        self._context, self._count = context, 0

    @property
    def commands(self) -> Mapping[str, Callable[[Call], Json]]:
        return {"add": self._add, "refuse": self._refuse, "fail": lambda call: 1 // 0}

    @property
    def views(self) -> Mapping[str, Callable[[Call], Json]]:
        return {"count": lambda call: {"count": self._count, "options": dict(call.options)}}

    def fold(self, seen: SeenRecord) -> None:
        self._count += 1

    def decide(self) -> None: ...

    def finish(self, key: str, result: object) -> None: ...

    def _add(self, call: Call) -> Json:
        self._context.publish(DEMAND)
        return {"got": call.body.decode(), "options": dict(call.options)}

    def _refuse(self, call: Call) -> Json:
        raise Refusal("demand.unknown", "expected another call")


class Links:
    """Stands for peering, of which the API wants two things."""

    def dials(self) -> list[DialStatus]:
        return [DialStatus(url="ws://dale.example", is_linked=False, reason="connection refused")]

    def peers(self) -> list[PeerStatus]:
        peer = PeerStatus(
            cid=HILL.cid,
            wid=HILL.wid,
            url="ws://hill.example",
            since_ms=START_MS,
            is_dialled=True,
            in_sync=False,
        )
        return [peer]


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    type: str
    body: Any

    @property
    def problem(self) -> tuple[int, str]:
        """Return status and code, once the body is seen to be a whole problem."""
        assert self.type == "application/problem+json"
        keys = {"type", "title", "status", "detail", "instance", "code"}
        assert set(self.body) - {"errors"} == keys
        assert re.fullmatch(r"urn:sheaf:request:(unread|[0-9a-f]{16})", self.body["instance"])
        assert self.body["type"] == f"urn:sheaf:error:{self.body['code']}"
        assert self.body["title"] == SENTENCES[self.body["code"]]
        assert self.body["status"] == self.status
        return self.status, self.body["code"]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A node's local API on a real port."""

    api: LocalApi
    ingest: Ingest
    store: Store
    blobs: Blobs
    parts: Parts
    host: ServiceHost | None
    session: ClientSession

    async def ask(self, method: str, path: str, **kwargs: Any) -> Answer:
        headers = {"Authorization": f"Bearer {TOKEN}", **kwargs.pop("headers", {})}
        if method == "POST":
            headers.setdefault("Idempotency-Key", os.urandom(16).hex())
        url = f"http://127.0.0.1:{self.api.port}{path}"
        async with self.session.request(method, url, headers=headers, **kwargs) as response:
            return Answer(
                status=response.status, type=response.content_type, body=await response.json()
            )

    async def get(self, path: str, **kwargs: Any) -> Answer:
        return await self.ask("GET", path, **kwargs)

    async def post(self, path: str, **kwargs: Any) -> Answer:
        return await self.ask("POST", path, **kwargs)


async def opened(folder: Path, *, is_member: bool) -> AsyncIterator[Bench]:
    keyring = make_keyring(MILL)
    store = Store.open(folder / "sheaf.db", random=os.urandom)
    arrivals, clock = Arrivals(), ManualClock(START_MS)
    ingest = Ingest(store=store, arrivals=arrivals, clock=clock, random=os.urandom, keyring=keyring)
    for coop in (MILL, HILL):
        await ingest.receive_key_ops(coop.cid, coop.key_ops)
    host = None
    parts = Parts(
        store=store,
        ingest=ingest,
        arrivals=arrivals,
        keyring=keyring,
        clock=clock,
        random=os.urandom,
    )
    if is_member:
        await ingest.receive_certificate(CERTIFICATE)
        federation = ingest.federations[CERTIFICATE.fid]
        host = ServiceHost("counter", Counter, {}, federation=federation, parts=parts)
    blobs = Blobs(folder)
    api = LocalApi(
        token=TOKEN,
        port=0,
        store=store,
        ingest=ingest,
        keyring=keyring,
        hosts={} if host is None else {CERTIFICATE.fid: {"counter": host}},
        peering=Links() if is_member else None,
        blobs=Fetching(blobs, clock),
        arrivals=arrivals,
        clock=clock,
        random=os.urandom,
    )
    await api.start()
    async with ClientSession() as session:
        yield Bench(
            api=api,
            ingest=ingest,
            store=store,
            blobs=blobs,
            parts=parts,
            host=host,
            session=session,
        )
    await api.stop()
    await store.close()
    await blobs.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async for each in opened(tmp_path, is_member=True):
        yield each


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncIterator[Bench]:
    async for each in opened(tmp_path, is_member=False):
        yield each


# --- what is answered


async def test_status_tells_what_the_node_is_and_holds(bench: Bench) -> None:
    await bench.post("/api/v1/records/demand.submit", json=POSTED)

    answer = await bench.get("/api/v1/status")

    assert answer.status == 200
    assert answer.body["name"] == "Mill"
    assert answer.body["cid"] == MILL.cid.hex()
    assert (answer.body["process"], answer.body["arrival"]) == (os.getpid(), 1)
    assert (answer.body["services"], answer.body["stopped"]) == (["counter"], [])
    assert answer.body["refused"] == {}
    [federation] = answer.body["federations"]
    assert (federation["name"], federation["members"]) == ("Test Federation", 2)
    assert (federation["logs"], federation["entries"], federation["forked"]) == (1, 1, 0)
    assert answer.body["dials"] == [
        {"url": "ws://dale.example", "is_linked": False, "reason": "connection refused"}
    ]
    [peer] = answer.body["peers"]
    assert (peer["url"], peer["is_dialled"], peer["in_sync"]) == ("ws://hill.example", True, False)


async def test_status_names_services_in_trouble(bench: Bench) -> None:
    assert bench.host is not None
    bench.host.is_stopped, bench.host.refused = True, "policy.role"

    answer = await bench.get("/api/v1/status")

    assert answer.body["stopped"] == ["counter"]
    assert answer.body["refused"] == {"counter": "policy.role"}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(kinds=["demand.submit"]), {}),
        (Filter(regions=["N"]), {}),
        (Filter(kinds=["verdict"]), {"counter": ["demand.submit"]}),
    ],
    ids=["all of them are kept", "some of them are kept", "none of them is kept"],
)
async def test_status_names_kinds_that_a_service_follows_and_nobody_keeps(
    bench: Bench, wanted: Filter, expected: dict[str, list[str]]
) -> None:
    bench.ingest.subscription = wanted

    answer = await bench.get("/api/v1/status")

    assert answer.body["not_subscribed"] == expected


async def test_a_posted_record_appears_in_the_log(bench: Bench) -> None:
    posted = await bench.post("/api/v1/records/demand.submit", json=POSTED)

    log = await bench.get("/api/v1/log")

    assert posted.status == 201
    assert log.body["items"] == [posted.body]
    assert posted.body["record"] == to_json(DEMAND)
    assert posted.body["refs"] == [bytes(32).hex()]
    assert bench.store.entry(EntryId(bytes.fromhex(posted.body["id"]))) is not None


async def test_the_log_comes_in_pages(bench: Bench) -> None:
    for _ in range(5):
        await bench.post("/api/v1/records/demand.submit", json=POSTED)
    arrivals, after = [], 0

    while after is not None:
        page = await bench.get(f"/api/v1/log?after={after}&limit=2")
        arrivals += [item["arrival"] for item in page.body["items"]]
        assert len(page.body["items"]) <= 2
        after = page.body["next"]

    assert arrivals == [1, 2, 3, 4, 5]


async def test_entries_without_effect_or_of_unknown_kinds_are_in_the_log(bench: Bench) -> None:
    author = LogAuthor(HILL, CERTIFICATE.fid)
    envelopes = [
        author.append("demand.submit", b"\x80"),
        author.append("x.note", b"\x80"),
    ]
    await bench.ingest.receive(envelopes)

    items = (await bench.get("/api/v1/log")).body["items"]

    assert [item["record"] for item in items] == [None, None]
    assert [item["no_effect"] for item in items] == ["schema.invalid", None]


async def test_a_command_gets_body_and_options(bench: Bench) -> None:
    answer = await bench.post("/api/v1/services/counter/add?dry=1", data=b"text")

    assert answer.body == {"got": "text", "options": {"dry": "1"}}
    assert bench.store.arrival == 1


async def test_a_view_shows_all_that_arrived(bench: Bench) -> None:
    await bench.post("/api/v1/services/counter/add")

    answer = await bench.get("/api/v1/services/counter/count?of=all")

    assert answer.body == {"count": 1, "options": {"of": "all"}}


async def test_localhost_is_a_name_of_the_node(bench: Bench) -> None:
    host = f"localhost:{bench.api.port}"

    answer = await bench.get("/api/v1/status", headers={"Host": host, "Origin": f"http://{host}"})

    assert answer.status == 200


# --- what is refused


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({"Authorization": ""}, (401, "api.unauthorized")),  # no token
        ({"Authorization": f"Bearer {'ba' * 32}"}, (401, "api.unauthorized")),  # another's
        ({"Authorization": TOKEN}, (401, "api.unauthorized")),  # no scheme
        ({"Authorization": "Bearer \udcff"}, (401, "api.unauthorized")),  # not text
        ({"Host": "evil.example"}, (421, "api.host")),  # a name rebound to loopback
        ({"Host": "127.0.0.1:1"}, (421, "api.host")),  # another port
        ({"Origin": "http://evil.example"}, (403, "api.origin")),  # another site's page
        ({"Origin": "null"}, (403, "api.origin")),  # a page from a file
    ],
)
async def test_a_stranger_is_refused(
    bench: Bench, headers: dict[str, str], problem: tuple[int, str]
) -> None:
    for method, path in (
        ("GET", "/api/v1/status"),
        ("POST", "/api/v1/services/counter/add"),
        ("GET", "/nothing"),
    ):
        if "\udcff" in headers.get("Authorization", ""):
            answer = await raw(bench, method, path, b"Authorization: Bearer \xff")
        else:
            answer = await bench.ask(method, path, headers=headers)

        assert answer.problem == problem

    assert bench.store.arrival == 0


async def raw(bench: Bench, method: str, path: str, header: bytes) -> Answer:
    """Send a request that aiohttp's client would not."""
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.api.port)
    host = f"127.0.0.1:{bench.api.port}"
    writer.write(f"{method} {path} HTTP/1.0\r\nHost: {host}\r\n".encode() + header + b"\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    content_type = re.search(rb"Content-Type: ([^;\r]*)", head)
    assert content_type is not None
    status = int(head.split()[1])
    return Answer(status=status, type=content_type[1].decode(), body=json.loads(body))


@pytest.mark.parametrize(
    ("method", "path", "problem"),
    [
        ("GET", "/", (404, "api.not_found")),
        ("GET", "/api/v1/nothing", (404, "api.not_found")),
        ("GET", "/api/v1/services/counter", (404, "api.not_found")),  # no view named
        ("POST", "/api/v1/status", (405, "api.method")),
        ("DELETE", "/api/v1/log", (405, "api.method")),
        ("GET", "/api/v1/records/demand.submit", (405, "api.method")),
        ("GET", "/api/v1/services/nothing/count", (404, "service.unknown")),
        ("POST", "/api/v1/services/nothing/add", (404, "service.unknown")),
        ("GET", "/api/v1/services/counter/nothing", (404, "service.no_view")),
        ("GET", "/api/v1/services/counter/add", (404, "service.no_view")),  # a command
        ("POST", "/api/v1/services/counter/nothing", (404, "service.no_command")),
        ("POST", "/api/v1/services/counter/refuse", (422, "demand.unknown")),
        ("POST", "/api/v1/services/counter/fail", (500, "api.internal")),
        ("GET", "/api/v1/log?limit=0", (422, "api.query")),  # too few
        ("GET", "/api/v1/log?limit=1001", (422, "api.query")),  # too many
        ("GET", "/api/v1/log?limit=ten", (422, "api.query")),  # a word
        ("GET", "/api/v1/log?limit=", (422, "api.query")),  # nothing
        ("GET", "/api/v1/log?limit=%D9%A3", (422, "api.query")),  # another script's digit
        ("GET", "/api/v1/log?after=-1", (422, "api.query")),  # below the first
        ("GET", f"/api/v1/log?after={2**53}", (422, "api.query")),  # above every
        ("GET", f"/api/v1/log?after={'9' * 5000}", (422, "api.query")),  # past what Python reads
    ],
)
async def test_a_wrong_address_is_a_problem(
    bench: Bench, method: str, path: str, problem: tuple[int, str]
) -> None:
    assert (await bench.ask(method, path)).problem == problem


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("order.place", json.dumps(POSTED), "api.kind"),  # private: whom would it be sealed to
        ("sealed", json.dumps(POSTED), "api.kind"),  # no record
        ("x.note", json.dumps(POSTED), "api.kind"),  # no kind of ours
        ("demand.submit", "", "api.json"),  # nothing
        ("demand.submit", "{", "api.json"),  # half
        ("demand.submit", "[" * 100_000, "api.json"),  # a tower
        ("demand.submit", '{"record": ' + "[" * 100_000, "api.json"),  # a tower inside
        ("demand.submit", "{}", "api.json"),  # no record
        ("demand.submit", json.dumps({**POSTED, "x": 1}), "api.json"),  # an unknown key
        ("demand.submit", json.dumps({**POSTED, "refs": ["zz"]}), "api.json"),  # not hex
        ("demand.submit", json.dumps({**POSTED, "refs": ["00"]}), "api.json"),  # too short
        ("demand.submit", json.dumps({**POSTED, "refs": ["00" * 32 + "\n"]}), "api.json"),
        ("demand.submit", '{"record": {}}', "schema.invalid"),  # not a demand
        ("demand.submit", '{"record": 7}', "schema.invalid"),  # not a map
        ("pool.lapse", json.dumps(POSTED), "schema.invalid"),  # another kind's record
    ],
)
async def test_a_record_that_cannot_be_published_is_refused(
    bench: Bench, kind: str, body: str, code: str
) -> None:
    answer = await bench.post(f"/api/v1/records/{kind}", data=body)

    assert answer.problem == (422, code)
    assert bench.store.arrival == 0


async def test_a_record_that_the_roles_do_not_allow_is_refused(bench: Bench) -> None:
    lapse = {"close": bytes(32).hex(), "pool": bytes(32).hex(), "reason": "too_few"}

    answer = await bench.post("/api/v1/records/pool.lapse", json={"record": lapse})

    assert answer.problem == (422, "policy.role")
    assert bench.store.arrival == 0


async def test_a_body_that_is_too_large_is_refused(bench: Bench) -> None:
    for path in ("/api/v1/records/demand.submit", "/api/v1/services/counter/add"):
        answer = await bench.post(path, data=BytesIO(bytes(MAX_BODY + 1)))

        assert answer.problem == (413, "api.too_large")

    assert bench.store.arrival == 0


async def test_a_fault_of_ours_tells_nothing_of_itself(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await bench.post("/api/v1/services/counter/fail")

    assert "Zero" not in answer.body["detail"]
    assert "ZeroDivisionError" in caplog.text


async def test_a_closed_store_is_told_as_such(bench: Bench) -> None:
    await bench.store.close()

    assert (await bench.get("/api/v1/log")).problem == (503, "store.closed")


# --- outside a federation


async def test_a_node_in_no_federation_says_so(alone: Bench) -> None:
    problem = (422, "node.no_federation")

    assert (await alone.get("/api/v1/status")).body["federations"] == []
    assert (await alone.post("/api/v1/records/demand.submit", json=POSTED)).problem == problem
    assert (await alone.post("/api/v1/services/counter/add")).problem == problem


# --- the port and the token


async def test_a_port_in_use_is_refused_with_the_key_to_change(bench: Bench) -> None:
    twin = LocalApi(
        token=TOKEN,
        port=bench.api.port,
        store=bench.store,
        ingest=bench.ingest,
        keyring=Keyring(
            cid=MILL.cid, writer=MILL.writer, manager=MILL.manager, prekeys=[], key_ops=[]
        ),
        hosts={},
        peering=None,
        blobs=Fetching(bench.blobs, ManualClock(START_MS)),
        arrivals=Arrivals(),
        clock=ManualClock(START_MS),
        random=os.urandom,
    )

    with pytest.raises(Refusal) as refusal:
        await twin.start()
    await twin.stop()

    assert refusal.value.code == "api.port_in_use"
    assert "local_port" in refusal.value.detail
    assert str(bench.api.port) in refusal.value.detail


async def test_a_port_that_the_system_refuses_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "create_server", refuse)  # root may take any port

    with pytest.raises(Refusal, match=r"api\.port_refused.*Permission denied"):
        await bench.api.start()


def test_a_token_is_fresh_and_for_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "api.token").write_text("old")
    (tmp_path / "api.token").chmod(0o644)

    token = write_token(tmp_path, os.urandom)

    assert read_token(tmp_path) == token
    assert len(bytes.fromhex(token)) == 32
    assert token != write_token(tmp_path, os.urandom)
    assert stat.S_IMODE((tmp_path / "api.token").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_missing_or_unreadable_token_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "api.token").write_bytes(content)

    with pytest.raises(Refusal, match=r"api\.no_token"):
        read_token(tmp_path)


# --- the manual


def rows() -> list[list[str]]:
    """Return the cells of all tables of the manual."""
    lines = [line for line in DOCS.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


async def test_every_route_is_in_the_manual_and_every_other_way_round(bench: Bench) -> None:
    served = {
        (route.method, route.resource.canonical)
        for route in bench.api.app().router.routes()
        if route.resource is not None and route.method != "HEAD"
    }

    assert {(row[0], row[1].strip("`")) for row in rows() if row[1].startswith("`/")} == served


async def test_every_command_and_view_is_in_the_manual_and_the_other_way_round(
    bench: Bench,
) -> None:
    listed = {(row[0].strip("`"), row[1], row[2].strip("`")) for row in rows() if len(row) == 5}
    served = set()
    federation = bench.ingest.federations[CERTIFICATE.fid]
    hosts = [
        ServiceHost(name, factory, {}, federation=federation, parts=bench.parts)
        for name, factory in load_services().items()
    ]
    built_in = (
        bridging_host(bench.parts, federation),
        directory_host(bench.parts, federation, told=None),
        governance_host(bench.parts, federation),
    )
    for host in (*hosts, *built_in):
        name, service = host.name, host.service
        served |= {(name, "POST", command) for command in service.commands}
        served |= {(name, "GET", view) for view in service.views}

    assert listed - {("Service", "Ask", "Name"), ("---", "---", "---")} == served
    assert len(served) > len(entry_points(group="sheaf.services"))


def test_every_option_in_the_manual_is_known_to_its_service() -> None:
    for service, *_, options in (row for row in rows() if len(row) == 5 and "`" in row[0]):
        name = service.strip("`")
        package = (
            "sheaf_node" if name in {"bridging", "directory", "governance"} else "sheaf_services"
        )
        spec = find_spec(f"{package}.{name}")
        assert spec is not None
        assert spec.origin is not None
        source = "".join(path.read_text() for path in Path(spec.origin).parent.rglob("*.py"))
        for option in re.findall(r"`(\w+)`", options):
            assert f'"{option}"' in source, (service, option)


def test_every_status_is_in_the_manual() -> None:
    statuses = {int(row[0]): row[1] for row in rows() if row[0].isdecimal()}

    for code, status in problem.STATUS.items():
        assert f"`{code}`" in statuses[status]
    assert len(statuses) == len(set(problem.STATUS.values())) + 1  # and 422 for every other
    assert web.HTTPUnprocessableEntity.status_code in statuses


async def test_compressed_bodies_are_not_unpacked(bench: Bench) -> None:
    """A kilobyte may stand for a megabyte, before anybody has shown a token."""
    bomb = gzip.compress(bytes(MAX_BODY + 1))

    answer = await bench.post(
        "/api/v1/records/demand.submit", data=bomb, headers={"Content-Encoding": "gzip"}
    )

    assert answer.problem == (422, "api.json")


async def test_connections_without_a_token_do_not_use_up_the_files(bench: Bench) -> None:
    """Else any user of this computer, or a page in a browser, cuts the node off from its peers."""
    with ExitStack() as stack:
        held = []
        for _ in range(2 * MAX_CONNECTIONS):
            held.append(socket.create_connection(("127.0.0.1", bench.api.port)))
            stack.enter_context(held[-1])
            held[-1].setblocking(False)
            await asyncio.sleep(0.001)

        answer = await bench.get("/api/v1/status")

        assert answer.status == 200
        assert sum(is_open(one) for one in held) < MAX_CONNECTIONS


def is_open(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


# --- erasure and quotas


async def test_an_erased_entry_is_shown_without_its_record_until_it_is_restored(
    bench: Bench,
) -> None:
    posted = await bench.post("/api/v1/records/demand.submit", json=POSTED)
    entry = f"/api/v1/entries/{posted.body['id'][:12]}"

    erased = await bench.post(f"{entry}/erase?reason=personal_data")
    [hidden, erase] = (await bench.get("/api/v1/log")).body["items"]
    restored = await bench.post(f"{entry}/restore")
    [shown, *_] = (await bench.get("/api/v1/log")).body["items"]

    assert erased.body["deleted_at_ms"] == START_MS + ERASE_AFTER_MS
    assert (hidden["absence"], hidden["record"]) == ("erased", None)
    assert erase["record"] == {"entry": posted.body["id"], "reason": "personal_data"}
    assert restored.body["is_here"] is True
    assert (shown["absence"], shown["record"]) == (None, to_json(DEMAND))


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        (f"{'ab' * 32}/erase", (422, "erase.unknown")),
        (f"{'ab' * 32}/erase?reason=Mrs+Hall", (422, "api.query")),
        ("xyz/restore", (422, "erase.unknown")),
    ],
)
async def test_an_erasure_that_makes_no_sense_is_refused(
    bench: Bench, path: str, problem: tuple[int, str]
) -> None:
    assert (await bench.post(f"/api/v1/entries/{path}")).problem == problem


async def test_status_tells_what_is_full(bench: Bench) -> None:
    answer = await bench.get("/api/v1/status")

    assert answer.body["disk"] == {
        "free_bytes": None,
        "reserve_bytes": 512 << 20,
        "is_full": False,
    }
    assert answer.body["full"] == []
