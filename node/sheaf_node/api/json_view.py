"""What the local API answers, as plain JSON values."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from sheaf_protocol.digest import ZERO, EntryId
from sheaf_protocol.envelope import SEALED, body_of
from sheaf_protocol.errors import Refusal, RemoteProtocolError
from sheaf_protocol.frontier import root
from sheaf_protocol.json_view import from_json, read_json, to_json
from sheaf_protocol.records import KINDS, PRIVATE, Record, decode_record
from sheaf_protocol.subscription import wants_kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_node.ingest import Ingest
    from sheaf_node.keyring import Keyring
    from sheaf_node.peering import DialStatus, PeerStatus
    from sheaf_node.plugins import ServiceHost
    from sheaf_node.store import Store, StoredEntry
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.digest import FederationId
    from sheaf_protocol.subscription import Filter


def entry_json(entry: StoredEntry) -> dict[str, Any]:
    """Return an entry with its record, if it is readable."""
    header = entry.header
    return {
        "arrival": entry.arrival,
        "id": entry.id.hex(),
        "cid": header.cid.hex(),
        "wid": header.wid.hex(),
        "seq": header.seq,
        "kind": entry.kind,
        "time_ms": header.time_ms,
        "refs": [ref.hex() for ref in header.refs],
        "no_effect": entry.no_effect,
        "absence": entry.absence,
        "record": _record_json(entry),
    }


def _record_json(entry: StoredEntry) -> Any:
    if not entry.envelope.payload or entry.absence is not None:
        return None
    try:
        record = decode_record(entry.kind, body_of(entry.envelope.payload))
    except RemoteProtocolError:
        return None
    return None if record is None else to_json(record)


class _Posted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    record: msgspec.Raw
    refs: list[str] = []


def record_from_json(kind: str, body: bytes) -> tuple[Record, list[EntryId]]:
    """Return the record and refs of a posted body `{"record": {..}, "refs": [hex, ..]}`.

    Raises Refusal `api.kind`, `api.json`. Private kinds are published by their services, which
    know whom to seal them to.
    """
    type_ = KINDS.get(kind)
    if type_ is None or kind in PRIVATE:
        raise Refusal("api.kind", f"expected a public record kind, got {kind!r}")
    try:
        posted = msgspec.json.decode(body, type=_Posted)
        record = from_json(read_json(bytes(posted.record)), type_)
        return record, [_entry_id(ref) for ref in posted.refs]
    except (msgspec.DecodeError, ValueError, RecursionError) as exc:
        raise Refusal("api.json", f"expected a {kind} record as JSON: {exc}") from exc


def _entry_id(text: str) -> EntryId:
    id_ = bytes.fromhex(text)
    if len(id_) != len(ZERO):
        raise ValueError(f"expected refs of {len(ZERO)} bytes in hex, got {len(id_)}")
    return EntryId(id_)


def status_json(
    store: Store,
    ingest: Ingest,
    keyring: Keyring,
    *,
    peers: Sequence[PeerStatus],
    dials: Sequence[DialStatus],
    services: Mapping[str, ServiceHost],
) -> dict[str, Any]:
    """Return what a node is, holds and is linked to."""
    return {
        "name": store.key_logs[keyring.cid].name,
        "cid": keyring.cid.hex(),
        "wid": keyring.wid.hex(),
        "store_id": store.store_id.hex(),
        "process": os.getpid(),
        "arrival": store.arrival,
        "rejected": ingest.rejected,
        "disk": {
            "free_bytes": ingest.quota.free_bytes,
            "reserve_bytes": ingest.quota.reserve_bytes,
            "is_full": not ingest.quota.has_disk,
        },
        "full": [
            {"fid": fid.hex(), "cid": cid.hex(), "entries": used.entries, "bytes": used.bytes}
            for (fid, cid), used in ingest.quota.full(store.usage).items()
        ],
        "services": sorted(services),
        "stopped": sorted(name for name, host in services.items() if host.is_stopped),
        "not_subscribed": not_subscribed(ingest.subscription, services),
        "refused": {name: host.refused for name, host in sorted(services.items()) if host.refused},
        "federations": [
            _federation_json(store, fid, federation)
            for fid, federation in ingest.federations.items()
        ],
        "peers": [_peer_json(peer) for peer in peers],
        "dials": [
            {"url": dial.url, "is_linked": dial.is_linked, "reason": dial.reason} for dial in dials
        ],
    }


def not_subscribed(wanted: Filter, services: Mapping[str, ServiceHost]) -> dict[str, list[str]]:
    """Return of each service the kinds that it follows and whose payloads are not kept here."""
    missing = {
        name: sorted(kind for kind in host.follows if not wants_kind(wanted, travels_as(kind)))
        for name, host in sorted(services.items())
    }
    return {name: kinds for name, kinds in missing.items() if kinds}


def travels_as(kind: str) -> str:
    """Return the kind in the header of a record's entry."""
    return SEALED if kind in PRIVATE else kind


def _federation_json(store: Store, fid: FederationId, federation: Federation) -> dict[str, Any]:
    frontier = store.frontier(fid)
    return {
        "fid": fid.hex(),
        "name": federation.charter.name,
        "members": len(federation.roles),
        "logs": len(frontier),
        "entries": sum(state.seq for state in frontier.values()),
        "forked": sum(state.is_forked for state in frontier.values()),
        "root": root(frontier).hex(),
    }


def _peer_json(peer: PeerStatus) -> dict[str, Any]:
    return {
        "cid": peer.cid.hex(),
        "wid": peer.wid.hex(),
        "url": peer.url,
        "since_ms": peer.since_ms,
        "is_dialled": peer.is_dialled,
        "in_sync": peer.in_sync,
    }
