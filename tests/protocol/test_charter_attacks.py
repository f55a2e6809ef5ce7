"""Attacks on certificates: each refused by its own code, or kept as proof (spec chapter 09)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from sheaf_protocol.charter import (
    Approval,
    Certificate,
    Chain,
    approve_epoch,
    read_charter,
)
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.identity import begin_history, merge, signing_key
from sheaf_protocol.testing.author import TestCoop, make_coop, make_federation
from sheaf_protocol.testing.epoch import (
    about,
    admission,
    keys_of,
    make_epoch,
    make_refounding,
    sign_epoch,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sheaf_protocol.digest import CoopId
    from sheaf_protocol.identity import KeyLog

HILL, DALE, MILL, FORD = COOPS = [make_coop(name) for name in ("Hill", "Dale", "Mill", "Ford")]
NEW = make_coop("New")
KEYS = keys_of([*COOPS, NEW])
GENESIS = make_federation([(coop, ["member"]) for coop in COOPS])
FOUNDED = Chain.found(GENESIS, KEYS)
ADMISSION = admission(NEW, ["member"])


def admitted(chain: Chain, signers: Sequence[TestCoop]) -> Certificate:
    return make_epoch(chain.federation, ADMISSION, signers)


def code(
    certificate: Certificate, chain: Chain = FOUNDED, keys: Mapping[CoopId, KeyLog] = KEYS
) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        chain.add(certificate, keys)
    return caught.value.code


def test_many_writers_of_one_coop_approve_once() -> None:
    hill, keys = make_coop("Hill"), [signing_key(bytes([number]) * 32) for number in range(1, 4)]
    for key in keys:
        hill.delegate(key, 2**40)
    plain = make_epoch(FOUNDED.federation, ADMISSION, [hill], heads=[hill])
    stuffing = [approve_epoch(plain.id, 0, hill.cid, key) for key in keys]

    stuffed = structs.replace(plain, approvals=[*plain.approvals, *stuffing])

    assert code(stuffed, keys={**KEYS, hill.cid: hill.keys}) == "charter.approvals"


def test_approval_given_twice_is_refused() -> None:
    plain = admitted(FOUNDED, [HILL, DALE])

    twice = structs.replace(plain, approvals=[*plain.approvals, plain.approvals[0]])

    assert code(twice) == "charter.approvals"


def test_approval_under_the_name_of_another_is_refused() -> None:
    plain = admitted(FOUNDED, [HILL, DALE])
    borrowed = structs.replace(plain.approvals[0], cid=MILL.cid)

    assert code(structs.replace(plain, approvals=[*plain.approvals, borrowed])) == (
        "charter.signature"
    )


def test_approvals_of_different_rounds_make_no_certificate() -> None:
    early, late = (
        make_epoch(FOUNDED.federation, ADMISSION, signers, round_=round_)
        for signers, round_ in (([HILL, DALE], 0), ([MILL, FORD], 1))
    )

    mixed = structs.replace(early, approvals=[*early.approvals, *late.approvals])

    assert code(mixed) == "charter.signature"
    assert code(structs.replace(mixed, round=1)) == "charter.signature"


def test_members_of_before_make_no_later_epoch() -> None:
    chain = FOUNDED
    for gone in (FORD, MILL):
        chain = chain.add(make_epoch(chain.federation, about("expel", gone), COOPS[:3]), KEYS)

    by_old = admitted(chain, [DALE, MILL, FORD])

    assert code(by_old, chain) == "charter.quorum"


def test_certificate_of_a_past_epoch_comes_not_in_as_a_later_one() -> None:
    later = FOUNDED.add(make_epoch(FOUNDED.federation, about("suspend", FORD), COOPS), KEYS)
    skipping = structs.replace(read_charter(admitted(FOUNDED, COOPS)), epoch=2)

    assert code(sign_epoch(skipping, COOPS)) == "charter.epoch"
    assert code(sign_epoch(structs.replace(skipping, prev=later.federation.id), COOPS)) == (
        "charter.unknown_epoch"
    )


@pytest.mark.parametrize("action", ["expel", "leave"])
def test_approval_of_who_went_does_not_count(action: str) -> None:
    change = structs.replace(about("expel", FORD), action=action)
    chain = FOUNDED.add(make_epoch(FOUNDED.federation, change, COOPS), KEYS)

    with_it = admitted(chain, [HILL, DALE, FORD])

    assert code(with_it, chain) == "charter.quorum"
    assert chain.add(admitted(chain, [HILL, DALE, MILL, FORD]), KEYS) is not chain


def test_approval_of_a_suspended_coop_does_not_count() -> None:
    chain = FOUNDED.add(make_epoch(FOUNDED.federation, about("suspend", FORD), COOPS), KEYS)

    with_it = admitted(chain, [HILL, DALE, FORD])

    assert code(with_it, chain) == "charter.quorum"


def test_approval_of_who_has_no_vote_does_not_count() -> None:
    genesis = make_federation([(HILL, ["member"]), (DALE, ["member"]), (MILL, ["observer"])])
    chain = Chain.found(genesis, KEYS)

    assert code(admitted(chain, [HILL, MILL]), chain) == "charter.quorum"


def test_newcomers_do_not_approve_their_own_admission() -> None:
    genesis = make_federation([(HILL, ["member"]), (DALE, ["member"])])
    chain = Chain.found(genesis, KEYS)

    assert code(admitted(chain, [HILL, NEW]), chain) == "charter.quorum"


def test_certificate_of_another_federation_is_refused() -> None:
    twin = make_federation([(coop, ["member"]) for coop in COOPS], nonce=b"t" * 16)
    elsewhere = admitted(Chain.found(twin, KEYS), COOPS)

    assert code(elsewhere) == "charter.fid"
    assert code(twin) == "charter.fid"


def test_approvals_of_another_federation_are_refused() -> None:
    twin = make_federation([(coop, ["member"]) for coop in COOPS], nonce=b"t" * 16)
    elsewhere = admitted(Chain.found(twin, KEYS), COOPS)

    replayed = structs.replace(admitted(FOUNDED, []), approvals=elsewhere.approvals)

    assert code(replayed) == "charter.signature"


def test_members_slipped_into_a_body_are_refused() -> None:
    thief = make_coop("Thief")
    honest = read_charter(make_epoch(FOUNDED.federation, about("suspend", FORD), []))
    member = structs.replace(honest.members[0], cid=thief.cid, key_head=thief.keys.head)
    members = sorted([*honest.members, member], key=lambda each: each.cid)

    slipped = sign_epoch(structs.replace(honest, members=members), COOPS)

    assert code(slipped, keys={**KEYS, thief.cid: thief.keys}) == "charter.body"


def test_two_valid_certificates_are_both_kept_as_proof_and_none_is_in_force() -> None:
    one, other = (
        admitted(FOUNDED, COOPS),
        make_epoch(FOUNDED.federation, about("expel", HILL), COOPS),
    )

    chain = FOUNDED.add(one, KEYS).add(other, KEYS)

    with pytest.raises(RemoteProtocolError) as caught:
        chain.require_one()
    signed_twice = {a.cid for a in one.approvals} & {a.cid for a in other.approvals}
    assert caught.value.code == "charter.forked"
    assert {each.id for each in chain.fork} == {one.id, other.id}
    assert len(signed_twice) > len(COOPS) / 3
    assert chain.federation.is_member(HILL.cid)


def test_who_forked_a_federation_cannot_refound_it_alone() -> None:
    one, other = (
        admitted(FOUNDED, COOPS),
        make_epoch(FOUNDED.federation, about("expel", HILL), COOPS),
    )
    halted = FOUNDED.add(one, KEYS).add(other, KEYS)

    assert code(make_refounding(halted, [DALE, MILL]), halted) == "charter.quorum"


def _closes(coop: TestCoop) -> KeyLog:
    coop.close({})
    return coop.keys


def _revokes(coop: TestCoop) -> KeyLog:
    coop.revoke({coop.writer: {}}, manager=signing_key(b"m" * 32))
    return coop.keys


def _rotates(coop: TestCoop) -> KeyLog:
    coop.rotate({coop.writer: {}}, manager=signing_key(b"m" * 32))
    return coop.keys


def _divides(coop: TestCoop) -> KeyLog:
    thief = coop.twin()
    coop.close({})
    thief.delegate(signing_key(b"t" * 32), 2**40)
    return merge(begin_history(coop.key_ops), thief.key_ops).state


@pytest.mark.parametrize("end", [_closes, _revokes, _rotates, _divides])
def test_what_becomes_of_a_signers_keys_later_does_not_undo_a_certificate(
    end: Callable[[TestCoop], KeyLog],
) -> None:
    hill = make_coop("Hill")
    certificate = admitted(FOUNDED, [hill, DALE, MILL])

    keys = {**KEYS, hill.cid: end(hill)}

    assert FOUNDED.add(certificate, keys).federation.is_member(NEW.cid)
    assert Chain.found(GENESIS, keys).federation == FOUNDED.federation


def test_writer_of_before_makes_nothing_after_its_end_was_anchored() -> None:
    hill = make_coop("Hill")
    hill.close({})
    keys = {**KEYS, hill.cid: hill.keys}
    anchored = make_epoch(FOUNDED.federation, about("suspend", FORD), COOPS[1:], heads=[hill])
    chain = FOUNDED.add(anchored, keys)

    by_closed = admitted(chain, [hill, DALE, MILL])

    assert code(by_closed, chain, keys) == "charter.signature"


def test_approval_of_a_stranger_changes_nothing() -> None:
    outsider = Approval(cid=NEW.cid, signature=bytes(64), wid=NEW.wid)
    plain = admitted(FOUNDED, COOPS)

    filled = structs.replace(plain, approvals=[*plain.approvals, outsider])

    assert FOUNDED.add(filled, KEYS).federation.id == plain.id
