"""Which addresses that others told are kept, and which is dialled next: pure tables."""

from __future__ import annotations

import pytest

from sheaf_node.peering.hints import (
    AGAIN_MOST_MS,
    AGAIN_MS,
    MOST,
    MOST_A_MINUTE,
    MOST_OF_COOP,
    Hint,
    Hints,
    Source,
)
from sheaf_protocol.digest import CoopId

NOW_MS = 1_000_000_000


def coop(number: int) -> CoopId:
    return CoopId(number.to_bytes(32, "big"))


def hint(number: int, place: int = 0, source: Source = Source.DIRECTORY) -> Hint:
    return Hint(url=f"wss://n{number}.example/{place}", source=source, cid=coop(number))


def all_of_them(_: Hint) -> bool:
    return True


def made(*hints: Hint, salt: bytes = bytes(16)) -> Hints:
    known = Hints(salt)
    known.offer(hints)
    return known


def test_at_most_eight_addresses_of_a_co_op_are_kept() -> None:
    known = made(*(hint(1, place) for place in range(3 * MOST_OF_COOP)))

    assert len(known.known) == MOST_OF_COOP


def test_one_co_op_with_many_addresses_leaves_room_for_all_others() -> None:
    loud = [hint(0, place) for place in range(MOST_OF_COOP)]
    known = made(*loud, *(hint(number) for number in range(1, MOST + 1)))

    assert len(known.known) == MOST
    assert sum(each.cid == coop(0) for each in known.known) <= 1


def test_each_co_op_is_dialled_once_before_any_is_dialled_twice() -> None:
    hints = [hint(number, place) for number in range(3) for place in range(4)]

    due = made(*hints).due(all_of_them, NOW_MS)

    assert sorted(each.cid or b"" for each in due) == [coop(0), coop(1), coop(2)]


def test_the_stronger_source_of_one_address_counts() -> None:
    told = hint(1)
    saved = Hint(url=told.url, source=Source.SAVED, cid=told.cid)

    assert made(told, saved).known == [saved]


def test_saved_peers_come_before_the_directory_and_that_before_the_network_here() -> None:
    lan = Hint(url="ws://192.168.1.5:8440", source=Source.LAN, cid=None)

    known = made(lan, hint(1), hint(2, source=Source.SAVED)).known

    assert [each.source for each in known] == [Source.SAVED, Source.DIRECTORY, Source.LAN]


def test_no_two_nodes_prefer_the_same_members() -> None:
    hints = [hint(number) for number in range(40)]

    orders = {tuple(each.url for each in made(*hints, salt=bytes([n]) * 16).known) for n in (1, 2)}

    assert len(orders) == 2


def test_sixteen_are_dialled_in_a_minute_together() -> None:
    known = made(*(hint(number) for number in range(40)))

    first = known.due(all_of_them, NOW_MS)
    for each in first:
        known.ended(each, NOW_MS, was_open=False)
    soon = known.due(all_of_them, NOW_MS + 59_999)
    later = known.due(all_of_them, NOW_MS + 60_000)

    assert (len(first), soon, len(later)) == (MOST_A_MINUTE, [], MOST_A_MINUTE)


def test_an_address_that_is_being_dialled_is_not_dialled_again() -> None:
    known = made(hint(1))
    known.due(all_of_them, NOW_MS)

    assert known.due(all_of_them, NOW_MS + AGAIN_MOST_MS) == []


def test_an_address_that_fails_is_left_alone_for_ever_longer() -> None:
    known, now_ms, waits = made(hint(1)), NOW_MS, []

    for _ in range(12):
        [each] = known.due(all_of_them, now_ms)
        known.ended(each, now_ms, was_open=False)
        wait_ms = next(
            wait for wait in (AGAIN_MS << n for n in range(12)) if _is_due(known, now_ms + wait)
        )
        waits.append(wait_ms)
        now_ms += wait_ms

    assert waits[:4] == [AGAIN_MS, 2 * AGAIN_MS, 4 * AGAIN_MS, 8 * AGAIN_MS]
    assert waits == sorted(waits)
    assert waits[-1] <= 2 * AGAIN_MOST_MS


def _is_due(known: Hints, now_ms: int) -> bool:
    return known._is_ready(known.known[0], now_ms)


def test_a_link_that_was_of_use_is_sought_again_after_a_minute() -> None:
    known = made(hint(1))
    [each] = known.due(all_of_them, NOW_MS)

    known.ended(each, NOW_MS, was_open=True)

    assert known.due(all_of_them, NOW_MS + AGAIN_MS - 1) == []
    assert known.due(all_of_them, NOW_MS + AGAIN_MS) == [each]


def test_a_clock_that_was_put_back_leaves_no_address_alone_for_years() -> None:
    known = made(hint(1))
    [each] = known.due(all_of_them, NOW_MS)
    known.ended(each, NOW_MS, was_open=False)

    assert known.due(all_of_them, NOW_MS - 100 * AGAIN_MOST_MS) == [each]


def test_what_is_told_no_more_is_forgotten() -> None:
    known = made(hint(1), hint(2))

    known.offer([hint(2)])

    assert known.known == [hint(2)]


def test_addresses_that_change_all_the_time_fill_no_memory() -> None:
    known = Hints(bytes(16))

    for number in range(5 * MOST):
        known.offer([hint(number)])
        for each in known.due(all_of_them, NOW_MS + 60_000 * number):
            known.ended(each, NOW_MS + 60_000 * number, was_open=False)

    assert len(known._tried) <= 4 * MOST


@pytest.mark.parametrize("is_wanted", [True, False])
def test_only_what_is_wanted_is_dialled(is_wanted: bool) -> None:
    assert bool(made(hint(1)).due(lambda _: is_wanted, NOW_MS)) is is_wanted
