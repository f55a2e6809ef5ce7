"""When a service's process is started and ended, what is logged of it, what it is told. Pure."""

from __future__ import annotations

from sheaf_node.remote.due import IDLE_MS, REFUSED_MS, Due
from sheaf_node.remote.process import MAX_LINE, MOST_LINES, Lines, handed_on, shown
from sheaf_node.remote.restarts import (
    FIRST_MS,
    MOST_MISSED,
    MOST_MS,
    SILENT_MS,
    SOUND_MS,
    Restarts,
)


def failed(restarts: Restarts, now_ms: int, ran_ms: int = 0) -> int:
    """Start and end a process; return how long it is until the next start."""
    restarts.begin(now_ms)
    restarts.end(now_ms + ran_ms)
    return restarts.next_ms - now_ms - ran_ms


def test_what_fails_at_each_start_is_started_more_and_more_rarely() -> None:
    restarts = Restarts()

    waits = [failed(restarts, 0) for _ in range(12)]

    assert waits[:4] == [FIRST_MS, 2 * FIRST_MS, 4 * FIRST_MS, 8 * FIRST_MS]
    assert waits[-1] == MOST_MS


def test_what_ran_for_long_is_started_again_soon() -> None:
    restarts = Restarts()
    for _ in range(12):
        failed(restarts, 0)

    assert failed(restarts, 0, SOUND_MS) == FIRST_MS


def test_a_process_that_misses_its_steps_is_stuck() -> None:
    restarts = Restarts()
    restarts.begin(0)

    assert not restarts.is_stuck(1, is_connected=True, missed=MOST_MISSED - 1)
    assert restarts.is_stuck(1, is_connected=True, missed=MOST_MISSED)


def test_a_process_without_a_feed_is_stuck_after_a_while() -> None:
    restarts = Restarts()
    restarts.begin(0)

    assert not restarts.is_stuck(SILENT_MS - 1, is_connected=False, missed=0)
    assert not restarts.is_stuck(SILENT_MS, is_connected=True, missed=0)
    assert not restarts.is_stuck(2 * SILENT_MS - 1, is_connected=False, missed=0)
    assert restarts.is_stuck(2 * SILENT_MS, is_connected=False, missed=0)


def test_so_many_lines_a_minute_are_logged_and_no_more() -> None:
    lines = Lines()

    taken = [lines.take(100_000) for _ in range(MOST_LINES + 5)]

    assert sum(taken) == MOST_LINES
    assert lines.take(160_000)


def test_a_line_is_shown_without_what_moves_a_cursor_and_no_longer_than_so() -> None:
    assert shown("a\x1b[2Jb\rc\td\x00") == "a?[2Jb?c?d?"
    assert len(shown("x" * 10_000)) == MAX_LINE


def test_secrets_of_the_environment_are_not_handed_on() -> None:
    given = {"PATH": "/bin", "SHEAF_PASSPHRASE": "secret", "AWS_SECRET": "secret", "LANG": "C"}

    assert handed_on(given) == {"PATH": "/bin", "LANG": "C"}


def test_a_turn_is_due_at_first_then_for_news_a_time_a_change_or_idleness() -> None:
    due = Due()
    due.begin()
    first = due.is_now(1_000, 7)
    due.take(1_000, 7)

    assert first
    assert not due.is_now(1_001, 7)
    assert due.is_now(1_001, 8)
    assert due.is_now(1_000 + IDLE_MS, 7)
    due.wake(50, 1_001)
    assert not due.is_now(1_050, 7)
    assert due.is_now(1_051, 7)
    due.has_news = True
    assert due.is_now(1_002, 7)


def test_after_a_refusal_a_turn_comes_soon_and_not_at_once() -> None:
    due = Due()
    due.begin()
    due.take(1_000, 7)
    due.has_news = True

    due.note_refusal(2_000)

    assert not due.is_now(2_000, 7)
    assert due.is_now(2_000 + REFUSED_MS, 7)
