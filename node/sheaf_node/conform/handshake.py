"""A dialler's side of the handshake with every part open to change (spec chapter 07, section 2).

Written a second time, from the chapter: the library's own initiator is careful never to say
anything wrong, and wrong is what most cases have to say.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from nacl import bindings
from nacl.exceptions import CryptoError

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import CoopId, Digest, WriterId, digest, tag
from sheaf_protocol.identity import fold_key_log, verify
from sheaf_protocol.limits import MAX_HANDSHAKE
from sheaf_protocol.link import Peer
from sheaf_protocol.link.cipher import Opener, Sealer, derive, public_of, shared_secret
from sheaf_protocol.link.handshake import Identification, Reply, Session

if TYPE_CHECKING:
    from sheaf_protocol.identity import KeyOp
    from sheaf_protocol.testing.author import TestCoop

_NONCE: Final = bytes(12)


class Shaking:
    """One handshake of a co-op: `hello`, `hear`, `proof`, then `session`."""

    def __init__(self, coop: TestCoop, audience: str) -> None:
        self._coop, self._audience = coop, audience
        self._seed, self.nonce = os.urandom(32), os.urandom(16)
        self._hello = b""
        self._secret = b""
        self._proven = Digest(bytes(32))
        self._box = b""
        self._opened = Digest(bytes(32))
        self.shown: Identification
        """What the box of M2 held."""

    def hello(self, **changes: object) -> bytes:
        """Return M1 with some of its keys changed, or more keys than it has."""
        fields: dict[str, object] = {
            "audience": self._audience,
            "eph": public_of(self._seed),
            "nonce": self.nonce,
            "versions": [1],
        }
        self._hello = encode(fields | changes)
        return self._hello

    def hear(self, data: bytes, *, hello: bytes | None = None) -> Identification:
        """Take M2 and return what its box shows. `hello`: the M1 that the responder answered.

        Raises RemoteProtocolError as its rules say.
        """
        reply, opened = _opened(data, self._hello if hello is None else hello)
        self._secret = shared_secret(self._seed, reply.eph)
        key = derive(self._secret, opened, "link-responder-box")
        plain = bindings.crypto_aead_chacha20poly1305_ietf_decrypt(
            reply.box, tag("link-box"), _NONCE, key
        )
        self.shown = decode(bytes(plain), Identification, limit=MAX_HANDSHAKE)
        self._opened = opened
        self._proven = digest("link-proven", opened, digest("link-box", reply.box), self.shown.wid)
        return self.shown

    @property
    def public(self) -> bytes:
        """The fresh key of this handshake."""
        return public_of(self._seed)

    def opens(self, data: bytes, *, hello: bytes) -> bool:
        """Return whether M2's box opens for whoever said another M1."""
        try:
            self.hear(data, hello=hello)
        except CryptoError:
            return False
        return True

    def proof_over(self, data: bytes, hello: bytes) -> bytes:
        """Return M3 as whoever said another M1 would make it, the responder's box unopened."""
        self.hear(data)
        wid = self.shown.wid
        reply, opened = _opened(data, hello)
        self._proven = digest("link-proven", opened, digest("link-box", reply.box), wid)
        return self.proof()

    def is_signed(self) -> bool:
        """Return whether M2 holds its writer's signature over the transcript and the co-op."""
        shown = self.shown
        message = self._opened + shown.cid
        return verify(shown.wid, "handshake-responder", message, shown.sig)

    def proof(
        self,
        *,
        purpose: str = "handshake-initiator",
        transcript: bytes | None = None,
        box_key: bytes | None = None,
        **changes: object,
    ) -> bytes:
        """Return M3; changed are what is signed, the key of the box, or the keys inside it."""
        coop = self._coop
        over = self._proven if transcript is None else transcript
        fields: dict[str, Any] = {
            "cid": coop.cid,
            "key_log": [op_map(op) for op in coop.key_ops],
            "wid": coop.writer.public,
        } | changes
        fields.setdefault("sig", coop.writer.sign(purpose, over + bytes(fields["cid"])))
        key = box_key or derive(self._secret, self._proven, "link-initiator-box")
        self._box = bytes(
            bindings.crypto_aead_chacha20poly1305_ietf_encrypt(
                encode(fields), tag("link-box"), _NONCE, key
            )
        )
        return encode({"box": self._box})

    def session(self) -> Session:
        """Return what the finished handshake leaves."""
        whole = digest("link-whole", self._proven, digest("link-box", self._box))
        keys = fold_key_log(self.shown.key_log)
        ops = tuple(self.shown.key_log)
        cid, wid = CoopId(self.shown.cid), WriterId(self.shown.wid)
        return Session(
            peer=Peer(cid=cid, wid=wid, keys=keys, key_ops=ops),
            sealer=Sealer(derive(self._secret, whole, "link-from-initiator")),
            opener=Opener(derive(self._secret, whole, "link-from-responder")),
            secret=derive(self._secret, whole, "link-scope"),
        )


def _opened(data: bytes, hello: bytes) -> tuple[Reply, Digest]:
    """Return M2 and the transcript up to it, its box left out."""
    reply = decode(data, Reply, limit=MAX_HANDSHAKE)
    bare = encode({"box": b"", "eph": reply.eph, "nonce": reply.nonce, "version": reply.version})
    said = digest("link-hello", hello)
    return reply, digest("link-opened", said, digest("link-reply", bare))


def op_map(op: KeyOp) -> dict[str, object]:
    """Return a key operation as the map that it is on the wire."""
    signatures = [{"key": each.key, "signature": each.signature} for each in op.signatures]
    return {"body": op.body, "signatures": signatures}
