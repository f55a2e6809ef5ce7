"""Standing lists at a node: published once for each period, whatever happens in between."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from sheaf_node.clock import ManualClock
from sheaf_node.plugins.installed import Installed
from sheaf_protocol.errors import Refusal
from sheaf_protocol.testing.author import START_MS
from sheaf_services.pooled_purchasing.lists.standing import label
from sheaf_services.pooled_purchasing.lists.standing_lists import MOST_LINES, MOST_LISTS

SERVICE = "pooled_purchasing"
DAY_MS = 86_400_000
START = datetime.datetime.fromtimestamp(START_MS // 1000, datetime.UTC).date()
HEADER = "item,quantity,unit,max_price,currency,needed_by\n"


def day(days: int) -> datetime.date:
    return START + datetime.timedelta(days=days)


def wants(quantity: int = 5, days: int = 10, item: str = "feed") -> bytes:
    return f"{HEADER}{item},{quantity},kg,1,GBP,{day(days)}\n".encode()


def ref(days: int, item: str = "feed") -> str:
    return f"{item}:{label(day(days), 'weekly')}"


class House:
    """A member's node that keeps a list."""

    def __init__(self, federation: Any) -> None:
        self.federation = federation
        self.clock = federation.clock
        self.hill = federation.join("Hill", "member")
        self.mills = federation.join("Mills", "supplier")

    async def keep(self, body: bytes = b"", **options: str) -> Any:
        given = {"list": "feed", "every": "weekly", "lead_days": "7", "until": str(day(60))}
        told = await self.hill.command(
            SERVICE, "keep_standing", body or wants(), **(given | options)
        )
        await self.federation.settle()
        return told

    async def tell(self, name: str, **options: str) -> Any:
        told = await self.hill.command(SERVICE, name, **({"list": "feed"} | options))
        await self.federation.settle()
        return told

    async def pass_days(self, days: int) -> None:
        self.clock.advance(days * DAY_MS)
        await self.federation.settle()

    def refs(self) -> list[str]:
        """Return the references published, in the order of the log, as another node has them."""
        return [seen.record.ref for seen in self.mills.seen("demand.submit")]


@pytest.fixture
async def house(federation: Any) -> House:
    made = House(federation)
    await federation.begin()
    return made


async def test_a_list_is_published_once_for_each_period(house: House) -> None:
    told = await house.keep()
    assert (told["lines"], told["next_ms"] // DAY_MS) == (1, START_MS // DAY_MS + 3)
    assert house.refs() == []

    await house.pass_days(3)
    assert house.refs() == [ref(10)]
    await house.pass_days(1)
    await house.pass_days(6)
    assert house.refs() == [ref(10), ref(17)]
    [_, second] = house.mills.seen("demand.submit")
    assert second.record.window.to_ms == (START_MS // DAY_MS + 18) * DAY_MS - 1


async def test_a_node_that_starts_anew_publishes_nothing_twice(house: House) -> None:
    await house.keep()
    await house.pass_days(3)

    house.hill.start()  # it knows the log and what it kept, and nothing else
    await house.federation.settle()

    assert house.refs() == [ref(10)]
    assert [one["name"] for one in (await house.hill.view(SERVICE, "standing"))["lists"]] == [
        "feed"
    ]
    await house.pass_days(7)
    assert house.refs() == [ref(10), ref(17)]


async def test_a_clock_that_stands_or_goes_back_publishes_nothing_twice(house: House) -> None:
    await house.keep()
    await house.pass_days(3)
    await house.federation.settle()

    house.hill.clock = ManualClock(START_MS - 30 * DAY_MS)
    house.hill.start()
    await house.federation.settle()
    await house.keep(wants(6))

    assert house.refs() == [ref(10)]


async def test_periods_that_passed_while_the_node_was_off_are_left_out(house: House) -> None:
    await house.keep()

    await house.pass_days(25)

    assert house.refs() == [ref(31)]


async def test_a_list_that_is_sent_again_changes_the_periods_to_come(house: House) -> None:
    await house.keep()
    await house.pass_days(3)

    await house.keep(wants(8))
    await house.pass_days(7)

    quantities = [seen.record.quantity for seen in house.mills.seen("demand.submit")]
    assert (house.refs(), quantities) == ([ref(10), ref(17)], [5_000, 8_000])


async def test_a_line_that_was_taken_back_stays_so(house: House) -> None:
    await house.keep()
    await house.pass_days(3)

    await house.hill.command(SERVICE, "withdraw", ref=ref(10))
    await house.pass_days(1)

    assert house.refs() == [ref(10)]


async def test_a_paused_list_waits_and_goes_on(house: House) -> None:
    await house.keep()
    told = await house.tell("pause_standing")
    await house.pass_days(4)
    assert (house.refs(), told["is_paused"], told["next_ms"]) == ([], True, None)

    await house.tell("pause_standing", off="1")

    assert house.refs() == [ref(10)]


async def test_a_removed_list_is_over(house: House) -> None:
    await house.keep()
    await house.tell("remove_standing")
    await house.pass_days(4)

    assert house.refs() == []
    assert (await house.hill.view(SERVICE, "standing"))["lists"] == []


async def test_a_dry_run_keeps_nothing(house: House) -> None:
    told = await house.keep(dry_run="1")

    assert told["lines"] == 1
    assert (await house.hill.view(SERVICE, "standing"))["lists"] == []


async def test_after_the_last_day_nothing_follows(house: House) -> None:
    await house.keep(until=str(day(11)))
    await house.pass_days(3)
    await house.pass_days(7)

    [one] = (await house.hill.view(SERVICE, "standing"))["lists"]
    assert (house.refs(), one["next_ms"]) == ([ref(10)], None)


@pytest.mark.parametrize(
    ("body", "options", "code"),
    [
        (b"", {"list": "a b"}, "standing.option"),
        (b"", {"every": "daily"}, "standing.option"),
        (b"", {"lead_days": "93"}, "standing.option"),
        (b"", {"lead_days": "-1"}, "standing.option"),
        (b"", {"until": "soon"}, "standing.option"),
        (b"", {"until": str(day(-1))}, "standing.option"),
        (b"", {"until": str(day(800))}, "standing.option"),
        (wants().replace(str(day(10)).encode(), b""), {}, "standing.line"),
        (wants(item="x" * 60), {}, "standing.line"),
        (wants(item="a b"), {}, "import.item"),
        (
            (
                HEADER + "".join(f"i{n},1,kg,1,GBP,{day(9)}\n" for n in range(MOST_LINES + 1))
            ).encode(),
            {},
            "standing.line",
        ),
    ],
)
async def test_a_list_that_cannot_roll_is_refused_and_nothing_is_kept(
    house: House, body: bytes, options: dict[str, str], code: str
) -> None:
    with pytest.raises(Refusal) as caught:
        await house.keep(body, **options)

    assert caught.value.code == code
    assert (await house.hill.view(SERVICE, "standing"))["lists"] == []


async def test_there_is_room_for_so_many_lists_of_so_many_lines(house: House) -> None:
    lines = (HEADER + "".join(f"i{n},1,kg,1,GBP,{day(30)}\n" for n in range(MOST_LINES))).encode()
    for number in range(MOST_LISTS):
        await house.hill.command(
            *(SERVICE, "keep_standing", lines),
            **{"list": f"n{number}", "every": "weekly", "lead_days": "0", "until": str(day(60))},
        )

    with pytest.raises(Refusal) as caught:
        await house.keep()

    assert caught.value.code == "standing.full"


@pytest.mark.parametrize("command", ["pause_standing", "remove_standing"])
async def test_a_list_that_is_not_there_is_refused(house: House, command: str) -> None:
    with pytest.raises(Refusal) as caught:
        await house.tell(command, list="hay")

    assert caught.value.code == "standing.unknown"


async def test_a_supplier_keeps_none(house: House) -> None:
    with pytest.raises(Refusal) as caught:
        await house.mills.command(SERVICE, "keep_standing", wants())

    assert caught.value.code == "policy.role"


async def test_what_came_back_with_a_backup_is_paused(house: House) -> None:
    await house.keep()
    home = house.federation.folder / house.hill.coop.name
    Installed(home).hold_back()

    house.hill.start()
    await house.pass_days(4)

    [one] = (await house.hill.view(SERVICE, "standing"))["lists"]
    assert (house.refs(), one["is_paused"]) == ([], True)
    await house.tell("pause_standing", off="1")
    assert house.refs() == [ref(10)]
    house.hill.start()
    assert (await house.hill.view(SERVICE, "standing"))["lists"][0]["is_paused"] is False
