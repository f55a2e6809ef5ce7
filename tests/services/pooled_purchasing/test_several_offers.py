"""From lists to orders where several suppliers win: whole nodes, entries in shuffled order."""

from __future__ import annotations

import msgspec
import pytest
from tests.services.pooled_purchasing.test_service import SERVICE, Town, prices

from sheaf_protocol.records import OK, Award

MILLS = prices(
    "nuts,bag,1,10.00,GBP,2026-03-01,25000", "nuts,bag,10,9.00,GBP,2026-03-01,25000"
).replace(b"unit_weight_g\n", b"unit_weight_g,max_quantity\n")
"""At most 15 bags; what belongs to the whole offer stands on its first line."""
MILLS = MILLS.replace(b"10.00,GBP,2026-03-01,25000", b"10.00,GBP,2026-03-01,25000,15")
MILLS = MILLS.replace(b"9.00,GBP,2026-03-01,25000", b"9.00,GBP,2026-03-01,25000,")
BARNS = prices("nuts,bag,1,9.40,GBP,2026-03-01,25000")


class Fair(Town):
    """A town with a second wholesaler, who is dearer and has enough."""

    def __init__(self, federation):
        super().__init__(federation)
        self.barns = federation.join("Barns", "supplier")

    async def award(self, **options: str):
        await self.list_nuts(8, 9, 10)
        await self.mills.command(SERVICE, "import_prices", MILLS)
        await self.barns.command(SERVICE, "import_prices", BARNS)
        await self.federation.settle()
        given = {"k_min": "3", "may_close_early": "1", "offers": "several"} | options
        await self.hill.command(SERVICE, "open_pools", **given)
        await self.close()


@pytest.fixture
async def fair(federation):
    made = Fair(federation)
    await federation.begin()
    return made


async def test_two_suppliers_share_a_pool_and_every_node_signs_ok(fair):
    await fair.award()

    [award] = fair.hill.seen("pool.award")
    assert award.record.gap == 0
    sold = {line.quantity: line.amount for line in award.record.lines}
    assert sold == {15: 15 * 900, 12: 12 * 940}
    assert fair.verdicts(award.id) == fair.all_say(OK)


async def test_each_buyer_orders_from_each_supplier_what_it_got_there(fair):
    await fair.award()

    for buyer, wanted in zip(fair.buyers, (8, 9, 10), strict=True):
        report = await buyer.view(SERVICE)
        assert report["orders"] == report["orders_accepted"] == 2
        [line] = report["lines"]
        assert (line["state"], line["got"]) == ("awarded", wanted)
        assert line["paid_minor"] == report["coop"]["goods_minor"]
    mills, barns = [await node.view(SERVICE) for node in (fair.mills, fair.barns)]
    assert mills["orders_accepted"] == barns["orders_accepted"] == 3
    [pool] = mills["pools"]
    assert [won["units"] for won in pool["outcome"]["offers"]] in ([15, 12], [12, 15])


async def test_a_supplier_reads_only_the_orders_that_are_its_own(fair):
    await fair.award()

    orders = {order.id for order in fair.mills.seen("order.place")}

    assert len(orders) == 3
    assert orders.isdisjoint(order.id for order in fair.barns.seen("order.place"))


async def test_an_award_that_moves_a_unit_is_refused_by_every_node(fair):
    await fair.list_nuts(8, 9, 10)
    await fair.mills.command(SERVICE, "import_prices", MILLS)
    await fair.barns.command(SERVICE, "import_prices", BARNS)
    await fair.federation.settle()
    given = {"k_min": "3", "may_close_early": "1", "offers": "several"}
    await fair.hill.command(SERVICE, "open_pools", **given)
    await fair.federation.settle()
    await fair.hill.command(SERVICE, "close_pools")
    await fair.federation.settle()
    [award] = fair.hill.seen("pool.award")
    first, second = award.record.lines
    # Fourteen at the cheaper place and thirteen at the dearer: worth less, and said to be the best.
    cheap, dear = (first, second) if first.quantity == 15 else (second, first)
    lines = [
        msgspec.structs.replace(cheap, quantity=14, amount=14 * 900),
        msgspec.structs.replace(dear, quantity=13, amount=13 * 940),
    ]
    false = msgspec.structs.replace(award.record, lines=sorted(lines, key=lambda n: n.offer))

    entry = await fair.hill.publish(false, refs=[award.record.pool, award.record.close])
    await fair.federation.settle()

    assert fair.verdicts(entry.id) == fair.all_say("award.value")


async def test_a_coordinator_that_starts_anew_awards_once(fair):
    await fair.award()
    fair.hill.start()

    await fair.federation.settle()

    assert len(fair.hill.seen("pool.award")) == 1
    assert len(fair.dale.seen("order.place", by=fair.dale)) == 2


async def test_a_pool_that_nobody_can_serve_lapses(fair):
    await fair.list_nuts(8, 9, 10, max_price="8.00")
    await fair.mills.command(SERVICE, "import_prices", MILLS)
    await fair.federation.settle()
    given = {"k_min": "3", "may_close_early": "1", "offers": "several"}
    await fair.hill.command(SERVICE, "open_pools", **given)
    await fair.close()

    [lapse] = fair.hill.seen("pool.lapse")

    assert lapse.record.reason == "pool.no_tier"
    assert fair.verdicts(lapse.id) == fair.all_say(OK)
    assert not any(isinstance(seen.record, Award) for seen in fair.hill.seen())


async def test_lists_with_a_minimum_are_left_whole(fair):
    await fair.list_nuts(8, 9)
    whole = b"ref,item,quantity,unit,max_price,currency,min_quantity\nm,nuts,10,bag,9.50,GBP,10\n"
    await fair.moor.command(SERVICE, "import_purchases", whole)
    await fair.mills.command(SERVICE, "import_prices", MILLS)
    await fair.federation.settle()
    given = {"k_min": "3", "may_close_early": "1", "offers": "several"}
    await fair.hill.command(SERVICE, "open_pools", **given)
    await fair.close()

    report = await fair.moor.view(SERVICE)

    [award] = fair.hill.seen("pool.award")
    assert report["lines"][0]["got"] in {0, 10}
    assert fair.verdicts(award.id) == fair.all_say(OK)


async def test_packs_and_minimums_of_a_price_list_hold_in_the_award(fair):
    table = b"item,unit,min_quantity,price,currency,valid_until,min_order,pack_size\n"
    table += b"nuts,bag,1,9.00,GBP,2026-03-01,12,6\n"
    await fair.list_nuts(8, 9, 10)
    await fair.mills.command(SERVICE, "import_prices", table)
    await fair.barns.command(SERVICE, "import_prices", BARNS)
    await fair.federation.settle()
    given = {"k_min": "3", "may_close_early": "1", "offers": "several"}
    await fair.hill.command(SERVICE, "open_pools", **given)
    await fair.close()

    [award] = fair.hill.seen("pool.award")

    assert fair.verdicts(award.id) == fair.all_say(OK)
    assert {line.quantity for line in award.record.lines} == {24, 3}


async def test_a_pool_of_one_offer_passes_over_offers_with_packs(fair):
    table = b"item,unit,min_quantity,price,currency,valid_until,pack_size\n"
    await fair.mills.command(
        SERVICE, "import_prices", table + b"nuts,bag,1,9.00,GBP,2026-03-01,6\n"
    )
    await fair.list_nuts(8, 9, 10)
    await fair.federation.settle()

    answer = await fair.hill.command(SERVICE, "open_pools", k_min="3")

    assert answer["opened"] == 0
    [skipped] = answer["skipped"]
    assert "packs or minimums" in skipped["why"]
