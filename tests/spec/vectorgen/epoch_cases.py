"""Epochs, chapter 09: the input is [[key log...], [certificate...]], the genesis first.

Each certificate is judged in turn. The output is the id of the certificate in force at the end; a
federation that has halted then is refused with `charter.forked`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import epoch_faults
import epoch_late_cases
import epoch_signing_faults
from epoch_story import (
    ADMITTED,
    ALLIED,
    ANCHOR,
    CHEAPER,
    CLOSED,
    EXPELLED,
    KEY,
    MAJORITY,
    MOVED,
    OPENED_ID,
    PACT,
    PACT_ID,
    POLICY,
    SIDES,
    SUSPEND_BEA,
    SUSPENDED,
    claim,
)
from epochs import (
    ALL,
    ANN,
    BEA,
    CAL,
    DEE,
    EVE,
    FAY,
    GENESIS,
    SAM,
    VOTERS,
    Epoch,
    Place,
    about,
    altered,
    by_writer,
    change,
    epoch,
    in_force,
    known,
    lines,
    log,
    of,
    refounding,
    without,
)
from kit import Case, array, blob, integer, mapping, text

if TYPE_CHECKING:
    from collections.abc import Iterator


def cases() -> Iterator[Case]:
    """Yield the vectors on epochs."""
    for name, clause, comment, chain in (*_changes(), *_approved(), *_chains()):
        yield _ok(name, clause, comment, claim(*chain), chain[-1].id)
    for name, clause, comment, chain, newest in epoch_late_cases.stays():
        yield _ok(name, clause, comment, claim(*chain), newest.id)
    yield from _over_time()
    yield from _halted()
    for name, clause, code, comment, data in (
        *epoch_faults.faults(),
        *epoch_signing_faults.faults(),
        *epoch_late_cases.faults(),
    ):
        yield Case(id=f"09-epoch/{name}", clause=clause, expect=code, comment=comment, input=data)


def _changes() -> Iterator[tuple[str, str, str, list[Epoch]]]:
    yield "genesis_alone", "CHR-3", "A federation of one epoch.", [GENESIS]
    yield "suspend", "CHR-24", "A member keeps its place and loses its say.", [GENESIS, SUSPENDED]
    back = epoch(
        SUSPENDED,
        change("restore", **about(BEA)),
        by=(ANN, CAL, DEE, FAY),
        lines=lines(bea=5),
        members=GENESIS.places,
    )
    yield "restore", "CHR-24", "And gets it back.", [GENESIS, SUSPENDED, back]
    yield (
        "expel",
        "CHR-33",
        "By four of five; the one that goes has a vote until then.",
        [
            GENESIS,
            EXPELLED,
        ],
    )
    leave = change("leave", **about(SAM))
    left = epoch(GENESIS, leave, lines=lines(sam=0), members=without(GENESIS, SAM))
    yield "leave_without_entries", "CHR-25", "Lines of a co-op that wrote nothing.", [GENESIS, left]
    yield "admit", "CHR-25", "Who is new needs no line.", [GENESIS, ADMITTED]
    again = epoch(
        EXPELLED,
        change("admit", **about(BEA), key_head=blob(BEA.key_head), roles=array(text("observer"))),
        by=(ANN, CAL, DEE, FAY),
        members=(*EXPELLED.places, Place(BEA, ("observer",), BEA.key_head)),
    )
    yield "admit_again", "CHR-25", "In other roles, and without lines.", [GENESIS, EXPELLED, again]
    sponsored = {**about(EVE), "key_head": blob(EVE.key_head), "roles": array(text("seat"))}
    seat = epoch(
        GENESIS,
        change("admit", **sponsored, sponsor=blob(ANN.cid)),
        members=(*GENESIS.places, Place(EVE, ("seat",), EVE.key_head, sponsor=ANN)),
    )
    yield "admit_to_a_seat", "CHR-15", "Its sponsor has a vote.", [GENESIS, seat]
    orphan = epoch(
        seat,
        change("leave", **about(ANN)),
        lines=lines(ann=4),
        members=tuple(each for each in seat.places if each.coop is not ANN),
    )
    comment = "The seat stays, or the sponsor could never leave."
    yield "sponsor_leaves", "CHR-15", comment, [GENESIS, seat, orphan]
    yield "roles", "CHR-24", "Other roles than before.", [GENESIS, _with_roles()]
    comment = "Lines of coordinators, carriers and services, and of no other."
    yield "policy", "CHR-25", comment, [GENESIS, POLICY]
    yield "anchor_of_one", "CHR-26", "A key head that the change names.", [GENESIS, _anchored()]
    yield (
        "anchor_of_all",
        "CHR-26",
        "A key head that moves by the way.",
        [
            GENESIS,
            epoch(GENESIS, ANCHOR, members=MOVED),
        ],
    )
    yield "treaty", "CHR-23", "At level allow.", [GENESIS, ALLIED]
    for level, rate in (("limit", {"per_day": integer(9)}), ("pause", {})):
        listed = array(in_force(PACT, level, **rate))
        did = change("treaty_level", level=text(level), treaty_id=blob(PACT_ID), **rate)
        comment = "A rate belongs to a limit and to nothing else."
        yield (
            f"treaty_{level}",
            "CHR-23",
            comment,
            [GENESIS, ALLIED, epoch(ALLIED, did, treaties=listed, lines=lines(sam=2))],
        )
    ended = change("treaty_level", level=text("end"), treaty_id=blob(PACT_ID))
    over = epoch(ALLIED, ended, treaties=array(), lines=lines(sam=2))
    yield "treaty_end", "CHR-24", "It leaves the list.", [GENESIS, ALLIED, over]


def _with_roles() -> Epoch:
    roles = {"roles": array(text("member"), text("supplier"))}
    members = altered(GENESIS, CAL, roles=("member", "supplier"))
    return epoch(
        GENESIS, change("roles", **about(CAL), **roles), lines=lines(cal=1), members=members
    )


def _anchored() -> Epoch:
    did = change("anchor", **about(BEA), key_head=blob(OPENED_ID))
    return epoch(GENESIS, did, members=MOVED)


def _approved() -> Iterator[tuple[str, str, str, list[Epoch]]]:
    one = {"lines": lines(bea=3), "members": altered(GENESIS, BEA, is_suspended=True)}
    yield (
        "approved_by_all",
        "CHR-33",
        "More than a quorum.",
        [
            GENESIS,
            epoch(GENESIS, SUSPEND_BEA, by=VOTERS, **one),
        ],
    )
    yield (
        "approvals_in_other_order",
        "CHR-33",
        "Any order will do.",
        [
            GENESIS,
            epoch(GENESIS, SUSPEND_BEA, by=(FAY, DEE, CAL, ANN), **one),
        ],
    )
    yield (
        "round_seven",
        "CHR-35",
        "The round is signed with the id.",
        [
            GENESIS,
            epoch(GENESIS, SUSPEND_BEA, round_=7, **one),
        ],
    )
    stray = [by_writer(coop, SUSPENDED.id) for coop in (*VOTERS[:4], SAM, EVE)]
    yield (
        "approved_by_others_as_well",
        "CHR-11",
        "Who has no vote is ignored.",
        [
            GENESIS,
            epoch(GENESIS, SUSPEND_BEA, approvals=stray, **one),
        ],
    )
    wrong = [by_writer(SAM, SUSPENDED.id, key=BEA.writer)]
    signed = [by_writer(coop, SUSPENDED.id) for coop in VOTERS[:4]]
    yield (
        "approval_of_no_voter_that_is_wrong",
        "CHR-11",
        "Ignored unread.",
        [
            GENESIS,
            epoch(GENESIS, SUSPEND_BEA, approvals=[*wrong, *signed], **one),
        ],
    )
    alone = epoch(
        MAJORITY,
        change("suspend", **about(CAL)),
        by=(ANN, BEA),
        lines=lines(cal=1),
        members=altered(MAJORITY, CAL, is_suspended=True),
    )
    yield "majority", "CHR-33", "Two of three, where the policy says so.", [MAJORITY, alone]
    ballot = mapping(proposal=blob(b"p" * 32), votes=array(blob(b"v" * 32)))
    yield (
        "with_ballot",
        "CHR-24",
        "It says which votes decided.",
        [
            GENESIS,
            epoch(GENESIS, SUSPEND_BEA, ballot=ballot, **one),
        ],
    )
    two = array(of(BEA, *sorted((log(BEA, 3), log(BEA, 9, KEY)), key=lambda each: each[-32:])))
    yield (
        "lines_of_two_logs",
        "CHR-25",
        "In order of writers.",
        [
            GENESIS,
            epoch(GENESIS, SUSPEND_BEA, **{**one, "lines": two}),
        ],
    )


def _chains() -> Iterator[tuple[str, str, str, list[Epoch]]]:
    next_ = epoch(
        POLICY,
        SUSPEND_BEA,
        lines=lines(bea=0),
        members=altered(POLICY, BEA, is_suspended=True),
    )
    third = epoch(
        next_,
        change("expel", **about(BEA)),
        by=(ANN, CAL, DEE, FAY),
        lines=lines(bea=2),
        members=without(next_, BEA),
    )
    yield "three_epochs", "CHR-31", "Each on the one before.", [GENESIS, POLICY, next_, third]
    yield "the_same_again", "CHR-24", "A certificate that is known.", [GENESIS, POLICY, POLICY]
    fewer = epoch(
        SUSPENDED,
        change("expel", **about(FAY)),
        by=(ANN, CAL, DEE),
        lines=lines(fay=1),
        members=without(SUSPENDED, FAY),
    )
    comment = "Three of four: who is suspended has no vote, and is not counted."
    yield "quorum_without_the_suspended", "CHR-33", comment, [GENESIS, SUSPENDED, fewer]


def _over_time() -> Iterator[Case]:
    ended = known(*ALL, EVE, Bea=CLOSED)
    comment = "A writer that was closed after the key head of the certificate: its word stands."
    data, output = claim(GENESIS, EXPELLED, logs=ended), EXPELLED.id
    yield _ok("writer_closed_later", "CHR-38", comment, data, output)
    fresh = [by_writer(coop, hashed_of(MOVED)) for coop in (ANN, CAL, DEE)]
    fresh.append(by_writer(BEA, hashed_of(MOVED), key=KEY))
    moved = epoch(GENESIS, ANCHOR, members=MOVED, approvals=fresh)
    comment = "A writer that was opened by the operation that this certificate anchors."
    yield _ok("approved_by_new_writer", "CHR-36", comment, claim(GENESIS, moved), moved.id)


def hashed_of(members: tuple[Place, ...]) -> bytes:
    """Return the id of the certificate that moves these key heads."""
    return epoch(GENESIS, ANCHOR, members=members).id


def _halted() -> Iterator[Case]:
    ids = [each.id for each in SIDES]
    settled = refounding(GENESIS, ids)
    chain = claim(GENESIS, *SIDES, settled)
    comment = "Signed by managers: members, rules and treaties as before."
    yield _ok("refounded", "CHR-78", comment, chain, settled.id)
    late = claim(GENESIS, *SIDES, settled, POLICY)
    comment = "A third side that turns up later changes nothing."
    yield _ok("side_after_refounding", "CHR-78", comment, late, settled.id)
    twice = refounding(GENESIS, sorted((settled.id, *ids)))
    comment = "A re-foundation that names another takes its place as well."
    yield _ok(
        "refounded_twice", "CHR-78", comment, claim(GENESIS, *SIDES, settled, twice), twice.id
    )
    fewer = replace(GENESIS, places=without(GENESIS, BEA))
    gone = refounding(
        GENESIS,
        ids,
        by=(ANN, CAL, DEE, FAY),
        members=array(*_wires(fewer)),
        lines=lines(bea=3),
    )
    comment = "Who signed both sides may be left out."
    yield _ok("refounded_without_one", "CHR-78", comment, claim(GENESIS, *SIDES, gone), gone.id)
    cheaper = refounding(GENESIS, ids, policy=CHEAPER, lines=lines(ann=1, dee=0, sam=2))
    comment = "Another policy, of the next version."
    yield _ok(
        "refounded_with_policy", "CHR-78", comment, claim(GENESIS, *SIDES, cheaper), cheaper.id
    )
    after = epoch(
        settled,
        SUSPEND_BEA,
        lines=lines(bea=3),
        members=altered(settled, BEA, is_suspended=True),
    )
    comment = "It goes on as from any other."
    yield _ok(
        "epoch_after_refounding",
        "CHR-78",
        comment,
        claim(GENESIS, *SIDES, settled, after),
        after.id,
    )


def _wires(epoch_: Epoch) -> list[bytes]:
    return [each.wire for each in sorted(epoch_.places, key=lambda each: each.coop.cid)]


def _ok(name: str, clause: str, comment: str, data: bytes, output: bytes) -> Case:
    return Case(
        id=f"09-epoch/{name}",
        clause=clause,
        expect="ok",
        comment=comment,
        input=data,
        output=output,
    )
