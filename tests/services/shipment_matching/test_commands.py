"""What people ask of the service: fleets, files and settings; and what orders and jobs lead to."""

from __future__ import annotations

import msgspec
import pytest
from tests.services.shipment_matching.roads import LONG_NAME, SERVICE, WINDOW, Roads, fleet

from sheaf_node.plugins import host as host_module
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import Order, OrderResponse, Place, Price, Verdict
from sheaf_protocol.records.order import DropLine
from sheaf_protocol.records.values import Item
from sheaf_protocol.testing.author import START_MS
from sheaf_services.shipment_matching.attempt import Failed, OwnCost, attempt_matching, attempt_own
from sheaf_services.shipment_matching.planning import Budgets
from sheaf_services.shipment_matching.service import ShipmentMatching
from sheaf_services.shipment_matching.solve import Budget, Matching


async def test_a_command_sent_again_publishes_nothing_new(roads):
    first = await roads.haul.command(SERVICE, "publish_capacity", fleet())
    again = await roads.haul.command(SERVICE, "publish_capacity", fleet())

    assert (first["published"], again["published"]) == (2, 0)
    with pytest.raises(Refusal) as caught:
        await roads.haul.command(SERVICE, "publish_capacity", fleet(vehicles=4))
    assert caught.value.code == "match.ref_used"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"seconds": [0]}, "match.json", id="too few seconds"),
        pytest.param({"speed": 5}, "match.json", id="a word that there is not"),
        pytest.param({"depot": 5}, "match.problem_invalid", id="a depot off the table"),
        pytest.param({"seconds": [7] * 25}, "match.problem_invalid", id="a way to where one is"),
        pytest.param({"vehicle": {}}, "match.dimension", id="a vehicle without a limit"),
        pytest.param(
            {"places": [LONG_NAME] * 100, "seconds": [0] * 10_000},
            "match.table",
            id="names that leave no room for a row",
        ),
    ],
)
async def test_a_fleet_that_no_node_could_plan_on_is_refused(roads, changes, code):
    with pytest.raises(Refusal) as caught:
        await roads.haul.command(SERVICE, "publish_capacity", fleet(**changes))

    assert caught.value.code == code
    assert not roads.haul.count()


async def test_a_large_table_travels_in_parts_that_all_fit(roads):
    size = 300
    places = [{"name": f"place {n}", "lat_udeg": 0, "lon_udeg": 0} for n in range(size)]
    seconds = [abs(a - b) for a in range(size) for b in range(size)]

    reply = await roads.haul.command(
        SERVICE, "publish_capacity", fleet(places=places, seconds=seconds)
    )
    await roads.federation.settle()

    parts = [seen.record for seen in roads.hill.seen("travel.table")]
    assert reply["published"] == len(parts) + 1 == 7
    assert sum(part.rows for part in parts) == size


async def test_a_pdptw_file_is_published_in_parts_and_matched(roads, small_pdptw):
    day = {"day_ms": str(START_MS)}
    dry = await roads.haul.command(
        SERVICE, "import_transport", small_pdptw, dry_run="1", **{"as": "carrier"}, **day
    )
    await roads.haul.command(SERVICE, "import_transport", small_pdptw, **{"as": "carrier"}, **day)
    for part, node in enumerate((roads.hill, roads.dale)):
        options = {"as": "buyer", "of": "2", "is": str(part)} | day
        first = await node.command(SERVICE, "import_transport", small_pdptw, **options)
        again = await node.command(SERVICE, "import_transport", small_pdptw, **options)
        assert (first["published"], again["published"]) == (1, 0)
    await roads.federation.settle()
    await roads.plan()

    assert dry["published"] == 2
    assert (await roads.shown())["is_booked"]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"as": "driver"}, id="neither carrier nor buyer"),
        pytest.param({"of": "0"}, id="no part at all"),
        pytest.param({"is": "one"}, id="text for a number"),
        pytest.param({"day_ms": str(2**53)}, id="a day beyond all numbers"),
    ],
)
async def test_an_option_that_is_none_is_refused(roads, small_pdptw, options):
    with pytest.raises(Refusal) as caught:
        await roads.hill.command(SERVICE, "import_transport", small_pdptw, **options)

    assert caught.value.code == "match.option"


async def test_commands_of_another_role_are_refused(roads, small_pdptw):
    for node, name, body, options in (
        (roads.hill, "publish_capacity", fleet(), {}),
        (roads.hill, "import_transport", small_pdptw, {"as": "carrier"}),
        (roads.haul, "import_transport", small_pdptw, {}),
    ):
        with pytest.raises(Refusal) as caught:
            await node.command(SERVICE, name, body, **options)
        assert caught.value.code == "policy.role"


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        pytest.param({"place": {"name": "Hill"}}, "config.invalid", id="more than a name"),
        pytest.param({"palce": "Hill"}, "config.unknown_key", id="a slip of the keyboard"),
    ],
)
async def test_wrong_settings_are_refused_by_name(roads, settings, code):
    roads.hill.settings = {SERVICE: settings}

    with pytest.raises(Refusal) as caught:
        roads.hill.start()

    assert caught.value.code == code


@pytest.fixture
async def shop(federation, jobs_here):
    """A buyer at North, a supplier at East, a haulier; and a second supplier that meddles."""
    made = Roads(federation)
    made.hill.settings = {SERVICE: {"place": "North"}}
    made.mills = federation.join("Mills", "supplier")
    made.other = federation.join("Other", "supplier")
    await federation.begin()
    return made


async def place_order(shop, **answer):
    order = Order(
        award=b"\x01" * 32,
        item=Item(code="nuts", name="", scale=0, unit="XBG"),
        lines=[DropLine(amount=5, demand=b"\x02" * 32, quantity=1)],
        offer=b"\x03" * 32,
        price=Price(amount=5, base=1, currency="GBP"),
        supplier=shop.mills.coop.cid,
        window=WINDOW,
    )
    entry = await seal(shop.hill, "order.place", order, [shop.mills])
    at = Place(lat_udeg=0, lon_udeg=0, name="East")
    given = {"code": "AP", "order": entry.id, "ship_from": at, "weight_g": 4}
    false = {"code": "AP", "order": entry.id, "weight_g": 9}
    await seal(shop.other, "order.response", OrderResponse(**(given | false)), [shop.hill])
    await seal(shop.mills, "order.response", OrderResponse(**(given | answer)), [shop.hill])
    await shop.federation.settle()
    return entry


async def seal(node, kind, record, to):
    from sheaf_node.ingest import Draft  # noqa: PLC0415
    from sheaf_protocol.codec import encode  # noqa: PLC0415
    from sheaf_protocol.envelope import SEALED  # noqa: PLC0415
    from sheaf_protocol.sealing import Author, seal_private  # noqa: PLC0415

    fid = node.federation.certificate.fid
    author = Author(fid, node.coop.cid, node.coop.wid)
    keys = [other.coop.prekey[0] for other in (node, *to)]
    salt = node.federation.random(56)
    body = seal_private(kind, [], encode(record), keys, author=author, random=salt)
    [entry] = await node.ingest.publish(fid, [Draft(kind=SEALED, refs=[], body=body)])
    return entry


async def test_an_accepted_order_asks_for_transport_once(shop):
    order = await place_order(shop)
    assert not shop.hill.seen("transport.request")
    await shop.haul.command(SERVICE, "publish_capacity", fleet(vehicle={"weight_g": 10}))
    await shop.federation.settle()
    shop.hill.start()
    await shop.federation.settle()

    [asked] = [seen.record for seen in shop.hill.seen("transport.request")]

    assert (asked.pickup.place, asked.delivery.place) == (2, 1)
    assert (asked.order, asked.load.weight_g) == (order.id, 4)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"code": "RE"}, id="refused"),
        pytest.param({"weight_g": 0}, id="without weight"),
        pytest.param({"weight_g": msgspec.UNSET}, id="weight not said"),
        pytest.param({"ship_from": msgspec.UNSET}, id="place not said"),
        pytest.param(
            {"ship_from": Place(lat_udeg=0, lon_udeg=0, name="Moon")}, id="from off the table"
        ),
    ],
)
async def test_an_order_that_cannot_be_carried_asks_for_nothing(shop, answer):
    await shop.haul.command(SERVICE, "publish_capacity", fleet(vehicle={"weight_g": 10}))
    await place_order(shop, **answer)

    assert not shop.hill.seen("transport.request")


def test_a_job_comes_back_with_a_reason_and_never_with_an_exception(road):
    broken = msgspec.structs  # no problem at all
    tiny = Budget(starts=1, iterations_per_task=1, cpu_s=1)

    assert attempt_own(broken, tiny).code == "match.solver_failed"
    assert attempt_matching(road, 0, tiny, tiny).code == "match.no_plan"
    assert isinstance(attempt_matching(road, 1, tiny, tiny), Matching)
    assert attempt_own(road.for_party("a"), tiny) == OwnCost(minor=6)


async def test_a_solver_that_fails_is_told_in_the_report(roads, monkeypatch):
    async def run(function, *args):
        return Failed(code="match.solver_failed", detail="")

    monkeypatch.setattr(host_module, "run_apart", run)
    await roads.ask()
    await roads.plan()

    assert await roads.plan() == "stuck"
    report = await roads.match.view(SERVICE)
    assert {row["reason"] for row in report["unserved"]} == {"match.solver_failed"}


async def test_the_answer_to_no_question_is_passed_over(roads):
    roads.match.hosts[SERVICE].service.finish("match:none", None)
    await roads.ask()

    assert await roads.plan() == "planning"


async def test_a_verdict_of_others_on_anything_is_harmless(roads):
    for n in range(50):
        await roads.rival.publish(Verdict(code="match.spam", level="full", subject=bytes([n]) * 32))
    await roads.ask()
    await roads.plan()
    [proposal] = roads.match.seen("match.propose")
    await roads.rival.publish(Verdict(code="match.spam", level="full", subject=proposal.id))
    await roads.federation.settle()

    assert (await roads.shown())["is_booked"]


def test_budgets_are_an_argument():
    assert ShipmentMatching.follows
    assert Budgets().pooled.starts > 1
