"""Votes of chapter 15, and the input of a vector that is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import charters
from entries import sorted_map
from kit import array, blob, integer, mapping, text

if TYPE_CHECKING:
    from collections.abc import Sequence

BALLOT_MS: Final = 168 * 3_600_000
ASKED_MS: Final = 1_800_000_000_000
CLOSES_MS: Final = ASKED_MS + BALLOT_MS
COOPS: Final = [bytes([n]) * 32 for n in range(1, 10)]
EPOCH: Final = b"\xe0" * 32
ID: Final = b"\xb0" * 32

Vote = tuple[int, int, int, int, str]
"""Co-op, place of the writer, seq, time, choice."""


def entry(vote: Vote) -> bytes:
    """Return the id that stands for a vote's entry: it ascends with co-op, writer, seq."""
    return bytes([vote[0] + 1, vote[1], vote[2]]) + b"\x0e" * 29


def said(*choices: str) -> list[Vote]:
    """Return a vote of each of the first co-ops, in time."""
    return [(n, 0, 1, ASKED_MS, choice) for n, choice in enumerate(choices)]


def proposal(action: str = "suspend", closes_at_ms: int = CLOSES_MS) -> bytes:
    """Return a proposal about co-op 9."""
    change = {"action": text(action), "cid": blob(COOPS[8])}
    if action in {"anchor", "policy"}:
        del change["cid"]
    if action == "policy":
        change["policy"] = charters.policy(version=integer(1))
    return mapping(
        change=sorted_map(change),
        closes_at_ms=integer(closes_at_ms),
        epoch=blob(EPOCH),
        text=text("They have not answered for a month."),
        title=text("Suspend the ninth"),
    )


def ballot(votes: Sequence[bytes], of: bytes = ID) -> bytes:
    """Return what a certificate lists."""
    return mapping(proposal=blob(of), votes=array(*map(blob, votes)))


def given(votes: Sequence[Vote], voters: int = 7, **changes: bytes) -> bytes:
    """Return the input: the first co-ops vote on a proposal; changes replace or add values."""
    casts = [
        array(
            blob(entry(vote)),
            blob(COOPS[vote[0]]),
            integer(vote[1]),
            integer(vote[2]),
            integer(vote[3]),
            text(vote[4]),
        )
        for vote in votes
    ]
    fields = {
        "casts": array(*casts),
        "chain": array(blob(b"\xe1" * 32), blob(EPOCH)),
        "electorate": array(*map(blob, COOPS[:voters])),
        "enacted": array(blob(b"\xb1" * 32)),
        "id": blob(ID),
        "is_closed": charters.TRUE,
        "policy": charters.policy(),
        "proposal": proposal(),
        "time_ms": integer(ASKED_MS),
    }
    return sorted_map({**fields, **changes})


Y, N, A = "yes", "no", "abstain"
