"""Ways to tally: those of the protocol, and installed ones (entry points, `sheaf.tallies`)."""

from __future__ import annotations

import logging
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final

from sheaf_protocol.governance import TALLIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_protocol.governance import Tally

GROUP: Final = "sheaf.tallies"
_LOG = logging.getLogger("sheaf.governance")


@cache
def installed_tallies() -> Mapping[str, Tally]:
    """Return the tallies by rule id, such as `one_coop_one_vote/1`; looked up once in a process.

    One that cannot be loaded is left out and told of: a policy that names it then waits. None takes
    the place of one of the protocol.
    """
    found: dict[str, Tally] = {}
    for point in entry_points(group=GROUP):
        try:
            found[point.name] = point.load()
        except Exception:
            _LOG.exception("the tally %s cannot be loaded", point.name)
    return {**found, **TALLIES}
