"""What a fellow member hands to a co-op that lost its computers: its key log, the places where its
logs end, and the charters that name it. Nothing of it is secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import EntryId, FederationId, WriterId
from sheaf_protocol.errors import ProtocolError, Refusal
from sheaf_protocol.identity import Cut, KeyOp, begin_history, merge
from sheaf_protocol.limits import MAX_ITEMS, MAX_KEY_LOG

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sheaf_protocol.identity import KeyHistory

MAX_EXPORT: Final = 16 * 1024 * 1024
"""16 MiB: the largest key log and two of the largest charters."""
_Id = Annotated[bytes, Meta(min_length=32, max_length=32)]


class LastEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The last entry of one writer in one federation that somebody holds."""

    fid: _Id
    head: _Id
    seq: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    wid: _Id


class KeyExport(msgspec.Struct, frozen=True, kw_only=True):
    """What one node holds of one co-op."""

    charters: Annotated[list[bytes], Meta(max_length=16)]
    """Charter files as the home keeps them."""
    heads: Annotated[list[LastEntry], Meta(max_length=MAX_ITEMS)]
    key_log: Annotated[list[KeyOp], Meta(min_length=1, max_length=MAX_KEY_LOG)]


def read_export(data: bytes) -> KeyExport:
    """Return what a file says. Raises Refusal `key.export`."""
    try:
        export = decode(data, KeyExport, limit=MAX_EXPORT)
        begin_history(export.key_log)
    except ProtocolError as exc:
        detail = f"expected what `sheaf identity export` writes: {exc.detail}"
        raise Refusal("key.export", detail) from exc
    return export


def write_export(export: KeyExport) -> bytes:
    """Return the bytes of a file."""
    return encode(export)


def common_history(exports: Sequence[KeyExport]) -> KeyHistory:
    """Return the history that all key logs make together. Raises Refusal `key.export`."""
    history = begin_history(exports[0].key_log)
    for export in exports[1:]:
        try:
            history = merge(history, export.key_log)
        except ProtocolError as exc:
            detail = f"expected exports of one co-op: {exc.detail}"
            raise Refusal("key.export", detail) from exc
    return history


def furthest(exports: Iterable[KeyExport]) -> Mapping[WriterId, Mapping[FederationId, Cut]]:
    """Return of each writer where its logs end by whoever holds most of them."""
    found: dict[WriterId, dict[FederationId, Cut]] = {}
    for last in (each for export in exports for each in export.heads):
        cuts = found.setdefault(WriterId(last.wid), {})
        fid = FederationId(last.fid)
        if fid not in cuts or last.seq > cuts[fid].seq:
            cuts[fid] = Cut(seq=last.seq, head=EntryId(last.head))
    return found
