"""Whole nodes over a network in memory: no socket is opened and no time passes by itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import pytest
from tests.federation.conftest import PATIENCE_S

from sheaf_node.clock import ManualClock
from sheaf_node.config import Limits
from sheaf_node.peering.memory import MAX_UNDER_WAY, MemoryHost, MemoryNetwork
from sheaf_node.peering.network import Front, SocketClosed
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.federation.conftest import RunningNode, World

    from sheaf_node.peering.memory import MemoryListener, MemorySocket
    from sheaf_node.peering.network import Knock, Socket

STEP_MS = 10
STOP_MS = 2_000
"""How long the world's nodes wait for links to end."""
HOSTS = ("hill", "dale", "moor")


class Scene:
    """Nodes that share a network and a clock."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.network = MemoryNetwork()
        self.clock = ManualClock(world.now_ms)

    async def start(
        self, index: int, dials: Sequence[RunningNode] = (), limits: Limits | None = None
    ) -> RunningNode:
        host = HOSTS[index]
        return await self.world.start(
            index,
            dials=dials,
            clock=self.clock,
            host=host,
            network=self.network.host(host),
            limits=limits,
        )

    async def until(self, is_true: Callable[[], bool]) -> None:
        """Let time pass in small steps until something holds."""

        def is_true_now() -> bool:
            self.clock.advance(STEP_MS)
            return is_true()

        await self.world.until(is_true_now)

    async def until_converged(self, *nodes: RunningNode, entries: int) -> None:
        await self.until(lambda: all(node.store.arrival == entries for node in nodes))
        await self.until(lambda: len({node.root for node in nodes}) == 1)

    async def until_stopped(self, stopping: asyncio.Future[None]) -> None:
        """Let as much time pass as a node waits for its links, whenever it begins to."""

        def is_stopped() -> bool:
            self.clock.advance(STOP_MS)
            return stopping.done()

        await self.world.until(is_stopped)
        await stopping

    async def knock(self, host: str, node: RunningNode) -> MemorySocket:
        return await self.network.host(host).dial(f"{node.url}/sheaf/1/link", 1_000)

    async def is_let_in(self, host: str, node: RunningNode) -> bool:
        try:
            await self.knock(host, node)
        except Refusal as refusal:
            return refusal.code != "link.unreachable"
        return True


@pytest.fixture
def scene(world: World) -> Scene:
    return Scene(world)


async def test_three_nodes_converge_across_a_cut_and_its_heal(scene: Scene) -> None:
    """Chain hill - dale - moor: what hill writes while it is cut off reaches moor afterwards."""
    hill = await scene.start(0)
    dale = await scene.start(1, [hill])
    moor = await scene.start(2, [dale])
    await scene.until(lambda: len(dale.peering.peers()) == 2)
    await asyncio.gather(*(node.publish(3) for node in (hill, dale, moor)))
    await scene.until_converged(hill, dale, moor, entries=9)

    scene.network.cut("hill", "dale")
    await hill.publish(2)
    await dale.publish(2)
    await scene.until_converged(dale, moor, entries=11)
    assert hill.peering.peers() == []
    assert hill.store.arrival == 11
    assert hill.root != dale.root
    scene.network.heal("hill", "dale")

    await scene.until_converged(hill, dale, moor, entries=13)
    await scene.until(lambda: dale.is_in_sync_with(hill, moor) and hill.is_in_sync_with(dale))


async def test_nothing_happens_while_the_clock_stands_still(scene: Scene) -> None:
    """A dial that failed is tried again by the node's clock, not by the machine's."""
    hill = await scene.start(0)
    scene.network.cut("hill", "dale")
    dale = await scene.start(1, [hill])
    await asyncio.sleep(0.05)

    scene.network.heal("hill", "dale")
    await asyncio.sleep(0.3)  # longer than the longest wait before dialling again

    assert dale.peering.peers() == []
    await scene.until(lambda: dale.is_in_sync_with(hill))


class StuckHost(MemoryHost):
    """A host whose connections neither carry anything nor come to an end."""

    def __init__(self, network: MemoryNetwork, name: str) -> None:
        super().__init__(network, name)
        self.is_here = asyncio.Event()

    async def listen(self, host: str, port: int, front: Front) -> MemoryListener:
        async def answer(knock: Knock) -> None:
            await front.answer(StuckKnock(knock.address, self.is_here))

        return await super().listen(host, port, replace(front, answer=answer))


class StuckKnock(NamedTuple):
    address: str
    is_here: asyncio.Event
    name: str = "stuck"

    async def accept(self) -> StuckKnock:
        self.is_here.set()
        return self

    async def refuse(self) -> None:
        return

    async def receive(self) -> bytes:
        return await asyncio.get_running_loop().create_future()

    async def send(self, frame: bytes) -> None:
        return

    async def close(self, code: str, *, is_fault: bool) -> None:
        await asyncio.get_running_loop().create_future()


async def test_links_that_do_not_end_are_given_up_by_the_clock(scene: Scene) -> None:
    network = StuckHost(scene.network, "hill")
    node = await scene.world.start(0, clock=scene.clock, host="hill", network=network)
    knocking = asyncio.ensure_future(scene.knock("dale", node))
    await network.is_here.wait()

    stopping = asyncio.ensure_future(node.peering.stop())
    await asyncio.sleep(0.01)
    was_waiting = not stopping.done()
    await scene.until_stopped(stopping)

    assert was_waiting
    with pytest.raises(Refusal):
        await knocking


class FailingSocket(NamedTuple):
    """A connection that does not end, and breaks when nobody wants to hear of it any more."""

    name: str = "failing"

    async def receive(self) -> bytes:
        try:
            return await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            raise RuntimeError("broken") from None

    async def send(self, frame: bytes) -> None:
        return

    async def close(self, code: str, *, is_fault: bool) -> None:
        await asyncio.get_running_loop().create_future()


class FailingHost(MemoryHost):
    """A host whose dials lead to connections that fail as they are ended."""

    async def dial(self, url: str, timeout_ms: int) -> Socket:  # type: ignore[override]
        return FailingSocket()


async def test_link_that_fails_as_it_is_cancelled_does_not_keep_a_node_from_ending(
    scene: Scene,
) -> None:
    hill = await scene.start(0)
    network = FailingHost(scene.network, "dale")
    dale = await scene.world.start(1, dials=[hill], clock=scene.clock, host="dale", network=network)
    await asyncio.sleep(0.01)

    await scene.until_stopped(asyncio.ensure_future(dale.peering.stop()))


async def test_links_beyond_the_limit_of_one_address_are_refused(scene: Scene) -> None:
    node = await scene.start(0, limits=Limits(links_per_address=2))
    first = await scene.knock("evil", node)
    second = await scene.knock("evil", node)

    third = await scene.is_let_in("evil", node)
    from_elsewhere = await scene.is_let_in("dale", node)
    await first.close("link.bye", is_fault=False)
    async with asyncio.timeout(PATIENCE_S):
        while not await scene.is_let_in("evil", node):  # noqa: ASYNC110 - to ask is all there is
            await asyncio.sleep(0.01)

    assert (third, from_elsewhere) == (False, True)
    await second.close("link.bye", is_fault=False)


async def test_links_beyond_the_limit_of_all_are_refused(scene: Scene) -> None:
    node = await scene.start(0, limits=Limits(links=3))

    let_in = [await scene.is_let_in(host, node) for host in ("a", "b", "c", "d")]

    assert let_in == [True, True, True, False]


@pytest.mark.parametrize("burst", [5, 12])
async def test_handshakes_beyond_the_limit_cost_the_oldest_each_time(
    scene: Scene, burst: int
) -> None:
    """Also where they come faster than those that must go can be ended."""
    node = await scene.start(0, limits=Limits(handshakes=4))

    sockets = [await scene.knock(f"evil{n}", node) for n in range(burst)]
    endings = [asyncio.ensure_future(socket.receive()) for socket in sockets]
    await scene.world.until(lambda: sum(ending.done() for ending in endings) >= burst - 4)
    await asyncio.sleep(0.05)

    ended = [ending.done() for ending in endings]
    assert ended == [True] * (burst - 4) + [False] * 4
    assert [code_of(ending) for ending in endings[: burst - 4]] == ["link.busy"] * (burst - 4)
    await asyncio.gather(node.stop(), *endings, return_exceptions=True)


async def test_peers_that_are_linked_stay_while_strangers_crowd_in(scene: Scene) -> None:
    node = await scene.start(0, limits=Limits(handshakes=1))
    friend = await scene.start(1, [node])
    await scene.until(lambda: friend.is_in_sync_with(node))
    since_ms = node.peering.peers()[0].since_ms

    for _ in range(5):
        await scene.knock("evil", node)
    await node.publish()

    await scene.until_converged(node, friend, entries=1)
    assert [peer.since_ms for peer in node.peering.peers()] == [since_ms]


def code_of(ending: asyncio.Future[bytes]) -> str:
    error = ending.exception()
    assert isinstance(error, SocketClosed)
    return error.code


class Echo:
    """A listener that keeps what it accepts until it is told to let go."""

    def __init__(self) -> None:
        self.accepted: list[Socket] = []
        self.is_done = asyncio.Event()

    async def answer(self, knock: Knock) -> None:
        self.accepted.append(await knock.accept())
        await self.is_done.wait()

    async def listen(self, network: MemoryNetwork) -> MemoryListener:
        return await network.host("hill").listen(
            "hill", 8440, Front(document="{}", answer=self.answer)
        )


async def connected() -> tuple[MemoryNetwork, MemoryListener, Socket, Socket]:
    network, echo = MemoryNetwork(), Echo()
    listener = await echo.listen(network)
    dialled = await network.host("dale").dial("ws://hill:8440/sheaf/1/link", 1_000)
    return network, listener, dialled, echo.accepted[0]


async def test_frames_arrive_whole_and_in_order_both_ways() -> None:
    _, listener, dialled, accepted = await connected()

    for frame in (b"one", b"", b"three"):
        await dialled.send(frame)
    await accepted.send(b"answer")

    assert [await accepted.receive() for _ in range(3)] == [b"one", b"", b"three"]
    assert await dialled.receive() == b"answer"
    await listener.close()


async def test_reader_that_is_slow_stops_the_writer() -> None:
    _, listener, dialled, accepted = await connected()
    for _ in range(MAX_UNDER_WAY):
        await dialled.send(b"frame")

    sending = asyncio.ensure_future(dialled.send(b"one more"))
    await asyncio.sleep(0)
    was_stopped = not sending.done()
    await accepted.receive()
    await sending

    assert was_stopped
    await listener.close()


async def test_closed_connection_is_read_to_its_end() -> None:
    _, listener, dialled, accepted = await connected()
    await dialled.send(b"last words")

    await dialled.close("link.bye", is_fault=False)

    assert await accepted.receive() == b"last words"
    with pytest.raises(SocketClosed, match=r"link\.bye"):
        await accepted.receive()
    with pytest.raises(SocketClosed, match=r"link\.lost"):
        await accepted.send(b"too late")
    await listener.close()


async def test_cut_loses_what_is_under_way_and_wakes_both_ends() -> None:
    network, listener, dialled, accepted = await connected()
    for _ in range(MAX_UNDER_WAY):
        await dialled.send(b"under way")
    blocked = [asyncio.ensure_future(dialled.send(b"")), asyncio.ensure_future(dialled.receive())]
    await asyncio.sleep(0)

    network.cut("dale", "hill")

    outcomes = await asyncio.gather(*blocked, accepted.receive(), return_exceptions=True)
    assert [getattr(outcome, "code", outcome) for outcome in outcomes] == ["link.lost"] * 3
    await listener.close()


async def test_cut_of_two_hosts_leaves_a_third_alone() -> None:
    network, listener, dialled, accepted = await connected()

    network.cut("hill", "moor")
    await dialled.send(b"frame")

    assert await accepted.receive() == b"frame"
    with pytest.raises(Refusal, match=r"link\.unreachable"):
        await network.host("moor").dial("ws://hill:8440/sheaf/1/link", 1_000)
    await listener.close()


async def test_listener_that_closes_ends_its_connections_and_frees_the_port() -> None:
    network, listener, dialled, _ = await connected()

    await listener.close()

    with pytest.raises(SocketClosed, match=r"link\.lost"):
        await dialled.receive()
    with pytest.raises(Refusal, match=r"link\.unreachable"):
        await network.host("dale").dial("ws://hill:8440/sheaf/1/link", 1_000)
    await (await Echo().listen(network)).close()


async def test_fault_of_the_node_shows_where_its_listener_is_closed() -> None:
    async def answer(knock: Knock) -> None:
        raise ValueError("a fault of ours")

    network = MemoryNetwork()
    listener = await network.host("hill").listen("hill", 1, Front(document="{}", answer=answer))
    with pytest.raises(Refusal, match=r"link\.unreachable"):
        await network.host("dale").dial("ws://hill:1/sheaf/1/link", 1_000)

    with pytest.raises(ExceptionGroup):
        await listener.close()


@pytest.mark.parametrize(
    ("host", "port", "code"),
    [
        ("hill", 8440, "peer.port_in_use"),
        ("dale", 8441, "peer.address"),  # another host's name
    ],
)
async def test_address_that_cannot_be_listened_on_is_refused(
    host: str, port: int, code: str
) -> None:
    network, echo = MemoryNetwork(), Echo()
    listener = await echo.listen(network)

    with pytest.raises(Refusal) as caught:
        await network.host("hill").listen(host, port, Front(document="{}", answer=echo.answer))

    assert caught.value.code == code
    await listener.close()
