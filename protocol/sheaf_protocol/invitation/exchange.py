"""The two requests of a joiner and what the inviting node answers (spec 19, section 3).

    ask      J -> I   {eph, id, nonce, proof}
    offer    I -> J   {box, eph, nonce}     box = {terms, who} under a key of this exchange
    join     J -> I   {box, exchange}       box = {secret, who}
    welcome  I -> J   {box}                 box = {charter, is_member, closes_at_ms}

Each box has a key of its own, made of the fresh X25519 secret and the proof key that both have
from the invitation, and salted with all that was said before. What follows from it:

* Who lacks the invitation gets one refusal, by one hash and one MAC, and learns nothing.
* Who sits between lacks the proof key, so both ends would find that no box opens.
* Who stole the inviter's file of invitations has the proof key, but the join shows the secret.
* Who reads the link later opens no recording: the keys need the fresh secrets as well.
* Both sides sign the transcript with their writers, so each knows the other's co-op; a link names
  the one to expect.

The joiner reads the offer before it has made any key, so its clock is checked before it signs.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType
from nacl import bindings
from nacl.exceptions import CryptoError

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import CoopId, Digest, FederationId, WriterId, digest, short, tag
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.invitation.link import SECRET_BYTES, invitation_id, proof_key
from sheaf_protocol.limits import (
    MAX_CERTIFICATE,
    MAX_CLOCK_AHEAD_MS,
    MAX_HANDSHAKE,
    MAX_INT,
    MAX_MEMBERS,
)
from sheaf_protocol.link.cipher import derive, public_of, shared_secret
from sheaf_protocol.link.handshake import Identification, peer_of, require_signed
from sheaf_protocol.records.governance import Role

if TYPE_CHECKING:
    from sheaf_protocol.link import Fresh, Identity, Peer

MAX_REQUEST: Final = MAX_HANDSHAKE
"""Bytes of a request: what is large in it is the joiner's key log."""
MAX_ANSWER: Final = 17 * MAX_CERTIFICATE
"""Bytes of an answer: a charter file of sixteen largest certificates, and its box."""

_ZERO_NONCE: Final = bytes(12)
"""Each key seals one box."""
_Hash = Annotated[Digest, Meta(min_length=32, max_length=32)]
_Eph = Annotated[bytes, Meta(min_length=32, max_length=32)]
_Nonce = Annotated[bytes, Meta(min_length=16, max_length=16)]
_TimeMs = Annotated[int, Meta(ge=0, le=MAX_INT)]
_T = TypeVar("_T")


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """The first request: what am I invited to?"""

    eph: _Eph
    id: _Hash
    nonce: _Nonce
    proof: _Hash


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `Ask`."""

    box: Annotated[bytes, Meta(max_length=MAX_HANDSHAKE)]
    eph: _Eph
    nonce: _Nonce


class Join(msgspec.Struct, frozen=True, kw_only=True):
    """The second request. `exchange` is the hash of all that was said before it."""

    box: Annotated[bytes, Meta(max_length=MAX_HANDSHAKE)]
    exchange: _Hash


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `Join`."""

    box: Annotated[bytes, Meta(max_length=MAX_ANSWER)]


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What the inviter says of the invitation."""

    expires_ms: _TimeMs
    fid: Annotated[FederationId, Meta(min_length=32, max_length=32)]
    is_alone: bool
    """Whether the inviter alone decides who is admitted."""
    members: Annotated[int, Meta(ge=1, le=MAX_MEMBERS)]
    name: Annotated[str, Meta(min_length=1, max_length=120, pattern=r"\A[^\x00-\x1f]+\Z")]
    now_ms: _TimeMs
    """The inviter's clock."""
    roles: Annotated[list[Role], Meta(min_length=1, max_length=9)]
    """What it will propose to admit the joiner in."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """The inside of the box of a `Reply`."""

    terms: Terms
    who: Identification


class Joiner(msgspec.Struct, frozen=True, kw_only=True):
    """The inside of the box of a `Join`."""

    secret: Annotated[bytes, Meta(min_length=SECRET_BYTES, max_length=SECRET_BYTES)]
    who: Identification


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """The inside of the box of an `Admitted`: the charter file, and how the admission stands."""

    charter: Annotated[bytes, Meta(min_length=1, max_length=16 * MAX_CERTIFICATE)]
    closes_at_ms: _TimeMs | UnsetType = UNSET
    """When the ballot closes, where members still vote."""
    is_member: bool


@dataclass(frozen=True, slots=True)
class Offered:
    """What a joiner was offered, and by whom."""

    terms: Terms
    peer: Peer


class Asking:
    """The joiner's side: `ask()`, `receive_offer()`, `join()`, `receive_welcome()`, each once."""

    def __init__(self, secret: bytes, fresh: Fresh) -> None:
        self._secret, self._fresh, self._key = secret, fresh, proof_key(secret)
        bare = Ask(
            eph=public_of(fresh.seed),
            id=invitation_id(self._key),
            nonce=fresh.nonce,
            proof=Digest(bytes(32)),
        )
        self._ask = encode(msgspec.structs.replace(bare, proof=_proof(bare, self._key)))
        self._shared, self._said = b"", digest("invitation-ask", self._ask)

    def ask(self) -> bytes:
        """Return the first request."""
        return self._ask

    def receive_offer(self, data: bytes, now_ms: int, cid: CoopId | None = None) -> Offered:
        """Return what is offered, and who offers it: the co-op `cid`, where the link names one.

        Raises RemoteProtocolError `enc.*`, `schema.invalid`, `link.*`, `key.*`, `invite.box`,
        and not yet: `invite.clock` where our clock and the inviter's are too far apart (INV-10).
        """
        reply = decode(data, Reply, limit=MAX_ANSWER)
        secret = shared_secret(self._fresh.seed, reply.eph)
        opened, said = _after_reply(self._said, reply)
        self._shared = secret + self._key
        offer = _open(reply.box, derive(self._shared, opened, "invitation-offer"), Offer)
        _require_near(offer.terms.now_ms, now_ms)
        if cid is not None and offer.who.cid != cid:
            detail = f"expected co-op {short(cid)}, which the link names"
            raise RemoteProtocolError("link.coop", f"{detail}, got {short(offer.who.cid)}")
        require_signed(offer.who, "invitation-inviter", opened)
        self._said = said
        return Offered(offer.terms, peer_of(offer.who, now_ms))

    def join(self, identity: Identity) -> bytes:
        """Return the second request, as a co-op that read the offer and takes it."""
        inside = Joiner(
            secret=self._secret, who=_identify(identity, "invitation-joiner", self._said)
        )
        box = _seal(inside, derive(self._shared, self._said, "invitation-join"))
        data = encode(Join(box=box, exchange=self._said))
        self._said = _after_box(self._said, box)
        return data

    def receive_welcome(self, data: bytes) -> Welcome:
        """Return the answer to `join`. Raises RemoteProtocolError `enc.*`, `schema.invalid`,
        `invite.box`."""
        admitted = decode(data, Admitted, limit=MAX_ANSWER)
        key = derive(self._shared, self._said, "invitation-welcome")
        return _open(admitted.box, key, Welcome)


def read_request(data: bytes) -> Ask | Join:
    """Return a request by its form. Raises RemoteProtocolError `enc.*`, `schema.invalid`."""
    try:
        return decode(data, Ask, limit=MAX_REQUEST)
    except RemoteProtocolError:
        return decode(data, Join, limit=MAX_REQUEST)


def require_asker(ask: Ask, key: Digest) -> None:
    """Return if who asks has the invitation. Raises RemoteProtocolError `invite.unknown`."""
    if not hmac.compare_digest(ask.proof, _proof(ask, key)):
        raise RemoteProtocolError("invite.unknown", "expected an invitation of this node")


class Offering:
    """The inviter's side of one exchange, from an ask that `require_asker` let in."""

    def __init__(
        self, ask: Ask, key: Digest, identity: Identity, terms: Terms, fresh: Fresh
    ) -> None:
        """Raises RemoteProtocolError `link.key`."""
        self.id, self._key = ask.id, key
        self.asked = ask.proof
        """What tells this ask from others: a MAC over fresh values."""
        self._shared = shared_secret(fresh.seed, ask.eph) + key
        bare = Reply(box=b"", eph=public_of(fresh.seed), nonce=fresh.nonce)
        opened, _ = _after_reply(digest("invitation-ask", encode(ask)), bare)
        offer = Offer(terms=terms, who=_identify(identity, "invitation-inviter", opened))
        box = _seal(offer, derive(self._shared, opened, "invitation-offer"))
        self.reply = encode(msgspec.structs.replace(bare, box=box))
        """The answer to the ask."""
        self.exchange = _after_box(opened, box)
        """What the join names."""
        self._said = self.exchange

    def receive_join(self, join: Join, now_ms: int) -> Peer:
        """Return the co-op that joins: it has the secret itself, and the key that it shows.

        Raises RemoteProtocolError `schema.invalid`, `invite.exchange`, `invite.box`,
        `invite.unknown`, `link.*`, `key.*`.
        """
        if join.exchange != self.exchange:
            raise RemoteProtocolError("invite.exchange", "expected the exchange of this offer")
        key = derive(self._shared, self._said, "invitation-join")
        joiner = _open(join.box, key, Joiner)
        if not hmac.compare_digest(proof_key(joiner.secret), self._key):
            raise RemoteProtocolError("invite.unknown", "expected the secret of the invitation")
        require_signed(joiner.who, "invitation-joiner", self._said)
        peer = peer_of(joiner.who, now_ms)
        self._said = _after_box(self._said, join.box)
        return peer

    def welcome(self, welcome: Welcome) -> bytes:
        """Return the answer to the join that was received."""
        key = derive(self._shared, self._said, "invitation-welcome")
        return encode(Admitted(box=_seal(welcome, key)))


def _proof(ask: Ask, key: Digest) -> Digest:
    """Return the MAC of an ask by whoever has the invitation (INV-5)."""
    said = digest("invitation-asked", ask.eph, ask.id, ask.nonce)
    return Digest(derive(key, said, "invitation-proof"))


def _after_reply(asked: Digest, reply: Reply) -> tuple[Digest, Digest]:
    """Return the transcript up to the reply, its box left out, and with it."""
    bare = encode(msgspec.structs.replace(reply, box=b""))
    opened = digest("invitation-opened", asked, digest("invitation-reply", bare))
    return opened, _after_box(opened, reply.box)


def _after_box(said: Digest, box: bytes) -> Digest:
    return digest("invitation-said", said, digest("invitation-sealed", box))


def _identify(identity: Identity, purpose: str, transcript: Digest) -> Identification:
    return Identification(
        cid=identity.cid,
        key_log=list(identity.key_log),
        sig=identity.writer.sign(purpose, transcript + identity.cid),
        wid=WriterId(identity.writer.public),
    )


def _require_near(theirs_ms: int, ours_ms: int) -> None:
    ahead_s = (ours_ms - theirs_ms) // 1000
    if abs(ours_ms - theirs_ms) > MAX_CLOCK_AHEAD_MS:
        where = "ahead of" if ahead_s > 0 else "behind"
        detail = f"the clock here is {abs(ahead_s)} s {where} the inviter's"
        detail += ": set whichever is wrong, before anything is signed"
        raise RemoteProtocolError("invite.clock", detail, Fault.NOT_YET)


def _seal(inside: msgspec.Struct, key: bytes) -> bytes:
    return bytes(
        bindings.crypto_aead_chacha20poly1305_ietf_encrypt(
            encode(inside), tag("invitation-box"), _ZERO_NONCE, key
        )
    )


def _open(box: bytes, key: bytes, type_: type[_T]) -> _T:
    try:
        plain = bindings.crypto_aead_chacha20poly1305_ietf_decrypt(
            box, tag("invitation-box"), _ZERO_NONCE, key
        )
    except (CryptoError, ValueError) as exc:
        raise RemoteProtocolError("invite.box", "expected a box of this invitation") from exc
    return decode(bytes(plain), type_, limit=MAX_ANSWER)
