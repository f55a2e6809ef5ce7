"""What somebody prepared and nobody has signed yet: kept, checked, and published whole or not."""

from sheaf_node.drafts.desk import Drafts
from sheaf_node.drafts.ledger import DraftLedger
from sheaf_node.drafts.model import (
    AWAY,
    Content,
    Draft,
    DraftHead,
    Maker,
    NewDraft,
    NewLine,
    OfSeat,
    Place,
    Published,
)

__all__ = [
    "AWAY",
    "Content",
    "Draft",
    "DraftHead",
    "DraftLedger",
    "Drafts",
    "Maker",
    "NewDraft",
    "NewLine",
    "OfSeat",
    "Place",
    "Published",
]
