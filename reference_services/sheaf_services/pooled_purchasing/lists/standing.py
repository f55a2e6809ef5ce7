"""Lists that roll: what is wanted again each week, two weeks or month, moved on by whole periods.

A list says what is wanted in its first period. In period number k each day is k periods later, and
a line's reference ends with the week or month of its last day: `feed:2026-W48`. Its lines are
published so many days before the first of their last days, and each is published once: by its
reference in the log, so neither a restart nor a clock that stands or goes back makes a second one.
Periods that were over before the node came to them are left out, as nobody could deliver any more.
"""

from __future__ import annotations

import calendar
import datetime
from dataclasses import dataclass
from itertools import count, takewhile
from typing import TYPE_CHECKING, Final

from msgspec import UNSET
from msgspec.structs import replace

from sheaf_protocol.records import Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sheaf_protocol.records import Demand

DAY_MS: Final = 86_400_000
WEEKS: Final[Mapping[str, int]] = {"weekly": 1, "2-weekly": 2}
EVERY: Final = (*WEEKS, "monthly")
MOST_LEAD_DAYS: Final = 92
"""Three months ahead: fourteen periods of a week at once."""
LABEL_LENGTH: Final = 9
"""Characters of `:2026-W48`."""
_EPOCH: Final = datetime.date(1970, 1, 1)
_LAST: Final = datetime.date(9000, 1, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rolling:
    """A list, how often it is wanted, and how early that is said."""

    every: str
    lead_days: int
    until: datetime.date
    """No day of a line is later."""
    lines: Sequence[Demand]
    """Of the first period, each with a window."""

    def due(self, now_ms: int) -> Iterator[Demand]:
        """Yield the lines of all periods that are to be published by now and not over."""
        for period in takewhile(lambda n: self._begins_ms(n) <= now_ms, self._periods(now_ms)):
            for line in self.lines:
                moved = self.line_in(line, period)
                if moved.window is not UNSET and moved.window.to_ms >= now_ms:
                    yield moved

    def next_ms(self, now_ms: int) -> int | None:
        """Return when lines are to be published next; None after the last period."""
        later = (self._begins_ms(n) for n in self._periods(now_ms))
        return next((begins for begins in later if begins > now_ms), None)

    def line_in(self, line: Demand, period: int) -> Demand:
        """Return a line as it is wanted in a period."""
        end = _end(line)
        last = moved(end, self.every, period)
        window = Window(from_ms=self._from_ms(line, period), to_ms=_day_ms(last) + DAY_MS - 1)
        return replace(line, ref=f"{line.ref}:{label(last, self.every)}", window=window)

    def _periods(self, now_ms: int) -> Iterator[int]:
        """Yield the periods that are not over, as far as the last day allows."""
        ends = [_end(line) for line in self.lines]
        begins, over = min(ends), max(ends)
        first = _periods_before(over, self.every, now_ms)
        return takewhile(lambda n: moved(begins, self.every, n) <= self.until, count(first))

    def _begins_ms(self, period: int) -> int:
        begins = min(_end(line) for line in self.lines)
        return _day_ms(moved(begins, self.every, period)) - self.lead_days * DAY_MS

    def _from_ms(self, line: Demand, period: int) -> int:
        from_ms = 0 if line.window is UNSET else line.window.from_ms
        return _day_ms(moved(_day(from_ms), self.every, period)) if from_ms else 0


def moved(day: datetime.date, every: str, periods: int) -> datetime.date:
    """Return a day so many periods later; in a shorter month its last day."""
    if every in WEEKS:
        return min(_LAST, day + datetime.timedelta(weeks=WEEKS[every] * periods))
    months = day.year * 12 + day.month - 1 + periods
    year, month = divmod(months, 12)
    if year >= _LAST.year:
        return _LAST
    last = calendar.monthrange(year, month + 1)[1]
    return datetime.date(year, month + 1, min(day.day, last))


def label(day: datetime.date, every: str) -> str:
    """Return what tells one period's references from another's."""
    if every in WEEKS:
        iso = day.isocalendar()
        return f"{iso.year:04}-W{iso.week:02}"
    return f"{day.year:04}-{day.month:02}"


def _periods_before(over: datetime.date, every: str, now_ms: int) -> int:
    """Return a period that is not over, or one that ended just now; never a negative one."""
    today = _day(now_ms)
    if every in WEEKS:
        return max(0, (today - over).days // (7 * WEEKS[every]))
    return max(0, (today.year - over.year) * 12 + today.month - over.month - 1)


def _end(line: Demand) -> datetime.date:
    if line.window is UNSET:
        raise ValueError("expected a line with a window")
    return _day(line.window.to_ms)


def _day(time_ms: int) -> datetime.date:
    return min(_LAST, _EPOCH + datetime.timedelta(days=min(time_ms // DAY_MS, 2_500_000)))


def _day_ms(day: datetime.date) -> int:
    return (day - _EPOCH).days * DAY_MS
