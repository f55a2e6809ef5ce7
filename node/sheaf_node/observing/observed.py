"""What is seen of a node at one moment: plain values, from which `metrics` are made."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from sheaf_node.observing.backup_age import last_backup_ms
from sheaf_protocol.digest import short
from sheaf_protocol.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from sheaf_node.hosting import Hosts
    from sheaf_node.observing.beside import Beside
    from sheaf_node.observing.commits import Commits
    from sheaf_node.observing.watching import Watching
    from sheaf_node.peering import Peering
    from sheaf_node.plugins import ServiceHost
    from sheaf_node.plugins.host import Parts
    from sheaf_node.recovery import Standing
    from sheaf_node.store import Store

MAX_COUNTS: Final = 16
"""What one service may count in one federation."""
_NAME: Final = re.compile(r"[a-z][a-z_]{0,39}")
_LOG = logging.getLogger("sheaf.observing")


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenPeer:
    """A linked peer."""

    lag_s: float
    clock_lead_s: float | None
    """None until it pushed an entry of its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """A node at one moment. Ids are given by their first digits."""

    version: str
    coop: str
    stored: Mapping[tuple[str, str], int]
    """Entries made durable, by author and class of kind."""
    sent: Mapping[str, int]
    received: Mapping[str, int]
    held: Mapping[str, tuple[int, int]]
    """Entries and bytes by federation."""
    buckets: list[int]
    commit_sum_s: float
    plain: Mapping[str, float | None]
    """Metrics without labels, by name; None where there is nothing to tell."""
    dials: Mapping[str, bool]
    """Whether each configured peer is linked, by host and port."""
    peers: Mapping[tuple[str, str], SeenPeer]
    """Linked peers by writer and co-op."""
    counts: Mapping[tuple[str, str, str], int]
    """What services count, by service, federation and name."""
    beside: Beside
    now_ms: int


class Observing:
    """Looks at one node."""

    def __init__(
        self,
        home: Path,
        parts: Parts,
        *,
        hosts: Hosts,
        peering: Peering,
        standing: Standing,
        commits: Commits,
        watching: Watching,
        version: str,
    ) -> None:
        self._home, self._parts, self._hosts, self._peering = home, parts, hosts, peering
        self._standing, self._commits, self._watching = standing, commits, watching
        self._version = version

    def look(self, beside: Beside) -> Observed:
        """Return what is seen now, and what was seen beside the logs.

        Raises Refusal `store.*` where the store has failed.
        """
        traffic, commits = self._peering.traffic, self._commits
        return Observed(
            version=self._version,
            coop=short(self._parts.keyring.cid),
            stored=dict(commits.entries),
            sent=dict(traffic.sent),
            received=dict(traffic.received),
            held=_held(self._parts.store),
            buckets=list(commits.buckets),
            commit_sum_s=commits.sum_s,
            plain=self._plain(),
            dials=self._dials(),
            peers=self._peers(),
            counts=_counts(self._hosts),
            beside=beside,
            now_ms=self._parts.clock.now_ms(),
        )

    def _plain(self) -> dict[str, float | None]:
        parts, hosts = self._parts, list(self._hosts)
        quota, now_ms = parts.ingest.quota, parts.clock.now_ms()
        writer = parts.store.key_logs[parts.keyring.cid].writers.get(parts.keyring.wid)
        return {
            "sheaf_authors_full": len(quota.full(parts.store.usage)),
            "sheaf_backup_age_seconds": _seconds(now_ms, last_backup_ms(self._home)),
            "sheaf_commits_pending": self._commits.pending,
            "sheaf_disk_free_bytes": quota.free_bytes,
            "sheaf_disk_reserve_bytes": quota.reserve_bytes,
            "sheaf_entries_damaged": len(parts.store.damages),
            "sheaf_entries_rejected_total": parts.ingest.rejected,
            "sheaf_federations_halted": sum(
                federation.is_forked for federation in parts.ingest.federations.values()
            ),
            "sheaf_links": len(self._peering.peers()),
            "sheaf_loop_delay_seconds": self._watching.late_s,
            "sheaf_may_sign": _may_sign(self._standing),
            "sheaf_services_refused": sum(host.refused is not None for host in hosts),
            "sheaf_services_stopped": sum(host.is_stopped for host in hosts),
            "sheaf_writer_ends_seconds": (
                None
                if writer is None or writer.expires_ms is None
                else (writer.expires_ms - now_ms) / 1_000
            ),
        }

    def _dials(self) -> dict[str, bool]:
        """Return whether each configured peer is linked; of an address only host and port."""
        return {
            urlsplit(dial.url).netloc.rpartition("@")[2]: dial.is_linked
            for dial in self._peering.dials()
        }

    def _peers(self) -> dict[tuple[str, str], SeenPeer]:
        leads = self._peering.traffic.clock_lead_ms
        return {
            (short(peer.wid), short(peer.cid)): SeenPeer(
                lag_s=self._watching.lag_s(peer.wid),
                clock_lead_s=leads[peer.wid] / 1_000 if peer.wid in leads else None,
            )
            for peer in self._peering.peers()
        }


def _held(store: Store) -> dict[str, tuple[int, int]]:
    held: dict[str, tuple[int, int]] = {}
    for (fid, _), used in store.usage.items():
        entries, size = held.get(short(fid), (0, 0))
        held[short(fid)] = (entries + used.entries, size + used.bytes)
    return held


def _seconds(now_ms: int, then_ms: int | None) -> float | None:
    return None if then_ms is None else max(now_ms - then_ms, 0) / 1_000


def _may_sign(standing: Standing) -> bool:
    try:
        standing.require_publishing(["verdict"])
    except LocalProtocolError:
        return False
    return True


def _counts(hosts: Iterable[ServiceHost]) -> dict[tuple[str, str, str], int]:
    return {
        (host.name, short(host.federation.fid), name): count
        for host in hosts
        for name, count in _counts_of(host)
    }


def _counts_of(host: ServiceHost) -> Iterator[tuple[str, int]]:
    """Yield what a service counts, if it says so and is sound; what is no count is left out."""
    if host.is_stopped:
        return
    try:
        counts: Mapping[Any, Any] = dict(getattr(host.service, "counts", None) or {})
    except Exception:
        # A fault of its own, which is not to hide what the rest of the node has to tell.
        _LOG.exception("service %s cannot count", host.name)
        return
    for name, count in islice(counts.items(), MAX_COUNTS):
        if isinstance(name, str) and _NAME.fullmatch(name) and type(count) is int:
            yield name, count
