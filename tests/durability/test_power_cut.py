"""Power cuts, torn and reordered: nothing that was acknowledged is lost, and the test can see."""

from __future__ import annotations

import pytest
from tests.durability import power_cut, recorded

SEED = 20
CUTS, RECORDED = 60, 40
needs_compiler = pytest.mark.skipif(recorded.compiler() is None, reason=recorded.NO_COMPILER)
NORMAL = {"synchronous": "NORMAL"}


def test_a_power_cut_loses_nothing_that_was_acknowledged() -> None:
    tally = power_cut.run(CUTS, SEED)

    assert (tally.lost, tally.faults) == (0, [])
    assert tally.cuts == CUTS
    assert tally.acknowledged > CUTS
    assert tally.cut_while_opening > 0


@pytest.mark.parametrize("planted", [{"pragmas": NORMAL}, {"acknowledges_first": True}])
def test_a_store_that_acknowledges_too_early_is_seen_to_lose(planted: dict) -> None:
    tally = power_cut.run(CUTS, SEED, **planted)

    assert tally.lost > 0


@needs_compiler
def test_a_power_cut_of_the_sqlite_of_production_loses_nothing_that_was_acknowledged() -> None:
    tally = recorded.run(RECORDED, SEED, cuts_of_a_record=RECORDED // 2)

    assert (tally.lost, tally.faults) == (0, [])
    assert tally.cuts == RECORDED
    assert tally.acknowledged > 0


@needs_compiler
@pytest.mark.parametrize("planted", [{"pragmas": NORMAL}, {"acknowledges_first": True}])
def test_the_record_of_a_process_that_acknowledges_too_early_shows_losses(planted: dict) -> None:
    tally = recorded.run(RECORDED, SEED, **planted)

    assert tally.lost > 0
