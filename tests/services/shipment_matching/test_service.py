"""From vehicles and requests to a booking, between nodes that hear of all in shuffled order."""

from __future__ import annotations

import random

import msgspec
import pytest
from tests.services.shipment_matching.roads import (
    LAST,
    PALLETS,
    SERVICE,
    Roads,
    fleet,
    request,
    visit,
)

from sheaf_node.plugins import host as host_module
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import (
    OK,
    Baseline,
    HoldConfirm,
    HoldRequest,
    MatchAccept,
    PlannedTrip,
    ShipmentBooking,
    Vector,
    Visit,
    Window,
)
from sheaf_protocol.testing.author import START_MS
from sheaf_services.shipment_matching.attempt import Failed, OwnCost, attempt_own
from sheaf_services.shipment_matching.deal import ACCEPT_MS, GIVEN_BACK_MS, HOLD_MS, group_of
from sheaf_services.shipment_matching.judging import MOST_PLANNED
from sheaf_services.shipment_matching.planning import MOST_ATTEMPTS
from sheaf_services.shipment_matching.split import proportional_shares


async def test_requests_become_booked_trips_that_every_node_verified(roads):
    await roads.ask()

    assert await roads.plan() == "planning"

    [proposal] = roads.match.seen("match.propose")
    assert roads.verdicts(proposal.id) == roads.all_say(OK)
    assert roads.federation.is_same()
    for node in roads.federation.nodes:
        shown = await roads.shown(node)
        assert (shown["status"], shown["is_booked"], shown["verdict"]) == ("booked", True, OK)
        assert shown["costs"]["pooled"] == 8
        assert (shown["costs"]["own_pooled"], shown["costs"]["round_trips"]) == (14, 20)
        assert all(p["share"] <= p["baseline"] for p in shown["costs"]["parties"])
        assert (shown["holds"], shown["waits_for"]) == ({"confirmed": 1}, [])
    assert roads.match.count() == {
        "match.propose": 1,
        "verdict": 1,
        "hold.request": 1,
        "hold.confirm": 1,
        "shipment.book": 1,
    }
    assert await roads.plan() == "idle"


async def test_trips_are_planned_in_processes_of_their_own(federation):
    roads = Roads(federation)
    await federation.begin()
    await roads.ask()

    await roads.plan()

    assert (await roads.shown())["is_booked"]


@pytest.mark.parametrize("seed", range(5))
async def test_services_stopped_at_random_points_do_nothing_twice(
    make_federation_at, tmp_path, jobs_here, seed
):
    federation = make_federation_at(tmp_path, seed)
    roads, dice = Roads(federation), random.Random(seed)  # noqa: S311  # repeats by its seed
    await federation.begin()

    def restart() -> None:
        for node in federation.nodes:
            if dice.random() < 0.4:
                node.start()

    await roads.ask()
    await federation.settle(restart)
    await roads.match.command(SERVICE, "match")
    await federation.settle(restart)
    for _ in range(9):  # a job ends with its service, and whoever asked asks again
        await roads.match.command(SERVICE, "match")
        await federation.settle(restart)
    restart()
    await federation.settle(restart)

    assert federation.is_same()
    assert (await roads.shown())["is_booked"]
    assert max(roads.match.count().values()) == 1
    assert roads.haul.count() == {
        "travel.table": 1,
        "capacity.publish": 1,
        "verdict": 1,
        "hold.grant": 1,
        "hold.confirmed": 1,
    }
    assert roads.hill.count() == {"transport.request": 2, "verdict": 1, "match.accept": 1}
    await federation.close()


async def test_a_second_match_while_one_is_under_way_plans_nothing_more(roads):
    await roads.ask()
    await roads.match.command(SERVICE, "match")
    again = await roads.match.command(SERVICE, "match")
    roads.federation.away = {roads.dale}
    await roads.federation.settle()

    assert again["state"] == "planning"
    assert await roads.plan() == "proposed"
    assert len(roads.match.seen("match.propose")) == 1
    assert (await roads.shown())["waits_for"] == ["Dale"]


async def test_a_node_without_the_role_plans_nothing(roads):
    with pytest.raises(Refusal) as caught:
        await roads.hill.command(SERVICE, "match")

    assert caught.value.code == "match.not_matcher"


async def test_without_capacity_there_is_nothing_to_match(roads):
    assert await roads.plan() == "idle"


async def test_a_capacity_whose_day_is_over_is_not_planned_on(roads):
    await roads.ask()
    roads.clock.advance(11 * 3_600_000)

    assert await roads.plan() == "idle"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param(request("x", (1, 900)), "match.problem_invalid", id="a place off the table"),
        pytest.param(
            request("x", (1, 2), load=Vector(load=11)), "match.overload", id="more than a vehicle"
        ),
        pytest.param(
            request("x", (1, 2), load=Vector(load=0)), "match.problem_invalid", id="no load"
        ),
        pytest.param(
            request("x", (1, 2), load=Vector(load=LAST)), "match.overload", id="the largest number"
        ),
        pytest.param(
            request("x", (1, 2), **PALLETS),
            "match.dimension",
            id="pallets where the vehicle counts load",
        ),
        pytest.param(
            request("x", (1, 2), pickup=visit(1, 0, 1)),
            "match.problem_invalid",
            id="a window before the day",
        ),
        pytest.param(
            request("x", (1, 2), delivery=visit(2, LAST - 5_000, LAST)),
            "match.trip_too_long",
            id="a window at the end of time",
        ),
    ],
)
async def test_a_request_that_cannot_be_carried_leaves_the_others_their_plan(roads, bad, reason):
    await roads.dale.publish(bad)
    await roads.ask()

    await roads.plan()

    assert (await roads.shown())["is_booked"]
    assert await roads.plan() == "stuck"
    report = await roads.match.view(SERVICE)
    assert report["unserved"] == [{"ref": "x", "reason": reason}]


async def test_a_newer_request_under_a_reference_replaces_the_older(roads):
    await roads.dale.publish(request("d1", (4, 1)))
    await roads.ask()

    await roads.plan()

    [proposal] = roads.match.seen("match.propose")
    assert len(proposal.record.requests) == 3
    assert await roads.plan() == "idle"


async def test_a_table_that_is_not_the_one_named_leaves_its_capacity_out(roads):
    await roads.ask()
    [capacity] = [seen.record for seen in roads.haul.seen("capacity.publish")]
    twin = msgspec.structs.replace(capacity, owner=roads.rival.coop.wid)
    await roads.rival.publish(twin)
    [table] = [seen.record for seen in roads.haul.seen("travel.table")]
    other = msgspec.structs.replace(table, seconds=bytes(100))
    await roads.federation.settle()
    without_table = await roads.match.command(SERVICE, "match")
    await roads.rival.publish(other)
    await roads.federation.settle()

    assert without_table["state"] == "planning"
    await roads.plan()
    assert all(p.record.capacity != twin for p in roads.match.seen("match.propose"))


async def test_requests_are_planned_on_one_capacity_only(roads):
    await roads.rival.command(SERVICE, "publish_capacity", fleet(1))
    await roads.ask()

    await roads.plan()

    assert len(roads.match.seen("match.propose")) == 1
    assert await roads.plan() == "idle"


async def test_a_capacity_in_anothers_name_is_none(roads):
    await roads.ask()
    [capacity] = [seen.record for seen in roads.haul.seen("capacity.publish")]
    await roads.rival.publish(capacity)
    await roads.federation.settle()

    assert (await roads.match.view(SERVICE))["capacities"] == 1


def with_trip(proposal, **changes):
    trip = msgspec.structs.replace(proposal.trips[0], **changes)
    return msgspec.structs.replace(proposal, trips=[trip, *proposal.trips[1:]])


def with_share(proposal, by):
    first, *rest = proposal.shares
    share = msgspec.structs.replace(first, amount=first.amount + by)
    return msgspec.structs.replace(proposal, shares=[share, *rest])


@pytest.mark.parametrize(
    ("alter", "code"),
    [
        pytest.param(
            lambda p: with_trip(p, cost=p.trips[0].cost + 1), "match.cost_wrong", id="cost +1"
        ),
        pytest.param(lambda p: with_share(p, 1), "match.share_sum", id="one share +1"),
        pytest.param(
            lambda p: msgspec.structs.replace(
                p,
                shares=[
                    msgspec.structs.replace(s, amount=s.amount + n)
                    for s, n in zip(p.shares, (1, -1), strict=True)
                ],
            ),
            "match.share_wrong",
            id="one unit from one share to another",
        ),
        pytest.param(
            lambda p: with_trip(p, stops=p.trips[0].stops[:-1]),
            "match.task_missing",
            id="a stop less",
        ),
        pytest.param(
            lambda p: with_trip(p, stops=p.trips[0].stops[::-1]),
            "match.delivery_before_pickup",
            id="the other way round",
        ),
        pytest.param(
            lambda p: with_trip(p, stops=[*p.trips[0].stops[:-1], 99]),
            "match.unknown_task",
            id="a stop of no request",
        ),
        pytest.param(
            lambda p: msgspec.structs.replace(p, inputs=b"\x01" * 32),
            "match.inputs_hash",
            id="hash",
        ),
        pytest.param(
            lambda p: msgspec.structs.replace(p, split="equal/1"), "match.split_unknown", id="rule"
        ),
        pytest.param(
            lambda p: msgspec.structs.replace(p, baselines=p.baselines[1:]),
            "match.party",
            id="a baseline left out",
        ),
        pytest.param(
            lambda p: msgspec.structs.replace(p, shares=[*p.shares, p.shares[0]]),
            "match.party",
            id="a share twice",
        ),
    ],
)
async def test_a_proposal_wrong_in_one_place_is_refused_by_every_node(roads, alter, code):
    right = await roads.draft()
    entry = await roads.propose(alter(right.record))
    await settle_all(roads, but=right)

    assert roads.verdicts(entry.id) == roads.all_say(code)
    assert (await roads.shown(roads.hill, entry.id))["status"] == "refused"
    assert (await roads.shown(roads.hill, entry.id))["costs"] is None


async def settle_all(roads, but):
    """Let everybody hear of everything; the draft itself goes its own way to a booking."""
    roads.federation.away = set()
    await roads.federation.settle()
    assert roads.verdicts(but.id) == roads.all_say(OK)


async def test_a_proposal_about_other_inputs_is_refused_by_its_own_code(roads):
    right = await roads.draft()
    roads.federation.away = set()
    elsewhere = await roads.hill.publish(request("h0", (1, 3), table_ref="roads-2"))
    await roads.federation.settle()
    ids = right.record.requests

    async def verdict_on(requests):
        from sheaf_services.shipment_matching.translate import inputs_hash  # noqa: PLC0415

        record = msgspec.structs.replace(
            right.record,
            requests=requests,
            inputs=inputs_hash(right.record.capacity, requests),
        )
        entry = await roads.propose(record, roads.rival)
        return set(roads.verdicts(entry.id).values())

    assert await verdict_on([*ids, elsewhere.id]) == {"match.other_table"}
    assert await verdict_on([*ids, ids[0]]) == {"match.request_twice"}
    assert await verdict_on(ids[::-1]) == {"match.order"}
    assert await verdict_on(ids[1:]) == {"match.unknown_task"}
    assert await verdict_on([*ids, b"\x09" * 32]) == set()


async def padded(roads):
    """Return a proposal whose first party is said to need a trip for each request, and shares."""
    right = await roads.draft()
    costs, baselines = {}, []
    index = {id_: n for n, id_ in enumerate(right.record.requests)}
    known = {seen.id: seen for seen in roads.match.seen("transport.request")}
    for baseline in right.record.baselines:
        trips = baseline.trips
        mine = [n for id_, n in index.items() if known[id_].cid == baseline.cid]
        if len(mine) == 2:
            trips = [PlannedTrip(cost=6, stops=[2 * n, 2 * n + 1]) for n in mine]
        baselines.append(Baseline(cid=baseline.cid, trips=trips))
        costs[baseline.cid.hex()] = sum(trip.cost for trip in trips)
    total = sum(trip.cost for trip in right.record.trips)
    shares = proportional_shares(total, costs)
    record = msgspec.structs.replace(
        right.record,
        baselines=baselines,
        shares=[
            msgspec.structs.replace(share, amount=shares[share.cid.hex()])
            for share in right.record.shares
        ],
    )
    return right, record


async def test_a_party_whose_baseline_is_padded_says_so_and_nothing_is_booked(roads):
    right, record = await padded(roads)
    roads.federation.away = {n for n in roads.federation.nodes if n is not roads.rival}
    await carry(roads.match, roads.rival, upto=right.seq - 1)
    entry = await roads.propose(record, roads.rival)
    roads.federation.away = {roads.match}
    await roads.federation.settle()
    roads.federation.away = set()
    await roads.federation.settle()

    assert roads.verdicts(entry.id) == roads.all_say(OK, Hill="match.baseline_high")
    shown = await roads.shown(roads.rival, entry.id)
    assert (shown["status"], shown["refused_by"]) == ("refused", {"Hill": "match.baseline_high"})
    assert not roads.rival.seen("hold.request", by=roads.rival)


async def carry(giver, taker, upto):
    for log in giver.store.logs:
        entries = giver.store.log_entries(log, 1, 1_000, 1 << 20, 1_000).entries
        kept = [e for e in entries if e.header.wid != giver.coop.wid or e.header.seq <= upto]
        await taker.ingest.receive([e.envelope for e in kept])


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        pytest.param(Failed(code="match.no_plan", detail=""), OK, id="nothing to compare with"),
        pytest.param(
            Failed(code="match.solver_failed", detail=""),
            "match.baseline_unchecked",
            id="a solver that broke",
        ),
        pytest.param(None, "match.baseline_unchecked", id="no answer at all"),
        pytest.param(OwnCost(minor=99), OK, id="dearer trips than were claimed"),
    ],
)
async def test_a_party_that_found_no_cheaper_trips_goes_by_why(roads, monkeypatch, answer, code):
    await roads.ask()
    real = host_module.run_apart

    async def run(function, *args):
        return answer if function is attempt_own else await real(function, *args)

    monkeypatch.setattr(host_module, "run_apart", run)
    await roads.plan()

    [proposal] = roads.match.seen("match.propose")
    assert roads.verdicts(proposal.id) == roads.all_say(OK, Hill=code, Dale=code)


async def test_a_matcher_has_no_more_than_so_many_plans_of_ours(roads):
    right = await roads.draft()
    judge = roads.hill.hosts[SERVICE].service._judge
    judge._planned_for[right.wid] = {str(n) for n in range(MOST_PLANNED)}
    await settle_without_check(roads)

    assert roads.verdicts(right.id)["Hill"] == "match.too_many"


async def settle_without_check(roads):
    roads.federation.away = set()
    await roads.federation.settle()


async def test_a_party_accepts_one_proposal_for_a_request_at_a_time(roads):
    right = await roads.draft()
    roads.federation.away = {roads.match}
    await carry(roads.match, roads.rival, upto=right.seq - 1)
    roads.rival.hosts = {}  # a matcher that proposes and never books
    stuck = await roads.propose(right.record, roads.rival)
    roads.federation.away = set()
    await roads.federation.settle()

    accepted = {seen.record.proposal for seen in roads.hill.seen("match.accept", by=roads.hill)}

    assert accepted == {stuck.id}
    assert (await roads.shown(roads.match, right.id))["waits_for"] == ["Dale", "Hill"]

    roads.clock.advance(GIVEN_BACK_MS + 1)
    await roads.federation.settle()

    assert (await roads.shown(roads.match, stuck.id))["status"] == "expired"
    assert (await roads.shown(roads.match, right.id))["is_booked"]


async def test_a_booking_by_another_or_without_holds_books_nothing(roads):
    await roads.ask()
    roads.federation.away = {roads.dale}
    await roads.plan()
    [proposal] = roads.match.seen("match.propose")
    fake = ShipmentBooking(holds=[b"\x01" * 32], proposal=proposal.id)
    await roads.rival.publish(fake)
    await roads.match.publish(fake)
    await roads.federation.settle()

    assert not (await roads.shown(roads.hill))["is_booked"]


async def test_an_acceptance_by_a_stranger_changes_nothing(roads):
    await roads.ask()
    roads.federation.away = {roads.dale}
    await roads.plan()
    [proposal] = roads.match.seen("match.propose")
    await roads.hill.publish(MatchAccept(proposal=b"\x02" * 32))
    await roads.federation.settle()

    assert (await roads.shown())["status"] == "offered"
    assert not roads.match.seen("hold.request")
    assert proposal.record.requests


async def test_vehicles_that_another_took_first_are_refused_and_the_rest_released(roads):
    await two_for_two_vehicles(roads)

    first, second = roads.haul.seen("match.propose")
    shown = [await roads.shown(roads.haul, p.id) for p in (first, second)]
    states = sorted(s["status"] for s in shown)

    assert states == ["booked", "failed"]
    [failed] = [s for s in shown if s["status"] == "failed"]
    assert failed["holds_refused"] == ["hold.no_capacity"]
    assert set(failed["holds"]) <= {"refused", "released"}
    assert "released" in failed["holds"]
    assert len(roads.haul.seen("shipment.book")) == 1


async def two_for_two_vehicles(roads):
    """Two matchers plan two trips each for different requests, and there are three vehicles."""
    await roads.haul.command(
        SERVICE, "publish_capacity", fleet(3, vehicle={"load": 3}, window=NARROW)
    )
    for node, refs in ((roads.hill, ("a1", "a2")), (roads.dale, ("b1", "b2"))):
        for ref in refs:
            await node.publish(request(ref, (1, 2), **both(NARROW)))
    await roads.federation.settle()
    capacity = roads.match.seen("capacity.publish")[0]
    for matcher, node in ((roads.match, roads.hill), (roads.rival, roads.dale)):
        await matcher.publish(two_trips(capacity, node.seen("transport.request", by=node)))
    await roads.federation.settle()


NARROW = {"from_ms": START_MS, "to_ms": START_MS + 300_000}


def both(window):
    return {
        name: Visit(place=place, service_s=30, window=Window(**window))
        for name, place in (("pickup", 1), ("delivery", 2))
    }


def two_trips(capacity, requests):
    from sheaf_protocol.records import MatchProposal, Share  # noqa: PLC0415
    from sheaf_services.shipment_matching.translate import inputs_hash  # noqa: PLC0415

    ids = [seen.id for seen in sorted(requests, key=lambda seen: seen.record.ref)]
    trips = [PlannedTrip(cost=4, stops=[2 * n, 2 * n + 1]) for n in range(len(ids))]
    return MatchProposal(
        baseline="own_pooled",
        baselines=[Baseline(cid=requests[0].cid, trips=trips)],
        capacity=capacity.id,
        inputs=inputs_hash(capacity.id, ids),
        requests=ids,
        shares=[Share(amount=4 * len(ids), cid=requests[0].cid)],
        split="proportional_to_baseline/1",
        trips=trips,
    )


async def test_after_a_refused_booking_the_matcher_plans_again_on_what_is_free(roads):
    await two_for_two_vehicles(roads)
    loser = roads.match if roads.match.count()["shipment.book"] == 0 else roads.rival

    reply = await loser.command(SERVICE, "match")
    await roads.federation.settle()
    later = await loser.command(SERVICE, "match")
    report = await loser.view(SERVICE)

    assert reply["state"] == "planning"
    assert later["state"] == "stuck"
    assert {row["reason"] for row in report["unserved"]} == {"match.no_plan"}


async def test_a_request_proposed_in_vain_too_often_is_given_up(roads):
    await roads.ask(vehicles=1)
    [capacity] = roads.match.seen("capacity.publish")
    wrong = two_trips(capacity, roads.match.seen("transport.request", by=roads.hill))
    for _ in range(MOST_ATTEMPTS):
        await roads.propose(wrong)

    await roads.match.command(SERVICE, "match")
    report = await roads.match.view(SERVICE)

    given_up = {"ref": "h1", "reason": "match.given_up"}
    assert given_up in report["unserved"]


async def test_without_a_free_vehicle_the_report_says_so(roads):
    await roads.ask(vehicles=1)
    await roads.plan()
    await roads.hill.publish(request("h3", (1, 2)))
    await roads.federation.settle()

    assert await roads.plan() == "stuck"
    assert await roads.plan() == "stuck"
    report = await roads.match.view(SERVICE)
    assert report["unserved"] == [{"ref": "h3", "reason": "match.no_vehicle"}]
    assert len(roads.match.seen("match.propose")) == 1


async def test_a_hold_not_confirmed_in_time_expires_and_a_late_confirm_changes_nothing(roads):
    await roads.ask()
    roads.federation.away = {roads.dale}
    await roads.plan()
    roads.federation.away = {roads.match}
    await roads.federation.settle()
    await accept_for(roads)
    [grant] = roads.haul.seen("hold.grant")
    roads.federation.away = {roads.match}
    roads.clock.advance(HOLD_MS)
    await roads.federation.settle()
    assert not roads.haul.seen("hold.expired")
    roads.clock.advance(2)
    await roads.federation.settle()
    assert len(roads.haul.seen("hold.expired")) == 1

    late = await roads.match.publish(HoldConfirm(grant=grant.id, hold=grant.record.hold))
    roads.federation.away = set()
    await roads.federation.settle()

    assert late.header.seq
    assert not roads.haul.seen("hold.confirmed")
    shown = await roads.shown(roads.hill)
    assert (shown["status"], shown["holds"]) == ("failed", {"expired": 1})
    assert len(roads.haul.seen("hold.expired")) == 1


async def accept_for(roads):
    """Let the matcher hear the last acceptance and ask, then nothing of the grant."""
    roads.federation.away = set()
    for _ in range(30):
        if roads.match.seen("hold.request"):
            break
        await roads.federation.carry()
        await roads.match.turn()
        await roads.dale.turn()
    roads.federation.away = {
        n for n in roads.federation.nodes if n not in {roads.match, roads.haul}
    }
    for _ in range(9):
        await roads.federation.carry()
    roads.federation.away = {roads.match}
    await roads.federation.settle()


async def ask_for_hold(roads, by, **changes):
    [capacity] = [seen for seen in roads.haul.seen("capacity.publish", by=roads.haul)]
    given = {
        "capacity": capacity.id,
        "group": b"\x01" * 32,
        "hold": b"\x02" * 32,
        "hold_for_ms": 1_000,
        "max": Vector(vehicles=1),
        "min": Vector(vehicles=1),
    }
    entry = await by.publish(HoldRequest(**(given | changes)))
    await roads.federation.settle()
    answers = [s for s in roads.haul.seen(by=roads.haul) if s.kind.startswith("hold.")]
    return [s.record for s in answers if getattr(s.record, "request", None) == entry.id]


async def test_a_matcher_locks_no_vehicle_without_a_proposal_that_stands(roads):
    await roads.ask()
    await roads.plan()
    [proposal] = roads.match.seen("match.propose")
    wrong = await roads.rival.publish(with_trip(proposal.record, cost=99))

    without = await ask_for_hold(roads, roads.rival)
    others = await ask_for_hold(roads, roads.rival, group=group_of(proposal.id))
    [refused] = await ask_for_hold(roads, roads.rival, group=group_of(wrong.id), hold=b"\x03" * 32)
    [more] = await ask_for_hold(
        roads, roads.match, group=group_of(proposal.id), max=Vector(vehicles=3)
    )
    [another] = await ask_for_hold(
        roads, roads.match, group=group_of(proposal.id), hold=b"\x04" * 32
    )

    assert without == others == []
    assert {refused.reason, more.reason, another.reason} == {"hold.not_proposed"}


async def test_a_hold_long_after_the_acceptance_is_refused(roads):
    await roads.ask()
    roads.federation.away = {roads.match}
    await roads.federation.settle()
    roads.federation.away = set()
    right = await roads_until_accepted(roads)
    roads.clock.advance(ACCEPT_MS + 1)
    await roads.federation.settle()

    assert [s.record.reason for s in roads.haul.seen("hold.refuse")] == ["hold.too_late"]
    assert (await roads.shown(roads.haul, right.id))["holds_refused"] == ["hold.too_late"]


async def roads_until_accepted(roads):
    await roads.match.command(SERVICE, "match")
    for _ in range(30):
        if len(roads.match.seen("match.accept")) == 2:
            break
        await roads.federation.carry()
        for node in (roads.match, roads.hill, roads.dale):
            await node.turn()
    [right] = roads.match.seen("match.propose")
    return right
