import pytest

from sheaf_protocol.codec import encode
from sheaf_protocol.digest import LogId
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.limits import MAX_BATCH_BYTES, MAX_PAYLOAD
from sheaf_protocol.link.messages import (
    PAYLOADS,
    Message,
    PayloadItem,
    Payloads,
    PayloadWant,
    RangeItem,
    Subscribe,
    cost,
    decode_message,
    encode_message,
)
from sheaf_protocol.subscription import Filter

SCOPE, LOG = bytes(16), LogId(bytes(32))


def ranges(*bounds: tuple[int, int]) -> PayloadWant:
    """Return a question about ranges of one log."""
    return PayloadWant(SCOPE, [RangeItem(LOG, first, last) for first, last in bounds])


def payloads(count: int, size: int) -> Payloads:
    """Return an answer of so many payloads of a size."""
    return Payloads(SCOPE, [PayloadItem(LOG, seq, bytes(size)) for seq in range(1, count + 1)])


@pytest.mark.parametrize(
    "message",
    [
        Subscribe(SCOPE, Filter()),
        Subscribe(SCOPE, Filter(categories=["feed"], kinds=["verdict"], regions=["N"])),
        ranges((1, PAYLOADS)),
        ranges((1, 1_024), (2_001, 3_024), (7, 3)),
        payloads(4, MAX_PAYLOAD),
    ],
    ids=["filter of nothing", "filter of all", "one range", "several ranges", "full batch"],
)
def test_message_comes_back_as_it_was_sent(message: Message) -> None:
    assert decode_message(encode_message(message)) == message


@pytest.mark.parametrize(
    "message",
    [
        ranges((1, PAYLOADS + 1)),
        ranges((1, PAYLOADS), (5_000, 5_000)),
        payloads(MAX_BATCH_BYTES // MAX_PAYLOAD + 1, MAX_PAYLOAD),
    ],
    ids=["one range too wide", "two ranges too wide", "too many bytes"],
)
def test_message_beyond_its_bound_is_refused(message: Message) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        decode_message(encode_message(message))

    assert refused.value.code == "link.batch"


@pytest.mark.parametrize("key", ["categories", "kinds", "regions"])
def test_filter_of_10000_items_is_no_message(key: str) -> None:
    told = encode(["subscribe", SCOPE, {key: ["feed"] * 1_024}])
    # A longer list is no value of CMP-1, so nobody can encode it.
    longer = told.replace(b"\xdc\x04\x00", b"\xdc\x27\x10").ljust(len(told) + 5 * 8_976, b"x")

    for plaintext, code in ((told, "link.message"), (longer, "enc.items")):
        with pytest.raises(RemoteProtocolError) as refused:
            decode_message(plaintext)

        assert refused.value.code == code


def test_payloads_cost_their_bytes_and_questions_nothing() -> None:
    assert cost(payloads(3, 100)) == 300
    assert cost(ranges((1, 9))) == 0
    assert cost(Subscribe(SCOPE, Filter())) == 0
