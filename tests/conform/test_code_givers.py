"""Codes of this implementation that no case of the kit and no vector can show."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from click.testing import CliRunner
from tests.conform.running import Build, make_node_kit, part_of, reports_of, running

from sheaf_node.cli.main import sheaf
from sheaf_node.config import CONFIG_FILE, Limits, Waits, initial_config
from sheaf_node.conform.cases import all_cases
from sheaf_node.conform.honest import notes
from sheaf_node.conform.model import Case
from sheaf_node.ingest import Ingest
from sheaf_node.peering.aiohttp_network import AiohttpNetwork
from sheaf_protocol.digest import CoopId, Digest, EntryId
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import Baseline, MatchProposal, PlannedTrip, Share
from sheaf_services.demo.cast import CAST
from sheaf_services.demo.fleet import Fleet
from sheaf_services.demo.homes import Home
from sheaf_services.demo.play import Play
from sheaf_services.demo.ports import free_ports
from sheaf_services.demo.progress import Progress
from sheaf_services.demo.scenario import Scenario
from sheaf_services.shipment_matching.planning import MOST_REQUESTS, require_size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sheaf_node.conform.scene import Scene


async def test_a_redirect_is_refused_by_name() -> None:
    async def elsewhere(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    app = web.Application()
    app.add_routes([web.get("/{path:.*}", elsewhere)])
    runner = web.AppRunner(app)
    await runner.setup()
    [port] = free_ports(1)
    await web.TCPSite(runner, "127.0.0.1", port).start()
    async with AiohttpNetwork.open(limits=Limits(), waits=Waits()) as network:
        with pytest.raises(Refusal) as refused:
            await network.dial(f"ws://127.0.0.1:{port}/sheaf/1/link", 5_000)
    await runner.cleanup()

    assert refused.value.code == "link.redirect"


async def test_an_address_where_nobody_listens_is_refused_by_name() -> None:
    [port] = free_ports(1)
    async with AiohttpNetwork.open(limits=Limits(), waits=Waits()) as network:
        with pytest.raises(Refusal) as refused:
            await network.dial(f"ws://127.0.0.1:{port}/sheaf/1/link", 5_000)

    assert refused.value.code == "link.unreachable"


def test_a_token_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    words = ["conform", "ws://127.0.0.1:1", "--kit", str(tmp_path), "--api", "http://127.0.0.1:1"]
    done = CliRunner().invoke(sheaf, [*words, "--token-file", str(tmp_path / "none")])

    assert "[api.no_token]" in done.stderr


class Stumbles(Ingest):
    """Has a fault of its own, which entries bring to light."""

    def open(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("a fault of this node")


async def stumble(scene: Scene) -> None:
    other, peer = await scene.ready(scene.coops[1]), await scene.ready()
    await peer.push(*notes(peer.author, 1))
    await peer.ended("link.internal", is_coded=True)
    await other.still_open()


async def test_a_fault_of_the_node_ends_one_link_as_link_internal(tmp_path: Path) -> None:
    coop, kit = make_node_kit()
    part = part_of(kit)
    case = Case(id="stumble", clauses=(), title="A fault", steps=stumble, coops=2)

    async with running(tmp_path, coop, part, Build(ingest=Stumbles)) as url:
        [report] = await reports_of([case], part, url)

    assert (report.got, report.codes) == ("", ["link.internal"])


async def test_what_a_peer_withheld_is_told_as_link_withheld(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    coop, kit = make_node_kit()
    part = part_of(kit)
    cases = [case for case in all_cases() if case.id == "evil-withheld-entries"]

    with caplog.at_level(logging.INFO, "sheaf.peering"):
        async with running(tmp_path, coop, part, Build()) as url:
            await reports_of(cases, part, url)

    assert "link.withheld: entries that were announced did not come" in caplog.text


def test_a_demo_beyond_its_deadline_is_stuck() -> None:
    with Fleet([], deadline_s=-1) as fleet, pytest.raises(Refusal) as refused:
        fleet.until("something", lambda: False)

    assert refused.value.code == "demo.stuck"


def test_a_demo_whose_node_dies_again_and_again_ends(tmp_path: Path) -> None:
    home = Home(player=CAST[0], path=tmp_path, peer_port=8440, local_port=8441)
    settings = initial_config(name="A home without keys", peer_port=8440, local_port=8441)
    (tmp_path / CONFIG_FILE).write_text(settings)

    with Fleet([home], deadline_s=60) as fleet, pytest.raises(Refusal) as refused:
        fleet.until("an end", lambda: False)

    assert refused.value.code == "demo.node_died"


class Unlucky:
    """A fleet whose pools are all decided and of which none was awarded."""

    def get(self, _key: str, path: str, _query: object = None) -> Any:
        if path.endswith("/status"):
            return {
                "peers": [{"in_sync": True}] * len(CAST),
                "federations": [{"root": "00", "entries": 0}],
            }
        return {"pools": [{"outcome": {"awarded": False}}], "lines": [], "orders": 0}

    def post(self, *_: Any, **__: Any) -> Any:
        return {}

    def tend(self, _what: str) -> None:
        pass


def test_a_demo_in_which_nothing_is_awarded_says_so() -> None:
    scenario = Scenario(prices=b"", purchases={"x": b""}, pool_options={}, has_plot=True)
    fleet: Any = Unlucky()

    with pytest.raises(Refusal) as refused:
        Play(fleet, scenario, Progress(is_quiet=True)).run()

    assert refused.value.code == "demo.no_award"


def names(count: int) -> Sequence[bytes]:
    return [number.to_bytes(32, "big") for number in range(count)]


def test_a_plan_for_as_many_parties_as_there_can_be_requests_is_too_large() -> None:
    parties = [CoopId(Digest(name)) for name in names(MOST_REQUESTS)]
    trips = [PlannedTrip(cost=2**32, stops=[2 * at, 2 * at + 1]) for at in range(MOST_REQUESTS)]
    pairs = zip(parties, trips, strict=True)
    proposal = MatchProposal(
        baseline="own_pooled",
        baselines=[Baseline(cid=cid, trips=[trip]) for cid, trip in pairs],
        capacity=EntryId(bytes(32)),
        inputs=Digest(bytes(32)),
        requests=[EntryId(name) for name in names(MOST_REQUESTS)],
        shares=[Share(amount=2**32, cid=cid) for cid in parties],
        split="proportional_to_baseline/1",
        trips=trips,
    )

    with pytest.raises(Refusal) as refused:
        require_size(proposal)

    assert refused.value.code == "match.too_large"
