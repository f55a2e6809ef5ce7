"""Finding installed services by entry point (group `sheaf.services`)."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, cast

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sheaf_node.plugins.service import ServiceFactory

GROUP = "sheaf.services"


def installed_services() -> Sequence[str]:
    """Return the names of the installed services, loading none."""
    return sorted(entry_points(group=GROUP).names)


def load_services(names: Iterable[str] | None = None) -> Mapping[str, ServiceFactory]:
    """Return the installed services by name, all of them or the ones named.

    Raises Refusal `service.unknown` for a name that nothing installed provides.
    """
    found = {point.name: point for point in entry_points(group=GROUP)}
    wanted = sorted(found) if names is None else list(names)
    for name in wanted:
        if name not in found:
            known = ", ".join(sorted(found)) or "none"
            raise Refusal("service.unknown", f"expected an installed service ({known}), got {name}")
    return {name: cast("ServiceFactory", found[name].load()) for name in wanted}
