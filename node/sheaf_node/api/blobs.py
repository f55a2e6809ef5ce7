"""Routes for blobs: bytes in, bytes out. What is not here is fetched from peers while one waits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aiohttp import web

from sheaf_node.blobs import Progress
from sheaf_protocol.blob import BlobId
from sheaf_protocol.digest import ZERO
from sheaf_protocol.errors import Refusal
from sheaf_protocol.limits import MAX_BLOB

if TYPE_CHECKING:
    from collections.abc import Callable

    from sheaf_node.blobs import Fetching
    from sheaf_protocol.digest import FederationId

RETRY_S: Final = 1
"""When to ask again for a blob that is being fetched."""
_HEX: Final = re.compile(r"[0-9a-f]{64}")


class BlobRoutes:
    """`/api/v1/blobs`; `federation` tells the one that a request means, or refuses."""

    def __init__(
        self, fetching: Fetching, federation: Callable[[web.Request], FederationId]
    ) -> None:
        self._fetching, self._federation = fetching, federation

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.put("/api/v1/blobs", self.put_blob),
            web.get("/api/v1/blobs/{id}", self.get_blob),
        ]

    async def put_blob(self, request: web.Request) -> web.Response:
        """Store the body as a blob of a federation; answer with its reference once it is safe."""
        fid = self._federation(request)
        ref = await self._fetching.add(await request.read(), fid)
        return web.json_response({"id": ref.id.hex(), "size": ref.size}, status=201)

    async def get_blob(self, request: web.Request) -> web.Response:
        """Answer with a blob's bytes, or with how far it is while it is being fetched."""
        fid = self._federation(request)
        id_ = _id(request.match_info["id"])
        found = await self._fetching.get(id_, fid, size=_size(request))
        if isinstance(found, Progress):
            body = {"id": id_.hex(), "size": found.size, "pieces": found.pieces, "of": found.of}
            return web.json_response(body, status=202, headers={"Retry-After": str(RETRY_S)})
        headers = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
        return web.Response(body=found, content_type="application/octet-stream", headers=headers)


def _id(text: str) -> BlobId:
    if not _HEX.fullmatch(text):
        detail = f"expected {2 * len(ZERO)} lower-case hex digits, got {text[:80]!r}"
        raise Refusal("blob.id", detail)
    return BlobId(bytes.fromhex(text))


def _size(request: web.Request) -> int | None:
    text = request.query.get("size")
    if text is None:
        return None
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_BLOB))
    if not is_number or not 1 <= int(text) <= MAX_BLOB:
        raise Refusal("api.query", f"expected size from 1 to {MAX_BLOB}, got {text[:80]!r}")
    return int(text)
