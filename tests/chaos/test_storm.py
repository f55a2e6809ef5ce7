"""Storms repeat by their seed and stay within their time."""

from __future__ import annotations

from tests.chaos.storm import Harm, draw_storm
from tests.chaos.wire import Trouble


def test_a_seed_draws_one_storm_and_another_seed_another() -> None:
    storm = draw_storm(1, nodes=8, seconds=30)

    assert storm == draw_storm(1, nodes=8, seconds=30)
    assert storm != draw_storm(2, nodes=8, seconds=30)


def test_every_fault_is_over_when_the_storm_is() -> None:
    for seed in range(50):
        for fault in draw_storm(seed, nodes=8, seconds=10):
            assert 0 < fault.from_s < fault.to_s <= 10


def test_storms_have_every_trouble_and_every_harm() -> None:
    faults = [fault for seed in range(20) for fault in draw_storm(seed, nodes=8, seconds=10)]

    assert {fault.trouble for fault in faults} == {None, *Trouble}
    assert {fault.harm for fault in faults} == {None, *Harm}
