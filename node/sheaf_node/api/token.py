"""The bearer token of the local API. Loopback is no trust: other users share the machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sheaf_node.durable import new_private_file
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from sheaf_node.clock import Randomness

FILE = "api.token"


def write_token(home: Path, random: Randomness) -> str:
    """Return a fresh 256-bit token after writing it to the home, readable by its owner only."""
    token = random(32).hex()
    path = home / FILE
    path.unlink(missing_ok=True)
    with os.fdopen(new_private_file(path), "w") as file:
        file.write(token)
    return token


def read_token(home: Path) -> str:
    """Return the token of a running node. Raises Refusal `api.no_token`."""
    try:
        return (home / FILE).read_text().strip()
    except (OSError, UnicodeDecodeError) as exc:
        detail = f"expected a node running for {home}; `sheaf serve` starts it (no {FILE} there)"
        raise Refusal("api.no_token", detail) from exc
