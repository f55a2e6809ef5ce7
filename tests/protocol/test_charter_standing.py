"""Which rules judge an entry, at every place of every log (spec chapter 09)."""

from __future__ import annotations

from random import Random  # noqa: TC003  # hypothesis reads the annotation
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from sheaf_protocol.charter import (
    DEFAULT_POLICY,
    Charter,
    Federation,
    Role,
    federation_of,
    next_charter,
    touched,
)
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import ZERO, CoopId, Digest, EntryId, WriterId, digest
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.identity import Cut
from sheaf_protocol.records.governance import Change, CoopLines, LogLine
from sheaf_protocol.testing.author import LogAuthor, TestCoop, make_coop, make_federation
from sheaf_protocol.testing.epoch import about, admission, lines_of

if TYPE_CHECKING:
    from collections.abc import Sequence

HILL, DALE, MILL, NEW = (make_coop(name) for name in ("Hill", "Dale", "Mill", "New"))
FEDERATION = federation_of(
    make_federation([(HILL, ["member"]), (DALE, ["coordinator"]), (MILL, ["carrier"])])
)
SECOND = WriterId(b"2" * 32)
POLICY = structs.replace(DEFAULT_POLICY, version=1, fee_bps=1)


def after(
    federation: Federation, change: Change, lines: Sequence[CoopLines] | None = None
) -> Federation:
    if lines is None:
        lines = lines_of(touched(federation.charter, change), [])
    charter = next_charter(federation.charter, federation.id, federation.fid, change, lines=lines)
    return federation.after(digest("federation", encode(charter)), charter)


def line(coop: TestCoop, seq: int) -> list[CoopLines]:
    """Return the lines of one co-op, its first log cut at a number."""
    head = Digest(seq.to_bytes(32, "big"))
    return [CoopLines(cid=coop.cid, logs=[LogLine(head=head, seq=seq, wid=coop.wid)])]


def roles_at(federation: Federation, coop: TestCoop, seq: int) -> Sequence[Role] | None:
    member = federation.standing(coop.cid, coop.wid, seq).member
    return None if member is None else member.roles


def test_founders_stand_as_the_genesis_has_them() -> None:
    standing = FEDERATION.standing(MILL.cid, MILL.wid, 1)

    assert standing.policy == DEFAULT_POLICY
    assert standing.may("capacity.publish")
    assert not standing.may("pool.open")


def test_stranger_stands_nowhere() -> None:
    standing = FEDERATION.standing(NEW.cid, NEW.wid, 1)

    assert standing.member is None
    assert not standing.may("verdict")
    assert not FEDERATION.was_member(NEW.cid)


def test_voters_and_their_quorum_follow_the_newest_charter() -> None:
    later = after(FEDERATION, about("suspend", MILL))

    assert FEDERATION.voters == tuple(sorted([HILL.cid, DALE.cid, MILL.cid]))
    assert FEDERATION.quorum == 3
    assert later.voters == tuple(sorted([HILL.cid, DALE.cid]))
    assert later.quorum == 2


def test_roles_change_above_the_line() -> None:
    change = Change(action="roles", cid=MILL.cid, roles=["member"])

    later = after(FEDERATION, change, line(MILL, 5))

    assert roles_at(later, MILL, 5) == ["carrier"]
    assert roles_at(later, MILL, 6) == ["member"]


def test_log_without_a_line_changes_from_its_first_entry() -> None:
    change = Change(action="roles", cid=MILL.cid, roles=["member"])

    later = after(FEDERATION, change, line(MILL, 5))

    assert later.standing(MILL.cid, SECOND, 1).may("demand.submit")


def test_policy_holds_for_a_coordinator_above_its_line() -> None:
    change = Change(action="policy", policy=POLICY)
    lines = lines_of(touched(FEDERATION.charter, change), [])
    lines = sorted(
        [*line(DALE, 3), *(each for each in lines if each.cid != DALE.cid)],
        key=lambda each: each.cid,
    )

    later = after(FEDERATION, change, lines)

    assert later.standing(DALE.cid, DALE.wid, 3).policy == DEFAULT_POLICY
    assert later.standing(DALE.cid, DALE.wid, 4).policy == POLICY


def test_change_of_another_leaves_a_coop_as_it_stood() -> None:
    later = after(FEDERATION, about("expel", MILL))

    assert roles_at(later, HILL, 1) == ["member"]


@pytest.mark.parametrize(
    ("kind", "may"),
    [
        ("capacity.publish", False),
        ("verdict", False),
        ("x.extension", False),
        ("entry.erase", True),
        ("member.leave", True),
    ],
)
def test_suspended_coop_may_only_take_back_and_leave(kind: str, may: bool) -> None:
    later = after(FEDERATION, about("suspend", MILL))

    assert later.may(MILL.cid, kind) is may
    assert later.standing(MILL.cid, MILL.wid, 1).may(kind) is may


def test_suspension_ends_above_the_line_of_the_restoration() -> None:
    suspended = after(FEDERATION, about("suspend", MILL), line(MILL, 2))

    restored = after(suspended, about("restore", MILL), line(MILL, 4))

    kinds = [restored.standing(MILL.cid, MILL.wid, seq).may("hold.grant") for seq in range(1, 7)]
    assert kinds == [True, True, False, False, True, True]


def test_line_below_an_earlier_one_ends_what_lay_between() -> None:
    suspended = after(FEDERATION, about("suspend", MILL), line(MILL, 6))

    restored = after(suspended, about("restore", MILL), line(MILL, 4))

    assert roles_at(restored, MILL, 5) == ["carrier"]
    assert restored.standing(MILL.cid, MILL.wid, 5).may("hold.grant")
    assert restored.standing(MILL.cid, MILL.wid, 4).may("hold.grant")


@pytest.mark.parametrize("action", ["leave", "expel"])
def test_who_went_stands_as_before_up_to_its_line(action: str) -> None:
    gone = after(FEDERATION, Change(action=action, cid=MILL.cid), line(MILL, 7))  # type: ignore[arg-type]  # an action

    assert roles_at(gone, MILL, 7) == ["carrier"]
    assert roles_at(gone, MILL, 8) is None
    assert (gone.is_member(MILL.cid), gone.was_member(MILL.cid)) == (False, True)


def test_logs_of_who_went_end_at_their_lines() -> None:
    mill = LogAuthor(MILL, FEDERATION.fid)
    mill.append("x.note", b"\x80")
    change = about("leave", MILL)

    gone = after(FEDERATION, change, lines_of([MILL.cid], [mill]))

    assert gone.cut_of(MILL.cid, MILL.wid) == Cut(seq=1, head=mill.head.id)
    assert gone.cut_of(MILL.cid, SECOND) == Cut(seq=0, head=EntryId(ZERO))


def test_log_of_a_member_or_stranger_is_not_cut() -> None:
    suspended = after(FEDERATION, about("suspend", MILL))

    assert suspended.cut_of(MILL.cid, MILL.wid) is None
    assert suspended.cut_of(NEW.cid, NEW.wid) is None


def test_who_comes_back_goes_on_where_it_was_cut() -> None:
    gone = after(FEDERATION, about("leave", MILL), line(MILL, 7))

    back = after(gone, admission(MILL, ["member"]))

    assert roles_at(back, MILL, 7) == ["carrier"]
    assert roles_at(back, MILL, 8) == ["member"]
    assert roles_at(back, MILL, 1) == ["carrier"]
    assert back.cut_of(MILL.cid, MILL.wid) is None


def test_who_is_admitted_stands_from_its_first_entry() -> None:
    later = after(FEDERATION, admission(NEW, ["supplier"]))

    assert roles_at(later, NEW, 1) == ["supplier"]


def test_log_may_stand_otherwise_above_each_of_its_lines() -> None:
    suspended = after(FEDERATION, about("suspend", MILL), line(MILL, 6))

    restored = after(suspended, about("restore", MILL), line(MILL, 9))

    assert restored.splits(MILL.cid, MILL.wid) == [6, 9]
    assert restored.splits(MILL.cid, SECOND) == restored.splits(HILL.cid, HILL.wid) == []
    assert restored.splits(NEW.cid, NEW.wid) == []


def test_roles_are_those_of_the_newest_charter() -> None:
    change = Change(action="roles", cid=MILL.cid, roles=["member", "supplier"])

    later = after(FEDERATION, change)

    assert later.roles[MILL.cid] == {"member", "supplier"}
    assert later.with_role("supplier") == [MILL.cid]


class Kept:
    """All charters of a federation, read from the newest down as the rule says it."""

    def __init__(self, genesis: Charter) -> None:
        self.charters = [genesis]

    def standing(self, coop: TestCoop, seq: int) -> tuple[object, object]:
        """Return member (its key head aside) and policy of the epoch that judges an entry."""
        for at in range(len(self.charters) - 1, -1, -1):
            member = _member(self.charters[at], coop.cid)
            if self._begins(at, coop.cid) and seq > self._line(at, coop):
                return member, self.charters[at].policy
        return None, self.charters[-1].policy

    def _begins(self, at: int, cid: CoopId) -> bool:
        charter = self.charters[at]
        now = _member(charter, cid) is not None
        before = at > 0 and _member(self.charters[at - 1], cid) is not None
        return (now and not before) or cid in {each.cid for each in charter.lines}

    def _line(self, at: int, coop: TestCoop) -> int:
        for charter in reversed(self.charters[: at + 1]):
            lines = {each.cid: each.logs for each in charter.lines}
            if coop.cid in lines:
                return next((log.seq for log in lines[coop.cid] if log.wid == coop.wid), 0)
            if charter is not self.charters[at] and _member(charter, coop.cid) is not None:
                break
        return 0


def _member(charter: Charter, cid: CoopId) -> object:
    return next((member for member in charter.members if member.cid == cid), None)


COOPS = (HILL, DALE, MILL, NEW)
ROLES: list[list[Role]] = [["member"], ["coordinator"], ["carrier", "supplier"], ["observer"]]


def any_change(random: Random, federation: Federation) -> Change:
    coop = random.choice(COOPS)
    match random.choice(("admit", "expel", "leave", "suspend", "restore", "roles", "policy")):
        case "admit":
            return admission(coop, random.choice(ROLES))
        case "roles":
            return Change(action="roles", cid=coop.cid, roles=random.choice(ROLES))
        case "policy":
            version = federation.charter.policy.version + 1
            policy = structs.replace(POLICY, version=version, fee_bps=random.randrange(1_000))
            return Change(action="policy", policy=policy)
        case action:
            return Change(action=action, cid=coop.cid)


def any_lines(random: Random, cids: Sequence[CoopId]) -> list[CoopLines]:
    wids = {coop.cid: coop.wid for coop in COOPS}
    return [
        CoopLines(
            cid=cid,
            logs=[
                LogLine(head=Digest(bytes(32)), seq=random.randint(1, 12), wid=wids[cid])
                for _ in range(random.randint(0, 1))
            ],
        )
        for cid in cids
    ]


def any_epoch(random: Random, federation: Federation) -> Federation:
    """Return the federation one epoch later, the same where the change does not apply."""
    change = any_change(random, federation)
    try:
        lines = any_lines(random, touched(federation.charter, change))
        return after(federation, change, lines)
    except RemoteProtocolError:
        return federation


@settings(deadline=None, max_examples=80)
@given(st.randoms(use_true_random=False))
def test_every_entry_stands_as_the_charters_say_read_from_the_newest_down(random: Random) -> None:
    federation, kept = FEDERATION, Kept(FEDERATION.charter)
    for _ in range(25):
        later = any_epoch(random, federation)
        if later is not federation:
            kept.charters.append(later.charter)
        federation = later

    for coop in COOPS:
        for seq in range(1, 14):
            standing = federation.standing(coop.cid, coop.wid, seq)
            assert (standing.member, standing.policy) == kept.standing(coop, seq)


@settings(deadline=None, max_examples=40)
@given(st.randoms(use_true_random=False))
def test_certificate_changes_nothing_at_or_below_its_lines(random: Random) -> None:
    federation = FEDERATION
    for _ in range(15):
        later = any_epoch(random, federation)
        lines = {each.cid: each.logs for each in later.charter.lines}
        for coop in COOPS:
            logs = lines.get(coop.cid)
            limit = 13 if logs is None else (logs[0].seq if logs else 0)
            if logs is None and later.is_member(coop.cid) != federation.is_member(coop.cid):
                continue
            for seq in range(1, limit + 1):
                was, is_ = (each.standing(coop.cid, coop.wid, seq) for each in (federation, later))
                assert was.member == is_.member
        federation = later
