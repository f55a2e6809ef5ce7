"""A week of real sales with two wholesalers for each item, neither of whom has enough."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from sheaf_protocol.clearing import MIX, SEVERAL_OFFERS, Case, verify_full
from sheaf_protocol.digest import CoopId, EntryId, WriterId, digest
from sheaf_services.pooled_purchasing.clearing.draft import clear
from sheaf_services.pooled_purchasing.clearing.greedy import greedy, single
from sheaf_services.pooled_purchasing.clearing.solve import Limits
from sheaf_services.pooled_purchasing.retail import read_week

WEEK = Path(__file__).resolve().parents[4] / "shared" / "data" / "online-retail"
OWNER = WriterId(bytes(32))


def entry(*parts: str) -> EntryId:
    return EntryId(digest("test-entry", "|".join(parts).encode()))


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """The pools of the week: what 527 shops bought, from two who sold it in one half each."""
    if not WEEK.is_dir():
        pytest.skip(f"no real week at {WEEK}")
    files = [(path.name, path.read_bytes()) for path in sorted(WEEK.glob("*.csv"))]
    halves = [
        {item.code: item for item in read_week(half, is_tiered=False).items}
        for half in (files[:3], files[3:])
    ]
    return [case for item in read_week(files).items if (case := case_of(item, halves)).offers]


def case_of(item, halves) -> Case:
    """One item's pool: half of the units that a wholesaler really sold are what it has."""
    demands = {
        entry(item.code, each.customer): (
            CoopId(digest("test-coop", each.customer.encode())),
            item.demand(each),
        )
        for each in item.wanted
    }
    offers = {}
    for number, half in enumerate(halves):
        mine = half.get(item.code)
        units = 0 if mine is None else sum(each.quantity for each in mine.wanted) // 2
        if units:
            offers[entry(item.code, f"wholesaler {number}")] = msgspec.structs.replace(
                mine.offer(1), max_quantity=units
            )
    pool = msgspec.structs.replace(item.pool(OWNER, 1), objective=SEVERAL_OFFERS, ration=MIX)
    return Case(
        id=entry(item.code),
        pool=pool,
        demands=dict(sorted(demands.items())),
        offers=dict(sorted(offers.items())),
    )


def test_every_award_of_the_week_is_the_best_there_is_and_stands_a_full_check(cases):
    gained = {"several": 0, "greedy": 0, "single": 0}
    pairs = awarded = 0
    for case in cases:
        draft = clear(case, entry("close"), Limits())
        gained["greedy"] += case.market.gained(greedy(case.market) or [])
        gained["single"] += case.market.gained(single(case.market) or [])
        pairs += len(case.offers) == 2
        if draft is not None:
            verify_full(case, draft.award)
            awarded += 1
            assert draft.award.gap == 0
            gained["several"] += draft.award.value

    assert pairs > 20
    assert awarded > 50
    assert gained["several"] >= gained["greedy"] // 10**6 - awarded
    assert gained["several"] > gained["single"] // 10**6
