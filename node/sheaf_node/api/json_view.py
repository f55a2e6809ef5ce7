"""What the local API answers, as plain JSON values."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET

from sheaf_protocol.charter import read_charter
from sheaf_protocol.digest import ZERO, EntryId
from sheaf_protocol.envelope import SEALED, body_of
from sheaf_protocol.errors import Refusal, RemoteProtocolError
from sheaf_protocol.frontier import root
from sheaf_protocol.json_view import from_json, read_json, to_json
from sheaf_protocol.records import KINDS, PRIVATE, Record, decode_record
from sheaf_protocol.subscription import wants_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sheaf_node.ingest import Ingest
    from sheaf_node.keyring import Keyring
    from sheaf_node.peering import DialStatus, PeerStatus
    from sheaf_node.plugins import ServiceHost
    from sheaf_node.store import Store, StoredEntry
    from sheaf_node.store.scrub import Damage
    from sheaf_protocol.charter import Chain, Federation
    from sheaf_protocol.digest import CoopId, FederationId
    from sheaf_protocol.subscription import Filter


_ENDINGS: Final = frozenset({"expel", "leave"})


def entry_json(entry: StoredEntry) -> dict[str, Any]:
    """Return an entry with its record, if it is readable."""
    header = entry.header
    return {
        "arrival": entry.arrival,
        "id": entry.id.hex(),
        "fid": header.fid.hex(),
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


def _damage_json(damage: Damage) -> dict[str, Any]:
    return {
        "arrival": damage.arrival,
        "cid": None if damage.cid is None else damage.cid.hex(),
        "seq": damage.seq,
        "detail": damage.detail,
    }


def status_json(
    store: Store,
    ingest: Ingest,
    keyring: Keyring,
    *,
    peers: Sequence[PeerStatus],
    dials: Sequence[DialStatus],
    hosts: Mapping[FederationId, Mapping[str, ServiceHost]],
) -> dict[str, Any]:
    """Return what a node is, holds and is linked to.

    Of services in several federations `stopped` and `refused` tell of those in trouble anywhere.
    """
    services = [(name, host) for inside in hosts.values() for name, host in sorted(inside.items())]
    joining = [fid for fid in ingest.foreign if fid in ingest.adopted]
    partners = [fid for fid in ingest.foreign if fid not in ingest.adopted]
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
        "damaged": [_damage_json(damage) for damage in store.damages.values()],
        **_services_json(services),
        "not_subscribed": not_subscribed(ingest.subscription, services),
        "federations": [
            _federation_json(store, fid, federation, keyring.cid, hosts.get(fid, {}))
            for fid, federation in ingest.federations.items()
        ],
        "joining": [_known_json(fid, ingest.foreign[fid]) for fid in joining],
        "partners": [_known_json(fid, ingest.foreign[fid]) for fid in partners],
        "peers": [_peer_json(peer) for peer in peers],
        "dials": [
            {"url": dial.url, "is_linked": dial.is_linked, "reason": dial.reason} for dial in dials
        ],
    }


def _services_json(services: Sequence[tuple[str, ServiceHost]]) -> dict[str, Any]:
    """Return which services run, and what is wrong with any of them in any federation."""
    lost = {id_: cid for _, host in services for id_, cid in host.lost.items()}
    return {
        "services": sorted({name for name, _ in services}),
        "stopped": sorted({name for name, host in services if host.is_stopped}),
        "refused": {name: host.refused for name, host in services if host.refused},
        "unreadable": [
            {"id": id_.hex(), "cid": cid.hex(), "code": "seal.lost_key"}
            for id_, cid in sorted(lost.items())
        ],
    }


def not_subscribed(
    wanted: Filter, services: Iterable[tuple[str, ServiceHost]]
) -> dict[str, list[str]]:
    """Return of each service the kinds that it follows and whose payloads are not kept here."""
    missing = {
        name: sorted(kind for kind in host.follows if not wants_kind(wanted, travels_as(kind)))
        for name, host in services
    }
    return {name: kinds for name, kinds in missing.items() if kinds}


def travels_as(kind: str) -> str:
    """Return the kind in the header of a record's entry."""
    return SEALED if kind in PRIVATE else kind


def _known_json(fid: FederationId, federation: Federation) -> dict[str, Any]:
    """Return a federation as its newest certificate has it."""
    charter = federation.charter
    return {
        "fid": fid.hex(),
        "id": federation.id.hex(),
        "name": charter.name,
        "epoch": charter.epoch,
        "members": len(charter.members),
        "is_forked": federation.is_forked,
    }


def _federation_json(
    store: Store,
    fid: FederationId,
    federation: Federation,
    own: CoopId,
    hosts: Mapping[str, ServiceHost],
) -> dict[str, Any]:
    """Return a federation that we are or were a member of, and what is held of it."""
    frontier = store.frontier(fid)
    ours = federation.members.get(own)
    return {
        **_known_json(fid, federation),
        "policy_version": federation.charter.policy.version,
        "conflicting": [certificate.id.hex() for certificate in store.chains[fid].fork],
        "is_member": ours is not None,
        "roles": [] if ours is None else ours.roles,
        "is_suspended": ours is not None and ours.is_suspended,
        "ended_by": None if ours is not None else _ended_by(store.chains[fid], own),
        "services": {
            name: {"is_stopped": host.is_stopped, "refused": host.refused}
            for name, host in sorted(hosts.items())
        },
        "logs": len(frontier),
        "entries": sum(state.seq for state in frontier.values()),
        "forked": sum(state.is_forked for state in frontier.values()),
        "root": root(frontier).hex(),
    }


def _ended_by(chain: Chain, own: CoopId) -> dict[str, Any] | None:
    """Return what ended our membership: the newest change by which our co-op left."""
    for link in reversed(list(chain.links.values())):
        charter = read_charter(link.certificate)
        change = charter.change
        if link.is_late or change is UNSET:
            continue
        if change.cid == own and change.action in _ENDINGS:
            return {"action": change.action, "epoch": charter.epoch, "id": link.id.hex()}
    return None


def _peer_json(peer: PeerStatus) -> dict[str, Any]:
    return {
        "cid": peer.cid.hex(),
        "wid": peer.wid.hex(),
        "url": peer.url,
        "since_ms": peer.since_ms,
        "is_dialled": peer.is_dialled,
        "in_sync": peer.in_sync,
    }
