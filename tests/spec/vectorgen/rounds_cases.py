"""Rounds, chapter 15: what a node of seven says next, having heard statements in this order."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import rounds_faults
from kit import Case, array, blob, integer, text
from statements import (
    BOUND,
    COOPS,
    FIVE,
    LOCK_0,
    LOCK_1,
    OPENED,
    PREV,
    SPLIT,
    Story,
    abandon,
    accept,
    approve,
    certificate,
    gives_up,
    lock,
    many,
    propose,
    told,
    waits,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def _proposing() -> Iterator[Story]:
    """Whose turn it is, and what the proposer says."""
    yield Story(
        "proposes_in_its_turn",
        "RND-1",
        "8 mod 7 = 1.",
        [],
        told("propose", 1, 0),
        own=2,
        value=1,
    )
    yield Story("waits_for_the_proposer", "RND-1", "Not its turn.", [], waits(0), value=1)
    far = b"\xff" * 8 + PREV[8:]
    yield Story(
        "turn_of_a_large_number",
        "RND-1",
        "2^64 - 1 mod 7 = 1: eight bytes without a sign, more than a double holds.",
        [],
        told("propose", 1, 0),
        own=2,
        value=1,
        changes={"prev": blob(far)},
    )
    yield Story("has_no_value", "RND-4", "Nothing to be certified.", [], waits(0), own=2)
    yield Story(
        "proposes_once",
        "RND-10",
        "It has said so before, and accepts it now.",
        [propose(2, 1)],
        told("accept", 1, 0),
        own=2,
        value=3,
    )


def _accepting() -> Iterator[Story]:
    """What is accepted in a free round."""
    yield Story(
        "accepts", "RND-5", "One to which it agrees.", [propose(2, 1)], told("accept", 1, 0)
    )
    yield Story(
        "does_not_agree",
        "RND-5",
        "Its own view of ballot, heads or lines is another.",
        [propose(2, 1)],
        waits(0),
        agreed=(2,),
    )
    yield Story(
        "accepts_once",
        "RND-5",
        "Its own accept is in its log.",
        [propose(2, 1), accept(1, 1)],
        waits(0),
    )


def _approving() -> Iterator[Story]:
    """What a node signs."""
    yield Story(
        "approves_what_a_quorum_accepted",
        "RND-6",
        "Five of seven.",
        [propose(2, 1), *many(accept, FIVE, 1)],
        told("approve", 1, 0),
    )
    yield Story(
        "four_of_seven",
        "RND-6",
        "No quorum.",
        [propose(2, 1), *many(accept, range(1, 5), 1)],
        waits(0),
    )
    yield Story(
        "approves_without_the_proposal",
        "RND-6",
        "The accepts are enough, whoever kept the proposal back.",
        many(accept, range(2, 7), 1),
        told("approve", 1, 0),
    )
    yield Story(
        "approves_once",
        "RND-6",
        "Its approval is in its log.",
        [*many(accept, FIVE, 1), approve(1, 1)],
        waits(0),
    )
    yield Story(
        "approves_nothing_it_gave_up",
        "RND-6",
        "It said that it knew no lock; it may not sign now.",
        [abandon(1), *many(accept, range(2, 7), 1)],
        waits(0),
    )
    yield Story(
        "approves_nothing_lower",
        "RND-6",
        "It has accepted in round 1.",
        [*OPENED[1:], abandon(6), propose(3, 2, 1), accept(1, 2, 1), *many(accept, range(2, 7), 1)],
        waits(1),
    )


def _deciding() -> Iterator[Story]:
    """When a value is decided."""
    yield Story(
        "decided",
        "RND-9",
        "Five approvals of one round make the certificate.",
        many(approve, FIVE, 1),
        array(
            text("decided"),
            blob(certificate(1)),
            integer(0),
            array(*map(blob, COOPS[:5])),
        ),
    )
    yield Story(
        "approvals_of_two_rounds",
        "RND-9",
        "Four and one do not make five.",
        [*many(approve, range(2, 6), 1), approve(6, 1, 1)],
        waits(0),
    )


def _giving_up() -> Iterator[Story]:
    """Rounds that are given up."""
    yield Story("gives_up", "RND-7", "Nothing is locked.", [], gives_up(0), is_late=True)
    yield Story(
        "gives_up_a_split",
        "RND-7",
        "Three and three of seven: no lock, though it has accepted.",
        SPLIT[:1] + SPLIT[2:],
        gives_up(0),
        is_late=True,
    )
    yield Story(
        "gives_up_with_its_lock",
        "RND-7",
        "It has approved, and says so.",
        [*many(accept, FIVE, 1), approve(1, 1)],
        gives_up(0, blob(certificate(1)), integer(0)),
        is_late=True,
    )
    yield Story(
        "stays_silent_without_its_lock",
        "RND-7",
        "It has approved and lost the accepts: an abandon would deny it.",
        [approve(1, 1)],
        waits(0),
        is_late=True,
    )
    yield Story(
        "gives_up_once",
        "RND-13",
        "Round 1 is not open yet.",
        [abandon(1)],
        waits(0),
        is_late=True,
    )
    yield Story(
        "accepts_nothing_it_gave_up",
        "RND-13",
        "Even if it agrees.",
        [abandon(1), propose(2, 1)],
        waits(0),
    )


def _opening() -> Iterator[Story]:
    """What opens a round, and who puts a value forward in it."""
    yield Story(
        "free_round",
        "RND-4",
        "A quorum gave up without a lock: co-op 3 proposes its own.",
        OPENED,
        told("propose", 3, 1),
        own=3,
        value=3,
    )
    yield Story(
        "four_abandons",
        "RND-4",
        "No quorum: round 1 is not open.",
        many(abandon, range(4, 8)),
        waits(0),
        own=3,
        value=3,
    )
    yield Story(
        "opened_by_a_later_abandon",
        "RND-17",
        "Four gave up round 0 and one round 1: who is in round 1 has left round 0.",
        [*many(abandon, range(2, 6)), abandon(6, 1)],
        waits(1),
    )
    yield Story(
        "justified_by_the_round_before_alone",
        "RND-5",
        "Only four abandons of round 0 are held, so round 1 is neither free nor bound.",
        [*many(abandon, range(2, 6)), abandon(6, 1), propose(3, 2, 1)],
        waits(1),
    )


def _accepting_later() -> Iterator[Story]:
    """What is accepted in a later free round."""
    yield Story(
        "accepts_in_a_free_round",
        "RND-5",
        "As in round 0.",
        [*OPENED, propose(3, 2, 1)],
        told("accept", 2, 1),
    )
    yield Story(
        "accepts_nothing_lower",
        "RND-5",
        "Round 1 is open.",
        [*many(abandon, range(2, 7)), propose(2, 1)],
        waits(1),
    )


def _bound() -> Iterator[Story]:
    """A round that a lock binds."""
    yield Story(
        "bound_round",
        "RND-4",
        "One of five shows a lock: its value, not the proposer's own.",
        [propose(2, 1), *BOUND],
        told("propose", 1, 1),
        own=3,
        value=3,
    )
    yield Story(
        "bound_to_a_value_that_is_missing",
        "RND-4",
        "The next proposer may have it.",
        BOUND,
        waits(1),
        own=3,
        value=3,
    )
    yield Story(
        "accepts_what_it_is_bound_to",
        "RND-5",
        "Without agreeing: honest nodes of the quorum did.",
        [*BOUND, propose(3, 1, 1)],
        told("accept", 1, 1),
        agreed=(2,),
    )
    yield Story(
        "refuses_another_value",
        "RND-5",
        "Value 1 may be decided by now.",
        [*BOUND, propose(3, 2, 1)],
        waits(1),
    )
    yield Story(
        "free_beside_a_lock",
        "RND-5",
        "Five others show none, so no quorum approved it.",
        [*BOUND, abandon(6), propose(3, 2, 1)],
        told("accept", 2, 1),
    )


def _highest() -> Iterator[Story]:
    """Which of two locks binds, and what a lock counts for."""
    two = [
        *many(abandon, range(1, 4), 1),
        abandon(4, 1, LOCK_0),
        abandon(5, 1, LOCK_1),
    ]
    yield Story(
        "bound_by_the_highest_lock",
        "RND-5",
        "That of round 1, not that of round 0.",
        [*two, propose(4, 2, 2)],
        told("accept", 2, 2),
    )
    yield Story(
        "not_bound_by_a_lower_lock",
        "RND-5",
        "Only four showed none higher.",
        [*two, propose(4, 1, 2)],
        waits(2),
    )
    yield Story(
        "lock_counts_as_heard",
        "RND-12",
        "The accepts in an abandon are as good as those in logs.",
        [abandon(5, 0, lock(1, 0, range(3, 8)))],
        told("approve", 1, 0),
    )


def cases() -> Iterator[Case]:
    """Yield the vectors of rounds."""
    groups = (
        _proposing(),
        _accepting(),
        _approving(),
        _deciding(),
        _giving_up(),
        _opening(),
        _accepting_later(),
        _bound(),
        _highest(),
        rounds_faults.faults(),
    )
    for story in chain(*groups):
        yield Case(
            id=f"15-rounds/{story.name}",
            clause=story.clause,
            expect=story.told if isinstance(story.told, str) else "ok",
            comment=story.comment,
            input=story.input(),
            output=story.told if isinstance(story.told, bytes) else None,
        )
