"""The host of a federation's recovery service, which no setting turns off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sheaf_node.plugins.host import ServiceHost
from sheaf_node.recovery.service import Recovery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.plugins import ServiceContext
    from sheaf_node.plugins.host import Parts
    from sheaf_node.recovery.standing import Standing
    from sheaf_protocol.charter import Federation

NAME: Final = "recovery"


def recovery_host(parts: Parts, federation: Federation, *, standing: Standing) -> ServiceHost:
    """Return the host of the recovery of a federation's writers."""

    def factory(context: ServiceContext, settings: Mapping[str, Any]) -> Recovery:
        return Recovery(context, parts.store, standing)

    return ServiceHost(NAME, factory, {}, federation=federation, parts=parts, looks_around=True)
