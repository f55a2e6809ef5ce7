"""Two frontiers compared over a real link and a fake wire, from the first question to the last.

Logs are told of and asked for here; no entry is sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from sheaf_node.events import Arrivals
from sheaf_node.peering.comparing import Comparing
from sheaf_node.peering.frontiers import Frontiers
from sheaf_protocol.digest import Digest, FederationId, LogId, WriterId, digest
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.frontier import LogState, Range
from sheaf_protocol.link import Claims, Cursor, DataSync, Link, MessageReceived
from sheaf_protocol.link.messages import (
    Compare,
    ControlHave,
    Have,
    Lagged,
    Message,
    Tree,
    TreeNode,
    TreeWant,
)
from sheaf_protocol.testing.author import START_MS, make_coop
from sheaf_protocol.testing.link_pair import LinkPair, make_link_pair

if TYPE_CHECKING:
    from collections.abc import Iterable

HILL, DALE = make_coop("Hill"), make_coop("Dale")
FID = FederationId(digest("test", b"federation"))
STORE_IDS = (b"hill's store, 16", b"dale's store, 16")


@dataclass
class Logs:
    """What a store would say of its logs."""

    logs: dict[LogId, LogState]
    arrival: int = 0
    came: dict[LogId, int] = field(default_factory=dict)
    cursors: dict[WriterId, Cursor] = field(default_factory=dict)

    def frontier(
        self, fid: FederationId, only: Iterable[LogId] | None = None
    ) -> dict[LogId, LogState]:
        assert fid == FID
        return {log: s for log, s in self.logs.items() if only is None or log in set(only)}

    def changed_after(self, arrival: int) -> set[LogId]:
        return {log for log, came in self.came.items() if came > arrival}

    def cursor(self, peer: WriterId, fid: FederationId) -> Cursor | None:
        return self.cursors.get(peer)

    def take(self, changed: dict[LogId, LogState]) -> None:
        for log, state in changed.items():
            self.arrival += 1
            self.logs[log], self.came[log] = state, self.arrival


class Side:
    """One end of the link and what it holds."""

    def __init__(self, link: Link, logs: Logs, their_store: bytes) -> None:
        self.link, self.logs = link, logs
        self.sync = DataSync(Claims())
        self.frontiers = Frontiers(logs, Arrivals())
        self.comparing = Comparing(
            FID,
            link,
            sync=self.sync,
            store=logs,
            frontiers=self.frontiers,
            store_id=their_store,
        )
        self.heard: list[Message] = []
        self.wanted: list[Range] = []

    def hear(self, message: Message) -> None:
        self.heard.append(message)
        match message:
            case Compare():
                self.comparing.hear_compare(message)
            case Have():
                self.comparing.hear_have(message, START_MS)
            case Tree():
                self.comparing.hear_tree(message)
            case TreeWant():
                self.comparing.hear_tree_want(message)
            case Lagged():
                self.comparing.hear_lagged()
            case _:
                raise AssertionError(message)

    def pump(self) -> None:
        self.comparing.tell()
        self.wanted += self.sync.ask(self.logs.logs, START_MS)

    def take_from(self, other: Side) -> None:
        """Take in what was asked for, as if it had come."""
        self.logs.take({r.log: other.logs.logs[r.log] for r in self.wanted})
        self.sync.served(self.logs.logs)


class Pair:
    """Both ends; the initiator first."""

    def __init__(self, hill: Logs, dale: Logs) -> None:
        self.pair: LinkPair = make_link_pair(HILL, DALE, now_ms=START_MS)
        self.pair.run()
        for link, store_id in zip((self.pair.dialled, self.pair.listening), STORE_IDS, strict=True):
            link.send(ControlHave([], [], [], True))
            link.offer([FID], store_id)
        self.pair.run()
        self.hill = Side(self.pair.dialled, hill, STORE_IDS[1])
        self.dale = Side(self.pair.listening, dale, STORE_IDS[0])
        self._clear()

    def run(self) -> None:
        """Carry and answer until both ends are quiet."""
        is_moving = True
        while is_moving:
            self.hill.pump()
            self.dale.pump()
            is_moving = self.pair.carry()
            self._deliver()

    def settle(self) -> None:
        """Let both ends look again, as they do after a second of quiet."""
        for side in (self.hill, self.dale):
            side.comparing.tick(side.frontiers.moment(), is_settling=True)
        self.run()

    def _deliver(self) -> None:
        for side, events in (
            (self.hill, self.pair.dialled_events),
            (self.dale, self.pair.listening_events),
        ):
            for event in events:
                assert isinstance(event, MessageReceived), event
                side.hear(event.message)
        self._clear()

    def _clear(self) -> None:
        self.pair.dialled_events.clear()
        self.pair.listening_events.clear()


def log(n: int) -> LogId:
    return LogId(digest("test", str(n).encode()))


def state(n: int, seq: int = 1) -> LogState:
    return LogState(seq=seq, head=digest("test", f"{n} at {seq}".encode()))


def logs(count: int, *, start: int = 0) -> Logs:
    """Logs that came one after another."""
    made = Logs({})
    made.take({log(n): state(n) for n in range(start, start + count)})
    return made


def kinds(side: Side) -> list[str]:
    return [type(message).__name__ for message in side.heard]


def test_equal_frontiers_cost_a_question_and_an_answer() -> None:
    pair = Pair(logs(2_000), logs(2_000))

    pair.run()

    assert (kinds(pair.hill), kinds(pair.dale)) == (["Have"], ["Compare"])
    assert pair.hill.sync.their_root == pair.dale.sync.their_root


def test_few_logs_are_told_whole_by_the_side_that_is_dialled_alone() -> None:
    dale = logs(500)
    dale.take({log(7): state(7, 3)})
    pair = Pair(logs(500), dale)

    pair.run()

    assert pair.hill.wanted == [Range(log=log(7), first=2, last=3)]
    assert (kinds(pair.hill), kinds(pair.dale)) == (["Have"], ["Compare"])


def test_initiator_tells_what_the_other_lacks_once_it_knows() -> None:
    hill = logs(500)
    hill.take({log(7): state(7, 3)})
    pair = Pair(hill, logs(500))
    pair.run()

    pair.settle()

    assert pair.dale.wanted == [Range(log=log(7), first=2, last=3)]
    [news] = [m for m in pair.dale.heard if isinstance(m, Have)]
    assert [item.log for item in news.items] == [log(7)]


def test_many_logs_are_compared_by_the_tree() -> None:
    hill, dale = logs(3_000), logs(3_000)
    hill.take({log(1): state(1, 2)})
    dale.take({log(2): state(2, 2), log(9_999): state(9_999)})
    pair = Pair(hill, dale)

    pair.run()

    assert {(r.log, r.first) for r in pair.hill.wanted} == {(log(2), 2), (log(9_999), 1)}
    assert [(r.log, r.first) for r in pair.dale.wanted] == [(log(1), 2)]
    told = [m for m in (*pair.hill.heard, *pair.dale.heard) if isinstance(m, Have)]
    assert sum(len(m.items) for m in told) < 200


@pytest.mark.parametrize("count", [1, 5_000])
def test_side_that_holds_nothing_asks_for_all(count: int) -> None:
    pair = Pair(Logs({}), logs(count))

    for _ in range(1 + count // 1_000):
        pair.run()
        pair.hill.take_from(pair.dale)

    assert pair.hill.logs.logs == pair.dale.logs.logs


@pytest.mark.parametrize("count", [1, 5_000])
def test_side_that_is_dialled_and_holds_nothing_asks_for_all(count: int) -> None:
    pair = Pair(logs(count), Logs({}))

    for _ in range(1 + count // 1_000):
        pair.run()
        pair.settle()
        pair.dale.take_from(pair.hill)

    assert pair.dale.logs.logs == pair.hill.logs.logs


def with_cursors(count: int) -> tuple[Logs, Logs]:
    """Two sides whose roots were equal once, and who both remember it."""
    hill, dale = logs(count), logs(count)
    hill.cursors[DALE.wid] = Cursor(store_id=STORE_IDS[1], theirs=count, ours=count)
    dale.cursors[HILL.wid] = Cursor(store_id=STORE_IDS[0], theirs=count, ours=count)
    return hill, dale


def test_cursor_leaves_only_what_changed_since_to_tell() -> None:
    hill, dale = with_cursors(5_000)
    hill.take({log(1): state(1, 2)})
    dale.take({log(2): state(2, 2)})
    pair = Pair(hill, dale)

    pair.run()
    pair.settle()

    assert [r.log for r in pair.hill.wanted] == [log(2)]
    assert [r.log for r in pair.dale.wanted] == [log(1)]
    told = [m for m in (*pair.hill.heard, *pair.dale.heard) if isinstance(m, Have)]
    assert sum(len(m.items) for m in told) == 2


def test_cursor_of_another_store_is_not_believed() -> None:
    hill, _ = with_cursors(50)
    hill.cursors[DALE.wid] = Cursor(store_id=b"an earlier store", theirs=50, ours=50)
    pair = Pair(hill, Logs({}))

    pair.run()
    pair.settle()

    assert {r.log for r in pair.dale.wanted} == set(hill.logs)


def test_cursor_beyond_the_store_makes_both_ask() -> None:
    hill, _ = with_cursors(50)
    pair = Pair(hill, logs(20))

    pair.run()
    pair.settle()

    assert len({r.log for r in pair.dale.wanted}) == 30


def test_wrong_cursor_is_outlived() -> None:
    """A store that was put back and went on elsewhere: its numbers mean other logs now."""
    hill, dale = with_cursors(50)
    dale.logs.pop(log(3))
    dale.take({log(100): state(100)})
    pair = Pair(hill, dale)

    pair.run()
    pair.hill.take_from(pair.dale)
    for _ in range(8):
        pair.settle()

    assert log(3) in {r.log for r in pair.dale.wanted}


def test_heads_that_share_eight_bytes_are_found_and_searched() -> None:
    hill, dale = logs(50), logs(50)
    head = hill.logs[log(3)].head
    dale.logs[log(3)] = LogState(seq=1, head=Digest(head[:8] + bytes(24)))
    pair = Pair(hill, dale)
    pair.run()
    assert pair.hill.wanted == []

    for _ in range(4):
        pair.settle()

    assert Range(log=log(3), first=1, last=1) in pair.hill.wanted


def test_peer_that_tells_a_root_of_nothing_is_asked_a_few_times_only() -> None:
    pair = Pair(logs(5), logs(5))
    pair.run()
    lie = Have(pair.hill.link.blind(FID), digest("test", b"nothing"), 9, [])
    pair.dale.hear(lie)

    for _ in range(20):
        pair.dale.comparing.tick(pair.dale.frontiers.moment(), is_settling=True)
        pair.run()
        pair.dale.sync.hear_root(lie.root, Frontiers(pair.dale.logs, Arrivals()).of(FID))

    questions = [m for m in pair.hill.heard if isinstance(m, Compare | Tree)]
    assert 1 <= len(questions) <= 4


def test_side_that_lags_is_told_so_and_asks() -> None:
    hill, dale = with_cursors(50)
    pair = Pair(hill, dale)
    pair.run()
    dale.take({log(1): state(1, 2)})

    pair.dale.comparing.lag()
    pair.run()

    assert "Lagged" in kinds(pair.hill)
    assert [r.log for r in pair.hill.wanted] == [log(1)]


def test_tree_of_logs_of_nobody_ends_the_link() -> None:
    side = Pair(Logs({}), Logs({})).hill
    nobodys = [digest("test", bytes([n])) for n in range(16)]
    trees = [
        Tree(side.link.blind(FID), [TreeNode(f"{256 * tree + n:06x}", nobodys) for n in range(256)])
        for tree in range(9)
    ]
    for tree in trees[:8]:
        side.hear(tree)

    with pytest.raises(RemoteProtocolError, match=r"link\.frontier_size"):
        side.hear(trees[8])
