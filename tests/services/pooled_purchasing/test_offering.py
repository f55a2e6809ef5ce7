"""A supplier's own offers: shown with what they won, and taken back."""

from __future__ import annotations

import pytest
from tests.services.pooled_purchasing.test_service import NUTS, SERVICE, Town

from sheaf_protocol.errors import Refusal


@pytest.fixture
async def town(federation):
    made = Town(federation)
    await federation.begin()
    return made


async def offers_of(node):
    return (await node.view(SERVICE, "offers"))["offers"]


async def test_an_offer_tells_its_prices_and_what_it_won(town):
    await town.award()

    [offer] = await offers_of(town.mills)

    assert offer["state"] == "stands"
    assert [tier["from_quantity"] for tier in offer["tiers"]] == [1, 20]
    assert (offer["awards"], offer["sold"], offer["goods_minor"]) == (1, 27, 27 * 900)


async def test_an_offer_taken_back_stands_no_more_and_is_published_once(town):
    await town.mills.command(SERVICE, "import_prices", NUTS)
    await town.federation.settle()
    [offer] = await offers_of(town.mills)

    for _ in range(2):
        await town.mills.command(SERVICE, "withdraw_offer", ref=offer["ref"])

    [offer] = await offers_of(town.mills)
    assert offer["state"] == "withdrawn"
    assert len(town.mills.seen("offer.withdraw")) == 1
    await town.federation.settle()
    answer = await town.hill.command(SERVICE, "open_pools", k_min="3")
    assert answer["opened"] == 0


async def test_an_offer_ends_with_its_last_day(town):
    await town.mills.command(SERVICE, "import_prices", NUTS)
    town.clock.advance(90 * 86_400_000)

    await town.federation.settle()

    assert [offer["state"] for offer in await offers_of(town.mills)] == ["ended"]


async def test_nobody_takes_back_anothers_offer(town):
    await town.mills.command(SERVICE, "import_prices", NUTS)
    await town.federation.settle()
    [offer] = await offers_of(town.mills)

    with pytest.raises(Refusal) as caught:
        await town.hill.command(SERVICE, "withdraw_offer", ref=offer["ref"])

    assert caught.value.code == "policy.role"
    assert await offers_of(town.hill) == []


async def test_a_reference_that_there_is_not_is_refused(town):
    with pytest.raises(Refusal) as caught:
        await town.mills.command(SERVICE, "withdraw_offer", ref="nonsense")

    assert caught.value.code == "offer.unknown"
