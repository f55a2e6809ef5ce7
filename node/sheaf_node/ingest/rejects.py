"""A short memory of what senders got wrong, so that the same bytes are not checked twice."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from sheaf_protocol.digest import digest

if TYPE_CHECKING:
    from sheaf_protocol.envelope import Envelope

_SENDERS: Final = 256
"""Senders remembered; four times the links that a node has open."""


class Rejects:
    """Bounded per sender and in the number of senders; the oldest go first.

    Only faults in the bytes themselves are remembered. What depends on the state of the store (a
    gap, an unknown key, a broken chain) may be right, or provable, later.
    """

    def __init__(self, per_sender: int) -> None:
        self._per_sender = per_sender
        self._senders: OrderedDict[bytes, OrderedDict[bytes, str]] = OrderedDict()

    def code(self, sender: bytes, envelope: Envelope) -> str | None:
        """Return why these very bytes of this sender were rejected before, or None."""
        known = self._senders.get(sender)
        return None if known is None else known.get(_key(envelope))

    def remember(self, sender: bytes, envelope: Envelope, code: str) -> None:
        """Note a rejection that rests on the bytes alone."""
        known = self._senders.setdefault(sender, OrderedDict())
        self._senders.move_to_end(sender)
        known[_key(envelope)] = code
        if len(known) > self._per_sender:
            known.popitem(last=False)
        if len(self._senders) > _SENDERS:
            self._senders.popitem(last=False)


def _key(envelope: Envelope) -> bytes:
    parts = (envelope.header, envelope.signature, envelope.payload)
    # A hash of hashes: the parts have no fixed length.
    return digest("reject", *(digest("part", part) for part in parts))
