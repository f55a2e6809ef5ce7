"""Joining by a code alone: the node that invites is found among those on the network, and whoever
else is there learns nothing that helps."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.node.test_joining import Joiner, Off, opened

from sheaf_node.clock import SystemClock
from sheaf_node.config import Limits, Waits
from sheaf_node.joining import nearby
from sheaf_node.joining.nearby import MOST_ASKED, find_near, hearing, look
from sheaf_node.joining.welcoming import MOST_BY_ONE
from sheaf_node.peering.aiohttp_network import AiohttpNetwork
from sheaf_node.peering.hints import Hint, Source
from sheaf_node.peering.network import Front, Posted
from sheaf_node.peering.reach import Reach
from sheaf_protocol.codec import decode
from sheaf_protocol.errors import Refusal, RemoteProtocolError
from sheaf_protocol.invitation import JOIN_PATH, Ask, Asking, Invitation
from sheaf_protocol.link import Fresh

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from sheaf_node.peering.network import Knock, Post
    from sheaf_protocol.invitation import Offered


class Heard:
    """A network on which these urls tell of themselves."""

    def __init__(self, *urls: str) -> None:
        self._urls = urls

    async def hints(self) -> Sequence[Hint]:
        return [Hint(url=url, source=Source.LAN, cid=None) for url in self._urls]


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listen for a moment only. Whoever is asked has all the time that it has else."""
    monkeypatch.setattr(nearby, "LISTEN_S", 0.6)
    monkeypatch.setattr(nearby, "GLANCE_S", 0.02)


async def nobody(knock: Knock) -> None:
    await knock.refuse()


@asynccontextmanager
async def door(post: Post) -> AsyncIterator[str]:
    """Give the address of a peer port that answers requests of joiners."""
    async with AiohttpNetwork.open(limits=Limits(), waits=Waits()) as network:
        front = Front(document="{}", answer=nobody, posts={JOIN_PATH: post})
        listener = await network.listen("127.0.0.1", 0, front)
        try:
            yield f"ws://127.0.0.1:{listener.port}"
        finally:
            await listener.close()


class Impostor:
    """Answers whatever it is told to, and keeps what it was asked."""

    def __init__(self, status: int, body: bytes) -> None:
        self.posted, self.asked = Posted(status=status, body=body), list[bytes]()

    async def post(self, body: bytes, address: str) -> Posted:
        self.asked.append(body)
        return self.posted


def ask(secret: bytes) -> nearby.Look:
    return partial(look, Invitation(secret=secret), Reach.LOOPBACK, SystemClock().now_ms)


async def test_the_node_that_invites_is_found_by_the_code_alone(tmp_path: Path) -> None:
    stranger = Impostor(403, b"invite.unknown")
    async with opened(tmp_path) as hill, door(hill.door.post) as url, door(stranger.post) as other:
        secret, dale = await hill.invite(), Joiner(tmp_path / "dale")

        found, asking, offered = await find_near(Heard(other, url), ask(secret))

        assert found == "http" + url.removeprefix("ws")
        assert offered.peer.cid == hill.node.parts.keyring.cid
        welcome = await hill.post(asking.join(dale.identity))
        assert asking.receive_welcome(welcome).is_member


async def test_impostors_that_are_quicker_are_passed_over(tmp_path: Path) -> None:
    # One has nonsense, one a refusal that would end a search, one an offer heard elsewhere.
    async with opened(tmp_path) as hill, door(hill.door.post) as url:
        secret = await hill.invite()
        heard = await hill.post(Asking(secret, Fresh(seed=bytes(32), nonce=bytes(16))).ask())
        impostors = [
            Impostor(200, b"\x80"),
            Impostor(403, b"invite.expired"),
            Impostor(403, b"invite.clock"),
            Impostor(200, heard),
            Impostor(500, b""),
        ]
        async with (
            door(impostors[0].post) as a,
            door(impostors[1].post) as b,
            door(impostors[2].post) as c,
            door(impostors[3].post) as d,
            door(impostors[4].post) as e,
        ):
            found, _, _ = await find_near(Heard(a, b, c, d, e, url), ask(secret))

        assert found == "http" + url.removeprefix("ws")
        assert hill.inviting.listed()[0]["state"] == "open"


async def test_no_two_nodes_are_asked_with_the_same_values() -> None:
    secret, one, other = os.urandom(16), Impostor(403, b"x.y"), Impostor(403, b"x.y")
    async with door(one.post) as a, door(other.post) as b:
        with pytest.raises(Refusal) as refused:
            await find_near(Heard(a, b), ask(secret))

    asks = [decode(body, Ask) for body in one.asked + other.asked]
    assert refused.value.code == "invite.nearby"
    assert "2 nodes" in refused.value.detail
    assert len(asks) == 2  # each once, however often it tells of itself
    assert asks[0].eph != asks[1].eph
    assert asks[0].nonce != asks[1].nonce
    assert all(secret not in body for body in one.asked + other.asked)


async def test_an_ask_that_an_impostor_sends_on_pushes_out_nobodys_exchange(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as hill:
        secret, dale = await hill.invite(), Joiner(tmp_path / "dale")
        asking, _ = await dale.look(hill, secret)
        told_to_impostor = Asking(secret, Fresh(seed=os.urandom(32), nonce=os.urandom(16))).ask()

        for _ in range(3 * MOST_BY_ONE):
            await hill.post(told_to_impostor)

        welcome = await hill.post(asking.join(dale.identity))
        assert asking.receive_welcome(welcome).is_member


async def test_a_network_full_of_nodes_is_not_asked_for_ever(tmp_path: Path) -> None:
    asked = []

    async def counted(url: str) -> tuple[Asking, Offered]:
        asked.append(url)
        raise Refusal("link.unreachable", "nobody")

    with pytest.raises(Refusal):
        await find_near(Heard(*(f"ws://192.168.1.9:{n}" for n in range(2000, 3000))), counted)

    assert len(asked) == MOST_ASKED


async def test_one_that_never_answers_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearby, "ASK_S", 0.5)
    go_on = asyncio.Event()

    async def stall(body: bytes, address: str) -> Posted:
        await go_on.wait()
        return Posted(status=200, body=b"")

    async with door(stall) as url:
        with pytest.raises(Refusal) as refused:
            async with asyncio.timeout(30):
                await find_near(Heard(url), ask(os.urandom(16)))
        go_on.set()

    assert refused.value.code == "invite.nearby"


async def test_where_nobody_is_heard_the_sentence_says_what_to_do() -> None:
    with pytest.raises(Refusal) as refused:
        await find_near(Heard(), ask(os.urandom(16)))

    assert "lan = true" in refused.value.detail
    assert "sheaf join CODE 192.168.1.5:8440" in refused.value.detail


async def test_the_clock_of_the_one_that_invites_is_told_and_not_passed_over(
    tmp_path: Path,
) -> None:
    clock = Off()
    async with opened(tmp_path, clock) as hill, door(hill.door.post) as url:
        secret = await hill.invite()
        clock.by_ms = 600_000
        with pytest.raises(RemoteProtocolError) as refused:
            await find_near(Heard(url), ask(secret))

    assert refused.value.code == "invite.clock"


async def test_without_the_library_the_address_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "zeroconf", None)

    with pytest.raises(Refusal) as refused:
        async with hearing():
            pass

    assert "sheaf-coop[lan]" in refused.value.detail
    assert "192.168.1.5:8440" in refused.value.detail


async def test_nothing_of_an_invitation_is_told_to_the_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    zeroconf = pytest.importorskip("zeroconf")
    sent = []
    send = zeroconf.Zeroconf.async_send

    def noted(self: object, out: object, *args: object, **kwargs: object) -> None:
        sent.append(out)
        send(self, out, *args, **kwargs)

    monkeypatch.setattr(zeroconf.Zeroconf, "async_send", noted)
    try:
        async with hearing() as heard:
            async with asyncio.timeout(30):
                while not sent:  # noqa: ASYNC110 - no event for it
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.5)
            assert heard.names == []
    except Refusal as refusal:
        pytest.skip(refusal.detail)

    assert sent
    assert {question.name for out in sent for question in out.questions} == {"_sheaf._tcp.local."}
    assert [out for out in sent if out.answers or out.additionals or out.authorities] == []
