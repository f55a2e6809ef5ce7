"""Fork proofs and tails: what is taken was signed, by one writer, within reach (spec 05).

A writer with two branches, and another writer, give the headers; the input chooses which of them
stand where, which signature closes them, and what is done to the bytes. What the code takes is
held against a check of its own that compares every id and every signature.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.fuzz.choice import Choices
from tests.fuzz.target import require, require_listed, vectors

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.envelope import Envelope, Header, decode_header, entry_id, verify_header
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.fork import (
    Branch,
    ForkProof,
    decode_fork_proof,
    make_fork_proof,
    verify_fork_proof,
)
from sheaf_protocol.limits import MAX_FRAME, MAX_UNSIGNED
from sheaf_protocol.proof import Checks, Run, Tail, prove_tail, split_runs
from sheaf_protocol.testing.author import LogAuthor, make_coop, make_federation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sheaf_protocol.digest import EntryId

RAW, PROOF, TAIL, BATCH = range(4)
_LENGTH: Final = 70
"""Entries of a branch: more than a signature reaches."""
_COUNTS: Final = (1, 2, 3, 62, 63, 64, 65)
TOKENS: Final = (b"\x92\x92\x91\xc4", b"\x92\x92\x92\xc4", b"\xc4\x40")


def _branches() -> list[list[Envelope]]:
    """Return two branches of one log that part at its third entry, and two other logs."""
    hill, dale = make_coop("Hill"), make_coop("Dale")
    fid = make_federation([(hill, ["member"]), (dale, ["member"])]).fid
    author = LogAuthor(hill, fid)
    below = [author.append("x.note", b"\x80") for _ in range(2)]
    twin = author.twin()
    left = [*below, *(author.append("x.left", b"\x80") for _ in range(_LENGTH))]
    right = [*below, *(twin.append("x.right", b"\x80") for _ in range(_LENGTH))]
    others = [LogAuthor(dale, fid), LogAuthor(hill, make_federation([(hill, ["member"])]).fid)]
    return [left, right, *([o.append("x.note", b"\x80") for _ in range(_LENGTH)] for o in others)]


BRANCHES: Final = _branches()


class Opened(NamedTuple):
    """An entry as a run needs it."""

    id: EntryId
    header: Header
    envelope: Envelope


def run(data: bytes) -> None:
    """Read raw bytes as a proof, or one made of choices; or a tail, or a batch."""
    choices = Choices(data)
    form = choices.below(4)
    try:
        if form == RAW:
            _judge(decode_fork_proof(choices.rest()))
        elif form == PROOF:
            _built(choices)
        elif form == TAIL:
            _tail(choices)
        else:
            _batch(choices)
    except RemoteProtocolError as exc:
        require_listed(exc.code)


def seeds() -> Iterator[bytes]:
    """Give the vectors, right proofs short and long, and batches with and without tails."""
    for data in vectors("05-fork-proof"):
        yield bytes([RAW]) + data
    for length in range(len(_COUNTS)):
        yield bytes([PROOF, 0, 2, length, 0, 0, 0, 0, 0, 1, 2, length])
        yield bytes([PROOF, 0, 2, length, 0xFF, 0, 3, 0xFF, 1, 1, 2, length])
        yield bytes([TAIL, 0, 2, 0, 3, length])
        yield bytes([BATCH, 0, 0, 0, length, 3] + [1] * 64 + [0, 3, length])
        yield bytes([BATCH, 1, 0, 0, length, 9] + [0, 1, 1] * 30 + [0, 3, length])


def _built(choices: Choices) -> None:
    first, second = _branch(choices), _branch(choices)
    if choices.often():
        proof = make_fork_proof(first, second)
    else:
        proof = ForkProof(*((first, second) if choices.below(2) else (second, first)))
    _judge(proof)
    require(decode_fork_proof(encode(proof)) == proof, "a proof survives its own bytes")


def _judge(proof: ForkProof) -> None:
    """Verify a proof; what is taken has two entries of one writer for one place."""
    header = verify_fork_proof(proof)
    sides = [decode_header(branch.header) for branch in (proof.first, proof.second)]
    require(len({(side.log, side.seq) for side in sides}) == 1, "a proof is of one place")
    require(proof.first.header != proof.second.header, "a proof is of two entries")
    for branch in (proof.first, proof.second):
        _require_chained(branch.headers, header)
        verify_header(header.wid, branch.headers[-1], branch.signature)


def _tail(choices: Choices) -> None:
    """Prove an entry by a tail."""
    raw = _header(choices)
    shown = _branch(choices)
    if len(shown.headers) >= MAX_UNSIGNED:
        return
    header = decode_header(raw)
    prove_tail(entry_id(raw), header, Tail(shown.headers, shown.signature))
    _require_chained([raw, *shown.headers], header)
    verify_header(header.wid, shown.headers[-1], shown.signature)


def _batch(choices: Choices) -> None:
    """Prove the entries of a batch; each that passes has a right signature within reach."""
    checks = choices.of((Checks.CHAIN, Checks.EACH))
    log, at = choices.of(BRANCHES), choices.below(4)
    shown = [_stripped(e, choices) for e in log[at : at + choices.of(_COUNTS) + choices.below(5)]]
    tails = []
    for _ in range(choices.below(3)):
        branch = _branch(choices)
        if len(branch.headers) < MAX_UNSIGNED:
            tails.append(Tail(branch.headers, branch.signature))
    entries = [Opened(e.id, decode_header(e.header), e) for e in shown]
    for part in split_runs(entries, tails, checks):
        _prove(part, tails)


def _prove(part: Run, tails: Sequence[Tail]) -> None:
    """Ask for each entry of a run; of the tails, one that follows on its last entry may help."""
    raws = [entry.envelope.header for entry in part.entries]
    signatures = [entry.envelope.signature for entry in part.entries]
    ways = [(raws, signatures)]
    for tail in tails:
        if decode_header(tail.headers[0]).prev == entry_id(raws[-1]):
            bare = [b""] * (len(tail.headers) - 1)
            ways.append(([*raws, *tail.headers], [*signatures, *bare, tail.signature]))
    for index, entry in enumerate(part.entries):
        try:
            part.require_proven(index)
        except RemoteProtocolError as exc:
            require_listed(exc.code)
            continue
        is_proven = any(
            _is_signed(entry.header, raw, signature)
            for headers, signed in ways
            for raw, signature in list(zip(headers, signed, strict=True))[index:][:MAX_UNSIGNED]
        )
        require(is_proven, "an entry that passes has a right signature within reach")


def _is_signed(header: Header, raw: bytes, signature: bytes) -> bool:
    try:
        verify_header(header.wid, raw, signature)
    except RemoteProtocolError:
        return False
    return True


def _require_chained(headers: Sequence[bytes], first: Header) -> None:
    require(len(headers) <= MAX_UNSIGNED, "a branch keeps its limit")
    for before, after in pairwise(headers):
        header = decode_header(after)
        require(header.prev == entry_id(before), "each header follows on the one before")
        require(header.log == first.log, "all headers are of one log")


def _branch(choices: Choices) -> Branch:
    """Return consecutive headers and the last one's signature, with a fault now and then."""
    log, at = choices.of(BRANCHES), choices.below(5)
    entries = log[at : at + choices.of(_COUNTS)]
    headers = [entry.header for entry in entries]
    signature = entries[-1].signature
    if not choices.often():
        headers[choices.below(len(headers))] = _altered(_header(choices), choices)
    if not choices.often():
        signature = choices.of(choices.of(BRANCHES)).signature
    if not choices.often():
        del headers[choices.below(len(headers)) or 1 :]
    # As it comes off the wire: a list beyond its limit does not get past the type.
    return decode(encode([headers, signature]), Branch, limit=MAX_FRAME)


def _header(choices: Choices) -> bytes:
    return choices.of(choices.of(BRANCHES)).header


def _stripped(entry: Envelope, choices: Choices) -> Envelope:
    """Return the entry, three times in four without its signature, seldom with a wrong one."""
    drawn = choices.byte()
    if drawn < 64:
        return entry
    if drawn < 240:
        return Envelope(entry.header, b"", entry.payload)
    return Envelope(entry.header, bytes([drawn]) * 64, entry.payload)


def _altered(raw: bytes, choices: Choices) -> bytes:
    if choices.often():
        return raw
    at = choices.byte()
    return raw[:at] + choices.take(1) + raw[at + 1 :]
