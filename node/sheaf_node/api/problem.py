"""The one error body of the local API (RFC 9457), and the HTTP status of each code."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from sheaf_node.api.reading import BodyFault, BodyRefusal
from sheaf_node.api.titles import title_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_protocol.errors import Refusal

MEDIA: Final = "application/problem+json"
STATUS: Final[Mapping[str, int]] = {
    "api.http": 400,
    "api.unauthorized": 401,
    "api.host": 421,
    "api.origin": 403,
    "api.scope": 403,
    "api.not_found": 404,
    "api.method": 405,
    "api.slow": 408,
    "api.too_large": 413,
    "api.rate": 429,
    "api.internal": 500,
    "api.busy": 503,
    "session.link": 403,
    "api.idempotency_key": 400,
    "api.idempotency_busy": 409,
    "api.idempotency_full": 503,
    "api.streams": 503,
    "blob.unknown": 404,
    "draft.unknown": 404,
    "draft.changed": 412,
    "draft.match": 428,
    "draft.file": 503,
    "service.unknown": 404,
    "webhook.unknown": 404,
    "webhook.file": 503,
    "service.no_command": 404,
    "service.no_view": 404,
    "service.kind": 403,
    "service.rate": 429,
    "service.step": 409,
    "service.stopped": 503,
    "service.unreachable": 503,
    "store.failed": 503,
    "store.closed": 503,
    "blob.busy": 503,
    "blob.write": 503,
}
"""HTTP status by code; every other refusal is 422: understood, and refused by a rule."""
RULED: Final = 422
COMMON: Final = frozenset(
    {
        "api.busy",
        "api.host",
        "api.http",
        "api.internal",
        "api.origin",
        "api.query",
        "api.rate",
        "api.scope",
        "api.unauthorized",
        "store.closed",
        "store.failed",
    }
)
"""What any route may be refused with."""
BODY: Final = frozenset({"api.slow", "api.too_large"})
"""And any that takes a body."""
AGAIN_S: Final = 1
"""When to ask again after 429 and 503. Requests end and allowance grows within a second; who asks
each second meanwhile is one request among hundreds."""
_AGAIN: Final = frozenset({429, 503})
REQUEST_ID: Final[ContextVar[str]] = ContextVar("sheaf.request", default="")
"""The request that is being answered, as problems and the node's output name it."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request was refused. `code` is stable; `detail` is for people and may change."""

    type: str
    title: str
    """The same for every problem of its code."""
    status: int
    detail: str
    instance: str
    """The request, as the node's output names it."""
    code: str
    errors: list[BodyFault] | msgspec.UnsetType = msgspec.UNSET
    """What is wrong at which places of the body, where that is why."""


def status_of(code: str) -> int:
    """Return the HTTP status of a code."""
    return STATUS.get(code, RULED)


def problem_of(refusal: Refusal, status: int | None = None) -> Problem:
    """Return the body that tells of a refusal."""
    faults = refusal.faults if isinstance(refusal, BodyRefusal) else ()
    return Problem(
        type=f"urn:sheaf:error:{refusal.code}",
        title=title_of(refusal.code),
        status=status_of(refusal.code) if status is None else status,
        detail=refusal.detail,
        instance=f"urn:sheaf:request:{REQUEST_ID.get()}",
        code=refusal.code,
        errors=list(faults) or msgspec.UNSET,
    )


def problem(
    refusal: Refusal, *, status: int | None = None, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return the response that tells of a refusal; by another status than the code's if given."""
    body = problem_of(refusal, status)
    sent = dict(headers or {})
    if body.status in _AGAIN:
        sent.setdefault("Retry-After", str(AGAIN_S))
    if body.status == web.HTTPUnauthorized.status_code:
        sent["WWW-Authenticate"] = "Bearer"
    # What a caller wrote is quoted in details and need not be text.
    data = msgspec.json.encode(_as_text(body))
    return web.Response(status=body.status, body=data, content_type=MEDIA, headers=sent)


def _as_text(body: Problem) -> Problem:
    """Return it without lone surrogates, which no UTF-8 has."""
    detail = body.detail.encode(errors="replace").decode()
    return msgspec.structs.replace(body, detail=detail)
