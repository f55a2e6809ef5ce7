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


def logs_left(store: Store, ingest: Ingest, fid: FederationId) -> Container[LogId]:
    """Return the logs of a federation that are not to be asked for as things stand."""
    if not ingest.quota.has_disk:
        return _Everything()
    told = {log: held for log, held in store.logs.items() if log not in store.retired}
    quota = ingest.quota
    left = store.retired | ingest.held_back()
    return left | quota.logs_left_out(fid, store.usage, store.key_logs, told)
