"""What a node found when it checked another's result (spec 10, section 6)."""

from __future__ import annotations

from typing import Literal

import msgspec

from sheaf_protocol.records.values import EntryRef, Reason

OK = "ok"
"""The code of a verdict that found nothing wrong."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A signed finding on an award or a match: `ok`, or the code of the rule it breaks.

    `level` says how deep the node looked: `totals` the public part, `own` its own leaves as well,
    `full` everything recomputed.
    """

    code: Reason
    level: Literal["totals", "own", "full"]
    subject: EntryRef
