"""What a host needs of its node, and what the node's own services ask for beside publications."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sheaf_node.crossing import AllCrossings
from sheaf_node.turns import Turns

if TYPE_CHECKING:
    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.events import Arrivals
    from sheaf_node.ingest import Ingest
    from sheaf_node.keyring import Keyring
    from sheaf_node.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What a host needs of its node."""

    store: Store
    ingest: Ingest
    arrivals: Arrivals
    keyring: Keyring
    clock: Clock
    random: Randomness
    crossings: AllCrossings = field(default_factory=AllCrossings)
    """What came over treaties, by federation."""
    turns: Turns = field(default_factory=Turns)
    """Of the store's event loop: requests of our own go before what peers bring."""


class Errands(Protocol):
    """What a service of the node itself asks for beside publications. Third parties have none."""

    async def carry_out(self) -> bool:
        """Do what was asked for; return whether any of it changed what the node holds."""
        ...

    def forget(self) -> None:
        """Drop what was asked for."""
        ...
