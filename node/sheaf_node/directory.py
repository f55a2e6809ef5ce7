"""The federation's directory: members tell in their logs where they are dialled (spec chapter 08).

A service of the node itself, in each federation. It publishes this node's own addresses where the
operator wants that, takes them back where the operator wants it no more, and shows everybody's.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final

from sheaf_node.peering.hints import Hint, Source
from sheaf_node.plugins import Call
from sheaf_node.plugins.host import ServiceHost
from sheaf_protocol.digest import CoopId
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import AddressList
from sheaf_protocol.records.address import MAX_ADDRESSES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sheaf_node.plugins import Json, SeenRecord, ServiceContext
    from sheaf_node.plugins.host import Parts
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.digest import FederationId, WriterId

NAME: Final = "directory"
REST_MS: Final = 60_000
"""Between two lists of our own: settings that go to and fro are not to fill a log."""


class Directory:
    """Folds the lists of all members; decides whether our own is to be said anew.

    `told` is what to tell, None where the operator wants nothing told.
    """

    follows: ClassVar[frozenset[str]] = frozenset({"address.list"})

    def __init__(self, context: ServiceContext, told: Sequence[str] | None) -> None:
        self._context, self._told = context, told
        self._lists: dict[tuple[CoopId, WriterId], SeenRecord] = {}

    @property
    def commands(self) -> Mapping[str, Callable[[Call], Json]]:
        """None: the settings say what is told."""
        return {}

    @property
    def views(self) -> Mapping[str, Callable[[Call], Json]]:
        """`addresses`."""
        return {"addresses": lambda call: {"members": self._members()}}

    def fold(self, seen: SeenRecord) -> None:
        """Learn one list; of a line the newest counts, whatever co-op its names seem to be of."""
        before = self._lists.get((seen.cid, seen.line))
        if before is None or before.place < seen.place:
            self._lists[seen.cid, seen.line] = seen

    def finish(self, key: str, result: object) -> None:
        """Nothing is computed apart."""

    def decide(self) -> None:
        """Say where we are dialled, or nowhere, where that is not what our line said last."""
        context = self._context
        if not context.federation.is_member(context.cid):
            return
        last = self._lists.get((context.cid, context.line))
        said = None if last is None else _urls(last)
        wanted = list(self._told or ())[:MAX_ADDRESSES]
        if said == wanted or (said is None and not wanted):
            return
        due_ms = 0 if last is None else last.time_ms + REST_MS
        if context.now_ms() < due_ms <= context.now_ms() + REST_MS:
            context.wake_at(due_ms)
            return
        context.publish(AddressList(urls=wanted))

    def _members(self) -> list[dict[str, Any]]:
        """Return the addresses of each member, its lines in a fixed order, eight at most."""
        found: dict[CoopId, list[str]] = {}
        newest: dict[CoopId, int] = {}
        for (cid, _), seen in sorted(self._lists.items()):
            if self._context.federation.is_member(cid) and _urls(seen):
                found.setdefault(cid, []).extend(_urls(seen))
                newest[cid] = max(newest.get(cid, 0), seen.time_ms)
        return [
            {
                "cid": cid.hex(),
                "name": self._context.name_of(cid),
                "urls": list(dict.fromkeys(urls))[:MAX_ADDRESSES],
                "time_ms": newest[cid],
            }
            for cid, urls in found.items()
        ]


async def directory_hints(
    hosts: Mapping[FederationId, Mapping[str, ServiceHost]],
) -> list[Hint]:
    """Return the addresses that members tell in the directories of a node's federations."""
    found = []
    for each in list(hosts.values()):
        host = each.get(NAME)
        if host is None:
            continue
        with suppress(Refusal):  # a fault stopped it, or it starts
            view: Any = await host.view("addresses", Call())
            found += [
                Hint(
                    url=url,
                    source=Source.DIRECTORY,
                    cid=CoopId(bytes.fromhex(member["cid"])),
                )
                for member in view["members"]
                for url in member["urls"]
            ]
    return found


def directory_host(
    parts: Parts, federation: Federation, *, told: Sequence[str] | None
) -> ServiceHost:
    """Return the host of a federation's directory."""

    def factory(context: ServiceContext, settings: Mapping[str, Any]) -> Directory:
        return Directory(context, told)

    return ServiceHost(NAME, factory, {}, federation=federation, parts=parts)


def _urls(seen: SeenRecord) -> list[str]:
    return list(seen.record.urls) if isinstance(seen.record, AddressList) else []
