"""A home brought to the schema of a newer version, with the way back for as long as there is one.

`sheaf serve` migrates a store as well when it opens it. What is here does it with a copy of before,
and looks afterwards whether all is there that was.
"""

from sheaf_node.upgrading.applying import Applied, apply, roll_back
from sheaf_node.upgrading.looking import Outlook, look
from sheaf_node.upgrading.snapshot import KEPT_MS, Note, drop_old

__all__ = [
    "KEPT_MS",
    "Applied",
    "Note",
    "Outlook",
    "apply",
    "drop_old",
    "look",
    "roll_back",
]
