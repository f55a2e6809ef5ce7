"""Two links and a fake wire between them, for our tests and those of other implementers.

Frames wait on the wire until they are carried over, so that a test may drop, alter, double or
reorder them:

    pair = LinkPair(initiator, responder)
    pair.run()                                   # carry until both are quiet
    pair.dialled.send(message)
    pair.collect()
    pair.to_listening[0] = flipped(pair.to_listening[0], 5)
    pair.run()
    assert pair.listening_events[-1].code == "link.frame"
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from sheaf_protocol.link import Dial, Event, Fresh, Identity, Link, LinkClosed, Listen
from sheaf_protocol.testing.author import derived

if TYPE_CHECKING:
    from sheaf_protocol.testing.author import TestCoop

AUDIENCE = "node.example:8440"
"""The responder's public name, unless a test gives another."""


class LinkPair:
    """The dialling and the listening end of one link, with the frames under way."""

    def __init__(self, dialled: Link, listening: Link, now_ms: int) -> None:
        self.dialled, self.listening, self.now_ms = dialled, listening, now_ms
        self.to_listening: deque[bytes] = deque()
        self.to_dialled: deque[bytes] = deque()
        self.dialled_events: list[Event] = []
        self.listening_events: list[Event] = []

    @property
    def codes(self) -> tuple[str | None, str | None]:
        """Why each end closed, the dialling one first; None for one that is open."""
        return _code(self.dialled_events), _code(self.listening_events)

    def collect(self) -> None:
        """Put what the ends want to send on the wire, and keep their events."""
        self.to_listening.extend(self.dialled.data_to_send())
        self.to_dialled.extend(self.listening.data_to_send())
        for link, events in (
            (self.dialled, self.dialled_events),
            (self.listening, self.listening_events),
        ):
            while (event := link.next_event()) is not None:
                events.append(event)

    def carry(self) -> bool:
        """Carry the oldest frame of each direction over; return whether there was one."""
        self.collect()
        has_any = bool(self.to_listening or self.to_dialled)
        if self.to_listening:
            self.listening.receive_data(self.to_listening.popleft(), self.now_ms)
        if self.to_dialled:
            self.dialled.receive_data(self.to_dialled.popleft(), self.now_ms)
        self.collect()
        return has_any

    def run(self) -> None:
        """Carry frames until nothing is under way."""
        while self.carry():
            pass

    def advance(self, ms: int) -> None:
        """Let time pass and fire the timers that fell due."""
        self.now_ms += ms
        for link in (self.dialled, self.listening):
            link.handle_timer(self.now_ms)
        self.collect()


def make_link_pair(
    dialling: TestCoop,
    listening: TestCoop,
    *,
    now_ms: int,
    audience: str = AUDIENCE,
    public_names: tuple[str, ...] = (AUDIENCE,),
    seed: bytes = b"",
) -> LinkPair:
    """Return two links between two co-ops, before the first message."""
    return LinkPair(
        Link(Dial(audience=audience), identity_of(dialling), fresh(seed + b"i"), now_ms),
        Link(Listen(public_names=public_names), identity_of(listening), fresh(seed + b"r"), now_ms),
        now_ms,
    )


def identity_of(coop: TestCoop) -> Identity:
    """Return a test co-op as it presents itself on links."""
    return Identity(cid=coop.cid, key_log=list(coop.key_ops), writer=coop.writer)


def fresh(seed: bytes) -> Fresh:
    """Return the handshake randomness of a seed."""
    return Fresh(seed=derived(seed, "link", "eph"), nonce=derived(seed, "link", "nonce")[:16])


def flipped(frame: bytes, at: int) -> bytes:
    """Return the frame with one bit of one byte turned over."""
    return frame[:at] + bytes([frame[at] ^ 1]) + frame[at + 1 :]


def _code(events: list[Event]) -> str | None:
    return next((event.code for event in events if isinstance(event, LinkClosed)), None)
