"""Restoring a writer (spec 18): what a home does that came back from an old copy, and what its
members do for it. A built-in service on every node, a marker in the home, and the start of a node.
"""

from sheaf_node.recovery.hosting import NAME, recovery_host
from sheaf_node.recovery.marker import is_marked, mark, name_absent, read_marker
from sheaf_node.recovery.opening import opened_keyring
from sheaf_node.recovery.progress import Progress
from sheaf_node.recovery.standing import Standing
from sheaf_node.recovery.view import report
from sheaf_node.recovery.watch import Watch

__all__ = [
    "NAME",
    "Progress",
    "Standing",
    "Watch",
    "is_marked",
    "mark",
    "name_absent",
    "opened_keyring",
    "read_marker",
    "recovery_host",
    "report",
]
