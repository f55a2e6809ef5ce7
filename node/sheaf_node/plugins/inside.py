"""Services of third parties that share the node's own process, held to what they were granted.

Code in this process can do whatever the node can, and stop it; so this is for what an operator
trusts like the node, and says so. All others run in processes of their own (`remote`).
What is checked here keeps an honest service to its manifest, as it is kept in a process of its own.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sheaf_node.kinds import Budget, Kinds, misfits
from sheaf_node.plugins.installed import Installed
from sheaf_node.plugins.manifest import FILE
from sheaf_node.plugins.service import Extension
from sheaf_node.plugins.storage import FileStorage, migrate, no_storage
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_node.plugins.installed import Grant
    from sheaf_node.plugins.manifest import Manifest
    from sheaf_node.plugins.service import Service, ServiceContext, ServiceFactory
    from sheaf_node.plugins.storage import Storage
    from sheaf_protocol.digest import CoopId, EntryId
    from sheaf_protocol.records import Record


def load_inside(home: Path) -> Mapping[str, ServiceFactory]:
    """Return the services of a home that share its process, by name.

    One that cannot be imported fails when it is made; its host stops it, and no other. Raises
    Refusal `service.file`.
    """
    installed = Installed(home)
    found = [grant for grant in installed if grant.shares_process]
    kinds = Kinds(home)
    return {grant.manifest.name: _factory(installed, grant, kinds) for grant in found}


def load_class(folder: Path, manifest: Manifest) -> Any:
    """Return the class of a service, imported from its folder.

    Raises Refusal `service.manifest` where the folder has no such class, and what its code raises.
    """
    module_name, _, class_name = manifest.python.partition(":")
    _forget_others(manifest.name, folder)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))  # behind all others, so that it stands in for nothing
    importlib.invalidate_caches()
    module = importlib.import_module(module_name)
    origin = getattr(module, "__file__", None) or ""
    found = getattr(module, class_name, None)
    if not origin.startswith(str(folder)) or not callable(found):
        detail = f"expected {manifest.python} in {folder}, got {origin or 'nothing'}"
        raise Refusal("service.manifest", detail)
    return found


def _forget_others(name: str, folder: Path) -> None:
    """Forget the modules of another version of a service, which this process ran before."""
    for each in [each for each in sys.modules if each.partition(".")[0] == name]:
        origin = getattr(sys.modules[each], "__file__", None) or ""
        home = next((str(up) for up in Path(origin).parents if (up / FILE).exists()), "")
        if home and home != str(folder):
            del sys.modules[each]
            sys.path[:] = [path for path in sys.path if path != home]


class GrantedContext:
    """The context of a service with a manifest: that of any other, its storage, and its limits."""

    def __init__(
        self, context: ServiceContext, grant: Grant, storage: Storage | None, kinds: Kinds
    ) -> None:
        self._context, self._manifest, self._storage = context, grant.manifest, storage
        self._kinds = kinds

    def __getattr__(self, name: str) -> Any:
        """Return what every context has."""
        return getattr(self._context, name)

    @property
    def storage(self) -> Storage:
        """What the service keeps. Raises Refusal `service.storage` where it asked for none."""
        if self._storage is None:
            raise no_storage(self._manifest.name)
        return self._storage

    def publish(
        self, record: Record | Extension, *, refs: Sequence[EntryId] = (), to: Sequence[CoopId] = ()
    ) -> None:
        """Ask for a record to be appended. Raises Refusal `service.kind`, `kind.*`."""
        require_granted(spoken_kind(record), self._manifest)
        if isinstance(record, Extension):
            require_fitting(record, self._kinds)
        self._context.publish(record, refs=refs, to=to)


def spoken_kind(record: Record | Extension) -> str:
    """Return the kind under which a record is published."""
    return record.kind if isinstance(record, Extension) else kind_of(record)


def require_fitting(record: Extension, kinds: Kinds, budget: Budget | None = None) -> None:
    """Hold an extension's record to the schema that is installed here.

    `budget` is what may be spent on it and on others. Raises Refusal `kind.unknown`, `kind.costly`,
    `schema.invalid` with the place that is wrong.
    """
    found = misfits(kinds.require(record.kind), record.value, budget)
    if found:
        raise Refusal("schema.invalid", f"{found[0].message}, at {found[0].pointer or '/'}")


def require_granted(kind: str, manifest: Manifest) -> None:
    """Raise Refusal `service.kind` for a kind that a service was not granted."""
    if kind not in manifest.publishes:
        granted = ", ".join(manifest.publishes) or "none"
        raise Refusal(
            "service.kind", f"expected a kind that was granted ({granted}): {kind[:64]!r}"
        )


def require_follows(service: Service, manifest: Manifest) -> None:
    """Raise PermissionError where a class follows what its manifest does not name."""
    more = service.follows - set(manifest.follows)
    more |= getattr(service, "follows_abroad", frozenset()) - set(manifest.follows_abroad)
    if more:
        raise PermissionError(f"expected to follow what is granted, got {sorted(more)} as well")


def _factory(installed: Installed, grant: Grant, kinds: Kinds) -> ServiceFactory:
    """Return what makes the service in each federation, over one storage."""
    storages: list[FileStorage] = []

    def storage_of(change: Any) -> FileStorage | None:
        manifest = grant.manifest
        if not manifest.storage_bytes:
            return None
        if not storages:
            path = installed.storage(manifest.name)
            storage = FileStorage(path, most_bytes=manifest.storage_bytes)
            migrate(storage, manifest.schema_version, change)
            storages.append(storage)
        return storages[0]

    def factory(context: ServiceContext, settings: Mapping[str, Any]) -> Service:
        class_ = load_class(installed.code(grant), grant.manifest)
        storage = storage_of(getattr(class_, "migrate", None))
        granted = GrantedContext(context, grant, storage, kinds)
        service = cast("Service", class_(granted, settings))
        require_follows(service, grant.manifest)
        return service

    return factory
