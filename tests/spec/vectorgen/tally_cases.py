"""Ballots, chapter 15: the input is a map of proposal, policy, electorate and votes.

The output is `[yes, no, abstain, missing, outcome]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import charters
import tally_faults
from ballots import (
    ASKED_MS,
    BALLOT_MS,
    CLOSES_MS,
    A,
    N,
    Vote,
    Y,
    ballot,
    entry,
    given,
    proposal,
    said,
)
from kit import Case, array, integer, text

if TYPE_CHECKING:
    from collections.abc import Iterator

OPEN: Final = {"is_closed": charters.FALSE}
CONSENT: Final = {"policy": charters.policy(tally=text("consent/1"))}
EXPEL: Final = {"proposal": proposal("expel")}

# file name, rule, votes, changes of the input, counts, outcome, why it matters
GOOD: Final[
    list[tuple[str, str, list[Vote], dict[str, bytes], tuple[int, int, int, int], str, str]]
] = [
    ("passed", "BAL-7", said(Y, Y, Y, N), {}, (3, 1, 0, 3), "passed", "Four of seven voted."),
    ("tie", "BAL-7", said(Y, Y, N, N), {}, (2, 2, 0, 3), "failed", "More than half, not half."),
    ("no_turnout", "BAL-7", said(Y, Y, Y), {}, (3, 0, 0, 4), "failed", "Three of seven voted."),
    (
        "abstentions_are_turnout",
        "BAL-7",
        said(Y, A, A, A),
        {},
        (1, 0, 3, 3),
        "passed",
        "Who abstains has voted, and is neither for nor against.",
    ),
    (
        "only_abstentions",
        "BAL-7",
        said(A, A, A, A),
        {},
        (0, 0, 4, 3),
        "failed",
        "Nobody is for it.",
    ),
    (
        "expulsion_by_half",
        "BAL-7",
        said(Y, Y, Y, N, N),
        EXPEL,
        (3, 2, 0, 2),
        "failed",
        "An expulsion needs charter_bps of the votes.",
    ),
    (
        "expulsion_by_two_thirds",
        "BAL-7",
        said(Y, Y, Y, Y, N, N),
        EXPEL,
        (4, 2, 0, 1),
        "passed",
        "4 * 10000 > 6666 * 6: two of three are enough where the policy says 6666.",
    ),
    (
        "policy_by_half",
        "BAL-7",
        said(Y, Y, Y, N, N),
        {"proposal": proposal("policy")},
        (3, 2, 0, 2),
        "failed",
        "So does a policy.",
    ),
    ("nobody", "BAL-7", [], {}, (0, 0, 0, 7), "failed", "A ballot that nobody cared for."),
    (
        "changed_mind",
        "BAL-6",
        [*said(Y, Y, Y, N), (2, 0, 2, ASKED_MS, N)],
        {},
        (2, 2, 0, 3),
        "failed",
        "The last vote of a co-op stands.",
    ),
    (
        "second_writer",
        "BAL-6",
        [*said(Y, Y, Y, N), (2, 1, 1, ASKED_MS, N)],
        {},
        (2, 2, 0, 3),
        "failed",
        "Two writers of one co-op have one vote: that of the writer delegated later.",
    ),
    (
        "many_writers",
        "BAL-6",
        [(0, writer, 1, ASKED_MS, Y) for writer in range(8)],
        {},
        (1, 0, 0, 6),
        "failed",
        "Eight writers do not make a turnout.",
    ),
    (
        "earlier_writer_later_seq",
        "BAL-6",
        [(0, 1, 1, ASKED_MS, N), (0, 0, 9, ASKED_MS + 1, Y), *said(Y, Y, Y, N)[1:]],
        {},
        (2, 2, 0, 3),
        "failed",
        "Writers come before numbers and times; nothing depends on the order of arrival.",
    ),
    (
        "at_the_close",
        "BAL-5",
        [*said(Y, Y, Y), (3, 0, 1, CLOSES_MS, N)],
        {},
        (3, 1, 0, 3),
        "passed",
        "The last millisecond is in time.",
    ),
    (
        "early",
        "BAL-10",
        said(Y, Y, Y, Y),
        OPEN,
        (4, 0, 0, 3),
        "passed",
        "Three more cannot change it.",
    ),
    (
        "not_yet_early",
        "BAL-10",
        said(Y, Y, Y, A),
        OPEN,
        (3, 0, 1, 3),
        "open",
        "Three more no would make it a tie.",
    ),
    (
        "early_without_turnout",
        "BAL-10",
        said(Y, Y, Y),
        {**OPEN, "policy": charters.policy(pass_bps=integer(4_000))},
        (3, 0, 0, 4),
        "open",
        "If no more vote it fails.",
    ),
    (
        "lost_early",
        "BAL-10",
        said(N, N, N, N),
        OPEN,
        (0, 4, 0, 3),
        "failed",
        "Three more yes are not enough.",
    ),
    ("consent", "BAL-8", said(Y, A, A, Y), CONSENT, (2, 0, 2, 3), "passed", "Nobody objects."),
    ("consent_no", "BAL-8", said(Y, Y, Y, N), CONSENT, (3, 1, 0, 3), "failed", "One objects."),
    (
        "consent_without_turnout",
        "BAL-8",
        said(Y, Y, Y),
        CONSENT,
        (3, 0, 0, 4),
        "failed",
        "Silence is no consent.",
    ),
    (
        "consent_open",
        "BAL-10",
        said(Y, Y, Y, Y, Y, Y),
        {**CONSENT, **OPEN},
        (6, 0, 0, 1),
        "open",
        "The last one may object.",
    ),
    (
        "consent_lost_early",
        "BAL-10",
        said(N),
        {**CONSENT, **OPEN},
        (0, 1, 0, 6),
        "failed",
        "No vote to come takes an objection back.",
    ),
    (
        "listed",
        "BAL-11",
        said(Y, Y, Y, Y, N),
        {"ballot": ballot([entry(vote) for vote in said(Y, Y, Y, Y)])},
        (4, 0, 0, 3),
        "passed",
        "A certificate need not list what came later.",
    ),
    (
        "listed_before_a_change",
        "BAL-11",
        [*said(Y, Y, Y, Y), (0, 0, 2, ASKED_MS, N)],
        {"ballot": ballot([entry(vote) for vote in said(Y, Y, Y, Y)])},
        (4, 0, 0, 3),
        "passed",
        "Its author had said so; the newer vote is judged beside the list.",
    ),
    (
        "ballot_of_the_least_time",
        "BAL-2",
        said(Y, Y, Y, Y),
        {"time_ms": integer(CLOSES_MS - BALLOT_MS)},
        (4, 0, 0, 3),
        "passed",
        "Exactly ballot_ms.",
    ),
]


def cases() -> Iterator[Case]:
    """Yield the vectors of ballots."""
    for name, rule, votes, changes, counts, outcome, comment in GOOD:
        yield Case(
            id=f"15-tally/{name}",
            clause=rule,
            expect="ok",
            comment=comment,
            input=given(votes, **changes),
            output=array(*map(integer, counts), text(outcome)),
        )
    for name, rule, code, votes, changes, comment in tally_faults.BAD:
        yield Case(
            id=f"15-tally/{name}",
            clause=rule,
            expect=code,
            comment=comment,
            input=given(votes, **changes),
        )
