"""Lines of writers follow from a key log and from what writers say of one another."""

from __future__ import annotations

import random

import pytest

from sheaf_protocol.digest import ZERO, Digest, EntryId, FederationId, WriterId, digest
from sheaf_protocol.identity import Cut, signing_key
from sheaf_protocol.lineage import Link, Succession, counts, lineage, owed, successions
from sheaf_protocol.log import Head
from sheaf_protocol.testing.author import START_MS, TestCoop, make_coop

FID, OTHER = FederationId(Digest(b"f" * 32)), FederationId(Digest(b"o" * 32))
DAY_MS = 86_400_000
NOTHING = Cut(seq=0, head=EntryId(ZERO))


class House:
    """A co-op whose writers `w1`, `w2`, ... are delegated in this order; some are closed."""

    def __init__(self, writers: int = 4) -> None:
        self.coop: TestCoop = make_coop("Hill")
        self.keys = [self.coop.writer] + [signing_key(bytes([n]) * 32) for n in range(2, 9)]
        for key in self.keys[1:writers]:
            self.coop.delegate(key, START_MS + 90 * DAY_MS)

    def wid(self, number: int) -> WriterId:
        return WriterId(self.keys[number - 1].public)

    def close(self, number: int, seq: int) -> None:
        head = Head(seq=seq, id=head_at(number, seq), time_ms=0)
        last = {FID: head} if seq else {}
        self.coop.close(last, self.keys[number - 1])

    def says(self, by: int, before: int, seq: int, *, at: int = 1, head: int = 0) -> Succession:
        """Return what writer `by` says of one before it: that it ended at `seq`."""
        cut = Cut(seq=seq, head=head_at(head or before, seq)) if seq else NOTHING
        return Succession(by=self.wid(by), at=at, wid=self.wid(before), cut=cut)

    def lineage(self, *said: Succession):
        return lineage(self.coop.keys, FID, said)

    def owed(self, by: int, *said: Succession) -> list[tuple[int, int]]:
        found = owed(self.coop.keys, FID, said, self.wid(by))
        numbers = {self.wid(number): number for number in range(1, 9)}
        return [(numbers[wid], cut.seq) for wid, cut in found]


def head_at(number: int, seq: int) -> EntryId:
    return EntryId(digest("test-entry", bytes([number, seq])))


def test_a_writer_without_a_successor_is_a_line_of_its_own():
    house = House()

    link = house.lineage().link(house.wid(1))

    assert link == Link(writers=(house.wid(1),))
    assert (link.root, link.place_of(7)) == (house.wid(1), 7)


def test_entries_of_a_successor_follow_on_the_last_of_the_one_before():
    house = House()
    house.close(1, 10)

    found = house.lineage(house.says(2, 1, 10))

    first, second = found.link(house.wid(1)), found.link(house.wid(2))
    assert (first.root, second.root) == (house.wid(1), house.wid(1))
    assert (first.place_of(10), second.place_of(1), second.place_of(2)) == (10, 11, 12)
    assert second.waits_for == {1: (house.wid(1), house.says(2, 1, 10).cut)}


def test_what_lies_beyond_a_cut_stands_at_the_end_of_its_log():
    house = House()
    house.close(1, 10)

    link = house.lineage(house.says(2, 1, 10)).link(house.wid(1))

    assert link.place_of(12) == 10


def test_what_a_successor_said_before_it_took_over_says_nothing_of_the_line():
    house = House()
    house.close(1, 10)

    link = house.lineage(house.says(2, 1, 10, at=3)).link(house.wid(2))

    assert [link.place_of(seq) for seq in (1, 2, 3, 4)] == [0, 0, 13, 14]


def test_a_line_of_three_writers_has_one_order():
    house = House()
    house.close(1, 10)
    house.close(2, 4)

    found = house.lineage(house.says(3, 2, 4), house.says(2, 1, 10))

    assert found.link(house.wid(3)).place_of(1) == 15
    assert found.link(house.wid(2)).writers == (house.wid(1), house.wid(2), house.wid(3))


def test_a_writer_that_succeeds_two_makes_one_line_of_both():
    house = House()
    house.close(1, 10)
    house.close(2, 4)

    found = house.lineage(house.says(3, 1, 10, at=1), house.says(3, 2, 4, at=2))

    assert found.link(house.wid(2)).place_of(1) == 11
    link = found.link(house.wid(3))
    assert (link.root, link.before, link.begins) == (house.wid(1), 14, 2)
    assert set(link.waits_for) == {1, 2}


def test_two_lines_of_one_co_op_stay_two():
    house = House()
    house.close(1, 10)
    house.close(3, 5)

    found = house.lineage(house.says(2, 1, 10), house.says(4, 3, 5))

    assert found.link(house.wid(2)).root == house.wid(1)
    assert found.link(house.wid(4)).root == house.wid(3)


def test_a_log_without_entries_is_succeeded_at_zero():
    house = House()
    house.close(1, 0)

    found = house.lineage(house.says(2, 1, 0))

    assert found.link(house.wid(2)).place_of(1) == 1
    assert found.link(house.wid(2)).root == house.wid(1)


@pytest.mark.parametrize(
    ("by", "seq", "head", "why"),
    [
        (2, 9, 0, "another place than the cut"),
        (2, 10, 7, "another entry at the cut"),
        (7, 10, 0, "a writer that the key log does not know"),
    ],
)
def test_what_is_not_so_is_no_succession(by, seq, head, why):
    house = House()
    house.close(1, 10)
    said = house.says(by, 1, seq, head=head)

    assert not counts(house.coop.keys, FID, said), why
    assert house.lineage(said).links == {}


def test_a_writer_delegated_before_succeeds_nobody_after_it():
    house = House()
    house.close(2, 10)

    assert not counts(house.coop.keys, FID, house.says(1, 2, 10))
    assert not counts(house.coop.keys, FID, house.says(2, 2, 10))


def test_a_writer_that_is_not_known_is_succeeded_by_nobody():
    house = House()

    assert not counts(house.coop.keys, FID, house.says(2, 8, 10))


def test_a_cut_of_another_federation_is_none_here():
    house = House()
    house.close(1, 10)

    assert successions(house.coop.keys, OTHER, [house.says(2, 1, 10)]) == {}


def test_of_two_successors_the_one_delegated_first_counts():
    house = House()
    house.close(1, 10)
    both = [house.says(3, 1, 10), house.says(2, 1, 10, at=5)]

    found = successions(house.coop.keys, FID, both)

    assert found == {house.wid(1): both[1]}


def test_of_two_words_of_one_successor_the_first_counts():
    house = House()
    house.close(1, 10)
    both = [house.says(2, 1, 10, at=2), house.says(2, 1, 10, at=1)]

    assert successions(house.coop.keys, FID, both) == {house.wid(1): both[1]}


def test_whether_a_succession_of_an_open_writer_counts_is_not_known():
    house = House()

    found = house.lineage(house.says(2, 1, 10, at=3))

    assert found.links == {}
    assert found.pending == {house.wid(2): 3}


@pytest.mark.parametrize("seed", range(10))
def test_lines_do_not_depend_on_the_order_in_which_words_came(seed):
    house = House(6)
    for number, seq in ((1, 3), (2, 4), (3, 5), (4, 2)):
        house.close(number, seq)
    said = [house.says(3, 1, 3, at=1), house.says(3, 2, 4, at=2), house.says(5, 3, 5)]
    said += [house.says(6, 3, 5), house.says(6, 4, 2, at=2), house.says(5, 4, 1, at=3)]
    shuffled = list(said)
    random.Random(seed).shuffle(shuffled)  # noqa: S311  # repeats by its seed

    assert house.lineage(*shuffled) == house.lineage(*said)


def test_a_new_writer_owes_a_word_on_each_that_ended_with_entries():
    house = House()
    house.close(1, 10)
    house.close(2, 0)
    house.close(3, 6)

    assert house.owed(4) == [(1, 10), (3, 6)]
    assert house.owed(4, house.says(3, 1, 10)) == [(3, 6)]


def test_only_the_newest_open_writer_owes_a_word():
    house = House()
    house.close(1, 10)

    assert house.owed(2) == house.owed(3) == []
    assert house.owed(4) == [(1, 10)]


def test_nobody_owes_a_word_where_no_writer_is_open():
    house = House(1)
    house.close(1, 10)

    assert house.owed(1) == []
