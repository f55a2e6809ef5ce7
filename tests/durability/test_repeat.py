"""Requests that are repeated over kills. The long run: `python -m tests.durability repeat`."""

from __future__ import annotations

from tests.durability import repeat

SEED = 11
KILLS = 6


async def test_requests_repeated_under_their_keys_over_kills_are_carried_out_once() -> None:
    tally = await repeat.run(KILLS, SEED)

    assert (tally.twice, tally.lost, tally.other_answers, tally.faults) == (0, 0, 0, [])
    assert tally.kills == KILLS
    assert tally.cut_off > 0
    assert tally.answered > tally.cut_off


async def test_a_node_that_keeps_receipts_apart_is_seen_to_publish_twice() -> None:
    tally = await repeat.run(KILLS, SEED, repeat.RECEIPTS_APART)

    assert tally.faults == []
    assert tally.twice > 0
