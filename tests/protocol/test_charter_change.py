"""What a change makes of a charter (spec chapter 09)."""

from __future__ import annotations

import pytest
from msgspec import UNSET, structs

from sheaf_protocol.charter import (
    DEFAULT_POLICY,
    Charter,
    Role,
    found,
    moved_heads,
    next_charter,
    quorum,
    touched,
    voters_of,
)
from sheaf_protocol.digest import CoopId, Digest, WriterId
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.limits import MAX_MEMBERS
from sheaf_protocol.records.governance import Change, CoopLines, KeyHead, LogLine
from sheaf_protocol.testing.author import TestCoop, make_coop, make_federation
from sheaf_protocol.testing.epoch import about, admission, keys_of, lines_of

HILL, DALE, MILL, FORD = (make_coop(name) for name in ("Hill", "Dale", "Mill", "Ford"))
NEW = make_coop("New")
GENESIS = make_federation(
    [
        (HILL, ["member"]),
        (DALE, ["coordinator"]),
        (MILL, ["carrier"]),
        (FORD, ["bridge", "service"]),
    ]
)
FEDERATION = found(GENESIS, keys_of([HILL, DALE, MILL, FORD]))
BEFORE = FEDERATION.charter
ALONE = found(make_federation([(HILL, ["member"]), (FORD, ["observer"])]), keys_of([HILL, FORD]))
OPEN_POLICY = structs.replace(DEFAULT_POLICY, version=1, privacy="open")


def after(
    change: Change,
    before: Charter = BEFORE,
    *,
    heads: list[KeyHead] | None = None,
    lines: list[CoopLines] | None = None,
) -> Charter:
    cut = lines_of(touched(before, change), []) if lines is None else lines
    return next_charter(before, FEDERATION.id, FEDERATION.fid, change, heads=heads or [], lines=cut)


def refusal(
    change: Change,
    before: Charter = BEFORE,
    *,
    heads: list[KeyHead] | None = None,
    lines: list[CoopLines] | None = None,
) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        after(change, before, heads=heads, lines=lines)
    return caught.value.code


def roles_in(charter: Charter) -> dict[CoopId, list[Role]]:
    return {member.cid: member.roles for member in charter.members}


@pytest.mark.parametrize(
    ("voters", "two_thirds", "majority"),
    [(0, 1, 1), (1, 1, 1), (2, 2, 2), (3, 3, 2), (4, 3, 3), (6, 5, 4), (7, 5, 4), (1000, 667, 501)],
)
def test_quorum_is_more_than_its_share_of_the_voters(
    voters: int, two_thirds: int, majority: int
) -> None:
    assert quorum(voters, "two_thirds") == two_thirds
    assert quorum(voters, "majority") == majority


def test_next_charter_names_its_place_and_what_led_to_it() -> None:
    change = admission(NEW, ["member"])

    charter = after(change)

    assert (charter.epoch, charter.prev, charter.fid) == (1, FEDERATION.id, FEDERATION.fid)
    assert (charter.change, charter.ballot, charter.refounds) == (change, UNSET, UNSET)
    assert (charter.name, charter.nonce) == (BEFORE.name, BEFORE.nonce)


def test_admitted_coop_is_listed_in_order_at_the_head_given() -> None:
    charter = after(admission(NEW, ["member", "supplier"]))

    cids = [member.cid for member in charter.members]
    admitted = charter.members[cids.index(NEW.cid)]
    assert cids == sorted(cids)
    assert (admitted.key_head, admitted.roles) == (NEW.keys.head, ["member", "supplier"])
    assert not admitted.is_suspended


@pytest.mark.parametrize("action", ["expel", "leave"])
def test_coop_that_goes_is_a_member_no_more(action: str) -> None:
    charter = after(Change(action=action, cid=MILL.cid))  # type: ignore[arg-type]  # an action

    assert MILL.cid not in roles_in(charter)


def test_suspended_coop_stays_a_member_without_a_vote() -> None:
    charter = after(about("suspend", MILL))

    assert MILL.cid in roles_in(charter)
    assert MILL.cid not in voters_of(charter)


def test_restored_coop_votes_again() -> None:
    charter = after(about("restore", MILL), after(about("suspend", MILL)))

    assert MILL.cid in voters_of(charter)


def test_roles_of_a_coop_take_the_place_of_those_before() -> None:
    charter = after(Change(action="roles", cid=MILL.cid, roles=["member"]))

    assert roles_in(charter)[MILL.cid] == ["member"]


def test_policy_takes_the_place_of_the_one_before() -> None:
    assert after(Change(action="policy", policy=OPEN_POLICY)).policy == OPEN_POLICY


def test_key_heads_move_on_beside_a_change() -> None:
    head = KeyHead(cid=HILL.cid, key_head=Digest(b"h" * 32))

    change = about("suspend", MILL)
    charter = after(change, heads=[head])

    assert {m.cid: m.key_head for m in charter.members}[HILL.cid] == head.key_head
    assert moved_heads(BEFORE, charter, change) == [head]


def test_anchor_moves_the_head_it_names_or_those_beside_it() -> None:
    head = KeyHead(cid=HILL.cid, key_head=Digest(b"h" * 32))
    named = Change(action="anchor", cid=head.cid, key_head=head.key_head)
    general = Change(action="anchor")

    one, other = after(named), after(general, heads=[head])

    assert one.members == other.members != BEFORE.members
    assert moved_heads(BEFORE, one, named) == []
    assert moved_heads(BEFORE, other, general) == [head]


def test_head_of_an_admitted_coop_is_part_of_the_change_alone() -> None:
    change = admission(NEW, ["member"])

    assert moved_heads(BEFORE, after(change), change) == []


def full() -> Charter:
    template = BEFORE.members[0]
    cids = [CoopId(number.to_bytes(32, "big")) for number in range(MAX_MEMBERS)]
    return structs.replace(BEFORE, members=[structs.replace(template, cid=cid) for cid in cids])


SUSPENDED = after(about("suspend", MILL))


@pytest.mark.parametrize(
    ("change", "before"),
    [
        pytest.param(Change(action="admit", cid=NEW.cid, roles=["member"]), BEFORE, id="no-head"),
        pytest.param(Change(action="expel"), BEFORE, id="nobody-named"),
        pytest.param(Change(action="roles", cid=MILL.cid), BEFORE, id="no-roles"),
        pytest.param(Change(action="policy"), BEFORE, id="no-policy"),
        pytest.param(Change(action="anchor", cid=MILL.cid), BEFORE, id="half-an-anchor"),
        pytest.param(
            Change(action="anchor", key_head=MILL.keys.head), BEFORE, id="other-half-of-an-anchor"
        ),
        pytest.param(
            Change(action="expel", cid=MILL.cid, roles=["member"]), BEFORE, id="field-too-many"
        ),
        pytest.param(about("expel", NEW), BEFORE, id="expels-a-stranger"),
        pytest.param(about("restore", MILL), BEFORE, id="restores-one-that-is-not-suspended"),
        pytest.param(about("suspend", MILL), SUSPENDED, id="suspends-twice"),
        pytest.param(
            Change(action="roles", cid=MILL.cid, roles=["carrier"]), BEFORE, id="roles-it-has"
        ),
        pytest.param(
            Change(action="anchor", cid=MILL.cid, key_head=MILL.keys.head),
            BEFORE,
            id="head-it-has",
        ),
        pytest.param(Change(action="anchor"), BEFORE, id="anchors-nothing"),
        pytest.param(
            Change(action="policy", policy=structs.replace(DEFAULT_POLICY, version=1)),
            BEFORE,
            id="policy-it-has",
        ),
        pytest.param(admission(NEW, ["member"]), full(), id="member-too-many"),
    ],
)
def test_change_that_does_not_apply_is_refused(change: Change, before: Charter) -> None:
    assert refusal(change, before) == "charter.change"


@pytest.mark.parametrize(
    ("change", "before", "code"),
    [
        pytest.param(admission(MILL, ["member"]), BEFORE, "charter.members", id="member-twice"),
        pytest.param(
            admission(NEW, ["member", "carrier"]), BEFORE, "charter.members", id="roles-unordered"
        ),
        pytest.param(
            admission(NEW, ["member", "member"]), BEFORE, "charter.members", id="role-twice"
        ),
        pytest.param(admission(NEW, ["seat"]), BEFORE, "charter.sponsor", id="seat-unsponsored"),
        pytest.param(
            admission(NEW, ["member"], HILL), BEFORE, "charter.sponsor", id="sponsor-of-no-seat"
        ),
        pytest.param(
            admission(NEW, ["seat"], FORD), BEFORE, "charter.sponsor", id="sponsor-without-vote"
        ),
        pytest.param(
            admission(NEW, ["seat"], MILL), SUSPENDED, "charter.sponsor", id="sponsor-suspended"
        ),
        pytest.param(
            admission(NEW, ["member", "seat"], NEW), BEFORE, "charter.sponsor", id="own-sponsor"
        ),
        pytest.param(about("expel", HILL), ALONE.charter, "charter.voters", id="last-voter-out"),
        pytest.param(
            about("suspend", HILL), ALONE.charter, "charter.voters", id="last-voter-suspended"
        ),
        pytest.param(
            Change(action="roles", cid=HILL.cid, roles=["observer"]),
            ALONE.charter,
            "charter.voters",
            id="last-voter-without-role",
        ),
        pytest.param(
            Change(action="policy", policy=structs.replace(OPEN_POLICY, version=2)),
            BEFORE,
            "charter.policy",
            id="version-left-out",
        ),
        pytest.param(
            Change(action="policy", policy=structs.replace(OPEN_POLICY, modes=["sealed"])),
            BEFORE,
            "charter.policy",
            id="default-not-among-modes",
        ),
        pytest.param(
            Change(action="policy", policy=structs.replace(OPEN_POLICY, modes=["sealed", "open"])),
            BEFORE,
            "charter.policy",
            id="modes-unordered",
        ),
    ],
)
def test_change_that_makes_no_sound_charter_is_refused(
    change: Change, before: Charter, code: str
) -> None:
    assert refusal(change, before) == code


def test_seat_keeps_its_place_when_its_sponsor_goes() -> None:
    seated = after(admission(NEW, ["seat"], HILL))

    left = after(about("leave", HILL), seated)

    assert roles_in(left)[NEW.cid] == ["seat"]


MOVED = Digest(b"m" * 32)


def test_half_an_anchor_beside_heads_that_move_is_refused() -> None:
    half, head = Change(action="anchor", cid=MILL.cid), KeyHead(cid=HILL.cid, key_head=MOVED)

    assert refusal(half, heads=[head]) == "charter.change"


@pytest.mark.parametrize(
    "heads",
    [
        pytest.param([KeyHead(cid=NEW.cid, key_head=MOVED)], id="of-no-member"),
        pytest.param([KeyHead(cid=MILL.cid, key_head=MOVED)], id="of-one-that-goes"),
        pytest.param([KeyHead(cid=HILL.cid, key_head=HILL.keys.head)], id="that-moves-nothing"),
        pytest.param([KeyHead(cid=HILL.cid, key_head=MOVED)] * 2, id="twice"),
        pytest.param(
            sorted(
                (KeyHead(cid=coop.cid, key_head=MOVED) for coop in (HILL, DALE)),
                key=lambda head: head.cid,
                reverse=True,
            ),
            id="unordered",
        ),
    ],
)
def test_key_heads_that_move_nothing_or_are_out_of_order_are_refused(heads: list[KeyHead]) -> None:
    assert refusal(about("expel", MILL), heads=heads) == "charter.heads"


@pytest.mark.parametrize(
    ("change", "cids"),
    [
        (about("expel", MILL), [MILL]),
        (about("leave", MILL), [MILL]),
        (about("suspend", MILL), [MILL]),
        (Change(action="roles", cid=MILL.cid, roles=["member"]), [MILL]),
        (Change(action="policy", policy=OPEN_POLICY), [DALE, MILL, FORD]),
        (admission(NEW, ["member"]), []),
        (Change(action="anchor", cid=MILL.cid, key_head=MOVED), []),
    ],
)
def test_change_touches_those_whose_entries_it_judges_anew(
    change: Change, cids: list[TestCoop]
) -> None:
    assert touched(BEFORE, change) == sorted(coop.cid for coop in cids)


def line(wid: bytes) -> LogLine:
    return LogLine(head=Digest(bytes(32)), seq=1, wid=WriterId(wid * 32))


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([], id="none"),
        pytest.param([CoopLines(cid=HILL.cid, logs=[])], id="of-another"),
        pytest.param([CoopLines(cid=c.cid, logs=[]) for c in (MILL, MILL)], id="twice"),
        pytest.param([CoopLines(cid=MILL.cid, logs=[line(b"b"), line(b"a")])], id="logs-unordered"),
        pytest.param([CoopLines(cid=MILL.cid, logs=[line(b"a"), line(b"a")])], id="log-twice"),
    ],
)
def test_lines_that_are_not_those_of_the_coops_touched_are_refused(lines: list[CoopLines]) -> None:
    assert refusal(about("expel", MILL), lines=lines) == "charter.lines"
