"""Certificates of epochs: judged by their predecessor alone (spec chapter 09)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET, structs

from sheaf_protocol.charter import (
    DEFAULT_POLICY,
    Certificate,
    Charter,
    approve,
    approve_epoch,
    certify_message,
    found,
    judge,
    moved_heads,
    read_charter,
)
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import CoopId, Digest, FederationId, WriterId, digest
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.identity import KeyLog, fold_key_log, signing_key
from sheaf_protocol.records.governance import Change, CoopLines, KeyHead
from sheaf_protocol.testing.author import TestCoop, make_coop, make_federation
from sheaf_protocol.testing.epoch import (
    about,
    admission,
    keys_of,
    make_epoch,
    sign_epoch,
    sign_refounding,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HILL, DALE, MILL, FORD = COOPS = [make_coop(name) for name in ("Hill", "Dale", "Mill", "Ford")]
NEW = make_coop("New")
KEYS = keys_of([*COOPS, NEW])
GENESIS = make_federation([(coop, ["member"]) for coop in COOPS])
FEDERATION = found(GENESIS, KEYS)
ADMISSION = make_epoch(FEDERATION, admission(NEW, ["member"]), COOPS)


def judged(certificate: Certificate, keys: Mapping[CoopId, KeyLog] = KEYS) -> Charter:
    return judge(certificate, FEDERATION.charter, FEDERATION.id, keys)


def refusal(certificate: Certificate, keys: Mapping[CoopId, KeyLog] = KEYS) -> tuple[str, Fault]:
    with pytest.raises(RemoteProtocolError) as caught:
        judged(certificate, keys)
    return caught.value.code, caught.value.fault


def code(certificate: Certificate, keys: Mapping[CoopId, KeyLog] = KEYS) -> str:
    return refusal(certificate, keys)[0]


def with_body(signers: Sequence[TestCoop] = COOPS, **changes: Any) -> Certificate:
    return sign_epoch(structs.replace(read_charter(ADMISSION), **changes), signers)


def test_certificate_by_all_voters_makes_the_next_epoch() -> None:
    charter = judged(ADMISSION)

    assert charter.epoch == 1
    assert NEW.cid in {member.cid for member in charter.members}


def test_quorum_of_the_voters_is_enough_in_any_order() -> None:
    some = make_epoch(FEDERATION, admission(NEW, ["member"]), [FORD, HILL, DALE])

    assert judged(some).epoch == 1


def test_one_voter_less_than_the_quorum_is_too_few() -> None:
    few = make_epoch(FEDERATION, admission(NEW, ["member"]), COOPS[:2])

    assert code(few) == "charter.quorum"


def test_majority_is_enough_where_the_policy_says_so() -> None:
    policy = structs.replace(DEFAULT_POLICY, certify="majority")
    before = structs.replace(FEDERATION.charter, policy=policy)
    charter = structs.replace(read_charter(ADMISSION), policy=policy)

    judge(sign_epoch(charter, COOPS[:3]), before, FEDERATION.id, KEYS)
    with pytest.raises(RemoteProtocolError) as caught:
        judge(sign_epoch(charter, COOPS[:2]), before, FEDERATION.id, KEYS)

    assert caught.value.code == "charter.quorum"


def test_round_is_part_of_what_is_approved() -> None:
    later = make_epoch(FEDERATION, admission(NEW, ["member"]), COOPS, round_=3)

    assert judged(later).epoch == 1
    assert later.id == ADMISSION.id
    assert code(structs.replace(later, round=4)) == "charter.signature"


def test_approval_signs_the_id_and_the_round_in_eight_bytes() -> None:
    assert certify_message(Digest(b"i" * 32), 258) == b"i" * 32 + bytes(6) + b"\x01\x02"


@pytest.mark.parametrize(
    ("certificate", "expected"),
    [
        pytest.param(with_body(fid=FederationId(b"f" * 32)), "charter.fid", id="other-federation"),
        pytest.param(with_body(epoch=2), "charter.epoch", id="epoch-left-out"),
        pytest.param(GENESIS, "charter.epoch", id="genesis"),
        pytest.param(with_body(prev=Digest(b"p" * 32)), "charter.prev", id="other-predecessor"),
        pytest.param(with_body(change=UNSET), "charter.change", id="no-change"),
        pytest.param(with_body(change=Change(action="leave")), "charter.change", id="bad-change"),
        pytest.param(with_body(name="Other"), "charter.body", id="other-name"),
        pytest.param(with_body(nonce=b"n" * 16), "charter.body", id="other-nonce"),
        pytest.param(
            with_body(members=FEDERATION.charter.members), "charter.body", id="members-as-before"
        ),
        pytest.param(
            with_body(policy=structs.replace(DEFAULT_POLICY, fee_bps=9_000)),
            "charter.body",
            id="policy-slipped-in",
        ),
        pytest.param(
            with_body(lines=[CoopLines(cid=HILL.cid, logs=[])]), "charter.lines", id="line-too-many"
        ),
        pytest.param(Certificate(approvals=[], body=b"\x80"), "schema.invalid", id="no-charter"),
    ],
)
def test_certificate_that_does_not_follow_is_refused(
    certificate: Certificate, expected: str
) -> None:
    assert code(certificate) == expected


def test_key_that_this_version_does_not_know_is_refused() -> None:
    plain = encode(read_charter(ADMISSION))
    body = plain[:1].replace(plain[:1], bytes([plain[0] + 1])) + plain[1:] + b"\xa1w\x01"
    id_ = digest("federation", body)
    approvals = [approve_epoch(id_, 0, coop.cid, coop.writer) for coop in COOPS]

    longer = Certificate(approvals=approvals, body=body, round=0)

    assert code(longer) == "charter.body"


@pytest.mark.parametrize("changes", [{"round": UNSET}, {"approvals": GENESIS.approvals}])
def test_epoch_without_its_round_or_writers_is_refused(changes: dict[str, Any]) -> None:
    assert code(structs.replace(ADMISSION, **changes)) == "charter.approvals"


def test_approval_by_a_key_that_is_no_writer_is_refused() -> None:
    stranger = approve_epoch(ADMISSION.id, 0, HILL.cid, signing_key(b"s" * 32))
    others = [approval for approval in ADMISSION.approvals if approval.cid != HILL.cid]

    assert code(structs.replace(ADMISSION, approvals=[stranger, *others])) == "charter.signature"


def test_approval_by_the_manager_does_not_make_an_epoch() -> None:
    by_manager = structs.replace(
        approve(ADMISSION.body, HILL.cid, HILL.manager), wid=WriterId(HILL.manager.public)
    )
    others = [approval for approval in ADMISSION.approvals if approval.cid != HILL.cid]

    assert code(structs.replace(ADMISSION, approvals=[by_manager, *others])) == "charter.signature"


def test_signature_of_another_certificate_is_refused() -> None:
    other = make_epoch(FEDERATION, about("suspend", FORD), COOPS)

    assert code(structs.replace(ADMISSION, approvals=other.approvals)) == "charter.signature"


def test_certificate_waits_for_a_signers_key_log() -> None:
    keys = {cid: log for cid, log in KEYS.items() if cid != HILL.cid}

    assert refusal(ADMISSION, keys) == ("charter.unknown_member", Fault.NOT_YET)


def test_key_log_of_a_voter_that_did_not_sign_is_not_needed() -> None:
    some = make_epoch(FEDERATION, admission(NEW, ["member"]), COOPS[:3])
    keys = {cid: log for cid, log in KEYS.items() if cid != FORD.cid}

    assert judged(some, keys).epoch == 1


def test_certificate_waits_for_the_key_log_of_who_is_admitted() -> None:
    keys = {cid: log for cid, log in KEYS.items() if cid != NEW.cid}

    assert refusal(ADMISSION, keys) == ("charter.unknown_member", Fault.NOT_YET)


def test_certificate_waits_for_the_head_of_who_is_admitted() -> None:
    keys = {**KEYS, NEW.cid: fold_key_log(NEW.key_ops[:-1])}

    assert refusal(ADMISSION, keys) == ("charter.key_head", Fault.NOT_YET)


def test_certificate_waits_for_the_head_of_a_signer() -> None:
    keys = {**KEYS, HILL.cid: fold_key_log(HILL.key_ops[:-1])}

    assert refusal(ADMISSION, keys) == ("charter.key_head", Fault.NOT_YET)


def test_writer_delegated_since_signs_once_its_head_is_anchored() -> None:
    hill, key = make_coop("Hill"), signing_key(b"w" * 32)
    hill.delegate(key, 2**40)
    keys = {**KEYS, hill.cid: hill.keys}
    change = admission(NEW, ["member"])

    def by_new_writer(heads: Sequence[TestCoop]) -> Certificate:
        plain = make_epoch(FEDERATION, change, [DALE, MILL], heads=heads)
        approval = approve_epoch(plain.id, 0, hill.cid, key)
        return structs.replace(plain, approvals=[*plain.approvals, approval])

    assert judged(by_new_writer([hill]), keys).epoch == 1
    assert code(by_new_writer([]), keys) == "charter.signature"


def test_writer_that_the_anchored_head_has_closed_does_not_sign() -> None:
    hill = make_coop("Hill")
    hill.close({})

    closed = make_epoch(FEDERATION, admission(NEW, ["member"]), [hill, DALE, MILL], heads=[hill])

    assert code(closed, {**KEYS, hill.cid: hill.keys}) == "charter.signature"


def test_who_leaves_signs_by_the_head_of_before() -> None:
    left = make_epoch(FEDERATION, about("leave", HILL), [HILL, DALE, MILL])

    assert HILL.cid not in {member.cid for member in judged(left).members}


def test_key_head_does_not_go_back() -> None:
    back = KeyHead(cid=HILL.cid, key_head=HILL.keys.heads[0])
    named = Change(action="anchor", cid=back.cid, key_head=back.key_head)

    certificate = make_epoch(FEDERATION, named, COOPS)

    assert code(certificate) == "charter.heads"


def test_key_head_on_another_branch_does_not_continue() -> None:
    thief = make_coop("Hill").twin(size=2)
    thief.delegate(signing_key(b"t" * 32), 2**40)

    certificate = make_epoch(FEDERATION, Change(action="anchor"), COOPS, heads=[thief])

    assert code(certificate, {**KEYS, HILL.cid: thief.keys}) == "charter.heads"


GROWN = [make_coop(name) for name in ("Hill", "Dale", "Mill", "Ford")]
for each in GROWN:
    each.delegate(signing_key(each.cid), 2**40)
CHANGES = [
    admission(NEW, ["member", "supplier"]),
    admission(NEW, ["seat"], HILL),
    about("expel", FORD),
    about("leave", MILL),
    about("suspend", DALE),
    Change(action="anchor", cid=HILL.cid, key_head=GROWN[0].keys.head),
    Change(action="policy", policy=structs.replace(DEFAULT_POLICY, version=1, fee_bps=1)),
]


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(CHANGES), st.sets(st.sampled_from(range(4))), st.permutations(GROWN))
def test_what_a_quorum_makes_of_a_change_any_node_makes_as_well(
    change: Change, moving: set[int], signers: list[TestCoop]
) -> None:
    heads = [GROWN[index] for index in moving if GROWN[index].cid != change.cid]

    certificate = make_epoch(FEDERATION, change, signers[:3], heads=heads)

    charter = judged(certificate, keys_of([*GROWN, NEW]))
    assert encode(charter) == certificate.body
    assert {head.cid for head in moved_heads(FEDERATION.charter, charter, change)} == {
        coop.cid for coop in heads
    }


REFOUNDED = structs.replace(
    FEDERATION.charter,
    epoch=1,
    fid=FEDERATION.fid,
    prev=FEDERATION.id,
    refounds=[Digest(b"a" * 32), Digest(b"b" * 32)],
)


def refounded(signers: Sequence[TestCoop] = COOPS, **changes: Any) -> Certificate:
    return sign_refounding(structs.replace(REFOUNDED, **changes), signers)


def test_refounding_chooses_members_policy_and_treaties_anew() -> None:
    policy = structs.replace(DEFAULT_POLICY, version=1, fee_bps=1)
    template = FEDERATION.charter.members[0]
    new = structs.replace(template, cid=NEW.cid, key_head=NEW.keys.head)
    members = sorted([*FEDERATION.charter.members, new], key=lambda member: member.cid)

    charter = judged(refounded(members=members, policy=policy))

    assert (charter.members, charter.policy) == (members, policy)


@pytest.mark.parametrize(
    ("certificate", "expected"),
    [
        pytest.param(refounded(signers=COOPS[:2]), "charter.quorum", id="too-few"),
        pytest.param(
            refounded(refounds=list(reversed(REFOUNDED.refounds or []))),
            "charter.refounding",
            id="unordered",
        ),
        pytest.param(
            refounded(refounds=[Digest(b"a" * 32)] * 2), "charter.refounding", id="one-alone"
        ),
        pytest.param(
            refounded(change=Change(action="anchor")), "charter.refounding", id="with-a-change"
        ),
        pytest.param(refounded(name="Other"), "charter.refounding", id="other-name"),
        pytest.param(
            refounded(policy=structs.replace(DEFAULT_POLICY, fee_bps=1)),
            "charter.policy",
            id="other-policy-same-version",
        ),
        pytest.param(
            refounded(policy=structs.replace(DEFAULT_POLICY, version=1, modes=["open"])),
            "charter.policy",
            id="policy-unsound",
        ),
        pytest.param(
            refounded(members=FEDERATION.charter.members[1:]), "charter.lines", id="no-lines"
        ),
        pytest.param(
            refounded(
                members=[
                    structs.replace(member, roles=["member", "seat"], sponsor=member.cid)
                    for member in FEDERATION.charter.members
                ]
            ),
            "charter.sponsor",
            id="seats-without-sponsors",
        ),
        pytest.param(structs.replace(refounded(), round=0), "charter.approvals", id="with-a-round"),
        pytest.param(sign_epoch(REFOUNDED, COOPS), "charter.approvals", id="by-writers"),
    ],
)
def test_refounding_that_does_not_fit_is_refused(certificate: Certificate, expected: str) -> None:
    assert code(certificate) == expected


def test_refounding_by_writer_keys_is_refused() -> None:
    body = encode(REFOUNDED)
    approvals = [approve(body, coop.cid, coop.writer) for coop in COOPS]

    assert code(Certificate(approvals=approvals, body=body)) == "charter.signature"


def test_refounding_is_approved_by_the_manager_at_the_head_it_anchors() -> None:
    hill = make_coop("Hill")
    hill.rotate(manager=signing_key(b"m" * 32))
    moved = [
        structs.replace(member, key_head=hill.keys.head) if member.cid == hill.cid else member
        for member in FEDERATION.charter.members
    ]
    keys = {**KEYS, hill.cid: hill.keys}

    anchored = refounded([hill, DALE, MILL], members=moved)
    not_anchored = refounded([hill, DALE, MILL])

    assert judged(anchored, keys).epoch == 1
    assert code(not_anchored, keys) == "charter.signature"
