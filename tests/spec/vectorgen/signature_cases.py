"""strict-1, chapters 02 and 13: `02-key` holds keys to register, `02-signature` signatures.

The input of `02-key` is a key, that of `02-signature` a map {key, message, purpose, signature}.
Points and scalars are made with libsodium's arithmetic and Python's integers; no verifier is asked.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from entries import MIXED_ORDER
from kit import Case, Key, blob, mapping, tag, text
from nacl import bindings

if TYPE_CHECKING:
    from collections.abc import Iterator

P: Final = 2**255 - 19
L: Final = 2**252 + 27742317777372353535851937790883648493
MESSAGE: Final = b"forty bags"
PURPOSE: Final = "entry-signature"
SIGNER: Final = Key.of(b"w")
ORDER_1: Final = (1).to_bytes(32, "little")
ORDER_2: Final = (P - 1).to_bytes(32, "little")
ORDER_4: Final = bytes(32)
ORDER_8: Final = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
BASE: Final = bytes.fromhex("58" + "66" * 31)


def with_sign(point: bytes) -> bytes:
    """Return an encoded point with the sign bit of x set."""
    return point[:31] + bytes([point[31] | 0x80])


def scalar(key: Key) -> int:
    """Return the secret scalar of a key."""
    raw = bytearray(hashlib.sha512(key.secret[:32]).digest()[:32])
    raw[0] &= 248
    raw[31] = raw[31] & 127 | 64
    return int.from_bytes(raw, "little")


def challenge(r: bytes, a: bytes) -> int:
    """Return k, the hash that binds R, A and the tagged message."""
    whole = hashlib.sha512(r + a + tag(PURPOSE) + MESSAGE).digest()
    return int.from_bytes(whole, "little") % L


def times_base(factor: int) -> bytes:
    """Return the point factor x B."""
    return bindings.crypto_scalarmult_ed25519_base_noclamp(factor.to_bytes(32, "little"))


def signature(r: bytes, s: int) -> bytes:
    """Return R and S as a signature."""
    return r + s.to_bytes(32, "little")


def claim(
    sig: bytes, *, key: bytes = SIGNER.public, message: bytes = MESSAGE, purpose: str = PURPOSE
) -> bytes:
    """Return the input of a vector."""
    return mapping(key=blob(key), message=blob(message), purpose=text(purpose), signature=blob(sig))


GOOD: Final = SIGNER.sign(PURPOSE, MESSAGE)
R, S = GOOD[:32], int.from_bytes(GOOD[32:], "little")


def _beside() -> bytes:
    """Return a signature whose R is off by a point of order 2: eight times the equation holds."""
    nonce = 5
    r = bindings.crypto_core_ed25519_add(times_base(nonce), ORDER_2)
    return signature(r, (nonce + challenge(r, SIGNER.public) * scalar(SIGNER)) % L)


def _under_identity(r: bytes) -> bytes:
    """Return the owner's own signature for a chosen R that counts as nothing."""
    return signature(r, challenge(r, SIGNER.public) * scalar(SIGNER) % L)


# file name, clause, expect, input, why it matters
SIGNATURES: Final[list[tuple[str, str, str, bytes, str]]] = [
    ("signed", "IDN-8", "ok", claim(GOOD), "Made by libsodium under a tag."),
    (
        "signed_nothing",
        "IDN-3",
        "ok",
        claim(SIGNER.sign(PURPOSE, b""), message=b""),
        "The tag alone is signed.",
    ),
    ("other_message", "IDN-8", "env.signature", claim(GOOD, message=b"4 bags"), "Not signed."),
    ("other_key", "IDN-8", "env.signature", claim(GOOD, key=Key.of(b"x").public), "Not his."),
    (
        "other_purpose",
        "IDN-3",
        "env.signature",
        claim(GOOD, purpose="certificate"),
        "A vote must not be made of an entry.",
    ),
    (
        "untagged",
        "IDN-3",
        "env.signature",
        claim(bindings.crypto_sign(MESSAGE, SIGNER.secret)[:64]),
        "The message without its tag.",
    ),
    ("of_63_bytes", "IDN-4", "env.signature", claim(GOOD[:63]), "One byte short."),
    ("of_65_bytes", "IDN-4", "env.signature", claim(GOOD + b"\0"), "A byte that nothing covers."),
    ("key_of_31_bytes", "IDN-4", "env.signature", claim(GOOD, key=SIGNER.public[:31]), "Short."),
    (
        "s_plus_l",
        "IDN-5",
        "env.signature",
        claim(signature(R, S + L)),
        "The equation holds: anybody could make a second signature of a first.",
    ),
    (
        "s_plus_8_l",
        "IDN-5",
        "env.signature",
        claim(signature(R, S + 8 * L)),
        "As above, near 2^256: a check of the highest bits alone sees this and not the last.",
    ),
    (
        "key_of_order_1",
        "IDN-7",
        "env.signature",
        claim(signature(times_base(5), 5), key=ORDER_1),
        "The equation holds for every message; OpenSSL accepts it.",
    ),
    (
        "key_of_order_1_with_sign",
        "IDN-7",
        "env.signature",
        claim(signature(times_base(5), 5), key=with_sign(ORDER_1)),
        "A second spelling of the same point: x is 0 and has no sign.",
    ),
    (
        "key_of_order_1_plus_p",
        "IDN-7",
        "env.signature",
        claim(signature(times_base(5), 5), key=(P + 1).to_bytes(32, "little")),
        "A third: y is p + 1.",
    ),
    (
        "r_of_order_1",
        "IDN-7",
        "env.signature",
        claim(_under_identity(ORDER_1)),
        "The owner's own, made with the nonce 0; it tells the secret key.",
    ),
    (
        "r_of_order_1_with_sign",
        "IDN-7",
        "env.signature",
        claim(_under_identity(with_sign(ORDER_1))),
        "As above, in a second spelling.",
    ),
    (
        "r_of_order_1_plus_p",
        "IDN-7",
        "env.signature",
        claim(_under_identity((P + 1).to_bytes(32, "little"))),
        "As above, in a third.",
    ),
    (
        "r_beside_by_order_2",
        "IDN-8",
        "env.signature",
        claim(_beside()),
        "Holds once both sides are multiplied by 8, as batch verifiers do; not as it stands.",
    ),
    ("r_not_on_curve", "IDN-7", "env.signature", claim(signature(b"\2" + bytes(31), 5)), "y is 2."),
]

KEYS: Final[list[tuple[str, str, bytes, str]]] = [
    ("key_of_a_seed", "ok", SIGNER.public, "As every library makes them."),
    ("base_point", "ok", BASE, "In the subgroup; whose key it is, is not asked."),
    ("order_1", "key.invalid", ORDER_1, "The identity."),
    ("order_2", "key.invalid", ORDER_2, "y is -1."),
    ("order_4", "key.invalid", ORDER_4, "y is 0."),
    ("order_4_with_sign", "key.invalid", with_sign(ORDER_4), "The other of that order."),
    ("order_8", "key.invalid", ORDER_8, "One of four of that order."),
    ("order_8_with_sign", "key.invalid", with_sign(ORDER_8), "Another."),
    ("order_1_with_sign", "key.invalid", with_sign(ORDER_1), "x is 0 and has no sign."),
    ("order_1_plus_p", "key.invalid", (P + 1).to_bytes(32, "little"), "y is not below p."),
    ("largest", "key.invalid", b"\xff" * 32, "y is not below p."),
    (
        "mixed_order",
        "key.invalid",
        MIXED_ORDER,
        "On the curve, of large order, and outside the subgroup: half of its signatures hold.",
    ),
    (
        "base_point_and_order_2",
        "key.invalid",
        bindings.crypto_core_ed25519_add(BASE, ORDER_2),
        "As above, made on purpose.",
    ),
    ("not_on_curve", "key.invalid", b"\2" + bytes(31), "No point has y = 2."),
    ("of_31_bytes", "key.invalid", SIGNER.public[:31], "One byte short."),
    ("of_33_bytes", "key.invalid", SIGNER.public + b"\0", "One byte too many."),
]


def cases() -> Iterator[Case]:
    """Yield the vectors on strict-1."""
    for name, expect, data, comment in KEYS:
        yield Case(id=f"02-key/{name}", clause="IDN-6", expect=expect, comment=comment, input=data)
    for name, clause, expect, data, comment in SIGNATURES:
        yield Case(
            id=f"02-signature/{name}", clause=clause, expect=expect, comment=comment, input=data
        )
