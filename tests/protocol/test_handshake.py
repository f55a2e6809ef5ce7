"""The three-message handshake: what it proves, and that nothing altered or re-used gets through."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.identity import KeyOp, signing_key
from sheaf_protocol.limits import (
    HANDSHAKE_MS,
    MAX_HELLO,
    MAX_KEY_LOG,
    MAX_KEY_OP,
    WRITER_LIFETIME_MS,
)
from sheaf_protocol.link import Dial, Fresh, Identity, Link, Listen, PeerAuthenticated, Phase
from sheaf_protocol.link.cipher import Opener, Sealer, derive, public_of, shared_secret
from sheaf_protocol.link.handshake import Hello, Initiator, Reply, Responder
from sheaf_protocol.testing.author import START_MS, derived, make_coop
from sheaf_protocol.testing.link_pair import (
    AUDIENCE,
    LinkPair,
    flipped,
    fresh,
    identity_of,
    make_link_pair,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_protocol.testing.author import TestCoop

HILL, DALE = make_coop("Hill"), make_coop("Dale")


def hello_bytes() -> bytes:
    return Initiator(identity_of(HILL), AUDIENCE, fresh(b"i")).hello()


def handshake_messages() -> list[bytes]:
    """The three messages of an undisturbed handshake."""
    initiator = Initiator(identity_of(HILL), AUDIENCE, fresh(b"i"))
    responder = Responder(identity_of(DALE), [AUDIENCE], fresh(b"r"))
    reply = responder.receive_hello(initiator.hello())
    proof, _ = initiator.receive_reply(reply, START_MS)
    return [initiator.hello(), reply, proof]


MESSAGES = handshake_messages()


def test_both_ends_learn_who_the_other_is() -> None:
    pair = make_link_pair(HILL, DALE, now_ms=START_MS)

    pair.run()

    [at_hill], [at_dale] = pair.dialled_events, pair.listening_events
    assert isinstance(at_hill, PeerAuthenticated)
    assert isinstance(at_dale, PeerAuthenticated)
    assert (at_hill.peer.cid, at_hill.peer.wid) == (DALE.cid, DALE.wid)
    assert (at_dale.peer.cid, at_dale.peer.wid) == (HILL.cid, HILL.wid)
    assert list(at_dale.peer.key_ops) == HILL.key_ops


def test_handshake_is_three_messages() -> None:
    pair = make_link_pair(HILL, DALE, now_ms=START_MS)

    pair.collect()
    assert (len(pair.to_listening), len(pair.to_dialled)) == (1, 0)
    pair.carry()
    assert (len(pair.to_listening), len(pair.to_dialled)) == (0, 1)
    pair.carry()
    assert (len(pair.to_listening), len(pair.to_dialled)) == (1, 0)
    pair.carry()
    assert pair.dialled.phase is pair.listening.phase is Phase.OPEN


def test_no_identity_travels_in_the_clear() -> None:
    wire = b"".join(MESSAGES)

    for coop in (HILL, DALE):
        assert coop.cid not in wire
        assert coop.wid not in wire
        assert coop.name.encode() not in wire


@settings(deadline=None, max_examples=150)
@given(which=st.sampled_from([0, 1, 2]), data=st.data())
def test_altered_byte_anywhere_in_the_handshake_ends_the_link_with_a_code(
    which: int, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(MESSAGES[which]) - 1))
    bit = data.draw(st.integers(0, 7))
    pair = make_link_pair(HILL, DALE, now_ms=START_MS)
    pair.collect()
    for _ in range(which):
        pair.carry()
    wire = pair.to_dialled if which == 1 else pair.to_listening
    wire[0] = wire[0][:at] + bytes([wire[0][at] ^ (1 << bit)]) + wire[0][at + 1 :]

    pair.run()

    assert any(code is not None for code in pair.codes)
    assert Phase.CLOSED in {pair.dialled.phase, pair.listening.phase}


@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        (b"", "enc.malformed", "nothing"),
        (b"\xc1", "enc.malformed", "a byte that MessagePack never uses"),
        (b"GET / HTTP/1.1\r\n", "enc.trailing", "another protocol"),
        (b"\x80", "schema.invalid", "a map without the fields"),
        (hello_bytes() + b"\x00", "enc.trailing", "bytes after the value"),
        (bytes(1_025), "enc.size", "more than a first message may have"),
        (b"\x84\xa8audience\xd9\x01x", "enc.malformed", "cut off"),
    ],
)
def test_garbage_for_a_hello_closes_the_link(message: bytes, code: str, reason: str) -> None:
    link = Link(Listen(public_names=[AUDIENCE]), identity_of(DALE), fresh(b"r"), START_MS)
    pair = LinkPair(link, link, START_MS)

    link.receive_data(message, START_MS)
    pair.collect()

    assert pair.codes[0] == code, reason


def test_hello_in_a_longer_spelling_is_refused() -> None:
    hello = decode(hello_bytes(), Hello)
    longer = b"\xde\x00\x04" + encode(hello)[1:]  # map16 in place of fixmap
    responder = Responder(identity_of(DALE), [AUDIENCE], fresh(b"r"))

    with pytest.raises(RemoteProtocolError) as caught:
        responder.receive_hello(longer)

    assert caught.value.code == "enc.not_shortest"


def test_audience_that_is_none_of_our_names_is_refused() -> None:
    pair = make_link_pair(HILL, DALE, now_ms=START_MS, audience="mallory.example")

    pair.run()

    assert pair.codes == (None, "link.audience")


def test_node_in_between_cannot_pass_the_handshake_on_under_its_own_name() -> None:
    """Hill dials Mallory, who forwards every byte to Dale."""
    pair = make_link_pair(HILL, DALE, now_ms=START_MS, audience="mallory.example:8440")

    pair.run()

    assert pair.listening.peer is None
    assert pair.dialled.peer is None


def test_reply_with_another_version_is_refused() -> None:
    reply = msgspec.structs.replace(decode(MESSAGES[1], Reply), version=2)
    initiator = Initiator(identity_of(HILL), AUDIENCE, fresh(b"i"))

    with pytest.raises(RemoteProtocolError) as caught:
        initiator.receive_reply(encode(reply), START_MS)

    assert caught.value.code == "link.version"


def test_hello_without_our_version_is_refused() -> None:
    hello = msgspec.structs.replace(decode(hello_bytes(), Hello), versions=[2, 3])
    responder = Responder(identity_of(DALE), [AUDIENCE], fresh(b"r"))

    with pytest.raises(RemoteProtocolError) as caught:
        responder.receive_hello(encode(hello))

    assert caught.value.code == "link.version"


def test_versions_taken_out_of_the_hello_are_noticed() -> None:
    """Somebody between removes version 2 from an offer of both: the transcripts differ."""
    both = msgspec.structs.replace(decode(hello_bytes(), Hello), versions=[1, 2])
    responder = Responder(identity_of(DALE), [AUDIENCE], fresh(b"r"))
    reply = responder.receive_hello(encode(both))
    initiator = Initiator(identity_of(HILL), AUDIENCE, fresh(b"i"))

    with pytest.raises(RemoteProtocolError) as caught:
        initiator.receive_reply(reply, START_MS)

    assert caught.value.code == "link.box"


def test_hello_sent_back_as_reply_is_refused() -> None:
    initiator = Initiator(identity_of(HILL), AUDIENCE, fresh(b"i"))

    with pytest.raises(RemoteProtocolError) as caught:
        initiator.receive_reply(initiator.hello(), START_MS)

    assert caught.value.code == "schema.invalid"


def test_responders_box_sent_back_as_proof_is_refused() -> None:
    """Reflection: the attacker shows the responder its own signature."""
    responder = Responder(identity_of(DALE), [AUDIENCE], fresh(b"r"))
    reply = decode(responder.receive_hello(hello_bytes()), Reply)

    with pytest.raises(RemoteProtocolError) as caught:
        responder.receive_proof(encode({"box": reply.box}), START_MS)

    assert caught.value.code == "link.box"


def test_replayed_hello_gives_a_reply_that_the_replayer_cannot_answer() -> None:
    """M1 and M3 were recorded; the responder has fresh keys now."""
    responder = Responder(identity_of(DALE), [AUDIENCE], fresh(b"another day"))
    responder.receive_hello(MESSAGES[0])

    with pytest.raises(RemoteProtocolError) as caught:
        responder.receive_proof(MESSAGES[2], START_MS)

    assert caught.value.code == "link.box"


def test_replayed_reply_is_refused() -> None:
    initiator = Initiator(identity_of(HILL), AUDIENCE, fresh(b"another day"))

    with pytest.raises(RemoteProtocolError) as caught:
        initiator.receive_reply(MESSAGES[1], START_MS)

    assert caught.value.code == "link.box"


@pytest.mark.parametrize("eph", [bytes(32), bytes([1]) + bytes(31)], ids=["zero", "order 1"])
def test_ephemeral_key_of_small_order_is_refused(eph: bytes) -> None:
    hello = msgspec.structs.replace(decode(hello_bytes(), Hello), eph=eph)
    responder = Responder(identity_of(DALE), [AUDIENCE], fresh(b"r"))

    with pytest.raises(RemoteProtocolError) as caught:
        responder.receive_hello(encode(hello))

    assert caught.value.code == "link.key"


def closed_writer() -> Identity:
    coop = make_coop("Closed")
    coop.close({})
    return identity_of(coop)


def stolen_key_log() -> Identity:
    """Dale's key log, shown by somebody who holds another key."""
    return Identity(
        cid=DALE.cid, key_log=DALE.key_ops, writer=signing_key(derived(b"", "M", "key"))
    )


def other_coops_log() -> Identity:
    return Identity(cid=DALE.cid, key_log=HILL.key_ops, writer=HILL.writer)


def log_with_a_false_signature() -> Identity:
    first, second, *rest = HILL.key_ops
    forged = msgspec.structs.replace(second, signatures=first.signatures)
    return Identity(cid=HILL.cid, key_log=[first, forged, *rest], writer=HILL.writer)


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        (
            Identity(cid=HILL.cid, key_log=HILL.key_ops[:1], writer=HILL.writer),
            "link.not_delegated",
        ),
        (stolen_key_log(), "link.not_delegated"),
        (other_coops_log(), "link.coop"),
        (closed_writer(), "link.writer_closed"),
        (log_with_a_false_signature(), "key.signature"),
    ],
    ids=["delegation missing", "another's key log", "another's id", "closed", "false signature"],
)
def test_initiator_without_a_live_delegation_is_refused(shown: Identity, code: str) -> None:
    dialled = Link(Dial(audience=AUDIENCE), shown, fresh(b"i"), START_MS)
    listening = Link(Listen(public_names=[AUDIENCE]), identity_of(DALE), fresh(b"r"), START_MS)
    pair = LinkPair(dialled, listening, START_MS)

    pair.run()

    assert pair.codes[1] == code
    assert pair.listening.peer is None


def test_responder_with_an_expired_writer_is_refused() -> None:
    now_ms = START_MS + WRITER_LIFETIME_MS + 1
    pair = make_link_pair(make_coop("Young", now_ms=now_ms), DALE, now_ms=now_ms)

    pair.run()

    assert pair.codes == ("link.expired", None)


def test_signature_by_another_key_is_refused() -> None:
    """The wid is delegated, but whoever dials does not hold its key."""
    thief = signing_key(derived(b"", "thief", "key"))
    thief.public = HILL.writer.public
    shown = Identity(cid=HILL.cid, key_log=HILL.key_ops, writer=thief)
    dialled = Link(Dial(audience=AUDIENCE), shown, fresh(b"i"), START_MS)
    listening = Link(Listen(public_names=[AUDIENCE]), identity_of(DALE), fresh(b"r"), START_MS)
    pair = LinkPair(dialled, listening, START_MS)

    pair.run()

    assert pair.codes[1] == "link.signature"


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_half_a_handshake_ends_at_the_deadline(steps: int) -> None:
    pair = make_link_pair(HILL, DALE, now_ms=START_MS)
    for _ in range(steps):
        pair.carry()

    assert pair.listening.next_timer_ms() == START_MS + HANDSHAKE_MS
    pair.advance(HANDSHAKE_MS - 1)
    assert pair.codes[1] is None
    pair.advance(1)

    assert pair.codes[1] == "link.timeout"


def test_open_link_has_no_deadline() -> None:
    pair = make_link_pair(HILL, DALE, now_ms=START_MS)
    pair.run()

    pair.advance(10 * HANDSHAKE_MS)

    assert pair.dialled.next_timer_ms() is None
    assert pair.codes == (None, None)


def test_key_log_too_long_for_a_handshake_is_our_own_fault() -> None:
    large = KeyOp(body=bytes(MAX_KEY_OP), signatures=DALE.key_ops[0].signatures)
    identity = Identity(cid=DALE.cid, key_log=[large] * 64, writer=DALE.writer)
    responder = Responder(identity, [AUDIENCE], fresh(b"r"))

    with pytest.raises(LocalProtocolError) as caught:
        responder.receive_hello(hello_bytes())

    assert caught.value.code == "link.key_log"


def test_longest_key_log_of_usual_operations_fits_in_a_handshake() -> None:
    old = make_coop("Old")
    for number in range(MAX_KEY_LOG - len(old.key_ops)):
        key = signing_key(derived(b"", "Old", str(number)))
        old.delegate(key, START_MS + WRITER_LIFETIME_MS)
    pair = make_link_pair(old, DALE, now_ms=START_MS)

    pair.run()

    assert pair.codes == (None, None)
    assert pair.listening.peer is not None
    assert pair.listening.peer.keys.size == MAX_KEY_LOG


def test_stranger_is_kept_waiting_with_little_memory() -> None:
    """After a first message a responder keeps a secret and a digest, and not the message."""
    with pytest.raises(RemoteProtocolError) as caught:
        Responder(identity_of(DALE), [AUDIENCE], fresh(b"r")).receive_hello(bytes(MAX_HELLO + 1))

    assert caught.value.code == "enc.size"


def test_proof_before_the_hello_is_our_own_fault() -> None:
    responder = Responder(identity_of(DALE), [AUDIENCE], fresh(b"r"))

    with pytest.raises(LocalProtocolError) as caught:
        responder.receive_proof(MESSAGES[2], START_MS)

    assert caught.value.code == "link.order"


def test_randomness_of_a_wrong_length_is_our_own_fault() -> None:
    with pytest.raises(LocalProtocolError) as caught:
        Fresh(seed=bytes(31), nonce=bytes(16))

    assert caught.value.code == "link.fresh"


def test_randomness_does_not_show_in_a_repr() -> None:
    secret = Fresh(seed=b"s" * 32, nonce=b"n" * 16)

    assert "ssss" not in repr(secret)


def test_both_sides_of_x25519_come_to_one_secret() -> None:
    one, other = derived(b"", "one", "x"), derived(b"", "other", "x")

    assert shared_secret(one, public_of(other)) == shared_secret(other, public_of(one))


def test_keys_of_two_purposes_differ() -> None:
    transcript = derived(b"", "t", "t")

    keys = {derive(b"secret", transcript, purpose) for purpose in ("link-a", "link-b")}  # type: ignore[arg-type]

    assert len(keys) == 2


def test_opener_takes_frames_in_order_only() -> None:
    key = derived(b"", "frame", "key")
    sealer, opener = Sealer(key), Opener(key)
    first, second = sealer.seal(b"1"), sealer.seal(b"2")

    with pytest.raises(RemoteProtocolError, match=r"link\.frame"):
        opener.open(second)
    assert opener.open(first) == b"1"
    assert opener.open(second) == b"2"
    with pytest.raises(RemoteProtocolError, match=r"link\.frame"):
        opener.open(flipped(sealer.seal(b"3"), 0))


def shown_to_dale(dialling: TestCoop, *, members: Sequence[TestCoop]) -> str | None:
    """Return why Dale, who lets these prove themselves, ends a link that a co-op dials."""
    known = {member.cid for member in members}
    listen = Listen(public_names=[AUDIENCE], admits=known.__contains__)
    pair = LinkPair(
        Link(Dial(audience=AUDIENCE), identity_of(dialling), fresh(b"i"), START_MS),
        Link(listen, identity_of(DALE), fresh(b"r"), START_MS),
        START_MS,
    )
    pair.run()
    return pair.codes[1]


def test_member_is_let_prove_who_it_is() -> None:
    assert shown_to_dale(HILL, members=[HILL]) is None


def test_stranger_does_not_learn_who_is_a_member() -> None:
    thief = make_coop("Thief")
    as_hill = replace(HILL, writer=thief.writer)
    with_another_log = replace(thief, keys=HILL.keys)

    codes = {
        shown_to_dale(thief, members=[HILL]),
        shown_to_dale(as_hill, members=[HILL]),
        shown_to_dale(as_hill, members=[]),
        shown_to_dale(with_another_log, members=[HILL]),
    }

    assert codes == {"link.not_member"}


def test_member_whose_writer_ended_hears_so() -> None:
    closed = copy.deepcopy(HILL)
    closed.close({})

    assert shown_to_dale(closed, members=[HILL]) == "link.writer_closed"
