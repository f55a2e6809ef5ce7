"""Which writers were open at a place of a key log, whatever came later (spec chapter 02)."""

import pytest

from sheaf_protocol.digest import Digest, WriterId
from sheaf_protocol.identity import KeyLog, signing_key
from sheaf_protocol.testing.author import TestCoop, make_coop

SECOND = signing_key(b"2" * 32)
WID = WriterId(SECOND.public)


def coop_with_second_writer() -> TestCoop:
    coop = make_coop("Hill Farm")
    coop.delegate(SECOND, 2**40)
    return coop


def places(log: KeyLog, wid: WriterId) -> list[bool]:
    """Return whether a writer was open after each operation, first to last."""
    return [log.has_writer_at(head, wid) for head in log.heads]


def test_writer_is_open_from_its_delegation_on() -> None:
    log = coop_with_second_writer().keys

    assert places(log, WID) == [False, False, False, True]


def test_writer_is_open_up_to_its_close() -> None:
    coop = coop_with_second_writer()
    coop.close({}, SECOND)
    coop.delegate(signing_key(b"3" * 32), 2**40)

    assert places(coop.keys, WID) == [False, False, False, True, False, False]


@pytest.mark.parametrize("end", [TestCoop.revoke, TestCoop.rotate])
def test_writer_is_open_up_to_what_ends_it(end: object) -> None:
    coop = coop_with_second_writer()

    end(coop, {SECOND: {}})  # type: ignore[operator]  # a method of the co-op

    assert places(coop.keys, WID) == [False, False, False, True, False]


def test_later_cuts_do_not_open_a_closed_writer_longer() -> None:
    coop = coop_with_second_writer()
    coop.close({}, SECOND)
    coop.revoke({SECOND: {}})

    assert places(coop.keys, WID) == [False, False, False, True, False, False]


def test_writer_that_only_a_revocation_names_was_never_open() -> None:
    coop = make_coop("Hill Farm")
    coop.revoke({SECOND: {}})
    coop.revoke({SECOND: {}})

    assert places(coop.keys, WID) == [False] * 5


def test_writer_is_open_at_no_place_that_the_log_lacks() -> None:
    log = coop_with_second_writer().keys

    assert not log.has_writer_at(Digest(b"h" * 32), WID)
    assert not log.has_writer_at(log.head, WriterId(b"w" * 32))
