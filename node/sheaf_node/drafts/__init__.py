"""What somebody prepared and nobody has signed yet: kept, checked, and published whole or not."""

from sheaf_node.drafts.desk import Drafts
from sheaf_node.drafts.ledger import DraftLedger
from sheaf_node.drafts.model import (
    AWAY,
    Answers,
    Content,
    Draft,
    DraftHead,
    Maker,
    NewDraft,
    NewLine,
    OfSeat,
    Place,
    Published,
    ReadList,
)
from sheaf_node.drafts.problem_file import problem_file

__all__ = [
    "AWAY",
    "Answers",
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
    "ReadList",
    "problem_file",
]
