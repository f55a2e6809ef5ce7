"""What a co-op takes along when it leaves: its own entries, opened and as they were signed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sheaf_protocol.codec import decode
from sheaf_protocol.envelope import SEALED, body_of
from sheaf_protocol.errors import Refusal, RemoteProtocolError
from sheaf_protocol.json_view import to_json
from sheaf_protocol.records import decode_record
from sheaf_protocol.sealing import Author, Sealed, open_private

if TYPE_CHECKING:
    from sheaf_node.keyring import Keyring
    from sheaf_node.plugins import Call, Json
    from sheaf_node.store import Store, StoredEntry
    from sheaf_protocol.digest import FederationId

_PAGE: Final = 256


@dataclass(frozen=True, slots=True)
class Export:
    """Pages of our own entries in a federation."""

    store: Store
    keyring: Keyring
    fid: FederationId

    def page(self, call: Call) -> Json:
        """Return own entries after arrival number `after`, and where the next page begins.

        `next` is null at the end. Raises Refusal `governance.request`.
        """
        after = call.options.get("after", "0")
        if not (after.isascii() and after.isdecimal() and len(after) <= 16):
            raise Refusal("governance.request", f"expected a number after, got {after[:40]!r}")
        entries = self.store.entries_after(int(after), _PAGE)
        return {
            "items": [self._item(entry) for entry in entries if self._is_own(entry)],
            "next": entries[-1].arrival if entries else None,
        }

    def _is_own(self, entry: StoredEntry) -> bool:
        return (entry.header.cid, entry.header.fid) == (self.keyring.cid, self.fid)

    def _item(self, entry: StoredEntry) -> dict[str, Any]:
        kind, record = self._opened(entry)
        header, envelope = entry.header, entry.envelope
        return {
            "id": entry.id.hex(),
            "wid": header.wid.hex(),
            "seq": header.seq,
            "time_ms": header.time_ms,
            "kind": kind,
            "record": record,
            "no_effect": entry.no_effect,
            "envelope": {
                "header": envelope.header.hex(),
                "payload": envelope.payload.hex(),
                "signature": envelope.signature.hex(),
            },
        }

    def _opened(self, entry: StoredEntry) -> tuple[str, Any]:
        """Return the kind and record of an entry; None for one that nobody here can read."""
        kind, body = entry.kind, b""
        try:
            if entry.envelope.payload:
                kind, body = self._inside(entry)
            record = decode_record(kind, body) if body else None
        except RemoteProtocolError:
            return kind, None
        return kind, None if record is None else to_json(record)

    def _inside(self, entry: StoredEntry) -> tuple[str, bytes]:
        body = body_of(entry.envelope.payload)
        if entry.kind != SEALED:
            return entry.kind, body
        sealed, header = decode(body, Sealed), entry.header
        author = Author(header.fid, header.cid, header.wid)
        for public, secret in self.keyring.prekeys:
            private = open_private(sealed, author=author, public=public, secret=secret)
            if private is not None:
                return private.kind, private.body
        return entry.kind, b""
