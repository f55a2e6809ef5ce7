"""Epochs that are refused, chapter 09, each for one reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import charters
from epoch_story import (
    ADMIT_EVE,
    ALLIED,
    ANCHOR,
    CHEAPER,
    KEY,
    PACT,
    PACT_ID,
    POLICY,
    SUSPEND_BEA,
    SUSPENDED,
    claim,
)
from epochs import (
    ABROAD,
    ALL,
    ANN,
    BEA,
    CAL,
    DEE,
    EVE,
    FAY,
    GENESIS,
    SAM,
    Epoch,
    Place,
    about,
    altered,
    change,
    epoch,
    genesis,
    in_force,
    lines,
    log,
    of,
    places,
    signed,
    without,
)
from kit import array, blob, integer, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    Fault = tuple[str, str, str, str, bytes]

MEMBER: Final = array(text("member"))


# file name, why it matters, change
FORMS: Final[list[tuple[str, str, bytes | None]]] = [
    ("without_change", "An epoch that does nothing.", None),
    ("suspend_nobody", "It names no co-op.", change("suspend")),
    (
        "suspend_and_key_head",
        "Of another action.",
        change("suspend", **about(BEA), key_head=blob(BEA.key_head)),
    ),
    (
        "admit_without_roles",
        "It gives no role.",
        change("admit", **about(EVE), key_head=blob(EVE.key_head)),
    ),
    (
        "admit_without_key_head",
        "Nobody could approve by its key log.",
        change("admit", **about(EVE), roles=MEMBER),
    ),
    ("policy_without_policy", "It does not say which.", change("policy")),
    ("anchor_without_key_head", "It names no operation.", change("anchor", **about(BEA))),
    (
        "treaty_level_without_level",
        "It does not say which.",
        change("treaty_level", treaty_id=blob(PACT_ID)),
    ),
    (
        "expel_and_policy",
        "One epoch, one change.",
        change("expel", **about(BEA), policy=CHEAPER),
    ),
]

EMPTY: Final[list[tuple[str, str, bytes]]] = [
    ("suspend_stranger", "No member.", change("suspend", **about(EVE))),
    ("expel_stranger", "No member.", change("expel", **about(EVE))),
    ("restore_of_none", "It is not suspended.", change("restore", **about(BEA))),
    (
        "roles_as_before",
        "Nothing changes.",
        change("roles", **about(CAL), roles=array(text("supplier"))),
    ),
    (
        "anchor_as_before",
        "Nothing changes.",
        change("anchor", **about(BEA), key_head=blob(BEA.key_head)),
    ),
    ("anchor_nothing", "No key head moves.", ANCHOR),
    (
        "policy_as_before",
        "Only the version.",
        change("policy", policy=charters.policy(version=integer(1))),
    ),
    (
        "treaty_level_of_unknown",
        "No treaty of ours.",
        change("treaty_level", level=text("pause"), treaty_id=blob(PACT_ID)),
    ),
]


def faults() -> Iterator[Fault]:
    """Yield file name, clause, code, why it matters, input."""
    yield from _changes()
    yield from _charters()
    yield from _sponsors()
    yield from _treaties()
    yield from _bodies()
    yield from _lines()
    yield from _places()


def _on_genesis(did: bytes | None, **changes: bytes) -> bytes:
    return claim(GENESIS, epoch(GENESIS, did, **changes))


def _changes() -> Iterator[Fault]:
    code = "charter.change"
    candidate = {**about(EVE), "key_head": blob(EVE.key_head), "roles": MEMBER}
    for name, comment, did in FORMS:
        yield name, "CHR-20", code, comment, _on_genesis(did)
    for name, comment, did in EMPTY:
        yield name, "CHR-21", code, comment, _on_genesis(did)
    as_before = change("treaty_level", level=text("allow"), treaty_id=blob(PACT_ID))
    rated = change("treaty_level", level=text("end"), per_day=integer(9), treaty_id=blob(PACT_ID))
    over = epoch(ALLIED, rated, treaties=array(), lines=lines(sam=2))
    yield "end_with_rate", "CHR-20", code, "A rate of nothing.", claim(GENESIS, ALLIED, over)
    again = epoch(ALLIED, as_before)
    yield (
        "treaty_level_as_before",
        "CHR-21",
        code,
        "Nothing changes.",
        claim(GENESIS, ALLIED, again),
    )
    twice = epoch(
        SUSPENDED,
        SUSPEND_BEA,
        by=(ANN, CAL, DEE, FAY),
        lines=lines(bea=4),
        members=SUSPENDED.places,
    )
    yield "suspend_twice", "CHR-21", code, "It is suspended.", claim(GENESIS, SUSPENDED, twice)
    odd = change("treaty", treaty=blob(array(text("treaty"))))
    yield (
        "treaty_that_is_none",
        "ENC-17",
        "schema.invalid",
        "An array.",
        _on_genesis(odd, lines=lines(sam=2)),
    )
    unknown = change("promote", **candidate)
    comment = "An action that this version does not know."
    yield "action_unknown", "CHR-9", "schema.invalid", comment, _on_genesis(unknown)


def _charters() -> Iterator[Fault]:
    for name, roles, comment in (
        ("roles_out_of_order", ("supplier", "member"), "One set of roles, one spelling."),
        ("role_twice", ("member", "member"), "As above."),
    ):
        did = change("roles", **about(CAL), roles=array(*map(text, roles)))
        members = altered(GENESIS, CAL, roles=roles)
        data = _on_genesis(did, lines=lines(cal=1), members=members)
        yield name, "CHR-12", "charter.members", comment, data
    did = change("admit", **about(BEA), key_head=blob(BEA.key_head), roles=MEMBER)
    members = (*GENESIS.places, *places(BEA))
    comment = "A member already, now twice."
    yield "admit_member", "CHR-2", "charter.members", comment, _on_genesis(did, members=members)
    version = charters.policy(fee_bps=integer(300))
    for name, policy, clause, comment in (
        ("policy_version_kept", version, "CHR-22", "Refusals could not tell the two apart."),
        (
            "policy_version_skipped",
            charters.policy(fee_bps=integer(300), version=integer(2)),
            "CHR-22",
            "Versions count changes.",
        ),
        (
            "modes_out_of_order",
            _policy(modes=array(text("sealed"), text("open"))),
            "CHR-17",
            "One set, one spelling.",
        ),
        ("mode_twice", _policy(modes=array(text("sealed"), text("sealed"))), "CHR-17", "As above."),
        (
            "privacy_not_in_modes",
            _policy(modes=array(text("open"))),
            "CHR-17",
            "The default would be forbidden.",
        ),
    ):
        did = change("policy", policy=policy)
        data = _on_genesis(did, policy=policy, lines=lines(ann=1, dee=0, sam=2))
        yield name, clause, "charter.policy", comment, data
    low = charters.policy(k_min=integer(2), version=integer(1))
    data = _on_genesis(change("policy", policy=low), policy=low, lines=lines(ann=1, dee=0, sam=2))
    comment = "Of two, each would learn the other's line."
    yield "policy_k_min_of_two", "CHR-9", "schema.invalid", comment, data
    one = genesis(*places(ANN, SAM))
    last = change("leave", **about(ANN))
    gone = epoch(one, last, by=(ANN,), lines=lines(ann=1), members=without(one, ANN))
    comment = "Nobody could decide anything."
    yield "last_voter_leaves", "CHR-16", "charter.voters", comment, claim(one, gone)


def _sponsors() -> Iterator[Fault]:
    as_seat = {**about(EVE), "key_head": blob(EVE.key_head), "roles": array(text("seat"))}
    as_member = {**as_seat, "roles": MEMBER}
    rows: list[tuple[str, str, dict[str, bytes], Place, str]] = [
        (
            "seat_without_sponsor",
            "CHR-14",
            as_seat,
            Place(EVE, ("seat",), EVE.key_head),
            "Nobody signs for it.",
        ),
        (
            "sponsor_of_no_seat",
            "CHR-14",
            {**as_member, "sponsor": blob(ANN.cid)},
            Place(EVE, ("member",), EVE.key_head, sponsor=ANN),
            "It signs for itself.",
        ),
        (
            "sponsor_without_vote",
            "CHR-15",
            {**as_seat, "sponsor": blob(SAM.cid)},
            Place(EVE, ("seat",), EVE.key_head, sponsor=SAM),
            "A service speaks for nobody.",
        ),
        (
            "sponsor_of_itself",
            "CHR-15",
            {**as_seat, "roles": array(text("member"), text("seat")), "sponsor": blob(EVE.cid)},
            Place(EVE, ("member", "seat"), EVE.key_head, sponsor=EVE),
            "It has a vote, and is no other.",
        ),
    ]
    for name, clause, fields, place, comment in rows:
        data = _on_genesis(change("admit", **fields), members=(*GENESIS.places, place))
        yield name, clause, "charter.sponsor", comment, data


def _treaties() -> Iterator[Fault]:
    code = "charter.treaties"
    again = epoch(
        ALLIED,
        change("treaty", treaty=blob(PACT)),
        treaties=array(in_force(PACT), in_force(PACT)),
        lines=lines(sam=2),
    )
    yield (
        "treaty_twice",
        "CHR-23",
        code,
        "Nobody could say which level holds.",
        claim(GENESIS, ALLIED, again),
    )
    for name, level, rate, comment in (
        ("limit_without_rate", "limit", {}, "It does not say how much."),
        ("pause_with_rate", "pause", {"per_day": integer(9)}, "Nothing passes."),
    ):
        did = change("treaty_level", level=text(level), treaty_id=blob(PACT_ID), **rate)
        next_ = epoch(
            ALLIED, did, treaties=array(in_force(PACT, level, **rate)), lines=lines(sam=2)
        )
        yield name, "CHR-23", code, comment, claim(GENESIS, ALLIED, next_)


def _policy(**changes: bytes) -> bytes:
    return charters.policy(version=integer(1), **changes)


def _bodies() -> Iterator[Fault]:
    members = altered(GENESIS, BEA, is_suspended=True)
    listed = array(*(each.wire for each in sorted(members, key=lambda each: each.coop.cid)[::-1]))
    rows: list[tuple[str, str, dict[str, bytes | tuple[Place, ...]]]] = [
        ("name_changed", "No change changes it.", {"name": text("Seven of us")}),
        ("nonce_changed", "As above.", {"nonce": blob(b"7" * 16)}),
        ("member_slipped_in", "It was not admitted.", {"members": (*members, *places(EVE))}),
        ("member_left_out", "It was not expelled.", {"members": members[1:]}),
        ("role_slipped_in", "The change is of another.", {"members": _bishop(members)}),
        ("not_done", "The change says what the members do not.", {"members": GENESIS.places}),
        ("policy_slipped_in", "No vote on that.", {"policy": CHEAPER}),
        ("treaty_slipped_in", "As above.", {"treaties": array(in_force(PACT))}),
        ("key_of_a_later_version", "Nothing that its change does not make.", {"zone": text("N")}),
    ]
    for name, comment, changes in rows:
        fields = {"lines": lines(bea=3), "members": members, **changes}
        data = _on_genesis(SUSPEND_BEA, **fields)  # type: ignore[arg-type]
        yield name, "CHR-24", "charter.body", comment, data
    made = replace_members(listed)
    yield "members_out_of_order", "CHR-24", "charter.body", "In order of ids, always.", made
    genesis_only = epoch(GENESIS, SUSPEND_BEA, lines=lines(bea=3), members=members, ballot=array())
    yield (
        "ballot_that_is_none",
        "CHR-9",
        "schema.invalid",
        "An array.",
        claim(GENESIS, genesis_only),
    )


def _bishop(members: tuple[Place, ...]) -> tuple[Place, ...]:
    """Return the members with a vote for the service."""
    kept = tuple(each for each in members if each.coop is not SAM)
    return (*kept, Place(SAM, ("bridge", "steward"), SAM.key_head))


def replace_members(listed: bytes) -> bytes:
    """Return the claim of a suspension whose members are listed otherwise."""
    fields = {**SUSPENDED.fields, "members": listed}
    other = Epoch(1, SUSPENDED.places, fields, b"", SUSPENDED.fid)
    return claim(GENESIS, signed(other))


def _lines() -> Iterator[Fault]:
    two = sorted((log(BEA, 3), log(BEA, 9, KEY)), key=lambda each: each[-32:], reverse=True)
    listed = {coop.name: of(coop, log(coop, 1)) for coop in (ANN, DEE, SAM)}
    unsorted = sorted((ANN, DEE, SAM), key=lambda coop: coop.cid, reverse=True)
    rows: list[tuple[str, str, bytes]] = [
        ("without_lines", "Nobody could say from where on.", array()),
        ("lines_of_another", "Of a co-op that the change leaves alone.", lines(cal=3)),
        ("lines_too_many", "As above.", lines(bea=3, cal=3)),
        (
            "log_twice",
            "Nobody could say at which of the two.",
            array(of(BEA, log(BEA, 3), log(BEA, 4))),
        ),
        ("logs_out_of_order", "One spelling.", array(of(BEA, *two))),
        ("lines_twice", "One spelling.", array(of(BEA, log(BEA, 3)), of(BEA, log(BEA, 3)))),
    ]
    for name, comment, wire in rows:
        members = altered(GENESIS, BEA, is_suspended=True)
        data = _on_genesis(SUSPEND_BEA, lines=wire, members=members)
        yield name, "CHR-25", "charter.lines", comment, data
    did = change("policy", policy=CHEAPER)
    for name, comment, wire in (
        ("policy_without_lines", "Nobody could say which pools it binds.", array()),
        (
            "policy_lines_of_buyer",
            "Its entries follow no policy.",
            lines(ann=1, bea=1, dee=0, sam=2),
        ),
        ("lines_out_of_order", "By ids.", array(*(listed[coop.name] for coop in unsorted))),
    ):
        yield name, "CHR-25", "charter.lines", comment, _on_genesis(did, policy=CHEAPER, lines=wire)
    data = _on_genesis(ADMIT_EVE, lines=lines(eve=1), members=(*GENESIS.places, *places(EVE)))
    comment = "It has written nothing that counts."
    yield "admit_with_lines", "CHR-25", "charter.lines", comment, data


def _places() -> Iterator[Fault]:
    members = altered(GENESIS, BEA, is_suspended=True)
    rows: list[tuple[str, str, str, str, dict[str, bytes]]] = [
        (
            "of_another_federation",
            "CHR-30",
            "charter.fid",
            "A certificate replayed.",
            {"fid": blob(ABROAD)},
        ),
        ("epoch_kept", "CHR-31", "charter.epoch", "One more than before.", {"epoch": integer(0)}),
        ("epoch_skipped", "CHR-31", "charter.epoch", "As above.", {"epoch": integer(2)}),
        (
            "predecessor_unknown",
            "CHR-32",
            "charter.unknown_epoch",
            "It may still arrive.",
            {"prev": blob(b"p" * 32)},
        ),
    ]
    for name, clause, code, comment, changes in rows:
        fields = {"lines": lines(bea=3), **changes}
        data = _on_genesis(SUSPEND_BEA, members=members, **fields)  # type: ignore[arg-type]
        yield name, clause, code, comment, data
    again = genesis(*places(*ALL), nonce=blob(b"8" * 16))
    comment = "Nothing founds a federation again; its own id is another federation's."
    yield "second_genesis", "CHR-30", "charter.fid", comment, claim(GENESIS, again)
    comment = "A chain begins with a genesis."
    yield "epoch_first", "CHR-1", "charter.genesis", comment, claim(SUSPENDED)
    later = epoch(
        POLICY, SUSPEND_BEA, lines=lines(bea=3), members=altered(POLICY, BEA, is_suspended=True)
    )
    comment = "An epoch that is missing may still arrive."
    yield "epoch_missing", "CHR-32", "charter.unknown_epoch", comment, claim(GENESIS, later)
