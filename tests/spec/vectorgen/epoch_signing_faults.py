"""Certificates that are refused for their approvals, and federations that halt, chapter 09."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import charters
from epoch_story import (
    ADMIT_EVE,
    ADMITTED,
    ANCHOR,
    CHEAPER,
    CLOSED,
    CLOSED_ID,
    EXPELLED,
    KEY,
    MOVED,
    OPENED_ID,
    POLICY,
    SIDES,
    SUSPEND_BEA,
    SUSPENDED,
    TRIO,
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
    by_manager,
    by_writer,
    change,
    epoch,
    known,
    lines,
    places,
    refounding,
    signed,
    without,
)
from kit import array, blob, integer, mapping, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Fault = tuple[str, str, str, str, bytes]

MEMBER: Final = array(text("member"))
IDS: Final = [each.id for each in SIDES]


def faults() -> Iterator[Fault]:
    """Yield file name, clause, code, why it matters, input."""
    yield from _approvals()
    yield from _forms()
    yield from _writers()
    yield from _key_logs()
    yield from _halted()
    yield from _refoundings()
    yield from _refounded_by()
    yield from _refounded_otherwise()


def _approvals() -> Iterator[Fault]:
    id_ = SUSPENDED.id
    quorum = [by_writer(coop, id_) for coop in VOTERS[:4]]
    code = "charter.quorum"
    rows: list[tuple[str, str, Sequence[bytes]]] = [
        ("without_approvals", "A charter that nobody wants has an id, too.", []),
        ("one_short", "Three of five.", quorum[:3]),
        ("service_approves", "A service has no vote.", [*quorum[:3], by_writer(SAM, id_)]),
        ("outsider_approves", "No member.", [*quorum[:3], by_writer(EVE, id_)]),
    ]
    for name, comment, approvals in rows:
        yield name, "CHR-33", code, comment, claim(GENESIS, signed(SUSPENDED, approvals))
    expel = {"lines": lines(fay=1), "members": without(SUSPENDED, FAY)}
    short = epoch(SUSPENDED, change("expel", **about(FAY)), by=(ANN, BEA, CAL), **expel)
    comment = "Who is suspended has no vote."
    yield "suspended_approves", "CHR-33", code, comment, claim(GENESIS, SUSPENDED, short)
    gone = epoch(EXPELLED, ADMIT_EVE, by=(ANN, BEA, CAL), members=(*EXPELLED.places, *places(EVE)))
    comment = "It is no member of the predecessor, so its old keys sign nothing."
    yield "expelled_approves", "CHR-33", code, comment, claim(GENESIS, EXPELLED, gone)
    fresh = epoch(GENESIS, ADMIT_EVE, by=(ANN, BEA, CAL, EVE), members=ADMITTED.places)
    comment = "Whom a certificate admits does not help to approve it."
    yield "admitted_approves", "CHR-33", code, comment, claim(GENESIS, fresh)
    two = epoch(
        TRIO,
        change("suspend", **about(CAL)),
        by=(ANN, BEA),
        lines=lines(cal=1),
        members=altered(TRIO, CAL, is_suspended=True),
    )
    comment = "Two thirds of three are more than two."
    yield "two_of_three", "CHR-33", code, comment, claim(TRIO, two)


def _forms() -> Iterator[Fault]:
    id_ = SUSPENDED.id
    quorum = [by_writer(coop, id_) for coop in VOTERS[:4]]
    code = "charter.approvals"
    doubled = signed(SUSPENDED, [*quorum, by_writer(ANN, id_)])
    yield "approved_twice", "CHR-11", code, "One co-op, one approval.", claim(GENESIS, doubled)
    bare = mapping(approvals=array(*quorum), body=blob(SUSPENDED.body))
    without_round = Epoch(1, SUSPENDED.places, SUSPENDED.fields, bare, SUSPENDED.fid)
    yield (
        "without_round",
        "CHR-34",
        code,
        "Nobody could say what they signed.",
        claim(GENESIS, without_round),
    )
    unnamed = signed(SUSPENDED, [*quorum[:3], by_manager(DEE, SUSPENDED.body)])
    yield (
        "without_writer",
        "CHR-34",
        code,
        "A manager's, as at a founding.",
        claim(GENESIS, unnamed),
    )


def _writers() -> Iterator[Fault]:
    id_, code = SUSPENDED.id, "charter.signature"
    quorum = [by_writer(coop, id_) for coop in VOTERS[:3]]
    under = {"signature": blob(DEE.writer.sign("certificate", id_ + bytes(8)))}
    other_purpose = mapping(cid=blob(DEE.cid), **under, wid=blob(DEE.writer.public))
    cut = {"signature": blob(DEE.writer.sign("certify", id_))}
    without_round = mapping(cid=blob(DEE.cid), **cut, wid=blob(DEE.writer.public))
    rows = [
        ("other_round_signed", "All approvals belong to one round.", by_writer(DEE, id_, 1)),
        (
            "other_certificate_signed",
            "Its approval of something else.",
            by_writer(DEE, EXPELLED.id),
        ),
        ("round_not_signed", "It would hold for every round.", without_round),
        (
            "by_writer_of_another",
            "A co-op's writer and no other's.",
            by_writer(DEE, id_, key=FAY.writer),
        ),
        ("by_manager_as_writer", "It writes nothing.", by_writer(DEE, id_, key=DEE.manager)),
        ("as_certificate", "What founders sign.", other_purpose),
    ]
    for name, comment, approval in rows:
        data = claim(GENESIS, signed(SUSPENDED, [*quorum, approval]))
        clause = "CHR-36" if name.startswith("by_") else "CHR-35"
        yield name, clause, code, comment, data
    five = signed(SUSPENDED, [*quorum, by_writer(FAY, id_), by_writer(DEE, id_, 1)])
    comment = "Four that hold are a quorum; the fifth is a lie that nobody may pass on."
    yield "wrong_beside_a_quorum", "CHR-35", code, comment, claim(GENESIS, five)
    early = signed(
        SUSPENDED, [*quorum[:1], by_writer(BEA, id_, key=KEY), quorum[2], by_writer(DEE, id_)]
    )
    comment = "Its writer was opened after the key head that this certificate has for it."
    yield "by_writer_opened_later", "CHR-36", code, comment, claim(GENESIS, early)
    ended = epoch(GENESIS, ANCHOR, members=altered(GENESIS, BEA, key_head=CLOSED_ID))
    comment = "Closed by the operation that this certificate anchors."
    logs = known(*ALL, EVE, Bea=CLOSED)
    yield "by_writer_closed_before", "CHR-36", code, comment, claim(GENESIS, ended, logs=logs)


def _key_logs() -> Iterator[Fault]:
    moved = epoch(GENESIS, ANCHOR, members=MOVED)
    back = epoch(
        moved, change("anchor", **about(BEA), key_head=blob(BEA.key_head)), members=GENESIS.places
    )
    comment = "Back to the operation before."
    yield "key_head_back", "CHR-26", "charter.heads", comment, claim(GENESIS, moved, back)
    data = claim(GENESIS, moved, logs=known(*ALL))
    comment = "The operation may still arrive."
    yield "key_log_shorter", "CHR-37", "charter.key_head", comment, data
    data = claim(GENESIS, ADMITTED, logs=known(*ALL))
    comment = "Of the co-op that is admitted; it may still arrive."
    yield "key_log_of_candidate_missing", "CHR-37", "charter.unknown_member", comment, data
    stranger = change("admit", **about(EVE), key_head=blob(OPENED_ID), roles=MEMBER)
    members = (*GENESIS.places, Place(EVE, ("member",), OPENED_ID))
    comment = "An operation of another co-op."
    data = claim(GENESIS, epoch(GENESIS, stranger, members=members))
    yield "key_head_of_another", "CHR-37", "charter.key_head", comment, data
    short = signed(Epoch(1, members, ADMITTED.fields, b"", GENESIS.fid), [])
    comment = "No quorum, and a key log missing: time mends the second alone."
    data = claim(GENESIS, short, logs=known(*ALL))
    yield "quorum_short_and_key_log_missing", "ENV-19", "charter.quorum", comment, data


def _halted() -> Iterator[Fault]:
    code = "charter.forked"
    comment = "Both valid, so three voters at least signed both."
    yield "two_on_one", "CHR-73", code, comment, claim(GENESIS, *SIDES)
    comment = "In the other order of arrival."
    yield "two_on_one_reversed", "CHR-73", code, comment, claim(GENESIS, *SIDES[::-1])
    one = refounding(GENESIS, IDS)
    other = refounding(GENESIS, IDS, policy=CHEAPER, lines=lines(ann=1, dee=0, sam=2))
    comment = "Neither names the other."
    yield "two_refoundings", "CHR-78", code, comment, claim(GENESIS, *SIDES, one, other)


def _refoundings() -> Iterator[Fault]:
    code = "charter.refounding"
    later = epoch(
        POLICY, SUSPEND_BEA, lines=lines(bea=3), members=altered(POLICY, BEA, is_suspended=True)
    )
    rows: list[tuple[str, str, Epoch]] = [
        ("refounds_out_of_order", "One spelling.", refounding(GENESIS, IDS[::-1])),
        ("refounds_one_twice", "One is no fork.", refounding(GENESIS, IDS[:1] * 2)),
        (
            "refounding_with_change",
            "It has no one change.",
            refounding(GENESIS, IDS, did=SUSPEND_BEA),
        ),
        (
            "refounding_renamed",
            "The name stays.",
            refounding(GENESIS, IDS, name=text("Five of us")),
        ),
        (
            "refounding_other_nonce",
            "So does the nonce.",
            refounding(GENESIS, IDS, nonce=blob(b"9" * 16)),
        ),
    ]
    for name, comment, made in rows:
        yield name, "CHR-75", code, comment, claim(GENESIS, *SIDES, made)
    ids = sorted((SUSPENDED.id, later.id))
    odd = refounding(GENESIS, ids)
    comment = "The second follows on another."
    data = claim(GENESIS, POLICY, SUSPENDED, later, odd)
    yield "refounds_of_other_epoch", "CHR-75", code, comment, data
    comment = "No list of at least two."
    single = refounding(GENESIS, IDS[:1])
    yield "refounds_one", "CHR-9", "schema.invalid", comment, claim(GENESIS, *SIDES, single)
    unknown = refounding(GENESIS, sorted((SUSPENDED.id, b"u" * 32)))
    comment = "What it refounds may still arrive."
    yield (
        "refounds_unknown",
        "CHR-79",
        "charter.unknown_epoch",
        comment,
        claim(GENESIS, SUSPENDED, unknown),
    )


def _refounded_by() -> Iterator[Fault]:
    settled = refounding(GENESIS, IDS)
    wire = mapping(
        approvals=array(*(by_manager(coop, settled.body) for coop in VOTERS[:4])),
        body=blob(settled.body),
        round=integer(0),
    )
    with_round = Epoch(1, settled.places, settled.fields, wire, settled.fid)
    comment = "Nodes have no part in it."
    yield (
        "refounding_with_round",
        "CHR-76",
        "charter.approvals",
        comment,
        claim(GENESIS, *SIDES, with_round),
    )
    nodes = signed(settled)
    comment = "By writers, as an epoch."
    yield (
        "refounding_by_writers",
        "CHR-76",
        "charter.approvals",
        comment,
        claim(GENESIS, *SIDES, nodes),
    )
    three = [by_manager(coop, settled.body) for coop in VOTERS[:3]]
    key = by_manager(DEE, settled.body, DEE.writer)
    by_key = refounding(GENESIS, IDS, approvals=[*three, key])
    comment = "Signed by a writer's key."
    yield (
        "refounding_by_writer_key",
        "CHR-77",
        "charter.signature",
        comment,
        claim(GENESIS, *SIDES, by_key),
    )
    few = refounding(GENESIS, IDS, approvals=three)
    yield (
        "refounding_one_short",
        "CHR-33",
        "charter.quorum",
        "Three of five.",
        claim(GENESIS, *SIDES, few),
    )


def _refounded_otherwise() -> Iterator[Fault]:
    kept = refounding(
        GENESIS, IDS, policy=charters.policy(fee_bps=integer(300)), lines=lines(ann=1, dee=0, sam=2)
    )
    comment = "Another policy has another version."
    yield (
        "refounding_policy_version",
        "CHR-22",
        "charter.policy",
        comment,
        claim(GENESIS, *SIDES, kept),
    )
    gone = refounding(GENESIS, IDS, by=(ANN, CAL, DEE, FAY), members=array(*_without_bea()))
    comment = "Who is left out has lines."
    yield (
        "refounding_without_lines",
        "CHR-25",
        "charter.lines",
        comment,
        claim(GENESIS, *SIDES, gone),
    )


def _without_bea() -> list[bytes]:
    kept = without(GENESIS, BEA)
    return [each.wire for each in sorted(kept, key=lambda each: each.coop.cid)]
