"""What a node takes from others on links, as pure decisions: blame, duplicates, back-off."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sheaf_node.clock import Randomness
    from sheaf_protocol.digest import WriterId

MAX_BAD: Final = 20
"""Entries that were refused for reasons that depend on what else a node holds. An honest peer may
send a few, when a close or an expiry reaches us before it."""
BAD_WINDOW_MS: Final = 600_000
ANSWER_MS: Final = 30_000
"""How long a peer may be silent while it owes an answer."""

_OWN_FAULT: Final = ("enc.", "env.", "fork.", "charter.", "key.signature", "key.wrong_coop")
"""Codes that the bytes alone give: the peer checked nothing, or forged."""


def is_own_fault(code: str) -> bool:
    """Return whether an item's refusal proves that the peer passed on what it had not verified."""
    return code.startswith(_OWN_FAULT)


class Strikes:
    """Refused entries of one peer, within a window."""

    def __init__(self) -> None:
        self._times: deque[int] = deque(maxlen=MAX_BAD)

    def add(self, now_ms: int) -> bool:
        """Count one; return whether that was one too many."""
        self._times.append(now_ms)
        return len(self._times) == MAX_BAD and now_ms - self._times[0] <= BAD_WINDOW_MS


def keeps_new(own: WriterId, peer: WriterId, *, is_old_dialled: bool, is_new_dialled: bool) -> bool:
    """Return whether of two links to one peer the later one stays.

    Where both sides dialled, both keep the one that the smaller writer id dialled: the two see
    the links come up in different orders. Of two in one direction the later stays, since a dialler
    that dials again has lost the first.
    """
    if is_old_dialled == is_new_dialled:
        return True
    return is_new_dialled == (own < peer)


def back_off_ms(failures: int, first_ms: int, most_ms: int, random: Randomness) -> int:
    """Return how long to wait before dialling again: doubling, and a half of it by chance.

    The chance keeps a hundred nodes from returning in the same second after an outage.
    """
    whole = min(most_ms, first_ms << min(failures, 20))
    return whole // 2 + int.from_bytes(random(4), "big") % (whole // 2 + 1)


class Doors:
    """Accepted links by network address, within limits."""

    def __init__(self, most: int, most_per_address: int) -> None:
        self._most, self._most_per_address = most, most_per_address
        self._open: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """Return whether one more link from the address is taken, and count it if so."""
        is_full = self._open.total() >= self._most
        if is_full or self._open[address] >= self._most_per_address:
            return False
        self._open[address] += 1
        return True

    def leave(self, address: str) -> None:
        """Count a link out."""
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]
