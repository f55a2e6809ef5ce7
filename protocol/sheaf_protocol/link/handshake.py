"""Three messages that make two nodes sure of each other (spec chapter 07, section 2).

    M1  I -> R   {audience, eph, nonce, versions}
    M2  R -> I   {box, eph, nonce, version}     box = {cid, key_log, sig, wid} under k1
    M3  I -> R   {box}                          box = {cid, key_log, sig, wid} under k2

The shape is SIGMA-I: fresh keys first, then each side signs the transcript inside a box that only
the holder of its fresh key can open. What follows from it:

* Replay: both sides give a nonce and a fresh key, so a recorded message opens nothing later.
* Relay: the audience is the name that was dialled. A node that is dialled as A and passes the
  messages on to B is refused by B, for the audience is none of B's names.
* Reflection: the two signatures have different domain tags, the two boxes different keys.
* Downgrade: the versions offered are in the transcript that both sign.
* Hiding: a listener learns no identity; a dialler learns the responder's, the responder's box
  being first, and shows its own only to a responder it has verified.

Each side brings its key log, so a first contact needs no directory. It proves that the co-op
delegated the writer; whether the co-op is welcome is the owner's decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta
from nacl import bindings
from nacl.exceptions import CryptoError

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import CoopId, Digest, WriterId, digest, short, tag
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.identity import KeyLog, KeyOp, SigningKey, append_all, fold_key_log, verify
from sheaf_protocol.limits import MAX_HANDSHAKE, MAX_HELLO, MAX_KEY_LOG
from sheaf_protocol.link.cipher import Opener, Sealer, derive, public_of, shared_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

VERSION: Final = 1
_ZERO_NONCE: Final = bytes(12)
"""Each box key seals one box."""

_OF_ITS_OWN: Final = frozenset({"link.expired", "link.writer_closed"})
"""What only a writer that its co-op did delegate can be refused for."""

_Eph = Annotated[bytes, Meta(min_length=32, max_length=32)]
_Nonce = Annotated[bytes, Meta(min_length=16, max_length=16)]
_Box = Annotated[bytes, Meta(max_length=MAX_HANDSHAKE)]


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """M1: whom the initiator believes to have dialled, and the versions it speaks."""

    audience: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\A[!-~]+\Z")]
    eph: _Eph
    nonce: _Nonce
    versions: Annotated[list[Annotated[int, Meta(ge=1, le=255)]], Meta(min_length=1, max_length=16)]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """M2: the responder's fresh key, and who it is under `k1`."""

    box: _Box
    eph: _Eph
    nonce: _Nonce
    version: Annotated[int, Meta(ge=1, le=255)]


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """M3: who the initiator is, under `k2`."""

    box: _Box


class Identification(msgspec.Struct, frozen=True, kw_only=True):
    """The inside of a box."""

    cid: Annotated[CoopId, Meta(min_length=32, max_length=32)]
    key_log: Annotated[list[KeyOp], Meta(min_length=1, max_length=MAX_KEY_LOG)]
    sig: Annotated[bytes, Meta(min_length=64, max_length=64)]
    wid: Annotated[WriterId, Meta(min_length=32, max_length=32)]


Admits: TypeAlias = "Callable[[CoopId], bool]"
"""Whether a co-op that says who it is may go on to prove it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Who we are on links: the co-op, its key log, and this installation's writer key."""

    cid: CoopId
    key_log: Sequence[KeyOp]
    writer: SigningKey


@dataclass(frozen=True, kw_only=True, slots=True)
class Fresh:
    """Randomness for one handshake, drawn by the caller and never used twice."""

    seed: bytes
    nonce: bytes

    def __post_init__(self) -> None:
        if len(self.seed) != 32 or len(self.nonce) != 16:
            raise LocalProtocolError("link.fresh", "expected a 32-byte seed and a 16-byte nonce")

    def __repr__(self) -> str:
        return "Fresh(...)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """Who the other end proved to be, and the key log it brought."""

    cid: CoopId
    wid: WriterId
    keys: KeyLog
    key_ops: Sequence[KeyOp]


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """What a finished handshake leaves: the peer, the two directions and the blinding secret."""

    peer: Peer
    sealer: Sealer
    opener: Opener
    secret: bytes


class Initiator:
    """The dialling side: `hello()`, then `receive_reply()`."""

    def __init__(
        self, identity: Identity, audience: str, fresh: Fresh, admits: Admits | None = None
    ) -> None:
        self._identity, self._fresh, self._admits = identity, fresh, admits
        self._hello = encode(
            Hello(
                audience=audience,
                eph=public_of(fresh.seed),
                nonce=fresh.nonce,
                versions=[VERSION],
            )
        )

    def hello(self) -> bytes:
        """Return M1."""
        return self._hello

    def receive_reply(self, data: bytes, now_ms: int) -> tuple[bytes, Session]:
        """Return M3 and the session.

        Raises RemoteProtocolError `enc.*`, `schema.invalid`, `link.*`, `key.*`.
        """
        reply = decode(data, Reply, limit=MAX_HANDSHAKE)
        if reply.version != VERSION:
            raise RemoteProtocolError("link.version", f"expected 1, got {reply.version}")
        secret = shared_secret(self._fresh.seed, reply.eph)
        opened = _after_reply(self._hello, reply)
        shown = _open_box(reply.box, derive(secret, opened, "link-responder-box"))
        require_signed(shown, "handshake-responder", opened)
        if self._admits is not None and not self._admits(shown.cid):  # DSC-16
            detail = f"expected a co-op that this address was given for, got {short(shown.cid)}"
            raise RemoteProtocolError("link.coop", detail)
        peer = peer_of(shown, now_ms)
        proven = _through_box(opened, reply.box, peer.wid)
        box = _seal_box(
            _identify(self._identity, "handshake-initiator", proven),
            derive(secret, proven, "link-initiator-box"),
        )
        return encode(Proof(box=box)), _session(secret, proven, box, peer, is_initiator=True)


class Responder:
    """The listening side: `receive_hello()`, then `receive_proof()`."""

    def __init__(
        self,
        identity: Identity,
        public_names: Sequence[str],
        fresh: Fresh,
        admits: Admits | None = None,
    ) -> None:
        self._identity, self._names, self._fresh = identity, frozenset(public_names), fresh
        self._admits = admits
        self._secret = b""
        self._proven: Digest | None = None

    def receive_hello(self, data: bytes) -> bytes:
        """Return M2. Raises RemoteProtocolError `enc.*`, `schema.invalid`, `link.*`."""
        hello = decode(data, Hello, limit=MAX_HELLO)
        if VERSION not in hello.versions:
            raise RemoteProtocolError("link.version", f"expected 1 among {hello.versions}")
        if hello.audience not in self._names:
            detail = f"expected one of this node's public names, got {hello.audience}"
            raise RemoteProtocolError("link.audience", detail)
        self._secret = shared_secret(self._fresh.seed, hello.eph)
        bare = Reply(
            box=b"", eph=public_of(self._fresh.seed), nonce=self._fresh.nonce, version=VERSION
        )
        opened = _after_reply(data, bare)
        box = _seal_box(
            _identify(self._identity, "handshake-responder", opened),
            derive(self._secret, opened, "link-responder-box"),
        )
        own = WriterId(self._identity.writer.public)
        self._proven = _through_box(opened, box, own)
        return encode(msgspec.structs.replace(bare, box=box))

    def receive_proof(self, data: bytes, now_ms: int) -> Session:
        """Return the session. Raises as `Initiator.receive_reply` does."""
        if self._proven is None:
            raise LocalProtocolError("link.order", "expected receive_hello before receive_proof")
        box = decode(data, Proof, limit=MAX_HANDSHAKE).box
        shown = _open_box(box, derive(self._secret, self._proven, "link-initiator-box"))
        require_signed(shown, "handshake-initiator", self._proven)
        peer = self._admitted(shown, now_ms)
        return _session(self._secret, self._proven, box, peer, is_initiator=False)

    def _admitted(self, shown: Identification, now_ms: int) -> Peer:
        """Return the peer, if it may prove who it is, and does."""
        if self._admits is None:
            return peer_of(shown, now_ms)
        refusal = RemoteProtocolError(
            "link.not_member", f"expected a member of a federation, got {short(shown.cid)}"
        )
        if not self._admits(shown.cid):
            raise refusal
        try:
            return peer_of(shown, now_ms)
        except RemoteProtocolError as exc:
            # Or whoever claims to be some co-op could hear whether it is a member here.
            raise exc if exc.code in _OF_ITS_OWN else refusal from exc


def _after_reply(hello: bytes, reply: Reply) -> Digest:
    """Return the transcript up to M2, its box left out. Parts vary in length, so are hashed."""
    bare = encode(msgspec.structs.replace(reply, box=b""))
    return digest("link-opened", digest("link-hello", hello), digest("link-reply", bare))


def _through_box(opened: Digest, box: bytes, responder: WriterId) -> Digest:
    """Return the transcript up to the end of M2, with the responder that its box showed."""
    return digest("link-proven", opened, digest("link-box", box), responder)


def _identify(identity: Identity, purpose: str, transcript: Digest) -> Identification:
    """Return our box's inside. The co-op is signed too: two co-ops might delegate one key."""
    return Identification(
        cid=identity.cid,
        key_log=list(identity.key_log),
        sig=identity.writer.sign(purpose, transcript + identity.cid),
        wid=WriterId(identity.writer.public),
    )


def require_signed(shown: Identification, purpose: str, transcript: Digest) -> None:
    """Return if the peer holds the key that it shows: all that a stranger makes us check."""
    if not verify(shown.wid, purpose, transcript + shown.cid, shown.sig):
        raise RemoteProtocolError("link.signature", "expected a signature over the transcript")


def peer_of(shown: Identification, now_ms: int) -> Peer:
    """Return the peer whose co-op delegated the writer that it showed.

    Raises RemoteProtocolError `key.*`, `link.coop` and those of `require_live_writer`.
    """
    # Its beginning before the rest: 500 operations with 16 signatures each take a second to fold.
    begun = fold_key_log(shown.key_log[:1])
    if begun.cid != shown.cid:
        raise RemoteProtocolError("link.coop", f"expected the key log of {short(shown.cid)}")
    keys = append_all(begun, shown.key_log[1:])
    require_live_writer(keys, shown.wid, now_ms)
    return Peer(cid=shown.cid, wid=shown.wid, keys=keys, key_ops=tuple(shown.key_log))


def require_live_writer(keys: KeyLog, wid: WriterId, now_ms: int) -> None:
    """Return if the key log lets a writer speak now.

    Raises RemoteProtocolError `link.not_delegated`, `link.expired`, `link.writer_closed`. Judged
    by our own clock, unlike an entry: a wrong clock costs a link and decides nothing.
    """
    writer = keys.writers.get(wid)
    if writer is None:
        raise RemoteProtocolError("link.not_delegated", f"expected a writer, got {short(wid)}")
    if writer.is_closed:
        raise RemoteProtocolError("link.writer_closed", f"writer {short(wid)} was closed")
    if writer.is_expired_at(now_ms):
        raise RemoteProtocolError("link.expired", f"writer {short(wid)} had expired")


def _session(
    secret: bytes, proven: Digest, box: bytes, peer: Peer, *, is_initiator: bool
) -> Session:
    whole = digest("link-whole", proven, digest("link-box", box))
    outward = derive(secret, whole, "link-from-initiator")
    inward = derive(secret, whole, "link-from-responder")
    if not is_initiator:
        outward, inward = inward, outward
    blinding = derive(secret, whole, "link-scope")
    return Session(peer=peer, sealer=Sealer(outward), opener=Opener(inward), secret=blinding)


def _seal_box(inside: Identification, key: bytes) -> bytes:
    plain = encode(inside)
    box = bindings.crypto_aead_chacha20poly1305_ietf_encrypt(
        plain, tag("link-box"), _ZERO_NONCE, key
    )
    if len(box) > MAX_HANDSHAKE - 128:
        raise LocalProtocolError("link.key_log", "expected a key log that fits in the handshake")
    return bytes(box)


def _open_box(box: bytes, key: bytes) -> Identification:
    try:
        plain = bindings.crypto_aead_chacha20poly1305_ietf_decrypt(
            box, tag("link-box"), _ZERO_NONCE, key
        )
    except (CryptoError, ValueError) as exc:
        raise RemoteProtocolError("link.box", "expected a box of this handshake") from exc
    return decode(bytes(plain), Identification, limit=MAX_HANDSHAKE)
