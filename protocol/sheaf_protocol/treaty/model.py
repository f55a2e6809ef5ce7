"""The body of a treaty: who may bridge what, in each direction (spec 16, section 3)."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from sheaf_protocol.codec import decode
from sheaf_protocol.digest import Digest, FederationId, digest, short
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.limits import MAX_INT, MAX_TREATY
from sheaf_protocol.records.bridge import FederationRef
from sheaf_protocol.records.demand import Zone
from sheaf_protocol.records.values import Code, CoopRef, TimeMs

Kind: TypeAlias = Annotated[str, Meta(pattern=r"\A[a-z0-9_.]{1,24}\Z")]
Key: TypeAlias = Annotated[str, Meta(pattern=r"\A[a-z0-9_]{1,32}\Z")]


class IdMap(msgspec.Struct, frozen=True, kw_only=True):
    """An identifier that the federation entered knows by another name than the one left."""

    field: Literal["category", "item", "zone"]
    ours: Code
    """In the federation that the entry leaves."""
    theirs: Code
    """In the federation that it enters."""


class Direction(msgspec.Struct, frozen=True, kw_only=True):
    """What may cross one way. Empty `categories` or `regions` leave that open.

    All lists ascend; ids and places are those of the federation that the entry leaves.
    """

    categories: Annotated[list[Code], Meta(max_length=64)]
    hops: Annotated[int, Meta(ge=1, le=3)]
    """Federations that an entry may have passed when it arrives."""
    ids: Annotated[list[IdMap], Meta(max_length=64)]
    kinds: Annotated[list[Kind], Meta(max_length=32)]
    per_day: Annotated[int, Meta(ge=0, le=MAX_INT)]
    """Entries a UTC day in one log of a bridge."""
    regions: Annotated[list[Zone], Meta(max_length=64)]
    removed: Annotated[list[Key], Meta(max_length=32)]
    """Keys that are taken out of a body, at its top level and inside `item`."""


class Treaty(msgspec.Struct, frozen=True, kw_only=True):
    """What two federations agree to. `parties` ascend; `directions[0]` leads from the first."""

    bridges: Annotated[list[CoopRef], Meta(min_length=1, max_length=4)]
    """Members of both in the role `bridge`: the first bridges, the others stand by."""
    directions: Annotated[list[Direction], Meta(min_length=2, max_length=2)]
    expires_ms: TimeMs
    nonce: Annotated[bytes, Meta(min_length=16, max_length=16)]
    parties: Annotated[list[FederationRef], Meta(min_length=2, max_length=2)]
    title: Annotated[str, Meta(min_length=1, max_length=120, pattern=r"\A[^\x00-\x1f]+\Z")]
    v: Literal[1]

    def other(self, fid: FederationId) -> FederationId:
        """Return the party that is not `fid`. Raises RemoteProtocolError `treaty.parties`."""
        return self.parties[1 - self._place(fid)]

    def direction(self, left: FederationId) -> Direction:
        """Return what may leave this party. Raises RemoteProtocolError `treaty.parties`."""
        return self.directions[self._place(left)]

    def _place(self, fid: FederationId) -> int:
        if fid not in self.parties:
            detail = f"expected federation {short(fid)} to be a party of {self.title!r}"
            raise RemoteProtocolError("treaty.parties", detail)
        return self.parties.index(fid)


def read_treaty(body: bytes) -> Treaty:
    """Return the treaty of a canonical body. Raises RemoteProtocolError `enc.*`, `schema.*`."""
    return decode(body, Treaty, limit=MAX_TREATY)


def treaty_id(body: bytes) -> Digest:
    """Return the id of a treaty: the hash of its body, which both federations list."""
    return digest("treaty", body)
