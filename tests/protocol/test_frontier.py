import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import ZERO, Digest, EntryId, LogId, digest
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.fork import fork_leaf
from sheaf_protocol.frontier import (
    Difference,
    Frontier,
    FrontierItem,
    LogState,
    Range,
    compare,
    idle_digest,
    items,
    root,
)
from sheaf_protocol.log import EMPTY

IDS = st.binary(min_size=32, max_size=32)
STATES = st.builds(LogState, seq=st.integers(1, 2**53 - 1), head=IDS.map(Digest))
FRONTIERS = st.dictionaries(IDS.map(LogId), STATES, max_size=12)

A, B = LogId(b"a" * 32), LogId(b"b" * 32)


def state(seq: int, head: bytes = b"h") -> LogState:
    return LogState(seq=seq, head=digest("entry", head))


def test_empty_frontiers_agree() -> None:
    assert root({}) == ZERO
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


def test_longer_heads_than_eight_bytes_are_compared_in_full() -> None:
    ours = {A: LogState(seq=1, head=Digest(b"h" * 32))}
    theirs = {A: LogState(seq=1, head=Digest(b"h" * 31 + b"x"))}

    assert compare(ours, items(theirs)).diverged == ()
    assert compare(ours, items(theirs, is_full=True)).diverged == (A,)


@pytest.mark.parametrize("size", [0, 7, 9, 31, 33])
def test_item_with_another_length_of_head_is_refused(size: int) -> None:
    with pytest.raises(RemoteProtocolError, match=r"schema\.invalid"):
        decode(encode([A, 1, bytes(size)]), FrontierItem)


def many(count: int, *, start: int = 0) -> dict[LogId, LogState]:
    """Logs whose ids are spread evenly, as hashes are."""
    return {
        LogId(digest("test", str(n).encode())): state(n % 50 + 1, str(n).encode())
        for n in range(start, start + count)
    }


def crowded(count: int, prefix: bytes) -> dict[LogId, LogState]:
    """Logs whose ids somebody ground until they shared a prefix."""
    rest = 32 - len(prefix) - 2
    return {LogId(prefix + bytes(rest) + n.to_bytes(2, "big")): state(1) for n in range(count)}


def test_leaf_stands_for_sixteen_logs_and_no_more() -> None:
    assert Frontier.of(many(16)).tree.children == ()
    assert len(Frontier.of(many(17)).tree.children) == 16


@given(st.dictionaries(st.integers(0, 60), st.integers(1, 3)), st.data())
def test_tree_that_moved_is_the_tree_made_anew(
    heights: dict[int, int], data: st.DataObject
) -> None:
    names = {n: LogId(digest("test", bytes([n]))) for n in range(61)}
    frontier = Frontier.of({names[n]: state(h) for n, h in heights.items()})
    moves = data.draw(st.dictionaries(st.integers(0, 60), st.none() | st.integers(4, 9)))

    moved = frontier.moved({names[n]: h and state(h) for n, h in moves.items()})

    assert moved.tree == Frontier.of(moved.logs).tree
    assert moved.root == root(moved.logs)


def test_log_that_came_and_went_leaves_no_trace() -> None:
    frontier = Frontier.of(many(16))
    [(log, added)] = many(1, start=16).items()

    assert frontier.moved({log: added}).moved({log: None}) == frontier


def test_nodes_that_did_not_change_are_kept() -> None:
    frontier = Frontier.of(many(1_000))
    log = next(iter(frontier.logs))

    moved = frontier.moved({log: state(99)})

    assert moved.root != frontier.root
    pairs = zip(frontier.tree.children, moved.tree.children, strict=True)
    assert sum(before is after for before, after in pairs) == 15


def test_logs_below_a_prefix_are_those_that_begin_with_it() -> None:
    frontier = Frontier.of(many(1_000))

    for prefix in ("", "a", "3f", "3f7", "3f70"):
        below = dict(frontier.tree.at(prefix).states())
        assert below == {k: s for k, s in frontier.logs.items() if k.hex().startswith(prefix)}


def test_ground_ids_make_a_deep_tree_and_one_root() -> None:
    logs = crowded(40, b"\xab" * 28)

    frontier = Frontier.of(logs)

    assert frontier.tree.at("ab" * 28).size == 40
    assert frontier.moved({next(iter(logs)): None}).tree.size == 39


def test_idle_digest_depends_on_the_order_of_federations() -> None:
    one, other = root(many(1)), root(many(2))

    assert idle_digest([one, other]) != idle_digest([other, one])
    assert len(idle_digest([])) == 16
