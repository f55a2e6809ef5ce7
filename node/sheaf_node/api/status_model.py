"""What `GET /api/v1/status` answers, as structs; docs/local-api.md explains it."""

from __future__ import annotations

from typing import Literal

import msgspec

from sheaf_node.api.models import Count, Hex


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """What of the disk is free."""

    free_bytes: Count | None
    reserve_bytes: Count
    is_full: bool


class FullCoop(msgspec.Struct, frozen=True, kw_only=True):
    """A co-op of which no more is taken, in one federation."""

    fid: Hex
    cid: Hex
    entries: Count
    bytes: Count


class DamagedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that is not as it was written."""

    arrival: Count
    cid: Hex | None
    seq: Count | None
    detail: str


class UnreadableEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A private body that came for us and cannot be opened."""

    id: Hex
    cid: Hex
    code: str


class KnownFederation(msgspec.Struct, frozen=True, kw_only=True):
    """A federation as its newest certificate has it."""

    fid: Hex
    id: Hex
    name: str
    epoch: Count
    members: Count
    is_forked: bool


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """The change that ended our membership."""

    action: str
    epoch: Count
    id: Hex


class RunningService(msgspec.Struct, frozen=True, kw_only=True):
    """A service in one federation."""

    is_stopped: bool
    refused: str | None


class OwnFederation(KnownFederation, frozen=True, kw_only=True):
    """A federation that we are or were a member of, and what is held of it."""

    policy_version: Count
    conflicting: list[Hex]
    is_member: bool
    roles: list[str]
    is_suspended: bool
    ended_by: Ending | None
    services: dict[str, RunningService]
    logs: Count
    entries: Count
    forked: Count
    root: Hex


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """A link that is up."""

    cid: Hex
    wid: Hex
    url: str
    since_ms: int
    is_dialled: bool
    in_sync: bool


class Dial(msgspec.Struct, frozen=True, kw_only=True):
    """A configured peer."""

    url: str
    is_linked: bool
    reason: str | None


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the node may sign, and in words why not."""

    state: Literal["free", "in_use", "doubled", "recovering"]
    sentence: str | None
    key_missing: str | None
    peers_missing: list[str]
    waits_for: dict[str, list[str]]


class RemoteService(msgspec.Struct, frozen=True, kw_only=True):
    """A service that runs as a program of its own, in one federation."""

    name: str
    fid: Hex
    is_connected: bool
    seen_ms: int | None
    behind: Count
    refused: str | None
    refusals: Count


class WebhookBacklog(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook has not got rid of."""

    id: str
    host: str
    state: str
    waiting: Count
    dead: Count
    oldest_ms: int | None


class SeatCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many seats there are, and how many of their links wait for an answer."""

    seats: Count
    open_links: Count


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What a node is, holds and is linked to."""

    name: str
    cid: Hex
    wid: Hex
    store_id: Hex
    process: int
    arrival: Count
    rejected: Count
    disk: Disk
    full: list[FullCoop]
    damaged: list[DamagedEntry]
    services: list[str]
    stopped: list[str]
    refused: dict[str, str]
    unreadable: list[UnreadableEntry]
    not_subscribed: dict[str, list[str]]
    federations: list[OwnFederation]
    joining: list[KnownFederation]
    partners: list[KnownFederation]
    peers: list[Peer]
    dials: list[Dial]
    recovery: Recovery
    remote: list[RemoteService]
    webhooks: list[WebhookBacklog]
    seats: SeatCounts
