"""Facts in any order, of contested entries what is owed, and no more than an author may cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec import UNSET
from tests.services.private_demand.village import bid_of, opened, opening_of, terms

from sheaf_node.plugins import SeenRecord
from sheaf_protocol.digest import CoopId, Digest, EntryId, LogId, WriterId, digest
from sheaf_protocol.log import Head
from sheaf_protocol.records import LogCut, kind_of
from sheaf_protocol.records.curve import (
    CurveClaim,
    CurveClose,
    CurveReceipt,
    CurveTotals,
    CurveWithhold,
)
from sheaf_services.private_demand.bidding import open_demands, rolled_over
from sheaf_services.private_demand.coordinating import (
    MOST_LOGS_OF_ONE,
    close_of,
    decision_of,
    receipts,
)
from sheaf_services.private_demand.judging import findings, is_complete
from sheaf_services.private_demand.ledger import MOST_BY_OTHERS, MOST_OPENINGS, Ledger

if TYPE_CHECKING:
    from sheaf_protocol.private_demand import Opening

NAMES = ["hill", "dale", "moor", "fell", "beck"]


class Book:
    """A ledger of the owner's node, and the logs that were folded into it."""

    def __init__(self) -> None:
        self.ledger = Ledger(self.wid("owner"))
        self.seqs: dict[str, int] = {}

    @staticmethod
    def cid(name: str) -> CoopId:
        return CoopId(digest("test-coop", name.partition("/")[0].encode()))

    @staticmethod
    def wid(name: str) -> WriterId:
        return WriterId(digest("test-writer", name.encode()))

    def write(self, name: str, record: Any, *, is_contested: bool = False) -> EntryId:
        """Fold a record as the next of a log; `co-op/2` is another writer of a co-op."""
        seq = self.seqs[name] = self.seqs.get(name, 0) + 1
        id_ = EntryId(digest("test-entry", f"{name} {seq}".encode()))
        seen = SeenRecord(
            id=id_,
            cid=self.cid(name),
            wid=self.wid(name),
            log=LogId(Digest(self.wid(name))),
            seq=seq,
            time_ms=seq,
            kind=kind_of(record),
            refs=(),
            record=record,
            is_contested=is_contested,
        )
        self.ledger.fold(seen)
        return id_

    def open(self) -> EntryId:
        return self.write("owner", terms(owner=self.wid("owner")))

    def bid(self, name: str, curve: EntryId, opening: Opening, **how: Any) -> EntryId:
        id_ = self.write(name, bid_of(curve, opening), **how)
        self.write(name, opened(id_, opening), **how)
        return id_

    def receipt(self, curve: EntryId, bid: EntryId) -> EntryId:
        return self.write("owner", CurveReceipt(bid=bid, curve=curve, fault=UNSET))

    def heads(self) -> list[Any]:
        return [
            (self.cid(name), self.wid(name), Head(seq=seq, id=EntryId(bytes(32)), time_ms=seq))
            for name, seq in self.seqs.items()
        ]

    def close(self, curve: EntryId) -> EntryId:
        close = close_of(self.ledger.rounds[curve], self.heads())
        self.ledger.note_heads(self.heads())
        return self.write("owner", close)

    def closed(self, *, is_contested: bool = False) -> EntryId:
        """Run a round of five lines to its close."""
        curve = self.open()
        for name in NAMES:
            line = opening_of(name, 9, 9, 9)
            bid = self.bid(name, curve, line, is_contested=is_contested)
            self.receipt(curve, bid)
        self.close(curve)
        return curve


@pytest.fixture
def book() -> Book:
    return Book()


def test_bid_whose_log_was_cut_since_counts_where_its_owner_had_answered(book: Book) -> None:
    curve = book.closed(is_contested=True)
    round_ = book.ledger.rounds[curve]

    decision = decision_of(round_, book.ledger)

    assert isinstance(decision, CurveTotals)
    assert decision.quantities == [45, 45, 45]
    assert findings(round_, book.ledger) == []


def test_close_whose_log_was_cut_since_does_not_count(book: Book) -> None:
    curve = book.open()
    cut = [LogCut(cid=book.cid("hill"), head=Digest(bytes(32)), seq=1, wid=book.wid("hill"))]

    book.write("owner", CurveClose(bids=[], curve=curve, cut=cut), is_contested=True)

    assert book.ledger.rounds[curve].close is None


def test_log_that_was_cut_after_its_bid_was_answered_is_named_up_to_that_bid(book: Book) -> None:
    curve = book.open()
    line = opening_of("hill", 9, 9, 9)
    bid = book.bid("hill", curve, line, is_contested=True)
    book.receipt(curve, bid)
    ended = [head for head in book.heads() if head[0] != book.cid("hill")]

    close = close_of(book.ledger.rounds[curve], ended)

    named = {cut.wid: (cut.seq, cut.head) for cut in close.cut}
    assert close.bids == [bid]
    assert named[book.wid("hill")] == (1, bid)


def test_close_is_judged_though_a_log_that_it_names_was_cut_since(book: Book) -> None:
    curve = book.closed(is_contested=True)
    book.ledger.note_heads(head for head in book.heads() if head[0] == book.cid("owner"))
    round_ = book.ledger.rounds[curve]

    assert is_complete(round_, book.ledger)
    assert findings(round_, book.ledger) == []


def test_cut_log_whose_listed_bid_is_not_here_is_waited_for(book: Book) -> None:
    # A contested bid may come late: until then nobody calls it invented.
    curve = book.open()
    book.bid("hill", curve, opening_of("hill", 9, 9, 9), is_contested=True)
    cut = [LogCut(cid=book.cid("hill"), head=Digest(bytes(32)), seq=9, wid=book.wid("hill"))]
    late = EntryId(digest("test-entry", b"hill 9"))
    book.write("owner", CurveClose(bids=[late], curve=curve, cut=cut))
    round_ = book.ledger.rounds[curve]

    assert not is_complete(round_, book.ledger)
    assert findings(round_, book.ledger) == []


def test_of_a_co_ops_two_logs_the_bid_that_was_answered_last_counts(book: Book) -> None:
    curve = book.open()
    first = book.bid("hill", curve, opening_of("hill", 9, 9, 9))
    second = book.bid("hill/2", curve, opening_of("hill/2", 8, 8, 8))
    book.receipt(curve, second)
    book.receipt(curve, first)

    close = close_of(book.ledger.rounds[curve], book.heads())

    assert close.bids == [first]


def test_round_is_not_judged_before_all_is_here_that_its_close_names(book: Book) -> None:
    curve = book.open()
    cut = [LogCut(cid=book.cid("hill"), head=Digest(bytes(32)), seq=9, wid=book.wid("hill"))]
    book.write("owner", CurveClose(bids=[], curve=curve, cut=cut))
    round_ = book.ledger.rounds[curve]
    before = is_complete(round_, book.ledger)

    head = Head(seq=9, id=EntryId(bytes(32)), time_ms=9)
    book.ledger.note_heads([(line.cid, line.wid, head) for line in cut])

    assert (before, is_complete(round_, book.ledger)) == (False, True)


def test_totals_are_withheld_from_whoever_answered_wrongly_before(book: Book) -> None:
    # A receipt of an earlier run says good of a bid that opens to something else.
    curve = book.open()
    for name in NAMES:
        bid = book.write(name, bid_of(curve, opening_of(name, 9, 9, 9)))
        book.write(name, opened(bid, opening_of(name, 8, 8, 8)))
        book.receipt(curve, bid)
    book.close(curve)

    assert decision_of(book.ledger.rounds[curve], book.ledger) is None


def test_of_several_openings_the_one_that_fits_is_added_up(book: Book) -> None:
    curve = book.open()
    for name in NAMES:
        line = opening_of(name, 9, 9, 9)
        bid = book.write(name, bid_of(curve, line))
        book.write(name, opened(bid, opening_of(name, 8, 8, 8)))
        book.write(name, opened(bid, line))
        [owed] = receipts(book.ledger.rounds[curve], is_due=False)
        assert owed.fault is UNSET
        book.receipt(curve, bid)
    book.close(curve)

    decision = decision_of(book.ledger.rounds[curve], book.ledger)

    assert isinstance(decision, CurveTotals)
    assert decision.quantities == [45, 45, 45]


def test_openings_of_one_bid_are_looked_at_up_to_a_limit(book: Book) -> None:
    curve = book.open()
    line = opening_of("hill", 9, 9, 9)
    early = EntryId(digest("test-entry", b"dale 1"))
    for more in range(MOST_OPENINGS + 2):
        book.write("dale/2", opened(early, opening_of("dale", more, 0, 0)))
    book.write("dale", bid_of(curve, line))

    bid = book.ledger.rounds[curve].bids[early]

    assert len(bid.openings) == MOST_OPENINGS


def test_co_op_with_many_writers_is_answered_in_two_logs(book: Book) -> None:
    curve = book.open()
    for number in range(5):
        book.bid(f"hill/{number}", curve, opening_of("hill", 1, 1, 1))
    book.bid("dale", curve, opening_of("dale", 1, 1, 1))

    owed = list(receipts(book.ledger.rounds[curve], is_due=True))

    assert len(owed) == MOST_LOGS_OF_ONE + 1


def test_what_others_say_in_a_round_is_kept_up_to_a_limit(book: Book) -> None:
    curve = EntryId(digest("test-entry", b"owner 1"))
    claim = CurveClaim(curve=curve, evidence=[curve], fault="curve.sum")
    for _ in range(MOST_BY_OTHERS + 5):
        book.write("hill", claim)
    book.open()
    for _ in range(MOST_BY_OTHERS + 5):
        book.write("dale", claim)

    kept = [seen.cid for seen in book.ledger.rounds[curve].claims]

    assert kept.count(book.cid("hill")) == kept.count(book.cid("dale")) == MOST_BY_OTHERS


def test_round_opened_under_another_writers_name_is_none(book: Book) -> None:
    book.write("hill", terms(owner=book.wid("owner")))

    assert book.ledger.rounds == {}


def test_line_that_is_not_known_here_is_not_published_and_does_not_roll_over(book: Book) -> None:
    # The bid was made by another node of the co-op, or its note was lost with a key.
    curve = book.open()
    owner = (book.cid("owner"), book.wid("owner"))
    line = opening_of("owner", 9, 9, 9)
    for below_k in ("open", "roll_over"):
        bid = bid_of(curve, line)
        id_ = book.write("owner", type(bid)(**_fields(bid) | {"below_k": below_k}))
        book.receipt(curve, id_)
        close = book.close(curve)
        book.write("owner", CurveWithhold(close=close, curve=curve, reason="curve.too_few"))
        later = book.open()
        assert rolled_over(book.ledger.rounds[later], book.ledger, *owner) is None
        assert list(open_demands(book.ledger.rounds[curve], book.ledger, *owner)) == []
        curve = book.open()


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}
