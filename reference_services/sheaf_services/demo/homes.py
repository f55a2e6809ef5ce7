"""Sets up the homes of all nodes as their operators would: keys, settings, charter."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sheaf_node.charter_file import (
    adopt_charter,
    draft_charter,
    read_charter_file,
    sign_charter,
)
from sheaf_node.clock import SystemClock
from sheaf_node.config import CONFIG_FILE
from sheaf_node.keyring import Keyring, create_keyring
from sheaf_services.demo.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sheaf_services.demo.cast import Player


@dataclass(frozen=True, kw_only=True, slots=True)
class Home:
    """One player's folder and ports."""

    player: Player
    path: Path
    peer_port: int
    local_port: int


def make_homes(folder: Path, cast: Sequence[Player], federation: str, *, starts: int) -> list[Home]:
    """Return a home for each player, all members of one new federation that all have signed.

    `starts` is how many searches for trips the matcher makes.
    """
    ports = free_ports(2 * len(cast))
    homes = [
        Home(player=p, path=folder / p.key, peer_port=ports[2 * i], local_port=ports[2 * i + 1])
        for i, p in enumerate(cast)
    ]
    now_ms = SystemClock().now_ms()
    keyrings = []
    for home in homes:
        home.path.mkdir(parents=True)
        name = home.player.name
        keyrings.append(
            create_keyring(home.path, name=name, country="GB", random=os.urandom, now_ms=now_ms)
        )
        (home.path / CONFIG_FILE).write_text(_settings(home, homes, starts))
    _found(federation, homes, keyrings)
    return homes


def _found(federation: str, homes: Sequence[Home], keyrings: Sequence[Keyring]) -> None:
    members = [(k.key_ops, h.player.roles) for k, h in zip(keyrings, homes, strict=True)]
    charter = read_charter_file(draft_charter(federation, members, os.urandom(16)))
    for keyring in keyrings:
        charter = read_charter_file(sign_charter(charter, keyring))
    for home in homes:
        adopt_charter(charter, home.path)


def _settings(home: Home, homes: Sequence[Home], starts: int) -> str:
    """Return sheaf.toml; of each pair the later one dials, so that every pair has one link."""
    earlier = homes[: homes.index(home)]
    peers = "".join(f'    {{ url = "ws://127.0.0.1:{h.peer_port}" }},\n' for h in earlier)
    player = home.player
    return (
        f'name = "{player.name}"\n'
        f"peer_port = {home.peer_port}\n"
        f"local_port = {home.local_port}\n"
        'public_names = ["127.0.0.1"]\n'
        f"peers = [\n{peers}]\n"
        "\n[services.pooled_purchasing]\n"
        f'place = {{ name = "{player.name}", lat_udeg = {player.lat_udeg},'
        f" lon_udeg = {player.lon_udeg} }}\n"
        "\n[services.shipment_matching]\n"
        f'place = "{player.name}"\n'
        f"starts = {starts}\n"
    )
