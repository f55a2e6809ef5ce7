"""What a service sees of the node: this surface and nothing else (docs/writing-a-service.md)."""

from sheaf_node.plugins.host import ServiceHost
from sheaf_node.plugins.registry import installed_services, load_services
from sheaf_node.plugins.service import (
    Call,
    Json,
    SeenRecord,
    Service,
    ServiceContext,
    ServiceFactory,
)

__all__ = [
    "Call",
    "Json",
    "SeenRecord",
    "Service",
    "ServiceContext",
    "ServiceFactory",
    "ServiceHost",
    "installed_services",
    "load_services",
]
