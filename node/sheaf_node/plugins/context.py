"""What a host gives its service: what it may know of its node, and what it may ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.plugins.writing import Publications
from sheaf_protocol.digest import log_id
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sheaf_node.plugins.host import Parts
    from sheaf_node.plugins.reading import Reader
    from sheaf_node.plugins.service import Extension
    from sheaf_node.plugins.storage import Storage
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.digest import CoopId, EntryId, WriterId
    from sheaf_protocol.log import Head
    from sheaf_protocol.records import Record


class Context:
    """The ServiceContext that a host gives to its service."""

    def __init__(self, parts: Parts, federation: Federation, reader: Reader) -> None:
        self._parts = parts
        self._federation = federation
        self._reader = reader
        self.publications = Publications()
        self.wake_ms: int | None = None
        self._now_ms = 0
        self.begin()
        self.jobs: dict[str, tuple[Callable[..., object], tuple[object, ...]]] = {}

    @property
    def cid(self) -> CoopId:
        """The co-op that runs this node."""
        return self._parts.keyring.cid

    @property
    def wid(self) -> WriterId:
        """The writer under which it publishes."""
        return self._parts.keyring.wid

    @property
    def line(self) -> WriterId:
        """The line that this writer is of."""
        return self._reader.line_of(self.cid, self.wid)

    def place_of(self, cid: CoopId, wid: WriterId, seq: int) -> tuple[WriterId, int]:
        """Return the line of a writer, and where an entry of its log stands in it."""
        return self._reader.place_of(cid, wid, seq)

    @property
    def federation(self) -> Federation:
        """The federation that the service works in, as its newest certificate has it."""
        return self._parts.ingest.federations.get(self._federation.fid, self._federation)

    def begin(self) -> None:
        """Let the time stand still at now, for one turn of the service.

        What it decides is signed at that time. A log does not run backwards (LOG-5): where our
        clock was set back the time of our newest entry is now, else a deadline would be kept by the
        one and broken by the other.
        """
        held = self._parts.store.logs.get(log_id(self._federation.fid, self.cid, self.wid))
        newest_ms = 0 if held is None else held.head.time_ms
        self._now_ms = max(self._parts.clock.now_ms(), newest_ms)

    def now_ms(self) -> int:
        """Return the node's own clock, as it stood when the turn began."""
        return self._now_ms

    def name_of(self, cid: CoopId) -> str:
        """Return a co-op's name."""
        return self._parts.store.key_logs[cid].name

    def random(self, size: int) -> bytes:
        """Return random bytes."""
        return self._parts.random(size)

    def has_fork(self, cid: CoopId, wid: WriterId) -> bool:
        """Return whether a fork proof is held against a writer's log."""
        held = self._parts.store.logs.get(log_id(self._federation.fid, cid, wid))
        return held is not None and held.forked_at is not None

    def heads(self) -> Sequence[tuple[CoopId, WriterId, Head]]:
        """Return how far each log was folded."""
        return self._reader.heads()

    def publish(
        self, record: Record | Extension, *, refs: Sequence[EntryId] = (), to: Sequence[CoopId] = ()
    ) -> None:
        """Ask for a record to be appended when the turn ends."""
        self.publications.add(record, refs, to)

    def can_seal_to(self, cid: CoopId) -> bool:
        """Return whether a co-op has a sealing key that is valid now."""
        log = self._parts.store.key_logs.get(cid)
        return log is not None and log.prekey_at(self.now_ms()) is not None

    def wake_at(self, time_ms: int) -> None:
        """Ask for a decision at this time at the latest."""
        self.wake_ms = time_ms if self.wake_ms is None else min(self.wake_ms, time_ms)

    def run(self, key: str, function: Callable[..., object], *args: object) -> None:
        """Ask for a computation in a process of its own."""
        self.jobs.setdefault(key, (function, args))

    @property
    def storage(self) -> Storage:
        """Refuse: what is granted to a service stands in its manifest (see `inside`)."""
        raise Refusal("service.storage", "expected a service that was added with a manifest")

    def forget(self) -> None:
        """Forget what was asked for and not carried out yet."""
        self.publications.clear()
        self.jobs.clear()
