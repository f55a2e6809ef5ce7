"""What a writer began goes on under the writer that succeeds it: pools, lines and orders."""

from __future__ import annotations

import pytest
from tests.carrying import bring_log
from tests.services.pooled_purchasing.test_service import SERVICE, Town, wants

from sheaf_protocol.digest import log_id
from sheaf_protocol.records import OK, PoolClose


@pytest.fixture
async def town(federation):
    made = Town(federation)
    await federation.begin()
    return made


def own_log(town, node):
    return log_id(town.federation.certificate.fid, node.coop.cid, node.coop.wid)


async def test_a_pool_is_closed_and_awarded_by_the_successor_of_its_writer(town):
    await town.list_nuts(8, 9, 10)
    await town.open()
    former = town.hill.coop.wid

    await town.hill.renew()
    await town.close()

    [opening], [award] = town.dale.seen("pool.open"), town.dale.seen("pool.award")
    assert (opening.wid, award.wid) == (former, town.hill.coop.wid)
    assert award.record.quantity == 27
    assert town.verdicts(award.id) == town.all_say(OK)
    sold = await town.mills.view(SERVICE)
    assert sold["orders"] == sold["orders_accepted"] == 3


async def test_a_pool_that_its_writer_closed_is_awarded_by_the_successor(town):
    await town.list_nuts(8, 9, 10)
    await town.open()
    await town.hill.command(SERVICE, "close_pools")

    await town.hill.renew()
    await town.federation.settle()

    [close], [award] = town.dale.seen("pool.close"), town.dale.seen("pool.award")
    assert close.wid != award.wid
    assert town.verdicts(award.id) == town.all_say(OK)


async def test_a_pool_that_was_awarded_is_not_decided_again_by_the_successor(town):
    await town.award()

    await town.hill.renew()
    await town.federation.settle()

    assert len(town.dale.seen("pool.award")) == 1
    assert len(town.dale.seen("pool.open")) == 1


async def test_a_pool_of_a_successor_names_the_first_writer_of_its_line_as_owner(town):
    former = town.hill.coop.wid
    await town.list_nuts(8)
    await town.hill.renew()
    await town.hill.renew()

    award = await town.award()

    [opening] = town.dale.seen("pool.open")
    assert opening.record.owner == former
    assert town.verdicts(award.id) == town.all_say(OK)


async def test_a_successor_withdraws_the_lines_of_the_writer_before_it(town):
    await town.list_nuts(12, 9, 10)
    await town.open(k_min="1")

    await town.dale.renew()
    await town.dale.command(SERVICE, "withdraw", ref="nuts-1")
    await town.close()

    [award] = town.mills.seen("pool.award")
    assert award.record.quantity == 22
    assert town.verdicts(award.id) == town.all_say(OK)


async def test_a_list_sent_again_by_a_successor_takes_the_place_of_the_one_before(town):
    await town.list_nuts(8, 9, 10)
    await town.open()

    await town.dale.renew()
    line = "nuts-1,nuts,20,bag,9.50,GBP"
    sent = await town.dale.command(SERVICE, "import_purchases", wants(line))
    await town.close()

    [award] = town.mills.seen("pool.award")
    assert sent == {"lines": 1, "published": 1, "withdrawn": 0, "notes": []}
    assert award.record.quantity == 38
    assert town.verdicts(award.id) == town.all_say(OK)


async def test_a_list_that_did_not_change_is_not_published_again_by_a_successor(town):
    await town.list_nuts(8, 9, 10)

    await town.dale.renew()
    line = "nuts-1,nuts,9,bag,9.50,GBP"
    sent = await town.dale.command(SERVICE, "import_purchases", wants(line))

    assert sent == {"lines": 1, "published": 0, "withdrawn": 0, "notes": []}


async def test_lines_that_a_co_op_won_are_ordered_once_by_whichever_writer(town):
    await town.award()

    await town.dale.renew()
    await town.federation.settle()

    sold = await town.mills.view(SERVICE)
    assert sold["orders"] == sold["orders_accepted"] == 3


async def test_offers_of_a_supplier_stand_under_its_successor(town):
    await town.list_nuts(8, 9, 10)
    await town.open()

    await town.mills.renew()
    await town.close()

    [award] = town.dale.seen("pool.award")
    sold = await town.mills.view(SERVICE)
    assert town.verdicts(award.id) == town.all_say(OK)
    assert sold["orders"] == sold["orders_accepted"] == 3


async def test_what_a_successor_says_waits_for_the_end_of_the_log_before_it(town):
    await town.list_nuts(8, 9, 10)
    await town.open()
    town.federation.away = {town.moor}
    before = own_log(town, town.dale)
    await town.dale.command(SERVICE, "import_purchases", wants("nuts-2,nuts,3,bag,9.50,GBP"))
    await town.dale.renew()
    await town.dale.command(SERVICE, "withdraw", ref="nuts-2")

    await bring_log(own_log(town, town.dale), town.dale.store, town.moor.store, town.moor.ingest)
    early = town.moor.seen(by=town.dale)
    await bring_log(before, town.dale.store, town.moor.store, town.moor.ingest)
    late = town.moor.seen(by=town.dale)

    assert [seen.kind for seen in early] == ["demand.submit"]
    assert [seen.kind for seen in late[1:]] == [
        "demand.submit",
        "writer.succeed",
        "demand.withdraw",
    ]
    assert [seen.place for seen in late] == [1, 2, 3, 4]


async def test_a_cut_at_a_successor_names_all_that_the_writer_before_it_wrote(town):
    await town.list_nuts(8, 9, 10)
    await town.open()
    await town.dale.renew()
    await town.close()

    [close] = town.mills.seen("pool.close")
    assert isinstance(close.record, PoolClose)
    rows = {row.wid for row in close.record.cut if row.cid == town.dale.coop.cid}
    assert rows == {town.dale.coop.wid}
    assert len(close.record.demands) == 3
