"""kill -9 on real nodes. The long run: `python -m tests.durability kill`."""

from __future__ import annotations

from tests.durability import kill

SEED = 7
KILLS = 6


async def test_a_killed_node_has_all_that_it_acknowledged_in_one_chain() -> None:
    tally = await kill.run(KILLS, SEED)

    assert (tally.lost, tally.forked, tally.faults) == (0, 0, [])
    assert tally.kills == KILLS
    assert tally.acknowledged > 0


async def test_a_node_that_acknowledges_first_is_seen_to_lose() -> None:
    tally = await kill.run(KILLS, SEED, kill.ACKNOWLEDGES_FIRST)

    assert tally.lost > 0
