"""Sessions: links that hold once and for a minute, and when what they begin ends."""

from __future__ import annotations

import os

import pytest

from sheaf_node.api.session import (
    ACTING,
    IDLE_MS,
    LASTS_MS,
    LINK_MS,
    MOST_LINKS,
    MOST_SESSIONS,
    READING,
    Sessions,
)
from sheaf_node.clock import ManualClock
from sheaf_protocol.errors import Refusal

NOW_MS = 1_700_000_000_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_MS)


@pytest.fixture
def sessions(clock: ManualClock) -> Sessions:
    return Sessions(now_ms=clock.now_ms, random=os.urandom)


def begun(sessions: Sessions) -> str:
    return sessions.begin(sessions.make_code(ACTING)[0])[0]


def is_refused(sessions: Sessions, code: str) -> bool:
    with pytest.raises(Refusal) as caught:
        sessions.begin(code)
    return caught.value.code == "session.link"


def test_a_session_opens_what_its_link_was_made_for(sessions: Sessions) -> None:
    code, expires_ms = sessions.make_code(READING)

    secret, bearer = sessions.begin(code)

    assert expires_ms == NOW_MS + LINK_MS
    assert sessions.find(secret) == bearer
    assert (bearer.sort, bearer.scopes) == ("session", READING)
    assert bearer.expires_ms == NOW_MS + LASTS_MS


def test_a_link_holds_once(sessions: Sessions) -> None:
    code, _ = sessions.make_code(ACTING)
    sessions.begin(code)

    assert is_refused(sessions, code)


def test_a_link_holds_for_a_minute(sessions: Sessions, clock: ManualClock) -> None:
    first, late = sessions.make_code(ACTING)[0], sessions.make_code(ACTING)[0]

    clock.advance(LINK_MS - 1)
    sessions.begin(first)
    clock.advance(1)

    assert is_refused(sessions, late)


@pytest.mark.parametrize("code", ["", "00" * 32, "\udcff"])
def test_a_code_that_nobody_made_begins_nothing(sessions: Sessions, code: str) -> None:
    sessions.make_code(ACTING)

    assert is_refused(sessions, code)


def test_neither_a_code_nor_the_name_of_a_session_is_a_session(sessions: Sessions) -> None:
    code, _ = sessions.make_code(ACTING)
    _, bearer = sessions.begin(code)

    assert sessions.find(code) is None
    assert sessions.find(bearer.name) is None


def test_a_session_ends_when_nobody_uses_it(sessions: Sessions, clock: ManualClock) -> None:
    secret = begun(sessions)
    clock.advance(IDLE_MS - 1)
    used = sessions.find(secret)
    clock.advance(IDLE_MS - 1)
    looked_at = sessions.find(secret, is_used=False)

    clock.advance(1)

    assert used is not None
    assert looked_at is not None
    assert sessions.find(secret) is None


def test_a_session_ends_after_a_day_however_it_is_used(
    sessions: Sessions, clock: ManualClock
) -> None:
    secret = begun(sessions)

    for _ in range(LASTS_MS // IDLE_MS * 2 - 1):
        clock.advance(IDLE_MS // 2)
        assert sessions.find(secret) is not None
    clock.advance(IDLE_MS // 2)

    assert sessions.find(secret) is None


def test_a_clock_that_is_set_back_ends_a_session(sessions: Sessions, clock: ManualClock) -> None:
    secret = begun(sessions)

    clock.advance(-1)

    assert sessions.find(secret) is None


def test_a_session_that_is_ended_stays_so(sessions: Sessions) -> None:
    secret, other = begun(sessions), begun(sessions)

    sessions.end(secret)

    assert sessions.find(secret) is None
    assert sessions.find(other) is not None


def test_all_sessions_and_links_can_be_ended(sessions: Sessions) -> None:
    secrets = [begun(sessions), begun(sessions)]
    code, _ = sessions.make_code(ACTING)

    ended = sessions.end_all()

    assert ended == 2
    assert [sessions.find(secret) for secret in secrets] == [None, None]
    assert is_refused(sessions, code)


def test_of_too_many_sessions_the_one_used_longest_ago_ends(sessions: Sessions) -> None:
    secrets = [begun(sessions) for _ in range(MOST_SESSIONS)]
    sessions.find(secrets[0])

    begun(sessions)

    assert sessions.find(secrets[0]) is not None
    assert sessions.find(secrets[1]) is None


def test_of_too_many_links_the_oldest_holds_no_more(sessions: Sessions) -> None:
    codes = [sessions.make_code(ACTING)[0] for _ in range(MOST_LINKS + 1)]

    assert is_refused(sessions, codes[0])
    sessions.begin(codes[1])
