"""Ids and seeds as words that people read to one another (spec 02, section 6).

The words and the checksum are BIP-39's, English list. They are a way of writing 32 bytes and no
more: nothing here derives a key from words as wallets do.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from mnemonic import Mnemonic

from sheaf_protocol.digest import digest
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_protocol.digest import CoopId

FINGERPRINT_WORDS: Final = 8
"""88 bits: nobody finds a second co-op with the same words by trying."""
SEED_WORDS: Final = 24
_BITS: Final = 11
"""Bits of one word of 2,048."""


def fingerprint(cid: CoopId) -> str:
    """Return the eight words by which people compare a co-op's id."""
    bits = int.from_bytes(digest("fingerprint", cid)[:11], "big")
    shifts = range((FINGERPRINT_WORDS - 1) * _BITS, -1, -_BITS)
    return " ".join(_list().wordlist[bits >> shift & 2**_BITS - 1] for shift in shifts)


def words_of(seed: bytes) -> list[str]:
    """Return the 24 words of a seed; the last carries a checksum of 8 bits."""
    return _list().to_mnemonic(seed).split(" ")


def seed_of(words: Sequence[str]) -> bytes:
    """Return the seed that 24 words write; case and the letters after the fourth do not matter.

    Raises Refusal `key.words`, naming the first word that is not in the list by its place.
    """
    if len(words) != SEED_WORDS:
        raise Refusal("key.words", f"expected {SEED_WORDS} words, got {len(words)}")
    whole = [_whole(place, word) for place, word in enumerate(words, start=1)]
    try:
        return bytes(_list().to_entropy(whole))
    except ValueError as exc:
        detail = "each word is in the list, but they do not belong together; compare them again"
        raise Refusal("key.words", detail) from exc


def is_word(typed: str, word: str) -> bool:
    """Return whether what was typed is the word, whole or by its first four letters."""
    typed = typed.strip().lower()
    return typed == word or (len(typed) >= 4 and word[:4] == typed)


def _whole(place: int, typed: str) -> str:
    """Return the word meant: the list is made so that four letters tell a word."""
    typed = typed.strip().lower()
    words = [word for word in _list().wordlist if word == typed or word[:4] == typed]
    if not words:
        # What was typed is nearly a secret, so the place is named and not the word.
        raise Refusal("key.words", f"word {place} is not in the list of 2,048")
    return words[-1] if typed not in words else typed


@cache
def _list() -> Mnemonic:
    return Mnemonic("english")
