from hypothesis import given
from hypothesis import strategies as st

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import Digest, EntryId, LogId, digest
from sheaf_protocol.frontier import (
    Difference,
    FrontierItem,
    LogState,
    Range,
    compare,
    items,
    root,
)
from sheaf_protocol.log import EMPTY, fork_leaf

IDS = st.binary(min_size=32, max_size=32)
STATES = st.builds(LogState, seq=st.integers(1, 2**53 - 1), head=IDS.map(Digest))
FRONTIERS = st.dictionaries(IDS.map(LogId), STATES, max_size=12)

A, B = LogId(b"a" * 32), LogId(b"b" * 32)


def state(seq: int, head: bytes = b"h") -> LogState:
    return LogState(seq=seq, head=digest("entry", head))


def test_empty_frontiers_agree() -> None:
    assert root({}) == digest("frontier")
    assert compare({}, []) == Difference(wanted=(), diverged=())


def test_root_does_not_depend_on_the_order_of_arrival() -> None:
    assert root({A: state(1), B: state(2)}) == root({B: state(2), A: state(1)})


def test_root_hashes_heads_in_full() -> None:
    one = LogState(seq=1, head=Digest(b"h" * 32))
    other = LogState(seq=1, head=Digest(b"h" * 31 + b"x"))

    assert items({A: one}) == items({A: other})
    assert root({A: one}) != root({A: other})


def test_item_of_a_young_log_has_46_bytes() -> None:
    (item,) = items({A: state(1)})

    assert len(encode(item)) == 46


@given(FRONTIERS)
def test_items_survive_the_wire_in_the_order_of_ids(frontier: dict[LogId, LogState]) -> None:
    sent = [decode(encode(item), FrontierItem) for item in items(frontier)]

    assert sent == items(frontier)
    assert [item.log for item in sent] == sorted(frontier)


@given(FRONTIERS)
def test_equal_frontiers_ask_for_nothing(frontier: dict[LogId, LogState]) -> None:
    assert compare(frontier, items(frontier)) == Difference(wanted=(), diverged=())


def test_unknown_log_is_wanted_from_its_first_entry() -> None:
    assert compare({}, items({A: state(3)})).wanted == (Range(log=A, first=1, last=3),)


def test_longer_log_is_wanted_from_behind_our_head() -> None:
    assert compare({A: state(2)}, items({A: state(5)})).wanted == (Range(log=A, first=3, last=5),)


def test_shorter_log_is_not_wanted() -> None:
    assert compare({A: state(5)}, items({A: state(2)})) == Difference(wanted=(), diverged=())


def test_equal_height_with_another_head_is_a_divergence() -> None:
    assert compare({A: state(5)}, items({A: state(5, b"other")})).diverged == (A,)


def test_forked_log_is_not_asked_for_what_lies_beyond() -> None:
    ours = {A: LogState(seq=3, head=fork_leaf(A, 3, EMPTY.id), is_forked=True)}

    assert compare(ours, items({A: state(9)})) == Difference(wanted=(), diverged=())


def test_one_fork_on_two_pasts_is_a_divergence() -> None:
    ours = {A: LogState(seq=3, head=fork_leaf(A, 3, EMPTY.id), is_forked=True)}
    theirs = {A: LogState(seq=3, head=fork_leaf(A, 3, EntryId(b"p" * 32)), is_forked=True)}

    assert compare(ours, items(theirs)).diverged == (A,)


def test_log_of_which_the_peer_holds_nothing_is_no_difference() -> None:
    assert compare({}, [FrontierItem(A, 0, bytes(8))]) == Difference(wanted=(), diverged=())
