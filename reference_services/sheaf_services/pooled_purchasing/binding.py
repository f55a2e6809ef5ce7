"""Which demands the pools of one owner hold already (spec 10, POOL-6).

A close binds the demands that it lists to its pool, so that two pools of one item never award a
line twice. Only a lapse as the owner's first word on that pool sets them free again. Both are
places in the owner's own line, so every node finds the same demands bound without judging anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sheaf_protocol.digest import EntryId

ItemKey: TypeAlias = tuple[str, str, int]


class Bindings:
    """The demands bound by the closes of one line of writers; to be told of them in its order."""

    def __init__(self) -> None:
        self._pool_of: dict[ItemKey, dict[EntryId, EntryId]] = {}

    def bound(self, key: ItemKey) -> frozenset[EntryId]:
        """Return the demands for an item that are bound by now."""
        return frozenset(self._pool_of.get(key, ()))

    def bind(self, key: ItemKey, pool: EntryId, demands: Iterable[EntryId]) -> None:
        """Bind demands to a pool; what is bound to another stays with that one."""
        known = self._pool_of.setdefault(key, {})
        for demand in demands:
            known.setdefault(demand, pool)

    def release(self, key: ItemKey, pool: EntryId) -> None:
        """Set free what is bound to a pool."""
        known = self._pool_of.get(key, {})
        self._pool_of[key] = {demand: by for demand, by in known.items() if by != pool}
