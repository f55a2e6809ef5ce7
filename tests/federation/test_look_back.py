"""A node that dials another one back on request: for whom, where to, and how rarely."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from sheaf_node.clock import ManualClock
from sheaf_node.config import Config, CoopRule, PeerAddress
from sheaf_node.peering.aiohttp_network import AiohttpNetwork
from sheaf_node.peering.look_back import (
    EVERY_MS,
    GLANCE_MS,
    MAX_REQUEST,
    LookBackAnswer,
    LookBackRequest,
    Wish,
    sign_wish,
)
from sheaf_node.peering.looking_back import LookBack
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.testing.author import make_coop

from .conftest import RunningNode, World, make_keyring

if TYPE_CHECKING:
    from sheaf_protocol.testing.author import TestCoop

HILL, DALE = 0, 1
NAME = "dale.example"


class Desk:
    """Dale's node, which looks back, and Hill's, which is to be met; the clock is the test's."""

    def __init__(self, world: World, hill: RunningNode, dale: RunningNode) -> None:
        self.world, self.hill, self.dale = world, hill, dale
        self.clock = ManualClock(world.now_ms)
        self.config = Config(name="Dale", public_names=[NAME], peers=[PeerAddress(url=hill.url)])

    async def open(self) -> None:
        limits, waits = self.config.limits, self.config.waits
        self.network = await self.world.stack.enter_async_context(
            AiohttpNetwork.open(limits=limits, waits=waits)
        )
        self.look_back = self.made()

    def made(self, **changes: object) -> LookBack:
        config = Config(
            name="Dale",
            public_names=[NAME],
            peers=changes.get("peers", self.config.peers),  # type: ignore[arg-type]
            coops=changes.get("coops", {}),  # type: ignore[arg-type]
        )
        return LookBack(
            network=self.network,
            store=self.dale.store,
            ingest=self.dale.ingest,
            keyring=make_keyring(self.dale.coop),
            clock=self.clock,
            random=os.urandom,
            config=config,
        )

    def wish(self, *urls: str, coop: TestCoop | None = None, **changes: object) -> bytes:
        coop = coop or self.hill.coop
        values = {"audience": NAME, "time_ms": self.clock.now_ms(), **changes}
        wish = Wish(cid=coop.cid, wid=coop.wid, urls=list(urls or [self.hill.url]), **values)  # type: ignore[arg-type]
        return sign_wish(wish, coop.writer)

    async def asked(self, body: bytes, look_back: LookBack | None = None) -> LookBackAnswer:
        posted = await (look_back or self.look_back).answer(body, "127.0.0.1")
        return decode(posted.body, LookBackAnswer)

    def wait(self, ms: int) -> None:
        self.clock = ManualClock(self.clock.now_ms() + ms)
        self.look_back._clock = self.clock


@pytest.fixture
async def desk(world: World) -> Desk:
    hill, dale = await world.start(HILL), await world.start(DALE)
    made = Desk(world, hill, dale)
    await made.open()
    return made


async def test_a_node_that_can_be_reached_is_met(desk: Desk) -> None:
    answer = await desk.asked(desk.wish())

    assert answer == LookBackAnswer(code="ok", met=["ok"])
    assert desk.hill.peering.peers() == []  # met, and no link made of it


async def test_stranger_and_forger_get_one_answer(desk: Desk) -> None:
    stranger = make_coop("Stranger", now_ms=desk.world.now_ms)
    pausing = desk.made(coops={desk.hill.coop.cid.hex(): CoopRule(paused=True)})
    request = decode(desk.wish(), LookBackRequest)
    forged = encode(LookBackRequest(sig=bytes(64), wish=request.wish))

    answers = [
        await desk.asked(desk.wish(coop=stranger)),
        await desk.asked(forged),
        await desk.asked(desk.wish(), pausing),
    ]

    assert answers == [LookBackAnswer(code="link.not_member", met=[])] * 3


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"audience": "moor.example"}, "link.audience"),  # sent on by whom it was meant for
        ({"time_ms": 0}, "look_back.time"),  # kept from another day
    ],
)
async def test_request_for_another_node_or_time_is_refused(
    desk: Desk, changes: dict[str, Any], code: str
) -> None:
    assert (await desk.asked(desk.wish(**changes))).code == code


async def test_second_request_within_a_minute_is_refused(desk: Desk) -> None:
    await desk.asked(desk.wish())

    codes = []
    for wait_ms in (GLANCE_MS, EVERY_MS - GLANCE_MS - 1, 1 + GLANCE_MS):
        desk.wait(wait_ms)
        codes.append((await desk.asked(desk.wish())).code)

    assert codes == ["look_back.busy", "look_back.busy", "ok"]


async def test_signatures_are_checked_a_few_times_a_second(desk: Desk) -> None:
    moor = desk.world.coops[2]
    await desk.asked(desk.wish())

    assert (await desk.asked(desk.wish(coop=moor))).code == "look_back.busy"


@pytest.mark.parametrize(
    "url",
    [
        "ws://127.0.0.1:9",
        "ws://localhost:8440",
        "ws://[::1]:8440",
        "ws://[::ffff:127.0.0.1]:8440",
        "ws://10.0.0.1:8440",
        "ws://169.254.169.254",  # a cloud's metadata
        "ws://0.0.0.0:8440",
        "wss://192.0.2.1:25",
    ],
)
async def test_address_inside_a_network_is_not_dialled(desk: Desk, url: str) -> None:
    answer = await desk.asked(desk.wish(url), desk.made(peers=[]))

    assert answer == LookBackAnswer(code="ok", met=["peer.inside"])


async def test_an_address_written_as_one_number_is_dialled_nowhere(desk: Desk) -> None:
    loopback = f"ws://{0x7F000001}:{desk.hill.peering.port}"

    answer = await desk.asked(desk.wish(loopback), desk.made(peers=[]))

    assert answer.met == ["link.unreachable"]


async def test_a_loopback_address_is_dialled_only_where_it_is_pinned(desk: Desk) -> None:
    answer = await desk.asked(desk.wish(), desk.made(peers=[]))

    assert answer.met == ["peer.inside"]


async def test_whatever_else_is_at_an_address_the_answer_is_the_same(desk: Desk) -> None:
    silent = "ws://127.0.0.1:9"
    peers = [PeerAddress(url=url) for url in (desk.dale.url, silent)]

    answer = await desk.asked(desk.wish(desk.dale.url, silent), desk.made(peers=peers))

    assert answer.met == ["link.unreachable"] * 2


@pytest.mark.parametrize("body", [b"", b"\x80", b"\xc1", bytes(MAX_REQUEST + 1)])
async def test_bytes_that_are_no_request_are_refused(desk: Desk, body: bytes) -> None:
    answer = await desk.asked(body)

    assert answer.met == []
    assert answer.code != "ok"
