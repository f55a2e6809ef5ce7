"""Rounds, chapter 15: statements that do not count, and pairs that prove a liar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit import blob
from statements import (
    FIVE,
    LOCK_0,
    OTHER,
    SPLIT,
    Said,
    Story,
    abandon,
    accept,
    approve,
    certificate,
    lock,
    propose,
    signature,
    signed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def faults() -> Iterator[Story]:
    """Yield statements that do not count, and liars."""
    yield from _misplaced()
    yield from _locks()
    yield from _doubles()


def _misplaced() -> Iterator[Story]:
    """Statements of the wrong co-op, key, round or predecessor."""
    yield Story(
        "proposal_out_of_turn",
        "RND-1",
        "Co-op 3 would be next.",
        [propose(3, 1)],
        "round.proposer",
    )
    yield Story(
        "accept_by_another_key",
        "RND-2",
        "A writer that no key log of the co-op delegates.",
        [Said(1, "charter.accept", accept(1, 1).body, OTHER)],
        "round.signature",
    )
    yield Story(
        "accept_of_another_round",
        "RND-2",
        "Signed for round 1, said in round 0.",
        [Said(1, "charter.accept", signed(1, 0, signature(1, "accept", 1, 1)))],
        "round.signature",
    )
    yield Story(
        "accept_as_approval",
        "RND-2",
        "An accept is no approval: purposes differ.",
        [Said(1, "charter.approve", signed(1, 0, signature(1, "accept", 1, 0)))],
        "round.signature",
    )
    yield Story(
        "on_another_predecessor",
        "RND-3",
        "Replayed from an epoch before, or from another federation.",
        [propose(2, 1, 0, b"\x09" * 32)],
        "round.prev",
    )
    yield Story(
        "by_no_voter",
        "RND-11",
        "Of another federation, suspended, or without a role that votes.",
        [Said(8, "charter.abandon", abandon(1).body, OTHER)],
        "round.voter",
    )


def _locks() -> Iterator[Story]:
    """Locks that are none."""
    for name, comment, shown in (
        ("lock_of_four", "No quorum.", lock(1, 0, range(1, 5))),
        ("lock_with_a_coop_twice", "Four co-ops.", lock(1, 0, [1, 2, 3, 4, 4])),
        ("lock_out_of_order", "One spelling.", lock(1, 0, [2, 1, 3, 4, 5])),
        ("lock_of_a_later_round", "Above its own.", lock(1, 1, FIVE)),
    ):
        yield Story(name, "RND-8", comment, [abandon(1, 0, shown)], "round.lock")
    other = lock(1, 0, FIVE, certificate=blob(certificate(2)))
    yield Story(
        "lock_of_another_certificate",
        "RND-8",
        "The signatures are over value 1.",
        [abandon(1, 0, other)],
        "round.signature",
    )


def _doubles() -> Iterator[Story]:
    """Pairs of which an honest node says one at most."""
    yield Story(
        "two_proposals",
        "RND-10",
        "Three were shown one value and three another.",
        SPLIT,
        "ballot.double",
    )
    yield Story(
        "two_accepts",
        "RND-10",
        "Of two certificates in one round.",
        [accept(4, 1), accept(4, 2)],
        "ballot.double",
    )
    yield Story(
        "two_approvals",
        "RND-10",
        "Of two certificates in one round.",
        [approve(4, 1), approve(4, 2)],
        "ballot.double",
    )
    yield Story(
        "two_abandons",
        "RND-10",
        "One shows a lock and one does not.",
        [abandon(4), abandon(4, 0, LOCK_0)],
        "ballot.double",
    )
    yield Story(
        "approval_denied",
        "RND-10",
        "Whichever came first, the other was not to follow.",
        [abandon(4, 1), approve(4, 1)],
        "ballot.double",
    )
