"""What is asked of whom for a blob, and what a peer may be sent."""

from __future__ import annotations

import pytest

from sheaf_protocol.blob import BlobId, blob_id, piece_hashes, piece_path, split
from sheaf_protocol.digest import FederationId
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.limits import BLOB_PIECE, CREDIT_BYTES
from sheaf_protocol.link import BlobAnswers, BlobSync, Receipt, Stretch
from sheaf_protocol.link.blob_sync import (
    CLAIM_MS,
    DENIED_MS,
    MAX_ASKED,
    MAX_WANTED,
    STRETCH,
)
from sheaf_protocol.link.messages import BlobPiece, cost

FID, OTHER = FederationId(b"f" * 32), FederationId(b"o" * 32)
COUNT = 2 * STRETCH + 3
DATA = b"".join(bytes([n]) * BLOB_PIECE for n in range(COUNT))
PIECES = split(DATA)
HASHES = piece_hashes(PIECES)
ID = blob_id(PIECES)
NOW = 1_000_000
HILL, DALE = "link of Hill", "link of Dale"


def piece(index: int, *, data: bytes | None = None, size: int = len(DATA)) -> BlobPiece:
    path = piece_path(HASHES, index)
    return BlobPiece(bytes(16), ID, size, index, path, PIECES[index] if data is None else data)


def wanting(*, size: int | None = len(DATA), held: tuple[int, ...] = ()) -> BlobSync:
    sync = BlobSync()
    sync.want(ID, [FID], size=size, held=held)
    return sync


def ask(sync: BlobSync, link: str = HILL, now_ms: int = NOW) -> list[tuple[int, int]]:
    return [(s.first, s.last) for s in sync.ask(link, [FID], now_ms)]


def deliver(sync: BlobSync, first: int, last: int, link: str = HILL) -> None:
    for index in range(first, last + 1):
        assert sync.receive(link, FID, piece(index), NOW) is Receipt.STORE
    assert sync.end(link, FID, ID, "ok", NOW)


def other(number: int) -> BlobId:
    return BlobId(number.to_bytes(32))


# --- what is asked


def test_stretch_after_stretch_is_asked_until_the_blob_is_whole() -> None:
    sync = wanting()

    asked = []
    while ranges := ask(sync):
        asked += ranges
        deliver(sync, *ranges[0])

    assert asked == [(0, STRETCH - 1), (STRETCH, 2 * STRETCH - 1), (2 * STRETCH, COUNT - 1)]
    assert sync.is_whole(ID)


def test_stretch_leaves_credit_for_as_much_again() -> None:
    assert 2 * STRETCH * BLOB_PIECE <= CREDIT_BYTES
    assert cost(piece(0)) == BLOB_PIECE + 32 * len(piece_path(HASHES, 0))


def test_nothing_more_is_asked_of_a_peer_while_an_answer_is_due() -> None:
    sync = wanting()
    ask(sync)

    assert ask(sync) == []


def test_two_peers_are_asked_for_different_pieces() -> None:
    sync = wanting()

    assert ask(sync, HILL) == [(0, STRETCH - 1)]
    assert ask(sync, DALE) == [(STRETCH, 2 * STRETCH - 1)]


def test_blob_of_unknown_size_begins_with_one_piece_that_tells_it() -> None:
    sync = wanting(size=None)

    assert ask(sync) == [(0, 0)]
    assert sync.size_of(ID) is None
    deliver(sync, 0, 0)

    assert sync.size_of(ID) == len(DATA)
    assert ask(sync) == [(1, STRETCH)]


def test_what_a_draft_holds_is_not_asked_for() -> None:
    sync = wanting(held=(0, 1, 4))

    assert ask(sync) == [(2, 3)]


def test_at_most_four_blobs_are_asked_of_a_peer_at_a_time() -> None:
    sync = wanting()
    for number in range(6):
        sync.want(other(number), [FID])

    assert len(ask(sync, HILL)) == MAX_ASKED
    assert ask(sync, HILL) == []
    assert len(ask(sync, DALE)) == MAX_ASKED


def test_peer_is_asked_in_a_federation_common_with_it() -> None:
    sync = wanting()

    assert sync.ask(HILL, [OTHER], NOW) == []
    sync.want(ID, [OTHER])
    [stretch] = sync.ask(HILL, [OTHER], NOW)

    assert (stretch.fid, stretch.id) == (OTHER, ID)


def test_what_is_not_wanted_any_more_is_not_asked_for() -> None:
    sync = wanting()
    sync.drop(ID)

    assert ask(sync) == []
    assert (sync.wants(ID), sync.size_of(ID), sync.is_whole(ID)) == (False, None, False)


def test_as_many_blobs_as_a_node_fetches_at_a_time_are_wanted_at_most() -> None:
    sync = BlobSync()
    for number in range(MAX_WANTED):
        assert not sync.is_full
        sync.want(other(number), [FID])

    assert sync.is_full
    assert sync.wants(other(0))


# --- another peer takes over


def test_what_an_ended_link_owed_is_asked_of_another() -> None:
    sync = wanting()
    ask(sync, HILL)
    for index in range(5):
        sync.receive(HILL, FID, piece(index), NOW)

    sync.leave(HILL)

    assert ask(sync, DALE) == [(5, 5 + STRETCH - 1)]


def test_stretch_is_left_to_who_was_asked_first_for_a_while() -> None:
    sync = wanting(held=tuple(range(STRETCH, COUNT)))
    ask(sync, HILL)

    assert ask(sync, DALE, NOW + CLAIM_MS - 1) == []
    assert ask(sync, DALE, NOW + CLAIM_MS) == [(0, STRETCH - 1)]


def test_piece_that_comes_from_two_peers_is_stored_once() -> None:
    sync = wanting(held=tuple(range(STRETCH, COUNT)))
    ask(sync, HILL)
    ask(sync, DALE, NOW + CLAIM_MS)

    assert sync.receive(DALE, FID, piece(0), NOW) is Receipt.STORE
    assert sync.receive(HILL, FID, piece(0), NOW) is Receipt.KNOWN


def test_peer_that_said_no_is_asked_again_after_a_while() -> None:
    sync = wanting()
    ask(sync)

    assert sync.end(HILL, FID, ID, "blob.unknown", NOW)

    assert ask(sync, now_ms=NOW + DENIED_MS - 1) == []
    assert ask(sync, now_ms=NOW + DENIED_MS) == [(0, STRETCH - 1)]


def test_peer_that_said_no_is_asked_again_when_things_may_have_changed() -> None:
    sync = wanting()
    ask(sync)
    sync.end(HILL, FID, ID, "blob.unknown", NOW)

    sync.retry()

    assert ask(sync) == [(0, STRETCH - 1)]


def test_blob_is_denied_once_every_link_said_no() -> None:
    sync = wanting()
    ask(sync, HILL)
    sync.end(HILL, FID, ID, "blob.unknown", NOW)

    assert sync.is_denied(ID, [HILL], NOW)
    assert not sync.is_denied(ID, [HILL, DALE], NOW)
    assert not sync.is_denied(ID, [HILL], NOW + DENIED_MS)
    assert sync.is_denied(ID, [], NOW)
    assert not sync.is_denied(other(1), [], NOW)


def test_no_of_an_ended_link_is_forgotten() -> None:
    sync = wanting()
    ask(sync)
    sync.end(HILL, FID, ID, "blob.unknown", NOW)

    sync.leave(HILL)

    assert ask(sync) == [(0, STRETCH - 1)]


# --- what a peer may not do


@pytest.mark.parametrize(
    ("index", "fid", "link", "reason"),
    [
        (1, FID, HILL, "a piece left out"),
        (STRETCH, FID, HILL, "beyond the last one asked for"),
        (0, OTHER, HILL, "in another federation"),
        (0, FID, DALE, "from one that was asked nothing"),
    ],
)
def test_piece_that_was_not_asked_for_now_is_refused(
    index: int, fid: FederationId, link: str, reason: str
) -> None:
    sync = wanting()
    ask(sync)

    with pytest.raises(RemoteProtocolError, match=r"blob\.piece"):
        sync.receive(link, fid, piece(index), NOW)


def test_pieces_without_end_are_refused_behind_the_last_one_asked_for() -> None:
    sync = wanting()
    ask(sync)
    for index in range(STRETCH):
        sync.receive(HILL, FID, piece(index), NOW)

    with pytest.raises(RemoteProtocolError, match=r"blob\.piece"):
        sync.receive(HILL, FID, piece(STRETCH), NOW)


def test_same_piece_twice_is_refused() -> None:
    sync = wanting()
    ask(sync)
    sync.receive(HILL, FID, piece(0), NOW)

    with pytest.raises(RemoteProtocolError, match=r"blob\.piece"):
        sync.receive(HILL, FID, piece(0), NOW)


@pytest.mark.parametrize(
    "wrong",
    [piece(0, data=bytes(BLOB_PIECE)[:-1] + b"x"), piece(0, size=len(DATA) - 1)],
    ids=["other bytes", "another size"],
)
def test_wrong_piece_is_refused_and_asked_of_another(wrong: BlobPiece) -> None:
    sync = wanting()
    ask(sync)

    with pytest.raises(RemoteProtocolError, match=r"blob\.piece"):
        sync.receive(HILL, FID, wrong, NOW)

    sync.leave(HILL)
    assert ask(sync, DALE) == [(0, STRETCH - 1)]


def test_right_piece_of_a_blob_whose_size_we_were_told_wrong_is_nobodys_fault() -> None:
    sync = wanting(size=len(DATA) + 1)
    ask(sync)

    assert sync.receive(HILL, FID, piece(0), NOW) is Receipt.OTHER_SIZE


def test_piece_of_a_blob_that_is_not_wanted_any_more_is_let_pass() -> None:
    sync = wanting()
    ask(sync)
    sync.drop(ID)

    assert sync.receive(HILL, FID, piece(0), NOW) is Receipt.KNOWN
    assert sync.end(HILL, FID, ID, "ok", NOW)


def test_end_of_what_was_not_asked_for_is_refused() -> None:
    sync = wanting()

    with pytest.raises(RemoteProtocolError, match=r"blob\.piece"):
        sync.end(HILL, FID, ID, "ok", NOW)


def test_peer_that_says_it_sent_all_and_did_not_is_told_of() -> None:
    sync = wanting()
    ask(sync)
    sync.receive(HILL, FID, piece(0), NOW)

    assert not sync.end(HILL, FID, ID, "ok", NOW)
    assert sync.is_denied(ID, [HILL], NOW)


def test_peer_that_owes_an_answer_and_sends_nothing_is_stalled() -> None:
    sync = wanting()

    assert not sync.is_stalled(HILL, NOW, 10)
    assert not sync.is_asking(HILL)
    ask(sync)

    assert sync.is_asking(HILL)
    assert not sync.is_stalled(HILL, NOW + 10, 10)
    assert sync.is_stalled(HILL, NOW + 11, 10)


def test_peer_that_sends_anything_is_not_stalled() -> None:
    sync = wanting()
    ask(sync)

    sync.hear(HILL, NOW + 5)
    sync.hear(DALE, NOW + 5)

    assert not sync.is_stalled(HILL, NOW + 15, 10)


def test_peer_that_is_asked_anew_has_its_time_from_then() -> None:
    sync = wanting()
    ask(sync)
    sync.end(HILL, FID, ID, "blob.unknown", NOW)
    assert not sync.is_stalled(HILL, NOW + DENIED_MS, 10)

    ask(sync, now_ms=NOW + DENIED_MS)

    assert not sync.is_stalled(HILL, NOW + DENIED_MS + 10, 10)


# --- what a peer is sent


def stretch(number: int = 0, first: int = 0, last: int = 1) -> Stretch:
    return Stretch(fid=FID, id=other(number), first=first, last=last)


def test_answers_go_piece_by_piece_in_the_order_of_the_questions() -> None:
    answers = BlobAnswers()
    answers.hear(stretch(1))
    answers.hear(stretch(2))

    answers.sent()
    assert answers.next() == stretch(1, first=1)
    answers.close()
    assert answers.next() == stretch(2)
    answers.close()

    assert answers.next() is None


def test_more_questions_than_four_at_a_time_are_refused() -> None:
    answers = BlobAnswers()
    for number in range(MAX_ASKED):
        answers.hear(stretch(number))

    with pytest.raises(RemoteProtocolError, match=r"blob\.wants"):
        answers.hear(stretch(9))


def test_second_question_for_one_blob_is_refused_until_the_first_is_answered() -> None:
    answers = BlobAnswers()
    answers.hear(stretch(1))

    with pytest.raises(RemoteProtocolError, match=r"blob\.wants"):
        answers.hear(stretch(1, first=5, last=9))

    answers.close()
    answers.hear(stretch(1, first=5, last=9))


# --- a federation is withdrawn


def test_peer_of_a_withdrawn_federation_owes_nothing_in_it() -> None:
    sync = wanting()
    ask(sync)

    sync.withdraw(HILL, frozenset({OTHER}))
    sync.withdraw(DALE, frozenset())

    assert not sync.is_asking(HILL)
    assert ask(sync, DALE) == [(0, STRETCH - 1)]


def test_question_in_a_federation_that_stays_is_kept() -> None:
    sync = wanting()
    ask(sync)

    sync.withdraw(HILL, frozenset({FID}))

    assert sync.is_asking(HILL)


def test_answers_in_a_withdrawn_federation_are_dropped() -> None:
    answers = BlobAnswers()
    answers.hear(Stretch(fid=FID, id=ID, first=0, last=3))
    stays = Stretch(fid=OTHER, id=other(1), first=0, last=3)
    answers.hear(stays)

    answers.withdraw(frozenset({OTHER}))

    assert answers.next() == stays
