"""The durable logs of one node: SQLite behind one writer thread (architecture, durability)."""

from sheaf_node.store.model import Change, HeldLog, NewEntry, ProvenRun, StoredEntry
from sheaf_node.store.reader import Reader
from sheaf_node.store.schema import DATABASE
from sheaf_node.store.state import State
from sheaf_node.store.store import Store

__all__ = [
    "DATABASE",
    "Change",
    "HeldLog",
    "NewEntry",
    "ProvenRun",
    "Reader",
    "State",
    "Store",
    "StoredEntry",
]
