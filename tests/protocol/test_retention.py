from dataclasses import replace
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheaf_protocol.charter import found
from sheaf_protocol.digest import EntryId, FederationId, WriterId
from sheaf_protocol.envelope import Envelope, Header, body_of, open_header
from sheaf_protocol.identity import Writer, signing_key
from sheaf_protocol.limits import ERASE_AFTER_MS, EXPIRE_GRACE_MS, RETENTION_MS
from sheaf_protocol.records import Erase, Restore, decode_record
from sheaf_protocol.retention import (
    LASTING,
    Mark,
    is_erased,
    is_expired,
    is_retired,
    mark_of,
    may_drop_payload,
)
from sheaf_protocol.subscription import Filter, matches, wants_kind
from sheaf_protocol.testing.author import LogAuthor, TestCoop, make_coop, make_federation

MILL, HILL = make_coop("Mill"), make_coop("Hill Farm")
CERTIFICATE = make_federation([(MILL, ["member"]), (HILL, ["carrier"])])
FID = CERTIFICATE.fid
OTHER_FID = FederationId(b"o" * 32)
SECOND_WRITER = signing_key(b"second".ljust(32))


def mark(envelope: Envelope) -> Mark:
    header = open_header(envelope)
    made = mark_of(envelope.id, header, decode_record(header.kind, body_of(envelope.payload)))
    assert made is not None
    return made


class Scene:
    """A note of the co-op Mill, and what its writers and another co-op say about it."""

    def __init__(self) -> None:
        self.author = LogAuthor(MILL, FID)
        self.note = self.author.append("x.note", b"\x80")
        self.header = open_header(self.note)

    def erase(self, author: LogAuthor | None = None) -> Mark:
        return mark((author or self.author).publish(Erase(entry=self.note.id)))

    def restore(self, erase: Mark, author: LogAuthor | None = None, after_ms: int = 0) -> Mark:
        author = author or self.author
        author.now_ms = erase.time_ms + after_ms
        return mark(author.publish(Restore(erase=erase.id)))

    def is_erased(self, *marks: Mark) -> bool:
        return is_erased(self.note.id, self.header, marks)


def test_entry_that_nothing_names_is_not_erased() -> None:
    assert not Scene().is_erased()


def test_erase_of_its_own_writer_counts() -> None:
    scene = Scene()

    assert scene.is_erased(scene.erase())


def test_erase_of_another_writer_of_the_co_op_counts() -> None:
    scene = Scene()

    assert scene.is_erased(scene.erase(LogAuthor(MILL, FID, writer=SECOND_WRITER)))


def test_erase_of_another_co_op_has_no_effect() -> None:
    scene = Scene()

    assert not scene.is_erased(scene.erase(LogAuthor(HILL, FID)))


def test_erase_in_another_federation_has_no_effect() -> None:
    scene = Scene()

    assert not scene.is_erased(scene.erase(LogAuthor(MILL, OTHER_FID)))


def test_erase_of_another_entry_has_no_effect() -> None:
    scene = Scene()
    other = scene.author.append("x.note", b"\x80")

    assert not scene.is_erased(mark(scene.author.publish(Erase(entry=other.id))))


@pytest.mark.parametrize(
    "record", [Erase(entry=EntryId(bytes(32))), Restore(erase=EntryId(bytes(32)))]
)
def test_what_erases_or_restores_cannot_be_erased(record: Erase | Restore) -> None:
    author = LogAuthor(MILL, FID)
    target = author.publish(record)
    erase = mark(author.publish(Erase(entry=target.id)))

    assert not is_erased(target.id, open_header(target), [erase])


def test_entry_of_another_kind_marks_nothing() -> None:
    scene = Scene()

    assert mark_of(scene.note.id, scene.header, None) is None


@pytest.mark.parametrize(("after_ms", "expected"), [(0, False), (ERASE_AFTER_MS, False)])
def test_restore_within_three_days_takes_the_erase_back(after_ms: int, expected: bool) -> None:
    scene = Scene()
    erase = scene.erase()

    assert scene.is_erased(erase, scene.restore(erase, after_ms=after_ms)) is expected


def test_restore_after_three_days_has_no_effect() -> None:
    scene = Scene()
    erase = scene.erase()

    assert scene.is_erased(erase, scene.restore(erase, after_ms=ERASE_AFTER_MS + 1))


def test_restore_of_another_co_op_has_no_effect() -> None:
    scene = Scene()
    erase = scene.erase()

    assert scene.is_erased(erase, scene.restore(erase, LogAuthor(HILL, FID)))


def test_each_erase_is_to_be_taken_back() -> None:
    scene = Scene()
    first, second = scene.erase(), scene.erase()

    assert scene.is_erased(first, second, scene.restore(first))


def test_entry_may_be_erased_again_after_a_restore() -> None:
    scene = Scene()
    first = scene.erase()
    restore = scene.restore(first)

    assert scene.is_erased(first, restore, scene.erase())


def told() -> tuple[Scene, list[Mark]]:
    """Two erases of two writers, three restores of which one is late, and a stranger's words."""
    scene = Scene()
    second, stranger = LogAuthor(MILL, FID, writer=SECOND_WRITER), LogAuthor(HILL, FID)
    first, other = scene.erase(), scene.erase(second)
    return scene, [
        first,
        other,
        scene.erase(stranger),
        scene.restore(first, second, after_ms=5),
        scene.restore(other, stranger, after_ms=5),
        scene.restore(other, after_ms=ERASE_AFTER_MS + 1),
    ]


@given(st.permutations(range(6)), st.sets(st.integers(0, 5)))
def test_order_of_arrival_changes_nothing(order: list[int], heard: set[int]) -> None:
    scene, marks = told()

    is_gone = scene.is_erased(*(marks[at] for at in order if at in heard))

    assert is_gone is (1 in heard or (0 in heard and 3 not in heard))


@pytest.mark.parametrize("coop", [MILL, HILL])
@pytest.mark.parametrize("kind", ["entry.erase", "entry.restore"])
def test_every_member_may_erase_and_restore(coop: TestCoop, kind: str) -> None:
    federation = found(CERTIFICATE, {each.cid: each.keys for each in (MILL, HILL)})

    assert federation.may(coop.cid, kind)
    assert not federation.may(make_coop("Stranger").cid, kind)


def expiring(expires_ms: int, kind: str = "x.note") -> Header:
    envelope = LogAuthor(MILL, FID).append(kind, b"\x80", expires_ms=expires_ms)
    return open_header(envelope)


def test_payload_without_an_end_never_expires() -> None:
    assert not is_expired(expiring(0), 2**53)
    assert not may_drop_payload(expiring(0), 2**53)


def test_payload_need_not_be_asked_for_from_its_end_on() -> None:
    header = expiring(1_000)

    assert (is_expired(header, 999), is_expired(header, 1_000)) == (False, True)


def test_expired_payload_is_kept_for_a_week() -> None:
    header, end_ms = expiring(1_000), 1_000 + EXPIRE_GRACE_MS

    assert [may_drop_payload(header, now) for now in (end_ms - 1, end_ms)] == [False, True]


def test_erased_payload_is_kept_for_three_days_of_the_nodes_own_clock() -> None:
    header, end_ms = expiring(0), 5_000 + ERASE_AFTER_MS

    dropped = [may_drop_payload(header, now, erased_at_ms=5_000) for now in (end_ms - 1, end_ms)]

    assert dropped == [False, True]


def test_expiry_goes_on_while_an_erase_waits() -> None:
    header = expiring(1_000)

    now_ms = 1_000 + EXPIRE_GRACE_MS
    assert may_drop_payload(header, now_ms, erased_at_ms=now_ms)


@pytest.mark.parametrize("kind", ["entry.erase", "entry.restore"])
def test_payload_of_what_erases_is_never_dropped(kind: str) -> None:
    header = expiring(1_000, kind)

    assert not may_drop_payload(header, 2**53)
    assert not may_drop_payload(header, 2**53, erased_at_ms=0)


@pytest.mark.parametrize("kind", ["entry.erase", "entry.restore"])
def test_what_erases_is_wanted_by_every_subscriber(kind: str) -> None:
    wanted = Filter(kinds=["verdict"], regions=["NORTH"])

    assert wants_kind(wanted, kind)
    assert matches(wanted, kind, {"zone": "SOUTH"})


def writer(*, is_closed: bool, expires_ms: int | None) -> Writer:
    return Writer(wid=WriterId(bytes(32)), expires_ms=expires_ms, is_closed=is_closed)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (writer(is_closed=True, expires_ms=7), True),
        (writer(is_closed=True, expires_ms=8), False),  # 400 days to the millisecond
        (writer(is_closed=False, expires_ms=7), False),  # may be closed with any cut yet
        (writer(is_closed=True, expires_ms=None), False),  # its cuts alone say what counts
    ],
)
def test_log_retires_400_days_after_the_delegation_of_a_closed_writer(
    made: Writer, expected: bool
) -> None:
    assert is_retired(made, 8 + RETENTION_MS) is expected


def test_thousands_of_erases_and_restores_are_looked_through_once() -> None:
    scene = Scene()
    erases = [scene.erase() for _ in range(300)]
    one = [replace(erase, id=EntryId(n.to_bytes(32))) for n in range(100) for erase in erases]
    back = [replace(erase, target=erase.id, is_restore=True) for erase in one]
    began = process_time()

    assert not scene.is_erased(*one, *back)
    assert process_time() - began < 5  # where each is compared with each, minutes


def test_earliest_restore_of_an_erase_decides() -> None:
    scene = Scene()
    erase = scene.erase()
    late = scene.restore(erase, after_ms=ERASE_AFTER_MS + 1)
    timely = replace(late, time_ms=erase.time_ms)

    assert not scene.is_erased(erase, late, timely)
    assert not scene.is_erased(erase, timely, late)
    assert scene.is_erased(erase, late)


@pytest.mark.parametrize("kind", sorted(LASTING))
def test_what_others_are_read_by_is_never_dropped(kind: str) -> None:
    author = LogAuthor(MILL, FID)
    said = author.append(kind, b"\x80", expires_ms=1)
    header = open_header(said)
    erase = mark(author.publish(Erase(entry=said.id)))

    assert not is_erased(said.id, header, [erase])
    assert not is_expired(header, header.time_ms)
    assert not may_drop_payload(header, header.time_ms * 2, erased_at_ms=0)
