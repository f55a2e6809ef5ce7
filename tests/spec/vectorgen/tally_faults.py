"""Ballots, chapter 15: proposals, votes and lists that do not count."""

from __future__ import annotations

from typing import Final

import charters
from ballots import (
    ASKED_MS,
    CLOSES_MS,
    ID,
    N,
    Vote,
    Y,
    ballot,
    entry,
    proposal,
    said,
)
from kit import array, blob, text

FULL: Final = said(Y, Y, Y, Y)
NINE: Final[list[Vote]] = [(0, 0, seq, ASKED_MS, Y) for seq in range(1, 10)]

# file name, rule, code, votes, changes of the input, why it matters
BAD: Final[list[tuple[str, str, str, list[Vote], dict[str, bytes], str]]] = [
    (
        "proposal_to_anchor",
        "BAL-1",
        "ballot.action",
        FULL,
        {"proposal": proposal("anchor")},
        "Nobody votes on the key heads of others.",
    ),
    (
        "proposal_to_leave",
        "BAL-1",
        "ballot.action",
        FULL,
        {"proposal": proposal("leave")},
        "Nobody votes a co-op out by a leave of its own.",
    ),
    (
        "short",
        "BAL-2",
        "ballot.short",
        FULL,
        {"proposal": proposal(closes_at_ms=CLOSES_MS - 1)},
        "A ballot by night that only friends know of.",
    ),
    (
        "closed_before_it_opens",
        "BAL-2",
        "ballot.short",
        FULL,
        {"proposal": proposal(closes_at_ms=1)},
        "A negative time to vote.",
    ),
    (
        "epoch_unknown",
        "BAL-3",
        "ballot.epoch",
        FULL,
        {"chain": array(blob(b"\xe1" * 32))},
        "Of a certificate that we do not have so far, or of another federation.",
    ),
    (
        "vote_of_an_outsider",
        "BAL-4",
        "ballot.not_elector",
        [*FULL, (7, 0, 1, ASKED_MS, Y)],
        {},
        "Suspended, expelled, of another federation or without a role that votes.",
    ),
    (
        "vote_after_the_close",
        "BAL-5",
        "ballot.late",
        [*FULL, (4, 0, 1, CLOSES_MS + 1, N)],
        {},
        "By the clock of its author.",
    ),
    ("ninth_vote", "BAL-6", "ballot.changes", NINE, {}, "Eight are enough for anyone."),
    (
        "tally_unknown",
        "BAL-9",
        "ballot.tally",
        FULL,
        {"policy": charters.policy(tally=text("by_turnover/1"))},
        "A method that a plug-in would bring.",
    ),
    (
        "list_out_of_order",
        "BAL-11",
        "ballot.listed",
        FULL,
        {"ballot": ballot([entry(vote) for vote in FULL][::-1])},
        "One list, one id of the certificate.",
    ),
    (
        "list_with_a_vote_twice",
        "BAL-11",
        "ballot.listed",
        FULL,
        {"ballot": ballot([entry(FULL[0])] * 2)},
        "One vote counts once.",
    ),
    (
        "list_with_a_coop_twice",
        "BAL-11",
        "ballot.listed",
        [*FULL, (0, 0, 2, ASKED_MS, Y)],
        {"ballot": ballot([entry(FULL[0]), entry((0, 0, 2, ASKED_MS, Y))])},
        "Two entries of one co-op are one vote.",
    ),
    (
        "list_with_an_outsider",
        "BAL-11",
        "ballot.listed",
        [*FULL, (7, 0, 1, ASKED_MS, Y)],
        {"ballot": ballot([entry(FULL[0]), entry((7, 0, 1, ASKED_MS, Y))])},
        "A vote that does not count makes no certificate.",
    ),
    (
        "list_with_a_late_vote",
        "BAL-11",
        "ballot.listed",
        [*FULL, (4, 0, 1, CLOSES_MS + 1, Y)],
        {"ballot": ballot([entry(FULL[0]), entry((4, 0, 1, 0, Y))])},
        "Nor does one that came too late.",
    ),
    (
        "list_with_an_unknown_vote",
        "BAL-12",
        "ballot.unknown",
        FULL,
        {"ballot": ballot([entry(FULL[0]), entry((6, 0, 1, 0, Y))])},
        "It may be on its way.",
    ),
    (
        "enacted_before",
        "BAL-13",
        "ballot.enacted",
        FULL,
        {
            "ballot": ballot([entry(vote) for vote in FULL]),
            "enacted": array(blob(b"\xb1" * 32), blob(ID)),
        },
        "An old vote does not take back in who was expelled since.",
    ),
]
