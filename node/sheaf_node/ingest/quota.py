"""How much of others a node keeps: a bound for each co-op and federation, and for the disk.

Nothing is invalid because of these bounds, else replicas with other settings would disagree on what
counts. What is beyond them is left for later: entries are held back, not asked for, and nobody is
blamed (spec 06). Whoever raises a limit goes on from there.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sheaf_node.ingest.progress import not_yet
from sheaf_node.store.model import Usage
from sheaf_protocol.digest import log_id, short
from sheaf_protocol.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sheaf_node.config import Limits
    from sheaf_node.store.model import HeldLog
    from sheaf_node.store.planned import Planned
    from sheaf_protocol.digest import CoopId, FederationId, LogId
    from sheaf_protocol.envelope import Header
    from sheaf_protocol.identity import KeyLog

_MIB = 1 << 20


class Quota:
    """The bounds of one node."""

    def __init__(self, limits: Limits, own: CoopId, free_bytes: Callable[[], int] | None) -> None:
        self._limits, self._own, self._free_bytes = limits, own, free_bytes

    @property
    def reserve_bytes(self) -> int:
        """What is to stay free on the disk."""
        return self._limits.disk_reserve_mb * _MIB

    @property
    def free_bytes(self) -> int | None:
        """What is free on the disk; None where nobody counts."""
        return None if self._free_bytes is None else self._free_bytes()

    @property
    def has_disk(self) -> bool:
        """Whether more is free than what is to stay so."""
        free = self.free_bytes
        return free is None or free > self.reserve_bytes

    def is_full(self, cid: CoopId, usage: Usage) -> bool:
        """Return whether no more is taken of a co-op; of our own, from other writers, all is."""
        limits = self._limits
        is_beyond = usage.entries >= limits.author_entries or usage.bytes >= limits.author_bytes
        return is_beyond and cid != self._own

    def has_all_logs(self, cid: CoopId, logs: int) -> bool:
        """Return whether no other log is taken up of a co-op that has as many."""
        return logs >= self._limits.author_logs and cid != self._own

    def full(
        self, usage: Mapping[tuple[FederationId, CoopId], Usage]
    ) -> dict[tuple[FederationId, CoopId], Usage]:
        """Return the co-ops of which no more is taken, by federation."""
        return {key: used for key, used in usage.items() if self.is_full(key[1], used)}

    def logs_left_out(
        self,
        fid: FederationId,
        usage: Mapping[tuple[FederationId, CoopId], Usage],
        key_logs: Mapping[CoopId, KeyLog],
        held: Mapping[LogId, HeldLog],
    ) -> frozenset[LogId]:
        """Return the logs of a federation, held or not, that are not to be asked for.

        `held` are those held that are not retired.
        """
        full = {cid for where, cid in self.full(usage) if where == fid}
        # No co-op has more logs than entries, and most have few of both.
        may_be = {c for (_, c), used in usage.items() if self.has_all_logs(c, used.entries)}
        counts = Counter(log.cid for log in held.values() if log.fid == fid and log.cid in may_be)
        many = {cid for cid, logs in counts.items() if self.has_all_logs(cid, logs)}
        logs = (
            (cid, log_id(fid, cid, wid))
            for cid in full | many
            if cid in key_logs
            for wid in key_logs[cid].writers
        )
        return frozenset(log for cid, log in logs if cid in full or log not in held)

    def require_disk(self) -> None:
        """Return if we may write of our own accord, else raise LocalProtocolError `quota.disk`."""
        if not self.has_disk:
            raise LocalProtocolError("quota.disk", self._expected_disk())

    def meter(self, usage: Mapping[tuple[FederationId, CoopId], Usage]) -> Meter:
        """Return what counts one batch, which begins at this usage."""
        expected = None if self.has_disk else self._expected_disk()
        return Meter(self, usage, expected)

    def _expected_disk(self) -> str:
        reserve, free = self.reserve_bytes // _MIB, (self.free_bytes or 0) // _MIB
        return f"more than {reserve} MiB free on the disk (limits.disk_reserve_mb), got {free}"


class Meter:
    """What the entries of a batch add to what is kept."""

    def __init__(
        self,
        quota: Quota,
        usage: Mapping[tuple[FederationId, CoopId], Usage],
        expected_disk: str | None,
    ) -> None:
        self._quota, self._usage, self._expected_disk = quota, usage, expected_disk
        self._added: dict[tuple[FederationId, CoopId], Usage] = {}
        self._begun: dict[tuple[FederationId, CoopId], set[LogId]] = {}

    def require_room(self, header: Header) -> None:
        """Return if one more entry of this author is taken, else raise `quota.*` (not yet)."""
        if self._expected_disk is not None:
            raise not_yet("quota.disk", self._expected_disk)
        if self._quota.is_full(header.cid, self._used(header)):
            expected = f"less of co-op {short(header.cid)} in federation {short(header.fid)}"
            raise not_yet("quota.author", f"{expected} (limits.author_entries, author_bytes)")

    def require_log(self, planned: Planned, header: Header) -> None:
        """Return if the log of an entry may be taken up, else raise `quota.author` (not yet)."""
        key = (header.fid, header.cid)
        if key not in self._begun:
            self._begun[key] = planned.logs_of(header.fid, header.cid)
        logs = self._begun[key]
        if header.log not in logs and self._quota.has_all_logs(header.cid, len(logs)):
            expected = f"fewer logs of co-op {short(header.cid)} in federation {short(header.fid)}"
            raise not_yet("quota.author", f"{expected} (limits.author_logs)")
        logs.add(header.log)

    def count(self, header: Header, size: int) -> None:
        """Count an entry that is taken."""
        used = self._used(header)
        self._added[header.fid, header.cid] = Usage(used.entries + 1, used.bytes + size)

    def _used(self, header: Header) -> Usage:
        key = (header.fid, header.cid)
        return self._added.get(key) or self._usage.get(key) or Usage()
