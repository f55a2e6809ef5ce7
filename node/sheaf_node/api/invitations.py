"""Handlers by which a co-op's people make, list and revoke its invitations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sheaf_node.api.invitation_model import Invitations, KeptInvitation, NewInvitation
from sheaf_node.api.route import Reply
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from sheaf_node.api.parts import ApiParts
    from sheaf_node.api.route import Asked, NoQuery
    from sheaf_node.joining import Inviting, Wish


async def get_invitations(parts: ApiParts, asked: Asked[NoQuery, None]) -> Invitations:
    """Return all invitations, oldest first, without what one joins by."""
    return msgspec.convert({"invitations": _inviting(parts).listed()}, Invitations)


async def post_invitation(parts: ApiParts, asked: Asked[NoQuery, Wish]) -> Reply:
    """Make an invitation; the answer is the only place that its link stands in."""
    made = await _inviting(parts).create(asked.body)
    told = msgspec.convert(made.told(), NewInvitation)
    return Reply(value=told, status=201, headers={"Cache-Control": "no-store"})


async def post_revoke(parts: ApiParts, asked: Asked[NoQuery, None]) -> KeptInvitation:
    """End the invitation whose id begins so; return it as it was."""
    return msgspec.convert(_inviting(parts).revoke(asked.path["invitation"]), KeptInvitation)


def _inviting(parts: ApiParts) -> Inviting:
    if parts.inviting is None:
        raise Refusal("invite.off", "expected a node that takes peers, which invites")
    return parts.inviting
