"""Treaties in a charter: adopted, limited and ended by certificates (spec chapter 09)."""

from __future__ import annotations

import pytest
from msgspec import UNSET, structs

from sheaf_protocol.charter import (
    Charter,
    Federation,
    TreatyInForce,
    federation_of,
    next_charter,
    touched,
)
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import Digest, FederationId
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.records.governance import Change
from sheaf_protocol.testing.author import LogAuthor, make_coop, make_federation
from sheaf_protocol.testing.epoch import about, lines_of
from sheaf_protocol.treaty import Direction, Treaty, treaty_id

HILL, FORD = make_coop("Hill"), make_coop("Ford")
FEDERATION = federation_of(make_federation([(HILL, ["member"]), (FORD, ["bridge", "member"])]))
BEFORE = FEDERATION.charter


def treaty_with(fid: FederationId, nonce: bytes = bytes(16)) -> bytes:
    direction = Direction(
        categories=[], hops=1, ids=[], kinds=[], per_day=1, regions=[], removed=[]
    )
    treaty = Treaty(
        bridges=[FORD.cid],
        directions=[direction, direction],
        expires_ms=1,
        nonce=nonce,
        parties=sorted([fid, FederationId(b"f" * 32)]),
        title="Lambs",
        v=1,
    )
    return encode(treaty)


TREATY = treaty_with(FEDERATION.fid)
ADOPT = Change(action="treaty", treaty=TREATY)


def level(name: str, per_day: int | None = None) -> Change:
    return Change(
        action="treaty_level",
        level=name,  # type: ignore[arg-type]  # a level
        per_day=UNSET if per_day is None else per_day,
        treaty_id=treaty_id(TREATY),
    )


def after(change: Change, before: Charter = BEFORE) -> Charter:
    lines = lines_of(touched(before, change), [])
    return next_charter(before, FEDERATION.id, FEDERATION.fid, change, lines=lines)


def refusal(change: Change, before: Charter = BEFORE) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        after(change, before)
    return caught.value.code


def full() -> Charter:
    charter = BEFORE
    for number in range(1, 17):
        body = treaty_with(FEDERATION.fid, bytes([number]) * 16)
        charter = after(Change(action="treaty", treaty=body), charter)
    return charter


ADOPTED = after(ADOPT)
PAUSED = after(level("pause"), ADOPTED)


def test_treaty_is_in_force_from_the_certificate_on() -> None:
    (treaty,) = ADOPTED.treaties

    assert (treaty.id, treaty.level, treaty.per_day) == (treaty_id(TREATY), "allow", UNSET)


def test_treaties_are_listed_in_order_of_their_ids() -> None:
    ids = [treaty.id for treaty in full().treaties]

    assert ids == sorted(ids)


def test_limited_treaty_has_a_rate_until_another_level() -> None:
    limited = after(level("limit", 3), ADOPTED)

    paused = after(level("pause"), limited)

    assert [(t.level, t.per_day) for t in limited.treaties] == [("limit", 3)]
    assert [(t.level, t.per_day) for t in paused.treaties] == [("pause", UNSET)]


def test_ended_treaty_leaves_the_list() -> None:
    assert after(level("end"), ADOPTED).treaties == []


@pytest.mark.parametrize(
    ("change", "before", "code"),
    [
        pytest.param(Change(action="treaty"), BEFORE, "charter.change", id="no-treaty"),
        pytest.param(
            structs.replace(level("pause"), level=UNSET), ADOPTED, "charter.change", id="no-level"
        ),
        pytest.param(level("pause"), PAUSED, "charter.change", id="level-it-has"),
        pytest.param(level("pause"), BEFORE, "charter.change", id="not-in-force"),
        pytest.param(level("end", 1), ADOPTED, "charter.change", id="end-with-a-rate"),
        pytest.param(ADOPT, full(), "charter.change", id="seventeen"),
        pytest.param(ADOPT, ADOPTED, "charter.treaties", id="twice"),
        pytest.param(level("limit"), ADOPTED, "charter.treaties", id="limit-without-rate"),
        pytest.param(level("pause", 1), ADOPTED, "charter.treaties", id="rate-without-limit"),
        pytest.param(
            Change(action="treaty", treaty=b"\x80"), BEFORE, "schema.invalid", id="unreadable"
        ),
        pytest.param(
            Change(action="treaty", treaty=treaty_with(FederationId(b"a" * 32))),
            BEFORE,
            "treaty.parties",
            id="of-others",
        ),
        pytest.param(
            ADOPT, after(about("suspend", FORD)), "treaty.bridges", id="over-a-suspended-bridge"
        ),
    ],
)
def test_treaty_that_cannot_be_adopted_or_changed_so_is_refused(
    change: Change, before: Charter, code: str
) -> None:
    assert refusal(change, before) == code


def test_entries_of_bridges_are_judged_by_the_treaties_above_their_lines() -> None:
    bridge = LogAuthor(FORD, FEDERATION.fid)
    bridge.append("x.note", b"\x80")
    lines = lines_of([FORD.cid], [bridge])
    charter = next_charter(BEFORE, FEDERATION.id, FEDERATION.fid, ADOPT, lines=lines)

    later = FEDERATION.after(Digest(b"n" * 32), charter)

    assert touched(BEFORE, ADOPT) == [FORD.cid]
    assert treaties_at(later, 1) == []
    assert treaties_at(later, 2) == charter.treaties
    listed = charter.treaties[0].id
    assert [later.standing(FORD.cid, FORD.wid, seq).level_of(listed) for seq in (1, 2)] == [
        None,
        "allow",
    ]


def treaties_at(federation: Federation, seq: int) -> list[TreatyInForce]:
    return [*federation.standing(FORD.cid, FORD.wid, seq).treaties]
