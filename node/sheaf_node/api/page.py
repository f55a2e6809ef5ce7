"""Cursors: where a page of the log ended, as a text that only this node reads.

A cursor names the store that numbered the arrivals. A home that was put back from a backup numbers
other entries alike, and what one continued there by number alone would be left out unseen.
"""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass
from typing import Final

from sheaf_protocol.digest import ZERO, FederationId
from sheaf_protocol.errors import Refusal
from sheaf_protocol.limits import MAX_INT

_VERSION: Final = 1
_STORE_BYTES: Final = 8
_FORM: Final = struct.Struct(f">B{_STORE_BYTES}sQ")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended, and whose entries it shows; None for those of all federations."""

    arrival: int
    fid: FederationId | None


def write_cursor(place: Place, store_id: bytes) -> str:
    """Return the cursor of a place in a store."""
    head = _FORM.pack(_VERSION, store_id[:_STORE_BYTES], place.arrival)
    return base64.urlsafe_b64encode(head + (place.fid or b"")).rstrip(b"=").decode()


def read_cursor(text: str, store_id: bytes) -> Place:
    """Return the place of a cursor. Raises Refusal `api.cursor`."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        data = base64.b64decode(padded, altchars=b"-_", validate=True)
        version, store, arrival = _FORM.unpack_from(data)
    except (ValueError, binascii.Error, struct.error) as exc:
        raise _unreadable() from exc
    fid = data[_FORM.size :]
    if version != _VERSION or len(fid) not in {0, len(ZERO)} or arrival > MAX_INT:
        raise _unreadable()
    if store != store_id[:_STORE_BYTES]:
        detail = "expected a cursor of this store, got one of another: begin again without it"
        raise Refusal("api.cursor", detail)
    return Place(arrival, FederationId(fid) if fid else None)


def _unreadable() -> Refusal:
    return Refusal("api.cursor", "expected a cursor as an answer gave it")
