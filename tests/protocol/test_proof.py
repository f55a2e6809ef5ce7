from collections.abc import Sequence
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import CoopId, FederationId
from sheaf_protocol.envelope import Envelope, open_header, seal
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.identity import signing_key
from sheaf_protocol.limits import MAX_UNSIGNED
from sheaf_protocol.proof import (
    REACH,
    Checks,
    Proof,
    Run,
    Tail,
    decode_proof,
    encode_proof,
    prove_tail,
    split_runs,
    tail_of,
)
from sheaf_protocol.testing.author import LogAuthor, make_coop, make_federation, unsigned
from sheaf_protocol.testing.chain import opened, tail_over

COOP = make_coop("Hill Farm")
FID = make_federation([(COOP, ["member"])]).fid
BODY = b"\x80"


def author() -> LogAuthor:
    return LogAuthor(COOP, FID)


def log_of(count: int) -> list[Envelope]:
    writer = author()
    return [writer.append("x.note", BODY) for _ in range(count)]


LONG = log_of(3 * MAX_UNSIGNED)
ONE, TWO, THREE, FOUR, FIVE = LONG[:5]


def forged(envelope: Envelope) -> Envelope:
    return Envelope(envelope.header, bytes(64), envelope.payload)


def runs_of(
    *envelopes: Envelope, tails: Sequence[Tail] = (), checks: Checks = Checks.CHAIN
) -> list[Run]:
    return split_runs([opened(envelope) for envelope in envelopes], tails, checks)


def refusal(run: Run, index: int) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        run.require_proven(index)
    return caught.value


def proofs_of(run: Run, *, kept: int) -> list[Proof | None]:
    """Return what is kept of the first entries of a run, each found proven."""
    for index in range(kept):
        run.require_proven(index)
    return [run.proof(index, is_last=index == kept - 1) for index in range(kept)]


def test_own_signature_proves() -> None:
    (run,) = runs_of(ONE)

    assert proofs_of(run, kept=1) == [ONE.signature]


def test_later_signature_proves_all_before_it() -> None:
    (run,) = runs_of(unsigned(ONE), unsigned(TWO), THREE)

    assert proofs_of(run, kept=3) == [None, None, THREE.signature]


def test_tail_proves_a_run_that_ends_unsigned() -> None:
    tail = tail_over([THREE, FOUR])
    (run,) = runs_of(unsigned(ONE), unsigned(TWO), tails=[tail])

    assert proofs_of(run, kept=2) == [None, tail]


def test_nothing_proves_what_nobody_signed() -> None:
    (run,) = runs_of(ONE, unsigned(TWO))

    run.require_proven(0)

    assert refusal(run, 1).code == "env.signature"


def test_last_entry_kept_of_a_stretch_takes_the_rest_along_as_its_tail() -> None:
    (run,) = runs_of(unsigned(ONE), unsigned(TWO), unsigned(THREE), FOUR)

    assert proofs_of(run, kept=2) == [None, tail_over([THREE, FOUR])]


def test_rest_of_a_stretch_may_go_on_into_its_tail() -> None:
    (run,) = runs_of(*map(unsigned, LONG[:3]), tails=[tail_over([FOUR, FIVE])])

    assert proofs_of(run, kept=1) == [tail_over(LONG[1:5])]


def test_one_signature_is_checked_for_a_stretch_and_the_others_are_dropped() -> None:
    (run,) = runs_of(forged(ONE), TWO, forged(THREE), FOUR)

    assert proofs_of(run, kept=4) == [None, None, None, FOUR.signature]


def test_unchecked_signature_is_not_kept_even_of_the_last_entry_kept() -> None:
    (run,) = runs_of(ONE, TWO, THREE)

    assert proofs_of(run, kept=2) == [None, tail_over([THREE])]


def test_each_signature_that_came_is_checked_where_that_is_asked_for() -> None:
    (run,) = runs_of(ONE, unsigned(TWO), THREE, FOUR, checks=Checks.EACH)

    assert proofs_of(run, kept=4) == [ONE.signature, None, THREE.signature, FOUR.signature]


def test_false_signature_is_found_where_each_is_checked() -> None:
    (run,) = runs_of(ONE, forged(TWO), THREE, checks=Checks.EACH)

    run.require_proven(0)

    assert refusal(run, 1).code == "env.signature"


def test_nothing_is_checked_before_it_is_asked_for() -> None:
    broken = Tail([b"\xc1"], bytes(64))

    (run,) = runs_of(unsigned(ONE), tails=[broken])

    assert refusal(run, 0).code == "enc.malformed"


def test_false_signature_is_checked_once() -> None:
    (run,) = runs_of(unsigned(ONE), unsigned(TWO), forged(THREE))

    assert refusal(run, 0) is refusal(run, 1)


def test_entries_may_be_asked_for_in_any_order() -> None:
    (run,) = runs_of(unsigned(ONE), TWO, unsigned(THREE), FOUR)

    for index in (3, 0, 2, 1):
        run.require_proven(index)

    assert run.proof(3, is_last=True) == FOUR.signature


def test_signature_reaches_63_places() -> None:
    (run,) = runs_of(*map(unsigned, LONG[:REACH]), LONG[REACH])

    assert proofs_of(run, kept=MAX_UNSIGNED)[-1] == LONG[REACH].signature


def test_signature_does_not_reach_64_places() -> None:
    (run,) = runs_of(*map(unsigned, LONG[:MAX_UNSIGNED]), LONG[MAX_UNSIGNED])

    assert refusal(run, 0).code == "env.signature"
    run.require_proven(1)


def test_tail_is_counted_from_the_entry_it_is_to_prove() -> None:
    tail = tail_over(LONG[2 : 2 + REACH])
    (run,) = runs_of(unsigned(ONE), unsigned(TWO), tails=[tail])

    assert refusal(run, 0).code == "env.signature"
    run.require_proven(1)


def test_long_run_is_checked_once_for_each_64_entries() -> None:
    ends = {63, 127, 191}
    (run,) = runs_of(*(e if i in ends else forged(e) for i, e in enumerate(LONG)))

    kept = proofs_of(run, kept=len(LONG))

    assert {index for index, proof in enumerate(kept) if proof is not None} == ends


def test_batch_is_split_where_a_log_does_not_go_on() -> None:
    other = LogAuthor(COOP, FID, writer=signing_key(b"o" * 32)).append("x.note", BODY)

    runs = runs_of(ONE, TWO, other, FOUR, FIVE)

    assert [len(run.entries) for run in runs] == [2, 1, 2]


def test_tails_belong_to_the_runs_that_end_unsigned_in_their_order() -> None:
    other = LogAuthor(COOP, FID, writer=signing_key(b"o" * 32))
    theirs = [other.append("x.note", BODY) for _ in range(2)]

    runs = runs_of(
        unsigned(ONE), FOUR, unsigned(theirs[0]), tails=[tail_over([TWO]), tail_over(theirs[1:])]
    )

    assert [proofs_of(run, kept=1) for run in runs] == [
        [tail_over([TWO])],
        [FOUR.signature],
        [tail_over(theirs[1:])],
    ]


def test_tail_that_belongs_to_no_run_is_refused() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        runs_of(unsigned(ONE), TWO, tails=[tail_over([THREE])])

    assert caught.value.code == "log.tail"


def test_empty_batch_has_no_runs() -> None:
    assert runs_of() == []


def changed(envelope: Envelope, **changes: object) -> Envelope:
    """Return the envelope signed again, its header changed."""
    header = msgspec.structs.replace(open_header(envelope), **changes)
    return seal(header, envelope.payload, COOP.writer)


@pytest.mark.parametrize(
    ("after", "code", "reason"),
    [
        ([THREE], "log.bad_prev", "it follows another entry"),
        ([TWO, FOUR], "log.bad_prev", "the second link"),
        ([ONE], "log.bad_prev", "no entry follows itself"),
        ([changed(TWO, seq=3)], "log.tail", "a number left out"),
        ([changed(TWO, fid=FederationId(b"f" * 32))], "log.tail", "another federation"),
        ([changed(TWO, cid=CoopId(b"c" * 32))], "log.tail", "another co-op"),
        ([forged(TWO)], "env.signature", "nobody's signature"),
    ],
)
def test_tail_that_does_not_lead_to_a_signature_proves_nothing(
    after: list[Envelope], code: str, reason: str
) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        prove_tail(ONE.id, open_header(ONE), tail_over(after))

    assert caught.value.code == code


def test_tail_of_another_writer_proves_nothing() -> None:
    stranger = signing_key(b"o" * 32)
    header = msgspec.structs.replace(open_header(TWO), wid=stranger.public)

    with pytest.raises(RemoteProtocolError) as caught:
        prove_tail(ONE.id, open_header(ONE), tail_over([seal(header, TWO.payload, stranger)]))

    assert caught.value.code == "log.tail"


def test_headers_of_a_tail_are_not_judged_as_entries() -> None:
    back = changed(TWO, time_ms=0)

    prove_tail(ONE.id, open_header(ONE), tail_over([back]))


@pytest.mark.parametrize(
    "data",
    [
        encode([[], bytes(64)]),
        encode([[TWO.header] * MAX_UNSIGNED, bytes(64)]),
        encode([[TWO.header], b""]),
        encode([[TWO.header], bytes(63)]),
        encode([[bytes(1_025)], bytes(64)]),
        encode([[TWO.header], bytes(64), b""]),
    ],
)
def test_value_that_is_no_tail_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode(data, Tail, limit=100_000)

    assert caught.value.code == "schema.invalid"


def test_size_of_a_tail_counts_headers_and_signature() -> None:
    assert tail_over([TWO, THREE]).size == len(TWO.header) + len(THREE.header) + 64


@pytest.mark.parametrize("proof", [ONE.signature, tail_over([TWO, THREE])])
def test_proof_is_read_as_it_was_kept(proof: Proof) -> None:
    assert decode_proof(encode_proof(proof)) == proof


def test_tail_is_put_together_from_what_is_held() -> None:
    headers = [TWO.header, THREE.header]

    assert tail_of(headers, THREE.signature) == tail_over([TWO, THREE])
    assert tail_of(headers, tail_over([FOUR])) == tail_over([TWO, THREE, FOUR])
    assert tail_of([], tail_over([TWO])) == tail_over([TWO])


@pytest.mark.parametrize("count", [0, MAX_UNSIGNED])
def test_tail_out_of_bounds_is_our_callers_fault(count: int) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        tail_of([TWO.header] * count, TWO.signature)

    assert caught.value.code == "log.tail"


@st.composite
def patterns(draw: st.DrawFn) -> list[int]:
    """Draw the places of LONG that keep a signature, the last of it among them."""
    gaps = draw(st.lists(st.integers(1, MAX_UNSIGNED), min_size=3, max_size=12))
    places = [sum(gaps[: i + 1]) - 1 for i in range(len(gaps))]
    return [place for place in places if place < len(LONG)]


def batch(first: int, end: int, signed: Sequence[int]) -> tuple[list[Envelope], list[Tail]]:
    """Return the entries from `first` to before `end` as a peer with these signatures has them."""
    envelopes = [LONG[i] if i in signed else unsigned(LONG[i]) for i in range(first, end)]
    if end - 1 in signed:
        return envelopes, []
    proof = min(place for place in signed if place >= end)
    return envelopes, [tail_over(LONG[end : proof + 1])]


@given(signed=patterns(), data=st.data(), checks=st.sampled_from(Checks))
def test_any_ranges_of_any_stretches_are_proven(
    signed: list[int], data: st.DataObject, checks: Checks
) -> None:
    cuts = data.draw(st.sets(st.integers(1, signed[-1]), max_size=5))

    for first, end in pairwise([0, *sorted(cuts), signed[-1] + 1]):
        envelopes, tails = batch(first, end, signed)
        (run,) = runs_of(*envelopes, tails=tails, checks=checks)
        kept = data.draw(st.integers(1, end - first))
        proofs = proofs_of(run, kept=kept)

        require_sound(first, proofs)


def require_sound(first: int, proofs: Sequence[Proof | None]) -> None:
    """Raise unless each entry kept is shown by what was kept of it and of those after it."""
    for index in range(len(proofs)):
        place = next(i for i in range(index, len(proofs)) if proofs[i] is not None)
        headers = [LONG[first + i].header for i in range(index + 1, place + 1)]
        proof = proofs[place]
        assert proof is not None
        if headers or isinstance(proof, Tail):
            prove_tail(
                LONG[first + index].id, open_header(LONG[first + index]), tail_of(headers, proof)
            )
        else:
            assert proof == LONG[first + index].signature


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@given(data=st.data(), length=st.integers(2, 8))
def test_changed_bit_anywhere_in_a_stretch_is_refused(data: st.DataObject, length: int) -> None:
    stretch = LONG[:length]
    last = data.draw(st.integers(1, length))  # the entries; what is after them is the tail
    headers = [envelope.header for envelope in stretch]
    signature = stretch[-1].signature
    place = data.draw(st.integers(0, length))
    bits = st.integers(0, 8 * len(headers[place] if place < length else signature) - 1)
    if place < length:
        headers[place] = flipped(headers[place], data.draw(bits))
    else:
        signature = flipped(signature, data.draw(bits))

    proven = proven_of(headers, [e.payload for e in stretch], signature, last)

    assert proven & set(range(min(place + 1, last))) == set()


def proven_of(
    headers: Sequence[bytes], payloads: Sequence[bytes], signature: bytes, last: int
) -> set[int]:
    """Return which of the first `last` entries are found proven, the others being their tail."""
    ends = b"" if last < len(headers) else signature
    signatures = [b""] * (last - 1) + [ends]
    tails = [Tail(list(headers[last:]), signature)] if last < len(headers) else []
    entries = []
    for header, own, payload in zip(headers, signatures, payloads, strict=False):
        try:
            entries.append(opened(Envelope(header, own, payload)))
        except RemoteProtocolError:
            continue
    try:
        runs = split_runs(entries, tails)
    except RemoteProtocolError:
        return set()
    return {
        headers.index(entry.envelope.header)
        for run in runs
        for index, entry in enumerate(run.entries)
        if is_proven(run, index)
    }


def is_proven(run: Run, index: int) -> bool:
    try:
        run.require_proven(index)
    except RemoteProtocolError:
        return False
    return True
