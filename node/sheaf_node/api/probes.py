"""What machines ask of a node: does it live, is it ready, how is it. Paths and forms are theirs.

`/healthz` and `/readyz` answer without a token, and say nothing but yes, or no with a code.
`/metrics` tells how much a co-op trades and with whom, and loopback is no trust; so it asks for a
token, one that opens nothing else and stays the same over restarts.
"""

from __future__ import annotations

import hmac
import logging
import os
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from aiohttp import web

from sheaf_node.api.guard import is_of_own_page
from sheaf_node.api.problem import REQUEST_ID, problem
from sheaf_node.api.route import Scope
from sheaf_node.durable import new_private_file
from sheaf_node.observing.exposition import exposition
from sheaf_node.observing.health import Health
from sheaf_node.observing.observed import Observing
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping
    from pathlib import Path

    from aiohttp.typedefs import Middleware

    from sheaf_node.api.lookout import Lookout
    from sheaf_node.api.tokens import Tokens
    from sheaf_node.clock import Randomness
    from sheaf_node.hosting import Hosts
    from sheaf_node.observing.commits import Commits
    from sheaf_node.observing.watching import Watching
    from sheaf_node.peering import Peering
    from sheaf_node.plugins.host import Parts
    from sheaf_node.recovery import Standing

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

METRICS_TOKEN: Final = "metrics.token"  # noqa: S105 - a file's name
HEALTHZ, READYZ, METRICS = "/healthz", "/readyz", "/metrics"
_HEX_DIGITS: Final = 64
_BEARER: Final = b"Bearer "
_DETAILS: Final[Mapping[str, str]] = {
    "api.host": "expected the address and port of this node as Host",
    "api.origin": "expected no other site's page",
    "api.unauthorized": "expected the token in metrics.token, or another of this node's home",
}
_LOG = logging.getLogger("sheaf.api")
_NOT_READY: Final = "expected a node that takes and signs what it is given; see `sheaf status`"


class ProbeRoutes:
    """The three routes of one node, with a guard of their own."""

    def __init__(
        self,
        health: Health,
        metrics: Callable[[], Awaitable[bytes]],
        tokens: Collection[str],
        given: Tokens | None = None,
    ) -> None:
        """`tokens` open `/metrics`, and so does each of `given` that was made for it."""
        self._health, self._metrics, self._given = health, metrics, given
        self._expected = [f"Bearer {token}".encode() for token in tokens]

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, for the application; `middleware` is to stand before them."""
        return [
            web.get(HEALTHZ, self.get_healthz),
            web.get(READYZ, self.get_readyz),
            web.get(METRICS, self.get_metrics),
        ]

    def middleware(self, hosts: Collection[str]) -> Middleware:
        """Return what answers if one of the three is asked for; all else goes on.

        `hosts` are what this port goes by, compared exactly: a name that somebody's page points at
        loopback is none of them.
        """

        @web.middleware
        async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._answer(request, handler, hosts)

        return answer

    async def _answer(
        self, request: web.Request, handler: Handler, hosts: Collection[str]
    ) -> web.StreamResponse:
        own = {HEALTHZ: self.get_healthz, READYZ: self.get_readyz, METRICS: self.get_metrics}
        if request.path not in own or request.method not in {"GET", "HEAD"}:
            return await handler(request)
        REQUEST_ID.set("probe")
        code = self._refusal(request, hosts)
        if code is not None:
            return problem(Refusal(code, _DETAILS[code]))
        response = await own[request.path](request)
        # Nobody waits beside others for a next question: those with the token need the room.
        response.force_close()
        return response

    async def get_healthz(self, _: web.Request) -> web.Response:
        """Answer, which a process whose event loop turns can."""
        return web.json_response({"healthy": True})

    async def get_readyz(self, _: web.Request) -> web.Response:
        """Answer 200 where the node takes and signs what it is given, else 503 with the rule."""
        readiness = await self._health.readiness()
        if readiness.code is None:
            return web.json_response({"ready": True})
        # A code that is 422 to others is "not now" to who asks for readiness.
        return problem(Refusal(readiness.code, _NOT_READY), status=503)

    async def get_metrics(self, _: web.Request) -> web.Response:
        """Answer with the metrics in Prometheus' text format."""
        try:
            body = await self._metrics()
        except Exception:
            # A fault of ours: its details go to the node's output and not to whoever asked.
            _LOG.exception("the metrics could not be told")
            return problem(Refusal("api.internal", "the node's output says what went wrong"))
        return web.Response(body=body, headers={"Content-Type": _TEXT_FORMAT})

    def _refusal(self, request: web.Request, hosts: Collection[str]) -> str | None:
        """Return the code by which a request is refused, or None."""
        if request.host not in hosts:
            return "api.host"
        if "Origin" in request.headers and not is_of_own_page(request):
            return "api.origin"
        if request.path != METRICS:
            return None
        given = request.headers.get("Authorization", "").encode(errors="replace")
        matches = [hmac.compare_digest(given, expected) for expected in self._expected]
        return None if any(matches) or self._is_given(given) else "api.unauthorized"

    def _is_given(self, header: bytes) -> bool:
        if self._given is None or not header.startswith(_BEARER):
            return False
        kept = self._given.find(header.removeprefix(_BEARER).decode(errors="replace"))
        return kept is not None and Scope.METRICS in kept.scopes


_TEXT_FORMAT: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Which every Prometheus since its first reads."""


def make_probes(
    home: Path,
    parts: Parts,
    *,
    hosts: Hosts,
    peering: Peering,
    standing: Standing,
    commits: Commits,
    watching: Watching,
    token: str,
    given: Tokens | None = None,
    beside: Lookout,
    elapsed_s: Callable[[], float],
) -> ProbeRoutes:
    """Return what answers machines that ask how a node is.

    `token` is that of the home, `given` are those that the home gave out; `beside` looks at what
    works beside the logs.
    """
    commits.own = parts.keyring.cid
    observing = Observing(
        home,
        parts,
        hosts=hosts,
        peering=peering,
        standing=standing,
        commits=commits,
        watching=watching,
        version=version("sheaf-coop"),
    )
    health = Health(parts.store, parts.ingest, standing, elapsed_s)
    tokens = (token, metrics_token(home, parts.random))

    async def metrics() -> bytes:
        return exposition(observing.look(await beside.look()))

    return ProbeRoutes(health, metrics, tokens, given)


def metrics_token(home: Path, random: Randomness) -> str:
    """Return the token of `/metrics`, made where the home has none that is whole.

    It outlives restarts, since whoever scrapes has a copy; removing the file and starting the node
    makes another.
    """
    path = home / METRICS_TOKEN
    try:
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        text = ""
    if len(text) == _HEX_DIGITS and set(text) <= set("0123456789abcdef"):
        return text
    token = random(_HEX_DIGITS // 2).hex()
    path.unlink(missing_ok=True)
    with os.fdopen(new_private_file(path), "w") as file:
        file.write(token)
    return token
