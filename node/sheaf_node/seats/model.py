"""What is kept of seats and links, and what may be asked for; all of it JSON."""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from sheaf_node.drafts.model import Answers
from sheaf_protocol.digest import CoopId, FederationId
from sheaf_protocol.limits import MAX_INT

DAY_MS: Final = 86_400_000
SECRET_BYTES: Final = 32
MOST_TEXT: Final = 32_768
"""Characters of a list for a link: what is read on a telephone and not in a spreadsheet."""
MOST_LIST: Final = 2_097_152
"""Characters of a list that is published at once: ten thousand lines of two hundred."""

Asks: TypeAlias = Literal["approve", "quote", "list"]
ListOf: TypeAlias = Literal["", "purchases", "prices"]
_Hash = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_TimeMs = Annotated[int, Meta(ge=0, le=MAX_INT)]
_Text = Annotated[str, Meta(max_length=MOST_TEXT)]
_Name = Annotated[str, Meta(min_length=1, max_length=120, pattern=r"\A[^\x00-\x1f\x7f]+\Z")]


class NewSeat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A seat to be taken on: its name, and the id that its own keys make."""

    cid: _Hash
    name: _Name


class LinkWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A link to be made. `approve` asks for a yes to a purchase list, `quote` for prices, `list`
    for a list of the seat's own.
    """

    asks: Asks
    list: _Text = ""
    """CSV: of `approve` a purchase list, of `quote` items with quantity, unit and currency."""
    what: ListOf = ""
    """Of `list`: what it is to be of."""
    expires_in_ms: Annotated[int, Meta(ge=60_000, le=30 * DAY_MS)] = 7 * DAY_MS
    # SEAT-11: 30 days at most.

    def __post_init__(self) -> None:
        """Refuse a link that asks for a list and brings one, or does neither."""
        if (self.asks == "list") == bool(self.list) or (self.asks == "list") != bool(self.what):
            raise ValueError("expected what a list is to be of, or the list that is asked about")


class ListWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A list to be published for a seat, by its word to the sponsor."""

    what: Literal["purchases", "prices"]
    list: Annotated[str, Meta(min_length=1, max_length=MOST_LIST)]
    answers: Answers = Answers()
    dry_run: bool = False


class KeptSeat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A seat of this co-op."""

    cid: _Hash
    name: _Name
    added_ms: _TimeMs

    @property
    def id(self) -> CoopId:
        """The id as bytes."""
        return CoopId(bytes.fromhex(self.cid))


class KeptLink(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A link. It is named by a hash of its secret, so whoever reads the file cannot answer."""

    id: _Hash
    seat: _Hash
    asks: Asks
    list: _Text
    """As it is published and shown: written anew from what was read, so that both are the same.
    Empty where the link asks for a list."""
    what: ListOf = ""
    """What a list that the link asks for is to be of."""
    fid: _Hash
    created_ms: _TimeMs
    expires_ms: _TimeMs
    answered_ms: _TimeMs | None = None
    published: Annotated[int, Meta(ge=0)] = 0
    """Lines that the answer led to, or that were sent; none where the seat said no."""

    @property
    def federation(self) -> FederationId:
        """The federation that the answer goes to."""
        return FederationId(bytes.fromhex(self.fid))

    def state(self, now_ms: int) -> str:
        """Return `open`, `answered`, `declined` or `expired`."""
        if self.answered_ms is not None:
            return "answered" if self.published else "declined"
        return "open" if now_ms < self.expires_ms else "expired"


def link_id(secret: bytes) -> str:
    """Return the name of a link by its secret (SEAT-9)."""
    return hashlib.sha256(b"sheaf/seat-link/" + secret).hexdigest()
