"""The one road in, for everybody's entries, our own included (architecture, message path)."""

from sheaf_node.ingest.model import Draft, Item, Opened, Outcome, Result
from sheaf_node.ingest.road import Ingest

__all__ = ["Draft", "Ingest", "Item", "Opened", "Outcome", "Result"]
