"""Receipts: the replies to requests that published, so that a repeated request is answered alike.

A receipt is part of the change that it tells of. So after a crash there are both or neither, and
whoever asks again under the same key either gets the reply or publishes for the first time. The
store neither knows what a key looks like nor can it read a reply: both are the local API's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from sheaf_node.store.effects import Effects
    from sheaf_node.store.planned import Planned
    from sheaf_protocol.digest import Digest

T = TypeVar("T")
Told: TypeAlias = "Callable[[Effects], T]"
"""What the caller is told of the effects of its request."""

OVERHEAD: Final = 256
"""Bytes that a receipt counts beside its reply: its row and two index entries, rounded up."""
KEPT_MS: Final = 7 * 86_400_000
"""A week: longer than any program asks again for a lost answer, a long weekend included."""
BUSY: Final = "api.idempotency_busy"
FULL: Final = "api.idempotency_full"


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """A reply as it is kept."""

    id: Digest
    """Made of the key under which was asked."""
    request: Digest
    """Made of all that was asked, the key included."""
    taken_ms: int
    reply: bytes

    @property
    def size(self) -> int:
        """Bytes that count against what a node keeps of receipts."""
        return OVERHEAD + len(self.reply)


@dataclass(frozen=True, kw_only=True, slots=True)
class NewReceipt:
    """A receipt to be kept with a change, whose reply tells what became of it.

    `reply` is called once the effects are planned, and has none itself: a reply names arrival
    numbers, which are not given before.
    """

    id: Digest
    request: Digest
    taken_ms: int
    reply: Told[bytes]

    def kept(self, effects: Effects) -> Receipt:
        """Return it as it is kept with these effects."""
        return Receipt(
            id=self.id, request=self.request, taken_ms=self.taken_ms, reply=self.reply(effects)
        )


def require_new(planned: Planned, receipt: NewReceipt, most_bytes: int) -> None:
    """Refuse a receipt that is held or on its way to the disk, and one that there is no room for.

    The first means that another request has published under the same key since this one was let
    in; without this rule both would. Raises Refusal `api.idempotency_busy`, `api.idempotency_full`.
    """
    if planned.has_receipt(receipt.id):
        raise Refusal(BUSY, "expected no other request at work under this Idempotency-Key")
    if planned.state.receipt_bytes >= most_bytes:
        detail = f"expected room for the reply: {most_bytes} bytes of replies are kept for 7 days"
        raise Refusal(FULL, f"{detail}; limits.receipt_mb in sheaf.toml allows for more")
