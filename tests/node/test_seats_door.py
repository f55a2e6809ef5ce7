"""The port for seats: what a telephone sees, and what somebody gets who should get nothing."""

from __future__ import annotations

import asyncio
import re
import shutil
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from aiohttp import ClientSession
from tests.node.seated import ASKING, BUYING, sponsoring
from yarl import URL

from sheaf_node.config import SeatPages
from sheaf_node.seats import Door
from sheaf_node.seats.door import FORM, MAX_FORM, MOST_ANSWERS
from sheaf_node.seats.shelf import FOLDER, LINKS
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from tests.node.seated import Sponsor

YES = {"answer": "yes"}


class Fields(HTMLParser):
    """What stands in a page: its fields, and all that a browser would load or follow."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if tag in {"input", "button"} and given.get("name"):
            self.names.add(str(given["name"]))
        self.loads += [str(given[name]) for name in ("src", "href", "action") if name in given]


class Caller:
    """Somebody at the port."""

    def __init__(self, sponsor: Sponsor, door: Door, session: ClientSession) -> None:
        self.sponsor, self.door, self.session = sponsor, door, session

    async def ask(
        self, method: str, token: str, form: Mapping[str, str] | None = None, **other: Any
    ) -> tuple[int, str, Mapping[str, str]]:
        url = URL(f"http://127.0.0.1:{self.door.port}/seat/{token}", encoded=True)
        if form is not None:
            other["data"] = urlencode(form)
            other["headers"] = {"Content-Type": FORM, **other.get("headers", {})}
        async with self.session.request(method, url, allow_redirects=False, **other) as answer:
            return answer.status, await answer.text(), answer.headers

    async def raw(self, sent: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.door.port)
        writer.write(sent)
        try:
            async with asyncio.timeout(60):
                return await reader.read()
        finally:
            writer.close()


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Caller]:
    async with sponsoring(folder) as sponsor, ClientSession() as session:
        door = Door(sponsor.seating, SeatPages())
        await door.start()
        try:
            yield Caller(sponsor, door, session)
        finally:
            await door.stop()


@pytest.fixture
async def caller(tmp_path: Path) -> AsyncIterator[Caller]:
    async with opened(tmp_path) as made:
        yield made


async def test_a_list_that_the_seat_confirms_is_published_with_its_name_by_link(
    caller: Caller,
) -> None:
    token = await caller.sponsor.link()

    status, text, _ = await caller.ask("GET", token)
    assert status == 200
    assert "Hen feed" in text
    assert "50 kg, at most 0.60 GBP for one" in text
    done, _, headers = await caller.ask("POST", token, YES)

    assert (done, headers["Location"]) == (303, f"/seat/{token}")
    [line] = await caller.sponsor.lines()
    assert (line["name"], line["by"]) == ("Croft", "link")


async def test_prices_are_filled_in_and_become_an_offer(caller: Caller) -> None:
    token = await caller.sponsor.link("quote", ASKING)
    until = datetime.now(UTC) + timedelta(days=9)

    _, text, _ = await caller.ask("GET", token)
    asked = {"answer", "valid_until", "price-0", "most-0", "price-1", "most-1"}
    assert Fields(text).names == asked
    form = {**YES, "price-0": "0,55", "most-0": "", "valid_until": f"{until:%Y-%m-%d}"}
    status, _, _ = await caller.ask("POST", token, form)

    assert status == 303
    [line] = await caller.sponsor.lines()
    assert (line["kind"], line["item"]) == ("offer.submit", "feed")


async def test_looking_at_a_page_publishes_nothing_and_uses_nothing(caller: Caller) -> None:
    token = await caller.sponsor.link()

    for method in ("GET", "HEAD", "GET"):
        status, _, _ = await caller.ask(method, token)
        assert status == 200

    assert await caller.sponsor.lines() == []
    status, _, _ = await caller.ask("POST", token, YES)
    assert status == 303


async def test_a_link_answers_once(caller: Caller) -> None:
    token = await caller.sponsor.link()

    ends = await asyncio.gather(*(caller.ask("POST", token, YES) for _ in range(MOST_ANSWERS)))

    assert sorted(status for status, _, _ in ends) == [303] + [410] * (MOST_ANSWERS - 1)
    assert len(await caller.sponsor.lines()) == 1


async def test_an_answered_page_shows_no_list_any_more(caller: Caller) -> None:
    token = await caller.sponsor.link()
    await caller.ask("POST", token, YES)

    status, text, _ = await caller.ask("GET", token)

    assert status == 200
    assert "1 line" in text
    assert "feed" not in text
    assert Fields(text).names == set()


async def test_a_page_whose_time_is_over_says_so(caller: Caller) -> None:
    token = await caller.sponsor.link()
    caller.sponsor.clock.by_ms = 31 * 86_400_000

    status, text, _ = await caller.ask("GET", token)
    answered, _, _ = await caller.ask("POST", token, YES)

    assert (status, answered) == (410, 410)
    assert "Too late" in text
    assert "feed" not in text


async def test_a_form_that_is_refused_comes_back_with_a_reason_and_what_was_typed(
    caller: Caller,
) -> None:
    token = await caller.sponsor.link("quote", ASKING)

    form = {**YES, "price-0": "7.5o", "price-1": "3", "valid_until": "2030-01-01"}
    status, text, _ = await caller.ask("POST", token, form)

    assert status == 422
    assert 'role="alert"' in text
    assert 'value="7.5o"' in text
    assert (await caller.ask("GET", token))[0] == 200


async def test_every_answer_forbids_what_a_page_does_not_need(caller: Caller) -> None:
    token = await caller.sponsor.link()

    answers = [
        await caller.ask("GET", token),
        await caller.ask("GET", "x"),
        await caller.ask("PUT", token),
        await caller.ask("POST", token, {}),
        await caller.ask("POST", token, YES),
        await caller.ask("GET", token),
    ]

    for _, text, headers in answers:
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Connection"] == "close"
        assert Fields(text).loads == []
        assert "script" not in Fields(text).tags
    assert [status for status, _, _ in answers] == [200, 404, 405, 422, 303, 200]


async def test_what_people_write_is_text_on_a_page(caller: Caller) -> None:
    evil = '"</title><script>alert(1)</script><img src=x onerror=y>"'
    text = BUYING.replace("Hen feed", evil)
    token = await caller.sponsor.link(text=text)

    _, shown, _ = await caller.ask("GET", token)

    assert "&lt;script&gt;" in shown
    assert not {"script", "img"} & set(Fields(shown).tags)


async def test_what_was_typed_is_text_on_a_page(caller: Caller) -> None:
    token = await caller.sponsor.link("quote", ASKING)

    form = {**YES, "price-0": '"><script>x</script>', "valid_until": '"><img src=x>'}
    _, shown, _ = await caller.ask("POST", token, form)

    assert not {"script", "img"} & set(Fields(shown).tags)


async def test_every_cell_of_a_list_is_shown_before_it_binds(caller: Caller) -> None:
    soon = datetime.now(UTC) + timedelta(days=30)
    text = (
        "item,quantity,unit,max_price,currency,zone,needed_by\n"
        f"feed,50,kg,0.60,GBP,NORTH,{soon:%Y-%m-%d}\n"
    )
    token = await caller.sponsor.link(text=text)

    _, shown, _ = await caller.ask("GET", token)

    assert "zone: NORTH" in shown
    assert "needed by: " in shown


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
    ],
)
async def test_a_form_of_another_page_is_refused(
    caller: Caller, headers: dict[str, str], status: int
) -> None:
    token = await caller.sponsor.link()

    got, _, _ = await caller.ask("POST", token, YES, headers=headers)

    assert got == status
    assert await caller.sponsor.lines() == []


async def test_our_own_page_sends_its_form(caller: Caller) -> None:
    token = await caller.sponsor.link()
    own = f"http://127.0.0.1:{caller.door.port}"

    status, _, _ = await caller.ask(
        "POST", token, YES, headers={"Origin": own, "Sec-Fetch-Site": "same-origin"}
    )

    assert status == 303


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"answer=yes&answer=no", 422),
        (b"answer=%ff", 422),
        (b"answer=\xff", 422),
        (b"&".join(b"x%d=1" % number for number in range(300)), 422),
        (b"answer=" + b"y" * MAX_FORM, 413),
        (b"", 422),
    ],
)
async def test_a_form_that_is_none_is_refused(caller: Caller, body: bytes, status: int) -> None:
    token = await caller.sponsor.link()

    got, _, _ = await caller.ask("POST", token, data=body, headers={"Content-Type": FORM})

    assert got == status
    assert await caller.sponsor.lines() == []


@pytest.mark.parametrize(
    "path", ["/", "/seat/", "/seat", "/seat/%2e%2e/x", "/api/v1/status", "/healthz", "/seat/%00"]
)
async def test_the_port_has_nothing_else(caller: Caller, path: str) -> None:
    url = URL(f"http://127.0.0.1:{caller.door.port}{path}", encoded=True)

    async with caller.session.get(url) as answer:
        assert answer.status == 404
        assert "Borders" not in await answer.text()


async def test_whoever_has_no_link_learns_nothing_of_the_sponsor(caller: Caller) -> None:
    await caller.sponsor.link()

    status, text, headers = await caller.ask("GET", "A" * 43)

    assert status == 404
    assert not re.search(r"Hill|Croft|Borders", text + str(headers))


async def test_what_is_no_http_ends_the_connection(caller: Caller) -> None:
    answer = await caller.raw(b"GET /seat/x HTTP/1.1\r\nHost: " + b"x" * 20_000 + b"\r\n\r\n")

    assert b" 400 " in answer.split(b"\r\n")[0]
    assert b"Traceback" not in answer


async def test_no_log_has_the_secret_of_a_link(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    token = await caller.sponsor.link()

    await caller.ask("GET", token)
    await caller.ask("POST", token, YES)

    assert "answered a link" in caplog.text
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("sheaf")]
    assert [text for text in ours if token in text] == []


async def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    async with opened(tmp_path) as caller:
        second = Door(caller.sponsor.seating, SeatPages(port=caller.door.port))

        with pytest.raises(Refusal) as refused:
            await second.start()

        assert refused.value.code == "seat.port"
        await second.stop()


async def test_a_fault_of_the_sponsors_disk_is_not_told_to_the_seat(caller: Caller) -> None:
    token = await caller.sponsor.link()
    links = caller.sponsor.home / FOLDER / LINKS
    shutil.move(links, links.with_name("elsewhere"))
    links.write_text("no folder")

    status, text, _ = await caller.ask("POST", token, YES)

    assert status == 422
    assert "seat.file" in text
    assert str(caller.sponsor.home) not in text
