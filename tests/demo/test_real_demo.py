"""The real week and the real transport requests: every figure exact, whatever the salt."""

from __future__ import annotations

import shutil

from tests.long import only_at_length

BEST_KNOWN_MINUTES = 732


def test_the_real_week_comes_out_exact(start_demo, week, transport):
    outcome = start_demo("--purchases", str(week), "--shipments", str(transport)).outcome()

    purchasing, shipments = outcome["purchasing"], outcome["shipments"]
    assert outcome["converged"]
    assert outcome["envelopes"]["rejected"] == 0
    verified = purchasing.pop("verified_by")
    assert purchasing == {
        "lines": 19_686,
        "excluded": 4_494,
        "items_with_tiers": 116,
        "demands": 2_884,
        "awards": 83,
        "served_alone": 170,
        "served_pooled": 1_027,
        "gain_alone_minor": 74_396,
        "gain_pooled_minor": 591_588,
        "paid_pooled_minor": 3_774_875,
        "over_max_price": 0,
    }
    assert set(verified.values()) == {83}
    assert len(verified) == 8
    assert shipments["requests"] == 50
    assert shipments["cost_pooled"] * 100 <= BEST_KNOWN_MINUTES * 105
    assert shipments["worse_off"] == 0
    assert set(shipments["verified_by"].values()) == {shipments["trips"]}
    saved = sum(coop["saved_minor"] for coop in outcome["per_coop"])
    assert saved == purchasing["gain_pooled_minor"] - purchasing["gain_alone_minor"]
    assert sum(coop["carriage"] for coop in outcome["per_coop"]) == shipments["cost_pooled"]
    assert sum(coop["goods_minor"] for coop in outcome["per_coop"]) == 3_774_875


@only_at_length
def test_another_salt_and_half_a_week_come_out_exact(start_demo, week, tmp_path):
    # Figures by a separate program that follows the rule's text with plain dictionaries.
    expected = {
        "lines": 10_080,
        "excluded": 2_353,
        "items_with_tiers": 64,
        "demands": 979,
        "awards": 31,
        "served_alone": 42,
        "served_pooled": 292,
        "gain_alone_minor": 38_100,
        "gain_pooled_minor": 232_681,
        "paid_pooled_minor": 1_469_257,
    }
    half = tmp_path / "half"
    half.mkdir()
    for day in ("09", "10", "11"):
        shutil.copy(week / f"2011-11-{day}.csv", half)

    outcome = start_demo("--purchases", str(half), "--salt", "x").outcome()

    assert outcome["converged"]
    assert {name: outcome["purchasing"][name] for name in expected} == expected
