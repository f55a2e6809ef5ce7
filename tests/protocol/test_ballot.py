"""Which votes count, and what they come to (spec 15, sections 2 and 3)."""

from itertools import permutations

import pytest
from msgspec import structs

from sheaf_protocol.digest import CoopId, Digest, EntryId
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.governance import (
    Bar,
    Cast,
    bar_of,
    count,
    listed_choices,
    promise,
    require_open,
    require_proposal,
    tally,
)
from sheaf_protocol.records.governance import (
    DEFAULT_POLICY,
    Action,
    Ballot,
    Change,
    Choice,
    Proposal,
    Vote,
)

COOPS = [CoopId(bytes([n]) * 32) for n in range(1, 8)]
OUTSIDER = CoopId(b"\xff" * 32)
EPOCH = Digest(b"\xe0" * 32)
ID = EntryId(b"\xb0" * 32)
ASKED_MS = 1_000_000
CLOSES_MS = ASKED_MS + DEFAULT_POLICY.ballot_ms
HALF = Bar(pass_bps=5_000, turnout_bps=5_000, is_closed=True)


def proposal(action: Action = "suspend", closes_at_ms: int = CLOSES_MS) -> Proposal:
    change = Change(action=action, cid=COOPS[6])
    return Proposal(change=change, closes_at_ms=closes_at_ms, epoch=EPOCH, text="", title="x")


def cast(
    cid: CoopId, choice: Choice, *, writer: int = 0, seq: int = 1, time_ms: int = ASKED_MS
) -> Cast:
    entry = EntryId(cid[:1] + bytes([writer, seq]) + bytes(29))
    return Cast(entry, cid, writer, seq, time_ms, Vote(choice=choice, proposal=ID))


def ballot(*casts: Cast) -> Ballot:
    return Ballot(proposal=ID, votes=[each.entry for each in casts])


def listing(listed: Ballot, *held: Cast) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        listed_choices(listed, proposal(), COOPS, held)
    return caught.value


def test_vote_stuffing_by_many_writers_counts_one() -> None:
    casts = [cast(COOPS[0], "yes", writer=writer) for writer in range(8)]

    counted = count(proposal(), COOPS, casts)

    assert dict(counted.choices) == {COOPS[0]: "yes"}
    assert dict(counted.refused) == {}


def test_count_does_not_depend_on_the_order_of_arrival() -> None:
    casts = [
        cast(COOPS[0], "yes", seq=1),
        cast(COOPS[0], "no", seq=2),
        cast(COOPS[0], "abstain", writer=1),
        cast(COOPS[1], "yes"),
    ]

    counted = [dict(count(proposal(), COOPS, order).choices) for order in permutations(casts)]

    assert all(each == {COOPS[0]: "abstain", COOPS[1]: "yes"} for each in counted)


def test_vote_of_a_co_op_outside_the_electorate_does_not_count() -> None:
    vote = cast(OUTSIDER, "yes")

    counted = count(proposal(), COOPS, [vote])

    assert dict(counted.refused) == {vote.entry: "ballot.not_elector"}
    assert dict(counted.votes) == {}


def test_vote_after_the_close_does_not_count_and_the_one_before_stands() -> None:
    late = cast(COOPS[0], "no", seq=2, time_ms=CLOSES_MS + 1)

    counted = count(proposal(), COOPS, [cast(COOPS[0], "yes"), late])

    assert dict(counted.refused) == {late.entry: "ballot.late"}
    assert counted.choices[COOPS[0]] == "yes"


def test_ninth_vote_of_a_co_op_does_not_count() -> None:
    casts = [cast(COOPS[0], "yes", seq=seq) for seq in range(1, 9)]
    ninth = cast(COOPS[0], "no", seq=9)

    counted = count(proposal(), COOPS, [*casts, ninth])

    assert dict(counted.refused) == {ninth.entry: "ballot.changes"}
    assert counted.choices[COOPS[0]] == "yes"


def test_back_dated_vote_takes_no_other_co_ops_vote_away() -> None:
    before = count(proposal(), COOPS, [cast(COOPS[0], "yes"), cast(COOPS[1], "no")])

    back_dated = cast(COOPS[1], "yes", seq=2, time_ms=ASKED_MS)
    after = count(proposal(), COOPS, [*before.votes.values(), back_dated])

    assert after.choices == {COOPS[0]: "yes", COOPS[1]: "yes"}


def test_votes_are_listed_in_ascending_order_of_ids() -> None:
    counted = count(proposal(), COOPS, [cast(coop, "yes") for coop in reversed(COOPS)])

    assert counted.listed == sorted(counted.listed)
    assert len(counted.listed) == 7


def test_listed_votes_say_what_their_authors_said() -> None:
    votes = [cast(COOPS[0], "yes"), cast(COOPS[1], "no")]

    choices = listed_choices(ballot(*votes), proposal(), COOPS, votes)

    assert choices == {COOPS[0]: "yes", COOPS[1]: "no"}


def test_list_that_repeats_a_vote_or_a_co_op_is_refused() -> None:
    first, second = cast(COOPS[0], "yes"), cast(COOPS[0], "yes", seq=2)

    assert listing(ballot(first, first), first).code == "ballot.listed"
    assert listing(ballot(first, second), first, second).code == "ballot.listed"


def test_list_with_a_vote_that_cannot_count_is_refused() -> None:
    outside = cast(OUTSIDER, "yes")

    assert listing(ballot(outside), outside).code == "ballot.listed"


def test_list_with_a_vote_not_held_is_judged_again_later() -> None:
    refused = listing(ballot(cast(COOPS[0], "yes")))

    assert (refused.code, refused.fault) == ("ballot.unknown", Fault.NOT_YET)


@pytest.mark.parametrize(
    ("asked", "chain", "code", "fault"),
    [
        (proposal("anchor"), [EPOCH], "ballot.action", Fault.AUTHOR),
        (proposal("leave"), [EPOCH], "ballot.action", Fault.AUTHOR),
        (proposal(closes_at_ms=CLOSES_MS - 1), [EPOCH], "ballot.short", Fault.AUTHOR),
        (proposal(), [], "ballot.epoch", Fault.NOT_YET),
    ],
)
def test_proposal_on_which_no_ballot_is_held_is_refused(
    asked: Proposal, chain: list[Digest], code: str, fault: Fault
) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        require_proposal(asked, ASKED_MS, DEFAULT_POLICY, chain)

    assert (caught.value.code, caught.value.fault) == (code, fault)


def test_refusal_of_a_short_ballot_names_the_policy() -> None:
    policy = structs.replace(DEFAULT_POLICY, version=3)

    with pytest.raises(RemoteProtocolError, match="by policy version 3, got 604799999 ms"):
        require_proposal(proposal(closes_at_ms=CLOSES_MS - 1), ASKED_MS, policy, [EPOCH])


def test_proposal_that_fits_is_let_pass() -> None:
    require_proposal(proposal(), ASKED_MS, DEFAULT_POLICY, [EPOCH])


def test_passed_vote_works_once() -> None:
    require_open(ballot(), [])

    with pytest.raises(RemoteProtocolError) as caught:
        require_open(ballot(), [ID])

    assert caught.value.code == "ballot.enacted"


@pytest.mark.parametrize("action", ["expel", "policy", "treaty", "treaty_level"])
def test_what_binds_all_needs_the_charters_share(action: Action) -> None:
    bar = bar_of(DEFAULT_POLICY, Change(action=action), is_closed=True)

    assert bar == Bar(pass_bps=6_666, turnout_bps=5_000, is_closed=True)


def test_other_changes_need_the_lesser_share() -> None:
    bar = bar_of(DEFAULT_POLICY, Change(action="admit"), is_closed=False)

    assert bar == Bar(pass_bps=5_000, turnout_bps=5_000, is_closed=False)


def test_votes_of_others_are_left_out_of_a_tally() -> None:
    found = tally("one_coop_one_vote/1", {OUTSIDER: "yes", COOPS[0]: "no"}, COOPS, HALF)

    assert (found.yes, found.no, found.missing) == (0, 1, 6)


@pytest.mark.parametrize("is_closed", [True, False])
@pytest.mark.parametrize("rule", ["consent/1", "one_coop_one_vote/1"])
def test_early_outcome_is_what_any_further_votes_lead_to(rule: str, is_closed: bool) -> None:
    """All tallies of four co-ops: an early outcome is the one of every way to go on."""
    bar = Bar(pass_bps=5_000, turnout_bps=6_000, is_closed=is_closed)
    voters = COOPS[:4]

    for state in _states(len(voters)):
        choices = {cid: choice for cid, choice in zip(voters, state, strict=True) if choice}
        early = tally(rule, choices, voters, bar).outcome
        ends = {_closed(rule, voters, end, bar) for end in _ends(state)}
        now = _closed(rule, voters, state, bar)

        assert early == (now if is_closed else ends.pop() if len(ends) == 1 else "open"), state


State = tuple[Choice | None, ...]
SAYINGS: tuple[Choice | None, ...] = ("yes", "no", "abstain", None)


def _states(size: int) -> list[State]:
    states: list[State] = [()]
    for _ in range(size):
        states = [(*state, said) for state in states for said in SAYINGS]
    return states


def _ends(state: State) -> list[State]:
    """Return every state that this one can become by votes of those that are missing."""
    is_reached = (
        end
        for end in _states(len(state))
        if all(before in (None, after) for before, after in zip(state, end, strict=True))
    )
    return list(is_reached)


def _closed(rule: str, voters: list[CoopId], state: State, bar: Bar) -> str:
    choices = {cid: choice for cid, choice in zip(voters, state, strict=True) if choice}
    closed = Bar(pass_bps=bar.pass_bps, turnout_bps=bar.turnout_bps, is_closed=True)
    return tally(rule, choices, voters, closed).outcome


def test_other_tally_methods_enter_as_plug_ins() -> None:
    found = tally("first_decides/1", {}, COOPS, HALF, {"first_decides/1": lambda *_: "passed"})

    assert found.outcome == "passed"


def test_method_that_is_not_known_is_not_guessed() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        tally("by_turnover/1", {}, COOPS, HALF)

    assert (caught.value.code, caught.value.fault) == ("ballot.tally", Fault.NOT_YET)


def test_founders_are_told_what_each_rule_gives_up() -> None:
    assert "only while nobody lies" in promise("majority")
    assert "fewer than a third" in promise("two_thirds")
    assert "all of them" in promise("two_thirds")
