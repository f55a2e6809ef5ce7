"""What a node takes from others on links, as pure decisions: blame, duplicates, back-off."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from typing import TYPE_CHECKING, Final

from sheaf_protocol.limits import MAX_MEMBERS
from sheaf_protocol.link.messages import (
    BlobWant,
    Compare,
    ControlHave,
    ControlItems,
    ControlWant,
    Idle,
    Lagged,
    PayloadWant,
    Scope,
    Subscribe,
    Tree,
    TreeWant,
    cost,
    covered,
)

if TYPE_CHECKING:
    from sheaf_node.clock import Randomness
    from sheaf_protocol.digest import CoopId, WriterId
    from sheaf_protocol.link.messages import Message

MAX_BAD: Final = 20
"""Entries that were refused for reasons that depend on what else a node holds. An honest peer may
send a few, when a close or an expiry reaches us before it."""
BAD_WINDOW_MS: Final = 600_000
ANSWER_MS: Final = 30_000
"""How long a peer may be silent while it owes an answer."""

CONTROL_REST_MS: Final = 200
"""How long control items are left alone once told: each telling makes every peer look through all
it holds."""
CONTROL_MOST_MS: Final = 6_400
"""As long as they keep changing the wait is doubled, up to this: or one member with a thousand
branches to show would have all others tell one another of everything, five times a second."""

BURST: Final = 1_024
"""What a peer may make us do at once, in the units of `work`: sixteen whole frontiers of the
largest federation, or 500 of the usual ones."""
PER_SECOND: Final = 32
"""And from then on. Twice what control items that change without a pause make a peer send."""

SMALL: Final = 16_384
"""Bytes of control items that pay for the look at what is still missing."""

OPS: Final = 4
"""Key operations that one unit pays for where they were checked and not kept: 1 ms each."""

ROWS: Final = 1_000
"""Entries that one unit pays for where another branch of a key log has them judged anew: 5 ms."""

_PACE_MOST_MS: Final = 60_000

EMPTY_WANT: Final = 4
"""The same for a question about entries of which we hold none: an honest peer was told wrong."""

_OWN_FAULT: Final = ("enc.", "env.", "fork.", "charter.", "key.signature", "key.wrong_coop")
"""Codes that the bytes alone give: the peer checked nothing, or forged."""

_OF_THE_TIME: Final = frozenset({"charter.late", "charter.left", "charter.not_ours"})
"""Of the codes above those that follow from which certificates a node holds so far."""


class Bucket:
    """What one peer may still make us do for nothing: it fills with time and empties by asking."""

    def __init__(self, now_ms: int) -> None:
        self._left, self._at_ms = 1_000 * BURST, now_ms

    def take(self, amount: int, now_ms: int) -> bool:
        """Take some of it; return whether there was enough."""
        filled = self._left + PER_SECOND * max(0, now_ms - self._at_ms)
        self._left, self._at_ms = min(1_000 * BURST, filled) - 1_000 * amount, now_ms
        return self._left >= 0


class Buckets:
    """The buckets of co-ops, kept beyond their links: who dials again has no other one."""

    def __init__(self) -> None:
        self._known: OrderedDict[CoopId, Bucket] = OrderedDict()

    def of(self, cid: CoopId, now_ms: int) -> Bucket:
        """Return a co-op's bucket; of so many that hardly one is left, the oldest is forgotten."""
        bucket = self._known.setdefault(cid, Bucket(now_ms))
        self._known.move_to_end(cid)
        if len(self._known) > MAX_MEMBERS:
            self._known.popitem(last=False)
        return bucket


class Pace:
    """How fast a peer may send, by when its credit is granted back. It begins with a full one."""

    def __init__(self, kib_per_s: int = 0) -> None:
        self._kib_per_s, self._free_at_ms = kib_per_s, 0

    def grant(self, waiting: int, part: int, now_ms: int) -> int:
        """Return how many of the bytes that wait to grant now, and count them.

        A slowed peer gets one `part` at a time, so that no wait is as long as an answer may take.
        """
        if not self._kib_per_s:
            return waiting
        # A clock that was put back would make it wait for hours: no wait is a minute.
        if 0 < self._free_at_ms - now_ms < _PACE_MOST_MS:
            return 0
        size = min(waiting, part)
        self._free_at_ms = now_ms + -(-size * 1_000 // (self._kib_per_s << 10))
        return size


def work(message: Message) -> int:
    """Return what a message makes us do that no credit pays for: look through many logs, or tell of
    them. Honest peers send one of these per federation at first, and then a few in minutes.
    """
    match message:
        case Idle() | Scope() | ControlHave() | BlobWant() | Subscribe():
            return 1
        case PayloadWant():
            return 1 + covered(message) // 256
        case Compare() | Lagged() | ControlWant():
            return 2
        case Tree():
            return 2 + len(message.nodes) // 8
        case TreeWant():
            # A sixteenth for each digit: of the largest federation, all logs are 1.1 MB.
            return 2 + sum(64 >> 4 * min(2, len(prefix)) for prefix in message.prefixes)
        case _:
            # Control items have us look through all that was told; large ones have paid for that.
            return int(isinstance(message, ControlItems) and cost(message) < SMALL)


def is_own_fault(code: str) -> bool:
    """Return whether an item's refusal proves that the peer passed on what it had not verified."""
    return code.startswith(_OWN_FAULT) and code not in _OF_THE_TIME


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


def rest_after(rest_ms: int, *, is_quiet: bool) -> int:
    """Return how long to wait after control items are told, from how long that was the last time.

    `is_quiet` is whether nothing has changed meanwhile.
    """
    return CONTROL_REST_MS if is_quiet else min(2 * rest_ms, CONTROL_MOST_MS)


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
