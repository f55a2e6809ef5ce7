"""Spec 16, sections 3 and 4: what two federations may agree to, and how much of it holds."""

from typing import Any

import pytest
from msgspec import UNSET, structs
from tests.protocol.crossing import DAY_MS, HILL, REACH, SPAN, World, direction, treaty_between

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import FederationId
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.records.bridge import TreatyBrake
from sheaf_protocol.treaty import (
    Braking,
    DayCount,
    IdMap,
    Terms,
    Treaty,
    read_treaty,
    require_fits,
    require_readable,
    treaty_id,
)

WORLD = World()
NORTH, SOUTH = WORLD.north, WORLD.south
BRIDGES = {SPAN.cid, REACH.cid}
MILK = IdMap(field="item", ours="milk", theirs="lait")


def treaty(**changes: Any) -> Treaty:
    return treaty_between(NORTH, SOUTH, **changes)


def refused(made: Treaty, fid: FederationId = NORTH.fid) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        require_fits(made, fid, BRIDGES)
    return caught.value.code


def brake(**changes: Any) -> TreatyBrake:
    plain = TreatyBrake(level="pause", reason="Odd orders", treaty=treaty_id(encode(treaty())))
    return structs.replace(plain, **changes)


def test_both_parties_may_adopt_a_treaty() -> None:
    made = treaty(ids=[MILK], categories=["dairy"], regions=["HILLS"], removed=["lead_days"])

    for land in (NORTH, SOUTH):
        require_fits(made, land.fid, BRIDGES)


def test_treaty_is_read_as_it_was_written() -> None:
    made = treaty(ids=[MILK])

    assert read_treaty(encode(made)) == made


def test_direction_is_that_of_the_federation_left() -> None:
    made = treaty(ids=[MILK])

    assert made.direction(NORTH.fid).ids == [MILK]
    assert made.direction(SOUTH.fid).ids == [IdMap(field="item", ours="lait", theirs="milk")]
    assert made.other(NORTH.fid) == SOUTH.fid
    assert made.other(SOUTH.fid) == NORTH.fid


def test_federation_that_is_no_party_adopts_nothing() -> None:
    assert refused(treaty(), WORLD.east.fid) == "treaty.parties"


@pytest.mark.parametrize(
    ("parties", "reason"),
    [([NORTH.fid, NORTH.fid], "one party"), (sorted([NORTH.fid, SOUTH.fid])[::-1], "descending")],
)
def test_parties_are_two_in_order(parties: list[FederationId], reason: str) -> None:
    assert refused(treaty(parties=parties)) == "treaty.parties", reason


@pytest.mark.parametrize(
    ("bridges", "reason"),
    [([SPAN.cid, SPAN.cid], "twice"), ([HILL.cid], "no bridge here")],
)
def test_bridges_are_members_in_that_role(bridges: list[Any], reason: str) -> None:
    assert refused(treaty(bridges=bridges)) == "treaty.bridges", reason


@pytest.mark.parametrize(
    "kind",
    [
        *("ballot.vote", "bridge.import", "charter.accept", "entry.erase", "member.leave"),
        *("curve.bid", "curve.opening", "demand.submit", "demand.withdraw"),
        *("order.place", "order.response", "treaty.brake"),
    ],
)
def test_what_belongs_at_home_is_in_no_treaty(kind: str) -> None:
    assert refused(treaty(kinds=[kind])) == "treaty.kinds"


@pytest.mark.parametrize(
    "listed",
    [
        {"categories": ["dairy", "dairy"]},
        {"kinds": ["sealed", "offer.submit"]},
        {"regions": ["WOLDS", "HILLS"]},
        {"removed": ["window", "lead_days"]},
        {"ids": [MILK, structs.replace(MILK, ours="ale", theirs="biere")]},
        {"ids": [MILK, structs.replace(MILK, theirs="leche")]},
    ],
)
def test_lists_ascend_without_repeats(listed: dict[str, Any]) -> None:
    assert refused(treaty(**listed)) == "treaty.order"


def test_ids_of_one_direction_undo_those_of_the_other() -> None:
    there, back = direction(ids=[MILK]), direction()

    assert refused(treaty(directions=[there, back])) == "treaty.ids"


@pytest.mark.parametrize(
    ("out", "back", "reason"),
    [
        (["cream", "milk"], ["lait"], "treaty.ids"),
        (["cream", "milk"], ["lait", "lait"], "treaty.order"),
    ],
)
def test_two_ids_that_would_become_one_are_refused(
    out: list[str], back: list[str], reason: str
) -> None:
    there = direction(ids=[structs.replace(MILK, ours=name) for name in out])
    turned = zip(back, out, strict=False)
    ids = [structs.replace(MILK, ours=name, theirs=theirs) for name, theirs in turned]

    assert refused(treaty(directions=[there, direction(ids=ids)])) == reason


def test_names_may_be_swapped() -> None:
    ids = [
        structs.replace(MILK, ours="ale", theirs="beer"),
        structs.replace(MILK, ours="beer", theirs="ale"),
    ]

    require_fits(treaty(ids=ids), NORTH.fid, BRIDGES)


@pytest.mark.parametrize(
    ("limited", "key"),
    [
        ({"categories": ["dairy"]}, "category"),
        ({"categories": ["dairy"]}, "item"),
        ({"regions": ["HILLS"]}, "zone"),
    ],
)
def test_what_decides_whether_an_entry_crosses_is_not_removed(
    limited: dict[str, Any], key: str
) -> None:
    assert refused(treaty(**limited, removed=[key])) == "treaty.removed"


@pytest.mark.parametrize("key", ["tiers", "name", "item"])
def test_treaty_that_leaves_a_record_unreadable_is_not_proposed(key: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        require_readable(treaty(removed=[key]))

    assert caught.value.code == "treaty.unreadable"


@pytest.mark.parametrize("removed", [["carriage", "category", "lead_days"], []])
def test_treaty_that_removes_what_a_record_can_do_without_is_proposed(removed: list[str]) -> None:
    require_readable(treaty(removed=removed))


@pytest.mark.parametrize(
    ("level", "per_day", "most"),
    [("allow", UNSET, 2), ("limit", 1, 1), ("limit", 9, 2), ("pause", UNSET, 0), ("end", UNSET, 0)],
)
def test_level_says_how_many_cross_on_a_day(level: Any, per_day: Any, most: int) -> None:
    terms = Terms.of(encode(treaty()), level, per_day)

    assert terms.most(terms.treaty.direction(NORTH.fid)) == most


@pytest.mark.parametrize(
    ("level", "brakes", "expected"),
    [
        ("allow", [], ("allow", None)),
        ("allow", [brake()], ("pause", None)),
        ("allow", [brake(level="limit", per_day=1)], ("limit", 1)),
        ("allow", [brake(level="limit", per_day=3), brake(level="limit", per_day=1)], ("limit", 1)),
        ("pause", [brake(level="allow")], ("pause", None)),
        ("allow", [brake(treaty=bytes(32))], ("allow", None)),
    ],
)
def test_strictest_brake_holds(level: Any, brakes: list[TreatyBrake], expected: Any) -> None:
    terms = Terms.of(encode(treaty()), level)
    stewards = (HILL.cid, SPAN.cid)
    brakings = [Braking(cid, 0, each) for cid, each in zip(stewards, brakes, strict=False)]

    braked = terms.braked(brakings, now_ms=0, lasts_ms=DAY_MS)

    assert (braked.level, braked.per_day) == expected


@pytest.mark.parametrize(
    ("brakings", "now_ms", "level"),
    [
        ([(HILL, 0, "pause")], DAY_MS, "pause"),
        ([(HILL, 0, "pause")], DAY_MS + 1, "allow"),
        ([(HILL, 0, "pause"), (HILL, 1, "allow")], 1, "allow"),
        ([(HILL, 1, "allow"), (HILL, 0, "pause")], 1, "allow"),
        ([(HILL, 0, "pause"), (SPAN, 1, "allow")], 1, "pause"),
    ],
)
def test_brake_lasts_until_its_author_brakes_again_or_a_vote_is_over(
    brakings: list[Any], now_ms: int, level: str
) -> None:
    terms = Terms.of(encode(treaty()), "allow")
    heard = [Braking(coop.cid, time_ms, brake(level=each)) for coop, time_ms, each in brakings]

    assert terms.braked(heard, now_ms, DAY_MS).level == level


@pytest.mark.parametrize(
    ("level", "per_day"), [("limit", UNSET), ("pause", 1), ("allow", 0), ("end", UNSET)]
)
def test_brake_has_a_rate_with_limit_alone_and_ends_nothing(level: str, per_day: Any) -> None:
    rate = {} if per_day is UNSET else {"per_day": per_day}
    body = encode({"level": level, "reason": "", "treaty": bytes(32), **rate})

    with pytest.raises(RemoteProtocolError) as caught:
        decode(body, TreatyBrake)

    assert caught.value.code == "schema.invalid"


def test_day_is_full_at_its_most_and_the_next_is_empty() -> None:
    count = DayCount()
    count.add(DAY_MS - 1, 1)
    count.add(DAY_MS, 1)

    with pytest.raises(RemoteProtocolError) as caught:
        count.add(2 * DAY_MS - 1, 1)

    assert caught.value.code == "bridge.rate"


def test_what_was_refused_takes_no_place_of_the_day() -> None:
    count = DayCount()
    with pytest.raises(RemoteProtocolError):
        count.add(0, 0)

    count.add(0, 1)
