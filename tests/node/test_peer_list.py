"""Changes of peers in the text of the settings."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from sheaf_node.config import initial_config, parse_config
from sheaf_node.peer_list import (
    same_place,
    with_peer,
    with_peer_paused,
    with_rule,
    without_peer,
)
from sheaf_protocol.errors import Refusal

MILL, DALE = "wss://mill.example", "ws://127.0.0.1:8450"
CID = b"\x01" * 32
SETTINGS = initial_config(name="Hill", peer_port=1, local_port=2)
LAYOUTS = [
    SETTINGS,
    'name = "Hill"  # ours\n',  # no list at all
    'name = "Hill"  # ours\n\n[limits]\nlinks = 4  # few\n',  # tables, and no list
    'name = "Hill"\npeers = []\n[limits]\nlinks = 4\n',
    'name = "Hill"\npeers = [{ url = "wss://fell.example" }]\n',
    'name = "Hill"\npeers = [\n  { url = "wss://fell.example" }  # a friend\n]\n',
    'name = "Hill"\n[[peers]]\nurl = "wss://fell.example"\n[limits]\nlinks = 4\n',
]


def urls(text: str) -> list[str]:
    return [peer.url for peer in parse_config(text.encode(), Path("sheaf.toml")).peers]


@pytest.mark.parametrize("text", LAYOUTS)
def test_a_peer_comes_behind_the_others_in_any_layout(text: str) -> None:
    before = urls(text)

    changed = with_peer(with_peer(text, MILL), DALE)

    assert urls(changed) == [*before, MILL, DALE]


@pytest.mark.parametrize("text", LAYOUTS)
def test_a_peer_that_goes_again_leaves_every_comment(text: str) -> None:
    comments = [line.partition("#")[2] for line in text.splitlines() if "#" in line]

    changed = without_peer(with_peer(text, MILL), MILL)

    assert urls(changed) == urls(text)
    assert all(comment in changed for comment in comments)


@pytest.mark.parametrize(
    "other", [MILL, MILL + "/", "https://mill.example", "wss://MILL.example:443"]
)
def test_one_place_is_no_second_peer(other: str) -> None:
    with pytest.raises(Refusal) as refusal:
        with_peer(with_peer(SETTINGS, MILL), other)

    assert refusal.value.code == "peer.known"


def test_another_port_scheme_or_path_is_another_place() -> None:
    others = ["ws://mill.example", "wss://mill.example:8440", "wss://mill.example/x", "wss://x"]

    assert [same_place(MILL, other) for other in others] == [False] * 4


def test_what_is_no_address_is_the_place_of_the_same_text_alone() -> None:
    assert same_place("ws://[::1", "ws://[::1")
    assert not same_place("ws://[::1", "ws://[::2")
    assert not same_place("ws://[::1", MILL)


def test_a_pause_and_its_end_are_read_back() -> None:
    paused = with_peer_paused(with_peer(SETTINGS, MILL), MILL, is_paused=True, cid=CID)
    resumed = with_peer_paused(paused, MILL, is_paused=False)

    [peer] = parse_config(paused.encode(), Path("x")).peers
    assert (peer.paused, peer.coop) == (True, CID.hex())
    assert parse_config(paused.encode(), Path("x")).dialled == []
    assert [each.url for each in parse_config(resumed.encode(), Path("x")).dialled] == [MILL]


@pytest.mark.parametrize("text", LAYOUTS)
def test_rules_of_a_co_op_come_and_go_without_a_trace(text: str) -> None:
    paused = with_rule(text, CID, key="paused", value=True)
    ruled = with_rule(paused, CID, key="kib_per_s", value=64)
    freed = with_rule(
        with_rule(ruled, CID, key="paused", value=False), CID, key="kib_per_s", value=0
    )

    rule = parse_config(ruled.encode(), Path("x")).rule(CID)
    assert (rule.paused, rule.kib_per_s) == (True, 64)
    assert parse_config(freed.encode(), Path("x")).coops == {}
    assert "coops" not in freed


@pytest.mark.parametrize("change", [without_peer, partial(with_peer_paused, is_paused=True)])
def test_a_peer_that_is_not_there_is_not_changed(change: Callable[[str, str], str]) -> None:
    with pytest.raises(Refusal) as refusal:
        change(SETTINGS, MILL)

    assert refusal.value.code == "peer.unknown"


def test_what_is_no_toml_is_refused_and_not_mended() -> None:
    with pytest.raises(Refusal) as refusal:
        with_peer("name = ", MILL)

    assert refusal.value.code == "config.invalid"


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("kib_per_s = 31", "at least 32"),  # slower than an answer may take
        ("pause = true", "did you mean 'paused'"),
        ("paused = 1", "bool"),
    ],
)
def test_a_wrong_rule_is_refused_with_what_is_meant(rule: str, words: str) -> None:
    text = f'name = "Hill"\n[coops.{CID.hex()}]\n{rule}\n'

    with pytest.raises(Refusal) as refusal:
        parse_config(text.encode(), Path("x"))

    assert words in refusal.value.detail
