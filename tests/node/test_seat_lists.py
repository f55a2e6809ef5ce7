"""Lists that seats make on a telephone: what a link lets whoever has it do, what becomes of it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiohttp import ClientSession, FormData
from tests.node.seated import BUYING, CROFT, sponsoring
from tests.node.test_seats_door import Caller, Fields
from tests.services.pooled_purchasing.workbooks import workbook

from sheaf_node.config import SeatPages
from sheaf_node.drafts import Maker, NewDraft, Published
from sheaf_node.drafts import ledger as ledger_module
from sheaf_node.drafts.model import MAX_LIST_BYTES
from sheaf_node.seats import Door, LinkWish, NewSeat
from sheaf_node.seats import listing as listing_module
from sheaf_node.seats.pace import MOST_LINKS, MOST_STEPS, Pace
from sheaf_node.seats.typed import joined
from sheaf_node.seats.upload import MULTIPART, file_in
from sheaf_node.store.receipt import NewReceipt
from sheaf_protocol.digest import Digest
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from sheaf_node.drafts import Draft

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
FAULTY = "item,quantity,unit,max_price,currency\nfeed,-5,kg,0.60,GBP\nhay,3,bag,4,GBP\n"
LINE = {
    "answer": "add",
    "item-0": "Barbed wire",
    "quantity-0": "3",
    "unit-0": "roll",
    "max_price-0": "9,50",
    "currency": "gbp",
}


CANARY = "0171 5550137"


class Teller(Caller):
    """Somebody with a telephone."""

    async def upload(self, token: str, data: bytes, **headers: str) -> tuple[int, str]:
        form = FormData()
        form.add_field("file", data, filename="list.csv", content_type="text/csv")
        status, text, _ = await self.ask("POST", token, data=form, headers=headers)
        return status, text

    async def link(self, what: str = "purchases", **other: Any) -> str:
        return await self.sponsor.link("list", what=what, **other)

    async def send(self, token: str) -> tuple[int, str, Mapping[str, str]]:
        """Press the button under what is there now."""
        heads = await self.sponsor.drafts.listed()
        seen = heads[0].tag if heads else ""
        return await self.ask("POST", token, {"answer": "send", "seen": seen})

    async def draft(self) -> Draft:
        [head] = await self.sponsor.drafts.listed()
        return await self.sponsor.drafts.find(head.id)

    async def publish(self) -> Published:
        draft = await self.draft()

        def receipt_of(_: Published) -> NewReceipt:
            one, other = Digest(os.urandom(32)), Digest(os.urandom(32))
            return NewReceipt(id=one, request=other, taken_ms=0, reply=lambda _: b"")

        return await self.sponsor.drafts.publish(draft.head.id, [draft.head.tag], receipt_of)

    async def send_back(self, word: str) -> str:
        head = (await self.draft()).head
        lists = self.sponsor.seating.lists
        made = await lists.send_back(head.id, [head.tag], word, 3_600_000)
        return made.address.removeprefix("https://hill.example/seat/")


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Teller]:
    async with sponsoring(folder) as sponsor, ClientSession() as session:
        door = Door(sponsor.seating, SeatPages())
        await door.start()
        try:
            yield Teller(sponsor, door, session)
        finally:
            await door.stop()


@pytest.fixture
async def teller(tmp_path: Path) -> AsyncIterator[Teller]:
    async with opened(tmp_path) as made:
        yield made


def code_of(refused: pytest.ExceptionInfo[Refusal]) -> str:
    return refused.value.code


# --- the way of a list


async def test_a_list_that_a_seat_sends_is_published_by_its_sponsor(teller: Teller) -> None:
    token = await teller.link()

    read, _ = await teller.upload(token, BUYING.encode())
    _, seen, _ = await teller.ask("GET", token)
    sent, _, _ = await teller.send(token)
    draft = await teller.draft()
    assert await teller.sponsor.lines() == []
    done = await teller.publish()

    assert (read, sent, done.published) == (303, 303, 1)
    assert "50 kg, at most 0.60 GBP for one" in seen
    assert (draft.head.state, draft.head.maker) == ("ready", Maker(sort="seat", name="Croft"))
    [line] = await teller.sponsor.lines()
    assert (line["name"], line["by"], line["item"]) == ("Croft", "link", "feed")
    assert await teller.sponsor.drafts.listed() == []


async def test_a_link_is_used_up_by_the_list_that_is_sent(teller: Teller) -> None:
    token = await teller.link()

    for _ in range(3):
        await teller.ask("GET", token)
        await teller.upload(token, FAULTY.encode())
    await teller.upload(token, BUYING.encode())
    ends = await asyncio.gather(*(teller.send(token) for _ in range(3)))
    again, _ = await teller.upload(token, BUYING.encode())
    status, text, _ = await teller.ask("GET", token)

    assert sorted(status for status, _, _ in ends) == [303, 410, 410]
    assert (again, status) == (410, 200)
    assert "Your list is with Hill Farm: 1 line." in text
    assert "feed" not in text
    assert Fields(text).names == set()


async def test_a_list_is_sent_as_it_was_seen(teller: Teller) -> None:
    token = await teller.link()
    await teller.upload(token, BUYING.encode())
    _, text, _ = await teller.ask("GET", token)
    seen = re.findall(r'name="seen" value="(\w+)"', text)[0]
    await teller.upload(token, BUYING.replace("50", "5000").encode())  # by whoever has it as well

    status, again, _ = await teller.ask("POST", token, {"answer": "send", "seen": seen})

    assert status == 422
    assert "The list changed since you saw it" in again
    assert (await teller.draft()).head.state == "away"


async def test_lines_that_are_typed_stand_behind_those_of_a_file(teller: Teller) -> None:
    token = await teller.link()

    await teller.upload(token, BUYING.encode())
    added, _, _ = await teller.ask("POST", token, LINE)
    draft = await teller.draft()

    assert added == 303
    assert [row.cells["item"] for row in draft.content.checked.rows] == ["feed", "barbed-wire"]
    assert (draft.head.state, draft.head.faulty) == ("away", 0)
    assert draft.content.checked.rows[1].cells["max_price"] == "9.50"


async def test_prices_can_be_typed_on_a_telephone(teller: Teller) -> None:
    token = await teller.link("prices")
    form = {"answer": "add", "item-0": "feed", "min_quantity-0": "10", "unit-0": "kg"}
    form |= {"price-0": "0,55", "currency": "GBP", "valid_until": _in_a_week(teller)}

    added, _, _ = await teller.ask("POST", token, form)
    await teller.send(token)
    await teller.publish()

    assert added == 303
    [line] = await teller.sponsor.lines()
    assert (line["kind"], line["item"]) == ("offer.submit", "feed")


def _in_a_week(teller: Teller) -> str:
    now = datetime.fromtimestamp(teller.sponsor.clock.now_ms() / 1000, UTC)
    return f"{now + timedelta(days=7):%Y-%m-%d}"


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("feed", "feed"),
        ("Hay", "hay"),  # by a telephone
        ("FLOUR-25", "FLOUR-25"),
        ("Barbed wire, 200 m", "barbed-wire-200-m"),
        ("=1+1", "1-1"),
    ],
)
def test_a_name_makes_the_code_of_an_item(typed: str, code: str) -> None:
    text = joined([], {**LINE, "item-0": typed}, "purchases", 0)

    assert text.splitlines()[1].startswith(f"{code},")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"quantity-0": "many"}, "as a number"),
        ({"quantity-0": ""}, "how much"),
        ({"item-0": ""}, "expected what it is"),
        ({"item-0": "???"}, "a name with letters"),
        ({"unit-0": "x" * 200}, "letters at most"),
        ({name: "" for name in LINE if name.endswith("-0")}, "at least one line"),
    ],
)
async def test_a_typed_line_that_lacks_something_comes_back_as_it_was(
    teller: Teller, change: dict[str, str], said: str
) -> None:
    token = await teller.link()

    status, text, _ = await teller.ask("POST", token, {**LINE, **change})

    assert status == 422
    assert said in text
    assert 'value="roll"' in text or "unit-0" in change
    assert await teller.sponsor.drafts.listed() == []


async def test_faults_stand_beside_their_lines_and_nothing_is_sent(teller: Teller) -> None:
    token = await teller.link()
    await teller.upload(token, FAULTY.encode())

    _, text, _ = await teller.ask("GET", token)
    sent, _, _ = await teller.send(token)

    assert "Line 2, quantity: expected a number above 0" in text
    assert "1 line is to be mended" in text
    assert "send" not in re.findall(r'value="(\w+)"', text)
    assert sent == 422
    assert (await teller.draft()).head.state == "away"


async def test_a_seat_may_start_again_or_say_no(teller: Teller) -> None:
    token = await teller.link()
    await teller.upload(token, BUYING.encode())

    again, _, _ = await teller.ask("POST", token, {"answer": "again"})
    empty = await teller.sponsor.drafts.listed()
    await teller.upload(token, BUYING.encode())
    said_no, _, _ = await teller.ask("POST", token, {"answer": "no"})
    _, text, _ = await teller.ask("GET", token)

    assert (again, empty, said_no) == (303, [], 303)
    assert "You said no" in text
    assert await teller.sponsor.drafts.listed() == []


# --- back and forth


async def test_a_list_goes_back_with_a_word_under_a_new_link(teller: Teller) -> None:
    old = await teller.link()
    await teller.upload(old, BUYING.encode())
    await teller.send(old)

    new = await teller.send_back("Hay in bales, <please>.")
    _, text, _ = await teller.ask("GET", new)
    by_old, _ = await teller.upload(old, BUYING.encode())
    await teller.send(new)
    done = await teller.publish()

    assert "Hay in bales, &lt;please&gt;." in text
    assert "Hen feed" in text
    assert (by_old, done.published) == (410, 1)


async def test_what_is_with_its_seat_is_not_published(teller: Teller) -> None:
    token = await teller.link()
    await teller.upload(token, BUYING.encode())

    with pytest.raises(Refusal) as published:
        await teller.publish()
    with pytest.raises(Refusal) as returned:
        await teller.send_back("x")

    assert (code_of(published), code_of(returned)) == ("draft.away", "draft.away")
    assert await teller.sponsor.lines() == []


async def test_what_the_sponsor_changed_is_published_as_agreed_by_list(teller: Teller) -> None:
    token = await teller.link()
    await teller.upload(token, BUYING.encode())
    await teller.send(token)
    head = (await teller.draft()).head
    new = NewDraft(name="Croft", what="purchases", list=BUYING.replace("50", "40"))

    await teller.sponsor.drafts.replace(head.id, [head.tag], new, Maker(sort="home", name=""))
    await teller.publish()

    [line] = await teller.sponsor.lines()
    assert (line["name"], line["by"]) == ("Croft", "list")


async def test_a_draft_of_no_seat_goes_back_to_none(teller: Teller) -> None:
    new = NewDraft(name="own", what="purchases", list=BUYING)
    await teller.sponsor.drafts.create(new, Maker(sort="home", name=""))

    with pytest.raises(Refusal) as refused:
        await teller.send_back("x")

    assert code_of(refused) == "draft.seat"


async def test_a_node_that_ends_as_a_list_is_sent_hands_it_over_at_its_start(
    teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await teller.link()
    await teller.upload(token, BUYING.encode())

    async def broken(self: object, draft: object) -> None:
        raise Refusal("draft.file", "expected a disk")

    with monkeypatch.context() as patch:
        patch.setattr(listing_module.SeatLists, "_hand_over", broken)
        status, _, _ = await teller.send(token)
    before = (await teller.draft()).head.state
    await teller.sponsor.again().lists.settle()

    assert (status, before) == (422, "away")
    assert (await teller.draft()).head.state == "ready"


async def test_a_seat_that_is_removed_leaves_no_list_behind(teller: Teller) -> None:
    token = await teller.link()
    await teller.upload(token, BUYING.encode())

    await teller.sponsor.seating.remove("Croft")

    assert await teller.sponsor.drafts.listed() == []
    assert (await teller.upload(token, BUYING.encode()))[0] == 404


async def test_a_link_whose_time_is_over_takes_no_list(teller: Teller) -> None:
    token = await teller.link()
    await teller.upload(token, BUYING.encode())
    teller.sponsor.clock.by_ms = 31 * 86_400_000

    status, text, _ = await teller.ask("GET", token)
    uploaded, _ = await teller.upload(token, BUYING.encode())
    sent, _, _ = await teller.send(token)

    assert (status, uploaded, sent) == (410, 410, 410)
    assert "Too late" in text
    assert "feed" not in text


@pytest.mark.parametrize(
    "wish",
    [
        {"asks": "list"},  # of what?
        {"asks": "list", "what": "purchases", "list": BUYING},  # it is to bring its own
        {"asks": "approve", "list": ""},
        {"asks": "approve", "list": BUYING, "what": "purchases"},
        {"asks": "list", "what": "orders"},
    ],
)
def test_a_link_asks_for_a_list_or_brings_one(wish: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wish, LinkWish)


async def test_no_list_is_asked_of_a_seat_that_speaks_for_itself(teller: Teller) -> None:
    own = teller.sponsor.node.parts.keyring.cid.hex()
    teller.sponsor.seating.add(NewSeat(cid=own, name="Hill itself"))
    wish = LinkWish(asks="list", what="purchases")

    with pytest.raises(Refusal) as refused:
        await teller.sponsor.seating.make_link("Hill itself", wish, None)

    assert code_of(refused) == "seat.moved"


# --- workbooks, and numbers that may mean either of two


async def test_a_workbook_is_read_as_a_list_and_kept_as_text_without_persons(
    teller: Teller,
) -> None:
    token = await teller.link()
    header = ("Artikel", "Menge", "Einheit", "Höchstpreis", "Währung", "Telefon")
    data = workbook(header, ("feed", 2.3, "kg", 1.234, "GBP", CANARY))

    await teller.upload(token, data)
    _, shown, _ = await teller.ask("GET", token)

    draft = await teller.draft()
    assert CANARY not in repr(draft)
    assert draft.content.checked.records[0].record["quantity"] == 2_300
    assert "1 column with personal data was not read" in shown
    files = [path for path in teller.sponsor.home.rglob("*") if path.is_file()]
    assert not any(CANARY.encode() in path.read_bytes() for path in files)


async def test_a_column_with_two_readings_is_asked_about_on_the_page(teller: Teller) -> None:
    token = await teller.link()
    await teller.upload(token, BUYING.replace("50", "1.500").encode())

    _, asked, _ = await teller.ask("GET", token)
    form = {"answer": "settle", "mark-quantity": "comma"}
    status, _, _ = await teller.ask("POST", token, form)
    await teller.ask("POST", token, {**LINE, "item-0": "Twine"})  # what was said stays
    _, settled, _ = await teller.ask("GET", token)

    assert "quantity: what is 1.500?" in asked
    assert ("read as quantity 1500" in settled, "what is 1.500?" in settled) == (True, False)
    assert status == 303
    draft = await teller.draft()
    assert (draft.content.checked.questions, draft.head.faulty) == ([], 0)
    assert draft.content.checked.records[0].record["quantity"] == 1_500_000


@pytest.mark.parametrize(
    "form", [{}, {"mark-unit": "comma"}, {"mark-quantity": "dot"}, {"mark-quantity": "a,b=c"}]
)
async def test_an_answer_to_nothing_that_was_asked_changes_nothing(
    teller: Teller, form: dict[str, str]
) -> None:
    token = await teller.link()
    await teller.upload(token, BUYING.replace("50", "1.500").encode())
    before = await teller.draft()

    status, _, _ = await teller.ask("POST", token, {"answer": "settle", **form})

    assert status == 422
    assert await teller.draft() == before


async def test_nothing_is_settled_before_there_is_a_list(teller: Teller) -> None:
    token = await teller.link()

    status, _, _ = await teller.ask("POST", token, {"answer": "settle"})

    assert status == 422


# --- what a hostile telephone sends


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"PK\x03\x04" + b"\0" * 5_000, "a workbook that is whole"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 500, "an Excel workbook"),
        (b"\xff\xfei\0t\0", "UTF-16"),
        (b"item\n\x81\n", "UTF-8"),
        (b"", "to be chosen first"),
        (b" \n", "an empty file"),
        (b"x" * (MAX_LIST_BYTES + 1), "256 KiB"),
        (b"x" * (MAX_LIST_BYTES + 20_000), "256 KiB"),
    ],
)
async def test_a_file_that_is_no_list_is_told_so_and_not_kept(
    teller: Teller, data: bytes, said: str
) -> None:
    token = await teller.link()

    status, text = await teller.upload(token, data)

    assert status == 422
    assert said in text
    assert await teller.sponsor.drafts.listed() == []


@pytest.mark.parametrize("cell", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-cmd"])
async def test_a_cell_that_a_spreadsheet_would_carry_out_is_a_fault(
    teller: Teller, cell: str
) -> None:
    token = await teller.link()
    text = BUYING.replace("Hen feed", f'"{cell}"')

    await teller.upload(token, text.encode())

    draft = await teller.draft()
    assert [fault.code for fault in draft.content.checked.faults] == ["import.formula"]
    assert (draft.content.checked.records, draft.head.faulty) == ([], 1)


async def test_what_a_list_says_is_text_on_the_page(teller: Teller) -> None:
    evil = '"</title><script>alert(1)</script><img src=x onerror=y>"'
    token = await teller.link()
    await teller.upload(token, BUYING.replace("Hen feed", evil).replace("50", evil).encode())

    _, shown, headers = await teller.ask("GET", token)

    assert "&lt;script&gt;" in shown
    assert not {"script", "img"} & set(Fields(shown).tags)
    assert "default-src 'none'" in headers["Content-Security-Policy"]


async def test_a_form_of_another_page_uploads_nothing(teller: Teller) -> None:
    token = await teller.link()

    status, _ = await teller.upload(token, BUYING.encode(), Origin="https://evil.example")

    assert status == 403
    assert await teller.sponsor.drafts.listed() == []


async def test_a_link_that_asks_for_a_yes_takes_no_file(teller: Teller) -> None:
    token = await teller.sponsor.link()

    status, _ = await teller.upload(token, BUYING.encode())

    assert status == 415
    assert await teller.sponsor.drafts.listed() == []


async def test_a_link_that_asks_for_a_list_takes_no_yes(teller: Teller) -> None:
    token = await teller.link()

    status, _, _ = await teller.ask("POST", token, {"answer": "yes"})

    assert status == 422


async def test_one_seat_takes_no_more_room_than_its_own(
    teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing_module, "MOST_OF_ONE", 2)
    tokens = [await teller.link() for _ in range(3)]

    statuses = [(await teller.upload(token, BUYING.encode()))[0] for token in tokens]

    assert statuses == [303, 303, 422]


async def test_seats_leave_room_for_the_sponsors_own_people(
    teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "MOST_OF_SEATS", 1)
    first, second = await teller.link(), await teller.link()

    statuses = [(await teller.upload(token, BUYING.encode()))[0] for token in (first, second)]
    new = NewDraft(name="own", what="purchases", list=BUYING)
    await teller.sponsor.drafts.create(new, Maker(sort="home", name=""))

    assert statuses == [303, 422]


async def test_whoever_has_a_link_keeps_the_node_from_nothing_else(teller: Teller) -> None:
    first, second = await teller.link(), await teller.link()

    statuses = [(await teller.upload(first, BUYING.encode()))[0] for _ in range(MOST_STEPS + 1)]
    other, _ = await teller.upload(second, BUYING.encode())
    teller.sponsor.clock.by_ms = 61_000
    later, _ = await teller.upload(first, BUYING.encode())

    assert statuses == [303] * MOST_STEPS + [429]
    assert (other, later) == (303, 303)


def test_of_very_many_links_the_oldest_is_forgotten() -> None:
    pace = Pace()
    for number in range(MOST_LINKS + 1):
        for _ in range(MOST_STEPS):
            assert pace.take(str(number), 0)

    assert not pace.take("1", 0)
    assert pace.take("0", 0)
    assert pace.take("1", -1)  # a clock that was set back


async def test_a_seats_lists_are_its_own(teller: Teller) -> None:
    first, second = await teller.link(), await teller.link()
    await teller.upload(first, BUYING.encode())

    _, text, _ = await teller.ask("GET", second)

    assert "Hen feed" not in text
    [head] = await teller.sponsor.drafts.listed()
    assert head.seat is not None
    assert head.seat.cid == CROFT


# --- the file in a form


def form(*parts: bytes, boundary: bytes = b"x") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--x--\r\n"


FILE = b'Content-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'


def test_a_file_is_found_in_a_form() -> None:
    other = b'Content-Disposition: form-data; name="answer"\r\n\r\nread'
    body = form(FILE + b"a,b\r\n--y\r\nc", other)

    assert file_in(f"{MULTIPART}; boundary=x", body) == b"a,b\r\n--y\r\nc"
    assert file_in(f'{MULTIPART}; boundary="x"', body) == b"a,b\r\n--y\r\nc"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (MULTIPART, form(FILE + b"a")),  # no boundary
        (f"{MULTIPART}; boundary=z", form(FILE + b"a")),
        (f"{MULTIPART}; boundary=x", form(FILE + b"a", FILE + b"b")),  # two files
        (f"{MULTIPART}; boundary=x", form(*([FILE + b"a"] * 100_000))),
        (f"{MULTIPART}; boundary=x", b"--x\r\n" * 50_000),
        (f"{MULTIPART}; boundary=x", FILE),
        (f"{MULTIPART}; boundary=x", b""),
    ],
)
def test_a_form_without_one_file_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        file_in(content_type, body)

    assert code_of(refused) == "seat.answer"


# --- a browser


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
async def test_a_browser_shows_the_page_under_its_own_policy(
    teller: Teller, tmp_path: Path
) -> None:
    token = await teller.link()
    await teller.upload(token, FAULTY.encode())
    assert BROWSER is not None
    url = f"http://127.0.0.1:{teller.door.port}/seat/{token}"

    process = await asyncio.create_subprocess_exec(
        *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
        *(f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--dump-dom", url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        output, errors = await process.communicate()

    assert "Line 2, quantity: expected a number above 0" in output.decode()
    assert "Content Security Policy" not in errors.decode()
