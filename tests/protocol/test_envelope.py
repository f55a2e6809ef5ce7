from typing import Any

import msgspec
import pytest

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import ZERO, CoopId, Digest, EntryId, FederationId, WriterId, digest
from sheaf_protocol.envelope import (
    Envelope,
    Header,
    body_of,
    entry_id,
    make_payload,
    open_header,
    payload_hash,
    seal,
    verify_signature,
)
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.identity import signing_key
from sheaf_protocol.limits import MAX_HEADER, MAX_INT, MAX_PAYLOAD, MAX_REFS

KEY = signing_key(b"w" * 32)
PAYLOAD = make_payload(b"\x80", b"s" * 16)


def header(payload: bytes = PAYLOAD, **changes: Any) -> Header:
    plain = Header(
        1,
        FederationId(b"f" * 32),
        CoopId(b"c" * 32),
        WriterId(KEY.public),
        1,
        EntryId(ZERO),
        "x.note",
        5,
        0,
        payload_hash(payload),
        len(payload),
        [],
        0,
    )
    return msgspec.structs.replace(plain, **changes)


def elements(**changes: Any) -> list[Any]:
    values = {name: getattr(header(), name) for name in Header.__struct_fields__}
    return list({**values, **changes}.values())


def signed(raw: bytes, payload: bytes = PAYLOAD) -> Envelope:
    return Envelope(raw, KEY.sign("entry-signature", raw), payload)


def code_of(envelope: Envelope) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        open_header(envelope)
    return caught.value.code


def test_sealed_envelope_opens_to_its_header_and_body() -> None:
    envelope = seal(header(), PAYLOAD, KEY)

    opened = open_header(envelope)
    verify_signature(envelope, opened)

    assert opened == header()
    assert body_of(envelope.payload) == b"\x80"
    assert decode(encode(envelope), Envelope) == envelope


def test_entry_id_leaves_the_signature_out() -> None:
    envelope = seal(header(), PAYLOAD, KEY)
    unsigned = Envelope(envelope.header, b"", b"")

    assert envelope.id == unsigned.id == entry_id(envelope.header)
    assert envelope.id == digest("entry", envelope.header)


def test_withheld_payload_leaves_the_header_valid() -> None:
    envelope = seal(header(), PAYLOAD, KEY)

    assert open_header(Envelope(envelope.header, envelope.signature, b"")) == header()


def test_size_counts_header_signature_and_payload() -> None:
    envelope = seal(header(), PAYLOAD, KEY)

    assert envelope.size == len(envelope.header) + 64 + len(PAYLOAD)


def test_log_is_that_of_federation_coop_and_writer() -> None:
    assert header().log == digest("log", b"f" * 32, b"c" * 32, KEY.public)


def test_largest_header_fits_its_limit() -> None:
    largest = header(
        seq=MAX_INT,
        kind="k" * 24,
        time_ms=MAX_INT,
        expires_ms=MAX_INT,
        refs=[EntryId(b"r" * 32)] * MAX_REFS,
    )

    assert len(encode(largest)) <= MAX_HEADER


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fid": b"f" * 31}, "a short id"),
        ({"seq": 0}, "numbers start at 1"),
        ({"seq": MAX_INT + 0.0}, "no integer"),
        ({"kind": "Demand"}, "a capital in the kind"),
        ({"kind": "k" * 25}, "a kind of 25 bytes"),
        ({"kind": "demand.submit\n"}, "a newline after the kind"),
        ({"time_ms": -1}, "time before 1970"),
        ({"payload_len": 15}, "less than a salt"),
        ({"payload_len": MAX_PAYLOAD + 1}, "more than a payload may have"),
        ({"refs": [b"r" * 31]}, "a short ref"),
        ({"refs": [b"r" * 32] * (MAX_REFS + 1)}, "seventeen refs"),
        ({"flags": 1}, "a flag that this version does not know"),
        ({"v": 1, "more": 1}, "a fourteenth element"),
    ],
)
def test_header_that_is_none_is_refused(changes: dict[str, Any], reason: str) -> None:
    if any(isinstance(value, float) for value in changes.values()):
        raw = msgspec.msgpack.encode(elements(**changes))
        assert code_of(signed(raw)) == "enc.float"
        return
    assert code_of(signed(encode(elements(**changes)))) == "env.header"


@pytest.mark.parametrize("raw", [b"\x90", b"\x80", b"\x01", encode(elements()[:12])])
def test_value_that_is_no_header_is_refused(raw: bytes) -> None:
    assert code_of(signed(raw)) == "env.header"


@pytest.mark.parametrize("version", [0, 2, "1", True])
def test_header_of_another_version_is_named(version: Any) -> None:
    raw = encode([version, *elements()[1:], "of", "a later", "version"])

    assert code_of(signed(raw)) == "env.version"


def test_header_over_1024_bytes_is_refused_unread() -> None:
    assert code_of(signed(b"\xc1" * (MAX_HEADER + 1))) == "enc.size"


def test_header_that_is_not_canonical_is_refused() -> None:
    raw = encode(header())
    wide = raw[:1] + b"\xcc\x01" + raw[2:]

    assert code_of(signed(wide)) == "enc.not_shortest"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (PAYLOAD[:-1] + b"\x90", "another body"),
        (PAYLOAD + b"\x00", "a longer payload"),
        (PAYLOAD[:-1], "a shorter payload"),
    ],
)
def test_payload_that_the_header_does_not_hash_is_refused(payload: bytes, reason: str) -> None:
    assert code_of(signed(encode(header()), payload)) == "env.payload_hash"


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        (b"", "none"),
        (bytes(64), "zero bytes"),
        (KEY.sign("key-op", encode(header())), "made for another purpose"),
        (signing_key(b"o" * 32).sign("entry-signature", encode(header())), "another key's"),
    ],
)
def test_signature_that_is_none_is_refused(signature: bytes, reason: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        verify_signature(Envelope(encode(header()), signature, PAYLOAD), header())

    assert caught.value.code == "env.signature"


@pytest.mark.parametrize(
    ("changes", "payload", "key", "code"),
    [
        ({}, PAYLOAD, signing_key(b"o" * 32), "env.wrong_key"),
        ({}, PAYLOAD[:-1] + b"\x90", KEY, "env.payload_hash"),
        ({"payload_len": 16}, PAYLOAD, KEY, "env.payload_hash"),
        ({"refs": [EntryId(b"r" * 32)] * 40}, PAYLOAD, KEY, "enc.size"),
    ],
)
def test_sealing_what_would_be_refused_is_our_callers_fault(
    changes: dict[str, Any], payload: bytes, key: Any, code: str
) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        seal(header(**changes), payload, key)

    assert caught.value.code == code


@pytest.mark.parametrize("size", [1, 63, 65])
def test_signature_of_an_envelope_is_whole_or_left_out(size: int) -> None:
    data = encode([encode(header()), bytes(size), PAYLOAD])

    with pytest.raises(RemoteProtocolError) as caught:
        decode(data, Envelope)

    assert caught.value.code == "schema.invalid"


def test_payload_over_its_limit_is_not_sealed() -> None:
    payload = make_payload(bytes(MAX_PAYLOAD - 15), bytes(16))

    with pytest.raises(LocalProtocolError) as caught:
        seal(header(payload), payload, KEY)

    assert caught.value.code == "enc.size"


@pytest.mark.parametrize("size", [0, 15, 17])
def test_salt_has_sixteen_bytes(size: int) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        make_payload(b"\x80", bytes(size))

    assert caught.value.code == "env.salt"


def test_payload_hash_covers_the_salt() -> None:
    assert payload_hash(make_payload(b"\x80", bytes(16))) != Digest(payload_hash(PAYLOAD))
