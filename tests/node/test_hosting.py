"""Services in several federations, also in those that a node enters while it runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from tests.node.notebook import (
    CERTIFICATE,
    DALE,
    HILL,
    MILL,
    OTHER,
    SOME,
    Bench,
    Notebook,
    demand,
    notebook,
    opened,
    until,
)

from sheaf_node.hosting import Hosts, choose_federation, require_host
from sheaf_node.plugins import Call, ServiceHost
from sheaf_protocol.charter import Chain, Federation
from sheaf_protocol.digest import FederationId
from sheaf_protocol.errors import Refusal
from sheaf_protocol.testing.author import LogAuthor
from sheaf_protocol.testing.epoch import about, keys_of, make_epoch

ONE, TWO = FederationId(b"\xab" * 32), FederationId(b"\xab\xcd" + bytes(30))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened(tmp_path, MILL) as made:
        yield made


def hosts_of(bench: Bench, refused: FederationId | None = None) -> Hosts:
    """Return hosts of one service; its settings are wrong in the federation refused."""

    def make(federation: Federation) -> ServiceHost:
        if federation.fid == refused:
            raise Refusal("config.invalid", "expected other settings")
        return ServiceHost("notebook", Notebook, {}, federation=federation, parts=bench.parts)

    return Hosts(bench.parts.ingest, bench.parts.arrivals, {"notebook": make})


@asynccontextmanager
async def running(hosts: Hosts) -> AsyncIterator[None]:
    task = asyncio.create_task(hosts.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def refs_in(hosts: Hosts, fid: FederationId) -> list[str]:
    return notebook(hosts.by_federation[fid]["notebook"]).refs


async def test_a_service_runs_in_each_federation_by_itself(bench: Bench) -> None:
    await bench.parts.ingest.receive_certificate(OTHER)
    hosts = hosts_of(bench)
    here, there = LogAuthor(HILL, CERTIFICATE.fid), LogAuthor(HILL, OTHER.fid)

    async with running(hosts):
        await bench.receive(here.publish(demand("here")), there.publish(demand("there")))
        await until(lambda: refs_in(hosts, OTHER.fid) == ["there"])
        await until(lambda: refs_in(hosts, CERTIFICATE.fid) == ["here"])

    assert list(hosts.by_federation) == [CERTIFICATE.fid, OTHER.fid]


async def test_services_start_in_a_federation_that_is_entered_later(bench: Bench) -> None:
    hosts = hosts_of(bench)

    async with running(hosts):
        await bench.parts.ingest.receive_certificate(OTHER)
        await bench.receive(LogAuthor(HILL, OTHER.fid).publish(demand("there")))
        await until(lambda: OTHER.fid in hosts.by_federation)
        await until(lambda: refs_in(hosts, OTHER.fid) == ["there"])


async def test_a_federation_has_its_services_from_the_moment_it_is_entered(bench: Bench) -> None:
    # Certificates come over links, which are up before services run; the local API answers by then.
    hosts = hosts_of(bench)
    known = hosts.by_federation
    await bench.parts.ingest.receive_certificate(OTHER)
    author = LogAuthor(HILL, OTHER.fid)
    await bench.receive(author.publish(demand("there")))

    host = require_host(known, OTHER.fid, "notebook")

    assert await host.view("refs", Call()) == ["there"]
    async with running(hosts):
        await bench.receive(author.publish(demand("later")))
        await until(lambda: refs_in(hosts, OTHER.fid) == ["there", "later"])
    assert hosts.by_federation[OTHER.fid]["notebook"] is host


async def test_settings_that_a_service_refuses_are_told_at_the_start(bench: Bench) -> None:
    with pytest.raises(Refusal, match=r"config\.invalid"):
        hosts_of(bench, CERTIFICATE.fid)


async def test_federation_entered_later_does_not_stop_a_node(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    hosts = hosts_of(bench, OTHER.fid)

    async with running(hosts):
        await bench.parts.ingest.receive_certificate(OTHER)
        await bench.receive(LogAuthor(HILL, CERTIFICATE.fid).publish(demand("here")))
        await until(lambda: refs_in(hosts, CERTIFICATE.fid) == ["here"])
        await until(lambda: hosts.by_federation.get(OTHER.fid) == {})

    assert "notebook does not start: config.invalid" in caplog.text


async def test_services_of_a_federation_that_expelled_us_still_show_what_is_held(
    bench: Bench,
) -> None:
    hosts, coops = hosts_of(bench), (MILL, HILL, DALE)
    await bench.receive(LogAuthor(HILL, CERTIFICATE.fid).publish(demand("kept")))
    federation = Chain.found(CERTIFICATE, keys_of(coops)).federation

    async with running(hosts):
        await bench.parts.ingest.receive_certificate(
            make_epoch(federation, about("expel", MILL), coops)
        )
        host = require_host(hosts.by_federation, CERTIFICATE.fid, "notebook")
        shown = await host.view("refs", Call())

    assert shown == ["kept"]
    assert not notebook(host).context.federation.is_member(MILL.cid)


async def test_an_entry_is_kept_where_any_service_may_need_it(bench: Bench) -> None:
    await bench.parts.ingest.receive_certificate(OTHER)
    hosts = hosts_of(bench)
    before = hosts.keeps(SOME)

    hosts.by_federation[OTHER.fid]["notebook"].is_stopped = True

    assert (before, hosts.keeps(SOME)) == (False, True)


async def test_service_that_does_not_run_is_refused_by_name(bench: Bench) -> None:
    hosts = hosts_of(bench).by_federation

    with pytest.raises(Refusal, match=r"service\.unknown.*notebook.*'nothing'"):
        require_host(hosts, CERTIFICATE.fid, "nothing")


@pytest.mark.parametrize(
    ("prefix", "chosen"), [(None, ONE), ("abab", ONE), ("abcd", TWO), (TWO.hex(), TWO)]
)
def test_a_federation_is_named_by_the_beginning_of_its_id(
    prefix: str | None, chosen: FederationId
) -> None:
    assert choose_federation([ONE, TWO], prefix) == chosen


@pytest.mark.parametrize("prefix", ["ab", "ff", "", "AB", "abg", "ab" * 33])
def test_a_federation_that_is_none_or_several_is_refused(prefix: str) -> None:
    with pytest.raises(Refusal) as refusal:
        choose_federation([ONE, TWO], prefix)

    assert refusal.value.code == "api.query"


@pytest.mark.parametrize("prefix", [None, "ab"])
def test_a_node_in_no_federation_is_told_how_to_join(prefix: str | None) -> None:
    with pytest.raises(Refusal) as refusal:
        choose_federation([], prefix)

    assert refusal.value.code == "node.no_federation"
