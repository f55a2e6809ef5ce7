"""The local API of a node that is in several federations, or was."""

import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from tests.node.notebook import CERTIFICATE, DALE, HILL, MILL, OTHER, Notebook, demand, opened
from tests.node.notebook import Bench as Books

from sheaf_node.api import LocalApi
from sheaf_node.blobs import Blobs, Fetching
from sheaf_node.charter_file import read_charter_file
from sheaf_node.hosting import Hosts
from sheaf_node.plugins import ServiceHost
from sheaf_protocol.charter import Certificate, Chain, Federation
from sheaf_protocol.json_view import to_json
from sheaf_protocol.records.governance import Change
from sheaf_protocol.testing.author import LogAuthor, make_coop, make_federation
from sheaf_protocol.testing.epoch import about, admission, keys_of, make_epoch

TOKEN = "token"  # noqa: S105
COOPS = (MILL, HILL, DALE)
FIRST, SECOND = CERTIFICATE.fid.hex(), OTHER.fid.hex()


class Bench:
    """A node in two federations, and who asks it."""

    def __init__(self, books: Books, api: LocalApi, session: ClientSession) -> None:
        self.books, self.ingest, self._api, self._session = books, books.parts.ingest, api, session

    async def ask(self, method: str, path: str, **kwargs: Any) -> Any:
        url = f"http://127.0.0.1:{self._api.port}/api/v1/{path}"
        headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": os.urandom(16).hex()}
        async with self._session.request(method, url, headers=headers, **kwargs) as answer:
            is_json = "json" in answer.content_type
            return await (answer.json() if is_json else answer.read())

    async def status(self, index: int = 0) -> Mapping[str, Any]:
        body = await self.ask("GET", "status")
        told: Mapping[str, Any] = body["federations"][index]
        return told

    async def certify(self, change: Change) -> Certificate:
        """Let the node hold the next certificate of its first federation."""
        chain = self.books.parts.store.chains[CERTIFICATE.fid]
        made = make_epoch(chain.federation, change, COOPS)
        await self.ingest.receive_certificate(made)
        return made


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened(tmp_path, MILL) as books:
        await books.parts.ingest.receive_certificate(OTHER)

        def make(federation: Federation) -> ServiceHost:
            return ServiceHost("notebook", Notebook, {}, federation=federation, parts=books.parts)

        hosts = Hosts(books.parts.ingest, books.parts.arrivals, {"notebook": make})
        blobs = Blobs(tmp_path)
        api = LocalApi(
            token=TOKEN,
            port=0,
            store=books.parts.store,
            ingest=books.parts.ingest,
            keyring=books.parts.keyring,
            hosts=hosts.by_federation,
            peering=None,
            blobs=Fetching(blobs, books.clock),
            arrivals=books.parts.arrivals,
            clock=books.clock,
            random=books.parts.random,
        )
        await api.start()
        async with ClientSession() as session:
            yield Bench(books, api, session)
        await api.stop()
        await blobs.close()


# --- which federation is meant


async def test_a_record_goes_to_the_federation_named(bench: Bench) -> None:
    posted = {"record": to_json(demand("r"))}

    there = await bench.ask("POST", f"records/demand.submit?federation={SECOND[:8]}", json=posted)
    here = await bench.ask("POST", "records/demand.submit", json=posted)

    assert (there["fid"], here["fid"]) == (SECOND, FIRST)


async def test_a_service_is_asked_in_the_federation_named(bench: Bench) -> None:
    await bench.ask("POST", f"services/notebook/add?federation={SECOND}", data=b"there")
    await bench.ask("POST", "services/notebook/add", data=b"here too")

    assert await bench.ask("GET", "services/notebook/refs") == ["here", "too"]
    assert await bench.ask("GET", f"services/notebook/refs?federation={FIRST}") == ["here", "too"]
    assert await bench.ask("GET", f"services/notebook/refs?federation={SECOND}") == ["there"]


async def test_the_log_of_one_federation_is_continued_over_what_is_left_out(bench: Bench) -> None:
    here, there = LogAuthor(HILL, CERTIFICATE.fid), LogAuthor(HILL, OTHER.fid)
    await bench.books.receive(here.publish(demand("a")), there.publish(demand("b")))

    whole = await bench.ask("GET", "log")
    page = await bench.ask("GET", f"log?limit=1&federation={SECOND[:6]}")
    rest = await bench.ask("GET", f"log?after={page['next']}&federation={SECOND[:6]}")

    assert [item["fid"] for item in whole["items"]] == [FIRST, SECOND]
    assert (page["items"], page["next"]) == ([], 1)
    assert [item["fid"] for item in rest["items"]] == [SECOND]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "log"),
        ("GET", "charter"),
        ("GET", "services/notebook/refs"),
        ("POST", "services/notebook/add"),
        ("PUT", "blobs"),
    ],
)
async def test_a_federation_that_is_not_ours_is_refused(
    bench: Bench, method: str, path: str
) -> None:
    problem = await bench.ask(method, f"{path}?federation={'0' * 64}")

    assert problem["code"] == "api.query"
    assert FIRST[:8] in problem["detail"]


async def test_the_charter_file_holds_the_whole_chain(bench: Bench) -> None:
    certificates = [await bench.certify(about(a, DALE)) for a in ("suspend", "restore")]

    file = read_charter_file(await bench.ask("GET", f"charter?federation={FIRST[:8]}"))

    assert file.certificates == [CERTIFICATE, *certificates]
    assert len(file.key_logs) == 3


# --- status


async def test_status_lists_all_federations_in_the_order_of_joining(bench: Bench) -> None:
    told = [await bench.status(index) for index in (0, 1)]

    assert [(each["fid"], each["name"]) for each in told] == [
        (FIRST, "Test Federation"),
        (SECOND, "Other"),
    ]
    assert told[1]["services"] == {"notebook": {"is_stopped": False, "refused": None}}
    assert (told[0]["roles"], told[0]["is_member"], told[0]["ended_by"]) == (["member"], True, None)


async def test_status_follows_the_chain(bench: Bench) -> None:
    made = await bench.certify(about("suspend", MILL))

    told = await bench.status()

    assert (told["epoch"], told["id"], told["policy_version"]) == (1, made.id.hex(), 0)
    assert (told["is_suspended"], told["is_forked"], told["conflicting"]) == (True, False, [])


async def test_status_says_why_the_co_op_is_no_member_any_more(bench: Bench) -> None:
    await bench.certify(about("suspend", DALE))
    made = await bench.certify(about("expel", MILL))
    by_others = make_epoch(
        bench.ingest.federations[CERTIFICATE.fid], about("restore", DALE), (HILL,)
    )
    await bench.ingest.receive_certificate(by_others)

    told = await bench.status()

    assert told["ended_by"] == {"action": "expel", "epoch": 2, "id": made.id.hex()}
    assert (told["is_member"], told["roles"], told["epoch"]) == (False, [], 3)


async def test_status_says_that_a_federation_is_halted(bench: Bench) -> None:
    before = bench.ingest.federations[CERTIFICATE.fid]
    sides = [make_epoch(before, about("suspend", coop), COOPS) for coop in (HILL, DALE)]
    for side in sides:
        await bench.ingest.receive_certificate(side)

    told = await bench.status()

    assert told["is_forked"]
    assert sorted(told["conflicting"]) == sorted(side.id.hex() for side in sides)


async def test_status_tells_what_is_to_admit_us_and_what_treaties_lead_to(bench: Bench) -> None:
    strangers = [make_coop("Far"), make_coop("Away")]
    key_logs = {coop.cid: coop.key_ops for coop in strangers}
    joining, partner = (
        make_federation([(coop, ["member"])], coop.name, bytes(16)) for coop in strangers
    )
    bench.ingest.known.adopt(joining.fid)
    for certificate in (joining, partner):
        await bench.ingest.receive_certificate(certificate, key_logs=key_logs, wanted=True)

    body = await bench.ask("GET", "status")

    assert [each["name"] for each in body["joining"]] == ["Far"]
    assert [each["name"] for each in body["partners"]] == ["Away"]
    assert [each["fid"] for each in body["federations"]] == [FIRST, SECOND]


async def test_a_chain_ends_at_what_it_names(bench: Bench) -> None:
    """The file of a federation is what a co-op needs to join it: it checks with nothing else."""
    lake = make_coop("Lake")
    await bench.ingest.receive_key_ops(lake.cid, lake.key_ops)
    await bench.certify(admission(lake, ["member"]))

    file = read_charter_file(await bench.ask("GET", "charter"))

    chain = Chain.found(file.certificate, keys_of([*COOPS, lake]))
    for certificate in file.certificates[1:]:
        chain = chain.add(certificate, keys_of([*COOPS, lake]))
    assert chain.federation.is_member(lake.cid)
