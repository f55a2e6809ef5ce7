"""How much one co-op may bring while others want something: pure decisions."""

from __future__ import annotations

import pytest

from sheaf_node.peering.share import BUSY, ENTRY_BYTES, MAX_WAIT_MS, Activity, Shares
from sheaf_protocol.digest import CoopId
from sheaf_protocol.limits import CREDIT_BYTES, MAX_MEMBERS

HILL, DALE = CoopId(b"h" * 32), CoopId(b"d" * 32)
NOW_MS = 1_000_000
PER_S = 128 << 10


def wanted(by: CoopId | None = DALE, now_ms: int = NOW_MS) -> Shares:
    """Return the shares of a node that others want enough of."""
    shares = Shares(128)
    shares.activity.note(by, BUSY, now_ms)
    return shares


def test_what_fits_into_the_credit_of_a_link_is_read_at_once() -> None:
    assert wanted().wait_ms(HILL, CREDIT_BYTES, NOW_MS) == 0


@pytest.mark.parametrize("by", [DALE, None], ids=["another co-op", "this node"])
def test_more_is_left_unread_for_as_long_as_its_quota_takes(by: CoopId | None) -> None:
    shares = wanted(by)
    shares.wait_ms(HILL, CREDIT_BYTES, NOW_MS)

    assert shares.wait_ms(HILL, PER_S, NOW_MS) == 1_000
    assert shares.wait_ms(HILL, PER_S, NOW_MS + 1_000) == 1_000
    assert shares.wait_ms(DALE, PER_S, NOW_MS) == 0


def test_entries_count_however_small_they_are() -> None:
    shares = wanted()
    shares.wait_ms(HILL, CREDIT_BYTES, NOW_MS)

    assert shares.wait_ms(HILL, 1, NOW_MS, entries=PER_S // ENTRY_BYTES) == 1_000


def test_large_entries_count_by_their_bytes() -> None:
    shares = wanted()
    shares.wait_ms(HILL, CREDIT_BYTES, NOW_MS)

    assert shares.wait_ms(HILL, PER_S, NOW_MS, entries=1) == 1_000


def test_a_co_op_that_nobody_else_waits_for_is_read_at_once() -> None:
    shares = wanted(by=HILL)

    assert [shares.wait_ms(HILL, CREDIT_BYTES, NOW_MS) for _ in range(9)] == [0] * 9


def test_a_few_entries_of_others_slow_nobody() -> None:
    shares = Shares(128)
    shares.activity.note(DALE, BUSY - 1, NOW_MS)
    shares.wait_ms(HILL, CREDIT_BYTES, NOW_MS)

    assert shares.wait_ms(HILL, PER_S, NOW_MS) == 0


def test_no_wait_is_longer_than_an_answer_may_take() -> None:
    shares = wanted()

    waits = [shares.wait_ms(HILL, CREDIT_BYTES, NOW_MS) for _ in range(100)]

    assert max(waits) == MAX_WAIT_MS


def test_a_clock_that_was_put_back_gives_nothing_and_takes_nothing() -> None:
    shares = wanted()
    shares.wait_ms(HILL, CREDIT_BYTES, NOW_MS)
    shares.activity.note(DALE, BUSY, 10)

    assert shares.wait_ms(HILL, PER_S, 10) == 1_000


def test_so_many_co_ops_are_remembered_and_the_oldest_forgotten() -> None:
    shares = wanted()
    for number in range(MAX_MEMBERS + 1):
        shares.wait_ms(CoopId(number.to_bytes(32, "big")), 2 * CREDIT_BYTES, NOW_MS)

    assert shares.wait_ms(CoopId(bytes(32)), CREDIT_BYTES, NOW_MS) == 0
    assert shares.wait_ms(CoopId((2).to_bytes(32, "big")), 1, NOW_MS) > 0


def test_what_came_is_forgotten_after_two_seconds() -> None:
    activity = Activity()
    activity.note(DALE, 5, 10_000)
    activity.note(HILL, 3, 10_500)

    assert [activity.of_others(HILL, now) for now in (10_999, 11_999, 12_000)] == [5, 5, 0]
    assert activity.of_others(DALE, 10_500) == 0
