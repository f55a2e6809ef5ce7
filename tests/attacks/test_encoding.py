"""Attacks by bytes and signatures: what forgers and sloppy encoders send."""

from __future__ import annotations

import hashlib
import time

import pytest
from nacl import bindings

from sheaf_protocol.codec import check, decode, encode
from sheaf_protocol.digest import tag
from sheaf_protocol.envelope import Envelope, open_header, verify_signature
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.identity import (
    KeyOp,
    Signature,
    append_op,
    fold_key_log,
    next_delegate,
    sign_op,
    verify,
)
from sheaf_protocol.limits import MAX_FRAME, MAX_HEADER, MAX_PAYLOAD
from sheaf_protocol.records import Demand, Item, Price
from sheaf_protocol.testing.author import START_MS, LogAuthor, derived, make_coop, make_federation

HILL = make_coop("Hill")
FID = make_federation([(HILL, ["member"])]).fid
BODY = b"\x80"
ORDER = 2**252 + 27742317777372353535851937790883648493
"""L, the order of Ed25519's group."""
P = 2**255 - 19
PURPOSES = ("key-op", "certificate", "handshake-responder", "handshake-initiator")


def code_of(envelope: Envelope) -> str:
    """Return why an envelope is refused that comes as bytes."""
    with pytest.raises(RemoteProtocolError) as caught:
        verify_signature(envelope, open_header(decode(encode(envelope), Envelope, limit=MAX_FRAME)))
    return caught.value.code


def an_entry() -> Envelope:
    return LogAuthor(HILL, FID).append("x.note", BODY)


def with_element(at: int, value: object) -> Envelope:
    """Return an entry whose header has another element, signed again by its writer."""
    entry = an_entry()
    elements = check(entry.header)
    elements[at] = value
    raw = encode(elements)
    return Envelope(raw, HILL.writer.sign("entry-signature", raw), entry.payload)


def test_signature_made_malleable_by_the_group_order_is_refused() -> None:
    # Add the group order to the second half of a signature: the sum satisfies the same equation.
    entry = an_entry()
    half = int.from_bytes(entry.signature[32:], "little") + ORDER
    forged = Envelope(
        entry.header, entry.signature[:32] + half.to_bytes(32, "little"), entry.payload
    )

    assert code_of(forged) == "env.signature"


@pytest.mark.parametrize("purpose", PURPOSES)
def test_signature_made_for_another_purpose_is_refused(purpose: str) -> None:
    # Have a writer sign the bytes of an entry as something else, and offer that as an entry.
    entry = an_entry()
    signature = HILL.writer.sign(purpose, entry.header)

    assert code_of(Envelope(entry.header, signature, entry.payload)) == "env.signature"


def test_entry_signed_twice_is_one_entry() -> None:
    # Sign one header a second time with other randomness: two valid signatures, one entry.
    entry = an_entry()
    other = signed_with(b"\x05" * 64, entry.header)

    assert other != entry.signature
    assert verify(HILL.wid, "entry-signature", entry.header, other)
    assert Envelope(entry.header, other, entry.payload).id == entry.id


@pytest.mark.parametrize(
    ("public", "reason"),
    [
        (b"\x01" + bytes(31), "the identity point"),
        (bytes(32), "a point of order four"),
        ((P + 1).to_bytes(32, "little"), "the identity point, y not reduced"),
        ((P + 4).to_bytes(32, "little"), "y not reduced"),
        (b"\x02" + bytes(31), "no point of the curve"),
        (b"\xff" * 32, "y beyond p, and the sign bit"),
    ],
)
def test_writer_key_that_is_no_proper_point_is_not_delegated(public: bytes, reason: str) -> None:
    # Delegate a key under which everybody, or nobody, can sign.
    coop = make_coop("Moor")
    delegation = next_delegate(coop.keys, public, "writer", START_MS)  # type: ignore[arg-type]  # on purpose

    with pytest.raises(RemoteProtocolError) as caught:
        append_op(coop.keys, sign_op(delegation, [coop.manager]))

    assert caught.value.code == "key.invalid", reason


def test_item_code_that_only_looks_like_another_is_refused() -> None:
    # Order under a code that a person cannot tell from another: Cyrillic, or a combining accent.
    for code in ("\u0441ement", "cafe\u0301", "A\u200bB", "a b"):
        with pytest.raises(RemoteProtocolError) as caught:
            decode(demand(code, "Cement"), Demand)

        assert caught.value.code == "schema.invalid"


def test_two_spellings_of_one_name_are_two_texts() -> None:
    # Name an item once composed and once decomposed: text for people is never normalised.
    composed, decomposed = demand("c1", "caf\u00e9"), demand("c1", "cafe\u0301")

    assert decode(composed, Demand).item.name != decode(decomposed, Demand).item.name
    assert encode(decode(decomposed, Demand)) == decomposed


@pytest.mark.parametrize("levels", [9, 1_025, 60_000])
def test_deeply_nested_value_is_refused_at_once(levels: int) -> None:
    # Nest arrays until the reader runs out of stack.
    began = time.process_time()

    with pytest.raises(RemoteProtocolError) as caught:
        check(b"\x91" * levels + b"\x90")

    assert caught.value.code == "enc.depth"
    assert time.process_time() - began < 0.1


def test_most_keys_that_a_map_may_have_are_read_at_once() -> None:
    # Choose keys that fall into one bucket of a hash table: there are too few for it to matter.
    value = {f"{n:032}": {f"{m:032}": n for m in range(256)} for n in range(6)}
    began = time.process_time()

    assert check(encode(value), limit=MAX_FRAME) == value
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("seq", "code"),
    [
        (b"\x00", "env.header"),
        (b"\xff", "env.header"),
        (b"\xcf\x00\x20" + bytes(6), "enc.int_range"),
        (b"\xcf" + b"\xff" * 8, "enc.int_range"),
    ],
    ids=["zero", "minus one", "2^53", "2^64 - 1"],
)
def test_number_that_no_log_reaches_is_refused(seq: bytes, code: str) -> None:
    # Number an entry zero, below it, or where a counter overflows.
    entry = an_entry()
    first = b"\x01\xc4\x20" + bytes(32)  # the number, then `prev`
    raw = entry.header.replace(first, seq + first[1:])
    signature = HILL.writer.sign("entry-signature", raw)

    assert code_of(Envelope(raw, signature, entry.payload)) == code


@pytest.mark.parametrize(
    ("at", "value", "code"),
    [
        (0, 2, "env.version"),
        (11, [bytes(32)] * 17, "env.header"),
        (12, 1, "env.header"),
        (10, MAX_PAYLOAD + 1, "env.header"),
    ],
    ids=["version", "seventeen refs", "flag", "payload beyond its limit"],
)
def test_header_of_another_version_or_beyond_its_bounds_is_refused(
    at: int, value: object, code: str
) -> None:
    # Sign a header that a later version, or none, would take.
    assert code_of(with_element(at, value)) == code


def test_header_with_one_element_more_is_refused() -> None:
    # Hide something behind the thirteen elements.
    entry = an_entry()
    raw = encode([*check(entry.header), 0])

    assert code_of(Envelope(raw, HILL.writer.sign("entry-signature", raw), b"")) == "env.header"


def test_header_of_one_byte_too_many_is_refused_unread() -> None:
    # Make every node hash a header of a kilobyte and more.
    assert code_of(Envelope(bytes(MAX_HEADER + 1), bytes(64), b"")) == "schema.invalid"


def test_payload_of_one_byte_too_many_is_refused() -> None:
    # Send a payload beyond the limit under a header that admits to it.
    entry = an_entry()

    assert code_of(Envelope(entry.header, entry.signature, bytes(MAX_PAYLOAD + 1))) == (
        "schema.invalid"
    )


def test_payload_of_another_entry_is_refused() -> None:
    # Put the payload of one entry behind the header of another, or a shorter one.
    author = LogAuthor(HILL, FID)
    one, other = author.append("x.note", BODY), author.append("x.note", b"\x81\xa1n\x01")

    for payload in (other.payload, one.payload[:-1], one.payload + b"\x00"):
        assert code_of(Envelope(one.header, one.signature, payload)) == "env.payload_hash"


def test_manager_key_everybody_can_sign_for_founds_no_coop() -> None:
    # Found a co-op under the identity point, so that its key log can be continued by anybody.
    coop = make_coop("Moor")
    body = coop.key_ops[0].body.replace(bytes(coop.manager.public), b"\x01" + bytes(31))
    signature = coop.rotation.sign("key-op", body)
    forged = KeyOp(body=body, signatures=[Signature(key=coop.rotation.public, signature=signature)])

    with pytest.raises(RemoteProtocolError) as caught:
        fold_key_log([forged])

    assert caught.value.code == "key.invalid"


def demand(code: str, name: str) -> bytes:
    """Return the bytes of a demand for an item."""
    made = Demand(
        is_firm=True,
        item=Item(code=code, name=name, scale=0, unit="KGM"),
        max_price=Price(amount=10, base=1, currency="GBP"),
        min_quantity=1,
        quantity=5,
        ref="r1",
        zone="N",
    )
    return encode(made)


def signed_with(nonce: bytes, header: bytes) -> bytes:
    """Return Hill's signature over a header, its randomness chosen instead of derived."""
    hashed = bytearray(hashlib.sha512(derived(b"", "Hill", "writer")).digest()[:32])
    hashed[0] &= 248
    hashed[31] = (hashed[31] & 127) | 64
    r = bindings.crypto_core_ed25519_scalar_reduce(nonce)
    big_r = bindings.crypto_scalarmult_ed25519_base_noclamp(r)
    signed = tag("entry-signature") + header
    k = bindings.crypto_core_ed25519_scalar_reduce(
        hashlib.sha512(big_r + HILL.wid + signed).digest()
    )
    secret = bindings.crypto_core_ed25519_scalar_reduce(bytes(hashed) + bytes(32))
    product = bindings.crypto_core_ed25519_scalar_mul(k, secret)
    return bytes(big_r + bindings.crypto_core_ed25519_scalar_add(r, product))
