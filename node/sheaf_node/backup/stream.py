"""Encryption of a backup's body, piece by piece: libsodium's secretstream.

No piece can be changed, left out, put elsewhere or be the last one that was not. The plain bytes
are the length of the manifest (4 bytes, the highest first), the manifest, and the files one after
another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nacl import bindings, exceptions

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PIECE: Final = 65_536
"""Plain bytes of each piece but the last: what a reader holds in memory, with its ciphertext."""
OVER: Final = bindings.crypto_secretstream_xchacha20poly1305_ABYTES
STREAM_HEAD: Final = bindings.crypto_secretstream_xchacha20poly1305_HEADERBYTES
_MORE: Final = bindings.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
_LAST: Final = bindings.crypto_secretstream_xchacha20poly1305_TAG_FINAL


def sealed_size(plain: int) -> int:
    """Return the bytes of a body with so many plain bytes, at least one."""
    return plain + OVER * -(-plain // PIECE)


class Sealer:
    """Encrypts one body under a key of its own."""

    def __init__(self) -> None:
        self.key = bindings.crypto_secretstream_xchacha20poly1305_keygen()
        self._state = bindings.crypto_secretstream_xchacha20poly1305_state()
        self.head = bindings.crypto_secretstream_xchacha20poly1305_init_push(self._state, self.key)
        """What a reader needs beside the key."""

    def seal(self, parts: Iterable[bytes], bound: bytes) -> Iterator[bytes]:
        """Yield the encrypted pieces of plain bytes that come in parts of any length."""
        held = bytearray()
        for part in parts:
            held += part
            while len(held) > PIECE:  # the last piece is not known to be the last before the end
                yield self._push(bytes(held[:PIECE]), bound, _MORE)
                del held[:PIECE]
        yield self._push(bytes(held), bound, _LAST)

    def _push(self, plain: bytes, bound: bytes, tag: int) -> bytes:
        return bindings.crypto_secretstream_xchacha20poly1305_push(self._state, plain, bound, tag)


def open_stream(
    pieces: Iterable[bytes], *, key: bytes, head: bytes, bound: bytes
) -> Iterator[bytes]:
    """Yield the plain bytes of encrypted pieces, each verified before it is given out.

    Raises Refusal `backup.damaged` where one is not as it was written, or another is the last.
    """
    state = bindings.crypto_secretstream_xchacha20poly1305_state()
    bindings.crypto_secretstream_xchacha20poly1305_init_pull(state, head, key)
    tag = _MORE
    for number, piece in enumerate(pieces, start=1):
        if tag == _LAST:
            raise _damaged(f"expected {number - 1} pieces, got more")
        try:
            plain, tag = bindings.crypto_secretstream_xchacha20poly1305_pull(state, piece, bound)
        except (exceptions.RuntimeError, exceptions.ValueError) as exc:
            raise _damaged(f"piece {number} is not as it was written") from exc
        yield plain
    if tag != _LAST:
        raise _damaged("the last piece is missing")


def _damaged(detail: str) -> Refusal:
    return Refusal("backup.damaged", detail)
