"""A responder's side of the handshake with every part open to change (chapter 07, section 2)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from nacl import bindings
from nacl.exceptions import CryptoError

from sheaf_node.conform.handshake import op_map
from sheaf_node.conform.model import Failed
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import Digest, digest, tag
from sheaf_protocol.errors import ProtocolError
from sheaf_protocol.identity import fold_key_log, verify
from sheaf_protocol.limits import MAX_HANDSHAKE, MAX_HELLO
from sheaf_protocol.link import Peer
from sheaf_protocol.link.cipher import Opener, Sealer, derive, public_of, shared_secret
from sheaf_protocol.link.handshake import Hello, Identification, Proof, Session

if TYPE_CHECKING:
    from sheaf_protocol.testing.author import TestCoop

_NONCE: Final = bytes(12)


class Answering:
    """One handshake that the node under test began: `hear`, `reply`, then `session`."""

    def __init__(self, coop: TestCoop) -> None:
        self._coop = coop
        self._seed = os.urandom(32)
        self._secret = b""
        self._proven = Digest(bytes(32))
        self.hello: Hello
        self._said = b""

    def hear(self, data: bytes) -> Hello:
        """Take M1. Raises Failed where it is none."""
        try:
            self.hello = decode(data, Hello, limit=MAX_HELLO)
        except ProtocolError as exc:
            raise Failed(expected="a right M1", got=f"{exc} [{exc.code}]") from exc
        self._said = data
        return self.hello

    def reply(
        self,
        *,
        version: int = 1,
        eph: bytes | None = None,
        box: bytes | None = None,
        purpose: str = "handshake-responder",
        **inside: object,
    ) -> bytes:
        """Return M2; changed are its own keys, what is signed, or the keys inside its box."""
        bare = {
            "box": b"",
            "eph": public_of(self._seed) if eph is None else eph,
            "nonce": os.urandom(16),
            "version": version,
        }
        self._secret = shared_secret(self._seed, self.hello.eph)
        said = digest("link-hello", self._said)
        opened = digest("link-opened", said, digest("link-reply", encode(bare)))
        sealed = self._box(opened, purpose, inside) if box is None else box
        wid = self._coop.writer.public
        self._proven = digest("link-proven", opened, digest("link-box", sealed), wid)
        return encode({**bare, "box": sealed})

    def session(self, data: bytes) -> Session:
        """Take M3 and return what the handshake leaves. Raises Failed where it proves nothing."""
        try:
            box = decode(data, Proof, limit=MAX_HANDSHAKE).box
            plain = bindings.crypto_aead_chacha20poly1305_ietf_decrypt(
                box,
                tag("link-box"),
                _NONCE,
                derive(self._secret, self._proven, "link-initiator-box"),
            )
            shown = decode(bytes(plain), Identification, limit=MAX_HANDSHAKE)
            keys = fold_key_log(shown.key_log)
        except (ProtocolError, CryptoError) as exc:
            raise Failed(expected="a right M3", got=str(exc)) from exc
        message = self._proven + shown.cid
        if keys.cid != shown.cid or not verify(
            shown.wid, "handshake-initiator", message, shown.sig
        ):
            raise Failed(expected="an M3 signed over this transcript", got="another")
        whole = digest("link-whole", self._proven, digest("link-box", box))
        return Session(
            peer=Peer(cid=shown.cid, wid=shown.wid, keys=keys, key_ops=tuple(shown.key_log)),
            sealer=Sealer(derive(self._secret, whole, "link-from-responder")),
            opener=Opener(derive(self._secret, whole, "link-from-initiator")),
            secret=derive(self._secret, whole, "link-scope"),
        )

    def _box(self, opened: Digest, purpose: str, inside: dict[str, object]) -> bytes:
        coop = self._coop
        fields: dict[str, Any] = {
            "cid": coop.cid,
            "key_log": [op_map(op) for op in coop.key_ops],
            "wid": coop.writer.public,
        } | inside
        fields.setdefault("sig", coop.writer.sign(purpose, opened + bytes(fields["cid"])))
        key = derive(self._secret, opened, "link-responder-box")
        return bytes(
            bindings.crypto_aead_chacha20poly1305_ietf_encrypt(
                encode(fields), tag("link-box"), _NONCE, key
            )
        )
