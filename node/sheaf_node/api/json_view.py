"""What the local API answers of what a node holds."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET

from sheaf_node.api.models import Entry
from sheaf_node.api.reading import body_refusal
from sheaf_node.api.status_model import (
    DamagedEntry,
    Dial,
    Disk,
    Ending,
    FullCoop,
    KnownFederation,
    OwnFederation,
    Peer,
    Recovery,
    RemoteService,
    RunningService,
    SeatCounts,
    Status,
    UnreadableEntry,
    WebhookBacklog,
)
from sheaf_node.observing.beside import NOTHING
from sheaf_node.recovery import report
from sheaf_protocol.charter import read_charter
from sheaf_protocol.envelope import SEALED, body_of
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.frontier import root
from sheaf_protocol.json_view import from_json, read_json, to_json
from sheaf_protocol.records import KINDS, PRIVATE, Record, decode_record
from sheaf_protocol.records.extension import extension_json, is_extension
from sheaf_protocol.subscription import wants_kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sheaf_node.api.extension import Fitting
    from sheaf_node.api.models import NewRecord
    from sheaf_node.ingest import Ingest
    from sheaf_node.keyring import Keyring
    from sheaf_node.observing.beside import Beside
    from sheaf_node.peering import DialStatus, PeerStatus
    from sheaf_node.plugins import ServiceHost
    from sheaf_node.recovery import Standing
    from sheaf_node.store import Store, StoredEntry
    from sheaf_node.store.scrub import Damage
    from sheaf_protocol.charter import Chain, Federation
    from sheaf_protocol.digest import CoopId, FederationId
    from sheaf_protocol.subscription import Filter


_ENDINGS: Final = frozenset({"expel", "leave"})


def entry_json(entry: StoredEntry, fitting: Fitting | None = None) -> Entry:
    """Return an entry with its record, if it is readable; `fitting` looks at an extension's."""
    header, record = entry.header, _record_json(entry)
    return Entry(
        arrival=entry.arrival,
        id=entry.id.hex(),
        fid=header.fid.hex(),
        cid=header.cid.hex(),
        wid=header.wid.hex(),
        seq=header.seq,
        kind=entry.kind,
        time_ms=header.time_ms,
        refs=[ref.hex() for ref in header.refs],
        no_effect=entry.no_effect,
        absence=entry.absence,
        record=record,
        misfit=None if fitting is None else fitting.misfit(entry.kind, record),
    )


def _record_json(entry: StoredEntry) -> Any:
    if not entry.envelope.payload or entry.absence is not None:
        return None
    if is_extension(entry.kind):
        return extension_json(body_of(entry.envelope.payload))
    try:
        record = decode_record(entry.kind, body_of(entry.envelope.payload))
    except RemoteProtocolError:
        return None
    return None if record is None else to_json(record)


def record_from_json(kind: str, posted: NewRecord) -> Record:
    """Return the record of a posted body.

    `kind` is a known one. Raises BodyRefusal `schema.invalid`.
    """
    try:
        return from_json(read_json(bytes(posted.record)), KINDS[kind])
    except LocalProtocolError as exc:
        raise body_refusal(exc.code, exc.detail, "/record") from exc


def status_json(
    store: Store,
    ingest: Ingest,
    keyring: Keyring,
    *,
    peers: Sequence[PeerStatus],
    dials: Sequence[DialStatus],
    hosts: Mapping[FederationId, Mapping[str, ServiceHost]],
    standing: Standing | None = None,
    down: Collection[str] = (),
    beside: Beside = NOTHING,
) -> Status:
    """Return what a node is, holds and is linked to.

    Of services in several federations `stopped` and `refused` tell of those in trouble anywhere;
    `down` are those whose process has ended.
    """
    services = [(name, host) for inside in hosts.values() for name, host in sorted(inside.items())]
    joining = [fid for fid in ingest.known.foreign if fid in ingest.known.adopted]
    partners = [fid for fid in ingest.known.foreign if fid not in ingest.known.adopted]
    lost = {id_: cid for _, host in services for id_, cid in host.lost.items()}
    return Status(
        name=store.key_logs[keyring.cid].name,
        cid=keyring.cid.hex(),
        wid=keyring.wid.hex(),
        store_id=store.store_id.hex(),
        process=os.getpid(),
        arrival=store.arrival,
        rejected=ingest.rejected,
        disk=Disk(
            free_bytes=ingest.quota.free_bytes,
            reserve_bytes=ingest.quota.reserve_bytes,
            is_full=not ingest.quota.has_disk,
        ),
        full=[
            FullCoop(fid=fid.hex(), cid=cid.hex(), entries=used.entries, bytes=used.bytes)
            for (fid, cid), used in ingest.quota.full(store.usage).items()
        ],
        damaged=[_damage_json(damage) for damage in store.damages.values()],
        services=sorted({name for name, _ in services}),
        stopped=sorted({name for name, host in services if host.is_stopped} | set(down)),
        refused={name: host.refused for name, host in services if host.refused},
        unreadable=[
            UnreadableEntry(id=id_.hex(), cid=cid.hex(), code="seal.lost_key")
            for id_, cid in sorted(lost.items())
        ],
        not_subscribed=not_subscribed(ingest.subscription, services),
        federations=[
            _federation_json(store, fid, federation, keyring.cid, hosts.get(fid, {}))
            for fid, federation in ingest.federations.items()
        ],
        joining=[_known_json(fid, ingest.known.foreign[fid]) for fid in joining],
        partners=[_known_json(fid, ingest.known.foreign[fid]) for fid in partners],
        peers=[_peer_json(peer) for peer in peers],
        dials=[Dial(url=dial.url, is_linked=dial.is_linked, reason=dial.reason) for dial in dials],
        recovery=msgspec.convert(report(standing), Recovery),
        remote=[RemoteService(**asdict(each)) for each in beside.services],
        webhooks=[WebhookBacklog(**asdict(each)) for each in beside.webhooks],
        seats=SeatCounts(seats=beside.seats, open_links=beside.open_links),
    )


def _damage_json(damage: Damage) -> DamagedEntry:
    return DamagedEntry(
        arrival=damage.arrival,
        cid=None if damage.cid is None else damage.cid.hex(),
        seq=damage.seq,
        detail=damage.detail,
    )


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


def _known_json(fid: FederationId, federation: Federation) -> KnownFederation:
    """Return a federation as its newest certificate has it."""
    charter = federation.charter
    return KnownFederation(
        fid=fid.hex(),
        id=federation.id.hex(),
        name=charter.name,
        epoch=charter.epoch,
        members=len(charter.members),
        is_forked=federation.is_forked,
    )


def _federation_json(
    store: Store,
    fid: FederationId,
    federation: Federation,
    own: CoopId,
    hosts: Mapping[str, ServiceHost],
) -> OwnFederation:
    """Return a federation that we are or were a member of, and what is held of it."""
    frontier = store.frontier(fid)
    ours = federation.members.get(own)
    return OwnFederation(
        **msgspec.structs.asdict(_known_json(fid, federation)),
        policy_version=federation.charter.policy.version,
        conflicting=[certificate.id.hex() for certificate in store.chains[fid].fork],
        is_member=ours is not None,
        roles=[] if ours is None else list(ours.roles),
        is_suspended=ours is not None and ours.is_suspended,
        ended_by=None if ours is not None else _ended_by(store.chains[fid], own),
        services={
            name: RunningService(is_stopped=host.is_stopped, refused=host.refused)
            for name, host in sorted(hosts.items())
        },
        logs=len(frontier),
        entries=sum(state.seq for state in frontier.values()),
        forked=sum(state.is_forked for state in frontier.values()),
        root=root(frontier).hex(),
    )


def _ended_by(chain: Chain, own: CoopId) -> Ending | None:
    """Return what ended our membership: the newest change by which our co-op left."""
    for link in reversed(list(chain.links.values())):
        charter = read_charter(link.certificate)
        change = charter.change
        if link.is_late or change is UNSET:
            continue
        if change.cid == own and change.action in _ENDINGS:
            return Ending(action=change.action, epoch=charter.epoch, id=link.id.hex())
    return None


def _peer_json(peer: PeerStatus) -> Peer:
    return Peer(
        cid=peer.cid.hex(),
        wid=peer.wid.hex(),
        url=peer.url,
        since_ms=peer.since_ms,
        is_dialled=peer.is_dialled,
        in_sync=peer.in_sync,
    )
