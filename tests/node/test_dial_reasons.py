"""A dial that fails says why: in words, once, and for as long as the peer is not linked."""

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey

from sheaf_node.blobs import Blobs, Fetching
from sheaf_node.clock import SystemClock
from sheaf_node.config import Config, PeerAddress, Waits
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Ingest
from sheaf_node.keyring import create_keyring
from sheaf_node.peering import DialStatus, Peering
from sheaf_node.peering.aiohttp_network import AiohttpNetwork
from sheaf_node.peering.dialer import Dialer, Ended, reason_of
from sheaf_node.store import Store
from sheaf_protocol.link import LinkClosed

PATIENCE_S = 20
WAITS = Waits(redial_first_ms=20, redial_most_ms=50, stop_ms=500)


@asynccontextmanager
async def started(
    folder: Path, *urls: str, names: list[str] | None = None
) -> AsyncIterator[Peering]:
    """Run the peering of a co-op that is in no federation."""
    clock, arrivals = SystemClock(), Arrivals()
    config = Config(
        name="Mill",
        peer_port=0,
        public_names=names or [],
        peers=[PeerAddress(url=url) for url in urls],
        waits=WAITS,
    )
    keyring = create_keyring(
        folder, name="Mill", country="GB", random=os.urandom, now_ms=clock.now_ms()
    )
    store = Store.open(folder / "sheaf.db", random=os.urandom)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        ingest = Ingest(
            store=store, arrivals=arrivals, clock=clock, random=os.urandom, keyring=keyring
        )
        await ingest.receive_key_ops(keyring.cid, keyring.key_ops)
        blobs = Blobs(folder)
        stack.push_async_callback(blobs.close)
        peering = Peering(
            ingest=ingest,
            store=store,
            arrivals=arrivals,
            keyring=keyring,
            network=await stack.enter_async_context(
                AiohttpNetwork.open(limits=config.limits, waits=WAITS)
            ),
            clock=clock,
            random=os.urandom,
            config=config,
            blobs=Fetching(blobs, clock),
        )
        await peering.start()
        stack.push_async_callback(peering.stop)
        yield peering


async def reason(peering: Peering) -> str:
    """Return why the one configured peer is not linked, once that is known."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            [dial] = peering.dials()
            if dial.reason is not None:
                assert not dial.is_linked
                return dial.reason
            await asyncio.sleep(0.01)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("scheme", "host", "words"),
    [
        ("ws", "localhost", "the node there is not called localhost:PORT; see its public_names"),
        ("wss", "127.0.0.1", "no TLS there, try ws://"),
        ("ws", "127.0.0.1", "the node there is in no federation with this co-op"),
    ],
)
async def test_a_node_that_does_not_link_says_why(
    tmp_path: Path, scheme: str, host: str, words: str
) -> None:
    async with (
        started(tmp_path / "there", names=["127.0.0.1"]) as there,
        started(tmp_path / "here", f"{scheme}://{host}:{there.port}") as here,
    ):
        assert (await reason(here)).startswith(words.replace("PORT", str(there.port)))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_reason_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, host: str
) -> None:
    url = f"ws://{host}:{free_port()}"
    with caplog.at_level(logging.WARNING, "sheaf.peering"):
        async with started(tmp_path, url) as here:
            assert await reason(here) == "connection refused"
            await asyncio.sleep(0.3)  # a dozen dials

            assert here.dials() == [
                DialStatus(url=url, is_linked=False, reason="connection refused")
            ]

    assert [record.getMessage() for record in caplog.records] == [f"peer {url}: connection refused"]


async def test_a_web_server_is_told_from_a_node(tmp_path: Path) -> None:
    runner = web.AppRunner(web.Application())
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()

    async with started(tmp_path, f"ws://127.0.0.1:{port}") as here:
        assert await reason(here) == "expected a Sheaf node there, got HTTP status 404"
    await runner.cleanup()


KEY = ConnectionKey("a", 1, False, False, None, None, None)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (TimeoutError(), "no answer in time"),
        (
            aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError()),
            "the TLS certificate there is not valid for this name",
        ),
        (aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "Name")), "no such name"),
        (
            aiohttp.ServerDisconnectedError(),
            "the connection was closed at once; does it want wss://?",
        ),
        (
            aiohttp.WSServerHandshakeError(None, (), status=503),  # type: ignore[arg-type]  # what was asked for plays no part
            "the node there has as many links as it takes",
        ),
        (aiohttp.ClientError(), "ClientError"),  # nothing known of it but its name
    ],
)
async def test_each_fault_of_a_dial_has_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: Exception, words: str
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(aiohttp.ClientSession, "ws_connect", fail)

    async with started(tmp_path, "ws://127.0.0.1:1") as here:
        assert await reason(here) == words


@pytest.mark.parametrize(
    ("code", "detail", "words"),
    [
        ("link.duplicate", "", None),  # another link is up
        ("link.bye", "", "the node there stopped or starts anew"),
        ("link.paused", "x", "links between the two co-ops are paused by an operator"),
        ("link.version", "expected 1, got 2", "expected 1, got 2 (link.version)"),
        ("link.version", "", "the link ended (link.version)"),
    ],
)
def test_each_end_of_a_link_has_words(code: str, detail: str, words: str | None) -> None:
    assert reason_of(LinkClosed(code=code, detail=detail, is_by_peer=False), "a") == words


class Connects:
    """A network on which every dial comes through."""

    async def dial(self, url: str, timeout_ms: int) -> None:
        """Return no socket: nobody reads from it."""


@pytest.mark.parametrize(
    ("code", "level"), [("link.bye", logging.INFO), ("link.lost", logging.WARNING)]
)
async def test_a_peer_that_says_goodbye_is_nothing_to_warn_of(
    caplog: pytest.LogCaptureFixture, code: str, level: int
) -> None:
    ended = Ended(reason_of(LinkClosed(code=code, detail="", is_by_peer=True), "a"), was_open=True)
    slept = asyncio.Event()

    async def run(*_: object) -> Ended:
        return ended

    class Clock(SystemClock):
        async def sleep_ms(self, ms: float) -> None:
            slept.set()
            await asyncio.Event().wait()

    dialer = Dialer(
        network=Connects(),  # type: ignore[arg-type]  # all that a dialler asks of it
        clock=Clock(),
        random=os.urandom,
        waits=WAITS,
        run=run,
        wait_gone=run,  # type: ignore[arg-type]  # nobody is there to be gone
    )

    with caplog.at_level(logging.INFO, "sheaf.peering"):
        task = asyncio.ensure_future(dialer.keep("ws://a"))
        await slept.wait()
        task.cancel()

    assert [record.levelno for record in caplog.records] == [level]
    assert dialer.last_reason("ws://a") == ended.reason
