"""A service that third parties might install: it grants holds to whoever asks, while there is room.

The node's own shipment matching grants only what an accepted proposal needs, ends holds by its
clock and takes confirmations; that goes on beside this. The decision is the same code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sheaf_protocol.records import Capacity, HoldExpired, HoldGrant, HoldRefuse
from sheaf_services.shipment_matching.holds import HoldBook, decide_holds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sheaf_node.plugins import Call, Json, SeenRecord, ServiceContext
    from sheaf_protocol.digest import EntryId

NAME = "hold_desk"


class HoldDesk:
    """The service `hold_desk`."""

    follows: ClassVar[frozenset[str]] = frozenset(
        {
            "capacity.publish",
            "hold.request",
            "hold.grant",
            "hold.refuse",
            "hold.confirm",
            "hold.confirmed",
            "hold.release",
            "hold.revoke",
            "hold.expired",
        }
    )
    commands: ClassVar[Mapping[str, Callable[[Call], Json]]] = {}
    views: ClassVar[Mapping[str, Callable[[Call], Json]]] = {}

    def __init__(self, context: ServiceContext, settings: Mapping[str, Any]) -> None:
        self._context = context
        self._book = HoldBook()
        self._own: dict[EntryId, Capacity] = {}

    def fold(self, seen: SeenRecord) -> None:
        """Learn one record."""
        if not isinstance(seen.record, Capacity):
            self._book.fold(seen)
        elif seen.wid == seen.record.owner == self._context.wid:
            self._own[seen.id] = seen.record

    def decide(self) -> None:
        """Answer what was asked for and not answered.

        What a hold's end frees is granted once that end is in the log: another service writes it.
        """
        answers = decide_holds(self._book, self._own, self._context.now_ms())
        if any(isinstance(answer, HoldExpired) for answer, _ in answers):
            return
        for answer, ref in answers:
            if isinstance(answer, HoldGrant | HoldRefuse):
                self._context.publish(answer, refs=[ref])

    def finish(self, key: str, result: object) -> None:
        """Take nothing: this service computes nothing apart."""


def install(folder: Path) -> None:
    """Write the metadata by which a node that has this folder on its path finds the service."""
    info = folder / f"{NAME}-1.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1\n")
    point = f"[sheaf.services]\n{NAME} = tests.chaos.desk:HoldDesk\n"
    info.joinpath("entry_points.txt").write_text(point)
