"""Random schedules: never two certificates, and always one in the end."""

from random import Random

import pytest
from tests.protocol.council import LONGEST, Council, disturb

SEEDS = range(120)


def drawn(seed: int, *, rule: str) -> tuple[Council, Random]:
    random = Random(seed)  # noqa: S311  # a schedule is no secret
    voters = random.randint(1, 13)
    liars = random.randint(0, (voters - 1) // 3) if rule == "two_thirds" else 0
    council = Council(voters, liars, rule)
    council.has_forks = random.random() < 0.5
    return council, random


@pytest.mark.parametrize("rule", ["majority", "two_thirds"])
@pytest.mark.parametrize("seed", SEEDS)
def test_random_schedule_decides_once_and_everyone_the_same(seed: int, rule: str) -> None:
    council, random = drawn(seed, rule=rule)

    disturb(council, random, moves=random.randint(0, 400))
    taken = council.conclude()

    decided = {found.certificate for found in council.decisions() if found}
    assert taken < LONGEST, f"seed {seed}"
    assert len(decided) == 1, f"seed {seed}"
    assert len(council.decidable()) == 1, f"seed {seed}"
