"""Handlers for blobs: bytes in, bytes out. What is not here is fetched while one waits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aiohttp import web

from sheaf_node.api.models import BlobProgress, StoredBlob
from sheaf_node.api.route import Reply
from sheaf_node.blobs import Progress
from sheaf_protocol.blob import BlobId
from sheaf_protocol.digest import ZERO
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from sheaf_node.api.models import BlobQuery, FederationQuery
    from sheaf_node.api.parts import ApiParts
    from sheaf_node.api.route import Asked

RETRY_S: Final = 1
"""When to ask again for a blob that is being fetched."""
_HEX: Final = re.compile(r"[0-9a-f]{64}")


async def put_blob(parts: ApiParts, asked: Asked[FederationQuery, bytes]) -> StoredBlob:
    """Store the body as a blob of a federation; return its reference once it is safe."""
    ref = await parts.blobs.add(asked.body, parts.federation(asked.query.federation))
    return StoredBlob(id=ref.id.hex(), size=ref.size)


async def get_blob(parts: ApiParts, asked: Asked[BlobQuery, None]) -> Reply | web.Response:
    """Answer with a blob's bytes, or with how far it is while it is being fetched."""
    fid = parts.federation(asked.query.federation)
    id_ = _id(asked.path["id"])
    found = await parts.blobs.get(id_, fid, size=asked.query.size)
    if isinstance(found, Progress):
        told = BlobProgress(id=id_.hex(), size=found.size, pieces=found.pieces, of=found.of)
        return Reply(value=told, status=202, headers={"Retry-After": str(RETRY_S)})
    headers = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
    return web.Response(body=found, content_type="application/octet-stream", headers=headers)


def _id(text: str) -> BlobId:
    if not _HEX.fullmatch(text):
        detail = f"expected {2 * len(ZERO)} lower-case hex digits, got {text[:80]!r}"
        raise Refusal("blob.id", detail)
    return BlobId(bytes.fromhex(text))
