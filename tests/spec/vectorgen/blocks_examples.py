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
    LATER,
    MANAGER,
    MANAGER_2,
    NEXT,
    ROTATION,
    SALT,
    START_MS,
    WRITER,
    chain,
    close,
    cut,
    delegate,
    elements,
    ended,
    entry,
    inception,
    raw_header,
    revoke,
    rotate,
)
from kit import ZERO, Key, array, blob, hashed, integer, mapping, tag, text
from nacl import bindings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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
    """Return a key log of five operations: inception, delegate, close, revoke, rotate."""
    return "\n".join([_begun(), _delegated(), _closed(), _revoked(), _rotated()])


CLOSING: Final = close(DELEGATED_ID, 2, cut(2, ID_2))
CLOSING_ID: Final = hashed("key-op", CLOSING)
REVOKING: Final = revoke(CLOSING_ID, 3, 0, 2, writers=array(ended(cut(1, ID_1))))
REVOKING_ID: Final = hashed("key-op", REVOKING)
ROTATING: Final = rotate(REVOKING_ID, 4, 0, 1, 2)


def _begun() -> str:
    fields = {
        "country": "GB",
        "manager": MANAGER.public.hex(),
        "name": "Hill Farm Co-op",
        "next": _promised(NEXT),
        "nonce": (b"n" * 16).hex(),
        "op": "inception",
        "prev": ZERO.hex(),
        "rotation": [key.public.hex() for key in ROTATION],
        "seq": 0,
        "threshold": 2,
    }
    return (
        view("Operation 0", fields)
        + "\n"
        + dump(
            body=inception(),
            cid=CID,
            operation_id=INCEPTION_ID,
            signature_of_first_rotation_key=ROTATION[0].sign("key-op", inception()),
        )
    )


def _delegated() -> str:
    fields = {
        "cid": CID.hex(),
        "expires_ms": EXPIRES_MS,
        "key": WRITER.public.hex(),
        "op": "delegate",
        "prev": INCEPTION_ID.hex(),
        "role": "writer",
        "seq": 1,
    }
    signature = MANAGER.sign("key-op", delegate())
    return (
        view("Operation 1", fields)
        + "\n"
        + dump(body=delegate(), operation_id=DELEGATED_ID, signature_of_manager=signature)
    )


def _closed() -> str:
    fields = {
        "cid": CID.hex(),
        "cuts": [_cut_view(2, ID_2)],
        "key": WRITER.public.hex(),
        "op": "close",
        "prev": DELEGATED_ID.hex(),
        "seq": 2,
    }
    caption = (
        "Operation 2 ends the writer at the second entry of chapter 05. In every other\n"
        "federation nothing that it wrote counts.\n\n"
    )
    signature = MANAGER.sign("key-op", CLOSING)
    return (
        caption
        + view("Operation 2", fields)
        + "\n"
        + dump(body=CLOSING, operation_id=CLOSING_ID, signature_of_manager=signature)
    )


def _revoked() -> str:
    fields = {
        "by": [0, 2],
        "cid": CID.hex(),
        "manager": MANAGER_2.public.hex(),
        "op": "revoke",
        "prev": CLOSING_ID.hex(),
        "seq": 3,
        "writers": [{"cuts": [_cut_view(1, ID_1)], "key": WRITER.public.hex()}],
    }
    caption = (
        "Operation 3: the second entry was a thief's, who had the manager key too. The first and\n"
        "the third rotation key name another manager and move the cut.\n\n"
    )
    return (
        caption
        + view("Operation 3", fields)
        + "\n"
        + dump(
            body=REVOKING,
            operation_id=REVOKING_ID,
            signature_of_rotation_0=ROTATION[0].sign("key-op", REVOKING),
            signature_of_rotation_2=ROTATION[2].sign("key-op", REVOKING),
        )
    )


def _rotated() -> str:
    fields = {
        "by": [0, 1, 2],
        "cid": CID.hex(),
        "manager": MANAGER_2.public.hex(),
        "next": _promised(LATER),
        "op": "rotate",
        "prev": REVOKING_ID.hex(),
        "rotation": [key.public.hex() for key in NEXT],
        "seq": 4,
        "threshold": 2,
        "writers": [],
    }
    return (
        "Operation 4 shows the keys that the inception promised.\n\n"
        + view("Operation 4", fields)
        + "\n"
        + dump(
            body=ROTATING,
            operation_id=hashed("key-op", ROTATING),
            signature_of_next_0=NEXT[0].sign("key-op", ROTATING),
            signature_of_next_1=NEXT[1].sign("key-op", ROTATING),
            signature_of_next_2=NEXT[2].sign("key-op", ROTATING),
        )
    )


def _promised(listed: Sequence[Key]) -> list[str]:
    return [hashed("next", key.public).hex() for key in listed]


def _cut_view(seq: int, head: bytes) -> dict[str, Any]:
    return {"fid": FID.hex(), "last_head": head.hex(), "last_seq": seq}


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
    """Return a run of three entries with one signature, and a proof over its first two."""
    id_2, wire_2 = entry(2, ID_1)
    id_3, wire_3 = entry(3, id_2)
    other_id, other = entry(2, ID_1, body=mapping(other=integer(1)))
    sides = sorted([(id_2, [wire_2, wire_3]), (other_id, [other])])
    proof = array(*(chain(*wires) for _, wires in sides))
    entries = ["header_1", "", "payload"], ["header_2", "", "payload"]
    names = {
        id_2: [["header_2", "header_3"], "signature_3"],
        other_id: [["other_2"], "signature_o"],
    }
    return "\n".join(
        [
            view(
                "The run, with the bytes below by their names",
                [*entries, ["header_3", "signature_3", "payload"]],
            ),
            view("The tail of entry 1, for an answer that ends with it", names[id_2]),
            view("The fork proof", [names[id_] for id_, _ in sides]),
            dump(
                log_id=LOG_ID,
                entry_1=ID_1,
                header_2=raw_header(wire_2),
                entry_2=id_2,
                header_3=raw_header(wire_3),
                entry_3=id_3,
                signature_3=WRITER.sign("entry-signature", raw_header(wire_3)),
                tail_of_entry_1=chain(wire_2, wire_3),
                other_2=raw_header(other),
                other_entry_2=other_id,
                signature_o=WRITER.sign("entry-signature", raw_header(other)),
                fork_proof=proof,
                fork_proof_id=hashed("fork-proof", *(id_ for id_, _ in sides)),
                fork_leaf_at_2=hashed("fork", LOG_ID, (2).to_bytes(8), ID_1),
            ),
        ]
    )


def frontier() -> str:
    """Return the frontier of one log of two entries."""
    item = array(blob(LOG_ID), integer(2), blob(ID_2[:8]))
    return view("The item", [LOG_ID.hex(), 2, ID_2[:8].hex()]) + dump(
        item=item, root=hashed("frontier-leaf", LOG_ID, (2).to_bytes(8), ID_2)
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
    "example_encoding": encoding,
    "example_envelope": envelope,
    "example_frontier": frontier,
    "example_identity": identity,
    "example_link": link,
    "example_log": log,
    "example_record": record,
}
