"""A service that keeps what it sees of its own federation and of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.plugins import Call, SeenRecord


class Diary:
    """A service that keeps what it sees, and orders what the test tells it to."""

    follows: ClassVar[frozenset[str]] = frozenset(
        {"curve.totals", "demand.submit", "offer.submit", "order.place", "order.response"}
        | {"pool.open"}
    )
    follows_abroad: ClassVar[frozenset[str]] = follows

    def __init__(self, context: Any, settings: Mapping[str, Any]) -> None:
        self.seen: list[SeenRecord] = []
        self.context = context
        self.views: dict[str, Any] = {}

    @property
    def commands(self) -> Mapping[str, Any]:
        return {"publish": self._publish}

    def fold(self, seen: SeenRecord) -> None:
        self.seen.append(seen)

    def decide(self) -> None:
        return

    def finish(self, key: str, result: object) -> None:
        return

    def _publish(self, call: Call) -> Any:
        record, to = call.options["record"], call.options["to"]
        self.context.publish(record, to=[to])
        return "published"
