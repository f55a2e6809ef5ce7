import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheaf_protocol.codec import encode
from sheaf_protocol.digest import EntryId, FederationId, LogId
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.fork import (
    Branch,
    ForkProof,
    decode_fork_proof,
    fork_leaf,
    make_branch,
    make_fork_proof,
    open_fork_proof,
    verify_fork_proof,
)
from sheaf_protocol.identity import signing_key
from sheaf_protocol.limits import MAX_FORK_PROOF, MAX_HEADER, MAX_UNSIGNED
from sheaf_protocol.log import EMPTY, Head
from sheaf_protocol.proof import Proof, split_runs
from sheaf_protocol.testing.author import LogAuthor, make_coop, make_federation, unsigned
from sheaf_protocol.testing.chain import branch_over, opened, prove_fork, tail_over

COOP = make_coop("Hill Farm")
FID = make_federation([(COOP, ["member"])]).fid
NOTE, OTHER_NOTE = b"\x80", b"\x90"
SOME_ID = EntryId(b"s" * 32)
FORK_LEAF = "a6b55c5f5d80e3567f7258979025803f69a655d791d4b0dbac84f7dec13f968d"


def author() -> LogAuthor:
    return LogAuthor(COOP, FID)


def branches(length: int, *, before: int = 0) -> tuple[list[Envelope], list[Envelope]]:
    """Return two pasts of one log from the same place on."""
    one = author()
    for _ in range(before):
        one.append("x.note", NOTE)
    other = one.twin()
    ours = [one.append("x.note", NOTE) for _ in range(length)]
    return ours, [other.append("x.note", OTHER_NOTE) for _ in range(length)]


def fork() -> tuple[Envelope, Envelope]:
    (one,), (other,) = branches(1)
    return one, other


def code_of(call: object, *args: object) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        call(*args)  # type: ignore[operator]  # the tests below pass functions
    return caught.value.code


def test_fork_proof_needs_nothing_but_itself() -> None:
    proof = prove_fork(*fork())

    header = verify_fork_proof(decode_fork_proof(encode(proof)))

    assert (header.wid, header.seq) == (COOP.wid, 1)
    assert len(encode(proof)) < 2_048


def test_signature_further_on_proves_a_branch() -> None:
    ours, theirs = branches(5, before=2)

    proof = make_fork_proof(branch_over(ours), branch_over(theirs[:3]))

    assert verify_fork_proof(decode_fork_proof(encode(proof))).seq == 3


def test_fork_proof_is_the_same_whichever_branch_was_seen_first() -> None:
    ours, theirs = map(branch_over, branches(2))

    assert make_fork_proof(ours, theirs) == make_fork_proof(theirs, ours)


def test_fork_proof_has_one_id_whichever_signatures_were_at_hand() -> None:
    ours, theirs = branches(3)
    short = make_fork_proof(branch_over(ours[:1]), branch_over(theirs[:1]))

    long = make_fork_proof(branch_over(ours), branch_over(theirs[:2]))

    assert long != short
    assert long.id == short.id


def test_one_entry_twice_proves_nothing() -> None:
    one, _ = fork()

    assert code_of(prove_fork, one, one) == "fork.same_entry"


def test_branches_that_part_further_on_prove_nothing_at_their_first_entry() -> None:
    ours, theirs = branches(1, before=1)
    first = author().append("x.note", NOTE)

    pair = branch_over([first, *ours]), branch_over([first, *theirs])

    assert code_of(make_fork_proof, *pair) == "fork.same_entry"


def test_proof_in_the_other_order_is_refused() -> None:
    proof = prove_fork(*fork())

    swapped = ForkProof(proof.second, proof.first)

    assert code_of(verify_fork_proof, swapped) == "fork.same_entry"


def test_two_places_of_one_log_prove_nothing() -> None:
    writer = author()

    pair = writer.append("x.note", NOTE), writer.append("x.note", NOTE)

    assert code_of(prove_fork, *pair) == "fork.other_place"


def test_two_writers_at_one_number_prove_nothing() -> None:
    other = LogAuthor(COOP, FID, writer=signing_key(b"o" * 32))

    pair = author().append("x.note", NOTE), other.append("x.note", NOTE)

    assert code_of(prove_fork, *pair) == "fork.other_place"


@pytest.mark.parametrize("side", ["first", "second"])
def test_branch_under_no_signature_proves_nothing(side: str) -> None:
    proof = prove_fork(*fork())
    forged = Branch(getattr(proof, side).headers, bytes(64))

    broken = msgspec.structs.replace(proof, **{side: forged})

    assert open_fork_proof(broken).seq == 1
    assert code_of(verify_fork_proof, broken) == "env.signature"


def test_signature_of_the_first_entry_does_not_prove_a_longer_branch() -> None:
    ours, theirs = branches(2)
    headers = [envelope.header for envelope in ours]

    pair = Branch(headers, ours[0].signature), branch_over(theirs)

    assert code_of(make_fork_proof, *pair) == "env.signature"


def test_branch_that_goes_on_in_the_other_past_proves_nothing() -> None:
    ours, theirs = branches(2)

    pair = branch_over([ours[0], theirs[1]]), branch_over(theirs)

    assert code_of(make_fork_proof, *pair) == "log.bad_prev"


def test_branch_over_two_logs_proves_nothing() -> None:
    ours, theirs = branches(1)
    away = LogAuthor(COOP, FederationId(b"f" * 32))
    away.head = Head(seq=1, id=ours[0].id, time_ms=0)

    pair = branch_over([ours[0], away.append("x.note", NOTE)]), branch_over(theirs)

    assert code_of(make_fork_proof, *pair) == "log.tail"


@pytest.mark.parametrize("count", [0, MAX_UNSIGNED + 1])
def test_branch_out_of_bounds_is_our_callers_fault(count: int) -> None:
    one, _ = fork()

    with pytest.raises(LocalProtocolError) as caught:
        make_branch([one.header] * count, one.signature)

    assert caught.value.code == "log.tail"


@pytest.mark.parametrize(
    "branch",
    [
        [[], bytes(64)],
        [[b"h"] * (MAX_UNSIGNED + 1), bytes(64)],
        [[b"h"], b""],
        [[b"h"], bytes(64), b"a payload"],
        [b"h", bytes(64), b""],
    ],
)
def test_value_that_is_no_branch_is_refused(branch: list[object]) -> None:
    other = encode(branch_over([fork()[0]]))

    data = b"\x92" + encode(branch) + other

    assert code_of(decode_fork_proof, data) == "schema.invalid"


def test_largest_fork_proof_fits_its_limit() -> None:
    branch = Branch([bytes(MAX_HEADER)] * MAX_UNSIGNED, bytes(64))

    assert len(encode(ForkProof(branch, branch))) <= MAX_FORK_PROOF


def test_branch_is_put_together_from_what_is_held() -> None:
    ours, _ = branches(3)
    first, second, third = ours

    assert make_branch([first.header], first.signature) == branch_over(ours[:1])
    assert make_branch([first.header], tail_over([second, third])) == branch_over(ours)
    assert make_branch([e.header for e in ours[:2]], tail_over([third])) == branch_over(ours)


def test_size_of_a_proof_counts_headers_and_signatures() -> None:
    ours, theirs = branches(2)
    proof = make_fork_proof(branch_over(ours), branch_over(theirs[:1]))

    assert proof.size == sum(len(e.header) for e in [*ours, theirs[0]]) + 128


def test_fork_leaf_tells_log_place_and_what_is_below() -> None:
    log = author().log

    assert fork_leaf(log, 3, SOME_ID) != fork_leaf(log, 4, SOME_ID)
    assert fork_leaf(log, 3, SOME_ID) != fork_leaf(log, 3, EMPTY.id)
    assert len(fork_leaf(log, 3, SOME_ID)) == 32


def test_fork_leaf_is_a_hash_of_log_place_and_entry_below() -> None:
    leaf = fork_leaf(LogId(bytes(32)), 2, EMPTY.id)

    assert leaf.hex() == FORK_LEAF


LEFT, RIGHT = branches(MAX_UNSIGNED * 2, before=1)


@st.composite
def holdings(draw: st.DrawFn, past: list[Envelope]) -> tuple[list[Envelope], list[Proof | None]]:
    """Draw what a node holds of a past: how much it took, on whichever signatures came."""
    ends = draw(st.lists(st.integers(1, MAX_UNSIGNED), min_size=1, max_size=4))
    places = [sum(ends[: i + 1]) - 1 for i in range(len(ends))]
    signed = [place for place in places if place < len(past)]
    sent = [e if i in signed else unsigned(e) for i, e in enumerate(past[: signed[-1] + 1])]
    count = draw(st.integers(1, len(sent)))
    envelopes, after = sent[:count], past[count : signed[-1] + 1]
    to_end = next((i + 1 for i, e in enumerate(sent[count:]) if e.signature), 0)
    tails = [] if envelopes[-1].signature else [tail_over(after[:to_end])]
    (run,) = split_runs([opened(envelope) for envelope in envelopes], tails)
    for index in range(count):
        run.require_proven(index)
    return envelopes, [run.proof(i, is_last=i == count - 1) for i in range(count)]


def branch_at(held: tuple[list[Envelope], list[Proof | None]]) -> Branch:
    """Return the branch that a node can show, from the forked place to the first proof it kept."""
    envelopes, proofs = held
    end, proof = next((i, proof) for i, proof in enumerate(proofs) if proof is not None)
    return make_branch([envelope.header for envelope in envelopes[: end + 1]], proof)


@given(left=holdings(LEFT), right=holdings(RIGHT))
def test_two_nodes_with_a_branch_each_always_prove_the_fork(
    left: tuple[list[Envelope], list[Proof | None]],
    right: tuple[list[Envelope], list[Proof | None]],
) -> None:
    proof = make_fork_proof(branch_at(left), branch_at(right))

    header = verify_fork_proof(decode_fork_proof(encode(proof)))

    assert header.seq == 2
    assert proof.id == prove_fork(LEFT[0], RIGHT[0]).id


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def changed_branch(branch: Branch, place: int, bit: int) -> Branch:
    """Return the branch with a bit changed in a header, or in the signature behind them."""
    headers = list(branch.headers)
    if place == len(headers):
        return Branch(headers, flipped(branch.signature, bit % 512))
    headers[place] = flipped(headers[place], bit % (8 * len(headers[place])))
    return Branch(headers, branch.signature)


@given(
    length=st.integers(1, 5),
    place=st.integers(0, 5),
    bit=st.integers(0, 8 * MAX_HEADER - 1),
    is_first=st.booleans(),
)
def test_fork_proof_with_any_bit_changed_is_refused(
    length: int, place: int, bit: int, is_first: bool
) -> None:
    proof = make_fork_proof(branch_over(LEFT[:length]), branch_over(RIGHT[:length]))
    side = "first" if is_first else "second"
    branch: Branch = getattr(proof, side)

    changed = changed_branch(branch, min(place, length), bit)

    with pytest.raises(RemoteProtocolError):
        verify_fork_proof(msgspec.structs.replace(proof, **{side: changed}))
