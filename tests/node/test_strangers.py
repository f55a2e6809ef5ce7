"""What one link keeps of co-ops and federations that nothing calls for so far."""

import pytest

from sheaf_node.peering.strangers import MAX_CERTIFICATES, Strangers
from sheaf_protocol.charter import Certificate, read_charter
from sheaf_protocol.digest import CoopId
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.identity import KeyOp, begin_history, signing_key
from sheaf_protocol.limits import MAX_MEMBERS
from sheaf_protocol.testing.author import START_MS, TestCoop, make_coop, make_federation

HILL, DALE = make_coop("Hill"), make_coop("Dale")


def founding(number: int, *coops: TestCoop) -> Certificate:
    return make_federation([(coop, ["member"]) for coop in coops], nonce=bytes([number] * 16))


def test_a_founding_is_ready_once_each_key_log_is_kept_or_held() -> None:
    strangers, certificate = Strangers(), founding(1, HILL, DALE)
    strangers.keep_certificate(certificate)
    before = strangers.ready({HILL.cid})

    strangers.keep_key_ops(DALE.cid, DALE.key_ops)

    assert (before, strangers.ready({HILL.cid})) == ([], [certificate])


def test_the_oldest_founding_goes_where_there_are_too_many() -> None:
    strangers = Strangers()
    made = [founding(number, HILL) for number in range(MAX_CERTIFICATES + 1)]

    for certificate in made:
        strangers.keep_certificate(certificate)

    assert strangers.ready({HILL.cid}) == made[1:]


def test_key_logs_beyond_those_of_the_largest_federation_wait() -> None:
    strangers = Strangers()
    for number in range(MAX_MEMBERS):
        strangers.keep_key_ops(make_id(number), [])

    with pytest.raises(RemoteProtocolError) as refusal:
        strangers.keep_key_ops(DALE.cid, DALE.key_ops)

    assert (refusal.value.code, refusal.value.fault) == ("key.quota", Fault.NOT_YET)


def test_key_logs_that_were_stored_make_room() -> None:
    strangers = Strangers()
    strangers.keep_key_ops(DALE.cid, large(4_100_000))
    strangers.keep_key_ops(DALE.cid, [])

    strangers.forget_key_logs([DALE.cid, HILL.cid])
    strangers.keep_key_ops(HILL.cid, large(4_100_000))

    assert list(strangers.key_logs) == [HILL.cid]


def test_key_logs_are_bounded_in_bytes() -> None:
    strangers = Strangers()
    strangers.keep_key_ops(DALE.cid, large(4_100_000))

    with pytest.raises(RemoteProtocolError, match=r"key\.quota"):
        strangers.keep_key_ops(HILL.cid, large(100_000))


def make_id(number: int) -> CoopId:
    return CoopId(number.to_bytes(32))


def large(size: int) -> list[KeyOp]:
    """Return an operation of so many bytes, which nobody has looked at so far."""
    return [KeyOp(body=bytes(size), signatures=[])]


def test_key_log_kept_is_anchored_by_a_charter_that_names_a_head_of_it_alone() -> None:
    strangers, held = Strangers(), {DALE.cid: begin_history(DALE.key_ops)}
    ahead = DALE.twin()
    ahead.delegate(signing_key(b"w" * 32), START_MS)
    for coop in (HILL, ahead):
        strangers.keep_key_ops(coop.cid, coop.key_ops)

    named = [
        strangers.anchored_by(read_charter(founding(1, *coops)).members, held)
        for coops in ([HILL, DALE], [ahead], [make_coop("Moor")])
    ]

    assert named == [{HILL.cid: HILL.key_ops}, {DALE.cid: ahead.key_ops}, {}]


def test_operations_are_had_only_where_all_of_them_are_kept() -> None:
    strangers = Strangers()
    strangers.keep_key_ops(HILL.cid, HILL.key_ops[:2])

    had = [strangers.has(HILL.cid, ops) for ops in (HILL.key_ops[:2], HILL.key_ops)]

    assert had == [True, False]


def test_key_logs_that_are_held_make_room_and_others_stay() -> None:
    strangers, ahead = Strangers(), DALE.twin()
    ahead.delegate(signing_key(b"w" * 32), START_MS)
    for coop in (HILL, ahead):
        strangers.keep_key_ops(coop.cid, coop.key_ops)
    held = {coop.cid: begin_history(coop.key_ops) for coop in (HILL, DALE)}

    strangers.forget_held(read_charter(founding(1, HILL, DALE)).members, held)

    assert list(strangers.key_logs) == [DALE.cid]
