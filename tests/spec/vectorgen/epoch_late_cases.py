"""Certificates that contradict what was built upon before they came, chapter 09, section 9."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from epoch_story import (
    ADMITTED,
    CHEAPER,
    POLICY,
    SIDES,
    SUSPEND_BEA,
    SUSPENDED,
    claim,
)
from epochs import (
    ANN,
    BEA,
    CAL,
    DEE,
    FAY,
    GENESIS,
    Epoch,
    about,
    altered,
    change,
    epoch,
    lines,
    refounding,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Fault: TypeAlias = tuple[str, str, str, str, bytes]


def _suspending(before: Epoch) -> Epoch:
    """Return the epoch by which BEA is suspended."""
    members = altered(before, BEA, is_suspended=True)
    return epoch(before, SUSPEND_BEA, lines=lines(bea=3), members=members)


def _without_fay(before: Epoch) -> Epoch:
    """Return the epoch by which FAY is expelled; BEA may be gone."""
    did = change("expel", **about(FAY))
    by = (ANN, CAL, DEE, FAY)
    return epoch(before, did, by=by, lines=lines(fay=1), members=without(before, FAY))


def _suspending_cal(before: Epoch) -> Epoch:
    members = altered(before, CAL, is_suspended=True)
    did = change("suspend", **about(CAL))
    return epoch(before, did, by=(ANN, CAL, DEE, FAY), lines=lines(cal=1), members=members)


SECOND: Final = _suspending(POLICY)
THIRD: Final = _without_fay(SECOND)
BUILT: Final = (GENESIS, POLICY, SECOND)
"""A chain in which POLICY is built upon."""
ONE, OTHER = SIDES
ON_ONE: Final = _without_fay(ONE)
ON_OTHER: Final = _without_fay(OTHER)
RIVALS: Final = (GENESIS, OTHER, ONE)
"""The same two sides, the one of the higher id before the other."""
SETTLED: Final = refounding(GENESIS, [ONE.id, OTHER.id])
AFTER: Final = _suspending(SETTLED)
AGAIN: Final = refounding(
    GENESIS, [ONE.id, OTHER.id], policy=CHEAPER, lines=lines(ann=1, dee=0, sam=2)
)
EXPEL_FAY: Final = _without_fay(POLICY)
"""A rival of SECOND."""
ON_EXPEL_FAY: Final = _suspending_cal(EXPEL_FAY)
ON_SUSPENDED: Final = _without_fay(SUSPENDED)


def stays() -> Iterator[tuple[str, str, str, Sequence[Epoch], Epoch]]:
    """Yield chains that name their newest certificate in force, which is not the last one."""
    yield (
        "built_on_one_side",
        "CHR-80",
        "A halt ends where the side that came first is built upon.",
        (GENESIS, POLICY, SUSPENDED, SECOND),
        SECOND,
    )
    comment = "First is what came first, and not what has the lower id."
    yield "built_on_the_first_side", "CHR-80", comment, (*RIVALS, ON_OTHER), ON_OTHER
    yield (
        "built_on_the_first_of_three",
        "CHR-80",
        "However many more contend.",
        (GENESIS, POLICY, *SIDES, SECOND),
        SECOND,
    )
    yield (
        "late_rival",
        "CHR-82",
        "It is kept, and what was built upon before it came stays.",
        (*BUILT, SUSPENDED),
        SECOND,
    )
    comment = "However many epochs later."
    yield "late_rival_of_the_first", "CHR-82", comment, (*BUILT, THIRD, SUSPENDED), THIRD
    comment = "A chain goes on as if it had not come."
    yield "epoch_after_a_late_rival", "CHR-82", comment, (*BUILT, SUSPENDED, THIRD), THIRD
    yield (
        "late_rival_on_each",
        "CHR-84",
        "One on each predecessor is not one too many.",
        (*BUILT, THIRD, SUSPENDED, EXPEL_FAY),
        THIRD,
    )
    comment = "A certificate that is known is no second one."
    yield "late_rival_again", "CHR-84", comment, (*BUILT, SUSPENDED, SUSPENDED), SECOND
    yield (
        "late_on_a_losing_side",
        "CHR-82",
        "It does not make its own side built upon, or both were and the federation halted.",
        (GENESIS, *SIDES, ON_ONE, ON_OTHER),
        ON_ONE,
    )
    yield (
        "late_on_the_other_side",
        "CHR-81",
        "The same four in another order: what follows on the rival is late, though it came before.",
        (GENESIS, *SIDES, ON_OTHER, ON_ONE),
        ON_ONE,
    )
    yield (
        "late_on_the_other_side_reversed",
        "CHR-81",
        "In the other order of the sides the path is another: the order in which they came counts.",
        (*RIVALS, ON_OTHER, ON_ONE),
        ON_OTHER,
    )
    yield (
        "refounding_after_a_late_one_on_a_side",
        "CHR-82",
        "What follows on the rival does not make it built upon, so a re-foundation is not late.",
        (GENESIS, *SIDES, ON_OTHER, SETTLED),
        SETTLED,
    )
    yield (
        "late_refounding",
        "CHR-81",
        "It would undo the side that was built upon before it came.",
        (GENESIS, *SIDES, ON_ONE, SETTLED),
        ON_ONE,
    )
    yield (
        "late_second_refounding",
        "CHR-81",
        "A re-foundation that was built upon stays as any other.",
        (GENESIS, *SIDES, SETTLED, AFTER, AGAIN),
        AFTER,
    )
    yield (
        "one_of_two_refoundings_built_upon",
        "CHR-80",
        "They halt as two epochs do, and go on as they do.",
        (GENESIS, *SIDES, SETTLED, AGAIN, AFTER),
        AFTER,
    )
    yield (
        "late_on_a_refounded_side",
        "CHR-81",
        "What follows on a side whose place was taken.",
        (GENESIS, *SIDES, SETTLED, ON_ONE),
        SETTLED,
    )


def faults() -> Iterator[Fault]:
    """Yield name, clause, code, comment and input of chains that are refused."""
    late = "charter.late"
    comment = "One is evidence enough."
    yield "late_second", "CHR-84", late, comment, claim(*BUILT, SUSPENDED, ADMITTED)
    comment = "On the rival of a side that still contends, too."
    chain = claim(GENESIS, *SIDES, ON_OTHER, _suspending_cal(OTHER))
    yield "late_second_on_the_other_side", "CHR-84", late, comment, chain
    comment = "A chain of old keys may not grow beside the one in force."
    yield "late_child", "CHR-84", late, comment, claim(*BUILT, SUSPENDED, ON_SUSPENDED)
    named = sorted((POLICY.id, SUSPENDED.id))
    both = refounding(GENESIS, named)
    comment = "A re-foundation that names a late one is the second on its predecessor."
    yield "late_refounding_of_late", "CHR-84", late, comment, claim(*BUILT, SUSPENDED, both)
    comment = "Nor on a side that has lost its place."
    chain = claim(GENESIS, *SIDES, SETTLED, ON_ONE, _suspending_cal(ONE))
    yield "late_second_on_a_side", "CHR-84", late, comment, chain
    few = epoch(
        GENESIS,
        SUSPEND_BEA,
        by=(ANN, BEA, CAL),
        lines=lines(bea=3),
        members=altered(GENESIS, BEA, is_suspended=True),
    )
    comment = "Evidence has to be valid."
    yield "late_and_one_short", "CHR-33", "charter.quorum", comment, claim(*BUILT, few)
    comment = "The newest certificate is not built upon, so its rival is not late."
    forked = claim(*BUILT, THIRD, _suspending_cal(SECOND))
    yield "rival_of_the_newest", "CHR-81", "charter.forked", comment, forked
    halted = "charter.forked"
    comment = "Whoever signs a rival of the newest epoch wins nothing by building upon it."
    chain = claim(*BUILT, EXPEL_FAY, ON_EXPEL_FAY)
    yield "rival_of_the_newest_built_upon", "CHR-80", halted, comment, chain
    comment = "The same two sides in either order, whatever their ids."
    chain = claim(*RIVALS, ON_ONE)
    yield "built_on_the_second_side", "CHR-80", halted, comment, chain
    comment = "Re-foundations halt as epochs do, and the first of them alone ends it."
    chain = claim(GENESIS, *SIDES, SETTLED, AGAIN, _suspending(AGAIN))
    yield "second_refounding_built_upon", "CHR-80", halted, comment, chain
    comment = "That one rival came late does not make the next one late."
    chain = claim(*BUILT, SUSPENDED, EXPEL_FAY)
    yield "rival_of_the_newest_after_a_late_one", "CHR-73", "charter.forked", comment, chain
