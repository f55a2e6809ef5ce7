"""A backup's key, sealed so that as many recovery sheets open it as sign together, and no fewer.

Each rotation key of the key log is half of a key pair whose other half is on a sheet. It is made
for signatures; libsodium turns it into one that boxes are sealed to. Where several sheets are
needed the key is sealed once for each choice of them, in boxes within one another.
"""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Final

from nacl import bindings, exceptions

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_protocol.identity import KeyLog

MAX_CHOICES: Final = 64
"""Of seven sheets any four make 35 choices; a key log of other software may ask for more."""


def seal_key(key: bytes, log: KeyLog) -> list[bytes]:
    """Return the boxes with a key, one for each choice of rotation keys that sign together.

    Raises Refusal `backup.sheets` where there are too many choices.
    """
    if comb(len(log.rotation), log.threshold) > MAX_CHOICES:
        detail = f"expected at most {MAX_CHOICES} choices of sheets, got {log.threshold} of"
        raise Refusal("backup.sheets", f"{detail} {len(log.rotation)}")
    return [_nested(key, choice) for choice in combinations(log.rotation, log.threshold)]


def open_key(boxes: Sequence[bytes], log: KeyLog, seeds: Sequence[bytes]) -> bytes:
    """Return the key in the boxes by the seeds of as many sheets as are needed, or more.

    Raises Refusal `backup.damaged` where a box that is for these sheets does not open.
    """
    pairs = [bindings.crypto_sign_seed_keypair(seed) for seed in seeds]
    places = {bytes(key): place for place, key in enumerate(log.rotation)}
    held = {places[public]: secret for public, secret in pairs}
    chosen = sorted(held)[: log.threshold]
    choices = list(combinations(range(len(log.rotation)), log.threshold))
    box = boxes[choices.index(tuple(chosen))]
    for place in reversed(chosen):
        box = _opened(box, held[place])
    return box


def _nested(key: bytes, choice: Sequence[bytes]) -> bytes:
    for public in choice:
        to = bindings.crypto_sign_ed25519_pk_to_curve25519(public)
        key = bindings.crypto_box_seal(key, to)
    return key


def _opened(box: bytes, secret: bytes) -> bytes:
    own = bindings.crypto_sign_ed25519_sk_to_curve25519(secret)
    try:
        return bindings.crypto_box_seal_open(box, bindings.crypto_scalarmult_base(own), own)
    except (exceptions.CryptoError, exceptions.TypeError) as exc:
        detail = "the sheets are right, but the box with the backup's key does not open"
        raise Refusal("backup.damaged", detail) from exc
