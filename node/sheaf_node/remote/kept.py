"""The storage of a service, as its own process sees it: read once, changes sent with a step."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from sheaf_node.plugins.storage import MOST_KEYS, migrated, require_version, size_of, value_text
from sheaf_node.remote.wire import StorageChange, StorageState
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_node.plugins.storage import Change, Json
    from sheaf_node.remote.client import NodeClient


class KeptValues:
    """All values, as JSON texts by key."""

    def __init__(self, values: Mapping[str, Json], *, most_bytes: int) -> None:
        self._texts = {key: value_text(key, value) for key, value in values.items()}
        self._used = sum(size_of(key, text) for key, text in self._texts.items())
        self._most = most_bytes
        self._changed: dict[str, str | None] = {}

    def get(self, key: str) -> Json:
        """Return a value, or None."""
        text = self._texts.get(key)
        return None if text is None else json.loads(text)

    def keys(self, after: str = "") -> Sequence[str]:
        """Return the next keys in order, at most a thousand."""
        return sorted(key for key in self._texts if key > after)[:MOST_KEYS]

    def write(self, put: Mapping[str, Json], delete: Sequence[str] = ()) -> None:
        """Put and delete values, all or none. Raises Refusal `service.quota`, `service.storage`."""
        changed: dict[str, str | None] = dict.fromkeys(delete)
        changed |= {key: value_text(key, value) for key, value in put.items()}
        used = self._used + sum(self._more(key, text) for key, text in changed.items())
        if put and used > self._most:
            detail = f"expected at most {self._most} bytes of storage, got {used}"
            raise Refusal("service.quota", detail)
        for key, text in changed.items():
            if text is None:
                self._texts.pop(key, None)
            else:
                self._texts[key] = text
        self._used = used
        self._changed |= changed

    def take(self) -> StorageChange | None:
        """Take what changed since this was last asked; None where nothing did."""
        changed, self._changed = self._changed, {}
        if not changed:
            return None
        put = {key: json.loads(text) for key, text in changed.items() if text is not None}
        return StorageChange(put=put, delete=[key for key, text in changed.items() if text is None])

    def _more(self, key: str, text: str | None) -> int:
        held = self._texts.get(key)
        before = 0 if held is None else size_of(key, held)
        return (0 if text is None else size_of(key, text)) - before


async def read_kept(client: NodeClient, wanted: int, change: Change | None) -> KeptValues:
    """Return all that a service keeps, brought to a version. Raises Refusal `service.*`."""
    values: dict[str, Json] = {}
    after: str | None = ""
    while after is not None:
        page = await client.get("storage", {"after": after} if after else {})
        state = msgspec.json.decode(page, type=StorageState)
        values |= state.values
        after = state.next
    if require_version(state.schema_version, wanted):
        values = dict(migrated(values, state.schema_version, change))
        whole = StorageChange(put=values, schema_version=wanted, replaces_all=True)
        await client.post("storage", whole, is_of_federation=False)
    return KeptValues(values, most_bytes=state.storage_bytes)
