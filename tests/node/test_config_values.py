"""Every setting with odd values: refused by name when it is read, or the node works with it."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec.inspect
import pytest

from sheaf_node import serving
from sheaf_node.address import audiences, link_address, own_urls
from sheaf_node.cli.client import NodeClient
from sheaf_node.clock import SystemClock
from sheaf_node.config import CONFIG_FILE, Config, initial_config, load_config, parse_config
from sheaf_node.joining.inviting import own_url
from sheaf_node.keyring import create_keyring
from sheaf_node.peering.forwarded import trusted_networks
from sheaf_protocol.errors import Refusal
from sheaf_protocol.invitation import read_invitation
from sheaf_services.demo.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = Path("/mill/sheaf.toml")
ODD_TEXTS = ["", " ", "a b", "\n", "\0", "\u2603" * 300, "http://", "127.0.0.1:33531", "[::1"]
ODD_TEXTS += ["wss://mill.example", "mill.example/x", "a@b", "::1", "1.2.3", "m\u00fcller.example"]
ODD_NUMBERS = [-1, 0, 1, 2**31, 2**63 - 1, 2**63, 2**70, 1.5]
ODD_LISTS: list[list[Any]] = [[], [1], [[]], [{}], *([text] for text in ODD_TEXTS)]
ODD_LISTS += [[{"url": "ws://a:99999"}], [{"url": "ws://[::1"}], [{"url": "ws://"}], ["a"] * 2000]
ODD_TABLES: list[dict[str, Any]] = [{}, {"": 1}, {"x": 1}, {"x": {"y": 1}}]
ODD = [True, False, *ODD_TEXTS, *ODD_NUMBERS, *ODD_LISTS, *ODD_TABLES]


def settings(type_: Any = Config, at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every setting by its full name, with its type."""
    info = msgspec.inspect.type_info(type_) if isinstance(type_, type) else type_
    for each in info.fields:
        if isinstance(each.type, msgspec.inspect.StructType):
            yield from settings(each.type, f"{at}{each.encode_name}.")
        else:
            yield at + each.encode_name, each.type


ALL = dict(settings())


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def parsed(name: str, value: Any) -> Config:
    head = "" if name == "name" else 'name = "Mill"\n'
    return parse_config(f"{head}{name} = {toml(value)}\n".encode(), PATH)


def answer(name: str, value: Any) -> Config | Refusal:
    try:
        return parsed(name, value)
    except Refusal as refusal:
        return refusal


@pytest.mark.parametrize("name", ALL)
def test_an_odd_value_is_refused_by_name_or_can_be_worked_with(name: str) -> None:
    answers = [answer(name, value) for value in ODD]

    refusals = [each for each in answers if isinstance(each, Refusal)]

    assert len(refusals) > len(ODD) // 2
    assert {each.code for each in refusals} <= {"config.invalid", "config.unknown_key"}
    unnamed = [each.detail for each in refusals if name.rpartition(".")[2] not in each.detail]
    assert unnamed == []
    for config in answers:
        if isinstance(config, Config):
            work_with(config)


def work_with(config: Config) -> None:
    """Do with settings whatever a start and an invitation do with them as text."""
    assert audiences(config.public_names, config.peer_host, 8440)
    for url in own_urls(config.public_names, config.peer_host, 8440):
        assert link_address(url)
    for peer in config.peers:
        assert link_address(peer.url)
    assert len(trusted_networks(config.trusted_proxies)) == len(config.trusted_proxies)
    if config.peer_port:
        link = f"{own_url(config)}/sheaf/1/join#{'AQ' + 64 * 'A'}"
        assert read_invitation(link).url == own_url(config)


def test_a_port_that_changes_is_in_no_invitation() -> None:
    with pytest.raises(Refusal) as refused:
        own_url(parsed("peer_port", 0))

    assert refused.value.code == "invite.address"
    assert "peer_port" in refused.value.detail


@pytest.mark.parametrize(
    ("name", "listens", "url"),
    [
        ("127.0.0.1:33531", "127.0.0.1", "http://127.0.0.1:33531"),
        ("192.168.1.5:33531", "127.0.0.1", "http://192.168.1.5:33531"),  # a router passes it on
        ("mill.example:8440", "0.0.0.0", "http://mill.example:8440"),  # noqa: S104 - a setting
        ("mill.example:8440", "127.0.0.1", "http://mill.example:8440"),
        ("mill.example:9000", "127.0.0.1", "https://mill.example:9000"),
        ("mill.example:443", "0.0.0.0", "https://mill.example"),  # noqa: S104
        ("mill.example", "0.0.0.0", "http://mill.example:8440"),  # noqa: S104
        ("mill.example", "127.0.0.1", "https://mill.example"),
        ("Mill.Example", "127.0.0.1", "https://mill.example"),
        ("[fd00::5]", "::", "http://[fd00::5]:8440"),
        ("[fd00::5]:9000", "::", "http://[fd00::5]:9000"),
    ],
)
def test_an_invitation_leads_where_the_directory_and_a_dialler_do(
    name: str, listens: str, url: str
) -> None:
    config = Config(name="Mill", public_names=[name], peer_host=listens)

    _, audience = link_address(url)
    told = own_urls(config.public_names, config.peer_host, config.peer_port)

    assert own_url(config) == url
    assert ["http" + each.removeprefix("ws") for each in told] == [url]
    assert audience in audiences(config.public_names, config.peer_host, config.peer_port)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wss://mill.example", "without wss://"),
        ("fd00::5", "[fd00::5]"),
        ("[fd00::5", "[fd00::1]"),
        ("[127.0.0.1]", "IP address"),
        ("mill.example:0", "1 to 65535"),
        ("mill.example:99999", "1 to 65535"),
        ("mill.example:", "1 to 65535"),
        ("m\u00fcller.example", "xn--mller-kva.example"),
        ("mill.example.", "dots"),
        ("999.1.1.1", "IP address"),
    ],
)
def test_what_is_no_public_name_is_told_how_to_write_it(name: str, words: str) -> None:
    with pytest.raises(Refusal) as refused:
        parsed("public_names", [name])

    assert words in refused.value.detail
    assert "public_names" in refused.value.detail


def bounds(type_: Any) -> tuple[int, int] | None:
    """Return the least and the most of a setting that is a number."""
    if not isinstance(type_, msgspec.inspect.IntType):
        return None
    return int(type_.ge or 0), int(type_.le or 0)


@pytest.mark.parametrize("end", [0, 1], ids=["the least", "the most"])
async def test_a_node_serves_and_invites_with_all_numbers_at_one_end(
    tmp_path: Path, end: int
) -> None:
    home = tmp_path / "home"
    now_ms = SystemClock().now_ms()
    create_keyring(home, name="Mill", country="GB", random=os.urandom, now_ms=now_ms)
    peer_port, local_port = free_ports(2)
    text = initial_config(name="Mill", peer_port=peer_port, local_port=local_port)
    numbers = {name: found for name, type_ in ALL.items() if (found := bounds(type_))}
    lines = [
        f"{name} = {found[end]}" for name, found in numbers.items() if not name.endswith("port")
    ]
    (home / CONFIG_FILE).write_text("\n".join(lines) + "\n" + text)

    ready = asyncio.Event()
    task = asyncio.create_task(
        serving.serve(home, clock=SystemClock(), random=os.urandom, on_ready=lambda _: ready.set())
    )
    waited = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waited}, return_when=asyncio.FIRST_COMPLETED, timeout=120)
    if task.done():
        task.result()
    try:
        made = await asyncio.to_thread(NodeClient(home).post, "/api/v1/invitations", b"{}")
    finally:
        waited.cancel()
        task.cancel()
        await asyncio.wait({task})

    assert made["link"].startswith(f"http://127.0.0.1:{peer_port}/")
    assert load_config(home).limits.links == numbers["limits.links"][end]
