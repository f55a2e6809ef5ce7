"""How a co-op joins a federation by an invitation (spec chapter 19).

Whoever has the secret of an invitation asks the inviting node what it is invited to, decides, and
joins: two requests and two answers, bytes in and values out.
"""

from sheaf_protocol.invitation.exchange import (
    MAX_ANSWER,
    MAX_REQUEST,
    Ask,
    Asking,
    Offered,
    Offering,
    Terms,
    Welcome,
    read_request,
    require_asker,
)
from sheaf_protocol.invitation.link import (
    JOIN_PATH,
    SECRET_BYTES,
    Invitation,
    code_of,
    invitation_id,
    link_of,
    proof_key,
    read_invitation,
)

__all__ = [
    "JOIN_PATH",
    "MAX_ANSWER",
    "MAX_REQUEST",
    "SECRET_BYTES",
    "Ask",
    "Asking",
    "Invitation",
    "Offered",
    "Offering",
    "Terms",
    "Welcome",
    "code_of",
    "invitation_id",
    "link_of",
    "proof_key",
    "read_invitation",
    "read_request",
    "require_asker",
]
