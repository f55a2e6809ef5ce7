"""The worked examples of the chapters: one co-op, two entries, made with the byte-level kit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from entries import (
    BODY,
    CID,
    DELEGATED_ID,
    EXPIRES_MS,
    FID,
    INCEPTION_ID,
    MANAGER,
    ROTATION,
    SALT,
    START_MS,
    WRITER,
    close,
    cut,
    delegate,
    elements,
    entry,
    inception,
)
from kit import ZERO, Key, array, blob, hashed, integer, mapping, tag, text
from nacl import bindings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PAYLOAD = SALT + BODY
HEADER = array(*elements(PAYLOAD, 1, ZERO))
ID_1, WIRE_1 = entry()
ID_2, _ = entry(2, ID_1)
LOG_ID = hashed("log", FID, CID, WRITER.public)


def view(name: str, value: Any) -> str:
    """Return a JSON view with a caption."""
    return f"{name}, JSON view:\n\n```json\n{json.dumps(value, indent=2)}\n```\n"


def dump(**parts: bytes) -> str:
    """Return named bytes as hex, 32 a line."""
    lines = []
    for name, data in parts.items():
        rows = [data[i : i + 32].hex() for i in range(0, len(data), 32)] or [""]
        lines.append(f"{name} ({len(data)} bytes)")
        lines.extend(f"  {row}" for row in rows)
    return "```text\n" + "\n".join(lines) + "\n```\n"


def encoding() -> str:
    """Return one map in both forms."""
    value = {"amount": 1250, "currency": "GBP", "is_firm": True, "ref": b"\x01\x02", "zones": ["N"]}
    raw = mapping(
        amount=integer(1250),
        currency=text("GBP"),
        is_firm=b"\xc3",
        ref=blob(b"\x01\x02"),
        zones=array(text("N")),
    )
    return view("A map", {**value, "ref": "0102"}) + "\nIts only spelling:\n\n" + dump(bytes=raw)


def identity() -> str:
    """Return an inception, a delegation and a close."""
    fields = {
        "country": "GB",
        "manager": MANAGER.public.hex(),
        "name": "Hill Farm Co-op",
        "next": [hashed("next", Key.of(b"n").public).hex()],
        "nonce": (b"n" * 16).hex(),
        "op": "inception",
        "prev": ZERO.hex(),
        "rotation": [key.public.hex() for key in ROTATION],
        "seq": 0,
        "threshold": 2,
    }
    later = {
        "cid": CID.hex(),
        "expires_ms": EXPIRES_MS,
        "key": WRITER.public.hex(),
        "op": "delegate",
        "prev": INCEPTION_ID.hex(),
        "role": "writer",
        "seq": 1,
    }
    cuts = [{"fid": FID.hex(), "last_head": ID_2.hex(), "last_seq": 2}]
    closed = {
        "cid": CID.hex(),
        "cuts": cuts,
        "key": WRITER.public.hex(),
        "op": "close",
        "prev": DELEGATED_ID.hex(),
        "seq": 2,
    }
    closing = close(DELEGATED_ID, 2, cut(2, ID_2))
    return "\n".join(
        [
            view("Operation 0", fields),
            dump(
                body=inception(),
                cid=CID,
                operation_id=INCEPTION_ID,
                signature_of_first_rotation_key=ROTATION[0].sign("key-op", inception()),
            ),
            view("Operation 1", later),
            dump(
                body=delegate(),
                operation_id=DELEGATED_ID,
                signature_of_manager=MANAGER.sign("key-op", delegate()),
            ),
            "Operation 2 ends the writer at the second entry of chapter 05. In every other\n"
            "federation nothing that it wrote counts.\n",
            view("Operation 2", closed),
            dump(
                body=closing,
                operation_id=hashed("key-op", closing),
                signature_of_manager=MANAGER.sign("key-op", closing),
            ),
        ]
    )


def envelope() -> str:
    """Return an entry, element by element."""
    fields = [
        1,
        FID.hex(),
        CID.hex(),
        WRITER.public.hex(),
        1,
        ZERO.hex(),
        "verdict",
        START_MS,
        0,
        hashed("payload", PAYLOAD).hex(),
        len(PAYLOAD),
        [],
        0,
    ]
    parts = dump(
        header=HEADER,
        entry_id=ID_1,
        signature=WRITER.sign("entry-signature", HEADER),
        payload=PAYLOAD,
    )
    return view("The header", fields) + "\n" + parts


def log() -> str:
    """Return the ids that chain two entries."""
    return dump(
        log_id=LOG_ID,
        entry_1=ID_1,
        entry_2_prev=ID_1,
        entry_2=ID_2,
        fork_leaf_at_2=hashed("fork", LOG_ID, (2).to_bytes(8), ID_1),
    )


def frontier() -> str:
    """Return the frontier of one log of two entries."""
    item = array(blob(LOG_ID), integer(2), blob(ID_2[:8]))
    return view("The item", [LOG_ID.hex(), 2, ID_2[:8].hex()]) + dump(
        item=item, root=hashed("frontier", LOG_ID, (2).to_bytes(8), ID_2)
    )


def charter() -> str:
    """Return a genesis body of one member."""
    member = mapping(
        cid=blob(CID), key_head=blob(DELEGATED_ID), roles=array(text("buyer"), text("coordinator"))
    )
    body = mapping(
        epoch=integer(0),
        members=array(member),
        name=text("Hill and Dale"),
        nonce=blob(b"g" * 16),
        prev=blob(ZERO),
        v=integer(1),
    )
    fields = {
        "epoch": 0,
        "members": [
            {"cid": CID.hex(), "key_head": DELEGATED_ID.hex(), "roles": ["buyer", "coordinator"]}
        ],
        "name": "Hill and Dale",
        "nonce": (b"g" * 16).hex(),
        "prev": ZERO.hex(),
        "v": 1,
    }
    return view("The body", fields) + dump(
        body=body,
        fid=hashed("federation", body),
        approval_of_the_founder=MANAGER.sign("certificate", body),
    )


def link() -> str:
    """Return a first handshake message, and one frame under a known key."""
    eph = bindings.crypto_scalarmult_base(b"e" * 32)
    fields = {
        "audience": "dale.example:7701",
        "eph": eph.hex(),
        "nonce": (b"n" * 16).hex(),
        "versions": [1],
    }
    hello = mapping(
        audience=text("dale.example:7701"),
        eph=blob(eph),
        nonce=blob(b"n" * 16),
        versions=array(integer(1)),
    )
    plain = array(text("credit"), integer(1000))
    frame = bindings.crypto_aead_chacha20poly1305_ietf_encrypt(
        plain, tag("link-frame"), bytes(12), b"k" * 32
    )
    return (
        view("M1", fields)
        + dump(m1=hello)
        + "\n"
        + view("A message", ["credit", 1000])
        + "\nThe frame is the first of a direction whose key is 32 bytes `k`:\n\n"
        + dump(plaintext=plain, frame=frame)
    )


def record() -> str:
    """Return the body of the entry in chapter 04."""
    fields = {"code": "ok", "level": "totals", "subject": ZERO.hex()}
    return view("A verdict", fields) + dump(body=BODY)


EXAMPLES: Final[Mapping[str, Callable[[], str]]] = {
    "example_charter": charter,
    "example_encoding": encoding,
    "example_envelope": envelope,
    "example_frontier": frontier,
    "example_identity": identity,
    "example_link": link,
    "example_log": log,
    "example_record": record,
}
