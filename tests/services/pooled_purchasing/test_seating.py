"""Lines that a sponsor publishes for a seat: what they bear, and when they are refused."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from sheaf_protocol.charter import Member
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import BY_LIST, Demand, Item, Price, Seat
from sheaf_protocol.testing.author import make_coop
from sheaf_services.pooled_purchasing.seating import require_spoken_for

SERVICE = "pooled_purchasing"
CROFT = make_coop("Croft").cid
LIST = b"item,quantity,unit,max_price,currency\nnuts,3,bag,9.50,GBP"
PRICES = b"item,unit,min_quantity,price,currency,valid_until\nnuts,bag,1,9.00,GBP,2026-03-01"


def croft(**other: str) -> dict[str, str]:
    return {"seat": CROFT.hex(), "seat_name": "Croft", **other}


@pytest.fixture
async def hill(federation):
    """The sponsor, in a federation with Dale."""
    made = federation.join("Hill", "member", "coordinator", "supplier")
    federation.join("Dale", "member")
    await federation.begin()
    return made


async def lines(node, **options: str):
    return (await node.view(SERVICE, "seat", **options))["lines"]


async def test_a_line_for_a_seat_bears_its_name_and_is_seen_by_all(federation, hill) -> None:
    [_, dale] = federation.nodes

    await hill.command(SERVICE, "import_purchases", LIST, **croft(seat_by="link"))
    await federation.settle()

    [line] = await lines(dale, seat=CROFT.hex())
    assert (line["name"], line["by"], line["item"]) == ("Croft", "link", "nuts")
    assert (line["sponsor"], line["kind"]) == (hill.coop.cid.hex(), "demand.submit")
    assert line["ref"] == f"{CROFT.hex()[:8]}:nuts"


async def test_an_offer_for_a_seat_bears_its_name(federation, hill) -> None:
    await hill.command(SERVICE, "import_prices", PRICES, **croft())
    await federation.settle()

    [line] = await lines(hill, seat=CROFT.hex())
    assert (line["kind"], line["by"]) == ("offer.submit", "list")


async def test_seats_and_their_sponsor_do_not_share_references(federation, hill) -> None:
    other = make_coop("Byre").cid.hex()

    for options in ({}, croft(), {"seat": other, "seat_name": "Byre"}):
        answer = await hill.command(SERVICE, "import_purchases", LIST, **options)
        assert answer["published"] == 1

    assert len((await hill.view(SERVICE))["lines"]) == 3


async def test_the_same_list_again_publishes_nothing(federation, hill) -> None:
    await hill.command(SERVICE, "import_purchases", LIST, **croft())

    again = await hill.command(SERVICE, "import_purchases", LIST, **croft())

    assert again["published"] == 0


async def test_a_co_op_sees_what_was_published_for_it_as_a_seat(federation, hill) -> None:
    """Here it is a member already, which the command would refuse."""
    [_, dale] = federation.nodes
    seat = Seat(by=BY_LIST, cid=dale.coop.cid, name="Dale")
    item, price = (
        Item(code="n", name="n", scale=0, unit="XBG"),
        Price(amount=1, base=1, currency="GBP"),
    )
    await hill.publish(
        Demand(
            is_firm=True,
            item=item,
            max_price=price,
            min_quantity=1,
            quantity=1,
            ref="n",
            seat=seat,
            zone="ALL",
        )
    )
    await federation.settle()

    [line] = await lines(dale)

    assert (line["sponsor"], line["name"]) == (hill.coop.cid.hex(), "Dale")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"seat": "12", "seat_name": "Croft"}, "no id"),
        ({"seat": CROFT.hex()}, "no name"),
        ({"seat": CROFT.hex(), "seat_name": "two\nlines"}, "a line end in the name"),
        ({"seat": CROFT.hex(), "seat_name": "x" * 121}, "a name too long"),
        (croft(seat_by="a word of ours"), "no word of the protocol"),
    ],
)
async def test_what_is_no_seat_is_refused(federation, hill, options, reason) -> None:
    with pytest.raises(Refusal) as refused:
        await hill.command(SERVICE, "import_purchases", LIST, **options)

    assert refused.value.code == "seat.unknown", reason
    assert await lines(hill, seat=CROFT.hex()) == []


async def test_a_member_speaks_for_itself(federation, hill) -> None:
    [_, dale] = federation.nodes
    options = {"seat": dale.coop.cid.hex(), "seat_name": "Dale"}

    with pytest.raises(Refusal) as refused:
        await hill.command(SERVICE, "import_purchases", LIST, **options)

    assert refused.value.code == "seat.moved"


async def test_a_reference_that_leaves_no_room_for_the_seat_is_refused(federation, hill) -> None:
    long = b"ref," + LIST.replace(b"\n", b"\n" + b"r" * 56 + b",")

    with pytest.raises(Refusal) as refused:
        await hill.command(SERVICE, "import_purchases", long, **croft())

    assert refused.value.code == "import.ref"


@pytest.mark.parametrize(
    ("sponsor", "code"), [(make_coop("Hill").cid, ""), (make_coop("Dale").cid, "seat.moved")]
)
def test_a_seat_of_another_sponsor_is_refused(sponsor, code: str) -> None:
    listed = Member(
        cid=CROFT, is_suspended=False, key_head=bytes(32), roles=["seat"], sponsor=sponsor
    )
    federation = SimpleNamespace(members={CROFT: listed})

    found = ""
    try:
        require_spoken_for(CROFT, federation, make_coop("Hill").cid)
    except Refusal as refusal:
        found = refusal.code

    assert found == code


async def test_a_seat_is_no_co_op_of_its_own_where_co_ops_are_counted(federation, hill) -> None:
    await hill.command(SERVICE, "import_prices", PRICES)
    for options in ({}, croft(), {"seat": make_coop("Byre").cid.hex(), "seat_name": "Byre"}):
        await hill.command(SERVICE, "import_purchases", LIST, **options)
    await federation.settle()

    await hill.command(SERVICE, "open_pools", k_min="2", may_close_early="1")
    await hill.command(SERVICE, "close_pools")
    await federation.settle()

    [pool] = (await hill.view(SERVICE))["pools"]
    assert (pool["demands"], pool["state"]) == (3, "lapsed")
    assert pool["outcome"]["reason"] == "pool.too_few"
