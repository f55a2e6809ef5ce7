"""Handshakes, chapter 07: the input is one side and what it receives, the output what it sends."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from entries import BEGUN, CID, DELEGATED_ID, EXPIRES_MS, MANAGER, close, key_op
from handshake import (
    AUDIENCE,
    DALE,
    DALE_LOG,
    HILL,
    NOW_MS,
    Run,
    hello,
    inside,
    proof_of,
    reply_of,
)
from kit import Case, Key, array, blob, integer, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from handshake import Side

RUN = Run()
"""What two honest sides send."""
LATER = Run(initiator=replace(HILL, seed=b"j" * 32, nonce=b"j" * 16))
"""The same two another time."""
SMALL_ORDER = blob(bytes(32))


def at_initiator(reply: bytes, *, side: Side = HILL, now_ms: int = NOW_MS) -> bytes:
    """Return the input of a dialler that receives M2."""
    return array(text("initiator"), side.wire, text(AUDIENCE), blob16(reply), integer(now_ms))


def at_responder(
    m1: bytes, proof: bytes = b"", *, names: tuple[str, ...] = (AUDIENCE,), now_ms: int = NOW_MS
) -> bytes:
    """Return the input of a listener that receives M1, and M3 if there is any."""
    return array(
        text("responder"),
        DALE.wire,
        array(*map(text, names)),
        blob16(m1),
        blob16(proof),
        integer(now_ms),
    )


def blob16(value: bytes) -> bytes:
    """Return bytes of any length below 65,536."""
    return blob(value)


def flipped(data: bytes, at: int = -1) -> bytes:
    """Return the bytes with one bit turned over."""
    out = bytearray(data)
    out[at] ^= 1
    return bytes(out)


def second(**changes: bytes) -> bytes:
    """Return M3 with a changed inside."""
    return proof_of(RUN.second_box(inside(HILL, "handshake-initiator", RUN.proven, **changes)))


def first(**changes: bytes) -> bytes:
    """Return M2 with a changed inside."""
    plain = inside(DALE, "handshake-responder", RUN.opened, **changes)
    return reply_of(DALE, RUN.first_box(plain))


CLOSED_LOG = array(BEGUN, HILL.key_log[1 + len(BEGUN) :], key_op(close(DELEGATED_ID, 2), MANAGER))
BOTH = hello(HILL, versions=array(integer(1), integer(2)))


def accepted() -> Iterator[tuple[str, str, str, bytes, bytes]]:
    """Yield whole transcripts."""
    sent = array(blob(RUN.hello), blob(RUN.proof), blob(RUN.frame("initiator")))
    comment = "M1, M3 and the first frame of the dialler."
    yield "initiator", "LNK-9", comment, at_initiator(RUN.reply), sent
    comment = "M2 of the listener."
    yield "responder", "LNK-7", comment, at_responder(RUN.hello), array(blob(RUN.reply))
    sent = array(blob(RUN.reply), blob(RUN.frame("responder")))
    comment = "M2 and the first frame of the listener."
    yield "responder_to_the_end", "LNK-9", comment, at_responder(RUN.hello, RUN.proof), sent
    comment = "Of the versions offered it takes one that it speaks."
    run = Run(m1=BOTH)
    yield "hello_with_two_versions", "LNK-7", comment, at_responder(BOTH), array(blob(run.reply))
    comment = "One of several public names."
    names = ("dale.example", AUDIENCE)
    question = at_responder(RUN.hello, names=names)
    yield "second_public_name", "LNK-6", comment, question, array(blob(RUN.reply))
    comment = "The last millisecond of the delegation."
    question = at_responder(RUN.hello, RUN.proof, now_ms=EXPIRES_MS)
    yield "writer_in_its_last_millisecond", "LNK-11", comment, question, sent


HELLOS = (
    (
        "hello_to_another",
        "LNK-6",
        "link.audience",
        "Whoever was dialled passes it on.",
        hello(HILL, "mallory.example"),
    ),
    (
        "hello_with_later_versions",
        "LNK-7",
        "link.version",
        "None that we speak.",
        hello(HILL, versions=array(integer(2), integer(3))),
    ),
    (
        "hello_without_versions",
        "LNK-27",
        "schema.invalid",
        "At least one.",
        hello(HILL, versions=array()),
    ),
    (
        "hello_with_zero_secret",
        "LNK-5",
        "link.key",
        "Whoever sits between could read along.",
        hello(HILL, eph=SMALL_ORDER),
    ),
    (
        "hello_with_short_nonce",
        "LNK-27",
        "schema.invalid",
        "Sixteen bytes.",
        hello(HILL, nonce=blob(b"n" * 15)),
    ),
    (
        "hello_to_a_name_with_a_space",
        "LNK-27",
        "schema.invalid",
        "Printable ASCII without spaces.",
        hello(HILL, "dale .example"),
    ),
    (
        "hello_of_1025_bytes",
        "LNK-26",
        "enc.size",
        "A stranger sends it for nothing.",
        hello(HILL, note=blob(bytes(1_025 - len(hello(HILL, note=blob(b""))) - 1))),
    ),
    (
        "hello_in_a_longer_spelling",
        "LNK-27",
        "enc.not_shortest",
        "One spelling, in handshakes too.",
        b"\xde\x00\x04" + RUN.hello[1:],
    ),
)
"""What a listener refuses of M1."""


def signed(purpose: str, transcript: bytes, key: Key = HILL.writer) -> bytes:
    """Return a signature for the box of M3."""
    return blob(key.sign(purpose, transcript))


DIALLER = "handshake-initiator"
STRANGER = Key.of(b"x")
PROOFS = (
    ("proof_altered", "LNK-8", "link.box", "One bit.", flipped(RUN.proof)),
    ("proof_replayed", "LNK-8", "link.box", "Of another time.", LATER.proof),
    ("proof_reflected", "LNK-8", "link.box", "M2 sent back.", RUN.reply),
    (
        "proof_after_downgrade",
        "LNK-7",
        "link.box",
        "The dialler offered another version, too, and M1 lost it on its way.",
        Run(m1=BOTH).proof,
    ),
    (
        "proof_signed_the_other_way",
        "LNK-9",
        "link.signature",
        "The two signatures differ in purpose.",
        second(sig=signed("handshake-responder", RUN.proven + CID)),
    ),
    (
        "proof_of_m1_alone",
        "LNK-9",
        "link.signature",
        "The responder's box is not in the transcript signed.",
        second(sig=signed(DIALLER, RUN.opened + CID)),
    ),
    (
        "proof_without_the_coop",
        "LNK-9",
        "link.signature",
        "Two co-ops may delegate one key.",
        second(sig=signed(DIALLER, RUN.proven)),
    ),
    (
        "proof_with_another_writer",
        "LNK-9",
        "link.signature",
        "The key that signed is the one named.",
        second(wid=blob(STRANGER.public)),
    ),
    (
        "proof_with_another_coop",
        "LNK-10",
        "link.coop",
        "Signed for one co-op, with the key log of another.",
        second(cid=blob(DALE.cid), sig=signed(DIALLER, RUN.proven + DALE.cid)),
    ),
    (
        "proof_of_a_stranger",
        "LNK-11",
        "link.not_delegated",
        "A good signature of a key that no co-op delegated.",
        second(wid=blob(STRANGER.public), sig=signed(DIALLER, RUN.proven + CID, STRANGER)),
    ),
    (
        "proof_of_a_closed_writer",
        "LNK-11",
        "link.writer_closed",
        "Its own key log says so.",
        second(key_log=CLOSED_LOG),
    ),
    (
        "proof_with_a_broken_key_log",
        "LNK-10",
        "key.no_inception",
        "It folds from its inception.",
        second(key_log=array(DALE_LOG[1])),
    ),
    (
        "proof_without_a_key_log",
        "LNK-27",
        "schema.invalid",
        "A first contact needs no directory.",
        second(key_log=array()),
    ),
)
"""What a listener refuses of M3."""


REPLIES = (
    ("reply_altered", "LNK-8", "link.box", "One bit.", flipped(RUN.reply, 20)),
    ("reply_replayed", "LNK-8", "link.box", "Of another time.", LATER.reply),
    ("reply_reflected", "LNK-27", "schema.invalid", "M1 sent back.", RUN.hello),
    ("reply_with_an_empty_box", "LNK-8", "link.box", "Nobody.", reply_of(DALE, b"")),
    (
        "reply_with_a_version_not_offered",
        "LNK-7",
        "link.version",
        "Only what M1 offers.",
        reply_of(DALE, RUN.first_box(), version=integer(2)),
    ),
    (
        "reply_with_zero_secret",
        "LNK-5",
        "link.key",
        "A key of small order.",
        reply_of(DALE, RUN.first_box(), eph=SMALL_ORDER),
    ),
    (
        "reply_signed_the_other_way",
        "LNK-9",
        "link.signature",
        "A signature of M3 is none of M2.",
        first(sig=blob(DALE.writer.sign("handshake-initiator", RUN.opened + DALE.cid))),
    ),
    (
        "reply_with_another_coop",
        "LNK-10",
        "link.coop",
        "Signed for one co-op, with the key log of another.",
        first(
            cid=blob(CID),
            sig=blob(DALE.writer.sign("handshake-responder", RUN.opened + CID)),
        ),
    ),
)
"""What a dialler refuses of M2."""


def refused() -> Iterator[tuple[str, str, str, str, bytes]]:
    """Yield what either side refuses."""
    for name, clause, code, comment, m1 in HELLOS:
        yield name, clause, code, comment, at_responder(m1)
    for name, clause, code, comment, proof in PROOFS:
        yield name, clause, code, comment, at_responder(RUN.hello, proof)
    question = at_responder(RUN.hello, RUN.proof, now_ms=EXPIRES_MS + 1)
    comment = "By the receiver's clock."
    yield "proof_of_an_expired_writer", "LNK-11", "link.expired", comment, question
    for name, clause, code, comment, reply in REPLIES:
        yield name, clause, code, comment, at_initiator(reply)


def cases() -> Iterator[Case]:
    """Yield the vectors of the handshake."""
    for name, clause, comment, question, sent in accepted():
        yield Case(
            id=f"07-link/{name}",
            clause=clause,
            expect="ok",
            comment=comment,
            input=question,
            output=sent,
        )
    for name, clause, code, comment, question in refused():
        yield Case(
            id=f"07-link/{name}",
            clause=clause,
            expect=code,
            comment=comment,
            input=question,
        )
