"""The open link: frames, order, scope and credit, seen from both ends of a fake wire."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from sheaf_protocol.blob import BlobId
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import CoopId, Digest, EntryId, FederationId, LogId, digest
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.frontier import FrontierItem
from sheaf_protocol.limits import CREDIT_BYTES, MAX_BATCH_BYTES, MAX_FRAME, MAX_PAYLOAD
from sheaf_protocol.link import Link, LinkClosed, Listen, MessageReceived, Phase
from sheaf_protocol.link.cipher import Sealer
from sheaf_protocol.link.handshake import Initiator
from sheaf_protocol.link.messages import (
    BlobEnd,
    BlobPiece,
    BlobWant,
    Bye,
    Compare,
    ControlHave,
    ControlItems,
    ControlWant,
    Credit,
    Entries,
    Have,
    Idle,
    KeyLogItem,
    KeyOps,
    Lagged,
    Message,
    PayloadItem,
    Payloads,
    PayloadWant,
    RangeItem,
    Reject,
    Scope,
    Served,
    Subscribe,
    Tree,
    TreeNode,
    TreeWant,
    Want,
    cost,
    decode_message,
    encode_message,
)
from sheaf_protocol.link.state import MAY_SEND, Turn, after
from sheaf_protocol.subscription import Filter
from sheaf_protocol.testing.author import START_MS, LogAuthor, make_coop, make_federation
from sheaf_protocol.testing.chain import prove_fork
from sheaf_protocol.testing.link_pair import (
    AUDIENCE,
    LinkPair,
    flipped,
    fresh,
    identity_of,
    make_link_pair,
)

HILL, DALE = make_coop("Hill"), make_coop("Dale")
CERTIFICATE = make_federation([(HILL, ["member"]), (DALE, ["supplier"])])
FID = CERTIFICATE.fid
OTHER = FederationId(digest("test", b"another federation"))
STORE_ID = bytes(16)
NOTHING = ControlHave([], [], [], True)


def open_pair() -> LinkPair:
    """A link whose handshake is done."""
    pair = make_link_pair(HILL, DALE, now_ms=START_MS)
    pair.run()
    return pair


def ready_pair() -> LinkPair:
    """A link on which both sides are ready for one federation's data."""
    pair = open_pair()
    for link in (pair.dialled, pair.listening):
        link.send(NOTHING)
        link.offer([FID], STORE_ID)
    pair.run()
    return pair


def received(pair: LinkPair) -> list[Message]:
    return [e.message for e in pair.listening_events if isinstance(e, MessageReceived)]


def batch_of(pair: LinkPair, count: int, size: int) -> Entries:
    """Entries whose bytes add up to `count` times `size`."""
    envelopes = [Envelope(b"", b"", bytes(size)) for _ in range(count)]
    return Entries(pair.dialled.blind(FID), False, envelopes, [])


def test_message_arrives_as_it_was_sent() -> None:
    pair = ready_pair()
    message = Compare(pair.dialled.blind(FID), Digest(bytes(32)), 0)

    pair.dialled.send(message)
    pair.run()

    assert received(pair)[-1] == message


def test_data_message_comes_with_its_federation() -> None:
    pair = ready_pair()

    pair.dialled.send(Served(pair.dialled.blind(FID)))
    pair.run()

    last = pair.listening_events[-1]
    assert isinstance(last, MessageReceived)
    assert last.fid == FID


def test_federations_travel_blinded() -> None:
    pair = open_pair()

    pair.dialled.send(NOTHING)
    pair.dialled.offer([FID, OTHER], STORE_ID)
    pair.run()

    scope = received(pair)[-1]
    assert isinstance(scope, Scope)
    assert len(scope.scopes) == 2
    assert FID[:16] not in scope.scopes


def test_only_federations_that_both_offered_are_common() -> None:
    pair = open_pair()
    for link, fids in ((pair.dialled, [FID, OTHER]), (pair.listening, [FID])):
        link.send(NOTHING)
        link.offer(fids, STORE_ID)

    pair.run()

    assert pair.dialled.common == pair.listening.common == {FID}


def test_federation_offered_later_becomes_common() -> None:
    pair = ready_pair()

    pair.dialled.offer([OTHER], STORE_ID)
    pair.listening.offer([OTHER], STORE_ID)
    pair.run()

    assert pair.dialled.common == pair.listening.common == {FID, OTHER}


def test_withdrawn_federation_is_no_longer_common_on_either_side() -> None:
    pair = ready_pair()

    pair.dialled.withdraw([FID], STORE_ID)
    pair.run()

    assert pair.dialled.common == pair.listening.common == frozenset()


def test_data_that_crossed_a_withdrawal_comes_without_its_federation() -> None:
    pair = ready_pair()

    pair.dialled.withdraw([FID, OTHER], STORE_ID)
    pair.listening.send(Served(pair.listening.blind(FID)))
    pair.run()

    last = pair.dialled_events[-1]
    assert isinstance(last, MessageReceived)
    assert last.fid is None
    assert pair.dialled.phase is Phase.OPEN


def test_data_of_a_federation_that_was_never_offered_is_no_withdrawn_one() -> None:
    pair = ready_pair()

    pair.dialled.withdraw([OTHER], STORE_ID)
    pair.listening.send(Served(pair.listening.blind(OTHER)))
    pair.run()

    assert pair.codes == ("link.scope", "link.scope")


def test_withdrawn_federation_may_be_offered_again() -> None:
    pair = ready_pair()
    pair.dialled.withdraw([FID], STORE_ID)

    pair.dialled.offer([FID], STORE_ID)
    pair.run()
    pair.listening.send(Served(pair.listening.blind(FID)))
    pair.run()

    last = pair.dialled_events[-1]
    assert isinstance(last, MessageReceived)
    assert last.fid == FID


def test_echoing_our_blinded_names_proves_nothing() -> None:
    pair = open_pair()
    pair.dialled.send(NOTHING)
    pair.dialled.offer([FID], STORE_ID)
    pair.run()
    [scope] = [m for m in received(pair) if isinstance(m, Scope)]

    pair.listening.send(NOTHING)
    pair.listening.send(scope)
    pair.run()

    assert pair.dialled.common == frozenset()


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_altered_byte_anywhere_in_a_frame_ends_the_link(data: st.DataObject) -> None:
    pair = ready_pair()
    pair.dialled.send(Served(pair.dialled.blind(FID)))
    pair.collect()
    at = data.draw(st.integers(0, len(pair.to_listening[0]) - 1))

    pair.to_listening[0] = flipped(pair.to_listening[0], at)
    pair.run()

    assert pair.codes == ("link.frame", "link.frame")


def three_frames() -> LinkPair:
    pair = ready_pair()
    for _ in range(3):
        pair.dialled.send(Served(pair.dialled.blind(FID)))
    pair.collect()
    return pair


def test_replayed_frame_ends_the_link() -> None:
    pair = three_frames()
    pair.to_listening.insert(1, pair.to_listening[0])

    pair.run()

    assert pair.codes[1] == "link.frame"


def test_dropped_frame_ends_the_link() -> None:
    pair = three_frames()
    del pair.to_listening[0]

    pair.run()

    assert pair.codes[1] == "link.frame"


def test_reordered_frames_end_the_link() -> None:
    pair = three_frames()
    pair.to_listening.rotate(1)

    pair.run()

    assert pair.codes[1] == "link.frame"


def test_frame_of_the_other_direction_ends_the_link() -> None:
    pair = three_frames()
    pair.to_dialled.append(pair.to_listening.popleft())

    pair.run()

    assert pair.codes[0] == "link.frame"


def test_frame_of_another_link_ends_the_link() -> None:
    pair, other = three_frames(), make_link_pair(HILL, DALE, now_ms=START_MS, seed=b"other")
    other.run()

    other.listening.receive_data(pair.to_listening[0], START_MS)
    other.collect()

    assert other.codes[1] == "link.frame"


def test_oversized_frame_ends_the_link() -> None:
    pair = ready_pair()

    pair.listening.receive_data(bytes(MAX_FRAME + 1), START_MS)
    pair.collect()

    assert pair.codes[1] == "link.frame_size"


def test_largest_frame_is_opened() -> None:
    pair = ready_pair()

    pair.listening.receive_data(bytes(MAX_FRAME), START_MS)
    pair.collect()

    assert pair.codes[1] == "link.frame"


@pytest.mark.parametrize(
    ("plaintext", "code", "reason"),
    [
        (b"", "enc.malformed", "nothing"),
        (b"\xc1", "enc.malformed", "garbage"),
        (encode(["shout", 1]), "link.message", "no message of this version"),
        (encode(["served"]), "link.message", "an element is missing"),
        (encode(["bye", "link.bye", 1]), "link.message", "an element too many"),
        (encode(["bye", "No Code"]), "link.message", "a code with other letters"),
        (b"\xdc\x00\x02" + encode(["bye", "link.bye"])[1:], "enc.not_shortest", "array16"),
        (encode(["bye", "link.bye"]) + b"\x00", "enc.trailing", "bytes after the message"),
        (encode(["credit", CREDIT_BYTES + 1]), "link.message", "more than all credit"),
        (encode(["credit", 0]), "link.message", "a grant of nothing"),
    ],
)
def test_wrong_plaintext_is_refused(plaintext: bytes, code: str, reason: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_message(plaintext)

    assert caught.value.code == code, reason


def test_batch_over_the_limit_is_refused() -> None:
    large = Envelope(b"", b"", bytes(MAX_PAYLOAD))
    too_much = Entries(bytes(16), False, [large] * (MAX_BATCH_BYTES // MAX_PAYLOAD + 1), [])

    with pytest.raises(RemoteProtocolError) as caught:
        decode_message(encode_message(too_much))

    assert caught.value.code == "link.batch"


def test_first_message_other_than_control_have_ends_the_link() -> None:
    listening = Link(Listen(public_names=[AUDIENCE]), identity_of(DALE), fresh(b"r"), START_MS)
    hasty = Initiator(identity_of(HILL), AUDIENCE, fresh(b"i"))
    listening.receive_data(hasty.hello(), START_MS)
    proof, session = hasty.receive_reply(listening.data_to_send()[0], START_MS)
    listening.receive_data(proof, START_MS)

    listening.receive_data(session.sealer.seal(encode_message(Credit(1))), START_MS)

    events = [listening.next_event(), listening.next_event()]
    assert isinstance(events[1], LinkClosed)
    assert events[1].code == "link.order"


def test_data_before_scope_is_our_own_fault() -> None:
    pair = open_pair()
    pair.dialled.send(NOTHING)

    with pytest.raises(LocalProtocolError) as caught:
        pair.dialled.send(Served(pair.dialled.blind(FID)))

    assert caught.value.code == "link.order"


def test_data_of_a_federation_not_in_common_ends_the_link() -> None:
    pair = ready_pair()

    pair.dialled.send(Served(pair.dialled.blind(OTHER)))
    pair.run()

    assert pair.codes == ("link.scope", "link.scope")


def test_credit_is_spent_by_batches_and_granted_back() -> None:
    pair = ready_pair()
    batch = batch_of(pair, 2, 1_000)

    pair.dialled.send(batch)
    pair.run()
    assert pair.dialled.credit == CREDIT_BYTES - 2_000
    pair.listening.grant(2_000)
    pair.run()

    assert pair.dialled.credit == CREDIT_BYTES


def test_eight_full_batches_may_be_under_way() -> None:
    pair = ready_pair()

    for _ in range(8):
        pair.dialled.send(batch_of(pair, 4, MAX_PAYLOAD))
    pair.run()

    assert pair.codes == (None, None)
    assert pair.dialled.credit == 0


def test_sending_beyond_credit_is_our_own_fault() -> None:
    pair = ready_pair()
    for _ in range(8):
        pair.dialled.send(batch_of(pair, 4, MAX_PAYLOAD))

    with pytest.raises(LocalProtocolError) as caught:
        pair.dialled.send(batch_of(pair, 1, 1))

    assert caught.value.code == "link.credit"


def test_peer_that_sends_beyond_its_credit_is_cut_off() -> None:
    pair = ready_pair()
    for _ in range(8):
        pair.dialled.send(batch_of(pair, 4, MAX_PAYLOAD))
    pair.dialled.credit = CREDIT_BYTES  # a peer that does not count
    pair.dialled.send(batch_of(pair, 1, 1))

    pair.run()

    assert pair.codes == ("link.credit", "link.credit")


def test_grant_beyond_what_was_spent_ends_the_link() -> None:
    pair = ready_pair()

    pair.listening.send(Credit(1))
    pair.run()

    assert pair.codes[0] == "link.credit"


def test_bye_ends_both_ends_with_its_code() -> None:
    pair = ready_pair()

    pair.dialled.close("link.bye", "the node stops")
    pair.run()

    assert pair.codes == ("link.bye", "link.bye")
    last = pair.listening_events[-1]
    assert isinstance(last, LinkClosed)
    assert last.is_by_peer


def test_closed_link_takes_and_sends_nothing() -> None:
    pair = ready_pair()
    pair.dialled.close("link.bye")
    pair.run()
    events = len(pair.dialled_events)

    pair.dialled.receive_data(b"anything", START_MS)
    pair.dialled.close("link.again")
    pair.collect()

    assert len(pair.dialled_events) == events
    with pytest.raises(LocalProtocolError) as caught:
        pair.dialled.send(Bye("link.bye"))
    assert caught.value.code == "link.not_open"


def test_both_ends_see_the_common_federations_in_one_order() -> None:
    fids = [FID, OTHER, *(FederationId(digest("test", bytes([n]))) for n in range(8))]
    pair = open_pair()
    for link in (pair.dialled, pair.listening):
        link.send(NOTHING)
        link.offer(fids, STORE_ID)

    pair.run()

    assert pair.dialled.is_ready
    assert pair.dialled.in_order == pair.listening.in_order
    assert sorted(pair.dialled.in_order) == sorted(fids)


def test_blinding_before_the_handshake_is_our_own_fault() -> None:
    pair = make_link_pair(HILL, DALE, now_ms=START_MS)

    with pytest.raises(LocalProtocolError) as caught:
        pair.dialled.blind(FID)

    assert caught.value.code == "link.not_open"


def test_message_larger_than_a_frame_is_our_own_fault() -> None:
    pair = open_pair()
    pair.dialled.send(NOTHING)
    big = make_federation([(HILL, ["member"]), (DALE, ["supplier"])])
    bodies = [type(big)(approvals=[], body=bytes(400_000))] * 3

    with pytest.raises(LocalProtocolError) as caught:
        pair.dialled.send(ControlItems([], bodies, [], True))

    assert caught.value.code == "link.frame_size"
    assert pair.dialled.phase is Phase.OPEN


def test_control_items_cost_what_they_hold() -> None:
    author = LogAuthor(HILL, FID)
    twin = author.twin()
    proof = prove_fork(author.append("x.a", b"\x80"), twin.append("x.b", b"\x80"))
    items = ControlItems([KeyOps(HILL.cid, HILL.key_ops)], [CERTIFICATE], [proof], True)

    spent = cost(items)

    assert 0.8 * len(encode_message(items)) < spent < len(encode_message(items))


LOG = LogId(digest("test", b"log"))
MESSAGES: list[Message] = [
    ControlHave(
        [KeyLogItem(CoopId(bytes(32)), 3, Digest(bytes(32)))], [FID], [Digest(bytes(32))], False
    ),
    ControlWant([], [FID], []),
    ControlItems([KeyOps(HILL.cid, HILL.key_ops)], [CERTIFICATE], [], True),
    Scope([bytes(16)], STORE_ID),
    Idle(bytes(16)),
    Compare(bytes(16), Digest(bytes(32)), 0),
    Have(bytes(16), Digest(bytes(32)), 3, [FrontierItem(LOG, 7, bytes(8))]),
    Tree(bytes(16), [TreeNode("0f", [Digest(bytes(32))] * 16)]),
    TreeWant(bytes(16), ["", "0f"]),
    Lagged(bytes(16)),
    Want(bytes(16), [RangeItem(LOG, 1, 7)]),
    Entries(bytes(16), True, [LogAuthor(HILL, FID).append("x.note", b"\x80")], []),
    Served(bytes(16)),
    Subscribe(bytes(16), Filter(kinds=["verdict"])),
    PayloadWant(bytes(16), [RangeItem(LOG, 1, 7)]),
    Payloads(bytes(16), [PayloadItem(LOG, 7, bytes(16))]),
    BlobWant(bytes(16), BlobId(bytes(32)), 0, 255),
    BlobPiece(bytes(16), BlobId(bytes(32)), 5, 0, [Digest(bytes(32))], b"bytes"),
    BlobEnd(bytes(16), BlobId(bytes(32)), "ok"),
    Credit(5),
    Reject(EntryId(bytes(32)), "env.signature"),
    Bye("link.bye"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_every_message_survives_the_wire(message: Message) -> None:
    assert decode_message(encode_message(message)) == message


def test_table_of_turns_knows_every_message() -> None:
    assert set(MAY_SEND[Turn.DATA]) == {type(message) for message in MESSAGES}


def test_bye_is_allowed_at_every_turn() -> None:
    assert all(after(turn, Bye("link.bye")) is not None for turn in Turn)


def test_idle_round_costs_forty_bytes() -> None:
    frame = Sealer(bytes(32)).seal(encode_message(Idle(bytes(16))))

    assert len(frame) == 40
