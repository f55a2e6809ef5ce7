"""Standing, chapter 09: the input is [[key log...], [certificate...], {body, cid, kind, seq, wid}].

The certificates are judged as in `09-epoch`; the entry, at its place in its author's log, counts or
not by what they say. The output is the version of the policy that judges it, a CMP-1 integer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import standing_faults
import story
from epoch_story import EXPELLED, LOGS, SUSPENDED
from epochs import (
    ANN,
    BEA,
    CAL,
    EVE,
    GENESIS,
    SAM,
    Epoch,
)
from kit import Case, array, blob, integer, mapping, text
from standing_story import (
    ADMITTED,
    BUYS,
    CHEAP,
    CURVE,
    DEAR,
    DEMAND,
    ERASE,
    LOWER,
    OFFER,
    POOL,
    READMITTED,
    RESTORED,
    SEALED,
    STRICT,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from story import Coop

# file name, clause, why it matters, certificates, author, kind, body, seq, version of the policy
GOOD: Final[list[tuple[str, str, str, list[Epoch], Coop, str, Any, int, int]]] = [
    ("founder", "CHR-50", "No epoch touched it.", [], BEA, "demand.submit", DEMAND, 1, 0),
    (
        "expelled_at_its_line",
        "CHR-50",
        "It counted, and does.",
        [EXPELLED],
        BEA,
        "demand.submit",
        DEMAND,
        3,
        0,
    ),
    (
        "suspended_at_its_line",
        "CHR-50",
        "As above.",
        [SUSPENDED],
        BEA,
        "demand.submit",
        DEMAND,
        3,
        0,
    ),
    (
        "suspended_erases",
        "CHR-60",
        "What is its own it may take back.",
        [SUSPENDED],
        BEA,
        "entry.erase",
        ERASE,
        4,
        0,
    ),
    (
        "suspended_leaves",
        "CHR-60",
        "Nobody is held.",
        [SUSPENDED],
        BEA,
        "member.leave",
        {"text": ""},
        4,
        0,
    ),
    (
        "restored_above_its_line",
        "CHR-50",
        "It has its say again.",
        [SUSPENDED, RESTORED],
        BEA,
        "demand.submit",
        DEMAND,
        6,
        0,
    ),
    (
        "restored_before_it_was_suspended",
        "CHR-50",
        "Below both lines.",
        [SUSPENDED, RESTORED],
        BEA,
        "demand.submit",
        DEMAND,
        2,
        0,
    ),
    (
        "other_role_below_its_line",
        "CHR-50",
        "A supplier then.",
        [BUYS],
        CAL,
        "offer.submit",
        OFFER,
        1,
        0,
    ),
    (
        "other_role_above_its_line",
        "CHR-50",
        "A buyer since.",
        [BUYS],
        CAL,
        "demand.submit",
        DEMAND,
        2,
        0,
    ),
    (
        "admitted",
        "CHR-50",
        "From its first entry on.",
        [ADMITTED],
        EVE,
        "demand.submit",
        DEMAND,
        1,
        0,
    ),
    (
        "admitted_again",
        "CHR-52",
        "Its old log goes on.",
        [EXPELLED, READMITTED],
        BEA,
        "offer.submit",
        OFFER,
        4,
        0,
    ),
    (
        "admitted_again_below_its_line",
        "CHR-52",
        "What counted goes on counting.",
        [EXPELLED, READMITTED],
        BEA,
        "demand.submit",
        DEMAND,
        3,
        0,
    ),
    (
        "fee_below_the_line",
        "CHR-61",
        "One percent was allowed.",
        [CHEAP],
        ANN,
        "pool.open",
        POOL,
        2,
        0,
    ),
    (
        "fee_of_the_policy",
        "CHR-61",
        "The most.",
        [CHEAP],
        ANN,
        "pool.open",
        {**POOL, "fee_bps": 50},
        3,
        1,
    ),
    (
        "fee_of_a_later_policy",
        "CHR-61",
        "Above both lines.",
        [CHEAP, DEAR],
        ANN,
        "pool.open",
        POOL,
        5,
        2,
    ),
    (
        "fee_of_the_newest_policy",
        "CHR-50",
        "A line below that of the epoch before: the newest counts.",
        [CHEAP, LOWER],
        ANN,
        "pool.open",
        POOL,
        2,
        2,
    ),
    (
        "policy_and_buyers",
        "CHR-50",
        "A policy does not touch who has no role under it.",
        [CHEAP],
        BEA,
        "demand.submit",
        DEMAND,
        9,
        0,
    ),
    (
        "mode_below_the_line",
        "CHR-62",
        "Open pools were allowed.",
        [SEALED],
        ANN,
        "pool.open",
        POOL,
        2,
        0,
    ),
    (
        "curve_of_the_policy",
        "CHR-63",
        "At all its bounds.",
        [STRICT],
        ANN,
        "curve.open",
        {**CURVE, "k_min": 6, "dominance_bps": 5_000},
        3,
        1,
    ),
    (
        "curve_below_the_line",
        "CHR-63",
        "By the policy of then.",
        [STRICT],
        ANN,
        "curve.open",
        CURVE,
        2,
        0,
    ),
    ("extension", "CHR-6", "No role lists its kind.", [], SAM, "x.sam.note", {"n": 1}, 1, 0),
]


def cases() -> Iterator[Case]:
    """Yield the vectors on standing."""
    for name, clause, comment, chain, author, kind, body, seq, version in GOOD:
        yield Case(
            id=f"09-standing/{name}",
            clause=clause,
            expect="ok",
            comment=comment,
            input=claim(chain, author, kind, body, seq),
            output=integer(version),
        )
    for name, clause, code, comment, chain, author, kind, body, seq in standing_faults.BAD:
        data = claim(chain, author, kind, body, seq)
        yield Case(
            id=f"09-standing/{name}", clause=clause, expect=code, comment=comment, input=data
        )


def claim(chain: Sequence[Epoch], author: Coop, kind: str, body: Any, seq: int) -> bytes:
    """Return the input of a vector."""
    entry = mapping(
        body=blob(story.plain(body)),
        cid=blob(author.cid),
        kind=text(kind),
        seq=integer(seq),
        wid=blob(author.writer.public),
    )
    return array(LOGS, array(GENESIS.wire, *(each.wire for each in chain)), entry)
