"""Attacks on decisions: votes that are none, ballots by night, nodes that say two things."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec import structs
from tests.protocol.council import (
    Council,
    abandon,
    accept,
    approve,
    derive,
    forged,
    lock_of,
    value,
)

from sheaf_protocol.charter import Chain
from sheaf_protocol.digest import Digest, EntryId
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.governance import (
    Cast,
    Counted,
    bar_of,
    count,
    require_open,
    require_proposal,
    tally,
)
from sheaf_protocol.records.governance import DEFAULT_POLICY, Ballot, Proposal, Vote
from sheaf_protocol.testing.author import make_coop, make_federation
from sheaf_protocol.testing.epoch import about, keys_of, make_epoch

if TYPE_CHECKING:
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.digest import CoopId
    from sheaf_protocol.records.governance import Choice

HILL, DALE, MILL, FORD = (make_coop(name) for name in ("Hill", "Dale", "Mill", "Ford"))
STRANGER = make_coop("Stranger")
COOPS = [HILL, DALE, MILL, FORD]
ID = EntryId(b"\xb0" * 32)
ASKED_MS = 1_000_000
CLOSES_MS = ASKED_MS + DEFAULT_POLICY.ballot_ms
V = derive(value(20))
W = derive(value(21))


def chain(*suspended: object) -> Chain:
    """Return four members, of whom some were suspended since."""
    made = Chain.found(make_federation([(c, ["member"]) for c in COOPS]), keys_of(COOPS))
    for coop in COOPS:
        if coop in suspended:
            made = made.add(
                make_epoch(made.federation, about("suspend", coop), COOPS), keys_of(COOPS)
            )
    return made


def expulsion(epoch: Digest, closes_at_ms: int = CLOSES_MS) -> Proposal:
    change = about("expel", FORD)
    return Proposal(change=change, closes_at_ms=closes_at_ms, epoch=epoch, text="", title="x")


def cast(
    cid: CoopId, choice: Choice, *, writer: int = 0, seq: int = 1, time_ms: int = ASKED_MS
) -> Cast:
    entry = EntryId(cid[:16] + bytes([writer, seq]) + bytes(14))
    return Cast(entry, cid, writer, seq, time_ms, Vote(choice=choice, proposal=ID))


def counted(federation: Federation, *casts: Cast) -> Counted:
    return count(expulsion(federation.id), federation.voters, casts)


def outcome(federation: Federation, votes: Counted) -> str:
    policy = federation.charter.policy
    bar = bar_of(policy, about("expel", FORD), is_closed=True)
    return tally(policy.tally, votes.choices, federation.voters, bar).outcome


def test_votes_of_many_writers_are_one_vote() -> None:
    # Delegate a hundred writers and let each of them vote.
    federation = chain().federation
    stuffed = [cast(HILL.cid, "yes", writer=writer) for writer in range(100)]

    votes = counted(federation, *stuffed, cast(DALE.cid, "no"), cast(MILL.cid, "no"))

    assert votes.choices == {HILL.cid: "yes", DALE.cid: "no", MILL.cid: "no"}
    assert outcome(federation, votes) == "failed"


def test_votes_of_strangers_and_suspended_members_do_not_count() -> None:
    # Vote from another federation, and as a member whose rights are at rest.
    federation = chain(FORD).federation
    outside, resting = cast(STRANGER.cid, "yes"), cast(FORD.cid, "yes")

    votes = counted(federation, outside, resting)

    assert votes.refused == {
        outside.entry: "ballot.not_elector",
        resting.entry: "ballot.not_elector",
    }
    assert dict(votes.votes) == {}


def test_vote_after_the_close_changes_nothing() -> None:
    # See how the others voted, and vote when the ballot is over.
    federation = chain().federation
    late = cast(HILL.cid, "no", seq=2, time_ms=CLOSES_MS + 1)

    votes = counted(federation, *[cast(c.cid, "yes") for c in COOPS[:3]], late)

    assert outcome(federation, votes) == "passed"
    assert votes.refused == {late.entry: "ballot.late"}


def test_back_dated_vote_moves_nobody_elses() -> None:
    # Write after the close, with a time before it, on a second writer.
    federation = chain().federation
    said = [cast(c.cid, "yes") for c in COOPS[:3]]

    votes = counted(federation, *said, cast(HILL.cid, "no", writer=1, time_ms=ASKED_MS))

    assert votes.choices == {HILL.cid: "no", DALE.cid: "yes", MILL.cid: "yes"}


def test_ballot_by_night_is_none() -> None:
    # Ask at three in the morning and close before the others wake.
    federation = chain().federation
    hasty = expulsion(federation.id, ASKED_MS + 3_600_000)

    with pytest.raises(RemoteProtocolError) as caught:
        require_proposal(hasty, ASKED_MS, DEFAULT_POLICY, [federation.id])

    assert caught.value.code == "ballot.short"


def test_naming_an_old_epoch_leaves_no_later_member_out() -> None:
    # Ask in the name of the founding, where those who were admitted since had no vote.
    founding = Chain.found(make_federation([(c, ["member"]) for c in COOPS]), keys_of(COOPS))
    now = [*founding.federation.voters, STRANGER.cid]
    old = expulsion(founding.federation.id)

    votes = count(old, now, [cast(STRANGER.cid, "no")])

    assert votes.choices == {STRANGER.cid: "no"}


def test_passed_vote_is_not_used_again() -> None:
    # Bring an old ballot back, to admit again who was expelled since.
    with pytest.raises(RemoteProtocolError) as caught:
        require_open(Ballot(proposal=ID, votes=[]), {ID})

    assert caught.value.code == "ballot.enacted"


def test_double_vote_in_a_round_is_proven_and_decides_nothing() -> None:
    # As proposer show two values, and accept and approve both.
    council = Council(7, liars=2)
    for liar in council.liars:
        for certificate in (V, W):
            council.show(accept(liar, certificate, 0), liar, council.nodes)
            council.show(approve(liar, certificate, 0), liar, council.nodes)

    council.conclude()

    assert len(council.decidable()) == 1
    assert {d.cid for d in council.nodes[0].rounds.doubles} == {c.cid for c in council.liars}


def test_lie_about_what_was_accepted_undoes_no_decision() -> None:
    # Help to decide, then give the round up as if nothing had been locked.
    council = Council(4, liars=1)
    liar = council.liars[0]
    for coop in council.coops:
        council.show(accept(coop, V, 0), coop, council.nodes[:2])
    for node in council.nodes[:2]:
        node.settle()
    council.show(approve(liar, V, 0), liar, [])
    council.show(abandon(0), liar, council.nodes)

    council.conclude()

    assert council.decidable() == {V}


def test_invented_lock_binds_nobody() -> None:
    # Show a quorum of accepts that nobody signed.
    council = Council(4, liars=1)
    lock = forged(lock_of(council.coops[:3], V, 0), council.liars)
    council.show(abandon(0, lock), council.liars[0], council.nodes)

    council.conclude()

    assert V not in council.decidable()


def test_statements_of_another_federation_are_none_here() -> None:
    # Replay what a member signed on the predecessor of another federation.
    council = Council(4)
    said = structs.replace(accept(council.coops[1], V, 0), prev=Digest(b"\x09" * 32))
    node = council.nodes[0]

    with pytest.raises(RemoteProtocolError) as caught:
        node.rounds.hear(ID, council.coops[1].cid, council.coops[1].wid, said)

    assert caught.value.code == "round.prev"
