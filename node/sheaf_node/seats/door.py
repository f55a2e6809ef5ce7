"""The port for seats: one page for each link, and nothing else, whoever asks.

Who may call it: everybody that reaches the port. What he can do: with a link, answer it once; else
get one small page that says no. Limits: connections and the time of each, answers at a time, the
size of a form. The address of a link is in no log of ours; a proxy before it may have one.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from sheaf_node.drafts.model import MAX_LIST_BYTES
from sheaf_node.peering.aiohttp_listener import Gate
from sheaf_node.seats import list_page, page
from sheaf_node.seats.question import MOST_LINES, read_lines
from sheaf_node.seats.seating import PATH
from sheaf_node.seats.upload import MAX_OVERHEAD, MULTIPART, file_in
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from sheaf_node.config import SeatPages
    from sheaf_node.seats.model import KeptLink, KeptSeat
    from sheaf_node.seats.seating import Seating

MAX_FORM: Final = 32_768
"""Two short numbers for each of a hundred lines are 8 KiB."""
MAX_CONNECTIONS: Final = 64
HEAD_MS: Final = 10_000
"""For a request to be whole; a telephone on a hill needs two seconds."""
FILE_MS: Final = 60_000
"""For a file of 256 KiB over a line of 40 kbit/s."""
MOST_ANSWERS: Final = 4
"""Answers at a time: each waits for the disk."""
FORM: Final = "application/x-www-form-urlencoded"
_STATUS: Final = {"seat.link": 404, "seat.ended": 410}
_LOG = logging.getLogger("sheaf.seats")


class Door:
    """The open port for seats of one node."""

    def __init__(self, seating: Seating, pages: SeatPages) -> None:
        self._seating, self._pages = seating, pages
        self._at_work = 0
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._gate: Gate | None = None
        self.port = pages.port
        """The port; once it is open, the one that the system chose where that was to choose."""

    async def start(self) -> None:
        """Listen. Raises Refusal `seat.port`; nothing is held then."""
        self._runner = web.AppRunner(
            self.app(),
            access_log=None,
            auto_decompress=False,
            lingering_time=1.0,
            shutdown_timeout=1.0,
        )
        await self._runner.setup()
        self._gate = Gate(self._runner, most=MAX_CONNECTIONS, head_ms=HEAD_MS)
        loop = asyncio.get_running_loop()
        host, port = self._pages.host, self._pages.port
        try:
            self._server = await loop.create_server(self._gate.accept, host, port, backlog=64)
        except OSError as exc:
            await self._runner.cleanup()
            reason = "it is in use" if exc.errno == errno.EADDRINUSE else str(exc.strerror)
            detail = f"expected to listen on {host} port {port} for seats: {reason}"
            raise Refusal("seat.port", f"{detail}; see [seats] in sheaf.toml") from exc
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def app(self) -> web.Application:
        """Return the aiohttp application."""
        app = web.Application(client_max_size=MAX_FORM, middlewares=[self._outermost])
        app.add_routes(
            [web.get(f"{PATH}{{token}}", self._show), web.post(f"{PATH}{{token}}", self._take)]
        )
        return app

    @web.middleware
    async def _outermost(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Let a request in, and say every no as a page."""
        try:
            self._require_ours(request)
            return await handler(request)
        except web.HTTPException as exc:
            return _html(page.refused("There is nothing at this address."), exc.status)
        except Refusal as refusal:
            return _html(page.refused(_sentence(refusal)), _STATUS.get(refusal.code, 422))
        except Exception:
            _LOG.exception("a page for a seat failed")
            return _html(page.refused("Something went wrong here. Try again later."), 500)

    def _require_ours(self, request: web.Request) -> None:
        """Refuse another name than ours, and a form that another site's page sent."""
        hosts = {urlsplit(self._url).netloc, f"{self._pages.host}:{self.port}"}
        if request.host not in hosts:
            raise web.HTTPMisdirectedRequest
        if request.method == "POST":
            origin = request.headers.get("Origin")
            if origin is not None and origin not in {self._url, f"http://{request.host}"}:
                raise web.HTTPForbidden
            if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
                raise web.HTTPForbidden

    @property
    def _url(self) -> str:
        return self._pages.url or f"http://{self._pages.host}:{self.port}"

    async def _show(self, request: web.Request) -> web.Response:
        """Answer with a link's page. Nothing follows from looking (SEAT-12)."""
        seat, link = self._seating.find(request.match_info["token"])
        state = self._seating.state(link)
        if state == "open":
            return _html(await self._ask(seat, link, {}), 200)
        status = 410 if state == "expired" else 200
        return _html(page.ended(self._seating.sponsor, link, state), status)

    async def _take(self, request: web.Request) -> web.Response:
        """Take an answer, and lead on to the page that says so."""
        token = request.match_info["token"]
        seat, link = self._seating.find(token)
        if self._gate is None or self._at_work >= MOST_ANSWERS:
            return _later("Too many answer at once. Try again in a moment.", 503, 2)
        if link.asks == "list" and not self._seating.lists.may_go_on(link):
            return _later("That was very often. Wait a minute, and go on.", 429, 60)
        form: dict[str, str] = {}
        self._at_work += 1
        try:
            with self._gate.inside(request):
                if link.asks == "list" and request.content_type == MULTIPART:
                    await self._seating.lists.read(token, await _file(request))
                else:
                    form = await _form(request)
                    await self._carry_out(token, link, form)
        except Refusal as refusal:
            if refusal.code in _STATUS:
                raise
            return _html(await self._ask(seat, link, form, _sentence(refusal)), 422)
        finally:
            self._at_work -= 1
        # A reload of what follows asks for a page and does not send the form again.
        response = _html("", 303)
        response.headers["Location"] = request.path
        return response

    async def _carry_out(self, token: str, link: KeptLink, form: Mapping[str, str]) -> None:
        """Carry out what a form says: an answer, or a step on the way to a list."""
        lists = self._seating.lists
        match form.get("answer") if link.asks == "list" else None:
            case "add":
                await lists.add(token, form)
            case "settle":
                await lists.settle_numbers(token, form)
            case "again":
                await lists.start_again(token)
            case "send":
                await lists.send(token, form.get("seen", ""))
            case _:
                await self._seating.answer(token, form)

    async def _ask(
        self,
        seat: KeptSeat,
        link: KeptLink,
        form: Mapping[str, str],
        error: str = "",
    ) -> str:
        sponsor = self._seating.sponsor
        if link.asks == "list":
            draft = await self._seating.lists.of(link)
            return list_page.make(sponsor, seat, link, draft, form=form, error=error)
        lines = read_lines(link.list)
        if link.asks == "approve":
            return page.approval(sponsor, seat, link, lines, error)
        return page.quote(sponsor, seat, link, lines, form=form, error=error)


async def _form(request: web.Request) -> dict[str, str]:
    """Return a form's fields, each once. Raises Refusal `seat.answer`, HTTP 408, 413, 415."""
    if request.content_type != FORM:
        raise web.HTTPUnsupportedMediaType
    body = await _body(request, MAX_FORM, HEAD_MS)
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=2 * MOST_LINES + 2,
            errors="strict",
        )
    except ValueError as exc:
        raise Refusal("seat.answer", "expected the fields of the page") from exc
    if len(dict(pairs)) != len(pairs):
        raise Refusal("seat.answer", "expected each field of the page once")
    return dict(pairs)


async def _file(request: web.Request) -> bytes:
    """Return the file that was chosen. Raises Refusal `seat.answer`, `import.too_large`."""
    try:
        body = await _body(request, MAX_LIST_BYTES + MAX_OVERHEAD, FILE_MS)
    except web.HTTPRequestEntityTooLarge as exc:
        detail = f"expected a file of at most {MAX_LIST_BYTES >> 10} KiB"
        raise Refusal("import.too_large", detail) from exc
    return file_in(request.headers.get("Content-Type", ""), body)


async def _body(request: web.Request, most: int, within_ms: int) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(within_ms / 1000):
            async for piece in request.content.iter_any():
                body += piece
                if len(body) > most:
                    raise web.HTTPRequestEntityTooLarge(most, len(body))
    except TimeoutError as exc:
        raise web.HTTPRequestTimeout from exc
    return bytes(body)


def _later(sentence: str, status: int, after_s: int) -> web.Response:
    response = _html(page.refused(sentence), status)
    response.headers["Retry-After"] = str(after_s)
    return response


def _html(text: str, status: int) -> web.Response:
    """Return a page that ends its connection: a stranger is to hold none open."""
    response = web.Response(text=text, status=status, content_type="text/html", charset="utf-8")
    response.headers.update(page.HEADERS)
    response.force_close()
    return response


def _sentence(refusal: Refusal) -> str:
    """Return what a seat is told. What is about its own answer is told as it is; of anything else,
    which may name files and addresses of the sponsor, the code alone.
    """
    if refusal.code in _STATUS:
        return _SENTENCES[refusal.code]
    if refusal.code == "seat.answer" or refusal.code.startswith("import."):
        return refusal.detail[:1].upper() + refusal.detail[1:]
    _LOG.warning("a seat was refused: %s", refusal)
    return _SENTENCES.get(refusal.code, f"It could not be published now ({refusal.code}).")


_SENTENCES: Final = {
    "seat.link": "There is nothing at this address. Is the link whole?",
    "seat.ended": "This was answered before, or its time is over.",
    "draft.full": "This is more than can be kept here. Send a shorter list, or ask for room.",
    "seat.moved": "You have a node of your own by now, and publish there.",
}
