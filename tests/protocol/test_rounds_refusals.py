"""Which statements do not count, and which prove a liar (spec 15, section 4)."""

import pytest
from msgspec import structs
from tests.protocol.council import (
    PREV,
    Coop,
    Council,
    abandon,
    accept,
    approve,
    derive,
    forged,
    lock_of,
    value,
)

from sheaf_protocol.digest import CoopId, Digest
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.governance import Statement, Views
from sheaf_protocol.records.governance import CertificateApprove

V, W = derive(value(20)), derive(value(21))


def refusal(council: Council, by: Coop, said: Statement) -> RemoteProtocolError:
    entry = council.publish(by, said)
    with pytest.raises(RemoteProtocolError) as caught:
        council.nodes[0].rounds.hear(entry.id, by.cid, by.wid, said)
    return caught.value


def test_statement_on_another_predecessor_does_not_count() -> None:
    council = Council(4)
    other = structs.replace(accept(council.coops[1], V, 0), prev=Digest(b"\x09" * 32))

    found = refusal(council, council.coops[1], other)

    assert (found.code, found.fault) == ("round.prev", Fault.AUTHOR)


def test_statement_of_a_co_op_without_a_vote_does_not_count() -> None:
    council = Council(4)
    outsider = Coop(CoopId(b"\xff" * 32), council.coops[0].key)

    assert refusal(council, outsider, abandon(0)).code == "round.voter"


def test_proposal_out_of_turn_does_not_count() -> None:
    council = Council(4)

    assert refusal(council, council.coops[1], value(20)).code == "round.proposer"


def test_statement_by_a_writer_of_another_co_op_does_not_count() -> None:
    council = Council(4)
    stranger = Coop(council.coops[0].cid, council.coops[1].key)

    assert refusal(council, stranger, accept(stranger, V, 0)).code == "round.signature"


def test_accept_is_no_approval() -> None:
    council = Council(4)
    by = council.coops[1]
    accepted = accept(by, V, 0)
    said = CertificateApprove(certificate=V, prev=PREV, round=0, signature=accepted.signature)

    assert refusal(council, by, said).code == "round.signature"


@pytest.mark.parametrize("size", [2, 3])
def test_lock_that_is_none_does_not_count(size: int) -> None:
    council = Council(4)
    lock = lock_of(council.coops[:size], V, 1)

    assert refusal(council, council.coops[1], abandon(0, lock)).code == "round.lock"
    assert size == 3 or refusal(council, council.coops[1], abandon(1, lock)).code == "round.lock"


def test_lock_with_a_co_op_twice_or_of_no_voter_does_not_count() -> None:
    council = Council(4)
    coops = council.coops
    twice = lock_of([*coops[:2], coops[1]], V, 0)
    outside = lock_of([*coops[:2], Coop(CoopId(b"\xff" * 32), coops[2].key)], V, 0)

    assert refusal(council, coops[1], abandon(0, twice)).code == "round.lock"
    assert refusal(council, coops[1], abandon(0, outside)).code == "round.lock"


def test_forged_lock_does_not_count() -> None:
    council = Council(4, liars=1)
    lock = forged(lock_of(council.coops[:3], V, 0), council.liars)

    assert refusal(council, council.liars[0], abandon(0, lock)).code == "round.signature"
    views = Views(
        value=lambda: None,
        derive=derive,
        agrees=lambda _: True,
        may_approve=lambda _: True,
    )
    node = council.nodes[2]
    assert node.rounds.next_step(node.coop.cid, views, is_late=False) is None


def test_entry_heard_twice_changes_nothing() -> None:
    council = Council(4)
    entry = council.show(abandon(0), council.coops[1], council.nodes)

    council.nodes[0].take([entry, entry])

    assert council.nodes[0].rounds.doubles == ()


@pytest.mark.parametrize(
    ("pair", "round_"),
    [
        (("accept V", "accept W"), 2),
        (("approve V", "approve W"), 2),
        (("propose V", "propose W"), 2),
        (("abandon", "abandon lock"), 2),
        (("approve V", "abandon"), 2),
        (("approve V", "abandon lock"), 2),
        (("approve V", "abandon later"), 2),
    ],
)
def test_two_statements_that_deny_each_other_are_kept_as_proof(
    pair: tuple[str, str], round_: int
) -> None:
    council = Council(4)
    liar, node = council.coops[2], council.nodes[0]
    told: dict[str, Statement] = {
        "accept V": accept(liar, V, 2),
        "accept W": accept(liar, W, 2),
        "approve V": approve(liar, V, 2),
        "approve W": approve(liar, W, 2),
        "propose V": value(20, 2),
        "propose W": value(21, 2),
        "abandon": abandon(2),
        "abandon later": abandon(3),
        "abandon lock": abandon(2, lock_of(council.coops[:3], V, 1)),
    }

    first, second = (council.show(told[name], liar, [node]) for name in pair)
    council.show(told["accept V"], liar, [node])

    double = node.rounds.doubles[0]
    assert (double.cid, double.round) == (liar.cid, round_)
    assert {double.first, double.second} == {first.id, second.id}


@pytest.mark.parametrize(
    "said",
    [
        [abandon(2), abandon(3)],
        [value(20, 2), value(20, 2)],
    ],
)
def test_what_an_honest_node_may_say_is_no_proof(said: list[Statement]) -> None:
    council = Council(4)

    for each in said:
        council.show(each, council.coops[2], council.nodes)

    assert council.nodes[0].rounds.doubles == ()


def test_approval_with_the_lock_shown_later_is_no_proof() -> None:
    council = Council(4)
    coop = council.coops[2]
    lock = lock_of(council.coops[:3], V, 2)
    said: list[Statement] = [accept(coop, V, 2), approve(coop, V, 2), abandon(3, lock), abandon(1)]

    for each in said:
        council.show(each, coop, council.nodes)

    assert council.nodes[0].rounds.doubles == ()


def test_liar_that_signs_any_number_leaves_one_proof_a_round() -> None:
    council = Council(4)
    liar = council.coops[0]

    for number in range(20, 40):
        council.show(value(number), liar, council.nodes)

    assert len(council.nodes[0].rounds.doubles) == 1
