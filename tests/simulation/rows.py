"""Entries as they lie on a disk, read from their bytes as the spec lays them out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgpack

if TYPE_CHECKING:
    from collections.abc import Mapping

_SALT: Final = 16


class Violation(NamedTuple):
    """A broken invariant."""

    invariant: str
    what: str


class Place(NamedTuple):
    """Where an entry stands."""

    fid: bytes
    cid: bytes
    wid: bytes
    seq: int


@dataclass(frozen=True, slots=True)
class Row:
    """An entry as it lies on a disk."""

    id: bytes
    place: Place
    prev: bytes
    kind: str
    time_ms: int
    body: Mapping[str, Any]
    header: bytes
    refs: tuple[bytes, ...] = ()
    is_whole: bool = True
    """Whether its payload, where there is one, is what its header hashes."""


def read_row(header: bytes, payload: bytes | None) -> Row:
    """Return an entry from its bytes (spec 04)."""
    _, fid, cid, wid, seq, prev, kind, time_ms, _, hashed, _, refs, *_ = msgpack.unpackb(header)
    body: Mapping[str, Any] = {}
    if payload and kind != "sealed":
        read = msgpack.unpackb(payload[_SALT:], strict_map_key=False)
        body = read if isinstance(read, dict) else {}
    id_ = hashlib.sha256(b"sheaf/1/entry\0" + header).digest()
    place = Place(fid, cid, wid, seq)
    is_whole = not payload or hashlib.sha256(b"sheaf/1/payload\0" + payload).digest() == hashed
    return Row(id_, place, prev, kind, time_ms, body, header, tuple(refs), is_whole)


def short(id_: bytes) -> str:
    """Return the beginning of an id, for people."""
    return id_[:4].hex()
