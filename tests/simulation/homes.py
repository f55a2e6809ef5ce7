"""The homes that every run begins with: co-ops that founded a federation, made once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import structs
from tests.simulation.clock import START_MS
from tests.simulation.dice import dice

from sheaf_node.charter_file import (
    adopt_charter,
    draft_charter,
    read_charter_file,
    sign_charter,
)
from sheaf_node.config import CONFIG_FILE
from sheaf_node.keyring import create_keyring
from sheaf_protocol.charter import DEFAULT_POLICY

if TYPE_CHECKING:
    from pathlib import Path

    from sheaf_node.keyring import Keyring

NAMES: Final = ("hill", "dale", "moor", "fell", "mill", "cove", "lake", "glen")
ROLES: Final = ("member", "supplier", "carrier", "coordinator", "service", "steward")
POLICY: Final = structs.replace(
    DEFAULT_POLICY, ballot_ms=60_000, round_ms=5_000, anchor_ms=3_600_000
)


def make_homes(folder: Path, count: int) -> dict[str, Keyring]:
    """Make the homes of so many co-ops below a folder; return their keys. Always the same."""
    keyrings = {}
    for at, name in enumerate(NAMES[:count]):
        home = folder / name
        home.mkdir(parents=True)
        keyrings[name] = create_keyring(
            home,
            name=name.title(),
            country="GB",
            random=dice(0, "home", name).randbytes,
            now_ms=START_MS - 60_000,
        )
        (home / CONFIG_FILE).write_text(_settings(name, _dials(at)))
    members = [(keyring.key_ops, ROLES) for keyring in keyrings.values()]
    nonce = dice(0, "charter").randbytes(16)
    charter = read_charter_file(draft_charter("Borders", members, nonce, POLICY))
    for keyring in keyrings.values():
        charter = read_charter_file(sign_charter(charter, keyring))
    for name in keyrings:
        adopt_charter(charter, folder / name)
    return keyrings


def _dials(at: int) -> tuple[str, ...]:
    """Return whom a node dials: three before it, so that much goes by way of others."""
    return tuple(NAMES[at - back] for back in (1, 2, 4) if back <= at)


def _settings(name: str, dials: tuple[str, ...]) -> str:
    peers = "".join(f'    {{ url = "ws://{other}:8440" }},\n' for other in dials)
    return (
        f'name = "{name.title()}"\npeer_host = "{name}"\npeer_port = 8440\nlocal_port = 8441\n'
        f'public_names = ["{name}"]\npeers = [\n{peers}]\n'
        "[waits]\nredial_first_ms = 200\nredial_most_ms = 4000\nidle_ms = 6000\n"
        "announce_ms = 400\nrecheck_ms = 30000\nstop_ms = 500\n"
    )
