import pytest
from msgspec import UNSET

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.records.recovery import WRITER_KINDS
from sheaf_protocol.retention import ERASING
from sheaf_protocol.subscription import (
    Filter,
    awaits,
    category_of,
    kinds_of,
    matches,
    region_of,
    wants_kind,
)

LINE = {"item": {"category": "feed"}, "zone": "NORTH"}


def test_empty_filter_wants_everything() -> None:
    wanted = Filter()

    assert wanted.is_whole
    assert not wanted.looks_inside
    assert matches(wanted, "demand.submit", LINE)


@pytest.mark.parametrize(
    ("wanted", "kind", "body", "expected"),
    [
        (Filter(kinds=["demand.submit"]), "demand.submit", LINE, True),
        (Filter(kinds=["demand.submit"]), "offer.submit", LINE, False),
        (Filter(categories=["feed"]), "demand.submit", LINE, True),
        (Filter(categories=["paper"]), "demand.submit", LINE, False),
        (Filter(regions=["NORTH", "SOUTH"]), "demand.submit", LINE, True),
        (Filter(regions=["SOUTH"]), "demand.submit", LINE, False),
        (Filter(categories=["feed"], regions=["SOUTH"]), "demand.submit", LINE, False),
        (Filter(categories=["paper"]), "verdict", {"code": "ok"}, True),
        (Filter(regions=["SOUTH"]), "x.note", "text", True),
        (Filter(categories=["paper"]), "sealed", LINE, True),
        (Filter(kinds=["verdict"]), "sealed", LINE, False),
        (Filter(kinds=["verdict"]), "entry.erase", {"entry": b""}, True),
        (Filter(categories=["paper"]), "entry.restore", LINE, True),
    ],
)
def test_payload_is_wanted_where_it_fits_each_list(
    wanted: Filter, kind: str, body: object, expected: bool
) -> None:
    assert matches(wanted, kind, body) is expected


def test_kinds_are_told_with_those_that_everyone_wants() -> None:
    told = kinds_of(Filter(kinds=["verdict"]))

    assert told == sorted({"verdict", *ERASING, *WRITER_KINDS})
    assert kinds_of(Filter(regions=["SOUTH"])) is None


def test_header_alone_tells_whether_a_kind_is_wanted_at_all() -> None:
    wanted = Filter(kinds=["verdict"], regions=["SOUTH"])

    assert wants_kind(wanted, "verdict")
    assert not wants_kind(wanted, "offer.submit")
    assert wanted.looks_inside


@pytest.mark.parametrize(
    ("body", "category", "region"),
    [
        ({"category": "a", "item": {"category": "b"}, "zone": "N"}, "a", "N"),
        ({"item": {"category": "b"}, "region": "R"}, "b", "R"),
        ({"category": 7, "zone": ["N"]}, None, None),
        ({"item": "feed"}, None, None),
    ],
)
def test_topics_stand_at_fixed_places_of_a_body(
    body: dict[str, object], category: str | None, region: str | None
) -> None:
    assert category_of(body) == category
    assert region_of(body) == region


def test_filter_travels_without_the_lists_it_does_not_have() -> None:
    wanted = Filter(kinds=["verdict"])

    assert decode(encode(wanted), Filter) == wanted
    assert decode(encode(wanted), Filter).regions is UNSET


@pytest.mark.parametrize(
    ("wanted", "kind", "expected"),
    [
        (Filter(), "offer.submit", True),
        (Filter(kinds=["offer.submit"]), "offer.submit", True),
        (Filter(kinds=["verdict"]), "offer.submit", False),
        (Filter(regions=["SOUTH"]), "offer.submit", False),
        (Filter(regions=["SOUTH"]), "sealed", True),
        (Filter(kinds=["verdict"], regions=["SOUTH"]), "entry.erase", True),
    ],
)
def test_log_waits_for_a_payload_that_nobody_may_leave_out(
    wanted: Filter, kind: str, expected: bool
) -> None:
    assert awaits(wanted, kind) is expected
