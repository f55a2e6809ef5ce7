"""What a service of another process is shown: records in their order, and where to go on.

The feed keeps a cursor into the store and no record, so a service that reads slowly costs nobody
memory. An id says up to where all was shown. It is given only where that is the whole truth: where
a record came late, or over a treaty, the next connection begins anew, as it does where entries lost
their effect, writers turned out to follow one another otherwise, or the node was started again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_node.plugins.context import Context
from sheaf_node.plugins.reading import Reader
from sheaf_node.remote.wire import LogHead, Welcome, place_view, seen_view
from sheaf_protocol.digest import log_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    import msgspec

    from sheaf_node.plugins.host import Parts
    from sheaf_node.plugins.manifest import Manifest
    from sheaf_node.plugins.service import SeenRecord
    from sheaf_node.store import StoredEntry
    from sheaf_protocol.charter import Federation

_READ: Final = 64
"""Entries read before the loop gets its turn again; as JSON some 8 MiB at the very most."""
_ID: Final = re.compile(r"([0-9]{1,16})\.([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a feed."""

    name: str
    data: msgspec.Struct
    id: str | None = None
    """Where to go on behind it; empty where the next connection begins anew, None as before."""


class Feed:
    """What one service is shown in one federation, over any number of connections in turn."""

    def __init__(self, parts: Parts, federation: Federation, manifest: Manifest) -> None:
        self._parts, self._federation, self._manifest = parts, federation, manifest
        self._follows = frozenset(manifest.follows)
        self._abroad = frozenset(manifest.follows_abroad)
        self._crossings = parts.crossings.into(
            federation.fid, store=parts.store, ingest=parts.ingest, arrivals=parts.arrivals
        )
        self._generation, self._shown, self._is_exact = "", 0, True
        self._begin()

    @property
    def cursor(self) -> int:
        """The arrival number up to which all was read."""
        return self.reader.cursor

    def connect(self, last: str | None) -> bool:
        """Begin a connection behind an id of an earlier one; return whether it begins anew."""
        match = None if last is None else _ID.fullmatch(last)
        goes_on = (
            match is not None
            and match[2] == self._generation
            and int(match[1]) <= self.cursor
            and self._is_exact
            and not self._is_outdated
        )
        behind, generation = (int(match[1]), self._generation) if match and goes_on else (0, "")
        self._begin_anew()
        self._shown = behind
        self._generation = generation or self._generation
        return not goes_on

    def welcome(self, service: str, *, begins_anew: bool, schema_version: int) -> Welcome:
        """Return what a connection begins with."""
        self.context.begin()
        return Welcome(
            service=service,
            fid=self._federation.fid.hex(),
            cid=self.context.cid.hex(),
            wid=self.context.wid.hex(),
            line=self.context.line.hex(),
            now_ms=self.context.now_ms(),
            control=self._parts.arrivals.control,
            begins_anew=begins_anew,
            schema_version=schema_version,
        )

    def read(self) -> tuple[list[Event], bool] | None:
        """Return the next records and whether more may follow at once.

        None where what was shown counts no more: the service is to forget it, and all comes anew.
        """
        if self._is_outdated:
            self._begin_anew()
            return None
        before = self.cursor
        batch = self.reader.next_batch(
            _READ,
            self._follows,
            sees_contested=self._manifest.sees_contested,
            abroad=self._abroad,
        )
        if self.reader.is_outdated:
            self._begin_anew()
            return None
        events = [self._event(seen, before) for seen in batch.records]
        return [event for event in events if event is not None], bool(batch)

    def id(self) -> str:
        """Return where to go on behind all that was read."""
        if not self._is_exact or self.reader.is_waiting:
            return ""
        return f"{self.cursor}.{self._generation}"

    def news(self) -> list[LogHead]:
        """Return the heads of logs that moved since this was last asked."""
        moved = []
        for cid, wid, head in self.reader.heads():
            row = LogHead(
                log=log_id(self._federation.fid, cid, wid).hex(),
                cid=cid.hex(),
                wid=wid.hex(),
                seq=head.seq,
                id=head.id.hex(),
                time_ms=head.time_ms,
                link=place_view(self.reader.lineages.show(cid, wid)),
            )
            if self._heads.get((cid, wid)) != row:
                self._heads[cid, wid] = row
                moved.append(row)
        return moved

    def forked(self) -> list[list[str]]:
        """Return the logs that are proven to have forked."""
        logs = self._parts.store.logs.items()
        fid = self._federation.fid
        held = [(log.cid, log.wid) for _, log in logs if log.forked_at and log.fid == fid]
        return sorted([cid.hex(), wid.hex()] for cid, wid in held)

    @property
    def _is_outdated(self) -> bool:
        voids = self._parts.store.voids_in(self._federation.fid)
        return self._voids != voids or self.reader.is_outdated

    def _begin_anew(self) -> None:
        # What was found of lines is found at once again: else each would be read twice.
        self._begin(self.reader.lineages.known())

    def _begin(self, successions: Sequence[StoredEntry] = ()) -> None:
        parts = self._parts
        self._voids = parts.store.voids_in(self._federation.fid)
        self.reader = Reader(
            parts.store,
            parts.keyring,
            self._federation,
            parts.ingest.subscription,
            self._crossings,
            now_ms=parts.clock.now_ms,
        )
        self.reader.lineages.take_up(successions)
        self.context = Context(parts, self._federation, self.reader)
        self._generation = parts.random(4).hex()
        self._shown, self._is_exact = 0, True
        self._heads: dict[tuple[bytes, bytes], LogHead] = {}

    def _event(self, seen: SeenRecord, before: int) -> Event | None:
        """Return the event of a record; None where an earlier connection had it."""
        entry = None if seen.home is not None else self._parts.store.entry(seen.id)
        if entry is None or seen.is_contested or entry.arrival <= before:
            self._is_exact = False
            return Event("record", seen_view(seen), "")
        if entry.arrival <= self._shown:
            return None
        id_ = f"{entry.arrival}.{self._generation}"
        exact = self._is_exact and not self.reader.is_waiting
        return Event("record", seen_view(seen), id_ if exact else "")
