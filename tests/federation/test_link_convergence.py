"""Honest nodes that are connected, directly or through others, come to hold the same."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from sheaf_node.clock import ManualClock
from sheaf_node.config import Limits, Waits
from sheaf_protocol.digest import digest
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import signing_key
from sheaf_protocol.limits import (
    MAX_BATCH_BYTES,
    MAX_BATCH_ENTRIES,
    MAX_KEY_LOG,
    WRITER_LIFETIME_MS,
)
from sheaf_protocol.link.messages import key_op_size
from sheaf_services.demo.ports import free_ports

if TYPE_CHECKING:
    from tests.federation.conftest import RunningNode, World


async def triangle(world: World) -> list[RunningNode]:
    """Three nodes, each linked with the two others."""
    first = await world.start(0)
    second = await world.start(1, dials=[first])
    third = await world.start(2, dials=[first, second])
    nodes = [first, second, third]
    await world.until(lambda: all(len(node.peering.peers()) == 2 for node in nodes))
    return nodes


async def test_entries_of_all_reach_all(world: World) -> None:
    nodes = await triangle(world)

    await asyncio.gather(*(node.publish(10) for node in nodes))

    await world.until_converged(*nodes, entries=30)


async def test_linked_nodes_come_to_say_that_they_are_in_sync(world: World) -> None:
    nodes = await triangle(world)

    await asyncio.gather(*(node.publish(3) for node in nodes))

    await world.until(
        lambda: all(n.is_in_sync_with(*(o for o in nodes if o is not n)) for n in nodes)
    )
    await world.until_converged(*nodes, entries=9)


async def test_entries_cross_a_node_in_the_middle(world: World) -> None:
    """Chain A - B - C: A and C are not linked."""
    middle = await world.start(1)
    left = await world.start(0, dials=[middle])
    right = await world.start(2, dials=[middle])
    await world.until(lambda: len(middle.peering.peers()) == 2)

    await asyncio.gather(*(node.publish(5) for node in (left, middle, right)))

    await world.until_converged(left, middle, right, entries=15)
    assert [peer.wid for peer in left.peering.peers()] == [middle.coop.wid]


async def test_newcomer_catches_up_over_many_batches(world: World) -> None:
    first = await world.start(0)
    many = 3 * MAX_BATCH_ENTRIES + 1
    await first.publish(many)

    second = await world.start(1, dials=[first])

    await world.until_converged(first, second, entries=many)


async def test_large_entries_are_caught_up_with_within_credit(world: World) -> None:
    first = await world.start(0)
    count = 60  # 3.6 MB, nearly twice the credit
    await first.publish_large(count)

    second = await world.start(1, dials=[first])

    await world.until_converged(first, second, entries=count)


async def test_partitioned_nodes_converge_when_the_partition_ends(world: World) -> None:
    first, second, third = await triangle(world)
    await first.publish()
    await world.until_converged(first, second, third, entries=1)
    await third.stop()

    await first.publish(4)
    await second.publish(4)
    await world.until_converged(first, second, entries=9)
    third = await world.start(2, dials=[first, second])
    await third.publish(2)

    await world.until_converged(first, second, third, entries=11)


async def test_dialler_finds_a_node_that_restarted_on_its_port(world: World) -> None:
    [port] = free_ports(1)
    first = await world.start(0, port=port)
    second = await world.start(1, dials=[first])
    await world.until(lambda: len(second.peering.peers()) == 1)
    await first.stop()
    await world.until(lambda: second.peering.peers() == [])
    await second.publish(3)

    first = await world.start(0, port=port)

    await world.until_converged(first, second, entries=3)


async def test_middle_node_that_was_away_brings_both_sides_together(world: World) -> None:
    [port] = free_ports(1)
    middle = await world.start(1, port=port)
    left = await world.start(0, dials=[middle])
    right = await world.start(2, dials=[middle])
    await world.until(lambda: len(middle.peering.peers()) == 2)
    await middle.stop()
    await left.publish(3)
    await right.publish(3)

    middle = await world.start(1, port=port)

    await world.until_converged(left, middle, right, entries=6)


async def test_nodes_that_dial_each_other_keep_one_link(world: World) -> None:
    [port] = free_ports(1)
    first = await world.start(0, dials=[f"ws://127.0.0.1:{port}"])
    second = await world.start(1, port=port, dials=[first])

    await world.until(lambda: first.is_in_sync_with(second) and second.is_in_sync_with(first))
    # The first was there before the second, and dials once more after a while.
    await world.until(lambda: is_settled(first) and is_settled(second))
    await asyncio.sleep(0.5)

    [at_first], [at_second] = first.peering.peers(), second.peering.peers()
    assert at_first.is_dialled != at_second.is_dialled
    assert at_first.is_dialled == (first.coop.wid < second.coop.wid)
    for node in (first, second):
        assert [(dial.is_linked, dial.reason) for dial in node.peering.dials()] == [(True, None)]


def is_settled(node: RunningNode) -> bool:
    """Return whether a node has one link, and its one dial led to it."""
    dials = [(dial.is_linked, dial.reason) for dial in node.peering.dials()]
    return len(node.peering.peers()) == 1 and dials == [(True, None)]


async def test_second_url_of_one_peer_makes_no_second_link(world: World) -> None:
    first = await world.start(0)
    second = await world.start(1, dials=[first, f"http://localhost:{first.peering.port}/"])

    await world.until(lambda: second.is_in_sync_with(first))
    await world.until(lambda: all(dial.is_linked for dial in second.peering.dials()))
    await asyncio.sleep(0.5)

    assert len(first.peering.peers()) == len(second.peering.peers()) == 1
    assert [dial.is_linked for dial in second.peering.dials()] == [True, True]


async def test_node_that_dials_itself_stops_doing_so(world: World) -> None:
    [port] = free_ports(1)
    node = await world.start(0, port=port, dials=[f"ws://127.0.0.1:{port}"])

    await world.until(lambda: node.peering.dials()[0].reason is not None)
    await asyncio.sleep(0.3)

    assert node.peering.peers() == []
    [dial] = node.peering.dials()
    assert dial.reason == "this is the node itself; it is not dialled again"


async def test_key_logs_and_charter_reach_a_node_that_has_neither(world: World) -> None:
    """A joiner knows one address and its own keys; all members signed for it already."""
    first = await world.start(0)
    await first.publish(2)

    joiner = await world.start(1, dials=[first], knows=[], has_certificate=False)

    await world.until_converged(first, joiner, entries=2)
    assert world.certificate.fid in joiner.ingest.federations


async def test_key_logs_that_fill_several_messages_arrive_whole(world: World) -> None:
    long = world.coops[1:]
    for coop in long:
        for number in range(MAX_KEY_LOG - 10):
            coop.delegate(signing_key(digest("test", coop.cid, number.to_bytes(2, "big"))), 1)
    sizes = [sum(key_op_size(op) for op in coop.key_ops) for coop in long]
    assert sum(sizes) > MAX_BATCH_BYTES
    first = await world.start(0)

    joiner = await world.start(1, dials=[first], knows=[], has_certificate=False)

    await world.until(lambda: joiner.is_in_sync_with(first))
    assert [joiner.store.key_logs[c.cid].size for c in long] == [c.keys.size for c in long]


async def test_close_of_a_writer_reaches_all(world: World) -> None:
    first, second, third = await triangle(world)
    [entry] = await first.publish()
    await world.until_converged(first, second, third, entries=1)
    coop = world.coops[0]

    close = coop.close({entry.header.fid: first.store.logs[entry.header.log].head})
    await first.ingest.receive_key_ops(coop.cid, [close])

    await world.until(
        lambda: all(n.store.key_logs[coop.cid].size == coop.keys.size for n in (second, third))
    )


async def test_closed_writer_is_shown_its_key_log_and_nothing_else(world: World) -> None:
    first = await world.start(0)
    await first.publish()
    coop = world.coops[1]
    before = list(coop.key_ops)
    await first.ingest.receive_key_ops(coop.cid, [coop.close({})])
    coop.key_ops[:] = before  # the closed node has not heard of it

    second = await world.start(1, dials=[first])
    await world.until(lambda: second.store.key_logs[coop.cid].writers[coop.wid].is_closed)
    await asyncio.sleep(0.2)

    assert second.store.arrival == 0
    assert not any(peer.in_sync for peer in first.peering.peers())


async def test_expired_writer_may_not_link(world: World) -> None:
    late = ManualClock(world.now_ms + WRITER_LIFETIME_MS + 1)
    first = await world.start(0, clock=late)

    second = await world.start(1, dials=[first])
    await world.until(
        lambda: second.peering.dials()[0].reason is not None and not second.peering.peers()
    )

    assert first.peering.peers() == second.peering.peers() == []
    assert "link.expired" in (second.peering.dials()[0].reason or "")


async def test_well_known_document_names_the_node(world: World) -> None:
    node = await world.start(0)

    async with aiohttp.ClientSession() as client:
        url = f"http://127.0.0.1:{node.peering.port}/.well-known/sheaf"
        document = json.loads(await (await client.get(url)).text())

    assert document == {
        "versions": [1],
        "cid": node.coop.cid.hex(),
        "wid": node.coop.wid.hex(),
        "name": "Hill",
    }


async def test_port_in_use_is_refused_with_the_key_to_change(world: World) -> None:
    first = await world.start(0)

    with pytest.raises(Refusal) as caught:
        await world.start(1, port=first.peering.port)

    assert caught.value.code == "peer.port_in_use"
    assert str(first.peering.port) in caught.value.detail
    assert "peer_port" in caught.value.detail


async def test_unusable_peer_url_is_refused_before_anything_runs(world: World) -> None:
    with pytest.raises(ValueError, match="expected a url like") as caught:
        await world.start(0, dials=["ws://user:secret@127.0.0.1:1"])

    assert isinstance(caught.value.__cause__, Refusal)
    assert caught.value.__cause__.code == "peer.url"


async def test_redirect_is_not_followed(world: World) -> None:
    followed = []

    async def redirect(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(f"http://127.0.0.1:{request.url.port}/elsewhere")

    async def elsewhere(request: web.Request) -> web.Response:
        followed.append(request)
        return web.Response()

    app = web.Application()
    app.add_routes([web.get("/sheaf/1/link", redirect), web.get("/elsewhere", elsewhere)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # aiohttp has no public name for it
    await world.start(0, dials=[f"ws://127.0.0.1:{port}"])
    await asyncio.sleep(0.2)
    await runner.cleanup()

    assert followed == []


async def test_links_beyond_the_limit_of_one_address_are_turned_away(world: World) -> None:
    node = await world.start(0, limits=Limits(links_per_address=1))
    await world.start(1, dials=[node])
    await world.until(lambda: len(node.peering.peers()) == 1)

    await world.start(2, dials=[node])
    await asyncio.sleep(0.2)

    assert len(node.peering.peers()) == 1


async def test_frontiers_are_compared_again_on_a_quiet_link(world: World) -> None:
    often = Waits(redial_first_ms=20, announce_ms=20, recheck_ms=50)
    first = await world.start(0, waits=often)
    second = await world.start(1, dials=[first], waits=often)

    await world.until(lambda: first.is_in_sync_with(second) and second.is_in_sync_with(first))
    await asyncio.sleep(0.3)

    assert first.is_in_sync_with(second)
    assert second.is_in_sync_with(first)
