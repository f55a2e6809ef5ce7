"""One certificate for each epoch, by a quorum that signed it and a ballot that passed (I16)."""

from __future__ import annotations

import pytest
from tests.simulation.histories import ASKER, NAMES, NOW_MS, OTHER, OWNER, Council

CLOSES_MS = Council.closes_ms
UNKNOWN = b"?" * 32


@pytest.fixture
def council() -> Council:
    return Council()


@pytest.mark.parametrize(
    ("action", "choices", "latest_ms"),
    [
        pytest.param("policy", ("yes", "yes", "yes"), NOW_MS, id="all_before_it_closed"),
        pytest.param("policy", ("yes", "yes", "abstain"), NOW_MS, id="nobody_against"),
        pytest.param("policy", ("yes", "yes"), CLOSES_MS, id="nobody_against_until_it_closed"),
        pytest.param("suspend", ("yes", "yes", "no"), NOW_MS, id="an_ordinary_change"),
        pytest.param("suspend", ("yes", "yes"), NOW_MS, id="the_third_cannot_turn_it"),
    ],
)
def test_a_certificate_of_a_ballot_that_passed_breaks_nothing(
    council: Council, action: str, choices: tuple[str, ...], latest_ms: int
) -> None:
    proposal = council.propose()
    charter = council.next_one(
        proposal, council.votes(proposal, *choices), change={"action": action}
    )

    council.certify(charter, latest_ms=latest_ms)

    assert council.broken == set()


def test_a_certificate_that_many_sites_hold_is_one(council: Council) -> None:
    proposal = council.propose()
    charter = council.next_one(proposal, council.votes(proposal, "yes", "yes", "yes"))

    for _ in NAMES:
        council.certify(charter)

    assert council.broken == set()


@pytest.mark.parametrize(
    "by",
    [
        pytest.param((OWNER, ASKER), id="two_of_three_are_not_more_than_two_thirds"),
        pytest.param((OWNER, ASKER, ASKER), id="one_signed_twice"),
    ],
)
def test_a_certificate_without_a_quorum_breaks_i16(council: Council, by: tuple[str, ...]) -> None:
    proposal = council.propose()
    votes = council.votes(proposal, "yes", "yes", "yes")

    council.certify(council.next_one(proposal, votes), by)

    assert council.broken == {"I16"}


@pytest.mark.parametrize(("by", "broken"), [((OWNER, ASKER), set()), ((OWNER,), {"I16"})])
def test_more_than_half_have_to_sign_where_the_policy_says_so(
    by: tuple[str, ...], broken: set[str]
) -> None:
    council = Council(certify="majority")
    proposal = council.propose()
    votes = council.votes(proposal, "yes", "yes", "yes")

    council.certify(council.next_one(proposal, votes), by)

    assert council.broken == broken


def test_an_approval_of_another_round_counts_for_nothing_and_breaks_i16(council: Council) -> None:
    proposal = council.propose()
    votes = council.votes(proposal, "yes", "yes", "yes")

    council.certify(council.next_one(proposal, votes), signed_round=1)

    assert council.broken == {"I16"}


def test_an_approval_of_a_suspended_co_op_counts_for_nothing_and_breaks_i16() -> None:
    council = Council(OTHER)
    proposal = council.propose()
    votes = council.votes(proposal, "yes", "yes")

    council.certify(council.next_one(proposal, votes), (OWNER, OTHER))

    assert council.broken == {"I16"}


def test_two_certificates_of_one_epoch_break_i16(council: Council) -> None:
    one, other = council.propose(), council.propose("Raise the fee")
    council.certify(council.next_one(one, council.votes(one, "yes", "yes", "yes")))
    assert council.broken == set()

    council.certify(council.next_one(other, council.votes(other, "yes", "yes", "yes")))

    assert council.broken == {"I16"}


def test_a_certificate_that_follows_on_none_breaks_i16(council: Council) -> None:
    proposal = council.propose()
    votes = council.votes(proposal, "yes", "yes", "yes")

    council.certify(council.next_one(proposal, votes, prev=bytes(32)))

    assert council.broken == {"I16"}


def test_a_vote_counted_twice_breaks_i16(council: Council) -> None:
    proposal = council.propose()
    votes = council.votes(proposal, "yes", "yes", "yes")

    council.certify(council.next_one(proposal, [*votes, votes[0]]))

    assert council.broken == {"I16"}


def test_two_votes_of_one_co_op_break_i16(council: Council) -> None:
    proposal = council.propose()
    votes = council.votes(proposal, "yes", "yes", "yes")

    council.certify(council.next_one(proposal, [*votes, council.vote(proposal, OWNER)]))

    assert council.broken == {"I16"}


def test_a_vote_on_another_proposal_breaks_i16(council: Council) -> None:
    proposal, other = council.propose(), council.propose("Raise the fee")
    votes = council.votes(proposal, "yes", "yes")

    council.certify(council.next_one(proposal, [*votes, council.vote(other, OTHER)]))

    assert council.broken == {"I16"}


def test_a_vote_of_a_suspended_co_op_breaks_i16() -> None:
    council = Council(OTHER)
    proposal = council.propose()
    votes = council.votes(proposal, "yes", "yes", "yes")

    council.certify(council.next_one(proposal, votes))

    assert council.broken == {"I16"}


def test_a_vote_that_nobody_signed_breaks_i16(council: Council) -> None:
    proposal = council.propose()
    votes = council.votes(proposal, "yes", "yes", "yes")

    council.certify(council.next_one(proposal, [*votes, UNKNOWN]))

    assert council.broken == {"I16"}


def test_a_ballot_on_what_nobody_proposed_breaks_i16(council: Council) -> None:
    proposal = council.propose()
    votes = council.votes(proposal, "yes", "yes", "yes")

    council.certify(council.next_one(UNKNOWN, votes))

    assert council.broken == {"I16"}


@pytest.mark.parametrize(
    ("choices", "latest_ms"),
    [
        pytest.param(("yes", "no", "no"), CLOSES_MS, id="turned_down"),
        pytest.param(("yes",), CLOSES_MS, id="too_few_voted"),
        pytest.param(("yes", "no", "yes"), CLOSES_MS, id="too_few_for_a_rule"),
        pytest.param(("yes", "yes"), CLOSES_MS - 1, id="the_third_can_still_turn_it"),
    ],
)
def test_a_certificate_of_a_ballot_that_did_not_pass_breaks_i16(
    council: Council, choices: tuple[str, ...], latest_ms: int
) -> None:
    proposal = council.propose()
    votes = council.votes(proposal, *choices)

    council.certify(council.next_one(proposal, votes), latest_ms=latest_ms)

    assert council.broken == {"I16"}
