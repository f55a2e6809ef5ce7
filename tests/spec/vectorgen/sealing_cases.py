"""Sealed bodies, chapter 04: the input is {author, body, public, secret}, the output the inside.

`author` is {cid, fid, wid}, `body` that of an entry of kind `sealed`, `public` and `secret` the
X25519 prekey of the reader. The output is the map inside the box, and empty where no slot is the
reader's.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from entries import CID, FID, WRITER
from kit import Case, array, blob, hashed, mapping, tag, text
from nacl import bindings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

READER_SECRET: Final = b"r" * 32
READER: Final = bindings.crypto_scalarmult_base(READER_SECRET)
OTHER: Final = bindings.crypto_scalarmult_base(b"y" * 32)
EPHEMERAL_SECRET: Final = b"e" * 32
EPHEMERAL: Final = bindings.crypto_scalarmult_base(EPHEMERAL_SECRET)
KEY: Final = b"k" * 32
NONCE: Final = b"n" * 24
AUTHOR: Final = (FID, CID, WRITER.public)
RESPONSE: Final = mapping(code=text("AP"), order=blob(bytes(32)))


def inside(kind: str, body: bytes, refs: Sequence[bytes] = (), pad: bytes | None = None) -> bytes:
    """Return what is in a box, padded to a multiple of 256 bytes where `pad` is not given."""
    made = _inside(kind, body, refs, b"" if pad is None else pad)
    if pad is not None or not -len(made) % 256:
        return made
    # A pad of 256 bytes and more would need a longer head; fewer cost nothing but themselves.
    return _inside(kind, body, refs, bytes(-len(made) % 256))


def _inside(kind: str, body: bytes, refs: Sequence[bytes], pad: bytes) -> bytes:
    return mapping(body=blob(body), kind=text(kind), pad=blob(pad), refs=array(*map(blob, refs)))


def box(plain: bytes, author: tuple[bytes, ...] = AUTHOR, key: bytes = KEY) -> bytes:
    """Return the ciphertext, bound to the log of its author."""
    bound = tag("sealed") + b"".join(author)
    return bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, bound, NONCE, key)


def hint_of(recipient: bytes) -> bytes:
    """Return the hint that only the two ends of a key agreement can make."""
    shared = bindings.crypto_scalarmult(EPHEMERAL_SECRET, recipient)
    return hashed("hint", shared, NONCE)[:4]


def slot(recipient: bytes, key: bytes = KEY, hint: bytes | None = None) -> bytes:
    """Return the content key for one recipient."""
    nonce = hashlib.blake2b(EPHEMERAL + recipient, digest_size=24).digest()
    sealed = EPHEMERAL + bindings.crypto_box_easy(key, nonce, recipient, EPHEMERAL_SECRET)
    shown = hint_of(recipient) if hint is None else hint
    return mapping(hint=blob(shown), key=blob(sealed))


def sealed(ciphertext: bytes, *slots: bytes, commitment: bytes | None = None) -> bytes:
    """Return the body of an entry of kind `sealed`."""
    return mapping(
        box=blob(ciphertext),
        commitment=blob(hashed("content-key", KEY) if commitment is None else commitment),
        nonce=blob(NONCE),
        slots=array(*slots),
    )


PLAIN: Final = inside("order.response", RESPONSE)
BOX: Final = box(PLAIN)
FLIPPED: Final = BOX[:-1] + bytes([BOX[-1] ^ 1])
HINT: Final = hint_of(READER)
PUBLIC_HINT: Final = hashed("hint", READER, NONCE)[:4]
SMALL: Final = mapping(hint=blob(HINT), key=blob(bytes(80)))
SWAPPED: Final = mapping(
    kind=text("order.response"), body=blob(RESPONSE), pad=blob(b""), refs=array()
)
BARE: Final = inside("order.response", RESPONSE, pad=b"")
SHORT: Final = mapping(body=blob(RESPONSE), kind=text("order.response"), refs=array())

# file name, clause, expect, body, output, why it matters
ROWS: Final[list[tuple[str, str, str, bytes, bytes | None, str]]] = [
    ("one_reader", "ENV-11", "ok", sealed(BOX, slot(READER)), PLAIN, "Padded to 256 bytes."),
    (
        "second_of_two",
        "ENV-11",
        "ok",
        sealed(BOX, slot(OTHER), slot(READER)),
        PLAIN,
        "Found by the hint.",
    ),
    ("for_another", "ENV-11", "ok", sealed(BOX, slot(OTHER)), b"", "No hint is ours: no fault."),
    (
        "hint_shared",
        "ENV-17",
        "ok",
        sealed(BOX, slot(OTHER, hint=HINT), slot(READER)),
        PLAIN,
        "Two recipients may have one hint; the second slot is tried.",
    ),
    (
        "hint_shared_by_three",
        "ENV-17",
        "ok",
        sealed(BOX, slot(OTHER, hint=HINT), slot(OTHER, KEY, HINT), slot(READER)),
        b"",
        "The third is not tried any more: 64 such slots would be an attack.",
    ),
    (
        "hint_of_the_prekey",
        "ENV-45",
        "ok",
        sealed(BOX, slot(READER, hint=PUBLIC_HINT)),
        b"",
        "A hash of what all know would name the recipient to all.",
    ),
    (
        "ephemeral_of_small_order",
        "ENV-45",
        "ok",
        sealed(BOX, SMALL),
        b"",
        "Nothing can be agreed on with it, so it is for nobody.",
    ),
    (
        "other_key_committed",
        "ENV-11",
        "seal.opening",
        sealed(BOX, slot(READER), commitment=hashed("content-key", b"j" * 32)),
        None,
        "One box could show two readers two orders.",
    ),
    (
        "key_of_another_box",
        "ENV-11",
        "seal.opening",
        sealed(BOX, slot(READER, b"j" * 32)),
        None,
        "The slot holds another key than was committed to.",
    ),
    (
        "box_altered",
        "ENV-11",
        "seal.opening",
        sealed(FLIPPED, slot(READER)),
        None,
        "One bit of the tag.",
    ),
    (
        "box_of_another_log",
        "ENV-11",
        "seal.opening",
        sealed(box(PLAIN, (FID, CID, b"x" * 32)), slot(READER)),
        None,
        "Copied from another writer's entry.",
    ),
    (
        "box_of_another_federation",
        "ENV-11",
        "seal.opening",
        sealed(box(PLAIN, (bytes(32), CID, WRITER.public)), slot(READER)),
        None,
        "Copied from another federation.",
    ),
    (
        "inside_not_canonical",
        "ENV-11",
        "seal.opening",
        sealed(box(SWAPPED), slot(READER)),
        None,
        "Keys out of order: no relay could look, so it is the author's fault.",
    ),
    (
        "inside_without_pad",
        "ENV-11",
        "seal.opening",
        sealed(box(SHORT), slot(READER)),
        None,
        "Not the map that it has to be.",
    ),
    (
        "inside_not_padded",
        "ENV-20",
        "ok",
        sealed(box(BARE), slot(READER)),
        BARE,
        "A reader does not count: padding is to its author's good.",
    ),
    (
        "pad_of_4097",
        "ENV-20",
        "seal.opening",
        sealed(box(inside("order.response", RESPONSE, pad=bytes(4_097))), slot(READER)),
        None,
        "More than any box needs.",
    ),
    (
        "kind_with_capital",
        "ENV-11",
        "seal.opening",
        sealed(box(inside("Order", RESPONSE)), slot(READER)),
        None,
        "A kind is a kind inside as well.",
    ),
]


def claim(body: bytes) -> bytes:
    """Return the input of a vector."""
    fid, cid, wid = map(blob, AUTHOR)
    author = mapping(cid=cid, fid=fid, wid=wid)
    return mapping(author=author, body=blob(body), public=blob(READER), secret=blob(READER_SECRET))


def cases() -> Iterator[Case]:
    """Yield the vectors on sealed bodies."""
    for name, clause, expect, body, output, comment in ROWS:
        yield Case(
            id=f"04-sealed/{name}",
            clause=clause,
            expect=expect,
            comment=comment,
            input=claim(body),
            output=output,
        )
