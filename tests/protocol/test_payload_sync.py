import pytest

from sheaf_protocol.digest import LogId, digest
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.frontier import Range
from sheaf_protocol.link.messages import LIST, PAYLOADS
from sheaf_protocol.link.payload_sync import AGAIN_MOST_MS, AGAIN_MS, Lack, PayloadSync

A, B = (LogId(digest("test", name)) for name in (b"a", b"b"))
NOW_MS = 1_000


def lacks(*places: tuple[LogId, int]) -> list[Lack]:
    """Return places that lack their payloads, by order of arrival from 1."""
    return [Lack(arrival=n, log=log, seq=seq) for n, (log, seq) in enumerate(places, 1)]


def asked(*places: tuple[LogId, int]) -> PayloadSync:
    """Return what has asked for these places."""
    sync = PayloadSync()
    sync.ask(lacks(*places), len(places), NOW_MS)
    return sync


def test_nothing_lacking_is_no_question() -> None:
    sync = PayloadSync()

    assert sync.ask([], 7, NOW_MS) == []

    assert not sync.is_asking
    assert sync.after == 7


def test_places_that_follow_each_other_are_one_range_also_where_logs_came_in_turn() -> None:
    sync = PayloadSync()

    ranges = sync.ask(lacks((A, 1), (B, 5), (A, 2), (B, 7), (A, 3)), 9, NOW_MS)

    assert ranges == [
        Range(log=A, first=1, last=3),
        Range(log=B, first=5, last=5),
        Range(log=B, first=7, last=7),
    ]
    assert sync.is_asking
    assert sync.after == 9


def test_question_covers_a_bounded_number_of_entries_and_the_next_one_goes_on() -> None:
    places = [(A, seq) for seq in range(1, PAYLOADS + 2)]
    sync = PayloadSync()

    first = sync.ask(lacks(*places), len(places), NOW_MS)
    sync.served(NOW_MS)
    after = sync.after
    second = sync.ask(lacks(*places)[after:], len(places), NOW_MS)

    assert first == [Range(log=A, first=1, last=PAYLOADS)]
    assert after == PAYLOADS
    assert second == [Range(log=A, first=PAYLOADS + 1, last=PAYLOADS + 1)]


def test_question_has_a_bounded_number_of_ranges() -> None:
    places = [(A, 2 * n) for n in range(1, LIST + 2)]
    sync = PayloadSync()

    ranges = sync.ask(lacks(*places), len(places), NOW_MS)

    assert len(ranges) == LIST
    assert sync.after == LIST


def test_payloads_asked_for_may_come_with_gaps() -> None:
    sync = asked((A, 1), (A, 2), (A, 3), (B, 9))

    for log, seq in ((B, 9), (A, 1), (A, 3)):
        sync.receive(log, seq, NOW_MS)

    assert sync.is_asking


@pytest.mark.parametrize(
    ("log", "seq", "why"),
    [
        (B, 1, "a log not asked for"),
        (A, 4, "behind the range"),
        (A, 2, "came before"),
        (A, 1, "one after it came before"),
    ],
)
def test_payload_that_was_not_asked_for_now_is_refused(log: LogId, seq: int, why: str) -> None:
    sync = asked((A, 1), (A, 2), (A, 3))
    sync.receive(A, 2, NOW_MS)

    with pytest.raises(RemoteProtocolError) as refused:
        sync.receive(log, seq, NOW_MS)

    assert refused.value.code == "link.range", why


def test_served_closes_the_question_and_later_payloads_are_refused() -> None:
    sync = asked((A, 1))

    sync.served(NOW_MS)

    assert not sync.is_asking
    with pytest.raises(RemoteProtocolError):
        sync.receive(A, 1, NOW_MS)


def test_what_did_not_come_is_asked_for_again_at_growing_intervals() -> None:
    sync = asked((A, 1), (A, 2))
    sync.receive(A, 1, NOW_MS)
    sync.served(NOW_MS)
    assert sync.has_missed

    sync.renew(NOW_MS + AGAIN_MS - 1)
    early = sync.after
    sync.renew(NOW_MS + AGAIN_MS)
    again = sync.after
    sync.ask(lacks((A, 2)), 2, NOW_MS + AGAIN_MS)
    sync.served(NOW_MS + AGAIN_MS)
    sync.renew(NOW_MS + 3 * AGAIN_MS - 1)

    assert (early, again, sync.after) == (2, 0, 2)
    sync.renew(NOW_MS + 3 * AGAIN_MS)
    assert sync.after == 0


def test_interval_is_bounded() -> None:
    sync, now_ms = PayloadSync(), NOW_MS
    for _ in range(20):
        sync.ask(lacks((A, 1)), 1, now_ms)
        sync.served(now_ms)
        now_ms += AGAIN_MOST_MS
        sync.renew(now_ms)

    assert sync.after == 0


def test_nothing_is_asked_for_again_where_all_came() -> None:
    sync = asked((A, 1))
    sync.receive(A, 1, NOW_MS)
    sync.served(NOW_MS)

    sync.renew(NOW_MS + AGAIN_MOST_MS)

    assert not sync.has_missed
    assert sync.after == 1


def test_peer_that_brings_nothing_stalls() -> None:
    sync = asked((A, 1), (A, 2))

    assert not sync.is_stalled(NOW_MS + 10, 10)
    assert sync.is_stalled(NOW_MS + 11, 10)

    sync.receive(A, 1, NOW_MS + 11)

    assert not sync.is_stalled(NOW_MS + 21, 10)


def test_nobody_stalls_where_nothing_is_asked() -> None:
    assert not PayloadSync().is_stalled(NOW_MS, 0)
