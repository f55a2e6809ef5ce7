"""The co-op of the worked example, its key log and its entries, byte by byte."""

from __future__ import annotations

from typing import Any, Final

from kit import ZERO, Key, array, blob, hashed, integer, mapping, text

ROTATION: Final = (Key.of(b"1"), Key.of(b"2"), Key.of(b"3"))
MANAGER, WRITER, STRANGER = Key.of(b"m"), Key.of(b"w"), Key.of(b"x")
MIXED_ORDER: Final = bytes.fromhex(
    "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d"
)
"""A canonical point outside the prime-order subgroup."""
FID: Final = hashed("federation", b"example")
SALT: Final = b"0123456789abcdef"
BODY: Final = mapping(code=text("ok"), level=text("totals"), subject=blob(ZERO))
START_MS: Final = 1_767_225_600_000
EXPIRES_MS: Final = START_MS + 90 * 86_400_000


def inception(**changes: bytes) -> bytes:
    """Return the bytes of an inception; changes replace encoded values."""
    fields = {
        "country": text("GB"),
        "manager": blob(MANAGER.public),
        "name": text("Hill Farm Co-op"),
        "next": array(blob(hashed("next", Key.of(b"n").public))),
        "nonce": blob(b"n" * 16),
        "op": text("inception"),
        "prev": blob(ZERO),
        "rotation": array(*(blob(key.public) for key in ROTATION)),
        "seq": integer(0),
        "threshold": integer(2),
    }
    return mapping(**{**fields, **changes})


def key_op(body: bytes, *keys: Key) -> bytes:
    """Return an operation with the signatures of these keys."""
    signatures = [
        mapping(key=blob(key.public), signature=blob(key.sign("key-op", body))) for key in keys
    ]
    return mapping(body=blob(body), signatures=array(*signatures))


CID: Final = hashed("coop", inception())
INCEPTION_ID: Final = hashed("key-op", inception())


def delegate(prev: bytes = INCEPTION_ID, seq: int = 1, **changes: bytes) -> bytes:
    """Return the bytes of a delegation of the writer."""
    fields = {
        "cid": blob(CID),
        "expires_ms": integer(EXPIRES_MS),
        "key": blob(WRITER.public),
        "op": text("delegate"),
        "prev": blob(prev),
        "role": text("writer"),
        "seq": integer(seq),
    }
    return mapping(**{**fields, **changes})


def cut(last_seq: int, last_head: bytes = ZERO, fid: bytes = FID) -> bytes:
    """Return the bytes of a cut in one federation."""
    return mapping(fid=blob(fid), last_head=blob(last_head), last_seq=integer(last_seq))


def close(prev: bytes, seq: int, *cuts: bytes) -> bytes:
    """Return the bytes of a close of the writer."""
    return mapping(
        cid=blob(CID),
        cuts=array(*cuts),
        key=blob(WRITER.public),
        op=text("close"),
        prev=blob(prev),
        seq=integer(seq),
    )


BEGUN: Final = key_op(inception(), *ROTATION[:2])
DELEGATED: Final = key_op(delegate(), MANAGER)
DELEGATED_ID: Final = hashed("key-op", delegate())


def elements(payload: bytes, at: int, after: bytes, **changes: bytes) -> list[bytes]:
    """Return the thirteen encoded elements of a header; changes replace some of them."""
    fields: dict[str, Any] = {
        "v": integer(1),
        "fid": blob(FID),
        "cid": blob(CID),
        "wid": blob(WRITER.public),
        "seq": integer(at),
        "prev": blob(after),
        "kind": text("verdict"),
        "time_ms": integer(START_MS),
        "expires_ms": integer(0),
        "payload_hash": blob(hashed("payload", payload)),
        "payload_len": integer(len(payload)),
        "refs": array(),
        "flags": integer(0),
    }
    return list({**fields, **changes}.values())


def entry(
    at: int = 1,
    after: bytes = ZERO,
    *,
    body: bytes = BODY,
    key: Key = WRITER,
    sent: bytes | None = None,
    **changes: bytes,
) -> tuple[bytes, bytes]:
    """Return an entry's id and its envelope; `sent` replaces the payload after signing."""
    payload = SALT + body
    header = array(*elements(payload, at, after, **changes))
    return hashed("entry", header), envelope(header, key, payload if sent is None else sent)


def envelope(header: bytes, key: Key, payload: bytes) -> bytes:
    """Return the envelope of header bytes, whatever they are."""
    return array(blob(header), blob(key.sign("entry-signature", header)), blob(payload))


def without_signature(wire: bytes) -> bytes:
    """Return an envelope with its signature left out."""
    header, rest = split(wire)
    return b"\x93" + header + blob(b"") + rest[66:]


def without_payload(wire: bytes) -> bytes:
    """Return an envelope with its payload left out."""
    header, rest = split(wire)
    return b"\x93" + header + rest[:66] + blob(b"")


def split(wire: bytes) -> tuple[bytes, bytes]:
    """Return the encoded header and what follows on it."""
    size = 3 + int.from_bytes(wire[2:4]) if wire[1] == 0xC5 else 2 + wire[2]
    return wire[1 : 1 + size], wire[1 + size :]
