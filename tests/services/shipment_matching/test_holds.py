"""Whatever comes in whatever order, an owner never promises more than it has."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sheaf_node.plugins import SeenRecord
from sheaf_protocol.digest import CoopId, Digest, EntryId, LogId, WriterId, digest
from sheaf_protocol.lifecycle.hold import Hold
from sheaf_protocol.records import (
    HoldConfirm,
    HoldConfirmed,
    HoldExpired,
    HoldGrant,
    HoldRefuse,
    HoldRelease,
    HoldRequest,
    HoldRevoke,
    Vector,
    kind_of,
)
from sheaf_services.shipment_matching.holds import (
    WAIT,
    HoldBook,
    decide_holds,
    free,
    next_deadline_ms,
)

if TYPE_CHECKING:
    from sheaf_protocol.records import Record

OWNER, ONE, TWO = (WriterId(bytes([n]) * 32) for n in (1, 2, 3))
TRUCKS = EntryId(b"t" * 32)
TOTAL = {"vehicles": 3, "weight_g": 10}
CAPACITY: Any = {TRUCKS: SimpleNamespace(owner=OWNER, resource=Vector(**TOTAL))}


class Logs:
    """Entries of the owner and two askers, written in their own order."""

    def __init__(self) -> None:
        self.of: dict[WriterId, list[SeenRecord]] = {OWNER: [], ONE: [], TWO: []}

    def write(self, wid: WriterId, record: Record) -> SeenRecord:
        seq = len(self.of[wid]) + 1
        seen = SeenRecord(
            id=EntryId(digest("entry", wid, bytes([seq % 256, seq // 256]))),
            cid=CoopId(wid),
            wid=wid,
            log=LogId(Digest(wid)),
            seq=seq,
            time_ms=0,
            kind=kind_of(record),
            refs=(),
            record=record,
        )
        self.of[wid].append(seen)
        return seen


def ask(hold: int, group: int = 1, most: Vector | None = None, **changes: Any) -> HoldRequest:
    most = most or Vector(vehicles=1)
    given: dict[str, Any] = {"capacity": TRUCKS, "group": Digest(bytes([group]) * 32)}
    given |= {"hold": Digest(bytes([hold]) * 32), "hold_for_ms": 1_000, "max": most, "min": most}
    return HoldRequest(**(given | changes))


def states(book: HoldBook) -> list[Hold]:
    return [hold.state for hold in book.states(CAPACITY)]


class Holding(RuleBasedStateMachine):
    """Askers write what they like; the owner reads their logs in part, twice, and late."""

    def __init__(self) -> None:
        super().__init__()
        self.logs, self.book, self.now_ms = Logs(), HoldBook(), 0
        self.read = Counter[WriterId]()

    @rule(
        wid=st.sampled_from([ONE, TWO]),
        hold=st.integers(1, 6),
        group=st.integers(1, 2),
        least=st.builds(Vector, vehicles=st.integers(0, 4)),
        more=st.builds(Vector, vehicles=st.integers(0, 4), weight_g=st.integers(0, 12)),
    )
    def request(self, wid: WriterId, hold: int, group: int, least: Vector, more: Vector) -> None:
        self.logs.write(wid, ask(hold, group, min=least, max=more))

    @precondition(lambda self: any(w.kind == "hold.grant" for w in self.logs.of[OWNER]))
    @rule(
        wid=st.sampled_from([ONE, TWO]),
        data=st.data(),
        type_=st.sampled_from([HoldConfirm, HoldConfirm, HoldRelease]),
    )
    def answer(self, wid: WriterId, data: st.DataObject, type_: Any) -> None:
        grants = [w for w in self.logs.of[OWNER] if w.kind == "hold.grant"]
        grant = data.draw(st.sampled_from(grants))
        self.logs.write(wid, type_(grant=grant.id, hold=grant.record.hold))

    @rule(wid=st.sampled_from([ONE, TWO]), count=st.integers(1, 4), again=st.booleans())
    def arrive(self, wid: WriterId, count: int, again: bool) -> None:
        start = 0 if again else self.read[wid]
        for seen in self.logs.of[wid][start : self.read[wid] + count]:
            self.book.fold(seen)
        self.read[wid] = min(len(self.logs.of[wid]), self.read[wid] + count)

    @rule(ms=st.integers(0, 700))
    def wait(self, ms: int) -> None:
        self.now_ms += ms

    @rule()
    def decide(self) -> None:
        for answer, _ in decide_holds(self.book, CAPACITY, self.now_ms):
            self.book.fold(self.logs.write(OWNER, answer))
        again = decide_holds(self.book, CAPACITY, self.now_ms)
        # A release that frees room changes nothing that was answered, so nothing is said twice.
        assert again == []

    @rule()
    def restart(self) -> None:
        """Fold all that the owner has from the start, its own log last."""
        self.book = HoldBook()
        for wid in (TWO, ONE):
            for seen in self.logs.of[wid][: self.read[wid]]:
                self.book.fold(seen)
        for seen in self.logs.of[OWNER]:
            self.book.fold(seen)

    @invariant()
    def no_more_is_promised_than_there_is(self) -> None:
        used: Counter[str] = Counter()
        for hold in self.book.states(CAPACITY):
            if hold.state in {Hold.HELD, Hold.CONFIRMED} and hold.grant is not None:
                used.update(hold.grant.locked.amounts())
        assert all(used[name] <= TOTAL[name] for name in TOTAL)
        left = free(self.book, TRUCKS, CAPACITY[TRUCKS])
        assert left == {name: TOTAL[name] - used[name] for name in TOTAL}

    @invariant()
    def nothing_expires_before_its_deadline(self) -> None:
        for hold in self.book.states(CAPACITY):
            if hold.state is Hold.EXPIRED and hold.grant is not None:
                assert hold.grant.until_ms < self.now_ms

    @invariant()
    def every_answer_is_given_once(self) -> None:
        words: Counter[Any] = Counter()
        for seen in self.logs.of[OWNER]:
            record = seen.record
            if isinstance(record, HoldGrant | HoldRefuse):
                words["answer", record.request] += 1
            elif isinstance(record, HoldConfirmed):
                words["end", record.confirm] += 1
            elif isinstance(record, HoldExpired):
                words["end", record.grant] += 1
        assert all(count == 1 for count in words.values())


TestHolding = Holding.TestCase
TestHolding.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.fixture
def logs() -> Logs:
    return Logs()


def decided(book: HoldBook, logs: Logs, now_ms: int, **policy: Any) -> list[Any]:
    found = [answer for answer, _ in decide_holds(book, CAPACITY, now_ms, **policy)]
    for answer in found:
        book.fold(logs.write(OWNER, answer))
    return found


def confirm(book: HoldBook, logs: Logs, wid: WriterId, grant: SeenRecord) -> None:
    book.fold(logs.write(wid, HoldConfirm(grant=grant.id, hold=grant.record.hold)))


def test_a_leg_confirmed_alone_waits_for_its_group_and_then_expires(logs: Logs) -> None:
    book = HoldBook()
    book.fold(logs.write(ONE, ask(1)))
    book.fold(logs.write(ONE, ask(2)))
    decided(book, logs, 0)
    first, second = logs.of[OWNER]
    confirm(book, logs, ONE, first)

    assert decided(book, logs, 500) == []
    assert next_deadline_ms(book, CAPACITY) == 1_000
    assert {type(word) for word in decided(book, logs, 1_001)} == {HoldExpired}
    confirm(book, logs, ONE, second)
    assert decided(book, logs, 1_002) == []
    assert states(book) == [Hold.EXPIRED, Hold.EXPIRED]


def test_a_group_that_is_confirmed_in_time_is_confirmed_at_once(logs: Logs) -> None:
    book = HoldBook()
    book.fold(logs.write(ONE, ask(1)))
    book.fold(logs.write(ONE, ask(2)))
    decided(book, logs, 0)
    for grant in list(logs.of[OWNER]):
        confirm(book, logs, ONE, grant)

    assert {type(word) for word in decided(book, logs, 1_000)} == {HoldConfirmed}
    assert states(book) == [Hold.CONFIRMED, Hold.CONFIRMED]
    assert next_deadline_ms(book, CAPACITY) is None


def test_a_release_gives_room_to_the_next(logs: Logs) -> None:
    book = HoldBook()
    book.fold(logs.write(ONE, ask(1, most=Vector(vehicles=3))))
    decided(book, logs, 0)
    [grant] = logs.of[OWNER]
    book.fold(logs.write(ONE, HoldRelease(grant=grant.id, hold=grant.record.hold)))
    book.fold(logs.write(TWO, ask(2, most=Vector(vehicles=3))))

    [answer] = decided(book, logs, 0)

    assert isinstance(answer, HoldGrant)
    assert states(book) == [Hold.RELEASED, Hold.HELD]


def test_what_runs_out_is_free_for_whoever_asked_in_the_same_turn(logs: Logs) -> None:
    book = HoldBook()
    book.fold(logs.write(ONE, ask(1, most=Vector(vehicles=3))))
    decided(book, logs, 0)
    book.fold(logs.write(TWO, ask(2, most=Vector(vehicles=3))))

    answers = decided(book, logs, 1_001)

    assert [type(answer) for answer in answers] == [HoldExpired, HoldGrant]
    assert states(book) == [Hold.EXPIRED, Hold.HELD]


def test_a_stranger_neither_grants_nor_confirms_nor_releases(logs: Logs) -> None:
    book = HoldBook()
    wanted = logs.write(ONE, ask(1))
    book.fold(wanted)
    false = HoldGrant(hold=ask(1).hold, locked=Vector(vehicles=1), request=wanted.id, until_ms=9)
    book.fold(logs.write(TWO, false))
    assert states(book) == [Hold.REQUESTED]
    decided(book, logs, 0)
    [grant] = logs.of[OWNER]
    confirm(book, logs, TWO, grant)
    book.fold(logs.write(TWO, HoldRelease(grant=grant.id, hold=grant.record.hold)))

    assert decided(book, logs, 0) == []
    assert states(book) == [Hold.HELD]


def test_the_owner_may_take_back_what_is_not_confirmed(logs: Logs) -> None:
    book = HoldBook()
    book.fold(logs.write(ONE, ask(1)))
    decided(book, logs, 0)
    [grant] = logs.of[OWNER]
    taken = HoldRevoke(grant=grant.id, hold=grant.record.hold, reason="hold.no_capacity")
    book.fold(logs.write(OWNER, taken))

    assert states(book) == [Hold.REVOKED]
    assert free(book, TRUCKS, CAPACITY[TRUCKS]) == TOTAL


def test_asking_again_under_one_name_is_the_same_hold(logs: Logs) -> None:
    book = HoldBook()
    book.fold(logs.write(ONE, ask(1)))
    book.fold(logs.write(ONE, ask(1, most=Vector(vehicles=3))))
    book.fold(logs.write(TWO, ask(1)))

    assert len(decided(book, logs, 0)) == 2
    assert states(book) == [Hold.HELD, Hold.HELD]


def test_a_policy_lets_wait_or_refuses_with_its_reason(logs: Logs) -> None:
    book = HoldBook()
    book.fold(logs.write(ONE, ask(1)))

    assert decided(book, logs, 0, policy=lambda _: WAIT) == []
    [refused] = decided(book, logs, 0, policy=lambda _: "hold.not_proposed")

    assert refused.reason == "hold.not_proposed"
    [shown] = book.states(CAPACITY)
    assert (shown.state, shown.refused) == (Hold.REFUSED, "hold.not_proposed")


def test_another_capacitys_holds_and_other_kinds_are_passed_over(logs: Logs) -> None:
    book = HoldBook()
    book.fold(logs.write(ONE, ask(1, capacity=EntryId(b"x" * 32))))
    book.fold(logs.write(ONE, HoldConfirmed(confirm=TRUCKS, hold=ask(1).hold)))
    book.fold(SimpleNamespace(record=None))  # type: ignore[arg-type]  # not a hold

    assert states(book) == []
