"""Whose promise a restore needs, what it has to hold, and whom the new writer succeeds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sheaf_protocol.digest import ZERO, CoopId, Digest, EntryId, FederationId, LogId, WriterId
from sheaf_protocol.identity import Cut, KeyLog, Writer
from sheaf_protocol.lineage import Succession
from sheaf_protocol.records import WriterLost, WriterPromise
from sheaf_protocol.recovering import (
    DORMANT_MS,
    MAX_PROMISES,
    Lost,
    Promise,
    is_held,
    is_to_be_promised,
    promised,
    required,
    to_promise,
    to_succeed,
)
from sheaf_protocol.testing.author import make_coop

FID = FederationId(b"f" * 32)
OLD, NEW, THIRD = (WriterId(bytes([number]) * 32) for number in (1, 2, 3))
HEAD, OTHER = EntryId(b"h" * 32), EntryId(b"o" * 32)
HILL = make_coop("Hill")
DALE, MOOR, FELL = (CoopId(name * 32) for name in (b"d", b"m", b"r"))
LOST = Lost(
    id=EntryId(b"l" * 32),
    cid=HILL.cid,
    by=NEW,
    record=WriterLost(head=Digest(HEAD), seq=2, wid=OLD),
)
LOG = LOST.log_in(FID)


def writer(wid: WriterId, opened_at: int, cut: Cut | None = None) -> Writer:
    cuts = {} if cut is None else {FID: cut}
    closed = cut is not None
    return Writer(wid=wid, expires_ms=None, is_closed=closed, cuts=cuts, opened_at=opened_at)


def keys(*writers: Writer) -> KeyLog:
    return replace(HILL.keys, writers={each.wid: each for each in writers})


def promise(
    cid: CoopId, seq: int, *, log: LogId = LOG, lost: EntryId = LOST.id, head: bytes = HEAD
) -> Promise:
    record = WriterPromise(head=Digest(head), log=log, lost=lost, seq=seq)
    return Promise(cid=cid, record=record)


CUT = Cut(seq=5, head=HEAD)
NOTHING = Cut(seq=0, head=EntryId(ZERO))


@pytest.mark.parametrize(
    ("log", "is_owed"),
    [
        (keys(writer(OLD, 1), writer(NEW, 2)), True),
        (keys(writer(OLD, 1, CUT), writer(NEW, 2)), False),
        (keys(writer(OLD, 2), writer(NEW, 1)), False),
        (keys(writer(NEW, 2)), False),
        (keys(writer(OLD, 1)), False),
    ],
    ids=["older and open", "closed", "younger", "unknown", "said by an unknown one"],
)
def test_a_promise_is_owed_for_an_older_writer_that_is_open(log: KeyLog, is_owed: bool) -> None:
    assert is_to_be_promised(log, LOST) is is_owed


def test_members_that_were_silent_for_longer_than_the_copy_lacks_are_dormant() -> None:
    came_ms = 2 * DORMANT_MS
    newest = {HILL.cid: came_ms, DALE: came_ms - DORMANT_MS, MOOR: came_ms - DORMANT_MS - 1}

    needed = required([HILL.cid, MOOR, DALE], newest, own=HILL.cid, came_ms=came_ms)

    assert needed == [DALE]


def test_a_member_without_an_entry_is_needed() -> None:
    """The copy may be of a time before it spoke."""
    needed = required([HILL.cid, FELL], {}, own=HILL.cid, came_ms=2 * DORMANT_MS)

    assert needed == [FELL]


def test_a_copy_without_entries_needs_every_other_member() -> None:
    needed = required([MOOR, DALE, HILL.cid], {}, own=HILL.cid, came_ms=0)

    assert needed == [DALE, MOOR]


def test_whoever_is_named_absent_is_not_needed() -> None:
    needed = required([DALE, MOOR], {}, own=HILL.cid, came_ms=0, absent=[MOOR])

    assert needed == [DALE]


def test_of_several_promises_of_one_member_the_furthest_counts() -> None:
    said = [promise(DALE, 3), promise(DALE, 5), promise(DALE, 4)]

    counted = promised(FID, LOST, said, members=[DALE])

    assert {cid: record.seq for cid, record in counted.items()} == {DALE: 5}


@pytest.mark.parametrize(
    "said",
    [
        promise(DALE, 5, lost=OTHER),
        promise(DALE, 5, log=LogId(bytes(32))),
        promise(HILL.cid, 5),
        promise(FELL, 5),
        promise(MOOR, 5),
    ],
    ids=["on another loss", "of another log", "by our own co-op", "by no member", "by an absent"],
)
def test_other_promises_do_not_count(said: Promise) -> None:
    members = [DALE, HILL.cid, MOOR]

    assert promised(FID, LOST, [said], members=members, absent=[MOOR]) == {}


def test_the_first_word_of_one_writer_on_another_is_answered_and_no_second_one() -> None:
    log, again = keys(writer(OLD, 1), writer(NEW, 2)), replace(LOST, id=OTHER)

    assert to_promise(log, [LOST, again], []) == [LOST]
    assert to_promise(log, [LOST, again], [LOST.id]) == []


def test_a_word_that_another_writer_says_again_is_answered_again() -> None:
    log = keys(writer(OLD, 1), writer(NEW, 2), writer(THIRD, 3))
    by_third = replace(LOST, id=OTHER, by=THIRD)

    assert to_promise(log, [LOST, by_third], [LOST.id]) == [by_third]


def test_what_is_said_of_another_coops_writer_is_not_answered() -> None:
    assert to_promise(keys(writer(NEW, 2)), [LOST], []) == []


def test_one_log_is_promised_on_sixteen_times_and_no_more() -> None:
    sayers = [WriterId(bytes([number]) * 32) for number in range(10, 10 + MAX_PROMISES + 4)]
    log = keys(writer(OLD, 1), *(writer(wid, at) for at, wid in enumerate(sayers, 2)))
    told = [replace(LOST, id=EntryId(bytes(wid)), by=wid) for wid in sayers]

    assert to_promise(log, told, [told[0].id]) == told[1:MAX_PROMISES]


@pytest.mark.parametrize(
    ("held", "id_at", "forked_at", "is_enough"),
    [
        (5, HEAD, None, True),
        (9, HEAD, None, True),
        (4, None, None, False),
        (5, OTHER, None, False),
        (5, OTHER, 4, True),
        (2, None, 4, False),
        (5, HEAD, 6, True),
    ],
    ids=["all", "more", "less", "another entry", "it forked there", "before a fork", "below one"],
)
def test_all_that_was_promised_has_to_be_held(
    held: int, id_at: EntryId | None, forked_at: int | None, is_enough: bool
) -> None:
    record = promise(DALE, 5).record

    assert is_held(record, held_seq=held, id_at=id_at, forked_at=forked_at) is is_enough


def test_a_promise_of_nothing_asks_for_nothing() -> None:
    record = promise(DALE, 0, head=ZERO).record

    assert is_held(record, held_seq=0, id_at=None, forked_at=None)


def test_a_new_writer_succeeds_all_that_ended_in_the_order_of_the_key_log() -> None:
    log = keys(writer(NEW, 2, CUT), writer(OLD, 1, CUT), writer(THIRD, 3))

    assert to_succeed(log, FID, [], THIRD) == [(OLD, CUT), (NEW, CUT)]


def test_whom_somebody_succeeded_is_succeeded_no_more() -> None:
    log = keys(writer(OLD, 1, CUT), writer(NEW, 2, CUT), writer(THIRD, 3))
    said = Succession(by=NEW, at=1, wid=OLD, cut=CUT)

    assert to_succeed(log, FID, [said], THIRD, told=[OLD]) == [(NEW, CUT)]


def test_a_writer_without_entries_is_succeeded_where_it_was_told_to_be_lost() -> None:
    log = keys(writer(OLD, 1, NOTHING), writer(NEW, 2))

    assert to_succeed(log, FID, [], NEW) == []
    assert to_succeed(log, FID, [], NEW, told=[OLD]) == [(OLD, NOTHING)]


def test_a_lost_writer_that_is_open_or_unknown_is_not_succeeded_yet() -> None:
    log = keys(writer(OLD, 1), writer(NEW, 2))

    assert to_succeed(log, FID, [], NEW, told=[OLD, THIRD]) == []
