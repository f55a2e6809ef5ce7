"""Where a connection may go, by who vouches for the address: tables, and real sockets."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from sheaf_node.joining.calling import call
from sheaf_node.peering.reach import Reach, allowed, require_port
from sheaf_protocol.errors import Refusal
from sheaf_protocol.invitation import JOIN_PATH

OUTSIDE = ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"]
THIS_NETWORK = [
    "10.0.0.1",
    "172.16.9.9",
    "192.168.1.5",
    "100.64.0.1",
    "fd12:3456::1",
    "::ffff:192.168.1.5",
    "64:ff9b::c0a8:105",
    "2002:c0a8:105::1",
]
THIS_COMPUTER = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"]
NOBODYS = [
    "0.0.0.0",  # noqa: S104 - nothing listens on it here
    "::",
    "169.254.169.254",
    "fe80::1",
    "::ffff:169.254.169.254",
    "224.0.0.1",
    "ff02::1",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "2001:db8::1",
    "mill.example",
    "",
]


def is_allowed(address: str, reach: Reach) -> bool:
    try:
        return allowed([address], reach) == [address]
    except Refusal:
        return False


@pytest.mark.parametrize("reach", Reach)
def test_an_address_outside_of_networks_is_reached_by_all(reach: Reach) -> None:
    assert all(is_allowed(address, reach) for address in OUTSIDE)


@pytest.mark.parametrize("address", [*THIS_NETWORK, *THIS_COMPUTER, *NOBODYS])
def test_an_address_from_others_leads_nowhere_inside(address: str) -> None:
    assert not is_allowed(address, Reach.PUBLIC)


@pytest.mark.parametrize("address", THIS_NETWORK)
def test_an_address_that_was_typed_may_be_of_this_network(address: str) -> None:
    assert is_allowed(address, Reach.PRIVATE)
    assert is_allowed(address, Reach.LOOPBACK)


@pytest.mark.parametrize("address", THIS_COMPUTER)
def test_this_computer_is_reached_with_leave_alone(address: str) -> None:
    assert is_allowed(address, Reach.LOOPBACK)
    assert not is_allowed(address, Reach.PRIVATE)


@pytest.mark.parametrize("address", NOBODYS)
def test_an_address_that_no_node_has_is_reached_by_nobody(address: str) -> None:
    assert not any(is_allowed(address, reach) for reach in Reach)


def test_of_several_addresses_of_a_name_those_inside_are_passed_over() -> None:
    assert allowed(["10.0.0.1", OUTSIDE[0]], Reach.PUBLIC) == [OUTSIDE[0]]


@pytest.mark.parametrize(("port", "is_free"), [(443, True), (1024, True), (80, False), (25, False)])
def test_the_port_of_another_service_is_not_knocked_at_for_others(port: int, is_free: bool) -> None:
    require_port(port, Reach.PRIVATE)
    if is_free:
        require_port(port, Reach.PUBLIC)
        return
    with pytest.raises(Refusal, match="type the address yourself"):
        require_port(port, Reach.PUBLIC)


class Site:
    """A web server on this computer that answers as a test wants."""

    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.status, self.body, self.headers = status, body, headers
        self.asked: list[str] = []

    async def __aenter__(self) -> Site:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.host} {request.path}")
        return web.Response(status=self.status, body=self.body, headers=self.headers)


async def found(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


async def test_a_name_is_resolved_once_and_the_connection_goes_to_what_was_checked() -> None:
    calls: list[str] = []

    async def moving(host: str, port: int) -> list[str]:
        calls.append(host)
        return ["127.0.0.1"]

    async with Site(200, b"ok", {}) as site:
        url = f"http://mill.example:{site.port}"
        answer = await call(url, b"", Reach.LOOPBACK, find=moving)

        assert (answer, calls) == (b"ok", ["mill.example"])
        assert site.asked == [f"mill.example:{site.port} {JOIN_PATH}"]


async def test_a_name_that_leads_inside_is_not_connected_to() -> None:
    async with Site(200, b"ok", {}) as site:
        with pytest.raises(Refusal) as refused:
            await call(f"http://mill.example:{site.port}", b"", Reach.PUBLIC, find=found)

        assert refused.value.code == "peer.inside"
        assert site.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"])
async def test_a_literal_address_is_checked_like_any(host: str) -> None:
    with pytest.raises(Refusal) as refused:
        await call(f"http://{host}:8440", b"", Reach.PRIVATE)

    assert refused.value.code == "peer.inside"


async def test_a_redirect_ends_the_call() -> None:
    async with Site(200, b"secret", {}) as inside:
        target = {"Location": f"http://127.0.0.1:{inside.port}/"}
        async with Site(307, b"", target) as site:
            with pytest.raises(Refusal) as refused:
                await call(f"http://127.0.0.1:{site.port}", b"", Reach.LOOPBACK)

        assert refused.value.code == "link.redirect"
        assert inside.asked == []


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (403, b"invite.used", "invite.used"),
        (403, b"\x1b[2J no code", "link.unreachable"),
        (404, b"invite.used", "link.unreachable"),
        (503, b"", "link.unreachable"),
    ],
)
async def test_a_refusal_is_told_in_our_own_words(status: int, body: bytes, code: str) -> None:
    async with Site(status, body, {}) as site:
        with pytest.raises(Refusal) as refused:
            await call(f"http://127.0.0.1:{site.port}", b"", Reach.LOOPBACK)

    assert refused.value.code == code
    assert "\x1b" not in refused.value.detail


async def test_an_answer_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sheaf_node.joining.calling.MAX_ANSWER", 1_000)
    async with Site(200, bytes(1_001), {}) as site:
        with pytest.raises(Refusal) as refused:
            await call(f"http://127.0.0.1:{site.port}", b"", Reach.LOOPBACK)

    assert refused.value.code == "link.frame_size"


async def test_nobody_there_is_told_as_that() -> None:
    async with Site(200, b"", {}) as site:
        port = site.port
    await asyncio.sleep(0)

    with pytest.raises(Refusal) as refused:
        await call(f"http://127.0.0.1:{port}", b"", Reach.LOOPBACK)

    assert refused.value.code == "link.unreachable"
