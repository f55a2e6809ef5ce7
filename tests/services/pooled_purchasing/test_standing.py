"""Lists that roll: which lines of which periods are due, by whatever clock."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.records import Demand, Item, Price, Window
from sheaf_services.pooled_purchasing.lists.standing import DAY_MS, EVERY, Rolling, label, moved

FIRST = datetime.date(2026, 11, 27)
"""A Friday of week 48."""
DAYS = st.dates(datetime.date(2026, 1, 1), datetime.date(2030, 12, 31))


def at(day: datetime.date, hours: int = 0) -> int:
    return (day - datetime.date(1970, 1, 1)).days * DAY_MS + hours * 3_600_000


def line(ref: str = "feed", day: datetime.date = FIRST, earliest: int = 0) -> Demand:
    from_ms = at(day - datetime.timedelta(days=earliest)) if earliest else 0
    return Demand(
        is_firm=True,
        item=Item(code=ref, name=ref, scale=3, unit="KGM"),
        max_price=Price(amount=1, base=1, currency="GBP"),
        min_quantity=1,
        quantity=5,
        ref=ref,
        window=Window(from_ms=from_ms, to_ms=at(day) + DAY_MS - 1),
        zone="ALL",
    )


def rolling(
    *lines: Demand, every: str = "weekly", lead: int = 7, until: str = "2027-06-30"
) -> Rolling:
    last = datetime.date.fromisoformat(until)
    return Rolling(every=every, lead_days=lead, until=last, lines=lines or (line(),))


def refs(made: Rolling, now_ms: int) -> list[str]:
    return [each.ref for each in made.due(now_ms)]


@pytest.mark.parametrize(
    ("every", "periods", "day"),
    [
        ("weekly", 1, "2026-12-04"),
        ("2-weekly", 3, "2027-01-08"),
        ("monthly", 1, "2026-12-27"),
        ("monthly", 14, "2028-01-27"),
    ],
)
def test_a_day_is_moved_by_whole_periods(every: str, periods: int, day: str) -> None:
    assert moved(FIRST, every, periods).isoformat() == day


def test_in_a_shorter_month_it_is_the_last_day_and_later_the_day_again() -> None:
    days = [moved(datetime.date(2027, 1, 31), "monthly", n).isoformat() for n in range(3)]

    assert days == ["2027-01-31", "2027-02-28", "2027-03-31"]


def test_references_end_with_the_week_or_month_of_their_last_day() -> None:
    assert (label(FIRST, "weekly"), label(FIRST, "monthly")) == ("2026-W48", "2026-11")
    assert label(datetime.date(2027, 1, 1), "weekly") == "2026-W53"


def test_a_period_is_due_so_many_days_before_its_first_line() -> None:
    made = rolling(line(), line("hay", FIRST + datetime.timedelta(days=2)))
    begins = at(FIRST) - 7 * DAY_MS

    assert refs(made, begins - 1) == []
    assert made.next_ms(begins - 1) == begins
    assert refs(made, begins) == ["feed:2026-W48", "hay:2026-W48"]
    assert made.next_ms(begins) == begins + 7 * DAY_MS
    assert refs(made, begins + 7 * DAY_MS) == [
        *("feed:2026-W48", "hay:2026-W48", "feed:2026-W49", "hay:2026-W49"),
    ]


def test_windows_are_moved_on_with_their_first_days() -> None:
    [first, second] = rolling(line(earliest=3), lead=14).due(at(FIRST) - 7 * DAY_MS)

    assert (first.window.from_ms, second.window.from_ms) == (  # type: ignore[union-attr]
        *(at(FIRST) - 3 * DAY_MS, at(FIRST) + 4 * DAY_MS),
    )
    assert second.window.to_ms == at(FIRST) + 8 * DAY_MS - 1  # type: ignore[union-attr]
    assert decode(encode(second), Demand) == second


def test_what_was_over_before_the_node_came_to_it_is_left_out() -> None:
    three_weeks_later = at(FIRST + datetime.timedelta(days=21), hours=12)

    assert refs(rolling(), three_weeks_later) == ["feed:2026-W51", "feed:2026-W52"]


def test_nothing_is_later_than_the_last_day() -> None:
    made = rolling(until="2026-12-05", lead=60)

    assert refs(made, at(FIRST)) == ["feed:2026-W48", "feed:2026-W49"]
    assert made.next_ms(at(FIRST)) is None


@given(DAYS, st.sampled_from(EVERY), st.integers(0, 60))
def test_no_two_periods_have_one_reference(day: datetime.date, every: str, number: int) -> None:
    made = rolling(line(day=day), every=every, until="2040-01-01")

    one, other = (made.line_in(made.lines[0], n) for n in (number, number + 1))

    assert one.ref != other.ref
    assert one.window.to_ms < other.window.to_ms  # type: ignore[union-attr]


@given(DAYS, DAYS, st.sampled_from(EVERY), st.integers(0, 92))
def test_whatever_the_clock_says_few_periods_are_due_and_none_is_over(
    day: datetime.date, now: datetime.date, every: str, lead: int
) -> None:
    made = rolling(line(day=day), every=every, lead=lead, until="2040-01-01")

    due, following = list(made.due(at(now))), made.next_ms(at(now))

    assert len(due) <= 15
    assert all(at(now) <= each.window.to_ms for each in due)  # type: ignore[union-attr]
    assert following is not None
    assert following > at(now)
