"""Attacks on joining: by who guesses, listens, steals a link or stalls, and by who invites."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from tests.node.test_joining import Joiner, code_of, opened

from sheaf_node.cli.join import _pin, _show
from sheaf_node.config import Limits, Waits, initial_config, load_config
from sheaf_node.joining.calling import call
from sheaf_node.peering.aiohttp_listener import AiohttpListener
from sheaf_node.peering.aiohttp_network import AiohttpNetwork
from sheaf_node.peering.network import Front
from sheaf_node.peering.reach import Reach
from sheaf_node.plugins import Call
from sheaf_protocol.errors import Refusal, RemoteProtocolError
from sheaf_protocol.invitation import JOIN_PATH, Asking, read_invitation
from sheaf_protocol.invitation import code_of as code_text
from sheaf_protocol.invitation.exchange import Terms
from sheaf_protocol.link import Fresh

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.node.test_joining import Hill

    from sheaf_node.peering.network import Knock


def fresh() -> Fresh:
    return Fresh(seed=os.urandom(32), nonce=os.urandom(16))


async def test_who_tries_codes_finds_nothing_and_uses_nothing_up(tmp_path: Path) -> None:
    # Two thousand codes, each of the right form; the node answers all alike and is well after it.
    async with opened(tmp_path) as hill:
        secret, dale = await hill.invite(), Joiner(tmp_path / "dale")
        heard = set()
        for number in range(2_000):
            guess = read_invitation(code_text(os.urandom(16))).secret
            heard.add(
                await code_of(lambda: hill.post(Asking(guess, fresh()).ask(), f"10.0.0.{number}"))  # noqa: B023
            )

        assert heard == {"invite.unknown"}
        assert hill.inviting.listed()[0]["state"] == "open"
        assert (await dale.join(hill, secret)).is_member


async def test_an_ask_heard_on_the_wire_and_sent_again_tells_its_thief_nothing(
    tmp_path: Path,
) -> None:
    # Who listens has the ask, byte for byte, and gets an offer for it; the box opens for the asker.
    async with opened(tmp_path) as hill:
        secret = await hill.invite()
        heard = Asking(secret, fresh()).ask()
        offer = await hill.post(heard)
        thief = Asking(os.urandom(16), fresh())

        with pytest.raises(RemoteProtocolError) as refused:
            thief.receive_offer(offer, 0)

        assert refused.value.code == "invite.box"
        assert hill.inviting.listed()[0]["state"] == "open"
        assert hill.members == 1


async def test_a_stolen_link_admits_one_co_op_and_the_inviter_sees_which(tmp_path: Path) -> None:
    # The thief is quicker. The co-op that was invited is told so, and the list names the thief.
    async with opened(tmp_path) as hill:
        secret = await hill.invite(note="for Dale")
        thief, dale = Joiner(tmp_path / "thief"), Joiner(tmp_path / "dale")
        await thief.join(hill, secret)

        code = await code_of(lambda: dale.join(hill, secret))

        [row] = hill.inviting.listed()
        assert code == "invite.used"
        assert (row["used_by"], row["note"]) == (thief.keyring.cid.hex(), "for Dale")


async def test_who_posts_slowly_does_not_keep_joiners_out(tmp_path: Path) -> None:
    # Forty connections that say a byte of a request and no more, from one address of a botnet.
    async with opened(tmp_path) as hill, door(hill) as port:
        secret, dale = await hill.invite(), Joiner(tmp_path / "dale")
        slow = [await begun(port, "127.0.0.2") for _ in range(40)]

        asking = Asking(secret, fresh())
        offer = await call(f"http://127.0.0.1:{port}", asking.ask(), Reach.LOOPBACK)
        asking.receive_offer(offer, hill.node.parts.clock.now_ms())
        answer = await call(f"http://127.0.0.1:{port}", asking.join(dale.identity), Reach.LOOPBACK)

        assert asking.receive_welcome(answer).is_member
        for writer in slow:
            writer.close()


async def test_an_inviter_that_never_ends_its_answer_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A byte a moment, for ever: each comes in time, and the whole does not.
    left = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()
        left.set()

    monkeypatch.setattr("sheaf_node.joining.calling.CALL_S", 0.5)
    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    with pytest.raises(Refusal) as refused:
        await call(f"http://127.0.0.1:{port}", b"", Reach.LOOPBACK)

    await asyncio.wait_for(left.wait(), 60)
    server.close()
    assert refused.value.code == "link.unreachable"
    assert "in time" in refused.value.detail


def test_a_name_that_leads_outside_while_joining_leads_nowhere_inside_later(
    tmp_path: Path,
) -> None:
    # The inviter's name server answers with a router's number once the joiner's node has started.
    (tmp_path / "sheaf.toml").write_text(initial_config(name="A", peer_port=1, local_port=2))

    _pin("https://inviter.example", tmp_path, is_outside=True)

    [peer] = load_config(tmp_path).peers
    assert (peer.url, peer.outside) == ("https://inviter.example", True)


async def test_a_pinned_address_of_a_link_is_checked_at_each_dial() -> None:
    # As the node itself dials it: what it resolves to is on this computer, and is not connected to.
    knocked = asyncio.Event()

    async def knock(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        knocked.set()
        writer.close()

    server = await asyncio.start_server(knock, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with AiohttpNetwork.open(limits=Limits(), waits=Waits()) as network:
        with pytest.raises(Refusal) as refused:
            await network.dial_hint(f"ws://localhost:{port}/sheaf/1/link", 30_000)

    server.close()
    assert refused.value.code == "peer.inside"
    assert not knocked.is_set()


async def test_what_an_inviter_calls_itself_does_not_command_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A name may have any characters but the lowest; a C1 control begins a command as well as ESC.
    async with opened(tmp_path) as hill:
        secret = await hill.invite()
        _, offered = await Joiner(tmp_path / "dale").look(hill, secret)
    terms = {name: getattr(offered.terms, name) for name in Terms.__struct_fields__}
    hostile = type(offered)(Terms(**{**terms, "name": "Good\x9b2J\u202eevil\x7f"}), offered.peer)

    _show(hostile)

    shown = capsys.readouterr().err
    assert "Good" in shown
    assert not set(shown) & set("\x9b\u202e\x7f\x1b")


async def test_an_expelled_co_op_does_not_come_back_by_its_old_invitation(tmp_path: Path) -> None:
    # It was admitted, and expelled, and follows its link once more, as one may whose answer was
    # lost: an inviter that proposes it again, and votes for it, undoes what its members decided.
    async with opened(tmp_path) as hill:
        secret, dale = await hill.invite(roles=["observer"]), Joiner(tmp_path / "dale")
        await dale.join(hill, secret)
        await until(lambda: hill.members == 2)
        [services] = hill.node.hosts.by_federation.values()
        governance = services["governance"]
        wish = {"action": "expel", "coop": dale.keyring.cid.hex()}
        await governance.command("propose", Call(body=json.dumps(wish).encode()))
        view: Any = await governance.view("ballots", Call())
        [id_] = [each["id"] for each in view["ballots"] if each["change"]["action"] == "expel"]
        await governance.command("vote", Call(options={"proposal": id_, "choice": "yes"}))
        await until(lambda: hill.members == 1)

        code = await code_of(lambda: dale.join(hill, secret))

        after: Any = await governance.view("ballots", Call())
        assert code == "invite.used"
        assert (hill.members, len(after["ballots"])) == (1, 2)


@asynccontextmanager
async def door(hill: Hill) -> AsyncIterator[int]:
    """Give the port at which a node's joiners ask, over real sockets."""

    async def nobody(knock: Knock) -> None:
        await knock.refuse()

    front = Front(document="{}", answer=nobody, posts={JOIN_PATH: hill.door.post})
    listener = AiohttpListener(front, Limits(), Waits(), 30_000)
    await listener.open("127.0.0.1", 0)
    try:
        yield listener.port
    finally:
        await listener.close()


async def begun(port: int, source: str) -> asyncio.StreamWriter:
    """Begin a request from an address of this computer, and say no more."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    head = f"POST {JOIN_PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    writer.write(head.encode() + b"\x80")
    await writer.drain()
    return writer


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something holds, a minute at most."""
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110 - what is awaited are plain values
            await asyncio.sleep(0.01)
