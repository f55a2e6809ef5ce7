"""Carries out what a service of another process changes of its storage: measured before it is read.

Such a service may send as much as a body holds, whatever its quota is. So what it sends is counted
as it came, and only what may fit is made values of, beside the work of the node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from sheaf_node.plugins.storage import MAX_KEY, MAX_VALUE, ROW_BYTES
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from sheaf_node.plugins.storage import FileStorage
    from sheaf_node.remote.wire import StorageChange

SPELT: Final = 6
"""Bytes as which JSON may spell one of a text that is kept."""


def change_kept(storage: FileStorage, change: StorageChange, wanted: int) -> None:
    """Put and delete values, all or none; `wanted` is the version that the service was granted for.

    Any thread may call; nobody else uses the storage meanwhile. Raises Refusal `service.quota`,
    `service.schema`, `service.storage`.
    """
    _require_small(storage, change)
    version, before = change.schema_version, storage.schema_version
    if version is not None and not before <= version <= wanted:
        detail = f"expected a version from {before} to {wanted}, got {version}"
        raise Refusal("service.schema", detail)
    try:
        put = {key: msgspec.json.decode(value) for key, value in change.put.items()}
    except (msgspec.DecodeError, RecursionError) as exc:
        raise Refusal("service.storage", f"expected values in JSON: {exc}") from exc
    storage.write(put, change.delete, schema_version=version, replaces_all=change.replaces_all)


def _require_small(storage: FileStorage, change: StorageChange) -> None:
    """Refuse what cannot fit, by counts alone."""
    most = storage.most_bytes
    if len(change.put) * ROW_BYTES > most:
        detail = f"expected at most {most} bytes of storage, got {len(change.put)} values"
        raise Refusal("service.quota", detail)
    if sum(map(len, change.put)) > most:
        raise Refusal("service.quota", f"expected at most {most} bytes of storage, got longer keys")
    sizes = [memoryview(value).nbytes for value in change.put.values()]
    if sum(sizes) > SPELT * most:
        detail = f"expected at most {most} bytes of storage, got {sum(sizes)} of JSON"
        raise Refusal("service.quota", detail)
    if max(sizes, default=0) > SPELT * MAX_VALUE:
        detail = f"expected values of at most {MAX_VALUE} bytes, got one of {max(sizes)}"
        raise Refusal("service.storage", detail)
    if any(len(key) > MAX_KEY for key in change.delete):
        raise Refusal("service.storage", f"expected keys of at most {MAX_KEY} characters")
