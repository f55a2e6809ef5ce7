"""Nodes on one network: what is heard is bounded, of this network, and told by no name."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import sys
from typing import TYPE_CHECKING

import pytest

from sheaf_node.doctor.multicast import heard_ourselves
from sheaf_node.peering import lan
from sheaf_node.peering.lan import MOST_HEARD, MOST_PLACES, Lan, is_on, listening

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = [ipaddress.ip_interface("192.168.1.2/24"), ipaddress.ip_interface("fd00::2/64")]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put this computer on networks of the test's own."""
    monkeypatch.setattr(lan, "own_networks", lambda: HERE)


async def said(caplog: pytest.LogCaptureFixture, words: str) -> None:
    """Wait until it is in the log: this network is told in the background."""
    async with asyncio.timeout(30):
        while words not in caplog.text:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)


async def urls(heard: Lan) -> list[str]:
    return [hint.url for hint in await heard.hints()]


@pytest.mark.parametrize(
    ("url", "is_near"),
    [
        ("ws://192.168.1.5:8440", True),
        ("ws://[fd00::5]:8440", True),
        ("ws://192.168.2.5:8440", False),  # another network that this computer's router may know
        ("ws://93.184.216.34:8440", False),
        ("ws://127.0.0.1:8440", False),
        ("ws://169.254.169.254:80", False),
        ("ws://mill.example:8440", False),
        ("ws://[fe80::1%25eth0]:8440", False),
    ],
)
def test_what_is_heard_leads_to_this_network_alone(url: str, is_near: bool) -> None:
    assert is_on(HERE, url) is is_near


@pytest.mark.usefixtures("here")
async def test_names_and_places_that_are_made_up_fill_no_memory() -> None:
    heard = Lan()

    for number in range(10 * MOST_HEARD):
        heard.hear(f"n{number}", [f"192.168.1.{n}" for n in range(1, 20)], 8440)

    assert len(heard._heard) == MOST_HEARD
    assert len(await urls(heard)) == MOST_HEARD * MOST_PLACES


@pytest.mark.usefixtures("here")
async def test_a_name_that_is_gone_is_forgotten() -> None:
    heard = Lan()
    heard.hear("n", ["192.168.1.5"], 8440)

    heard.forget("n")
    heard.forget("never")

    assert await urls(heard) == []


@pytest.mark.usefixtures("here")
async def test_what_this_node_told_itself_is_no_hint() -> None:
    heard = Lan()
    heard.names.append("192.168.1.2:8440")

    heard.hear("n", ["192.168.1.2", "192.168.1.5"], 8440)

    assert await urls(heard) == ["ws://192.168.1.5:8440"]


async def test_off_it_hears_nothing_and_loads_nothing() -> None:
    async with listening(is_on=False, host="0.0.0.0", port=8440, random=os.urandom) as heard:  # noqa: S104 - a setting
        assert (await urls(heard), heard.names, heard._zeroconf) == ([], [], None)


async def test_without_the_library_a_node_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "zeroconf.asyncio", None)

    async with listening(is_on=True, host="0.0.0.0", port=8440, random=os.urandom) as heard:  # noqa: S104 - a setting
        await said(caplog, "sheaf-coop[lan]")

        assert await urls(heard) == []


async def test_without_multicast_a_node_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asyncio_zeroconf = pytest.importorskip("zeroconf.asyncio")

    def none(*_: object) -> None:
        raise OSError(19, "No such device")

    monkeypatch.setattr(asyncio_zeroconf, "AsyncZeroconf", none)

    async with listening(is_on=True, host="0.0.0.0", port=8440, random=os.urandom) as heard:  # noqa: S104 - a setting
        await said(caplog, "not listened to")

        assert await urls(heard) == []


async def test_a_node_does_not_wait_until_the_network_was_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def stall(*_: object) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr(Lan, "open", stall)

    async with asyncio.timeout(30):
        async with listening(is_on=True, host="0.0.0.0", port=8440, random=os.urandom) as heard:  # noqa: S104 - a setting
            await began.wait()
            assert await urls(heard) == []

    assert ended.is_set()


async def test_two_nodes_on_one_network_hear_of_one_another_and_of_no_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("zeroconf")
    networks = _multicasting()
    monkeypatch.setattr(lan, "own_networks", lambda: networks)
    host = str(networks[0].ip)
    async with (
        listening(is_on=True, host=host, port=18440, random=os.urandom) as one,
        listening(is_on=True, host=host, port=18441, random=os.urandom) as other,
    ):
        async with asyncio.timeout(30):
            while not (await urls(one) and await urls(other)):  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.1)

        assert await urls(one) == [f"ws://{host}:18441"]
        assert await urls(other) == [f"ws://{host}:18440"]
        [name] = one._heard
        assert len(name.partition(".")[0]) == 16
        assert one.names == [f"{host}:18440"]


def _multicasting() -> Sequence[ipaddress.IPv4Interface]:
    """Return a network of this machine that carries multicast, whatever its numbers; skip else."""
    ifaddr = pytest.importorskip("ifaddr")
    found = [
        ipaddress.ip_interface(f"{each.ip}/{each.network_prefix}")
        for adapter in ifaddr.get_adapters()
        for each in adapter.ips
        if isinstance(each.ip, str) and not each.ip.startswith("127.")
    ]
    if not found or heard_ourselves() is not None:
        pytest.skip("this machine has no network that carries multicast: unchecked")
    return [each for each in found if isinstance(each, ipaddress.IPv4Interface)]
