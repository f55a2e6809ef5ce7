"""The ServiceContext of a service in a process of its own: made of what its feed tells."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from sheaf_node.charter_file import federation_of, read_charter_file
from sheaf_node.plugins.inside import require_granted, spoken_kind
from sheaf_node.plugins.storage import no_storage
from sheaf_node.remote.wire import Publication, value_of
from sheaf_protocol.digest import CoopId, EntryId, WriterId
from sheaf_protocol.identity import fold_key_log
from sheaf_protocol.lineage import Link
from sheaf_protocol.log import Head

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sheaf_node.plugins.manifest import Manifest
    from sheaf_node.plugins.service import Extension
    from sheaf_node.plugins.storage import Storage
    from sheaf_node.remote.wire import LogHead, Place, Step, Welcome
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.identity import KeyLog
    from sheaf_protocol.records import Record


@dataclass(frozen=True, kw_only=True, slots=True)
class Members:
    """A federation and the key logs of its co-ops, as a charter file has them."""

    federation: Federation
    key_logs: Mapping[CoopId, KeyLog]


def read_members(data: bytes) -> Members:
    """Return what a charter file says, checked. Raises Refusal, RemoteProtocolError `charter.*`."""
    current = read_charter_file(data)
    logs = {log.cid: log for log in map(fold_key_log, current.key_logs)}
    return Members(federation=federation_of(current), key_logs=logs)


class RemoteContext:
    """What a service sees of its node. Requests are sent with the answer to a step."""

    def __init__(
        self,
        welcome: Welcome,
        manifest: Manifest,
        members: Members,
        storage: Storage | None,
    ) -> None:
        self.cid, self.wid = CoopId(bytes.fromhex(welcome.cid)), _writer(welcome.wid)
        self.line = _writer(welcome.line)
        self.members = members
        self.control = welcome.control
        self.wake_ms: int | None = None
        self.publications: list[Publication] = []
        self.jobs: dict[str, tuple[Callable[..., object], tuple[object, ...]]] = {}
        self._manifest, self._storage = manifest, storage
        self._now_ms = welcome.now_ms
        self._heads: dict[tuple[CoopId, WriterId], LogHead] = {}
        self._links: dict[tuple[CoopId, WriterId], Link] = {}
        self._forked: set[tuple[CoopId, WriterId]] = set()

    def begin(self, step: Step) -> None:
        """Let the time stand still, and note what the step tells of logs."""
        self._now_ms, self.wake_ms = step.now_ms, None
        for head in step.heads:
            self._heads[CoopId(bytes.fromhex(head.cid)), _writer(head.wid)] = head
            self.note_link(head.cid, head.wid, link_of(head.link))
        self._forked = {(CoopId(bytes.fromhex(c)), _writer(w)) for c, w in step.forked}

    def note_link(self, cid: str, wid: str, link: Link | None) -> None:
        """Note where a writer stands in its line."""
        if link is not None:
            self._links[CoopId(bytes.fromhex(cid)), _writer(wid)] = link

    def forget(self) -> None:
        """Forget what was asked for in this step."""
        self.publications.clear()
        self.jobs.clear()

    @property
    def federation(self) -> Federation:
        """The federation that the service works in."""
        return self.members.federation

    @property
    def storage(self) -> Storage:
        """What the service keeps. Raises Refusal `service.storage` where it asked for none."""
        if self._storage is None:
            raise no_storage(self._manifest.name)
        return self._storage

    def place_of(self, cid: CoopId, wid: WriterId, seq: int) -> tuple[WriterId, int]:
        """Return the line of a writer, and where an entry of its log stands in it."""
        link = self._links.get((cid, wid))
        return (wid, seq) if link is None else (link.root, link.place_of(seq))

    def now_ms(self) -> int:
        """Return the node's clock, as it stood when the step began."""
        return self._now_ms

    def name_of(self, cid: CoopId) -> str:
        """Return a co-op's name."""
        return self.members.key_logs[cid].name

    def random(self, size: int) -> bytes:
        """Return random bytes."""
        return os.urandom(size)

    def has_fork(self, cid: CoopId, wid: WriterId) -> bool:
        """Return whether a writer is proven to have forked its log."""
        return (cid, wid) in self._forked

    def heads(self) -> Sequence[tuple[CoopId, WriterId, Head]]:
        """Return how far each log was folded, in the order of log ids."""
        return [
            (cid, wid, Head(seq=head.seq, id=EntryId(bytes.fromhex(head.id)), time_ms=head.time_ms))
            for (cid, wid), head in sorted(self._heads.items(), key=lambda item: item[1].log)
        ]

    def publish(
        self, record: Record | Extension, *, refs: Sequence[EntryId] = (), to: Sequence[CoopId] = ()
    ) -> None:
        """Ask for a record to be appended. Raises Refusal `service.kind`."""
        kind = spoken_kind(record)
        require_granted(kind, self._manifest)
        self.publications.append(
            Publication(
                kind=kind,
                record=msgspec.Raw(msgspec.json.encode(value_of(record))),
                refs=[ref.hex() for ref in refs],
                to=[cid.hex() for cid in to],
            )
        )

    def can_seal_to(self, cid: CoopId) -> bool:
        """Return whether a co-op has a sealing key that is valid now."""
        log = self.members.key_logs.get(cid)
        return log is not None and log.prekey_at(self._now_ms) is not None

    def wake_at(self, time_ms: int) -> None:
        """Ask for a decision at this time at the latest."""
        self.wake_ms = time_ms if self.wake_ms is None else min(self.wake_ms, time_ms)

    def run(self, key: str, function: Callable[..., object], *args: object) -> None:
        """Ask for a computation in a process of its own."""
        self.jobs.setdefault(key, (function, args))


def link_of(place: Place | None) -> Link | None:
    """Return where a writer stands in its line, without what only a node's reader needs."""
    if place is None:
        return None
    return Link(
        writers=tuple(_writer(wid) for wid in place.writers),
        before=place.before,
        ends=place.ends,
        begins=place.begins,
    )


def _writer(text: str) -> WriterId:
    return WriterId(bytes.fromhex(text))
