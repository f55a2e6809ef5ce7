"""Browsers and programs at a real port: who is let in, by what, from which page."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.node.local_port import TOKEN, Answer, Port, local_port

from sheaf_node.api.route import Scope
from sheaf_node.api.table import ROUTES
from sheaf_node.api.tokens import Tokens
from sheaf_node.clock import ManualClock
from sheaf_protocol.testing.author import START_MS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

SLOW = "/api/v1/services/slow/view"
TILL_SCOPES = frozenset({Scope.READ})


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return Tokens(tmp_path, clock=ManualClock(START_MS), random=os.urandom)


@pytest.fixture
async def port(tmp_path: Path, tokens: Tokens) -> AsyncIterator[Port]:
    async with local_port(tmp_path, tokens=tokens) as each:
        each.slow.gate.set()
        yield each


async def browse(
    port: Port, method: str, path: str, headers: Mapping[str, str], **kwargs: Any
) -> Answer:
    """Ask as a browser does: without a token."""
    url = f"http://127.0.0.1:{port.api.port}{path}"
    async with port.session.request(method, url, headers=headers, **kwargs) as response:
        body = await response.json(content_type=None)
        return Answer(status=response.status, headers=response.headers, body=body)


def own(port: Port, name: str = "127.0.0.1") -> str:
    return f"http://{name}:{port.api.port}"


async def link(port: Port, **wanted: object) -> str:
    """Return the code of a fresh link."""
    answer = await port.ask("POST", "/api/v1/session/links", json=wanted)
    assert answer.status == 201, answer.body
    address, _, code = answer.body["link"].partition("#")
    assert address == f"{own(port)}/session"
    return str(code)


async def sign_in(port: Port, code: str) -> Answer:
    sent = {"Origin": own(port), "Sec-Fetch-Site": "same-origin"}
    return await browse(port, "POST", "/api/v1/session", sent, json={"code": code})


async def cookie(port: Port, **wanted: object) -> str:
    """Return the cookie of a fresh session, as a browser sends it."""
    answer = await sign_in(port, await link(port, **wanted))
    assert answer.status == 201, answer.body
    return answer.headers["Set-Cookie"].partition(";")[0]


# --- signing in


async def test_a_link_signs_one_browser_in(port: Port) -> None:
    answer = await sign_in(port, await link(port))

    sent, *flags = answer.headers["Set-Cookie"].split("; ")
    who = await browse(port, "GET", "/api/v1/session", {"Cookie": sent})
    assert re.fullmatch(rf"sheaf_session_{port.api.port}=[0-9a-f]{{64}}", sent)
    assert set(flags) == {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"}
    assert (who.status, who.body) == (200, answer.body)
    assert (who.body["sort"], who.body["scopes"]) == ("session", ["draft", "read", "write"])


async def test_a_link_that_was_used_is_worth_nothing(port: Port) -> None:
    code = await link(port)
    await sign_in(port, code)

    again = await sign_in(port, code)

    assert (again.status, again.code) == (403, "session.link")
    assert "Set-Cookie" not in again.headers


async def test_of_two_that_race_for_a_link_one_is_signed_in(port: Port) -> None:
    code = await link(port)

    answers = await asyncio.gather(*(sign_in(port, code) for _ in range(8)))

    assert sorted(answer.status for answer in answers) == [201] + [403] * 7


@pytest.mark.parametrize(
    "headers",
    [
        {},  # no browser's page
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},  # another port of this computer
        {"Origin": "http://127.0.0.1"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "127.0.0.1:{port}"},  # no scheme
        {"Origin": "http://localhost:{port}"},  # our other name
        {"Origin": "http://127.0.0.1:{port}.evil.example"},
    ],
)
async def test_only_our_own_page_signs_a_browser_in(port: Port, headers: dict[str, str]) -> None:
    code = await link(port)
    sent = {name: value.format(port=port.api.port) for name, value in headers.items()}

    answer = await browse(port, "POST", "/api/v1/session", sent, json={"code": code})

    assert (answer.status, answer.code) == (403, "api.origin")
    assert (await sign_in(port, code)).status == 201  # and the link was not spent on it


@pytest.mark.parametrize("scopes", [{Scope.READ}, {Scope.WRITE}, {Scope.METRICS}])
async def test_no_token_that_was_given_out_makes_links(
    port: Port, tokens: Tokens, scopes: set[Scope]
) -> None:
    text = tokens.create("till", scopes)

    made = await port.ask("POST", "/api/v1/session/links", token=text, json={})
    ended = await port.ask("DELETE", "/api/v1/sessions", token=text)

    assert [(each.status, each.code) for each in (made, ended)] == [(403, "api.scope")] * 2


async def test_a_session_makes_no_links(port: Port) -> None:
    sent = {"Cookie": await cookie(port), "Origin": own(port)}

    answer = await browse(port, "POST", "/api/v1/session/links", sent, json={})

    assert (answer.status, answer.code) == (403, "api.scope")


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_who_has_neither_token_nor_session_takes_no_memory(
    port: Port, is_chunked: bool
) -> None:
    head = f"POST /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1:{port.api.port}\r\n"
    head += "Connection: close\r\n"
    head += "Transfer-Encoding: chunked" if is_chunked else "Content-Length: 16000000"

    answer, body = await port.raw(f"{head}\r\n\r\n".encode())

    assert answer.split()[1] == b"413"
    assert b"api.too_large" in body


async def test_a_stranger_who_dawdles_is_dropped_with_its_body(tmp_path: Path) -> None:
    (tmp_path / "quick").mkdir()
    async with local_port(tmp_path / "quick", head_ms=300) as port:
        head = f"POST /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1:{port.api.port}\r\n"

        answer, _ = await port.raw(f"{head}Content-Length: 100\r\n\r\nx".encode())

    assert answer == b""


# --- acting


async def test_a_browser_acts_from_our_own_page(port: Port) -> None:
    sent = {"Cookie": await cookie(port), "Origin": own(port), "Sec-Fetch-Site": "same-origin"}

    read = await browse(port, "GET", "/api/v1/status", sent)
    wrote = await browse(port, "PUT", "/api/v1/blobs", sent, data=b"x")

    assert (read.status, wrote.status) == (200, 201)


@pytest.mark.parametrize(
    "headers",
    [
        {},  # a form that says nothing of where it is
        {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost:{port}"},
        {"Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "cross-site"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/services/slow/do"),
        ("PUT", "/api/v1/blobs"),
        ("DELETE", "/api/v1/session"),
    ],
)
async def test_another_page_does_nothing_with_a_cookie(
    port: Port, headers: dict[str, str], method: str, path: str
) -> None:
    mine = await cookie(port)
    sent = {name: value.format(port=port.api.port) for name, value in headers.items()}

    answer = await browse(port, method, path, {**sent, "Cookie": mine}, data=b"x")

    assert (answer.status, answer.code) == (403, "api.origin")
    assert port.slow.asked.locked()  # the service was never asked
    assert (await browse(port, "GET", "/api/v1/session", {"Cookie": mine})).status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
async def test_another_page_does_not_even_look_with_a_cookie(port: Port, site: str) -> None:
    sent = {"Cookie": await cookie(port), "Sec-Fetch-Site": site}

    answer = await browse(port, "GET", "/api/v1/status", sent)

    assert (answer.status, answer.code) == (403, "api.origin")


async def test_two_origins_are_none(port: Port) -> None:
    mine, name = await cookie(port), f"127.0.0.1:{port.api.port}"
    head = f"POST {SLOW} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\nCookie: {mine}\r\n"
    origins = f"Origin: http://{name}\r\nOrigin: http://evil.example\r\n\r\n"

    answer, _ = await port.raw((head + origins).encode())

    assert answer.split()[1] == b"403"


async def test_a_rebound_name_is_refused_with_a_cookie_as_well(port: Port) -> None:
    evil = f"evil.example:{port.api.port}"
    sent = {"Cookie": await cookie(port), "Host": evil, "Origin": f"http://{evil}"}

    answer = await browse(port, "GET", "/api/v1/status", sent)

    assert (answer.status, answer.code) == (421, "api.host")


async def test_a_browser_that_may_only_look_does_not_act(port: Port) -> None:
    sent = {"Cookie": await cookie(port, is_read_only=True), "Origin": own(port)}

    read = await browse(port, "GET", "/api/v1/status", sent)
    wrote = await browse(port, "PUT", "/api/v1/blobs", sent, data=b"x")

    assert read.status == 200
    assert (wrote.status, wrote.code) == (403, "api.scope")


async def test_a_wrong_token_is_not_made_good_by_a_cookie(port: Port) -> None:
    sent = {"Cookie": await cookie(port), "Authorization": "Bearer " + "00" * 32}

    answer = await browse(port, "GET", "/api/v1/status", sent)

    assert (answer.status, answer.code) == (401, "api.unauthorized")


@pytest.mark.parametrize(
    "value", ["", "00" * 32, "x" * 3_000, '"', "sheaf", TOKEN, f"Bearer {TOKEN}"]
)
async def test_a_made_up_cookie_opens_nothing(port: Port, value: str) -> None:
    await cookie(port)

    made_up = f"sheaf_session_{port.api.port}={value}"
    answer = await browse(port, "GET", "/api/v1/status", {"Cookie": made_up})

    assert (answer.status, answer.code) == (401, "api.unauthorized")


async def test_a_cookie_of_another_port_is_none_of_ours(port: Port) -> None:
    _, _, secret = (await cookie(port)).partition("=")

    answer = await browse(port, "GET", "/api/v1/status", {"Cookie": f"sheaf_session_1={secret}"})

    assert (answer.status, answer.code) == (401, "api.unauthorized")


# --- signing out


async def test_who_signs_out_is_out(port: Port) -> None:
    mine, other = await cookie(port), await cookie(port)

    out = await browse(port, "DELETE", "/api/v1/session", {"Cookie": mine, "Origin": own(port)})

    assert (out.status, out.body) == (200, {"ended": 1})
    assert out.headers["Set-Cookie"].startswith(f"sheaf_session_{port.api.port}=; ")
    assert "Max-Age=0" in out.headers["Set-Cookie"]
    assert (await browse(port, "GET", "/api/v1/session", {"Cookie": mine})).status == 401
    assert (await browse(port, "GET", "/api/v1/session", {"Cookie": other})).status == 200


async def test_the_home_signs_all_browsers_out(port: Port) -> None:
    sessions, code = [await cookie(port), await cookie(port)], await link(port)

    ended = await port.ask("DELETE", "/api/v1/sessions")

    assert ended.body == {"ended": 2}
    for each in sessions:
        assert (await browse(port, "GET", "/api/v1/session", {"Cookie": each})).status == 401
    assert (await sign_in(port, code)).code == "session.link"


async def test_a_token_has_nothing_to_sign_out_of(port: Port) -> None:
    answer = await port.ask("DELETE", "/api/v1/session")

    assert (answer.status, answer.code) == (422, "session.none")


# --- tokens


async def test_a_token_opens_its_scopes_from_when_it_is_made_until_it_is_revoked(
    port: Port, tokens: Tokens
) -> None:
    text = tokens.create("till", TILL_SCOPES)

    read = await port.get("/api/v1/status", token=text)
    wrote = await port.ask("PUT", "/api/v1/blobs", token=text, data=b"x")
    who = await port.get("/api/v1/session", token=text)
    tokens.revoke("till")
    after = await port.get("/api/v1/status", token=text)

    assert read.status == 200
    assert (wrote.status, wrote.code) == (403, "api.scope")
    assert (who.body["sort"], who.body["name"], who.body["scopes"]) == ("token", "till", ["read"])
    assert (after.status, after.code) == (401, "api.unauthorized")


@pytest.mark.parametrize("row", [row for row in ROUTES if row.scope is not Scope.OPEN])
async def test_every_route_asks_for_its_scope(port: Port, tokens: Tokens, row: Any) -> None:
    others = {Scope.READ, Scope.WRITE, Scope.METRICS} - {row.scope}
    text = tokens.create("till", others)
    path = re.sub(r"\{\w+\}", "x", row.path)

    refused = await port.ask(row.method, path, token=text, data=b"")
    nobody = await browse(port, row.method, path, {}, data=b"")

    assert (refused.status, refused.code) == (403, "api.scope")
    assert (nobody.status, nobody.code) == (401, "api.unauthorized")


async def test_a_token_is_taken_from_nowhere_but_its_header(port: Port, tokens: Tokens) -> None:
    text = tokens.create("till", TILL_SCOPES)

    by_query = await browse(port, "GET", f"/api/v1/status?token={text}", {})
    by_cookie = await browse(
        port, "GET", "/api/v1/status", {"Cookie": f"sheaf_session_{port.api.port}={text}"}
    )

    assert [each.code for each in (by_query, by_cookie)] == ["api.unauthorized"] * 2


@pytest.mark.parametrize("sort", ["token", "session"])
async def test_a_stream_ends_with_what_opened_it(port: Port, tokens: Tokens, sort: str) -> None:
    headers = {"Cookie": await cookie(port)}
    if sort == "token":
        headers = {"Authorization": f"Bearer {tokens.create('till', TILL_SCOPES)}"}
    url = f"{own(port)}/api/v1/events/stream"

    async with asyncio.timeout(20), port.session.get(url, headers=headers) as stream:
        await port.post_demand()
        while b"event: entry" not in await stream.content.readline():
            pass
        if sort == "token":
            tokens.revoke("till")
        else:
            await port.ask("DELETE", "/api/v1/sessions")
        await port.post_demand(ref="r2")
        left = await stream.content.read()

    assert b"event: entry" not in left


# --- the page


async def test_the_page_runs_its_own_script_alone_and_nothing_frames_it(port: Port) -> None:
    async with port.session.get(f"{own(port)}/session") as answer:
        text, headers = await answer.text(), answer.headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    [script] = re.findall(r"<script>(.*)</script>", text, re.DOTALL)
    hashed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()

    assert answer.status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert (policy["default-src"], policy["script-src"]) == ("'none'", f"'sha256-{hashed}'")
    assert (policy["connect-src"], policy["frame-ancestors"]) == ("'self'", "'none'")
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert not re.search(r"(src|href)=|innerHTML|\bon\w+=\"", text)


async def test_answers_are_neither_kept_nor_guessed_at(port: Port) -> None:
    answers = [
        await port.get("/api/v1/status"),
        await port.get("/nothing"),
        await port.ask("PUT", "/api/v1/blobs", data=b"<script>alert(1)</script>"),
    ]

    for answer in answers:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "Access-Control-Allow-Origin" not in answer.headers
