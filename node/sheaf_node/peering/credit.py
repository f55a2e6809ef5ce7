"""The credit of a peer: what it sent goes back once it is stored, as fast as its pace has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.peering.policy import Pace
from sheaf_protocol.limits import CREDIT_BYTES
from sheaf_protocol.link.messages import cost

if TYPE_CHECKING:
    from sheaf_protocol.link import Link
    from sheaf_protocol.link.messages import Message

_GRANT_AT = CREDIT_BYTES // 8
"""Credit goes back in eighths: one small frame for each full batch stored."""


class Crediting:
    """What is to be granted back on one link."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._to_grant = 0
        self._pace = Pace()

    @property
    def is_due(self) -> bool:
        """Whether there is enough to grant; it stays so while the pace holds it back."""
        return self._to_grant >= _GRANT_AT

    def slow_to(self, kib_per_s: int) -> None:
        """Take no more than this of the peer in a second, by granting credit later; 0 for all."""
        self._pace = Pace(kib_per_s)

    def note(self, message: Message) -> None:
        """Take it that a message is stored or passed over, so that its credit goes back."""
        self._to_grant += cost(message)

    def grant(self, now_ms: int) -> None:
        """Grant back as much as is due at the peer's pace."""
        granted = self._pace.grant(self._to_grant, _GRANT_AT, now_ms)
        if granted:
            self._link.grant(granted)
            self._to_grant -= granted
