"""The summary that a manager reads."""

from __future__ import annotations

import pytest

from sheaf_services.demo.scenario import Scenario, built_in
from sheaf_services.demo.table import render


def coop(name: str, alone: int, goods: int, carriage: int, own: int) -> dict:
    return {
        "name": name,
        "alone_minor": alone,
        "goods_minor": goods,
        "fee_minor": 50,
        "carriage": carriage,
        "carriage_alone": own,
        "saved_minor": alone - goods - 50,
        "unserved": 1,
    }


@pytest.fixture
def outcome() -> dict:
    """What two co-ops came to."""
    return {
        "coops": 2,
        "nodes": 3,
        "purchasing": {
            "demands": 9,
            "served_pooled": 7,
            "served_alone": 2,
            "awards": 2,
            "verified_by": {"one": 2, "other": 2},
        },
        "shipments": {"requests": 4, "trips": 1},
        "per_coop": [
            coop("Hill", 1_234_567, 1_000_000, 5_000, 9_000),
            coop("Dale", 100_000, 99_990, 2_000, 1_990),
        ],
        "incidents": {
            "lapsed": [{"item": "Alpaca feed", "reason": "pool.too_few"}],
            "false_award_refused_by": {"one": "award.amount", "other": "award.amount"},
        },
        "wall_s": 12.3,
        "peak_pss_mb": 456.7,
    }


def pool(item: str, *, awarded: bool) -> dict:
    won = {"awarded": True, "units": 40, "amount_minor": 159_600, "tier": 2}
    lost = {"awarded": False, "reason": "pool.too_few"}
    return {"item": item, "title": f"{item} title", "outcome": won if awarded else lost}


def rows(text: str, first: str) -> list[str]:
    return next(line for line in text.splitlines() if line.startswith(first)).split()


def test_the_table_adds_up_in_money(outcome):
    text = render(outcome, built_in(), [pool("BARB-200", awarded=True)])

    # alone and total include carriage: each co-op's own lorries, or its share of the common ones.
    assert rows(text, "Hill") == [
        *["Hill", "12,435.67", "10,000.00", "0.50", "50.00", "10,050.50", "2,385.17", "1"]
    ]
    assert rows(text, "Together")[1:] == [
        *["13,455.57", "10,999.90", "1.00", "70.00", "11,070.90", "2,384.67", "2"]
    ]


def test_a_loss_is_shown_as_one(outcome):
    text = render(outcome, built_in(), [])

    assert rows(text, "Dale")[6] == "-0.50"


def test_a_pool_shows_the_price_alone_and_together(outcome):
    text = render(outcome, built_in(), [pool("BARB-200", awarded=True)])

    assert rows(text, "BARB-200 title")[2:] == ["40", "46.00", "39.90", "1,596.00"]


def test_incidents_are_told_in_words(outcome):
    text = render(outcome, built_in(), [pool("ALPACA-20", awarded=False)])

    assert "Not awarded: Alpaca feed - fewer than three co-ops want it" in text
    assert "refused by 2 of 3 nodes (award.amount)" in text


def test_real_transport_is_told_in_minutes_and_not_added_to_money(outcome):
    scenario = Scenario(
        prices=b"", purchases={}, pool_options={}, pdptw=b"", notes=("maxima are synthetic",)
    )

    text = render(outcome, scenario, [])

    hill = next(line for line in text.splitlines() if line.startswith("Hill"))
    assert "5000 min" in hill
    assert hill.split()[1] == "12,345.67"
    assert "maxima are synthetic" in text
    assert "CPU" not in text
