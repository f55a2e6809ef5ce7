"""The host of a federation's treaties: a service host whose service reaches other federations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sheaf_node.bridging.powers import Powers
from sheaf_node.bridging.service import Bridging
from sheaf_node.plugins.host import ServiceHost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.plugins import ServiceContext
    from sheaf_node.plugins.host import Parts
    from sheaf_protocol.charter import Federation

NAME: Final = "bridging"


def bridging_host(parts: Parts, federation: Federation) -> ServiceHost:
    """Return the host of the treaties of a federation, which no setting turns off."""
    powers = Powers(parts, federation.fid)

    def factory(context: ServiceContext, settings: Mapping[str, Any]) -> Bridging:
        return Bridging(context, powers)

    return ServiceHost(
        NAME, factory, {}, federation=federation, parts=parts, errands=powers, looks_around=True
    )
