"""A fault of a service ends that service and nothing else."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.node.notebook import (
    CERTIFICATE,
    HILL,
    MILL,
    PATIENCE_S,
    SOME,
    Bench,
    Notebook,
    demand,
    judge,
    notebook,
    opened,
    until,
)

from sheaf_node.plugins import Call, ServiceContext, ServiceHost
from sheaf_node.plugins.guard import ServiceFault
from sheaf_protocol.errors import Refusal
from sheaf_protocol.testing.author import LogAuthor


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened(tmp_path, MILL) as mill:
        yield mill


def broken(service: Notebook) -> None:
    if service.refs:
        raise ZeroDivisionError("a fault of the service")


@pytest.mark.parametrize("where", ["fold", "decide"])
async def test_a_service_that_raises_is_stopped_and_others_go_on(
    bench: Bench, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    faulty, sound = bench.start(**{where: broken}), bench.start(decide=judge)

    await bench.receive(LogAuthor(HILL, CERTIFICATE.fid).publish(demand("r")))
    await until(lambda: faulty.is_stopped and bench.kinds() == ["demand.submit", "verdict"])
    await until(bench.tasks[0].done)

    assert not sound.is_stopped
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR] == [
        "service notebook stopped"
    ]
    assert "a fault of the service" in caplog.text


@pytest.mark.parametrize("ask", ["command", "view"])
async def test_a_stopped_service_answers_nothing(bench: Bench, ask: str) -> None:
    host = bench.start(fold=broken)
    await bench.receive(LogAuthor(HILL, CERTIFICATE.fid).publish(demand("r")))
    await until(lambda: host.is_stopped)

    with pytest.raises(Refusal) as refusal:
        await getattr(host, ask)("refs" if ask == "view" else "add", Call(body=b"more"))

    assert refusal.value.code == "service.stopped"
    assert bench.kinds() == ["demand.submit"]


async def test_a_fault_met_by_a_view_stops_the_service(bench: Bench) -> None:
    host = bench.host(fold=broken)
    await bench.receive(LogAuthor(HILL, CERTIFICATE.fid).publish(demand("r")))

    with pytest.raises(Refusal, match=r"service\.stopped"):
        await host.view("refs", Call())

    assert host.is_stopped
    async with asyncio.timeout(PATIENCE_S):
        await host.run()


async def test_a_service_that_cannot_be_made_is_stopped_and_others_go_on(bench: Bench) -> None:
    def factory(context: ServiceContext, settings: Mapping[str, Any]) -> Notebook:
        raise ZeroDivisionError("a fault of the service")

    federation = bench.parts.ingest.federations[CERTIFICATE.fid]
    host = ServiceHost("faulty", factory, {}, federation=federation, parts=bench.parts)
    await host.run()

    assert host.is_stopped
    with pytest.raises(Refusal, match=r"service\.stopped"):
        await host.view("refs", Call())


def test_a_service_that_refuses_its_settings_is_not_made(bench: Bench) -> None:
    def factory(context: ServiceContext, settings: Mapping[str, Any]) -> Notebook:
        raise Refusal("config.invalid", "expected a place")

    federation = bench.parts.ingest.federations[CERTIFICATE.fid]
    with pytest.raises(Refusal, match=r"config\.invalid"):
        ServiceHost("faulty", factory, {}, federation=federation, parts=bench.parts)


async def test_a_command_with_a_fault_is_undone_and_the_service_goes_on(bench: Bench) -> None:
    host = bench.host()

    with pytest.raises(UnicodeDecodeError):
        await host.command("add", Call(body=b"\xff"))
    await host.command("add", Call(body=b"good"))

    assert notebook(host).refs == ["good"]
    assert not host.is_stopped


def leave(service: Notebook) -> None:
    if service.refs:
        raise SystemExit(3)


def give_up(service: Notebook) -> None:
    if service.refs:
        raise asyncio.CancelledError


@pytest.mark.parametrize("fault", [leave, give_up])
@pytest.mark.parametrize("where", ["fold", "decide"])
async def test_a_service_that_would_end_the_node_ends_itself(
    bench: Bench, where: str, fault: Callable[[Notebook], None]
) -> None:
    faulty, sound = bench.start(**{where: fault}), bench.start(decide=judge)

    await bench.receive(LogAuthor(HILL, CERTIFICATE.fid).publish(demand("r")))
    await until(lambda: faulty.is_stopped and bench.kinds() == ["demand.submit", "verdict"])

    assert not sound.is_stopped


async def test_a_command_that_would_end_the_node_is_a_fault_of_its_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = bench.host()
    monkeypatch.setattr(Notebook, "commands", {"leave": lambda call: sys.exit(1)})

    with pytest.raises(ServiceFault, match="SystemExit"):
        await host.command("leave", Call())

    assert not host.is_stopped


async def test_a_service_that_cannot_say_what_it_keeps_keeps_all_and_is_stopped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = bench.host()
    await host.view("refs", Call())
    monkeypatch.setattr(host.service, "keeps", lambda id_: 1 // 0, raising=False)

    assert host.keeps(SOME)
    assert host.is_stopped
