"""What the routes of invitations answer."""

from __future__ import annotations

import msgspec


class InvitedTo(msgspec.Struct, frozen=True, kw_only=True):
    """The federation that an invitation leads into."""

    fid: str
    name: str
    """Empty where this co-op is in it no more."""


class NewInvitation(msgspec.Struct, frozen=True, kw_only=True):
    """A new invitation. Its link and its code stand nowhere else."""

    id: str
    link: str
    code: str
    expires_ms: int
    federation: InvitedTo
    founded: bool
    """Whether the federation was founded for it."""
    roles: list[str]
    is_local: bool
    """Whether the link leads nowhere but to the computer that follows it."""


class KeptInvitation(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation as its co-op sees it."""

    id: str
    state: str
    """`open`, `used` or `expired`."""
    created_ms: int
    expires_ms: int
    federation: InvitedTo
    roles: list[str]
    note: str
    used_by: str | None
    """The co-op that joined by it."""
    used_ms: int | None


class Invitations(msgspec.Struct, frozen=True, kw_only=True):
    """All that are kept, oldest first."""

    invitations: list[KeptInvitation]
