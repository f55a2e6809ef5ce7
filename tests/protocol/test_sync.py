"""What is told and asked on a link, decided without a socket or a store."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from sheaf_protocol.digest import CoopId, Digest, LogId, digest
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.frontier import Frontier, FrontierItem, LogState, Range, items, root
from sheaf_protocol.link import Claims, ControlState, ControlSync, DataSync, HeldKeyLog
from sheaf_protocol.link.control_sync import MAX_CONTROL, MAX_TOLD
from sheaf_protocol.link.data_sync import CLAIM_MS, LONGEST_CLAIM_MS, MAX_LOGS, PATIENCE_MS
from sheaf_protocol.link.messages import LIST, ControlHave, ControlWant

NOW = 1_000_000


def name(text: str | int) -> Digest:
    return digest("test", str(text).encode())


def log(text: str | int) -> LogId:
    return LogId(name(text))


def state(**heights: int) -> dict[LogId, LogState]:
    """A frontier: each log at a height, all nodes on the same branch."""
    return {log(n): LogState(seq=h, head=name(f"{n}{h}")) for n, h in heights.items()}


def key_log(heads: str, rival: str = "", size: int | None = None) -> HeldKeyLog:
    """A key log whose operations are letters; frozen at a size where it has a rival."""
    branches = [tuple(name(f"op {letter}") for letter in path) for path in (heads, rival) if path]
    if size is None:
        return HeldKeyLog(size=len(heads), head=branches[0][-1], branches=tuple(branches))
    return HeldKeyLog(size=size, head=name(f"frozen {heads[:size]}"), branches=tuple(branches))


def control(logs: dict[str, int], certificates: str = "", proofs: str = "") -> ControlState:
    return ControlState(
        key_logs={CoopId(name(n)): key_log("abcdefgh"[:size]) for n, size in logs.items()},
        certificates=tuple(name(c) for c in certificates),
        proofs=frozenset(name(p) for p in proofs),
    )


def tell_all(sync: ControlSync, theirs: ControlState) -> None:
    for have in ControlSync().tell(theirs):
        sync.hear(have)


def test_control_state_is_told_once() -> None:
    sync, ours = ControlSync(), control({"a": 3}, "f")

    [have] = sync.tell(ours)

    assert (len(have.key_logs), len(have.certificates), have.is_last) == (1, 1, True)
    assert sync.tell(ours) == []
    assert sync.tell(control({"a": 3}, "f")) == []


def test_changed_control_state_is_told_again() -> None:
    sync = ControlSync()
    sync.tell(control({"a": 3}))

    assert sync.tell(control({"a": 4}))


def test_long_control_state_goes_in_parts() -> None:
    many = control({str(n): 1 for n in range(LIST + 1)})

    first, second = ControlSync().tell(many)

    assert (len(first.key_logs), first.is_last) == (LIST, False)
    assert (len(second.key_logs), second.is_last) == (1, True)


def test_missing_control_items_are_asked_for() -> None:
    sync = ControlSync()
    tell_all(sync, control({"a": 3, "b": 2, "c": 1}, "fg", "p"))

    want = sync.ask(control({"a": 3, "b": 1}, "f"))

    assert want is not None
    assert {(w.cid, w.first) for w in want.key_logs} == {(name("b"), 1), (name("c"), 0)}
    assert want.certificates == [name("g")]
    assert want.proofs == [name("p")]


def test_certificates_asked_for_in_vain_are_asked_for_again_once_key_logs_have_come() -> None:
    sync, ours = ControlSync(), control({})
    tell_all(sync, control({"a": 3}, "f", "p"))
    sync.ask(ours)
    sync.answered()
    before = sync.ask(ours)

    sync.ask_again()

    assert before is None
    assert sync.ask(ours) == ControlWant([], [name("f")], [])


def test_certificates_are_told_and_asked_for_in_the_order_of_the_chain() -> None:
    sync, chain = ControlSync(), "zaybxcwd"
    tell_all(sync, control({}, chain))

    want = sync.ask(control({}, chain[:2]))

    assert want is not None
    assert want.certificates == [name(letter) for letter in chain[2:]]


def test_long_chain_is_asked_for_from_its_beginning() -> None:
    sync = ControlSync()
    chain = tuple(name(n) for n in range(2 * LIST))
    tell_all(sync, ControlState(certificates=chain))
    first = sync.ask(ControlState())
    sync.answered()

    second = sync.ask(ControlState(certificates=chain[:LIST]))

    assert first is not None
    assert second is not None
    assert [*first.certificates, *second.certificates] == list(chain)


def test_nothing_is_asked_before_all_was_told() -> None:
    sync = ControlSync()
    [have] = ControlSync().tell(control({"a": 3}))

    sync.hear(ControlHave(have.key_logs, [], [], False))

    assert sync.ask(control({})) is None
    assert not sync.is_settled


def test_no_second_question_before_the_answer() -> None:
    sync = ControlSync()
    tell_all(sync, control({"a": 3}))
    assert sync.ask(control({})) is not None

    assert sync.ask(control({})) is None
    assert not sync.is_settled
    sync.answered()
    assert sync.is_settled


def test_control_item_that_did_not_come_is_not_asked_for_again() -> None:
    sync = ControlSync()
    tell_all(sync, control({"a": 3}))
    sync.ask(control({}))
    sync.answered()

    assert sync.ask(control({})) is None


def test_control_item_in_vain_is_tried_again_once_we_hold_more() -> None:
    sync, before, after = ControlSync(), control({}), control({"b": 1})
    sync.tell(before)
    tell_all(sync, control({"b": 1}, "f"))
    sync.ask(before)
    sync.answered()
    sync.tell(after)

    want = sync.ask(after)

    assert want is not None
    assert want.certificates == [name("f")]


def test_new_telling_takes_the_place_of_the_old() -> None:
    """A proof may be replaced by a lower one: the first is no longer to be had."""
    sync = ControlSync()
    tell_all(sync, control({}, "", "p"))
    tell_all(sync, control({}, "", "q"))

    want = sync.ask(control({}))

    assert want is not None
    assert want.proofs == [name("q")]


def test_settled_without_a_difference() -> None:
    sync, ours = ControlSync(), control({"a": 3}, "f")
    tell_all(sync, ours)

    assert sync.ask(ours) is None
    assert sync.is_settled


def test_full_node_asks_for_no_more_key_logs() -> None:
    full = control({str(n): 1 for n in range(MAX_CONTROL)})
    sync = ControlSync()
    tell_all(sync, control({"newcomer": 1}))

    assert sync.ask(full) is None


COOP = CoopId(name("co-op"))


def asked(ours: HeldKeyLog | None, theirs: HeldKeyLog) -> list[int | None]:
    """From where each question about a key log asks, until there is no further one."""
    sync, firsts = ControlSync(), list[int | None]()
    tell_all(sync, ControlState(key_logs={COOP: theirs}))
    while not firsts or firsts[-1] is not None:
        want = sync.ask(ControlState(key_logs={} if ours is None else {COOP: ours}))
        firsts.append(None if want is None else want.key_logs[0].first)
        sync.answered()
    return firsts[:-1]


@pytest.mark.parametrize(
    ("ours", "theirs", "firsts", "reason"),
    [
        (None, key_log("abc"), [0], "an unknown co-op"),
        (key_log("abc"), key_log("abc"), [], "the same"),
        (key_log("abc"), key_log("ab"), [], "the peer is behind"),
        (key_log("abc"), key_log("abcd"), [3, 0], "longer, and perhaps on another branch"),
        (key_log("abc"), key_log("abx"), [0], "another branch of our length"),
        (key_log("abc"), key_log("ax"), [0], "a shorter branch may be the stronger one"),
        (key_log("abc", "abx", 2), key_log("abx"), [], "the peer holds one side of a division"),
        (key_log("abc", "abx", 2), key_log("abx", "abc", 2), [], "divided alike"),
        (key_log("abc"), key_log("abc", "abx", 2), [0], "the peer knows of a division"),
        (key_log("abc", "abx", 2), key_log("abxy"), [2, 0], "a side goes on"),
    ],
)
def test_key_log_is_asked_for_where_its_head_is_unknown(
    ours: HeldKeyLog | None, theirs: HeldKeyLog, firsts: list[int], reason: str
) -> None:
    assert asked(ours, theirs) == firsts, reason


def test_full_node_still_asks_for_operations_of_co_ops_that_it_holds() -> None:
    full = control({str(n): 1 for n in range(MAX_CONTROL)})
    sync = ControlSync()
    tell_all(sync, control({"newcomer": 1, "7": 2}))

    want = sync.ask(full)

    assert want is not None
    assert [item.cid for item in want.key_logs] == [name("7")]


def heard(theirs: dict[LogId, LogState], claims: Claims | None = None) -> DataSync:
    """A peer that has told its whole frontier."""
    sync = DataSync(claims or Claims())
    sync.hear(items(theirs), NOW)
    return sync


def test_what_the_peer_has_more_is_asked_for() -> None:
    sync = heard(state(a=5, b=2, c=3))

    ranges = sync.ask(state(a=3, b=2), NOW)

    assert set(ranges) == {
        Range(log=log("a"), first=4, last=5),
        Range(log=log("c"), first=1, last=3),
    }


def test_no_second_question_while_one_is_open() -> None:
    sync = heard(state(a=5))
    sync.ask({}, NOW)
    sync.hear(items(state(a=9)), NOW)

    assert sync.ask({}, NOW) == []
    assert sync.is_asking


def test_next_question_takes_up_what_was_told_meanwhile() -> None:
    sync = heard(state(a=5))
    sync.ask({}, NOW)
    sync.hear(items(state(a=9)), NOW)
    assert sync.served(state(a=5)) == []

    assert sync.ask(state(a=5), NOW) == [Range(log=log("a"), first=6, last=9)]


def test_what_did_not_come_is_not_asked_for_again() -> None:
    sync = heard(state(a=5))
    sync.ask({}, NOW)

    assert sync.served(state(a=2)) == [log("a")]
    assert sync.ask(state(a=2), NOW) == []


@pytest.mark.parametrize("again", ["told more", "retry"])
def test_what_did_not_come_is_tried_again(again: str) -> None:
    sync = heard(state(a=5))
    sync.ask({}, NOW)
    sync.served({})
    if again == "told more":
        sync.hear(items(state(a=6)), NOW)
    else:
        sync.retry()

    assert sync.ask({}, NOW) != []


def test_answer_runs_on_without_a_gap() -> None:
    sync = heard(state(a=3))
    sync.ask({}, NOW)

    for seq in (1, 2, 3, 4):  # a signed entry a little beyond proves those before it
        sync.receive(log("a"), seq, NOW)

    assert sync.is_asking  # until the peer says that it was all


@pytest.mark.parametrize(
    ("asked_log", "seq", "reason"),
    [
        ("a", 2, "a gap at the start"),
        ("a", 0, "before the range"),
        ("b", 1, "a log not asked for"),
    ],
)
def test_answer_to_something_else_is_refused(asked_log: str, seq: int, reason: str) -> None:
    sync = heard(state(a=3))
    sync.ask({}, NOW)

    with pytest.raises(RemoteProtocolError) as caught:
        sync.receive(log(asked_log), seq, NOW)

    assert caught.value.code == "link.range", reason


def test_unasked_answer_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match=r"link\.range"):
        heard(state(a=3)).receive(log("a"), 1, NOW)


def test_silence_while_an_answer_is_due_is_a_stall() -> None:
    sync = heard(state(a=3))
    sync.ask({}, NOW)

    assert not sync.is_stalled(NOW + 30_000, 30_000)
    assert sync.is_stalled(NOW + 30_001, 30_000)
    sync.receive(log("a"), 1, NOW + 30_001)
    assert not sync.is_stalled(NOW + 60_000, 30_000)


def test_log_is_asked_of_one_peer_at_a_time() -> None:
    claims = Claims()
    one, other = heard(state(a=3), claims), heard(state(a=3), claims)
    assert one.ask({}, NOW)

    assert other.ask({}, NOW) == []
    assert other.is_waiting


@pytest.mark.parametrize("way", ["served", "dropped", "lapsed"])
def test_log_is_asked_of_another_peer_when_the_first_is_done(way: str) -> None:
    claims, now = Claims(), NOW
    one, other = heard(state(a=3), claims), heard(state(a=3), claims)
    one.ask({}, NOW)
    if way == "served":
        one.served({})
    elif way == "dropped":
        claims.drop(one)
    else:
        now += CLAIM_MS

    assert other.ask({}, now) == [Range(log=log("a"), first=1, last=3)]


def test_release_by_another_changes_nothing() -> None:
    claims = Claims()
    one, other = heard(state(a=3), claims), heard(state(a=3), claims)
    one.ask({}, NOW)

    claims.release(log("a"), other)

    assert other.ask({}, NOW) == []


def test_linked_authors_log_is_not_asked_of_others_at_once() -> None:
    claims = Claims()
    author, other = heard({}, claims), heard(state(a=3), claims)
    claims.expect(log("a"), author)

    assert other.ask({}, NOW) == []
    assert other.is_waiting
    assert other.ask({}, NOW + PATIENCE_MS) != []


def test_linked_author_is_asked_at_once() -> None:
    claims = Claims()
    author = heard(state(a=3), claims)
    claims.expect(log("a"), author)

    assert author.ask({}, NOW) != []


def test_author_that_left_is_no_longer_waited_for() -> None:
    claims = Claims()
    author, other = heard({}, claims), heard(state(a=3), claims)
    claims.expect(log("a"), author)
    claims.drop(author)

    assert other.ask({}, NOW) != []


def test_equal_root_means_that_the_peer_holds_what_we_hold() -> None:
    ours, sync = Frontier.of(state(a=3, b=1)), DataSync(Claims())

    assert sync.hear_root(ours.root, ours)
    assert sync.news(ours) == []
    assert sync.follows(log("a"), 4)


def test_other_root_says_nothing_of_logs() -> None:
    ours, sync = Frontier.of(state(a=3)), DataSync(Claims())

    assert not sync.hear_root(root({}), ours)
    assert len(sync.news(ours)) == 1


def test_news_are_told_once() -> None:
    sync = heard(state(a=3, b=1))

    first = sync.news(Frontier.of(state(a=4, b=1)))

    assert [(item.log, item.seq) for item in first] == [(log("a"), 4)]
    assert sync.news(Frontier.of(state(a=4, b=1))) == []


def test_what_the_peer_sent_is_no_news_to_it() -> None:
    sync = heard({})
    sync.assume(FrontierItem(log("a"), 2, bytes(8)), NOW)
    sync.assume(FrontierItem(log("a"), 1, bytes(8)), NOW)

    assert sync.news(Frontier.of(state(a=2))) == []
    assert sync.follows(log("a"), 3)


def test_live_entry_that_leaves_a_gap_leads_to_a_question() -> None:
    sync = DataSync(Claims())

    sync.assume(FrontierItem(log("a"), 4, bytes(8)), NOW)

    assert sync.ask(state(a=1), NOW) == [Range(log=log("a"), first=2, last=4)]


def test_root_told_last_is_remembered() -> None:
    sync = DataSync(Claims())
    assert not sync.is_root_told(name("r"))

    sync.tell_root(name("r"))

    assert sync.is_root_told(name("r"))


def test_other_head_at_equal_height_is_searched_for_the_fork() -> None:
    ours = state(a=5)
    sync = heard({log("a"): LogState(seq=5, head=name("other branch"))})

    assert sync.ask(ours, NOW) == [Range(log=log("a"), first=5, last=5)]
    assert sync.served(ours) == []
    assert sync.ask(ours, NOW) == []


def test_search_doubles_back() -> None:
    sync, found = DataSync(Claims()), []

    for last in (100, 99, 97, 93):
        sync.search(log("a"), last)
        found += [(r.first, r.last) for r in sync.ask({}, NOW)]
        sync.served({})

    assert found == [(100, 100), (98, 99), (94, 97), (86, 93)]


def test_search_with_a_peer_that_contradicts_us_everywhere_ends() -> None:
    sync = DataSync(Claims())
    for last in range(1, MAX_LOGS + 2):
        sync.search(log("a"), last)

    sync.search(log("b"), 9)

    asked = sync.ask(Frontier.of(state(a=MAX_LOGS + 2, b=9)), NOW)
    assert [wanted.log for wanted in asked] == [log("a")]


def test_search_ends_at_the_first_entry() -> None:
    sync = DataSync(Claims())

    sync.search(log("a"), 0)

    assert sync.ask({}, NOW) == []


def test_peer_that_makes_up_logs_without_end_is_refused() -> None:
    sync = DataSync(Claims())

    with pytest.raises(RemoteProtocolError, match=r"link\.frontier_size"):
        sync.hear([FrontierItem(log(n), 1, bytes(8)) for n in range(MAX_LOGS + 1)], NOW)


def test_control_telling_without_an_end_is_refused() -> None:
    sync, parts = ControlSync(), MAX_TOLD // LIST
    tellings = [
        ControlHave([], [], [name(f"{part} {n}") for n in range(LIST)], False)
        for part in range(parts + 1)
    ]
    for have in tellings[:parts]:
        sync.hear(have)

    with pytest.raises(RemoteProtocolError, match=r"link\.control_size"):
        sync.hear(tellings[parts])


def test_forked_log_is_not_asked_for() -> None:
    ours = {log("a"): LogState(seq=3, head=name("leaf"), is_forked=True)}
    sync = heard(state(a=9))

    assert sync.ask(ours, NOW) == []


def test_log_that_forked_on_another_past_is_searched_below_the_fork() -> None:
    ours = {log("a"): LogState(seq=3, head=name("leaf"), is_forked=True)}
    sync = heard({log("a"): LogState(seq=3, head=name("other leaf"), is_forked=True)})

    assert sync.ask(ours, NOW) == [Range(log=log("a"), first=2, last=2)]


def test_entries_of_more_logs_than_may_be_told_of_end_the_link() -> None:
    """Of made-up co-ops, say: a header costs a liar no signature."""
    sync = DataSync(Claims())
    for n in range(MAX_LOGS):
        sync.assume(FrontierItem(log(n), 1, bytes(8)), NOW)

    with pytest.raises(RemoteProtocolError, match=r"link\.frontier_size"):
        sync.assume(FrontierItem(log(MAX_LOGS), 1, bytes(8)), NOW)


def test_peer_that_drips_entries_does_not_keep_a_log_for_ever() -> None:
    claims, dripping, honest = Claims(), object(), object()
    taken = []

    for after_ms in range(0, LONGEST_CLAIM_MS + CLAIM_MS, CLAIM_MS // 2):
        if not any(taken):
            claims.take(log("a"), dripping, NOW + after_ms)  # one entry came
        taken.append(claims.take(log("a"), honest, NOW + after_ms))

    assert taken.index(True) == LONGEST_CLAIM_MS // (CLAIM_MS // 2)


def test_fork_found_while_asking_is_no_failure_of_the_peer() -> None:
    sync = heard(state(a=9))
    sync.ask({}, NOW)

    missing = sync.served({log("a"): LogState(seq=3, head=name("leaf"), is_forked=True)})

    assert missing == []


def test_peer_that_tells_of_less_than_it_was_taken_to_hold_is_told_more() -> None:
    """Its store was put back, say: what it held once is news to it."""
    ours, sync = Frontier.of(state(a=3)), DataSync(Claims())
    sync.hear_root(ours.root, ours)
    assert sync.news(ours) == []

    sync.hear(items(state(a=1)), NOW)

    assert [item.seq for item in sync.news(ours)] == [3]


def test_logs_below_equal_digests_are_neither_asked_for_nor_told() -> None:
    ours, sync = Frontier.of(state(a=3, b=2)), heard(state(a=9))

    sync.assume_same(ours.logs)

    assert sync.ask(ours.logs, NOW) == []
    assert sync.news(ours) == []


@pytest.mark.parametrize(
    ("theirs", "is_explained"),
    [
        (state(a=3, b=2), False),
        (state(a=3), True),
        (state(a=3, b=1), True),
        (state(a=3, b=2, c=1), True),
    ],
    ids=["the same items", "a log less", "a lower one", "a log more"],
)
def test_unequal_roots_are_explained_by_a_difference_of_items(
    theirs: dict[LogId, LogState], is_explained: bool
) -> None:
    assert heard(theirs).explains(state(a=3, b=2)) is is_explained


def test_only_as_many_logs_are_claimed_as_one_question_asks_for() -> None:
    claims = Claims()
    many = {log(n): LogState(seq=1, head=name(n)) for n in range(LIST + 1)}

    first, second = heard(many, claims).ask({}, NOW), heard(many, claims).ask({}, NOW)

    assert (len(first), len(second)) == (LIST, 1)


heights = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 30), max_size=8)


@given(ours=heights, theirs=st.lists(heights, min_size=1, max_size=3))
def test_questions_to_all_peers_together_ask_for_each_missing_entry_once(
    ours: dict[str, int], theirs: list[dict[str, int]]
) -> None:
    claims, held = Claims(), state(**ours)
    asked: list[tuple[LogId, int]] = []
    for peer in theirs:
        for r in heard(state(**peer), claims).ask(held, NOW):
            asked += [(r.log, seq) for seq in range(r.first, r.last + 1)]

    assert len(asked) == len(set(asked))
    assert all(seq > ours.get(n, 0) for n in "abcdefgh" for at, seq in asked if at == log(n))


@given(ours=heights, theirs=heights)
def test_two_peers_reach_one_root(ours: dict[str, int], theirs: dict[str, int]) -> None:
    frontiers = [state(**ours), state(**theirs)]
    for mine, other in ((0, 1), (1, 0)):
        sync = heard(frontiers[other])
        for r in sync.ask(frontiers[mine], NOW):
            for seq in range(r.first, r.last + 1):
                sync.receive(r.log, seq, NOW)
            frontiers[mine][r.log] = frontiers[other][r.log]
        assert sync.served(frontiers[mine]) == []

    assert root(frontiers[0]) == root(frontiers[1])


def test_log_that_is_left_with_the_peer_is_asked_for_once_there_is_room() -> None:
    sync = DataSync(Claims())
    sync.hear(items(state(a=3, b=2)), NOW)

    [first] = sync.ask({}, NOW, frozenset({log("a")}))
    sync.receive(log("b"), 1, NOW)
    sync.served(state(b=2))
    left = sync.ask(state(b=2), NOW, frozenset({log("a")}))
    [later] = sync.ask(state(b=2), NOW)

    assert (first, left) == (Range(log=log("b"), first=1, last=2), [])
    assert later == Range(log=log("a"), first=1, last=3)


def test_heads_that_begin_alike_are_two_heads() -> None:
    ours, theirs = (Digest(bytes(8) + bytes([n]) * 24) for n in (1, 2))
    mine, other = (HeldKeyLog(size=1, head=h, branches=((h,),)) for h in (ours, theirs))

    assert asked(mine, other) == [0]


def test_what_came_and_was_not_taken_was_not_withheld() -> None:
    sync = heard(state(a=2))
    sync.ask({}, NOW)
    sync.receive(log("a"), 1, NOW)
    sync.receive(log("a"), 2, NOW)

    assert sync.served({}) == []
    assert sync.ask({}, NOW) == []
