"""Deciding together: how votes are tallied and how nodes agree on a certificate (spec 15)."""

from sheaf_protocol.governance.ballot import (
    MAX_VOTES,
    Cast,
    Counted,
    count,
    listed_choices,
    require_open,
    require_proposal,
)
from sheaf_protocol.governance.doubles import Double
from sheaf_protocol.governance.heard import MOST_ALIKE
from sheaf_protocol.governance.promise import promise
from sheaf_protocol.governance.rounds import Decided, Rounds, Views
from sheaf_protocol.governance.steps import (
    Abandon,
    Accept,
    Approve,
    Propose,
    Statement,
    Step,
    round_message,
    to_record,
)
from sheaf_protocol.governance.tally import (
    CHARTER_ACTIONS,
    TALLIES,
    WITHOUT_BALLOT,
    Bar,
    Outcome,
    Result,
    Tally,
    bar_of,
    tally,
)

__all__ = [
    "CHARTER_ACTIONS",
    "MAX_VOTES",
    "MOST_ALIKE",
    "TALLIES",
    "WITHOUT_BALLOT",
    "Abandon",
    "Accept",
    "Approve",
    "Bar",
    "Cast",
    "Counted",
    "Decided",
    "Double",
    "Outcome",
    "Propose",
    "Result",
    "Rounds",
    "Statement",
    "Step",
    "Tally",
    "Views",
    "bar_of",
    "count",
    "listed_choices",
    "promise",
    "require_open",
    "require_proposal",
    "round_message",
    "tally",
    "to_record",
]
