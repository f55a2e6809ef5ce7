"""Seats at their sponsor's node: what is kept, what is asked, what an answer leads to."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.node.seated import ASKING, BUYING, CROFT, sponsoring

from sheaf_node.seats import LinkWish, ListWish, NewSeat, SeatShelf
from sheaf_node.seats.model import DAY_MS, KeptLink, KeptSeat, link_id
from sheaf_node.seats.question import (
    MOST_LINES,
    asked_lines,
    prices_of,
    read_lines,
    trial_prices,
    write_lines,
)
from sheaf_node.seats.shelf import FOLDER, KEPT_MS, LINKS, MOST_OPEN, MOST_SEATS
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW_MS = 1_770_000_000_000
TODAY = datetime.fromtimestamp(NOW_MS // 1000, UTC).date()
LATER = (TODAY + timedelta(days=30)).isoformat()
LINES = asked_lines(ASKING)


def code_of(refused: Callable[[], object]) -> str:
    with pytest.raises(Refusal) as refusal:
        refused()
    return refusal.value.code


def kept(name: str = "Croft", cid: str = CROFT) -> KeptSeat:
    return KeptSeat(cid=cid, name=name, added_ms=NOW_MS)


def a_link(number: int = 0, **other: Any) -> KeptLink:
    given: dict[str, Any] = {"id": f"{number:064x}", "seat": CROFT, "asks": "approve"}
    given |= {"list": BUYING, "fid": "00" * 32, "created_ms": NOW_MS, "expires_ms": NOW_MS + DAY_MS}
    return KeptLink(**(given | other))


# --- the shelf


def test_seats_and_links_are_there_again_after_a_start(tmp_path: Path) -> None:
    shelf = SeatShelf(tmp_path)
    shelf.add(kept())
    shelf.put_link(a_link(), NOW_MS)

    again = SeatShelf(tmp_path)

    assert list(again) == [kept()]
    assert again.links(kept()) == [a_link()]


def test_one_name_is_one_seat(tmp_path: Path) -> None:
    shelf = SeatShelf(tmp_path)
    shelf.add(kept())

    assert code_of(lambda: shelf.add(kept(cid="c1" * 32))) == "seat.exists"
    assert code_of(lambda: shelf.add(kept(name="Byre"))) == "seat.exists"
    assert list(shelf) == [kept()]


def test_the_same_seat_again_changes_nothing(tmp_path: Path) -> None:
    shelf = SeatShelf(tmp_path)
    shelf.add(kept())

    assert shelf.add(msgspec.structs.replace(kept(), added_ms=NOW_MS + 1)) == kept()


def test_a_seat_is_found_by_name_before_the_start_of_an_id(tmp_path: Path) -> None:
    shelf = SeatShelf(tmp_path)
    shelf.add(kept())
    shelf.add(kept(name="c0", cid="c1" * 32))

    assert shelf.find("c0").cid == "c1" * 32
    assert shelf.find("c0c0").name == "Croft"


@pytest.mark.parametrize("text", ["", "Nobody", "c", "../x"])
def test_what_names_no_seat_or_several_is_refused(tmp_path: Path, text: str) -> None:
    shelf = SeatShelf(tmp_path)
    shelf.add(kept())
    shelf.add(kept(name="Byre", cid="c1" * 32))

    assert code_of(lambda: shelf.find(text)) == "seat.unknown"


def test_a_removed_seat_takes_its_links_along(tmp_path: Path) -> None:
    shelf = SeatShelf(tmp_path)
    shelf.add(kept())
    shelf.put_link(a_link(), NOW_MS)

    shelf.remove(kept())

    assert list(SeatShelf(tmp_path)) == []
    assert SeatShelf(tmp_path).link(a_link().id) is None


def test_links_of_one_seat_are_bounded_and_old_ones_are_forgotten(tmp_path: Path) -> None:
    shelf = SeatShelf(tmp_path)
    shelf.add(kept())
    for number in range(MOST_OPEN):
        shelf.put_link(a_link(number), NOW_MS)

    assert code_of(lambda: shelf.put_link(a_link(99), NOW_MS)) == "seat.full"
    much_later = NOW_MS + DAY_MS + KEPT_MS
    shelf.put_link(a_link(99, expires_ms=much_later + 1), much_later)
    assert len(shelf.links(kept())) == 1


def test_seats_are_bounded(tmp_path: Path) -> None:
    shelf = SeatShelf(tmp_path)
    shelf._seats = {f"{n:064x}": kept(str(n), f"{n:064x}") for n in range(MOST_SEATS)}

    assert code_of(lambda: shelf.add(kept())) == "seat.full"


def test_a_spoilt_file_is_named(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / f"{CROFT}.json").write_text("{")

    with pytest.raises(Refusal) as refused:
        SeatShelf(tmp_path)

    assert refused.value.code == "seat.file"
    assert CROFT in refused.value.detail


@pytest.mark.parametrize("name", ["", "x" * 121, "two\nlines", "bell\x07"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"cid": CROFT, "name": name}, NewSeat)


def test_a_link_lasts_thirty_days_at_most() -> None:
    wish = {"asks": "approve", "list": BUYING, "expires_in_ms": 30 * DAY_MS + 1}

    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wish, LinkWish)


# --- questions and answers


def test_a_list_is_taken_apart_whatever_parts_its_cells() -> None:
    for mark in ",;\t":
        text = f"\ufeffItem{mark}Max Price\nfeed{mark} 1.50 \n\n"
        assert read_lines(text) == [{"item": "feed", "max_price": "1.50"}]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("item,quantity\n", "a header alone"),
        ("item,quantity\n" + "a,1\n" * (MOST_LINES + 1), "too many lines"),
        ("item,quantity\na\n", "a cell missing"),
        ("item,quantity\na,1,2\n", "a cell too many"),
        ("item,quantity\n" + "a" * 201 + ",1\n", "a cell too long"),
        ('item,quantity\n"a,1\n', "a quote that does not close"),
    ],
)
def test_what_is_no_short_list_is_refused(text: str, reason: str) -> None:
    assert code_of(lambda: read_lines(text)) == "seat.answer", reason


def test_lines_written_and_read_are_the_same() -> None:
    lines = [{"item": 'a "quoted", cell', "quantity": "1;2"}, {"item": "=cmd()", "quantity": "\t"}]

    assert read_lines(write_lines(lines)) == [
        {"item": 'a "quoted", cell', "quantity": "1;2"},
        {"item": "=cmd()", "quantity": ""},
    ]


@pytest.mark.parametrize("text", ["item,quantity,unit\nx,1,kg\n", ASKING.replace("name", "price")])
def test_a_question_has_the_columns_of_one(text: str) -> None:
    assert code_of(lambda: asked_lines(text)) == "seat.answer"


def test_prices_hold_from_the_quantity_asked_for_and_what_is_empty_is_not_offered() -> None:
    form = {"price-0": "0,55", "most-0": "800", "price-1": " ", "valid_until": LATER}

    [line] = read_lines(prices_of(LINES, form, NOW_MS))

    assert (line["min_quantity"], line["price"], line["max_quantity"]) == ("500", "0.55", "800")
    assert (line["item"], line["valid_until"]) == ("feed", LATER)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"price-0": "cheap"}, "no number"),
        ({"price-0": "-1"}, "less than nothing"),
        ({"price-0": "1e9"}, "no plain number"),
        ({"price-0": "1\n2"}, "two lines"),
        ({"price-0": '1","x'}, "cells of its own"),
        ({"most-0": "lots"}, "no number"),
        ({"price-0": ""}, "nothing at all"),
        ({"valid_until": ""}, "no day"),
        ({"valid_until": "soon"}, "no day"),
        ({"valid_until": (TODAY - timedelta(days=1)).isoformat()}, "yesterday"),
        ({"valid_until": "2099-01-01"}, "a lifetime"),
    ],
)
def test_an_answer_that_cannot_be_meant_is_refused(change: dict[str, str], reason: str) -> None:
    form = {"price-0": "1", "valid_until": LATER} | change

    assert code_of(lambda: prices_of(LINES, form, NOW_MS)) == "seat.answer", reason


def test_a_trial_has_a_price_for_every_line() -> None:
    assert len(read_lines(trial_prices(LINES, NOW_MS))) == len(LINES)


# --- the node


async def test_a_yes_publishes_the_list_under_the_seats_name(tmp_path: Path) -> None:
    async with sponsoring(tmp_path) as sponsor:
        token = await sponsor.link()

        ended = await sponsor.seating.answer(token, {"answer": "yes"})

        [line] = await sponsor.lines()
        assert (line["name"], line["by"], line["item"]) == ("Croft", "link", "feed")
        assert (ended.published, sponsor.seating.state(ended)) == (1, "answered")


async def test_a_no_publishes_nothing_and_ends_the_link(tmp_path: Path) -> None:
    async with sponsoring(tmp_path) as sponsor:
        token = await sponsor.link()

        ended = await sponsor.seating.answer(token, {"answer": "no"})

        assert await sponsor.lines() == []
        assert sponsor.seating.state(ended) == "declined"


async def test_prices_that_a_seat_fills_in_are_its_offers(tmp_path: Path) -> None:
    async with sponsoring(tmp_path) as sponsor:
        token = await sponsor.link("quote", ASKING)
        until = datetime.fromtimestamp(sponsor.clock.now_ms() // 1000, UTC) + timedelta(days=20)
        form = {"answer": "yes", "price-0": "0.55", "valid_until": f"{until:%Y-%m-%d}"}

        await sponsor.seating.answer(token, form)

        [line] = await sponsor.lines()
        assert (line["kind"], line["item"], line["by"]) == ("offer.submit", "feed", "link")


async def test_a_link_ends_with_its_time(tmp_path: Path) -> None:
    async with sponsoring(tmp_path) as sponsor:
        token = await sponsor.link(expires_in_ms=60_000)
        sponsor.clock.by_ms = 60_001

        with pytest.raises(Refusal) as refused:
            await sponsor.seating.answer(token, {"answer": "yes"})

        assert refused.value.code == "seat.ended"
        assert await sponsor.lines() == []


async def test_a_link_is_answered_once_whatever_starts_in_between(tmp_path: Path) -> None:
    async with sponsoring(tmp_path) as sponsor:
        token = await sponsor.link()
        await sponsor.seating.answer(token, {"answer": "no"})

        with pytest.raises(Refusal) as refused:
            await sponsor.again().answer(token, {"answer": "yes"})

        assert refused.value.code == "seat.ended"
        assert await sponsor.lines() == []


async def test_an_answer_that_is_refused_leaves_the_link_open(tmp_path: Path) -> None:
    async with sponsoring(tmp_path) as sponsor:
        token = await sponsor.link("quote", ASKING)

        for form in ({}, {"answer": "maybe"}, {"answer": "yes", "price-0": "much"}):
            with pytest.raises(Refusal) as refused:
                await sponsor.seating.answer(token, form)
            assert refused.value.code == "seat.answer"

        _, link = sponsor.again().find(token)
        assert sponsor.seating.state(link) == "open"


async def test_a_crash_after_publishing_and_before_noting_publishes_nothing_twice(
    tmp_path: Path,
) -> None:
    async with sponsoring(tmp_path) as sponsor:
        token = await sponsor.link()
        seat, link = sponsor.seating.find(token)
        await sponsor.seating._carry_out(seat, link, {}, sponsor.clock.now_ms())

        await sponsor.again().answer(token, {"answer": "yes"})

        assert len(await sponsor.lines()) == 1


async def test_the_home_holds_no_link_by_which_anybody_could_answer(tmp_path: Path) -> None:
    async with sponsoring(tmp_path) as sponsor:
        token = await sponsor.link()

        files = [path for path in sponsor.home.rglob("*") if path.is_file()]

        assert [path for path in files if token.encode() in path.read_bytes()] == []
        assert len(token) == 43
        folders = [sponsor.home / FOLDER, sponsor.home / FOLDER / LINKS]
        assert [stat.S_IMODE(path.stat().st_mode) for path in folders] == [0o700, 0o700]


@pytest.mark.parametrize(
    "token", ["", "x", "A" * 43, "A" * 44, "é" * 43, "../" * 14 + "x", "=" * 43]
)
async def test_what_is_no_link_of_ours_is_refused(tmp_path: Path, token: str) -> None:
    async with sponsoring(tmp_path) as sponsor:
        with pytest.raises(Refusal) as refused:
            sponsor.seating.find(token)

        assert refused.value.code == "seat.link"


async def test_another_spelling_of_a_links_secret_is_none(tmp_path: Path) -> None:
    async with sponsoring(tmp_path) as sponsor:
        token = await sponsor.link()
        other = token[:-1] + chr(ord(token[-1]) + 1)

        with pytest.raises(Refusal):
            sponsor.seating.find(other)
        with pytest.raises(Refusal):
            sponsor.seating.find(token + "=")


async def test_a_list_that_would_be_refused_makes_no_link(tmp_path: Path) -> None:
    async with sponsoring(tmp_path) as sponsor:
        with pytest.raises(Refusal) as refused:
            await sponsor.link(text=BUYING.replace("kg", "furlong"))

        assert refused.value.code == "import.unit"
        [told] = sponsor.seating.listed()
        assert told["links"] == []


async def test_a_list_by_word_is_published_as_such(tmp_path: Path) -> None:
    async with sponsoring(tmp_path) as sponsor:
        sponsor.seating.add(NewSeat(cid=CROFT, name="Croft"))

        tried = ListWish(what="purchases", list=BUYING, dry_run=True)
        told = await sponsor.seating.publish("Croft", tried, None)
        assert (told["published"], await sponsor.lines()) == (1, [])
        await sponsor.seating.publish("Croft", ListWish(what="purchases", list=BUYING), None)

        [line] = await sponsor.lines()
        assert line["by"] == "list"


async def test_a_seat_that_is_removed_answers_no_more(tmp_path: Path) -> None:
    async with sponsoring(tmp_path) as sponsor:
        token = await sponsor.link()
        await sponsor.seating.remove("Croft")

        with pytest.raises(Refusal) as refused:
            await sponsor.seating.answer(token, {"answer": "yes"})

        assert refused.value.code == "seat.link"
        assert sponsor.seating.listed() == []


async def test_links_need_a_port(tmp_path: Path) -> None:
    async with sponsoring(tmp_path) as sponsor:
        sponsor.seating._url = ""

        with pytest.raises(Refusal) as refused:
            await sponsor.link()

        assert refused.value.code == "seat.off"


def test_links_have_names_of_their_own() -> None:
    assert link_id(b"a" * 32) != link_id(b"b" * 32)
