"""The services of a home that run as programs of their own, as their grants have them right now."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from sheaf_node.kinds import Kinds
from sheaf_node.plugins.installed import Installed
from sheaf_node.plugins.storage import FileStorage, no_storage
from sheaf_node.remote.host import RemoteHost
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sheaf_node.clock import Clock
    from sheaf_node.plugins.host import Parts
    from sheaf_node.plugins.installed import Grant
    from sheaf_protocol.digest import FederationId


def elapsed_ms() -> int:
    """Return milliseconds by a clock that does not jump."""
    return time.monotonic_ns() // 1_000_000


class Remotes:
    """The hosts of these services, made when they are first asked for.

    A grant is read anew each time: one that was removed ends what runs by it.
    """

    def __init__(
        self, home: Path, parts: Parts, *, elapsed_ms: Callable[[], int] = elapsed_ms
    ) -> None:
        self._installed, self._parts, self._elapsed_ms = Installed(home), parts, elapsed_ms
        self._kinds = Kinds(home)
        self._hosts: dict[tuple[FederationId, str], RemoteHost] = {}
        self._storages: dict[str, tuple[Grant, FileStorage]] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self.down: frozenset[str] = frozenset()
        """Services whose process the node is to start again, since it ended."""

    @property
    def clock(self) -> Clock:
        """The node's clock."""
        return self._parts.clock

    def schema_version(self, name: str) -> int:
        """Return the version of values that a service was granted for; raises as `storage` does."""
        grant = self._grant(name)
        return 0 if grant is None else grant.manifest.schema_version

    def __iter__(self) -> Iterator[RemoteHost]:
        return iter(list(self._hosts.values()))

    def all(self) -> list[RemoteHost]:
        """Return the hosts of all of them, in each federation. Raises Refusal `service.file`."""
        names = [grant.manifest.name for grant in self._installed]
        found = [self.find(fid, name) for fid in self._parts.ingest.federations for name in names]
        return [host for host in found if host is not None]

    def find(self, fid: FederationId, name: str) -> RemoteHost | None:
        """Return the host of a service in a federation of ours; None where none was granted.

        Raises Refusal `service.file`.
        """
        grant = self._grant(name)
        if grant is None or fid not in self._parts.ingest.federations:
            return None
        host = self._hosts.get((fid, name))
        if host is None:
            host = self._hosts[fid, name] = RemoteHost(
                grant,
                federation=self._parts.ingest.federations[fid],
                parts=self._parts,
                kinds=self._kinds,
                schema_version=lambda: self._version(name),
                elapsed_ms=self._elapsed_ms,
            )
        return host

    def get(self, fid: FederationId, name: str) -> RemoteHost:
        """Return the same. Raises Refusal `service.unknown` where there is none."""
        host = self.find(fid, name)
        if host is None:
            detail = f"expected a service that was added to this home, got {name[:40]!r}"
            raise Refusal("service.unknown", detail)
        return host

    def storage(self, name: str) -> FileStorage:
        """Return what a service keeps. Raises Refusal `service.unknown`, `service.storage`."""
        grant = self._grant(name)
        if grant is None:
            detail = f"expected a service that was added to this home, got {name[:40]!r}"
            raise Refusal("service.unknown", detail)
        if not grant.manifest.storage_bytes:
            raise no_storage(name)
        if name not in self._storages:
            path, most = self._installed.storage(name), grant.manifest.storage_bytes
            self._storages[name] = (grant, FileStorage(path, most_bytes=most))
        return self._storages[name][1]

    def turn(self, name: str) -> asyncio.Lock:
        """Return what is held while a service's storage is used, which its name is known to be."""
        return self._turns.setdefault(name, asyncio.Lock())

    def end(self) -> None:
        """End all feeds, and close what is open: the node stops."""
        for host in self:
            host.end()
        for _, storage in self._storages.values():
            storage.close()
        self._storages.clear()

    def _grant(self, name: str) -> Grant | None:
        """Return what a service was granted by now, and end what runs by an earlier grant."""
        grant = self._installed.find(name)
        if grant is not None and grant.shares_process:
            grant = None
        for key, host in list(self._hosts.items()):
            if key[1] == name and host.grant != grant:
                host.end()
                del self._hosts[key]
        if name in self._storages and self._storages[name][0] != grant:
            self._storages.pop(name)[1].close()
        return grant

    def _version(self, name: str) -> int:
        """Return the version of what a service keeps; 0 where it keeps nothing."""
        grant = self._grant(name)
        if grant is None or not grant.manifest.storage_bytes:
            return 0
        return self.storage(name).schema_version
