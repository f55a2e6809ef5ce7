"""What a service sees of the node: this surface and nothing else (docs/writing-a-service.md)."""

from sheaf_node.plugins.host import ServiceHost
from sheaf_node.plugins.inside import load_inside
from sheaf_node.plugins.installed import added_services
from sheaf_node.plugins.registry import installed_services, load_services
from sheaf_node.plugins.roomy import with_room
from sheaf_node.plugins.service import (
    Call,
    Extension,
    Json,
    SeenRecord,
    Service,
    ServiceContext,
    ServiceFactory,
)
from sheaf_node.plugins.storage import Storage

__all__ = [
    "Call",
    "Extension",
    "Json",
    "SeenRecord",
    "Service",
    "ServiceContext",
    "ServiceFactory",
    "ServiceHost",
    "Storage",
    "added_services",
    "installed_services",
    "load_inside",
    "load_services",
    "with_room",
]
