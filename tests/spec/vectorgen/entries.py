"""The co-op of the worked example, its key log and its entries, byte by byte."""

from __future__ import annotations

from typing import Any, Final

from kit import ZERO, Key, array, blob, hashed, integer, mapping, text

ROTATION: Final = (Key.of(b"1"), Key.of(b"2"), Key.of(b"3"))
NEXT: Final = (Key.of(b"n"), Key.of(b"o"), Key.of(b"p"))
LATER: Final = (Key.of(b"q"), Key.of(b"r"), Key.of(b"s"))
"""The keys promised by the inception, and those promised where they are shown."""
GUARDIANS: Final = (Key.of(b"4"), Key.of(b"5"), Key.of(b"6"))
MANAGER, WRITER, STRANGER = Key.of(b"m"), Key.of(b"w"), Key.of(b"x")
MANAGER_2: Final = Key.of(b"h")
MIXED_ORDER: Final = bytes.fromhex(
    "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d"
)
"""A canonical point outside the prime-order subgroup."""
FID: Final = hashed("federation", b"example")
SALT: Final = b"0123456789abcdef"
BODY: Final = mapping(code=text("ok"), level=text("totals"), subject=blob(ZERO))
START_MS: Final = 1_767_225_600_000
EXPIRES_MS: Final = START_MS + 90 * 86_400_000


def keys(listed: tuple[Key, ...]) -> bytes:
    """Return the bytes of a list of public keys."""
    return array(*(blob(key.public) for key in listed))


def promise(listed: tuple[Key, ...]) -> bytes:
    """Return the bytes of the hashes that promise keys."""
    return array(*(blob(hashed("next", key.public)) for key in listed))


def inception(**changes: bytes) -> bytes:
    """Return the bytes of an inception; changes replace encoded values."""
    fields = {
        "country": text("GB"),
        "manager": blob(MANAGER.public),
        "name": text("Hill Farm Co-op"),
        "next": promise(NEXT),
        "nonce": blob(b"n" * 16),
        "op": text("inception"),
        "prev": blob(ZERO),
        "rotation": keys(ROTATION),
        "seq": integer(0),
        "threshold": integer(2),
    }
    return sorted_map({**fields, **changes})


def sorted_map(fields: dict[str, bytes]) -> bytes:
    """Return a map with its keys in order."""
    return mapping(**dict(sorted(fields.items())))


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


def ended(*cuts: bytes, key: bytes = WRITER.public) -> bytes:
    """Return the bytes of a writer that an operation ends at these cuts."""
    return mapping(cuts=array(*cuts), key=blob(key))


def revoke(prev: bytes, seq: int, /, *by: int, **changes: bytes) -> bytes:
    """Return the bytes of a revoke of the first manager by rotation keys."""
    fields = {
        "by": array(*map(integer, by)),
        "cid": blob(CID),
        "manager": blob(MANAGER_2.public),
        "op": text("revoke"),
        "prev": blob(prev),
        "seq": integer(seq),
        "writers": array(),
    }
    return sorted_map({**fields, **changes})


def rotate(prev: bytes, seq: int, /, *by: int, **changes: bytes) -> bytes:
    """Return the bytes of a rotate to the keys that the inception promised."""
    fields = {
        "by": array(*map(integer, by)),
        "cid": blob(CID),
        "manager": blob(MANAGER_2.public),
        "next": promise(LATER),
        "op": text("rotate"),
        "prev": blob(prev),
        "rotation": keys(NEXT),
        "seq": integer(seq),
        "threshold": integer(2),
        "writers": array(),
    }
    return sorted_map({**fields, **changes})


def recover(prev: bytes, seq: int, /, *by: int, **changes: bytes) -> bytes:
    """Return the bytes of a recover by guardians, to keys that nothing promised."""
    fresh = {"op": text("recover"), "rotation": keys(LATER), "next": promise(ROTATION)}
    return rotate(prev, seq, *by, **{**fresh, **changes})


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


def chain(*wires: bytes) -> bytes:
    """Return the tail or branch over these envelopes, with the signature of the last."""
    return array(array(*(split(wire)[0] for wire in wires)), split(wires[-1])[1][:66])


def consecutive(count: int) -> list[tuple[bytes, bytes]]:
    """Return the first entries of a log, each on the one before."""
    entries = [entry()]
    for seq in range(2, count + 1):
        entries.append(entry(seq, entries[-1][0]))
    return entries


def signed_by(key: Key, purpose: str, wire: bytes) -> bytes:
    """Return an envelope with its signature replaced by another over the same header."""
    header, rest = split(wire)
    return b"\x93" + header + blob(key.sign(purpose, raw_header(wire))) + rest[66:]


def raw_header(wire: bytes) -> bytes:
    """Return the bytes of an envelope's header."""
    return split(wire)[0][3 if wire[1] == 0xC5 else 2 :]


def id_of(wire: bytes) -> bytes:
    """Return the id of an envelope."""
    return hashed("entry", raw_header(wire))


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
