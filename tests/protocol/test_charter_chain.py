"""Chains of certificates: one line, forks and re-foundations, in any order (spec chapter 09)."""

from __future__ import annotations

from contextlib import suppress
from random import Random  # noqa: TC003  # hypothesis reads the annotation
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET, structs

from sheaf_protocol.charter import (
    DEFAULT_POLICY,
    Certificate,
    Chain,
    Federation,
    Policy,
    read_charter,
)
from sheaf_protocol.digest import ZERO
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.records.governance import Change
from sheaf_protocol.testing.author import make_coop, make_federation
from sheaf_protocol.testing.epoch import (
    about,
    admission,
    keys_of,
    make_epoch,
    make_refounding,
    sign_refounding,
)

if TYPE_CHECKING:
    from sheaf_protocol.digest import Digest

HILL, DALE, MILL = COOPS = [make_coop(name) for name in ("Hill", "Dale", "Mill")]
NEW, OTHER = make_coop("New"), make_coop("Other")
KEYS = keys_of([*COOPS, NEW, OTHER])
GENESIS = make_federation([(coop, ["member"]) for coop in COOPS])
FOUNDED = Chain.found(GENESIS, KEYS)


def epoch(chain: Chain, change: Change) -> Certificate:
    return make_epoch(chain.federation, change, COOPS)


def following(chain: Chain, *changes: Change) -> Chain:
    for change in changes:
        chain = chain.add(epoch(chain, change), KEYS)
    return chain


def refusal(chain: Chain, certificate: Certificate) -> tuple[str, Fault]:
    with pytest.raises(RemoteProtocolError) as caught:
        chain.add(certificate, KEYS)
    return caught.value.code, caught.value.fault


def forked(chain: Chain = FOUNDED) -> Chain:
    one, other = (epoch(chain, admission(coop, ["member"])) for coop in (NEW, OTHER))
    return chain.add(one, KEYS).add(other, KEYS)


def test_chain_begins_with_a_genesis_that_was_verified() -> None:
    unsigned = structs.replace(GENESIS, approvals=[])

    with pytest.raises(RemoteProtocolError) as caught:
        Chain.found(unsigned, KEYS)

    assert caught.value.code == "charter.signature"
    assert FOUNDED.federation.id == GENESIS.id
    assert FOUNDED.certificates == [GENESIS]


def test_each_certificate_takes_the_place_of_the_one_before() -> None:
    chain = following(FOUNDED, admission(NEW, ["member"]), about("suspend", NEW))

    assert chain.federation.charter.epoch == 2
    assert chain.federation.id == chain.certificates[-1].id
    assert chain.require_one() is chain.federation


def test_chain_does_not_change_where_a_certificate_is_known() -> None:
    chain = following(FOUNDED, admission(NEW, ["member"]))

    assert chain.add(chain.certificates[1], KEYS) is chain
    assert chain.add(GENESIS, KEYS) is chain


def test_chain_of_before_stays_as_it_was() -> None:
    following(FOUNDED, admission(NEW, ["member"]))

    assert FOUNDED.certificates == [GENESIS]


def test_certificate_waits_for_its_predecessor() -> None:
    chain = following(FOUNDED, admission(NEW, ["member"]), about("suspend", NEW))

    assert refusal(FOUNDED, chain.certificates[2]) == ("charter.unknown_epoch", Fault.NOT_YET)


def test_certificate_that_is_not_valid_is_not_taken() -> None:
    few = make_epoch(FOUNDED.federation, admission(NEW, ["member"]), COOPS[:1])

    assert refusal(FOUNDED, few)[0] == "charter.quorum"


def test_chain_of_verified_certificates_is_the_chain_that_verified_them() -> None:
    chain = forked()

    assert Chain.of(chain.certificates) == chain


def test_chain_of_certificates_without_their_predecessor_is_refused() -> None:
    chain = following(FOUNDED, admission(NEW, ["member"]), about("suspend", NEW))

    with pytest.raises(RemoteProtocolError) as caught:
        Chain.of([GENESIS, chain.certificates[2]])

    assert caught.value.code == "charter.unknown_epoch"


def test_key_heads_of_every_certificate_are_anchors() -> None:
    hill = make_coop("Hill")
    hill.delegate(NEW.writer, 2**40)
    moved = make_epoch(FOUNDED.federation, Change(action="anchor"), COOPS, heads=[hill])

    chain = FOUNDED.add(moved, {**KEYS, hill.cid: hill.keys})

    assert chain.anchors[HILL.cid] == {HILL.keys.head, hill.keys.head}
    assert chain.anchors[DALE.cid] == {DALE.keys.head}
    assert NEW.cid not in chain.anchors


def test_two_certificates_on_one_predecessor_halt_the_chain_there() -> None:
    before = following(FOUNDED, about("suspend", HILL))

    chain = forked(before)

    assert chain.is_forked
    assert chain.federation.is_forked
    assert chain.federation.id == before.federation.id
    assert len(chain.fork) == 2
    assert not chain.federation.is_member(NEW.cid)


def test_halted_chain_says_what_contradicts() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        forked().require_one()

    assert (caught.value.code, caught.value.fault) == ("charter.forked", Fault.NOT_YET)


def test_rival_of_what_was_built_upon_is_kept_and_changes_nothing() -> None:
    chain = following(FOUNDED, admission(NEW, ["member"]), about("suspend", NEW))
    rival = epoch(FOUNDED, admission(OTHER, ["member"]))

    after = chain.add(rival, KEYS)

    assert after.federation == chain.federation
    assert after.late == [rival]
    assert after.certificates[-1] == rival


def test_second_late_rival_and_what_follows_on_the_first_are_refused() -> None:
    chain = following(FOUNDED, admission(NEW, ["member"]), about("suspend", NEW))
    on_rival = following(FOUNDED, admission(OTHER, ["member"]), about("suspend", OTHER))
    after = chain.add(on_rival.certificates[1], KEYS)

    second = refusal(after, epoch(FOUNDED, about("suspend", DALE)))
    further = refusal(after, on_rival.certificates[2])

    assert second == further == ("charter.late", Fault.AUTHOR)


def test_halted_chain_goes_on_where_the_side_that_was_first_is_built_upon() -> None:
    chain = following(FOUNDED, admission(NEW, ["member"]), about("suspend", NEW))
    first = FOUNDED.add(chain.certificates[1], KEYS)
    halted = first.add(epoch(FOUNDED, admission(OTHER, ["member"])), KEYS)

    after = halted.add(chain.certificates[2], KEYS)

    assert halted.is_forked
    assert after.federation == chain.federation
    assert after.late == []


def test_rival_of_the_newest_does_not_win_by_being_built_upon() -> None:
    newest = following(FOUNDED, admission(NEW, ["member"]))
    rival = following(FOUNDED, admission(OTHER, ["member"]), about("suspend", OTHER))
    halted = newest.add(rival.certificates[1], KEYS)

    after = halted.add(rival.certificates[2], KEYS)

    assert after.is_forked
    assert after.federation == halted.federation
    assert after.late == [rival.certificates[2]]


def test_of_two_sides_the_one_heard_of_as_built_upon_stays() -> None:
    one = following(FOUNDED, admission(NEW, ["member"]), about("suspend", NEW))
    other = following(FOUNDED, admission(OTHER, ["member"]), about("suspend", OTHER))
    halted = FOUNDED.add(one.certificates[1], KEYS).add(other.certificates[1], KEYS)

    after = halted.add(one.certificates[2], KEYS).add(other.certificates[2], KEYS)

    assert after.federation == one.federation
    assert after.late == [other.certificates[2]]


def test_late_refounding_of_what_was_built_upon_changes_nothing() -> None:
    halted = forked()
    chain = following(halted.add(make_refounding(halted, COOPS), KEYS), about("suspend", HILL))
    later = following(chain, about("restore", HILL))
    policy = structs.replace(DEFAULT_POLICY, fee_bps=1)

    after = later.add(make_refounding(halted, COOPS, policy=policy), KEYS)

    assert after.federation == later.federation


def test_what_follows_on_a_side_that_was_refounded_is_late() -> None:
    on_side = following(FOUNDED, admission(NEW, ["member"]), about("suspend", NEW))
    halted = forked()
    chain = halted.add(make_refounding(halted, COOPS), KEYS)

    after = chain.add(on_side.certificates[2], KEYS)
    second = refusal(after, epoch(Chain.of(on_side.certificates[:2]), about("suspend", HILL)))

    assert after.federation == chain.federation
    assert after.late == [on_side.certificates[2]]
    assert second == ("charter.late", Fault.AUTHOR)


def test_late_certificate_anchors_nothing() -> None:
    chain = following(FOUNDED, admission(NEW, ["member"]), about("suspend", NEW))
    hill = make_coop("Hill")
    hill.delegate(OTHER.writer, 2**40)
    rival = make_epoch(FOUNDED.federation, Change(action="anchor"), COOPS, heads=[hill])

    after = chain.add(rival, {**KEYS, hill.cid: hill.keys})

    assert after.late == [rival]
    assert after.anchors == chain.anchors


def test_late_certificate_is_told_of_unless_others_could_not_judge_it() -> None:
    chain = following(FOUNDED, about("suspend", HILL), about("suspend", DALE))
    known, stranger = epoch(FOUNDED, about("expel", MILL)), admission(NEW, ["member"])

    one = chain.add(known, KEYS)
    other = chain.add(epoch(FOUNDED, stranger), KEYS)

    assert list(one.told.values()) == [*chain.certificates, known]
    assert list(other.told.values()) == chain.certificates


def test_refounding_takes_the_place_of_what_it_refounds() -> None:
    halted = forked()

    chain = halted.add(make_refounding(halted, COOPS), KEYS)

    assert not chain.is_forked
    assert chain.fork == ()
    assert chain.federation.charter.refounds == sorted(each.id for each in halted.fork)
    assert following(chain, admission(NEW, ["member"])).federation.charter.epoch == 2


def test_refounding_waits_for_what_it_refounds() -> None:
    refounding = make_refounding(forked(), COOPS)

    assert refusal(FOUNDED, refounding) == ("charter.unknown_epoch", Fault.NOT_YET)


def test_refounding_of_certificates_elsewhere_is_refused() -> None:
    halted = forked(following(FOUNDED, about("suspend", HILL)))
    elsewhere = structs.replace(
        read_charter(make_refounding(halted, COOPS)),
        refounds=sorted([halted.fork[0].id, halted.federation.id]),
    )

    refused = refusal(halted, sign_refounding(elsewhere, COOPS))

    assert refused[0] == "charter.refounding"


def test_third_certificate_after_a_refounding_changes_nothing() -> None:
    halted = forked()
    chain = halted.add(make_refounding(halted, COOPS), KEYS)
    third = epoch(FOUNDED, about("suspend", MILL))

    later = chain.add(third, KEYS)

    assert later.federation == chain.federation
    assert third in later.certificates


def test_two_refoundings_halt_until_a_third_names_both() -> None:
    halted = forked()
    one = make_refounding(halted, COOPS)
    other = make_refounding(halted, COOPS, policy=structs.replace(DEFAULT_POLICY, fee_bps=1))

    divided = halted.add(one, KEYS).add(other, KEYS)
    last = make_refounding(divided, COOPS, policy=structs.replace(DEFAULT_POLICY, fee_bps=2))
    settled = divided.add(last, KEYS)

    assert {each.id for each in divided.fork} == {one.id, other.id}
    assert settled.federation.id == last.id


def grown(random: Random, size: int) -> list[Certificate]:
    """Return valid certificates on random ones before them, re-foundations among them."""
    certificates = [GENESIS]
    federations = {GENESIS.id: FOUNDED.federation}
    heirs: dict[Digest, list[Digest]] = {GENESIS.id: []}
    for fee_bps in range(1, size):
        before = federations[random.choice(list(federations))]
        policy = structs.replace(
            before.charter.policy, fee_bps=fee_bps, version=before.charter.policy.version + 1
        )
        rivals = heirs[before.id]
        if len(rivals) > 1 and random.random() < 0.6:
            refounds = sorted(random.sample(rivals, random.randint(2, len(rivals))))
            certificate = refounding(before, policy, refounds)
        else:
            certificate = make_epoch(before, Change(action="policy", policy=policy), COOPS)
        rivals.append(certificate.id)
        heirs[certificate.id] = []
        certificates.append(certificate)
        federations[certificate.id] = before.after(certificate.id, read_charter(certificate))
    return certificates


def refounding(before: Federation, policy: Policy, refounds: list[Digest]) -> Certificate:
    charter = structs.replace(
        before.charter,
        change=UNSET,
        epoch=before.charter.epoch + 1,
        fid=before.fid,
        policy=policy,
        prev=before.id,
        refounds=refounds,
    )
    return sign_refounding(charter, COOPS)


def in_some_order(random: Random, certificates: list[Certificate]) -> Chain:
    """Return the chain of certificates that come in any order in which each can be judged."""
    chain, waiting, refused = FOUNDED, list(certificates), set[bytes]()
    while waiting:
        certificate = waiting.pop(random.randrange(len(waiting)))
        charter = read_charter(certificate)
        needed = {charter.prev, *(charter.refounds or ())} - {ZERO}
        if needed & refused:
            refused.add(certificate.id)
        elif needed <= {each.id for each in chain.certificates}:
            try:
                chain = chain.add(certificate, KEYS)
            except RemoteProtocolError:  # a second one that is late
                refused.add(certificate.id)
        else:
            waiting.append(certificate)
    return chain


@settings(deadline=None, max_examples=100)
@given(st.randoms(use_true_random=False), st.integers(2, 10))
def test_every_order_in_which_nothing_is_late_makes_the_same_chain(
    random: Random, size: int
) -> None:
    certificates = grown(random, size)

    chains = [in_some_order(random, certificates) for _ in range(4)]
    timely = [chain for chain in chains if not chain.late]

    assert len({chain.federation.id for chain in timely}) <= 1
    assert len({frozenset(each.id for each in chain.fork) for chain in timely}) <= 1
    again = [Chain.of(chain.certificates) for chain in timely]
    assert all(one.federation == two.federation for one, two in zip(again, timely, strict=True))


@settings(deadline=None, max_examples=100)
@given(st.randoms(use_true_random=False), st.integers(2, 10))
def test_what_was_built_upon_stays_whatever_comes(random: Random, size: int) -> None:
    chain, before = FOUNDED, FOUNDED
    for certificate in in_some_order(random, grown(random, size)).certificates:
        before = chain
        with suppress(RemoteProtocolError):  # in this order it may be a second late one
            chain = chain.add(certificate, KEYS)

        assert chain.federation.charter.epoch >= before.federation.charter.epoch - 1
        assert chain.is_forked == (len(chain.fork) > 1)
        assert {read_charter(each).prev for each in chain.fork} <= {chain.federation.id}


@settings(deadline=None, max_examples=100)
@given(st.randoms(use_true_random=False), st.integers(2, 10))
def test_who_adds_what_a_chain_holds_in_its_order_has_the_same_chain(
    random: Random, size: int
) -> None:
    chain = in_some_order(random, grown(random, size))

    newcomer = FOUNDED
    for certificate in chain.certificates:
        newcomer = newcomer.add(certificate, KEYS)

    assert newcomer == chain == Chain.of(chain.certificates)
    assert newcomer.certificates == chain.certificates
