"""Room for what a service of an installed package keeps beside the log, if its class asks for some.

A class says `storage_bytes`, as a folder's manifest does; what it keeps is in the same place. The
file is made by the first value, so a service that keeps nothing leaves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from sheaf_node.plugins.installed import Installed
from sheaf_node.plugins.storage import FileStorage, migrate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sheaf_node.plugins.service import Service, ServiceContext, ServiceFactory
    from sheaf_node.plugins.storage import Json, Storage

SCHEMA: Final = 1


class LazyStorage:
    """A storage whose file is made by the first value. Raises Refusal as `FileStorage` does."""

    def __init__(self, path: Path, *, most_bytes: int) -> None:
        self._path, self._most = path, most_bytes
        self._storage: FileStorage | None = None

    def get(self, key: str) -> Json:
        """Return a value, or None."""
        storage = self._there()
        return None if storage is None else storage.get(key)

    def keys(self, after: str = "") -> Sequence[str]:
        """Return the next keys in order, at most a thousand."""
        storage = self._there()
        return [] if storage is None else storage.keys(after)

    def write(self, put: Mapping[str, Json], delete: Sequence[str] = ()) -> None:
        """Put and delete values, all or none."""
        self._made().write(put, delete)

    def _there(self) -> FileStorage | None:
        if self._storage is None and not self._path.exists():
            return None
        return self._made()

    def _made(self) -> FileStorage:
        if self._storage is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._storage = FileStorage(self._path, most_bytes=self._most)
            migrate(self._storage, SCHEMA, None)
        return self._storage


class RoomyContext:
    """The context of any service, with a storage."""

    def __init__(self, context: ServiceContext, storage: Storage) -> None:
        self._context, self.storage = context, storage

    def __getattr__(self, name: str) -> Any:
        """Return what every context has."""
        return getattr(self._context, name)


def with_room(home: Path, factories: Mapping[str, ServiceFactory]) -> Mapping[str, ServiceFactory]:
    """Return services by name, those that ask for room with a storage in the home."""
    installed = Installed(home)
    return {name: _roomy(installed, name, made) for name, made in factories.items()}


def _roomy(installed: Installed, name: str, made: ServiceFactory) -> ServiceFactory:
    most = getattr(made, "storage_bytes", 0)
    if not most:
        return made
    storage = LazyStorage(installed.storage(name), most_bytes=most)

    def factory(context: ServiceContext, settings: Mapping[str, Any]) -> Service:
        return made(cast("ServiceContext", RoomyContext(context, storage)), settings)

    return factory
