"""A webhook and its deliveries, as they are kept."""

from __future__ import annotations

import enum

import msgspec

from sheaf_protocol.digest import EntryId, FederationId

EVERY_KIND = "*"


class State(enum.Enum):
    """What a webhook does."""

    ACTIVE = "active"
    FAILED = "failed"
    """Days went by without an answer that it has; nothing is sent until a replay."""
    GONE = "gone"
    """The receiver answered 410: it wants no more."""
    HELD = "held"
    """It came back with a restore: nothing is sent until somebody lets it go on."""


class Stage(enum.Enum):
    """How far a delivery is."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    """Tried as often as it is worth; a replay tries it again."""


class OldSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret that another took the place of, by which deliveries are signed as well for now."""

    secret: str
    until_ms: int


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """An address to which entries go."""

    id: str
    url: str
    secret: str
    """What the receiver checks signatures with; shown once, when it is made."""
    kinds: list[str]
    """Kinds of entries that are sent; `*` for all."""
    fid: FederationId | None
    """The federation whose entries are sent; None for all."""
    allow_loopback: bool
    created_ms: int
    cursor: int
    """The arrival number up to which deliveries were made of entries."""
    state: State = State.ACTIVE
    failing_since_ms: int | None = None
    """When the first try failed since the last that did not."""
    old_secrets: list[OldSecret] = []
    """Those before `secret`, the newest first; some may be over by now."""

    def secrets_at(self, now_ms: int) -> list[str]:
        """Return the secrets by which a delivery is signed, the newest first."""
        valid = [each.secret for each in self.old_secrets if now_ms < each.until_ms]
        return [self.secret, *valid]

    def wants(self, kind: str, fid: FederationId) -> bool:
        """Return whether an entry of this kind and federation is to be sent."""
        is_of_kind = EVERY_KIND in self.kinds or kind in self.kinds
        return is_of_kind and self.fid in {None, fid}


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One entry on its way to one address."""

    id: str
    """The same at each try, so that a receiver knows what it has had."""
    webhook: str
    entry: EntryId
    arrival: int
    kind: str
    next_ms: int
    """When it is tried; of one that is not pending, when it was tried last."""
    stage: Stage = Stage.PENDING
    tries: int = 0
    result: str = ""
    """What the last try came to, in words of this node's."""
    made_ms: int = 0
    """When it was made; 0 where an earlier version made it and kept no time."""


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """What one webhook has not got rid of."""

    waiting: int = 0
    dead: int = 0
    oldest_ms: int | None = None
    """When the oldest of those that wait was made."""
