"""Which logs a node leaves with its peers: retired ones, those that it promised to take no more of,
and those there is no room for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

    from sheaf_node.ingest import Ingest
    from sheaf_node.store import Store
    from sheaf_protocol.digest import FederationId, LogId


class _Everything:
    def __contains__(self, log: object) -> bool:
        return True


class _Left:
    """The logs left, looked up one by one: few are asked about, and of most a glance tells."""

    def __init__(self, store: Store, ingest: Ingest, fid: FederationId) -> None:
        self._store, self._ingest, self._fid = store, ingest, fid
        self._set_aside = store.retired | ingest.held_back()
        self._left_out: frozenset[LogId] | None = None

    def __contains__(self, log: object) -> bool:
        if log in self._set_aside:
            return True
        store, quota, fid = self._store, self._ingest.quota, self._fid
        held = store.logs.get(log)  # type: ignore[call-overload]  # what is no log is not there
        if held is not None and held.fid == fid:
            used = store.usage.get((fid, held.cid))
            return used is not None and quota.is_full(held.cid, used)
        if self._left_out is None:
            told = {log: each for log, each in store.logs.items() if log not in store.retired}
            self._left_out = quota.logs_left_out(fid, store.usage, store.key_logs, told)
        return log in self._left_out


def logs_left(store: Store, ingest: Ingest, fid: FederationId) -> Container[LogId]:
    """Return the logs of a federation that are not to be asked for as things stand."""
    return _Left(store, ingest, fid) if ingest.quota.has_disk else _Everything()
