"""Backups: a home as one encrypted file, and the way back.

`snapshot` and `lay_down` are the steps without encryption, for whoever keeps snapshots elsewhere.
A restored home is marked, so that its node does not sign with the old writer again (spec 18).
"""

from sheaf_node.backup.creating import (
    Made,
    create_backup,
    drop_older,
    name_of,
    restore_backup,
    verify_whole,
)
from sheaf_node.backup.laying import lay_down
from sheaf_node.backup.manifest import Manifest
from sheaf_node.backup.sealed_file import open_file, verify_file
from sheaf_node.backup.snapshot import snapshot

__all__ = [
    "Made",
    "Manifest",
    "create_backup",
    "drop_older",
    "lay_down",
    "name_of",
    "open_file",
    "restore_backup",
    "snapshot",
    "verify_file",
    "verify_whole",
]
