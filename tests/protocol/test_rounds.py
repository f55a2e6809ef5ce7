"""What a node says in a round, and what it never says (spec 15, sections 4 and 5)."""

import pytest
from msgspec import structs
from tests.protocol.council import (
    PREV,
    Coop,
    Council,
    Node,
    abandon,
    accept,
    approve,
    derive,
    lock_of,
    value,
)

from sheaf_protocol.codec import encode
from sheaf_protocol.digest import CoopId, EntryId, digest
from sheaf_protocol.governance import Approve, Rounds, Statement, Views, to_record
from sheaf_protocol.limits import MAX_PAYLOAD, SALT_BYTES
from sheaf_protocol.records.governance import CertificateAbandon, CertificateApprove

V, W, X = derive(value(20)), derive(value(21)), derive(value(22))


def next_of(node: Node, *, is_late: bool = False) -> Statement | None:
    """Return what a node would say next, without its saying so."""
    step = node.rounds.next_step(node.coop.cid, node.views(), is_late=is_late)
    return None if step is None else to_record(step, PREV, node.coop.key.sign)


def everyone_gives_up(council: Council, round_: int = 0) -> None:
    for coop in council.coops:
        council.show(abandon(round_), coop, council.nodes)


@pytest.mark.parametrize("voters", range(1, 14))
@pytest.mark.parametrize("rule", ["majority", "two_thirds"])
def test_honest_nodes_that_hear_all_decide_in_the_first_round(voters: int, rule: str) -> None:
    council = Council(voters, rule=rule)

    assert council.conclude() == 0
    assert council.decidable() == {derive(value(0))}


def test_split_of_three_three_and_one_is_recovered_by_abandons() -> None:
    council = Council(7, liars=1)
    liar = council.liars[0]
    v = council.show(value(20), liar, council.nodes[:3])
    w = council.show(value(21), liar, council.nodes[3:])
    council.nodes[5].agrees = lambda _: False
    for node in council.nodes:
        node.settle()
    council.nodes[5].agrees = lambda _: True
    council.show(accept(liar, V, 0), liar, council.nodes)

    taken = council.conclude()

    assert taken == 1
    assert council.decidable() == {derive(value(0))}
    doubles = council.nodes[0].rounds.doubles
    assert [(d.cid, d.round, {d.first, d.second}) for d in doubles] == [
        (liar.cid, 0, {v.id, w.id}),
    ]


def test_value_that_was_decided_survives_liars_that_deny_it() -> None:
    """The case of section 5, in which one phase would decide twice."""
    council = Council(7, liars=2)
    proposer, helper = council.liars
    deciding, others = council.nodes[:3], council.nodes[3:]
    council.show(value(20), proposer, deciding)
    council.show(value(21), proposer, others)
    for node in council.nodes:
        node.settle()
    accepts = [e for e in council.entries if e.author not in council.liars][:3]
    for node in deciding:
        node.take(accepts)
        node.take([council.show(accept(liar, V, 0), liar, []) for liar in council.liars])
        node.settle()
    assert council.decidable() == {V}

    for liar in (proposer, helper):
        council.show(accept(liar, W, 0), liar, others)
        council.show(abandon(0), liar, others)
    taken = council.conclude()

    assert taken < 5
    assert council.decidable() == {V}


def test_value_that_may_be_decided_is_taken_by_those_that_do_not_agree() -> None:
    council = Council(4)
    for node in council.nodes[1:]:
        node.agrees = lambda _: False
    lock = lock_of(council.coops[:3], V, 0)
    council.publish(council.coops[0], value(20))
    for coop, shown in zip(council.coops, (lock, None, None, None), strict=True):
        council.show(abandon(0, shown), coop, council.nodes)

    council.conclude()

    assert council.decidable() == {V}


def test_node_folds_its_own_log_first_and_says_nothing_twice() -> None:
    council = Council(4)
    node = council.nodes[0]
    node.settle()
    said = [type(entry.said).__name__ for entry in node.log]

    node.restart()
    node.settle()

    assert said == ["CertificateProposal", "CertificateAccept"]
    assert len(node.log) == 2


def test_approval_never_follows_an_abandon() -> None:
    council = Council(4)
    node = council.nodes[3]
    council.show(abandon(0), node.coop, [node])

    for coop in council.coops[:3]:
        council.show(accept(coop, V, 0), coop, [node])

    assert next_of(node) is None


def test_abandon_after_an_approval_shows_its_lock() -> None:
    council = Council(4)
    node = council.nodes[3]
    for coop in council.coops[:3]:
        council.show(accept(coop, V, 0), coop, [node])
    node.settle()

    said = next_of(node, is_late=True)

    assert said == abandon(0, lock_of(council.coops[:3], V, 0))


def test_node_that_lost_the_lock_it_approved_stays_silent() -> None:
    council = Council(4)
    node = council.nodes[3]
    council.show(approve(node.coop, V, 0), node.coop, [node])

    assert next_of(node, is_late=True) is None


def test_node_stays_silent_below_a_round_in_which_it_spoke() -> None:
    council = Council(4)
    node = council.nodes[3]
    council.show(accept(node.coop, W, 2), node.coop, [node])

    for coop in council.coops[:3]:
        council.show(accept(coop, V, 1), coop, [node])

    assert node.rounds.round_of(node.coop.cid) == 2
    assert next_of(node) is None


def test_lock_outlives_the_log_that_an_accept_stood_in() -> None:
    """The accepts travel in the abandon: a liar that forks its log unsays nothing."""
    council = Council(4)
    node = council.nodes[3]

    council.show(abandon(0, lock_of(council.coops[:3], V, 0)), council.coops[1], [node])

    assert isinstance(next_of(node), CertificateApprove)


def test_of_two_locks_the_higher_binds() -> None:
    council = Council(4)
    everyone_gives_up(council)
    low, high = lock_of(council.coops[:3], V, 0), lock_of(council.coops[:3], W, 1)
    for coop, shown in zip(council.coops, (low, high, None, None), strict=True):
        council.show(abandon(1, shown), coop, council.nodes)
    for number in (20, 21):
        council.show(value(number), council.coops[0], council.nodes)
    node = council.nodes[2]

    said = next_of(node)

    assert said == value(21, 2)


def test_proposer_without_the_value_asked_for_leaves_the_turn_to_the_next() -> None:
    council = Council(4)
    lock = lock_of(council.coops[:3], V, 0)
    for coop, shown in zip(council.coops[:3], (lock, None, None), strict=True):
        council.show(abandon(0, shown), coop, council.nodes)
    node = council.nodes[1]
    council.show(approve(node.coop, V, 0), node.coop, [node])

    assert node.rounds.round_of(node.coop.cid) == 1
    assert next_of(node) is None


def test_proposal_that_makes_no_certificate_is_not_accepted() -> None:
    council = Council(4)
    node = council.nodes[1]
    council.show(value(20), council.coops[0], [node])
    views = Views(
        value=lambda: None,
        derive=lambda _: None,
        agrees=lambda _: True,
        may_approve=lambda _: True,
    )

    assert node.rounds.next_step(node.coop.cid, views, is_late=False) is None


def test_node_without_anything_to_certify_proposes_nothing() -> None:
    council = Council(4)
    node = council.nodes[0]
    node.wants = None

    assert next_of(node) is None


def test_co_op_without_a_vote_says_nothing() -> None:
    council = Council(4)
    views = Views(
        value=lambda: value(20),
        derive=derive,
        agrees=lambda _: True,
        may_approve=lambda _: True,
    )

    step = council.nodes[0].rounds.next_step(CoopId(b"\xff" * 32), views, is_late=True)

    assert step is None


def test_nothing_is_said_after_the_decision() -> None:
    council = Council(4)
    council.conclude()

    assert [next_of(node, is_late=True) for node in council.nodes] == [None] * 4


def test_nothing_is_said_after_the_last_round() -> None:
    council = Council(1)
    node = council.nodes[0]
    council.show(abandon(1_000), node.coop, [node])

    assert next_of(node, is_late=True) is None


def test_round_is_at_work_by_a_proposal_a_lock_or_more_that_gave_up_than_lie() -> None:
    quiet, proposed, locked, left = (Council(7) for _ in range(4))
    proposed.show(value(20), proposed.coops[0], proposed.nodes)
    locked.show(abandon(0, lock_of(locked.coops[:5], V, 0)), locked.coops[1], locked.nodes)
    for coop in left.coops[:3]:
        left.show(abandon(0), coop, left.nodes)

    called = [c.nodes[6].rounds.is_called(c.coops[6].cid) for c in (quiet, proposed, locked, left)]

    assert called == [False, True, True, True]


def test_liars_alone_call_nobody_into_a_round() -> None:
    council = Council(7, liars=2)
    for liar in council.liars:
        council.show(abandon(0), liar, council.nodes)

    assert not council.nodes[0].rounds.is_called(council.nodes[0].coop.cid)


def test_decision_names_round_and_approvals_in_order_of_co_ops() -> None:
    council = Council(4)
    node = council.nodes[0]
    for coop in reversed(council.coops[1:]):
        council.show(approve(coop, V, 3), coop, [node])

    decided = node.rounds.decided

    assert decided is not None
    assert (decided.certificate, decided.round) == (V, 3)
    assert [a.cid for a in decided.approvals] == [coop.cid for coop in council.coops[1:]]


def test_approval_that_its_certificate_cannot_bear_decides_nothing() -> None:
    council = Council(4)
    node = council.nodes[0]
    for coop in council.coops[:3]:
        council.show(approve(coop, V, 0), coop, [node])
    assert node.rounds.decided is not None

    council.unheld.add((V, council.coops[2].cid))

    assert node.rounds.decided is None


def test_approval_that_holds_later_counts_then() -> None:
    council = Council(4)
    node = council.nodes[0]
    council.unheld.add((V, council.coops[2].cid))
    for coop in council.coops:
        council.show(approve(coop, V, 0), coop, [node])

    first, council.unheld = node.rounds.decided, set()

    assert first is not None
    assert [a.cid for a in first.approvals] == [council.coops[n].cid for n in (0, 1, 3)]
    assert node.rounds.decided is not None
    assert len(node.rounds.decided.approvals) == 4


def test_node_makes_no_approval_that_will_not_hold_and_gives_the_round_up_with_its_lock() -> None:
    council = Council(4)
    node = council.nodes[3]
    council.unheld.add((V, node.coop.cid))
    for coop in council.coops[:3]:
        council.show(accept(coop, V, 0), coop, [node])

    assert next_of(node) is None
    assert next_of(node, is_late=True) == abandon(0, lock_of(council.coops[:3], V, 0))


def test_more_statements_of_a_liar_for_one_round_than_four_of_a_kind_are_passed_over() -> None:
    council = Council(4, liars=1)
    liar, node = council.liars[0], council.nodes[0]
    for number in range(20, 25):
        council.show(value(number), liar, [node])
    node.agrees = lambda proposal: proposal == value(24)

    assert next_of(node) is None
    node.agrees = lambda proposal: proposal == value(23)
    assert next_of(node) == accept(node.coop, derive(value(23)), 0)


def test_lock_counts_with_an_accept_that_was_passed_over() -> None:
    council = Council(4, liars=1)
    liar, node = council.liars[0], council.nodes[0]
    for number in (22, 23, 24, 25, 20):
        council.show(accept(liar, derive(value(number)), 0), liar, [node])
    for coop in council.coops[2:]:
        council.show(accept(coop, V, 0), coop, [node])
    assert next_of(node) is None

    council.show(abandon(0, lock_of([liar, *council.coops[2:]], V, 0)), council.coops[2], [node])

    assert next_of(node) == approve(node.coop, V, 0)


def test_approvals_of_many_writers_count_one() -> None:
    council = Council(4)
    voters = [coop.cid for coop in council.coops]
    rounds = Rounds(PREV, voters, 3, lambda _, __: True, lambda _, __, ___: True)

    for number, coop in enumerate(council.coops[:3]):
        said = approve(coop, V, 0)
        rounds.hear(EntryId(digest("test", bytes([number]))), council.coops[0].cid, coop.wid, said)

    assert rounds.decided is None


def test_value_of_a_certificate_is_a_proposal_that_makes_it() -> None:
    council = Council(4)
    node = council.nodes[1]
    council.show(value(20), council.coops[0], [node])
    views = Views(
        value=lambda: None,
        derive=derive,
        agrees=lambda _: True,
        may_approve=lambda _: True,
    )

    assert node.rounds.value_of(V, views) == value(20)
    assert node.rounds.value_of(W, views) is None


def test_proposers_take_turns() -> None:
    council = Council(3)
    rounds = council.nodes[0].rounds

    assert [rounds.proposer(n) for n in range(4)] == [council.coops[n % 3].cid for n in range(4)]


def test_majority_is_not_safe_against_one_liar() -> None:
    """What the promise for founders says: one of three has two certificates decided."""
    council = Council(3, liars=1, rule="majority")
    liar = council.liars[0]
    for node, number in zip(council.nodes, (20, 21), strict=True):
        certificate = derive(value(number))
        council.show(value(number), liar, [node])
        node.settle()
        council.show(accept(liar, certificate, 0), liar, [node])
        node.settle()
        council.show(approve(liar, certificate, 0), liar, [node])

    decided = [found.certificate for found in council.decisions() if found]

    assert sorted(decided) == sorted([V, W])


def test_majority_is_safe_against_a_proposer_that_shows_two_values() -> None:
    council = Council(5, rule="majority")
    proposer = council.coops[0]
    council.show(value(20), proposer, council.nodes[:3])
    council.show(value(21), proposer, council.nodes[3:])

    council.conclude()

    assert len(council.decidable()) == 1


def test_step_is_signed_under_its_purpose() -> None:
    council = Council(1)
    coop = council.coops[0]

    assert to_record(Approve(X, 7), PREV, coop.key.sign) == approve(coop, X, 7)


def test_largest_lock_fits_a_payload() -> None:
    by = lock_of([Coop(CoopId(bytes(32)), Council(1).coops[0].key)], V, 1_000).accepts[0]
    lock = structs.replace(lock_of([], V, 1_000), accepts=[by] * 420)

    body = encode(CertificateAbandon(lock=lock, prev=PREV, round=1_000))

    assert len(body) + SALT_BYTES <= MAX_PAYLOAD
