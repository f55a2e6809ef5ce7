import msgspec
import pytest

from sheaf_protocol.digest import EntryId, FederationId, WriterId
from sheaf_protocol.envelope import Envelope, Header, open_header
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.identity import KeyLog
from sheaf_protocol.log import (
    EMPTY,
    Head,
    Place,
    place,
    require_next,
    require_writer,
)
from sheaf_protocol.testing.author import START_MS, LogAuthor, make_coop, make_federation

COOP = make_coop("Hill Farm")
FID = make_federation([(COOP, ["member"])]).fid
NOTE = b"\x80"
SOME_ID = EntryId(b"s" * 32)


def author() -> LogAuthor:
    return LogAuthor(COOP, FID)


def header_of(envelope: Envelope, **changes: object) -> Header:
    return msgspec.structs.replace(open_header(envelope), **changes)


def code_of(call: object, *args: object) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        call(*args)  # type: ignore[operator]  # the table below holds functions
    return caught.value.code


def test_first_entry_follows_on_nothing() -> None:
    assert place(EMPTY, header_of(author().append("x.note", NOTE))) is Place.NEXT


def test_each_entry_follows_on_the_one_before() -> None:
    writer = author()
    writer.append("x.note", NOTE)
    head = writer.head

    second = header_of(writer.append("x.note", NOTE))

    assert place(head, second) is Place.NEXT
    require_next(head, second)


SECOND = Head(seq=2, id=EntryId(b"h" * 32), time_ms=START_MS)


@pytest.mark.parametrize(
    ("changes", "stands", "code", "fault"),
    [
        ({"seq": 2}, Place.PAST, "log.past", Fault.SENDER),
        ({"seq": 1}, Place.PAST, "log.past", Fault.SENDER),
        ({"seq": 4}, Place.GAP, "log.gap", Fault.NOT_YET),
        ({"seq": 3, "prev": EntryId(b"x" * 32)}, Place.BAD_PREV, "log.bad_prev", Fault.SENDER),
        ({"seq": 3, "time_ms": START_MS - 1}, Place.BAD_TIME, "log.bad_time", Fault.SENDER),
    ],
)
def test_entry_at_another_place_is_told_apart(
    changes: dict[str, object], stands: Place, code: str, fault: Fault
) -> None:
    header = header_of(author().append("x.note", NOTE), **{"prev": SECOND.id, **changes})

    assert place(SECOND, header) is stands
    with pytest.raises(RemoteProtocolError) as caught:
        require_next(SECOND, header)
    assert (caught.value.code, caught.value.fault) == (code, fault)


def test_first_entry_with_a_predecessor_is_refused() -> None:
    header = header_of(author().append("x.note", NOTE), prev=EntryId(b"x" * 32))

    assert place(EMPTY, header) is Place.BAD_PREV


def test_equal_time_is_allowed() -> None:
    header = header_of(author().append("x.note", NOTE), seq=3, prev=SECOND.id)

    assert place(SECOND, header) is Place.NEXT


def test_delegated_writer_may_sign_until_it_expires() -> None:
    header = header_of(author().append("x.note", NOTE))
    expires = COOP.keys.writers[COOP.wid].expires_ms

    require_writer(COOP.keys, msgspec.structs.replace(header, time_ms=expires), SOME_ID)

    late = msgspec.structs.replace(header, time_ms=expires + 1)
    assert code_of(require_writer, COOP.keys, late, SOME_ID) == "key.expired"


def test_unknown_writer_may_still_be_delegated() -> None:
    header = header_of(author().append("x.note", NOTE), wid=WriterId(b"x" * 32))

    with pytest.raises(RemoteProtocolError) as caught:
        require_writer(COOP.keys, header, SOME_ID)

    assert (caught.value.code, caught.value.fault) == ("key.unknown", Fault.NOT_YET)


OTHER_FID = FederationId(b"f" * 32)
CUT_ID, OTHER_CUT_ID = EntryId(b"c" * 32), EntryId(b"d" * 32)


def closed_keys() -> KeyLog:
    """Return the key log of Hill, whose writer was closed at 7 in one federation, 9 in another."""
    coop = make_coop("Hill Farm")
    coop.close(
        {
            FID: Head(seq=7, id=CUT_ID, time_ms=0),
            OTHER_FID: Head(seq=9, id=OTHER_CUT_ID, time_ms=0),
        }
    )
    return coop.keys


@pytest.mark.parametrize(
    ("fid", "seq", "id_"),
    [
        (FID, 6, SOME_ID),  # below the cut
        (FID, 7, CUT_ID),  # the cut itself
        (OTHER_FID, 8, SOME_ID),  # beyond the cut of another federation
        (OTHER_FID, 9, OTHER_CUT_ID),
    ],
)
def test_closed_writer_may_sign_up_to_its_cut(fid: FederationId, seq: int, id_: EntryId) -> None:
    header = header_of(author().append("x.note", NOTE), fid=fid, seq=seq)

    require_writer(closed_keys(), header, id_)


@pytest.mark.parametrize(
    ("fid", "seq", "id_"),
    [
        (FID, 8, SOME_ID),  # beyond
        (FID, 7, SOME_ID),  # another past than the manager's
        (FID, 7, OTHER_CUT_ID),  # the cut of another federation
        (OTHER_FID, 10, SOME_ID),
        (FederationId(b"u" * 32), 1, SOME_ID),  # the close does not list this federation
    ],
)
def test_closed_writer_may_sign_nothing_else(fid: FederationId, seq: int, id_: EntryId) -> None:
    header = header_of(author().append("x.note", NOTE), fid=fid, seq=seq)

    assert code_of(require_writer, closed_keys(), header, id_) == "key.closed"
