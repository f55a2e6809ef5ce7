"""How thoroughly frontiers are compared, decided without a socket or a store."""

from __future__ import annotations

import pytest

from sheaf_protocol.digest import Digest, LogId, digest
from sheaf_protocol.frontier import FANOUT, Frontier, FrontierItem, LogState, items
from sheaf_protocol.link import Answer, Comparison, Cursor, Step
from sheaf_protocol.link.comparison import LOOKS, WHOLE, descend, tree_node
from sheaf_protocol.link.messages import TreeNode

CURSOR = Cursor(store_id=bytes(16), theirs=7, ours=9)


def name(text: object) -> Digest:
    return digest("test", str(text).encode())


def frontier(count: int, **changed: int) -> Frontier:
    """A frontier of many logs, some of them at another height."""
    logs = {LogId(name(n)): LogState(seq=1, head=name(f"{n} at 1")) for n in range(count)}
    for n, seq in changed.items():
        logs[LogId(name(n[1:]))] = LogState(seq=seq, head=name(f"{n} at {seq}"))
    return Frontier.of(logs)


def comparison(*, is_initiator: bool = True, cursor: Cursor | None = None) -> Comparison:
    return Comparison(is_initiator=is_initiator, cursor=cursor)


@pytest.mark.parametrize(
    ("cursor", "steps"),
    [
        (CURSOR, [Step.SINCE, Step.WHOLE, Step.TREE, Step.TREE]),
        (None, [Step.WHOLE, Step.TREE, Step.TREE]),
    ],
)
def test_comparison_in_vain_is_followed_by_a_more_thorough_one(
    cursor: Cursor | None, steps: list[Step]
) -> None:
    compared = comparison(cursor=cursor)
    taken = []

    for _ in steps:
        taken.append(compared.begin())
        compared.hear(is_equal=False)

    assert taken == steps


@pytest.mark.parametrize("way", ["equal roots", "lagged"])
def test_comparison_begins_with_the_cheapest_way_again(way: str) -> None:
    compared = comparison(cursor=CURSOR)
    compared.begin()
    if way == "lagged":
        compared.restart()
    else:
        compared.hear(is_equal=True)

    assert compared.begin() is Step.SINCE


def test_moment_of_equal_roots_is_where_the_next_comparison_begins() -> None:
    compared = comparison()

    compared.cursor = CURSOR

    assert compared.begin() is Step.SINCE


@pytest.mark.parametrize(
    ("logs", "since", "expected", "reason"),
    [
        (5, 0, Answer.WHOLE, "few logs, and nothing known"),
        (WHOLE + 1, 0, Answer.TREE, "many logs"),
        (WHOLE + 1, 40, Answer.CHANGED, "known up to our last but two"),
        (5, 42, Answer.CHANGED, "known up to our last: it asks for closes and forks"),
        (5, 43, Answer.WHOLE, "known beyond our last: this store was put back"),
    ],
)
def test_answer_is_as_short_as_what_the_peer_knows_allows(
    logs: int, since: int, expected: Answer, reason: str
) -> None:
    answer = comparison().answer(name("other"), since, frontier(logs), 42)

    assert answer is expected, reason


def test_equal_roots_are_answered_without_items() -> None:
    ours = frontier(5)

    assert comparison().answer(ours.root, 0, ours, 42) is Answer.EQUAL


@pytest.mark.parametrize(("is_initiator", "expected"), [(True, Answer.NONE), (False, Answer.WHOLE)])
def test_of_two_questions_that_cross_the_initiators_is_answered(
    is_initiator: bool, expected: Answer
) -> None:
    compared = comparison(is_initiator=is_initiator)
    compared.begin()

    assert compared.answer(name("other"), 0, frontier(5), 42) is expected


def test_initiator_answers_once_its_own_question_was_answered() -> None:
    compared = comparison()
    compared.begin()
    compared.hear(is_equal=False)

    assert compared.answer(name("other"), 0, frontier(5), 42) is Answer.WHOLE


@pytest.mark.parametrize("way", ["answered", "heard"])
def test_news_wait_until_something_was_compared(way: str) -> None:
    compared = comparison()
    assert not compared.is_known

    if way == "answered":
        compared.answer(name("other"), 0, frontier(5), 42)
    else:
        compared.hear(is_equal=False)

    assert compared.is_known


def test_unequal_roots_that_stay_are_looked_at_a_few_times() -> None:
    compared = comparison()

    looks = [compared.look(name("theirs"), name("ours")) for _ in range(LOOKS + 2)]

    assert looks == [False] + [True] * LOOKS + [False]
    assert not compared.is_looking(name("theirs"), name("ours"))


def test_roots_that_move_are_not_worth_a_look() -> None:
    compared = comparison()

    looks = [compared.look(name(n), name("ours")) for n in range(5)]

    assert looks == [False] * 5
    assert compared.is_looking(name(4), name("ours"))


def test_equal_roots_are_not_worth_a_look() -> None:
    compared = comparison()
    compared.look(name("root"), name("root"))

    assert not compared.look(name("root"), name("root"))
    assert not compared.is_looking(name("root"), name("root"))


def walk(ours: Frontier, theirs: Frontier) -> tuple[dict[LogId, LogState], set[LogId], int]:
    """Go down from the top by turns; return what each told the other, and in how many messages."""
    sides, told, wanted = (ours, theirs), ({}, {}), ([], [])
    nodes, turn, messages = [tree_node(ours, "")], 1, 0
    while nodes:
        messages += 1
        descent = descend(sides[turn], nodes)
        told[turn].update(descent.told)
        wanted[turn].extend(descent.wanted)
        nodes, turn = descent.nodes, 1 - turn
    for turn in (0, 1):
        for prefix in wanted[turn]:
            told[1 - turn].update(sides[1 - turn].tree.at(prefix).states())
    return told[0], set(told[1]), messages


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (frontier(5), frontier(5, n3=2)),
        (frontier(2_000), frontier(2_000, n3=2, n700=5, n1999=2)),
        (frontier(2_000), frontier(2_020)),
        (frontier(0), frontier(300)),
        (frontier(300), frontier(0)),
        (frontier(16), frontier(17)),
    ],
    ids=["leaf", "three changed", "new logs", "we are empty", "the peer is empty", "split leaf"],
)
def test_walk_down_tells_both_sides_of_every_difference(ours: Frontier, theirs: Frontier) -> None:
    told_by_us, told_by_them, _ = walk(ours, theirs)

    logs = ours.logs.keys() | theirs.logs.keys()
    differing = {log for log in logs if ours.logs.get(log) != theirs.logs.get(log)}
    assert differing & ours.logs.keys() <= told_by_us.keys()
    assert differing & theirs.logs.keys() <= told_by_them


def test_walk_down_tells_of_few_logs_besides() -> None:
    told, _, messages = walk(frontier(16_384), frontier(16_384, n3=2, n700=5, n1999=2))

    assert len(told) <= 3 * FANOUT
    assert messages <= 4


def test_equal_parts_are_taken_for_known() -> None:
    ours = frontier(2_000)

    descent = descend(ours, [tree_node(frontier(2_000, n3=2), "")])

    changed = name("3").hex()[0]
    assert set(descent.same) == {log for log in ours.logs if log.hex()[0] != changed}


def test_heads_that_share_eight_bytes_are_found() -> None:
    """Two entries of one place whose ids begin alike cost an author 2^32 hashes."""
    log = LogId(name("log"))
    one = Frontier.of({log: LogState(seq=1, head=Digest(b"h" * 32))})
    other = Frontier.of({log: LogState(seq=1, head=Digest(b"h" * 8 + b"x" * 24))})
    assert items(one.logs) == items(other.logs)

    told, _, _ = walk(one, other)

    assert items(told, is_full=True) == [FrontierItem(log, 1, b"h" * 32)]


def test_node_named_twice_is_answered_once() -> None:
    node = TreeNode("", [Digest(bytes(32))] * FANOUT)

    descent = descend(frontier(2_000), [node] * 100)

    assert [n.prefix for n in descent.nodes] == list("0123456789abcdef")


def test_walk_ends_at_eight_digits() -> None:
    crowd = {
        LogId(b"\xab" * 5 + n.to_bytes(2, "big") + bytes(25)): LogState(seq=1, head=name(n))
        for n in range(40)
    }

    descent = descend(Frontier.of(crowd), [TreeNode("ab" * 4, [Digest(bytes(32))] * FANOUT)])

    assert descent.nodes == ()
    assert descent.wanted == ("ab" * 4,)
    assert set(descent.told) == set(crowd)
