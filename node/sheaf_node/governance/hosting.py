"""The host of a federation's governance: a service host whose service has more powers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sheaf_node.charter_file import FOLDER
from sheaf_node.governance.powers import Powers
from sheaf_node.governance.service import Governance
from sheaf_node.governance.sighting import Sightings
from sheaf_node.plugins.host import ServiceHost

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sheaf_node.plugins import ServiceContext
    from sheaf_node.plugins.host import Parts
    from sheaf_protocol.charter import Federation

NAME: Final = "governance"


def governance_host(
    parts: Parts, federation: Federation, *, home: Path | None = None
) -> ServiceHost:
    """Return the host of the governance of a federation, which no setting turns off.

    `home` is where it remembers when it first saw a change of keys; without one it forgets.
    """
    path = None if home is None else home / FOLDER / f"{federation.fid.hex()}.seen"
    powers = Powers(parts, federation.fid, Sightings(path))

    def factory(context: ServiceContext, settings: Mapping[str, Any]) -> Governance:
        return Governance(context, powers)

    return ServiceHost(
        NAME, factory, {}, federation=federation, parts=parts, errands=powers, looks_around=True
    )
