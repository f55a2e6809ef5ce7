"""What lets an entry cross: its author's ask at home, elsewhere the import by which it came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.store.model import WITHHELD
from sheaf_protocol.codec import decode
from sheaf_protocol.digest import short
from sheaf_protocol.envelope import body_of
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.records.bridge import BridgeAsk
from sheaf_protocol.treaty import asked, passed_on

if TYPE_CHECKING:
    from sheaf_node.bridging.powers import Powers
    from sheaf_node.store import StoredEntry
    from sheaf_protocol.digest import EntryId
    from sheaf_protocol.treaty import Source


def source_of(powers: Powers, entry: EntryId, granted_by: EntryId) -> Source | None:
    """Return an entry as it may cross from the federation of `powers`, by what grants that.

    None where that cannot be told: something has not arrived yet, or was erased since. Raises
    RemoteProtocolError `bridge.unasked` where it is not granted.
    """
    grant = powers.entry(granted_by)
    if grant is None or _is_gone(grant):
        return None
    if grant.header.fid != powers.fid or grant.no_effect is not None:
        raise _unasked(entry)
    if grant.kind == "bridge.import":
        return _passed_on(powers, entry, grant)
    if grant.kind != "bridge.ask":
        raise _unasked(entry)
    return _asked(powers, entry, grant)


def _asked(powers: Powers, entry: EntryId, grant: StoredEntry) -> Source | None:
    held = powers.entry(entry)
    if held is None or _is_gone(held):
        return None
    record = decode(body_of(grant.envelope.payload), BridgeAsk)
    ask = (grant.id, grant.header, record)
    if held.no_effect is not None:
        raise _unasked(entry)
    return asked(held.id, held.header, held.envelope.payload, ask)


def _passed_on(powers: Powers, entry: EntryId, grant: StoredEntry) -> Source | None:
    item = powers.crossings(powers.fid).get(grant.id)
    if item is None or not item.is_judged:
        return None
    if item.crossed is None or item.crossed.id != entry:
        raise _unasked(entry)
    return passed_on(item.crossed, grant.id, powers.fid)


def _is_gone(entry: StoredEntry) -> bool:
    return not entry.envelope.payload or (entry.absence == WITHHELD and entry.void is None)


def _unasked(entry: EntryId) -> RemoteProtocolError:
    detail = f"expected something that lets entry {short(entry)} cross from here"
    return RemoteProtocolError("bridge.unasked", detail, Fault.AUTHOR)
