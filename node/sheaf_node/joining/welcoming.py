"""The peer port's side of invitations: what a joiner is told, and how it comes to be admitted."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from sheaf_node.charter_file import MAX_FILE, make_charter_file
from sheaf_node.joining.admitting import admit
from sheaf_node.joining.attempts import Attempts
from sheaf_node.peering.network import Posted
from sheaf_protocol.errors import Refusal, RemoteProtocolError
from sheaf_protocol.invitation import Ask, Offering, Terms, Welcome, read_request, require_asker
from sheaf_protocol.link import Fresh, Identity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.joining.shelf import Kept, Shelf
    from sheaf_node.plugins import ServiceHost
    from sheaf_node.plugins.host import Parts
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.digest import Digest, FederationId
    from sheaf_protocol.link import Peer

MOST_EXCHANGES: Final = 64
MOST_BY_ONE: Final = 4
"""By one invitation: people try again. More would push out those of others."""
EXCHANGE_MS: Final = 600_000
"""How long a joiner may read what it is offered: people look at a fingerprint meanwhile."""
OK: Final = 200
REFUSED: Final = 403
_LOG = logging.getLogger("sheaf.joining")


class Welcoming:
    """Answers joiners; `post` is given to the peer port."""

    def __init__(
        self,
        parts: Parts,
        shelf: Shelf,
        hosts: Mapping[FederationId, Mapping[str, ServiceHost]],
    ) -> None:
        self._parts, self._shelf, self._hosts = parts, shelf, hosts
        self._attempts = Attempts()
        self._exchanges: OrderedDict[Digest, tuple[int, Offering]] = OrderedDict()
        self._turn = asyncio.Lock()

    async def post(self, body: bytes, address: str) -> Posted:
        """Answer one request; whoever has no invitation gets a code and nothing else.

        Whoever has one is heard, also from an address that asked wrongly too often: behind a proxy
        that is everybody's, and a stranger is not to shut the door on those who were invited.
        """
        now_ms = self._parts.clock.now_ms()
        try:
            request = read_request(body)
            if isinstance(request, Ask):
                return Posted(status=OK, body=self._offer(request, now_ms))
            offering = self._taken(request.exchange, now_ms)
            peer = offering.receive_join(request, now_ms)
            async with self._turn:
                return Posted(status=OK, body=await self._welcome(offering, peer))
        except RemoteProtocolError as refusal:
            is_spent = self._attempts.is_spent(address, now_ms)
            self._attempts.note_wrong(address, now_ms)
            return _refused("invite.busy" if is_spent else refusal.code)
        except Refusal as refusal:
            _LOG.warning("a joiner was refused: %s", refusal)
            return _refused(refusal.code)

    def _offer(self, ask: Ask, now_ms: int) -> bytes:
        """Return what an asker is offered, and remember the exchange for a while."""
        kept = self._shelf.get(ask.id)
        if kept is None:
            raise RemoteProtocolError("invite.unknown", "expected an invitation of this node")
        require_asker(ask, kept.proof_key)
        federation = self._federation(kept)
        if kept.used_by is None and now_ms >= kept.expires_ms:
            raise Refusal("invite.expired", f"expected an open invitation, got {kept.id.hex()[:8]}")
        random, keyring = self._parts.random, self._parts.keyring
        terms = Terms(
            expires_ms=kept.expires_ms,
            fid=federation.fid,
            is_alone=federation.voters == (keyring.cid,),
            members=len(federation.charter.members),
            name=federation.charter.name,
            now_ms=now_ms,
            roles=list(kept.roles),
        )
        key_log = self._parts.store.key_ops(keyring.cid) or keyring.key_ops
        identity = Identity(cid=keyring.cid, key_log=list(key_log), writer=keyring.writer)
        fresh = Fresh(seed=random(32), nonce=random(16))
        offering = Offering(ask, kept.proof_key, identity, terms, fresh)
        self._remember(offering, now_ms)
        return offering.reply

    def _remember(self, offering: Offering, now_ms: int) -> None:
        """Keep an exchange; the oldest goes, and first that of who began many by one invitation.

        An ask that somebody repeats, who may have been asked it, has one place however often.
        """
        again = [key for key, (_, held) in self._exchanges.items() if held.asked == offering.asked]
        for key in again:
            del self._exchanges[key]
        alike = [key for key, (_, held) in self._exchanges.items() if held.id == offering.id]
        if len(alike) >= MOST_BY_ONE:
            del self._exchanges[alike[0]]
        elif len(self._exchanges) >= MOST_EXCHANGES:
            self._exchanges.popitem(last=False)
        self._exchanges[offering.exchange] = now_ms, offering

    def _taken(self, exchange: Digest, now_ms: int) -> Offering:
        """Return an exchange that was begun, which is then over: each key seals one box."""
        begun_ms, offering = self._exchanges.pop(exchange, (0, None))
        if offering is None or now_ms - begun_ms > EXCHANGE_MS:
            raise RemoteProtocolError("invite.exchange", "expected an exchange that was begun")
        return offering

    async def _welcome(self, offering: Offering, peer: Peer) -> bytes:
        """Have a joiner admitted, once per invitation; whoever used it may ask again."""
        kept = self._shelf.get(offering.id)
        if kept is None:
            raise Refusal("invite.unknown", "expected an invitation that was not revoked meanwhile")
        if peer.cid == self._parts.keyring.cid:
            raise Refusal("invite.member", "expected another co-op than the one that invites")
        self._use(kept, peer)
        admission = await admit(
            self._parts,
            self._hosts.get(kept.federation, {}),
            kept.federation,
            peer.key_ops,
            kept.roles,
        )
        chain = self._parts.store.chains[kept.federation]
        charter = make_charter_file(chain, self._parts.store.key_ops, most=MAX_FILE)
        closes_at_ms = UNSET if admission.is_member else admission.closes_at_ms
        return offering.welcome(
            Welcome(charter=charter, closes_at_ms=closes_at_ms, is_member=admission.is_member)
        )

    def _use(self, kept: Kept, peer: Peer) -> None:
        """Note durably who joins by an invitation, before anything follows from it."""
        now_ms = self._parts.clock.now_ms()
        if kept.used_by is not None and kept.used_by != peer.cid.hex():
            raise Refusal("invite.used", f"invitation {kept.id.hex()[:8]} was used by another")
        if kept.used_by is None:
            if now_ms >= kept.expires_ms:
                raise Refusal("invite.expired", "expected an open invitation")
            self._shelf.use(kept, peer.cid, now_ms)
            return
        federation = self._federation(kept)
        if federation.was_member(peer.cid) and not federation.is_member(peer.cid):
            # INV-22: or whoever was expelled would be back by its old invitation.
            raise Refusal("invite.used", "expected a co-op that was not expelled and did not leave")

    def _federation(self, kept: Kept) -> Federation:
        federation = self._parts.ingest.federations.get(kept.federation)
        if federation is None:
            raise Refusal("invite.federation", "expected a federation that this node is in")
        return federation


def _refused(code: str) -> Posted:
    return Posted(status=REFUSED, body=code.encode())
