"""A coordinator's node opens pools by itself for what enough co-ops want."""

from __future__ import annotations

import pytest
from tests.services.pooled_purchasing.test_service import NUTS, SERVICE, Town

from sheaf_protocol.errors import Refusal
from sheaf_services.pooled_purchasing.settings import read_settings
from sheaf_services.pooled_purchasing.unasked import LOOKS_MS

RULE = {"coops": 2, "closes_in_s": 3_600, "k_min": 2, "offers": "several"}


class Eager(Town):
    """A town whose first co-op has its pools opened unasked."""

    def __init__(self, federation, **rule):
        super().__init__(federation)
        self.hill.settings = {SERVICE: {"open_pools": RULE | rule}}

    async def later(self, ms: int = LOOKS_MS):
        self.clock.advance(ms)
        await self.federation.settle()


@pytest.fixture
async def town(federation):
    made = Eager(federation)
    await federation.begin()
    return made


async def want(node, ref: str, quantity: int = 8, item: str = "nuts", zone: str = "ALL"):
    line = f"{ref},{item},{quantity},bag,9.50,GBP,{zone}"
    table = "ref,item,quantity,unit,max_price,currency,zone\n" + line
    await node.command(SERVICE, "import_purchases", table.encode())


async def test_a_pool_opens_when_two_co_ops_want_an_item(town):
    await town.mills.command(SERVICE, "import_prices", NUTS)
    await want(town.dale, "a")
    await town.federation.settle()
    await town.later()
    assert not town.hill.seen("pool.open")

    await want(town.moor, "b")
    await town.federation.settle()
    await town.later()

    [opened] = town.hill.seen("pool.open")
    assert opened.record.item.code == "nuts"
    assert opened.record.objective == "several_offers/1"
    assert opened.record.k_min == 2


async def test_two_lines_of_one_co_op_are_not_two_co_ops(town):
    await town.mills.command(SERVICE, "import_prices", NUTS)
    await want(town.dale, "a")
    await want(town.dale, "b")
    await town.federation.settle()

    await town.later()

    assert not town.hill.seen("pool.open")


async def test_nothing_opens_for_what_nobody_offers(town):
    await want(town.dale, "a")
    await want(town.moor, "b")
    await town.federation.settle()

    await town.later()

    assert not town.hill.seen("pool.open")


async def test_each_zone_has_a_pool_of_its_own(town):
    await town.mills.command(SERVICE, "import_prices", NUTS)
    for zone in ("NORTH", "SOUTH"):
        for node in (town.dale, town.moor):
            await want(node, f"{zone}-line", zone=zone)
    await town.federation.settle()

    await town.later()

    assert {seen.record.zone for seen in town.hill.seen("pool.open")} == {"NORTH", "SOUTH"}


async def test_a_pool_runs_to_its_award_and_no_other_opens_for_lines_that_it_has(town):
    await town.mills.command(SERVICE, "import_prices", NUTS)
    await want(town.dale, "a", 12)
    await want(town.moor, "b", 12)
    await town.federation.settle()
    await town.later()

    await town.later(3_600_000)
    for _ in range(5):
        await town.later()

    assert len(town.hill.seen("pool.open")) == 1
    [award] = town.hill.seen("pool.award")
    assert award.record.quantity == 24
    assert (await town.dale.view(SERVICE))["orders_accepted"] == 1


async def test_lines_of_a_pool_that_lapsed_roll_over_into_the_next(federation):
    town = Eager(federation, k_min=3)
    await federation.begin()
    await town.mills.command(SERVICE, "import_prices", NUTS)
    await want(town.dale, "a", 12)
    await want(town.moor, "b", 12)
    await federation.settle()
    await town.later()

    await town.later(3_600_000)
    await town.later()

    [lapse] = town.hill.seen("pool.lapse")
    assert lapse.record.reason == "pool.too_few"
    assert len(town.hill.seen("pool.open")) == 2


async def test_a_node_that_starts_anew_opens_no_second_pool(town):
    await town.mills.command(SERVICE, "import_prices", NUTS)
    await want(town.dale, "a")
    await want(town.moor, "b")
    await town.federation.settle()
    await town.later()

    town.hill.start()
    await town.federation.settle()
    await town.later()

    assert len(town.hill.seen("pool.open")) == 1


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"open_pools": {"coops": 1}}, "config.invalid"),
        ({"open_pools": {"coops": 2, "closes_in_s": 1}}, "config.invalid"),
        ({"open_pools": {"coops": 2, "close_in_s": 3_600}}, "config.invalid"),
        ({"open_pools": {"coops": 2, "offers": "many"}}, "config.invalid"),
        ({"open_pools": 2}, "config.invalid"),
        ({"opens_pools": {}}, "config.unknown_key"),
        ({"place": {"name": "Mills"}}, "config.invalid"),
        ({"orders": "sometimes"}, "config.invalid"),
    ],
)
def test_settings_that_say_nothing_sensible_are_refused(given, code):
    with pytest.raises(Refusal) as caught:
        read_settings(given)

    assert caught.value.code == code
