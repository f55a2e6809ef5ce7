"""Treaties between federations, and what may cross under them (spec chapter 16)."""

from sheaf_protocol.treaty.agreement import (
    Braking,
    Terms,
    require_bridge,
    require_fits,
    require_readable,
)
from sheaf_protocol.treaty.entering import (
    Charters,
    Control,
    Crossed,
    Standing,
    check_import,
    make_import,
)
from sheaf_protocol.treaty.leaving import Source, asked, check_export, passed_on, plan_export
from sheaf_protocol.treaty.model import Direction, IdMap, Treaty, read_treaty, treaty_id
from sheaf_protocol.treaty.projection import Shown, project, require_projected
from sheaf_protocol.treaty.rate import DAY_MS, DayCount, require_place

__all__ = [
    "DAY_MS",
    "Braking",
    "Charters",
    "Control",
    "Crossed",
    "DayCount",
    "Direction",
    "IdMap",
    "Shown",
    "Source",
    "Standing",
    "Terms",
    "Treaty",
    "asked",
    "check_export",
    "check_import",
    "make_import",
    "passed_on",
    "plan_export",
    "project",
    "read_treaty",
    "require_bridge",
    "require_fits",
    "require_place",
    "require_projected",
    "require_readable",
    "treaty_id",
]
