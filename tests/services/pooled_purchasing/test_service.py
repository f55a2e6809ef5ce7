"""From lists to accepted orders, between nodes that hear of everything in shuffled order."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime

import msgspec
import pytest
from msgspec import UNSET

from sheaf_node.clock import ManualClock
from sheaf_node.plugins import Call
from sheaf_protocol.charter import MAY
from sheaf_protocol.codec import encode
from sheaf_protocol.envelope import SEALED
from sheaf_protocol.errors import Refusal
from sheaf_protocol.limits import PREKEY_LIFETIME_MS
from sheaf_protocol.records import (
    OK,
    Award,
    LogCut,
    OfferWithdrawal,
    PoolClose,
    PoolLapse,
    PoolOpen,
    Verdict,
    Window,
)
from sheaf_protocol.sealing import Author, seal_private
from sheaf_protocol.testing.author import START_MS

SERVICE = "pooled_purchasing"
WEEK_MS = 7 * 86_400_000
WEEK_LATER = datetime.fromtimestamp((START_MS + WEEK_MS) // 1000, UTC)
PLACE = {"name": "Mills", "lat_udeg": 54_975_000, "lon_udeg": -2_090_000}


def prices(*lines: str) -> bytes:
    header = "item,unit,min_quantity,price,currency,valid_until,unit_weight_g"
    return "\n".join([header, *lines]).encode()


def wants(*lines: str) -> bytes:
    return "\n".join(["ref,item,quantity,unit,max_price,currency", *lines]).encode()


NUTS = prices("nuts,bag,1,10.00,GBP,2026-03-01,25000", "nuts,bag,20,9.00,GBP,2026-03-01,25000")


class Town:
    """Three buying co-ops of which the first runs pools and a rival may, and a wholesaler."""

    def __init__(self, federation):
        self.federation = federation
        self.clock = federation.clock
        place = {SERVICE: {"place": PLACE}}
        self.hill = federation.join("Hill", "member", "coordinator")
        self.dale = federation.join("Dale", "member")
        self.moor = federation.join("Moor", "member", "coordinator")
        self.mills = federation.join("Mills", "supplier", settings=place)
        self.buyers = [self.hill, self.dale, self.moor]

    async def list_nuts(self, *quantities: int, item: str = "nuts", max_price: str = "9.50"):
        for node, quantity in zip(self.buyers, quantities, strict=False):
            line = f"{item}-1,{item},{quantity},bag,{max_price},GBP"
            await node.command(SERVICE, "import_purchases", wants(line))
        await self.federation.settle()

    async def open(self, **options: str):
        await self.mills.command(SERVICE, "import_prices", NUTS)
        await self.federation.settle()
        given = {"k_min": "3", "may_close_early": "1"} | options
        return await self.hill.command(SERVICE, "open_pools", **given)

    async def close(self):
        await self.federation.settle()
        await self.hill.command(SERVICE, "close_pools")
        await self.federation.settle()

    async def award(self) -> Award:
        """Run one pool of nuts to its award, with every order answered."""
        await self.list_nuts(8, 9, 10)
        await self.open()
        await self.close()
        [seen] = self.hill.seen("pool.award")
        return seen

    def verdicts(self, subject: bytes) -> dict[str, str]:
        """Return what each node signed, as the supplier has read it."""
        names = {node.coop.cid: node.coop.name for node in self.federation.nodes}
        found = [seen for seen in self.mills.seen("verdict") if seen.record.subject == subject]
        assert len(found) == len({seen.cid for seen in found})
        return {names[seen.cid]: seen.record.code for seen in found}

    def all_say(self, code: str) -> dict[str, str]:
        return {node.coop.name: code for node in self.federation.nodes}


@pytest.fixture
async def town(federation):
    made = Town(federation)
    await federation.begin()
    return made


async def test_lists_become_accepted_orders_and_every_node_signs_ok(town):
    award = await town.award()

    assert (award.record.quantity, award.record.lines[0].amount) == (27, 27 * 900)
    assert town.verdicts(award.id) == town.all_say(OK)
    assert town.federation.is_same()
    report = await town.dale.view(SERVICE)
    assert report["orders"] == report["orders_accepted"] == 1
    assert report["orders_refused"] == report["orders_owed"] == 0
    assert report["coop"]["goods_minor"] == 9 * 900
    [line] = report["lines"]
    assert (line["wanted"], line["got"], line["unit"], line["scale"]) == (9, 9, "XBG", 0)
    sold = await town.mills.view(SERVICE)
    assert sold["orders"] == sold["orders_accepted"] == 3


async def test_answers_say_weight_and_where_from(town):
    await town.award()

    [answer] = [seen.record for seen in town.dale.seen("order.response")]

    assert (answer.code, answer.weight_g) == ("AP", 9 * 25_000)
    assert answer.ship_from.name == "Mills"


async def test_a_pool_closes_by_its_owners_clock_and_by_no_other(federation):
    slow = ManualClock(START_MS)
    town = Town(federation)
    town.hill.clock = slow
    await federation.begin()
    await town.list_nuts(8, 9, 10)
    await town.open(closes_in_s="3600", may_close_early="0")
    await federation.settle()

    town.clock.advance(2 * 3_600_000)
    await federation.settle()
    assert not town.hill.seen("pool.close")

    slow.advance(3_600_000)
    await federation.settle()
    [award] = town.hill.seen("pool.award")
    assert town.verdicts(award.id) == town.all_say(OK)


async def test_a_running_host_closes_at_the_deadline_by_itself(town):
    await town.list_nuts(8, 9, 10)
    await town.open(closes_in_s="60")
    running = asyncio.ensure_future(town.hill.hosts[SERVICE].run())
    for _ in range(30):
        town.clock.advance(5_000)
        await asyncio.sleep(0.002)
    # Its time has come; what it says then is stored when the disk has it.
    async with asyncio.timeout(60):
        while not town.hill.count()["pool.award"]:  # noqa: ASYNC110 - a plain value
            await asyncio.sleep(0.002)

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert town.hill.count()["pool.close"] == town.hill.count()["pool.award"] == 1


async def test_a_pool_that_may_not_close_early_stays_open(town):
    await town.list_nuts(8, 9, 10)
    await town.open(may_close_early="0")

    assert await town.hill.command(SERVICE, "close_pools") == {
        "closed": 0,
        "skipped": [
            {
                "item": "nuts",
                "why": f"was opened to stay open until {WEEK_LATER:%Y-%m-%d %H:%M} UTC",
            }
        ],
    }


async def test_a_pool_of_another_coordinator_is_not_ours_to_close(town):
    await town.open()
    await town.federation.settle()

    answer = await town.moor.command(SERVICE, "close_pools")

    assert answer == {
        "closed": 0,
        "skipped": [{"item": "nuts", "why": "another co-op runs this pool"}],
    }


async def test_own_lines_are_reported_before_any_pool_and_while_it_is_open(town):
    await town.list_nuts(8, 9, 10)
    [alone] = (await town.dale.view(SERVICE))["lines"]
    await town.open()
    await town.federation.settle()
    report = await town.dale.view(SERVICE)

    assert alone == report["lines"][0]
    assert (alone["ref"], alone["state"], alone["wanted"], alone["got"]) == (
        "nuts-1", "waiting", 9, 0,
    )  # fmt: skip
    assert not any(report["coop"].values())
    [pool] = report["pools"]
    assert (pool["state"], pool["outcome"]) == ("open", None)


async def test_a_line_withdrawn_before_a_pool_is_reported_so(town):
    await town.list_nuts(8, 9, 10)
    await town.dale.command(SERVICE, "withdraw", ref="nuts-1")
    await town.federation.settle()

    [line] = (await town.dale.view(SERVICE))["lines"]

    assert line["state"] == "withdrawn"


async def test_each_line_is_reported_once_with_what_its_pool_came_to(town):
    await town.list_nuts(8, 9, 10)
    await town.open(k_min="4")
    await town.close()
    lapsed = await town.dale.view(SERVICE)
    await town.dale.command(SERVICE, "import_purchases", wants("low,nuts,5,bag,1.00,GBP"))
    await town.open()
    await town.close()
    awarded = await town.dale.view(SERVICE)

    assert [line["state"] for line in lapsed["lines"]] == ["lapsed"]
    states = {line["ref"]: line["state"] for line in awarded["lines"]}
    assert states == {"nuts-1": "awarded", "low": "unserved"}
    assert awarded["coop"]["demands"] == 3
    assert [pool["state"] for pool in awarded["pools"]] == ["lapsed", "awarded"]
    assert awarded["pools"][1]["outcome"]["price"] == {"amount": 900, "base": 1}


async def test_a_demand_beyond_the_cut_does_not_count_and_all_agree(town):
    await town.list_nuts(8, 9, 10)
    await town.open()
    await town.federation.settle()
    town.federation.away = {town.dale}
    await town.dale.command(SERVICE, "import_purchases", wants("late,nuts,5,bag,9.50,GBP"))

    await town.hill.command(SERVICE, "close_pools")
    town.federation.away = set()
    await town.federation.settle()

    [award] = town.hill.seen("pool.award")
    assert award.record.quantity == 27
    assert town.verdicts(award.id) == town.all_say(OK)


async def test_a_withdrawal_counts_before_the_cut_and_not_after_it(town):
    await town.list_nuts(8, 9, 10)
    await town.dale.command(SERVICE, "import_purchases", wants("more,nuts,5,bag,9.50,GBP"))
    await town.dale.command(SERVICE, "withdraw", ref="more")
    await town.open()
    await town.federation.settle()
    town.federation.away = {town.moor}
    await town.moor.command(SERVICE, "withdraw", ref="nuts-1")

    await town.hill.command(SERVICE, "close_pools")
    town.federation.away = set()
    await town.federation.settle()

    [award] = town.hill.seen("pool.award")
    assert award.record.quantity == 27
    assert town.verdicts(award.id) == town.all_say(OK)


async def test_a_pool_with_too_few_co_ops_lapses_and_every_node_verifies_it(town):
    await town.list_nuts(8, 9)
    await town.open()
    await town.close()

    [lapse] = town.dale.seen("pool.lapse")

    assert lapse.record.reason == "pool.too_few"
    assert town.verdicts(lapse.id) == town.all_say(OK)
    [pool] = (await town.dale.view(SERVICE))["pools"]
    assert pool["outcome"] == {"awarded": False, "reason": "pool.too_few"}
    assert [d["reason"] for d in pool["decisions"]] == ["pool.too_few"]


async def test_a_list_sent_again_publishes_nothing_and_a_changed_line_supersedes(town):
    await town.list_nuts(8, 9, 10)
    again = await town.dale.command(
        SERVICE, "import_purchases", wants("nuts-1,nuts,9,bag,9.50,GBP")
    )
    changed = await town.dale.command(
        SERVICE, "import_purchases", wants("nuts-1,nuts,4,bag,9.50,GBP")
    )
    await town.open()
    await town.close()

    assert again == {"lines": 1, "published": 0, "withdrawn": 0, "notes": []}
    assert changed == {"lines": 1, "published": 1, "withdrawn": 0, "notes": []}
    [award] = town.hill.seen("pool.award")
    assert award.record.quantity == 8 + 4 + 10


async def test_a_list_sent_again_does_not_bring_back_what_was_withdrawn(town):
    line = wants("r,nuts,9,bag,9.50,GBP")
    await town.dale.command(SERVICE, "import_purchases", line)
    await town.dale.command(SERVICE, "withdraw", ref="r")
    await town.dale.command(SERVICE, "withdraw", ref="r")

    again = await town.dale.command(SERVICE, "import_purchases", line)

    assert again == {"lines": 1, "published": 0, "withdrawn": 1, "notes": []}
    assert town.dale.count() == {"demand.submit": 1, "demand.withdraw": 1}


async def test_a_dry_run_publishes_nothing(town):
    line = wants("r,nuts,9,bag,9.50,GBP")

    reply = await town.dale.command(SERVICE, "import_purchases", line, dry_run="1")

    assert reply["published"] == 1
    assert not town.dale.count()


# --- two pools of one item


def opening_like(pool: PoolOpen, **changes) -> PoolOpen:
    return msgspec.structs.replace(pool, **changes)


async def test_two_pools_closed_in_one_breath_have_no_demand_in_common(town):
    await town.list_nuts(8, 9, 10)
    await town.open(k_min="1")
    [first] = town.hill.seen("pool.open")
    await town.hill.publish(opening_like(first.record, title="again"))
    await town.close()

    closes = [seen.record for seen in town.hill.seen("pool.close")]
    [award] = town.hill.seen("pool.award")
    [lapse] = town.hill.seen("pool.lapse")

    assert [len(close.demands) for close in closes] == [3, 0]
    assert lapse.record.reason == "pool.no_demand"
    assert town.verdicts(award.id) == town.verdicts(lapse.id) == town.all_say(OK)


async def test_a_lapse_sets_demands_free_for_the_next_pool(town):
    await town.list_nuts(8, 9, 10)
    await town.open(k_min="4")
    await town.close()
    await town.open(k_min="3")
    await town.close()

    [award] = town.hill.seen("pool.award")

    assert award.record.quantity == 27
    assert town.verdicts(award.id) == town.all_say(OK)


async def test_after_a_false_lapse_no_award_takes_the_demands_it_set_free(town):
    await town.list_nuts(8, 9, 10)
    await town.open(closes_in_s="9", may_close_early="0")
    [pool] = town.hill.seen("pool.open")
    right = await forge_close(town, pool)
    lapse = await town.hill.publish(PoolLapse(close=right.id, pool=pool.id, reason="pool.no_tier"))
    await town.open()
    await town.close()
    [award] = town.hill.seen("pool.award")
    stale = await town.hill.publish(await award_for(town, pool))
    await town.federation.settle()

    assert town.verdicts(lapse.id) == town.all_say("lapse.unfounded")
    assert town.verdicts(award.id) == town.all_say(OK)
    assert town.verdicts(stale.id) == town.all_say("award.second")


async def forge_close(town, pool):
    """Close a pool by hand on what its owner's service would count."""
    ledger = town.hill.hosts[SERVICE].service._ledger
    cut = [
        LogCut(cid=cid, head=head.id, seq=head.seq, wid=wid)
        for cid, wid, head in town.hill.hosts[SERVICE].service._context.heads()
    ]
    counted = ledger.book.counted(pool.record, cut)
    record = PoolClose(
        cut=cut,
        demands=[seen.id for seen in counted.demands],
        offers=[seen.id for seen in counted.offers],
        pool=pool.id,
    )
    return await town.hill.publish(record)


async def award_for(town, pool) -> Award:
    await town.hill.view(SERVICE)
    ledger = town.hill.hosts[SERVICE].service._ledger
    return ledger.result(ledger.inputs(ledger.pools[pool.id])).award


# --- false decisions


async def test_a_false_award_after_the_true_one_is_refused_by_its_own_fault(town):
    award = await town.award()
    line = msgspec.structs.replace(award.record.lines[0], amount=award.record.lines[0].amount + 1)
    false = await town.hill.publish(msgspec.structs.replace(award.record, lines=[line]))
    twin = await town.hill.publish(award.record)
    await town.federation.settle()

    assert town.verdicts(false.id) == town.all_say("award.amount")
    assert town.verdicts(twin.id) == town.all_say("award.second")
    assert town.verdicts(award.id) == town.all_say(OK)
    assert (await town.dale.view(SERVICE))["orders"] == 1


async def test_a_forged_award_by_another_member_is_refused(town):
    await town.list_nuts(8, 9, 10)
    await town.open()
    await town.federation.settle()
    [pool] = town.hill.seen("pool.open")
    town.federation.away = {town.moor}
    await town.hill.command(SERVICE, "close_pools")
    await town.federation.settle()
    [award] = town.hill.seen("pool.award")
    forged = await town.moor.publish(award.record)
    own_lapse = await town.moor.publish(
        PoolLapse(close=award.record.close, pool=pool.id, reason="pool.no_tier")
    )
    town.federation.away = set()
    await town.federation.settle()

    assert town.verdicts(forged.id) == town.all_say("award.not_owner")
    assert town.verdicts(own_lapse.id) == town.all_say("lapse.not_owner")
    assert town.verdicts(award.id) == town.all_say(OK)


async def test_a_forged_award_read_before_its_pool_is_refused_once_the_pool_is_known(town):
    await town.list_nuts(8, 9, 10)
    town.federation.away = {town.dale}
    await town.open()
    await town.close()
    [award] = town.hill.seen("pool.award")
    forged = await town.moor.publish(award.record)
    await carry_log(town.moor, town.dale)
    await town.dale.turn()
    town.federation.away = set()
    await town.federation.settle()

    assert town.verdicts(forged.id) == town.all_say("award.not_owner")


async def carry_log(giver, taker):
    """Carry one author's own log ahead of all others."""
    for log, held in giver.store.logs.items():
        if held.wid == giver.coop.wid:
            entries = giver.store.log_entries(log, 1, held.head.seq, 1 << 20, 1_000).entries
            await taker.ingest.receive([e.envelope for e in entries])


async def test_a_writer_that_spams_decisions_gets_a_bounded_number_of_verdicts(town):
    award = await town.award()
    for _ in range(20):
        await town.moor.publish(award.record)
    await town.federation.settle()

    assert town.dale.count()["verdict"] == 1 + 8


async def test_decisions_on_pools_that_nobody_opened_are_kept_in_small_number(town):
    award = await town.award()
    for n in range(20):
        await town.moor.publish(msgspec.structs.replace(award.record, pool=bytes([n]) * 32))
    await town.federation.settle()

    ledger = town.dale.hosts[SERVICE].service._ledger
    assert sum(map(len, ledger._early.values())) == 8


async def test_a_second_close_and_a_close_by_another_change_nothing(town):
    await town.list_nuts(8, 9, 10)
    await town.open()
    await town.federation.settle()
    [pool] = town.hill.seen("pool.open")
    cut = [LogCut(cid=town.moor.coop.cid, head=pool.id, seq=1, wid=town.moor.coop.wid)]
    other = PoolClose(cut=cut, demands=[], offers=[], pool=pool.id)
    await town.moor.publish(other)
    await town.close()
    await town.hill.publish(other)
    await town.federation.settle()

    [award] = town.hill.seen("pool.award")
    assert town.verdicts(award.id) == town.all_say(OK)


async def test_a_pool_in_anothers_name_is_no_pool(town):
    await town.list_nuts(8, 9, 10)
    await town.open()
    [pool] = town.hill.seen("pool.open")
    await town.moor.publish(pool.record)
    await town.federation.settle()

    assert len((await town.dale.view(SERVICE))["pools"]) == 1


async def test_a_cut_that_nobody_can_cover_leaves_its_pool_undecided(town):
    await town.list_nuts(8, 9, 10)
    await town.open(may_close_early="0")
    await town.federation.settle()
    [pool] = town.hill.seen("pool.open")
    cut = [LogCut(cid=town.moor.coop.cid, head=pool.id, seq=2**53 - 1, wid=town.moor.coop.wid)]
    await town.hill.publish(PoolClose(cut=cut, demands=[], offers=[], pool=pool.id))
    await town.federation.settle()

    [shown] = (await town.dale.view(SERVICE))["pools"]
    assert (shown["is_closed"], shown["decisions"], shown["outcome"]) == (True, [], None)


async def test_an_own_pool_under_an_unknown_rule_is_left_alone(town):
    await town.list_nuts(8, 9, 10)
    await town.open()
    [pool] = town.hill.seen("pool.open")
    await town.hill.publish(opening_like(pool.record, objective="cheapest_first/9"))
    await town.close()

    assert town.hill.count()["pool.close"] == 2
    assert town.hill.count()["pool.award"] + town.hill.count()["pool.lapse"] == 1


async def test_a_node_that_lacks_part_of_the_cut_waits_with_its_verdict(town):
    await town.list_nuts(8, 9, 10)
    await town.open()
    await town.federation.settle()
    town.federation.away = {town.dale}
    await town.moor.command(SERVICE, "import_purchases", wants("b,nuts,5,bag,9.50,GBP"))
    await town.close()
    await carry_log(town.hill, town.dale)
    await town.dale.turn()
    assert not town.dale.count()["verdict"]

    town.federation.away = set()
    await town.federation.settle()

    [award] = town.hill.seen("pool.award")
    assert town.verdicts(award.id) == town.all_say(OK)


async def test_a_verdict_that_came_before_the_cut_was_covered_again_orders_nothing_wrong(town):
    """A node restored from its peers reads its own verdict before the demands it was about."""
    await town.award()
    [order] = [seen for seen in town.dale.seen("order.place", by=town.dale)]
    ledger = town.dale.hosts[SERVICE].service._ledger
    ledger.note_heads([])
    ledger._inputs.clear()

    assert list(ledger.awarded()) == []
    assert ledger.leaves(ledger.pools[next(iter(ledger.pools))]) == ()
    assert order.record.lines[0].quantity == 9


# --- orders


async def seal(node, record, to):
    """Publish a private record by hand, sealed to some nodes."""
    author = Author(node.federation.certificate.fid, node.coop.cid, node.coop.wid)
    keys = [other.coop.prekey[0] for other in (node, *to)]
    kind = "order.place" if hasattr(record, "lines") else "order.response"
    body = seal_private(
        kind, [], encode(record), keys, author=author, random=node.federation.random(56)
    )
    from sheaf_node.ingest import Draft  # noqa: PLC0415

    [entry] = await node.ingest.publish(
        node.federation.certificate.fid, [Draft(kind=SEALED, refs=[], body=body)]
    )
    return entry


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"quantity": 10}, "order.mismatch", id="one bag more"),
        pytest.param({"quantity": 8, "amount": 7_200}, "order.mismatch", id="one bag less"),
        pytest.param({"amount": 8_099}, "order.mismatch", id="one minor unit less"),
        pytest.param({"demand": b"\x07" * 32}, "order.mismatch", id="a line that is nobody's"),
        pytest.param({}, "order.twice", id="the same once more"),
    ],
)
async def test_an_order_other_than_allocated_or_a_second_one_is_answered_re(town, changes, reason):
    await town.award()
    [own] = town.dale.seen("order.place", by=town.dale)
    line = msgspec.structs.replace(own.record.lines[0], **changes)
    order = await seal(town.dale, msgspec.structs.replace(own.record, lines=[line]), [town.mills])
    await town.federation.settle()

    assert answers(town.dale)[order.id] == ("RE", reason)
    assert (await town.dale.view(SERVICE))["orders_refused"] == 1


def changed(record, **changes):
    return msgspec.structs.replace(record, **changes)


def answers(node):
    found = [seen.record for seen in node.seen("order.response")]
    return {r.order: (r.code, None if r.reason is UNSET else r.reason) for r in found}


@pytest.mark.parametrize(
    "alter",
    [
        pytest.param(lambda order: {"lines": [*order.lines, *order.lines]}, id="a line twice"),
        pytest.param(lambda order: {"price": changed(order.price, amount=1)}, id="another price"),
        pytest.param(lambda order: {"offer": b"\x09" * 32}, id="another offer"),
        pytest.param(lambda order: {"item": changed(order.item, code="hay")}, id="another item"),
        pytest.param(lambda order: {"window": Window(from_ms=1, to_ms=2)}, id="another time"),
    ],
)
async def test_an_order_with_other_terms_is_answered_re(town, alter):
    await town.award()
    [own] = town.dale.seen("order.place", by=town.dale)
    order = await seal(
        town.dale, msgspec.structs.replace(own.record, **alter(own.record)), [town.mills]
    )
    await town.federation.settle()

    assert answers(town.dale)[order.id][0] == "RE"


async def test_an_order_of_anothers_line_is_answered_re(town):
    await town.award()
    [own] = town.dale.seen("order.place", by=town.dale)
    order = await seal(town.moor, own.record, [town.mills])
    await town.federation.settle()

    assert answers(town.moor)[order.id] == ("RE", "order.mismatch")


async def test_an_order_to_a_co_op_that_supplies_nothing_is_left_unanswered(town):
    await town.award()
    [own] = town.dale.seen("order.place", by=town.dale)
    named = msgspec.structs.replace(own.record, supplier=town.moor.coop.cid)
    await seal(town.dale, named, [town.moor])
    await town.federation.settle()

    assert not town.moor.seen("order.response", by=town.moor)


async def test_an_order_on_an_award_that_was_refused_is_answered_re(town):
    award = await town.award()
    [own] = town.dale.seen("order.place", by=town.dale)
    false = await town.hill.publish(msgspec.structs.replace(award.record, value=1))
    await town.federation.settle()
    order = await seal(town.dale, msgspec.structs.replace(own.record, award=false.id), [town.mills])
    waiting = await seal(
        town.dale, msgspec.structs.replace(own.record, award=b"\x05" * 32), [town.mills]
    )
    await town.federation.settle()

    assert answers(town.dale)[order.id] == ("RE", "order.no_award")
    assert waiting.id not in answers(town.dale)


async def test_an_answer_by_another_than_the_supplier_does_not_count(federation):
    town = Town(federation)
    rival = federation.join("Rival", "supplier")
    await federation.begin()
    await town.award()
    [order] = town.dale.seen("order.place", by=town.dale)
    [right] = [s.record for s in town.dale.seen("order.response")]
    await seal(rival, msgspec.structs.replace(right, code="RE"), [town.dale])
    await federation.settle()

    report = await town.dale.view(SERVICE)
    assert (report["orders_accepted"], report["orders_refused"]) == (1, 0)
    assert order.record.supplier == town.mills.coop.cid


async def test_an_order_waits_while_its_supplier_cannot_be_sealed_to(town):
    await town.list_nuts(8, 9, 10)
    await town.open(closes_in_s=str(PREKEY_LIFETIME_MS // 1000))
    await town.federation.settle()
    town.clock.advance(PREKEY_LIFETIME_MS + 1)
    await town.federation.settle()

    report = await town.dale.view(SERVICE)

    assert report["pools"][0]["outcome"]["awarded"]
    assert (report["orders"], report["orders_owed"]) == (0, 1)


async def test_many_lines_are_ordered_in_parts_that_fit(town):
    lines = [f"n{n},nuts,1,bag,9.50,GBP" for n in range(600)]
    await town.dale.command(SERVICE, "import_purchases", wants(*lines))
    await town.open(k_min="1")
    await town.close()

    sizes = [len(seen.record.lines) for seen in town.dale.seen("order.place", by=town.dale)]

    assert sizes == [500, 100]
    assert (await town.dale.view(SERVICE))["orders_accepted"] == 2


async def test_a_line_that_two_coordinators_award_is_ordered_once(town):
    await town.list_nuts(8, 9, 10)
    await town.open()
    await town.moor.command(SERVICE, "open_pools", k_min="3", may_close_early="1")
    await town.federation.settle()
    await town.hill.command(SERVICE, "close_pools")
    await town.moor.command(SERVICE, "close_pools")
    await town.federation.settle()

    assert len(town.hill.seen("pool.award")) == 2
    report = await town.dale.view(SERVICE)
    assert report["orders"] == report["orders_accepted"] == 1


async def test_a_weight_beyond_any_number_is_left_out(town):
    heavy = prices("nuts,bag,1,0.01,GBP,2026-03-01,1000000000")
    await town.mills.command(SERVICE, "import_prices", heavy)
    await town.federation.settle()
    for node in town.buyers:
        line = "n,nuts,9000000000,bag,0.01,GBP"
        await node.command(SERVICE, "import_purchases", wants(line))
    await town.federation.settle()
    await town.hill.command(SERVICE, "open_pools", k_min="3", may_close_early="1")
    await town.close()

    [answer] = [seen.record for seen in town.dale.seen("order.response")]

    assert (answer.code, answer.weight_g) == ("AP", UNSET)


async def test_a_weight_that_is_not_known_is_left_out(town):
    await town.mills.command(SERVICE, "import_prices", prices("nuts,bag,1,9.00,GBP,2026-03-01,"))
    await town.list_nuts(8, 9, 10)
    await town.hill.command(SERVICE, "open_pools", k_min="3", may_close_early="1")
    await town.close()

    [answer] = [seen.record for seen in town.dale.seen("order.response")]

    assert (answer.code, answer.weight_g) == ("AP", UNSET)


# --- restarts


@pytest.mark.parametrize("seed", range(6))
async def test_services_stopped_at_random_points_publish_nothing_twice(
    make_federation_at, tmp_path, seed
):
    federation = make_federation_at(tmp_path, seed)
    town = Town(federation)
    dice = random.Random(seed)  # noqa: S311  # a seed that repeats is the point
    await federation.begin()

    def restart() -> None:
        for node in federation.nodes:
            if dice.random() < 0.5:
                node.start()

    for node in town.buyers:
        await node.command(SERVICE, "import_purchases", wants("a,nuts,9,bag,9.50,GBP"))
    await federation.settle(restart)
    await town.open()
    await federation.settle(restart)
    await town.hill.command(SERVICE, "close_pools")
    await federation.settle(restart)
    restart()
    await federation.settle(restart)

    assert federation.is_same()
    assert town.hill.count() == {
        "demand.submit": 1,
        "pool.open": 1,
        "pool.close": 1,
        "pool.award": 1,
        "verdict": 1,
        "order.place": 1,
    }
    assert town.dale.count() == {"demand.submit": 1, "verdict": 1, "order.place": 1}
    assert town.mills.count() == {"offer.submit": 1, "verdict": 1, "order.response": 3}
    await federation.close()


# --- options, roles and settings


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"closes_in": "5"}, id="an option that there is not"),
        pytest.param({"k_min": "three"}, id="text for a number"),
        pytest.param({"k_min": ""}, id="nothing for a number"),
        pytest.param({"k_min": "0"}, id="no co-op at all"),
        pytest.param({"k_min": "1001"}, id="more co-ops than there may be"),
        pytest.param({"fee_bps": "10001"}, id="a fee above the goods"),
        pytest.param({"closes_in_s": "999999999"}, id="thirty years to join"),
        pytest.param({"may_close_early": "yes"}, id="neither 0 nor 1"),
        pytest.param({"zone": "north east"}, id="a zone that is none"),
        pytest.param({"from_ms": "5", "to_ms": "4"}, id="a window that ends before it begins"),
        pytest.param({"from_ms": "5"}, id="half a window"),
    ],
)
async def test_an_option_that_no_pool_can_have_is_refused(town, options):
    with pytest.raises(Refusal) as caught:
        await town.open(**options)

    assert caught.value.code == "pool.option"
    assert not town.hill.count()["pool.open"]


async def test_a_pool_is_opened_once_for_an_item_currency_and_zone(town):
    euros = (
        "ref,item,unit,min_quantity,price,currency,valid_until\ne,nuts,bag,1,0.20,EUR,2026-03-01"
    )
    await town.mills.command(SERVICE, "import_prices", euros.encode())
    first = await town.open()
    again = await town.open()
    south = await town.open(zone="SOUTH", from_ms="1", to_ms="2")

    assert [answer["opened"] for answer in (first, again, south)] == [2, 0, 2]
    assert first["skipped"] == south["skipped"] == []
    assert again["skipped"] == [{"item": "nuts", "why": "has a pool open already"}] * 2
    pools = [seen.record for seen in town.hill.seen("pool.open")]
    assert {(p.reference.currency, p.reference.amount, p.zone) for p in pools} == {
        ("GBP", 1_000, "ALL"), ("EUR", 20, "ALL"), ("GBP", 1_000, "SOUTH"), ("EUR", 20, "SOUTH"),
    }  # fmt: skip


async def test_an_offer_that_a_pool_would_not_count_opens_none(town):
    assert await town.open(closes_in_s=str(90 * 86_400)) == {
        "opened": 0,
        "skipped": [{"item": "nuts", "why": "its offer ends before the pool would close"}],
    }


async def test_items_that_no_offer_goes_to_are_named_with_the_reason(town):
    near = (
        "ref,item,unit,min_quantity,price,currency,valid_until,zone,carriage\n"
        "n,hay,bag,1,5.00,GBP,2026-03-01,NORTH,1.00"
    )
    await town.mills.command(SERVICE, "import_prices", near.encode())
    await town.list_nuts(8, item="oats")

    answer = await town.open()

    assert answer["opened"] == 1
    assert answer["skipped"] == [
        {"item": "hay", "why": "no offer goes to zone ALL"},
        {"item": "oats", "why": "nobody offers it in the unit XBG"},
    ]


async def test_prices_count_lines_and_offers(town):
    answer = await town.mills.command(SERVICE, "import_prices", NUTS)

    assert answer == {"lines": 2, "offers": 1, "published": 1, "withdrawn": 0, "notes": []}


async def test_a_withdrawn_offer_is_no_reference(town):
    low = "ref,item,unit,min_quantity,price,currency,valid_until\nl,nuts,bag,1,1.00,GBP,2026-03-01"
    await town.mills.command(SERVICE, "import_prices", low.encode())
    [offer] = town.mills.seen("offer.submit")
    await town.mills.publish(OfferWithdrawal(offer=offer.id))
    await town.open()

    [pool] = town.hill.seen("pool.open")
    assert (pool.record.reference.amount, pool.record.reference.base) == (1_000, 1)


async def test_an_item_that_is_cheapest_elsewhere_takes_that_as_reference(federation):
    town = Town(federation)
    rival = federation.join("Rival", "supplier")
    await federation.begin()
    await rival.command(SERVICE, "import_prices", prices("nuts,bag,1,9.9990,GBP,2026-03-01,"))
    await town.open()

    [pool] = town.hill.seen("pool.open")
    assert (pool.record.reference.amount, pool.record.reference.base) == (9_999, 10)


@pytest.mark.parametrize(
    ("who", "command"),
    [
        pytest.param("mills", "import_purchases", id="a supplier does not buy"),
        pytest.param("dale", "import_prices", id="a buyer does not sell"),
        pytest.param("dale", "open_pools", id="a buyer does not coordinate"),
    ],
)
async def test_a_command_of_another_role_is_refused(town, who, command):
    with pytest.raises(Refusal) as caught:
        await getattr(town, who).command(SERVICE, command, b"")

    assert caught.value.code == "policy.role"


async def test_what_is_not_there_is_refused_by_name(town):
    with pytest.raises(Refusal) as line:
        await town.dale.command(SERVICE, "withdraw", ref="nothing")
    with pytest.raises(Refusal) as award:
        await town.dale.view(SERVICE, "award", item="nuts")

    assert line.value.code == "demand.unknown"
    assert award.value.code == "pool.unknown"


async def test_the_award_is_shown_with_its_bytes(town):
    award = await town.award()

    shown = await town.dale.view(SERVICE, "award", item="nuts")

    assert shown == {"id": award.id.hex(), "bytes": encode(award.record).hex()}


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        pytest.param({"place": {"name": "Mills"}}, "config.invalid", id="a place without a place"),
        pytest.param({"plcae": PLACE}, "config.unknown_key", id="a slip of the keyboard"),
    ],
)
async def test_wrong_settings_are_refused_by_name(town, settings, code):
    town.dale.settings = {SERVICE: settings}

    with pytest.raises(Refusal) as caught:
        town.dale.start()

    assert caught.value.code == code


async def test_a_verdict_of_ones_own_on_nothing_known_changes_nothing(town):
    await town.dale.publish(Verdict(code=OK, level="full", subject=b"\x01" * 32))
    await town.award()

    assert (await town.dale.view(SERVICE))["orders_accepted"] == 1


def test_the_service_follows_nothing_that_no_role_may_publish():
    from sheaf_services.pooled_purchasing.service import PooledPurchasing  # noqa: PLC0415

    assert PooledPurchasing.follows <= frozenset().union(*MAY.values(), {"verdict"})
    assert Call().body == b""


NAMED = b"name,quantity,unit,max_price,currency\nOur nuts,9,bag,9.50,GBP\n"


async def test_a_name_is_confirmed_once_and_known_from_the_log_from_then_on(town):
    await town.mills.command(SERVICE, "import_prices", NUTS)
    await town.federation.settle()

    asked = await town.dale.command(SERVICE, "check_purchases", NAMED)
    with pytest.raises(Refusal) as caught:
        await town.dale.command(SERVICE, "import_purchases", NAMED)
    await town.dale.command(SERVICE, "import_purchases", NAMED, items="2=nuts")
    later = NAMED.replace(b"9,bag", b"12,bag")
    again = await town.dale.command(SERVICE, "import_purchases", later)

    [match] = asked["matches"]
    assert (match["line"], match["proposals"][0]["code"]) == (2, "nuts")
    assert caught.value.code == "import.unmatched"
    assert again == {"lines": 1, "published": 1, "withdrawn": 0, "notes": []}
    assert {seen.record.item.code for seen in town.dale.seen("demand.submit")} == {"nuts"}


async def test_a_list_in_tonnes_joins_the_pool_in_kilograms(town):
    kilograms = prices("feed,kg,1,0.30,GBP,2026-03-01,1000")
    await town.mills.command(SERVICE, "import_prices", kilograms)
    await town.federation.settle()

    await town.dale.command(SERVICE, "import_purchases", wants("r,feed,2.5,t,290,GBP"))

    [seen] = town.dale.seen("demand.submit")
    assert (seen.record.item.key, seen.record.quantity) == (("feed", "KGM", 3), 2_500_000)
