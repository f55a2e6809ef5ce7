"""Parts of a charter, chapter 09, byte by byte: the policy, a member, a genesis body."""

from __future__ import annotations

from typing import Final

from entries import sorted_map
from kit import ZERO, array, blob, integer, text

FALSE: Final = b"\xc2"
TRUE: Final = b"\xc3"
HOUR_MS: Final = 3_600_000
POLICY: Final = {
    "anchor_ms": integer(72 * HOUR_MS),
    "ballot_ms": integer(168 * HOUR_MS),
    "certify": text("two_thirds"),
    "charter_bps": integer(6_666),
    "clock": text("owner"),
    "dominance_bps": integer(7_000),
    "fee_bps": integer(500),
    "hold_ms": integer(48 * HOUR_MS),
    "k_min": integer(5),
    "modes": array(text("open"), text("sealed")),
    "no_show_bps": integer(1_000),
    "pass_bps": integer(5_000),
    "privacy": text("sealed"),
    "round_ms": integer(60_000),
    "tally": text("one_coop_one_vote/1"),
    "turnout_bps": integer(5_000),
    "version": integer(0),
}
"""What founders get who choose nothing."""


def policy(**changes: bytes) -> bytes:
    """Return the default policy; changes replace encoded values."""
    return sorted_map({**POLICY, **changes})


def member(cid: bytes, key_head: bytes, /, *roles: str, **changes: bytes) -> bytes:
    """Return a member; changes replace or add encoded values."""
    fields = {
        "cid": blob(cid),
        "is_suspended": FALSE,
        "key_head": blob(key_head),
        "roles": array(*map(text, roles)),
    }
    return sorted_map({**fields, **changes})


def genesis_fields(name: str, nonce: bytes, *members: bytes) -> dict[str, bytes]:
    """Return the encoded values of a genesis body by key, in their order."""
    return {
        "epoch": integer(0),
        "lines": array(),
        "members": array(*members),
        "name": text(name),
        "nonce": blob(nonce),
        "policy": policy(),
        "prev": blob(ZERO),
        "treaties": array(),
        "v": integer(1),
    }
