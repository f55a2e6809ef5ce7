"""What is seen of what works beside a node's logs: services of other processes, webhooks, seats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenService:
    """A service of another process in one federation; ids in hex."""

    name: str
    fid: str
    is_connected: bool
    seen_ms: int | None
    """When it was last heard of; None where it was not since the node started."""
    behind: int
    """Entries of the store that it was not shown so far, whatever their kind."""
    refused: str | None
    """The rule by which its newest answer was refused."""
    refusals: int
    """Answers that were refused since the node started."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenWebhook:
    """A webhook, by host alone: the rest of an address may be a secret."""

    id: str
    host: str
    state: str
    waiting: int
    dead: int
    oldest_ms: int | None
    """When the oldest delivery that waits was made."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Beside:
    """All of it at one moment."""

    services: Sequence[SeenService] = ()
    webhooks: Sequence[SeenWebhook] = ()
    seats: int = 0
    open_links: int = 0
    """Links of seats that wait for an answer."""


NOTHING = Beside()
"""Of a node that has none of it."""
