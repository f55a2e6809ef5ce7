"""How the inputs of vectors on invitations (chapter 19) are read."""

from __future__ import annotations

from typing import Annotated, TypeAlias, assert_never, cast

import msgspec
from msgspec import Meta

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import CoopId, Digest
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.identity import KeyOp, signing_key
from sheaf_protocol.invitation import (
    Ask,
    Asking,
    Offering,
    Terms,
    invitation_id,
    read_invitation,
    read_request,
    require_asker,
)
from sheaf_protocol.limits import MAX_FRAME
from sheaf_protocol.link import Fresh, Identity

_Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]
_Nonce = Annotated[bytes, Meta(min_length=16, max_length=16)]
_Count = Annotated[int, Meta(ge=0)]


class _Side(msgspec.Struct, frozen=True, array_like=True):
    cid: Annotated[CoopId, Meta(min_length=32, max_length=32)]
    key_log: list[KeyOp]
    writer: _Hash
    seed: _Hash
    nonce: _Nonce

    @property
    def identity(self) -> Identity:
        return Identity(cid=self.cid, key_log=self.key_log, writer=signing_key(self.writer))

    @property
    def fresh(self) -> Fresh:
        return Fresh(seed=self.seed, nonce=self.nonce)


class _Joiner(msgspec.Struct, frozen=True, array_like=True, tag="joiner"):
    side: _Side
    secret: _Nonce
    cid: Annotated[bytes, Meta(max_length=32)]
    offer: bytes
    welcome: bytes
    now_ms: _Count


class _Inviter(msgspec.Struct, frozen=True, array_like=True, tag="inviter"):
    side: _Side
    key: _Hash
    terms: Terms
    ask: bytes
    join: bytes
    now_ms: _Count


_Input: TypeAlias = _Joiner | _Inviter


def read_link_text(data: bytes) -> bytes:
    """Return what a link or code says."""
    invitation = read_invitation(decode(data, str))
    if invitation.url is None or invitation.cid is None:
        return encode([invitation.secret])
    return encode([invitation.secret, invitation.url, invitation.cid])


def read_exchange(data: bytes) -> bytes:
    """Return what one side sends, and what it learns at the end."""
    given = decode(data, cast("type[_Input]", _Input), limit=MAX_FRAME)
    match given:
        case _Joiner():
            return encode(_joined(given))
        case _Inviter():
            return encode(_invited(given))
        case _:
            assert_never(given)


def _joined(given: _Joiner) -> list[bytes]:
    asking = Asking(given.secret, given.side.fresh)
    cid = CoopId(given.cid) if given.cid else None
    sent = [asking.ask()]
    asking.receive_offer(given.offer, given.now_ms, cid)
    sent.append(asking.join(given.side.identity))
    if given.welcome:
        sent.append(asking.receive_welcome(given.welcome).charter)
    return sent


def _invited(given: _Inviter) -> list[bytes]:
    ask, key = read_request(given.ask), Digest(given.key)
    if not isinstance(ask, Ask):
        raise RemoteProtocolError("schema.invalid", "expected an ask")
    if ask.id != invitation_id(key):
        raise RemoteProtocolError("invite.unknown", "expected the invitation of this key")
    require_asker(ask, key)
    offering = Offering(ask, key, given.side.identity, given.terms, given.side.fresh)
    if not given.join:
        return [offering.reply]
    join = read_request(given.join)
    if isinstance(join, Ask):
        raise RemoteProtocolError("schema.invalid", "expected a join")
    return [offering.reply, offering.receive_join(join, given.now_ms).cid]
