"""Asking again for an answer that was lost: `Idempotency-Key`, and the reply kept with the entries.

The reply to a request is stored in the transaction of what it published (`store.receipt`), so there
is no instant at which a node knows of the one and not of the other. Cases of a request with a key:

1. The key is new. The request is carried out, and its reply kept if it succeeds. What was refused
   has published nothing, and leaves nothing: it may be mended and sent again under its key.
2. A reply is kept under the key. It is given again, and nothing is carried out.
3. A reply is kept, to another request. That is a mistake of the client's, and refused.
4. Another request is at work under the key, or its reply is on the way to the disk. The client asks
   again in a second.

Replies may hold what is sealed everywhere else: a member's salts, say. So a reply is encrypted with
a key made of the whole request and its Idempotency-Key: the node gives it to whoever repeats these
and cannot read it otherwise, nor can whoever finds the file or a backup of it. This is as good as
the key is hard to guess, wherefore clients draw keys at random.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web
from nacl import bindings
from nacl.exceptions import CryptoError

from sheaf_node.api.problem import problem
from sheaf_node.api.route import NoBody
from sheaf_node.api.serving import Handler, json_bytes, route_of
from sheaf_node.store.receipt import BUSY, FULL, NewReceipt
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import digest
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sheaf_node.clock import Randomness
    from sheaf_node.store import Store
    from sheaf_node.store.effects import Effects
    from sheaf_node.store.receipt import Receipt, Told
    from sheaf_protocol.digest import Digest

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
"""Set to `true` in a reply that was given before."""
RETRY_S: Final[Mapping[str, int]] = {BUSY: 1, FULL: 3600}
"""When to ask again: a commit takes far less than a second, and old replies go hourly."""
_KEY: Final = re.compile(r"[\x21-\x7e]{8,80}")
_NONCE_BYTES: Final = 24


class _Reply(msgspec.Struct, frozen=True, array_like=True):
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class _Slip:
    """One request under a key, as its receipt will know it."""

    id: Digest
    request: Digest
    secret: Digest
    nonce: bytes
    now_ms: int

    def receipt(self, reply: Told[object], status: int) -> NewReceipt:
        """Return the receipt of this request, once its reply can be told."""

        def sealed(effects: Effects) -> bytes:
            plain = msgspec.msgpack.encode(_Reply(status, json_bytes(reply(effects))))
            box = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
                plain, self.id, self.nonce, self.secret
            )
            return self.nonce + box

        return NewReceipt(id=self.id, request=self.request, taken_ms=self.now_ms, reply=sealed)

    def open(self, receipt: Receipt) -> _Reply:
        """Return a reply that was kept. Raises Refusal `api.idempotency_reused`; ValueError where
        the file is damaged, which the request before this one did not see.
        """
        if receipt.request != self.request:
            detail = f"expected the request that this {HEADER} was first used for, got another one"
            raise Refusal("api.idempotency_reused", detail)
        nonce, box = receipt.reply[:_NONCE_BYTES], receipt.reply[_NONCE_BYTES:]
        try:
            plain = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                box, self.id, nonce, self.secret
            )
        except (CryptoError, ValueError) as exc:
            detail = "expected the reply as it was kept, got other bytes: the file is damaged"
            raise ValueError(detail) from exc
        return msgspec.msgpack.decode(plain, type=_Reply)


_SLIP: Final = web.RequestKey("sheaf.slip", _Slip)


class Idempotency:
    """Lets each request that publishes be carried out once per key."""

    def __init__(self, store: Store, *, now_ms: Callable[[], int], random: Randomness) -> None:
        self._store, self._now_ms, self._random = store, now_ms, random
        self._at_work: set[Digest] = set()

    @web.middleware
    async def once(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer with the reply that is kept, or have the request carried out.

        Raises Refusal `api.idempotency_key`, `api.idempotency_reused`, `store.*`, and what the
        handler raises; 409 and 503 are answered with `Retry-After`.
        """
        try:
            slip = await self._slip(request)
            if slip is None:
                return await handler(request)
            return await self._once(slip, request, handler)
        except Refusal as refusal:
            if refusal.code not in RETRY_S:
                raise
            return problem(refusal, headers={"Retry-After": str(RETRY_S[refusal.code])})

    async def _once(
        self, slip: _Slip, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        # Nothing is awaited until the key is taken, so of two at once one is too late.
        # A reply may be found before the node knows of what it tells: it is given from then on.
        is_busy = self._store.is_planned(slip.id)
        if not is_busy:
            kept = self._store.receipts.receipt(slip.id)
            if kept is not None:
                return _replayed(slip.open(kept))
            is_busy = slip.id in self._at_work
        if is_busy:
            detail = f"expected no other request at work under this {HEADER}; ask again"
            raise Refusal(BUSY, detail)
        self._at_work.add(slip.id)
        try:
            request[_SLIP] = slip
            return await handler(request)
        finally:
            self._at_work.discard(slip.id)

    async def _slip(self, request: web.Request) -> _Slip | None:
        route = route_of(request)
        if route is None or not route.is_idempotent_by_key:
            return None
        given = request.headers.getall(HEADER, [])
        if not given and not route.needs_key:
            return None
        if len(given) != 1 or not _KEY.fullmatch(given[0]):
            got = "none" if not given else f"{len(given)} of them" if given[1:] else "another"
            detail = f"expected one header {HEADER} of 8 to 80 visible ASCII characters, got {got}"
            raise Refusal("api.idempotency_key", detail)
        key, path = given[0].encode(), request.raw_path.encode(errors="surrogateescape")
        data = b"" if isinstance(route.body, NoBody) else await request.read()
        body = digest("idempotency-body", data)
        asked = encode([key, request.method.encode(), path, body])
        return _Slip(
            id=digest("idempotency-id", key),
            request=digest("idempotency-request", asked),
            secret=digest("idempotency-reply", asked),
            nonce=self._random(_NONCE_BYTES),
            now_ms=self._now_ms(),
        )


def receipt_for(request: web.Request, reply: Told[object]) -> NewReceipt | None:
    """Return what a handler has to publish along with its entries; None where no key was given.

    `reply` tells what the handler will return, from what was published and without any effect.
    """
    slip: _Slip | None = request.get(_SLIP)
    route = route_of(request)
    if slip is None or route is None:
        return None
    return slip.receipt(reply, next(iter(route.replies)))


def _replayed(reply: _Reply) -> web.Response:
    return web.Response(
        status=reply.status,
        body=reply.body,
        content_type="application/json",
        charset="utf-8",
        headers={REPLAYED: "true"},
    )
