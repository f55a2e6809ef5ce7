"""Finding installed services by entry point (group `sheaf.services`)."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, cast

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from importlib.metadata import EntryPoint

    from sheaf_node.plugins.service import Service, ServiceContext, ServiceFactory

GROUP = "sheaf.services"


def installed_services() -> Sequence[str]:
    """Return the names of the installed services, loading none."""
    return sorted(entry_points(group=GROUP).names)


def load_services(names: Iterable[str] | None = None) -> Mapping[str, ServiceFactory]:
    """Return the installed services by name, all of them or the ones named.

    One whose package cannot be imported fails when it is made, as one that is faulty itself does:
    its host stops it, and no other. Raises Refusal `service.unknown` for a name that nothing
    installed provides.
    """
    found = {point.name: point for point in entry_points(group=GROUP)}
    wanted = sorted(found) if names is None else list(names)
    for name in wanted:
        if name not in found:
            known = ", ".join(sorted(found)) or "none"
            raise Refusal("service.unknown", f"expected an installed service ({known}), got {name}")
    return {name: _load(found[name]) for name in wanted}


def _load(point: EntryPoint) -> ServiceFactory:
    try:
        return cast("ServiceFactory", point.load())
    except Exception as exc:
        fault = exc

    def factory(context: ServiceContext, settings: Mapping[str, Any]) -> Service:
        raise ImportError(f"service {point.name} cannot be loaded from {point.value}") from fault

    return factory
