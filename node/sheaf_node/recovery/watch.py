"""What a node looks at from its start until it may sign: whether its peers know more than it.

Two comparisons. A home that recovers compares its key log with every peer that it is configured to
dial, before it makes an operation on it: two operations of the manager key at one place would
freeze the key log. And every node with peers compares its logs with the first of them before it
publishes, for a while: a disk that was rolled back in silence is found before it signs a number
twice. Alone on the network it goes on, since local work goes on in any partition; but not
where a peer keeps a link of another node with its keys, for one of the two is a copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_node.clock import Clock
    from sheaf_node.recovery.marker import Marker
    from sheaf_node.recovery.standing import Standing
    from sheaf_protocol.digest import CoopId, WriterId

LOOK_MS: Final = 250
REST_MS: Final = 5_000
"""Between two looks of a node that may sign: a home may be marked while its node runs."""


class Dialled(Protocol):
    """A configured peer."""

    @property
    def url(self) -> str:
        """Its address, as the configuration has it."""
        ...

    @property
    def is_compared(self) -> bool:
        """Whether control items were compared with it since the node started."""
        ...


class Peers(Protocol):
    """What is looked at of a node's links: `Peering` fits."""

    @property
    def compared(self) -> Mapping[WriterId, CoopId]:
        """The peers with which control items were compared since the node started."""
        ...

    @property
    def has_agreed(self) -> bool:
        """Whether a peer held the same of all federations in common at one time since then."""
        ...

    def doubled_at(self) -> str | None:
        """Return the url of a peer that has a link with our key which is not ours, or None."""
        ...

    def dials(self) -> Sequence[Dialled]:
        """Return how each configured peer stands."""
        ...


class Watch:
    """Looks at the links until there is nothing left to wait for."""

    def __init__(self, standing: Standing, peers: Peers, *, clock: Clock, wait_ms: int) -> None:
        self._standing, self._peers, self._clock = standing, peers, clock
        self._left_ms = self._grace_ms = wait_ms
        self._is_released = False
        if peers.dials() and not (standing.is_recovering and standing.is_compared):
            standing.hold()
        else:
            self._left_ms = 0

    async def run(self) -> None:
        """Look until the node stops; a home may be marked while its node runs."""
        while True:
            self.step()
            is_resting = self._is_released and not self._standing.is_unsettled
            await self._clock.sleep_ms(REST_MS if is_resting else LOOK_MS)
            self._left_ms -= LOOK_MS

    def step(self) -> None:
        """Look once."""
        standing = self._standing
        # Who has our place there has our keys. What it signs we hear of from any other peer.
        standing.doubled_at = None if self._peers.has_agreed else self._peers.doubled_at()
        if not self._is_released and (self._left_ms <= 0 or self._peers.has_agreed):
            self._is_released = True
            standing.release()
        marker = standing.marker
        if marker is None:
            return
        if marker.is_fresh:  # it was marked while the node ran: what it came with is to be noted
            standing.restart.set()
        elif not standing.is_compared:
            self._compare(marker)
        elif not standing.has_lost_writer:
            standing.step()

    def _compare(self, marker: Marker) -> None:
        """See whether every peer that is not done without has shown what it has of our key log."""
        standing, dials = self._standing, self._peers.dials()
        missing = [d.url for d in dials if not d.is_compared and d.url not in marker.without]
        standing.peers_missing = missing
        if not missing and (dials or standing.is_alone(marker) or self._has_heard_enough()):
            standing.note_compared()

    def _has_heard_enough(self) -> bool:
        """Return whether peers that dial this node have had time, since the first of them came.

        Where none is configured whoever comes will do; but the first may not know of the newest
        operation on our key log, and another one beside it would freeze that.
        """
        if self._peers.compared:
            self._grace_ms -= LOOK_MS
        return self._grace_ms < 0
