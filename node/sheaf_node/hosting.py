"""The services of a node: one host for each service in each federation that the node is in.

Federations are entered while a node runs, as certificates arrive that admit its co-op. Their hosts
stay when it leaves: its own data is still to be looked at and taken along, and what it may no
longer publish is refused by rule.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias

from sheaf_protocol.errors import LocalProtocolError, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sheaf_node.events import Arrivals
    from sheaf_node.ingest import Ingest
    from sheaf_node.plugins import ServiceHost
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.digest import EntryId, FederationId

Maker: TypeAlias = "Callable[[Federation], ServiceHost]"
"""Makes the host of one service in a federation; raises Refusal where its settings are wrong."""

_PREFIX: Final = re.compile(r"[0-9a-f]{1,64}")
_LOG = logging.getLogger("sheaf.hosting")


class Hosts:
    """The hosts of a node, by federation and service.

    Making it raises the Refusal of a service that does not take its settings.
    """

    def __init__(self, ingest: Ingest, arrivals: Arrivals, makers: Mapping[str, Maker]) -> None:
        self._ingest, self._arrivals, self._makers = ingest, arrivals, makers
        self._hosts: dict[FederationId, dict[str, ServiceHost]] = {
            fid: {name: make(federation) for name, make in makers.items()}
            for fid, federation in ingest.federations.items()
        }
        self._waiting = list(self)
        """Those that are not run yet. They answer all the same."""

    @property
    def by_federation(self) -> Mapping[FederationId, Mapping[str, ServiceHost]]:
        """The hosts by federation, in the order of joining, and by service.

        A federation that was entered this moment has its hosts, whether or not any is run: whoever
        looks first makes them.
        """
        return _ByFederation(self._hosts, self._enter)

    def __iter__(self) -> Iterator[ServiceHost]:
        return (host for hosts in list(self._hosts.values()) for host in hosts.values())

    def keeps(self, id_: EntryId) -> bool:
        """Return whether a service still needs an entry."""
        return any(host.keeps(id_) for host in self)

    async def run(self) -> None:
        """Run all hosts, and those of federations that are entered meanwhile, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hand_over())
            while True:
                seen = self._arrivals.control
                self._enter()
                while self._waiting:
                    tasks.create_task(self._waiting.pop(0).run())
                await self._arrivals.wait_control_beyond(seen)

    async def _hand_over(self) -> None:
        """Say whom our writer succeeds, so that its services go on with what that one began.

        What keeps it from being said is told when a service publishes, which says it as well. One
        task does it, however often control items come, since each time may wait for the disk.
        """
        while True:
            seen = self._arrivals.control
            for fid in list(self._ingest.federations):
                with suppress(LocalProtocolError):
                    await self._ingest.hand_over(fid)
            await self._arrivals.wait_control_beyond(seen)

    def _enter(self) -> None:
        """Make the hosts of federations that have none."""
        for fid, federation in self._ingest.federations.items():
            if fid in self._hosts:
                continue
            hosts = self._hosts[fid] = {}
            for name, make in self._makers.items():
                try:
                    hosts[name] = make(federation)
                except Refusal as refusal:
                    # Its settings are wrong; but nobody is to stop a node by admitting it.
                    _LOG.error("service %s does not start: %s", name, refusal)
                else:
                    self._waiting.append(hosts[name])


class _ByFederation(Mapping["FederationId", Mapping[str, "ServiceHost"]]):
    """The hosts, after those that are missing were made."""

    def __init__(
        self, hosts: Mapping[FederationId, Mapping[str, ServiceHost]], enter: Callable[[], None]
    ) -> None:
        self._hosts, self._enter = hosts, enter

    def __getitem__(self, fid: FederationId) -> Mapping[str, ServiceHost]:
        self._enter()
        return self._hosts[fid]

    def __iter__(self) -> Iterator[FederationId]:
        self._enter()
        return iter(list(self._hosts))

    def __len__(self) -> int:
        self._enter()
        return len(self._hosts)


def require_host(
    hosts: Mapping[FederationId, Mapping[str, ServiceHost]], fid: FederationId, name: str
) -> ServiceHost:
    """Return the host of a service in a federation. Raises Refusal `service.unknown`."""
    inside = hosts.get(fid, {})
    if name not in inside:
        known = ", ".join(sorted(inside))
        raise Refusal("service.unknown", f"expected a running service ({known}), got {name!r}")
    return inside[name]


def choose_federation(known: Iterable[FederationId], prefix: str | None = None) -> FederationId:
    """Return the federation whose id begins so, in hex; without a prefix the first of all.

    Raises Refusal `node.no_federation` where there is none at all, `api.query` where none or
    several begin so.
    """
    fids = list(known)
    if prefix is not None and not _PREFIX.fullmatch(prefix):
        detail = f"expected federation as 1 to 64 lower-case hex digits, got {prefix[:80]!r}"
        raise Refusal("api.query", detail)
    if not fids:
        detail = "expected this node to be in a federation; `sheaf status` tells what is missing"
        raise Refusal("node.no_federation", detail)
    if prefix is None:
        return fids[0]
    found = [fid for fid in fids if fid.hex().startswith(prefix)]
    if len(found) != 1:
        ours = ", ".join(fid.hex()[:8] for fid in fids)
        detail = f"expected one federation of this node ({ours}), got {prefix}: {len(found)}"
        raise Refusal("api.query", detail)
    return found[0]
