"""Drafts over the local API: who saw what, who was faster, and what a crash leaves."""

from __future__ import annotations

import asyncio
import os
import stat
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession
from tests.node.local_port import Answer, local_port
from tests.node.seated import BUYING, sponsoring
from yarl import URL

from sheaf_node.api import LocalApi
from sheaf_node.api.route import Scope
from sheaf_node.blobs import Blobs, Fetching
from sheaf_node.config import Limits
from sheaf_node.drafts import DraftLedger
from sheaf_node.drafts import ledger as ledger_module
from sheaf_node.drafts.model import MAX_LIST_BYTES, MOST_LINES
from sheaf_node.seats import LinkWish
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.node.seated import Sponsor

PATH = "/api/v1/drafts"
KEEPER, MANAGER, READER, HOME = "aa" * 32, "bb" * 32, "cc" * 32, "dd" * 32
GRANTS = {
    KEEPER: frozenset({Scope.READ, Scope.DRAFT}),
    MANAGER: frozenset({Scope.READ, Scope.WRITE}),
    READER: frozenset({Scope.READ}),
}
FAULTY = "item,quantity,unit,max_price,currency\nfeed,-5,kg,0.60,GBP\nwire,3,roll,x,GBP\n"
DEMAND = {
    "is_firm": True,
    "item": {"code": "feed", "name": "Feed", "scale": 0, "unit": "KGM"},
    "max_price": {"amount": 10, "base": 1, "currency": "GBP"},
    "min_quantity": 1,
    "quantity": 5,
    "ref": "r1",
    "zone": "N",
}


class Office:
    """A node's local API, and the people at it."""

    def __init__(self, sponsor: Sponsor, api: LocalApi, session: ClientSession) -> None:
        self.sponsor, self.api, self.session = sponsor, api, session

    async def ask(
        self, method: str, path: str = PATH, *, tag: str | None = None, **other: Any
    ) -> Answer:
        token = other.pop("token", HOME)
        headers = {"Authorization": f"Bearer {token}", **other.pop("headers", {})}
        if tag is not None:
            headers["If-Match"] = tag
        if method == "POST":
            headers.setdefault("Idempotency-Key", os.urandom(16).hex())
        url = URL(f"http://127.0.0.1:{self.api.port}{path}", encoded=True)
        async with self.session.request(method, url, headers=headers, **other) as response:
            body = await response.json(content_type=None)
            return Answer(status=response.status, headers=response.headers, body=body)

    async def made(self, text: str = BUYING, **other: Any) -> Answer:
        body = {"name": "Week 9", "what": "purchases", "list": text, **other}
        answer = await self.ask("POST", json=body)
        assert answer.status == 201, answer.body
        return answer

    @property
    def arrival(self) -> int:
        return self.sponsor.node.parts.store.arrival


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Office]:
    async with sponsoring(folder) as sponsor, ClientSession() as session:
        parts, blobs = sponsor.node.parts, Blobs(folder)
        api = LocalApi(
            token=HOME,
            port=0,
            store=parts.store,
            ingest=parts.ingest,
            keyring=parts.keyring,
            hosts=sponsor.node.hosts.by_federation,
            peering=None,
            blobs=Fetching(blobs, parts.clock),
            arrivals=parts.arrivals,
            clock=sponsor.clock,
            random=os.urandom,
            seating=sponsor.seating,
            drafts=sponsor.drafts,
            grants=GRANTS,
            limits=Limits(api_per_second=1_000),
        )
        await api.start()
        try:
            yield Office(sponsor, api, session)
        finally:
            await api.stop()
            await blobs.close()


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with opened(tmp_path) as made:
        yield made


def at(answer: Answer, rest: str = "") -> str:
    return f"{PATH}/{answer.body['id']}{rest}"


# --- what is kept


async def test_a_list_is_kept_as_what_it_would_be_published_as(office: Office) -> None:
    made = await office.made()

    assert (made.body["state"], made.body["lines"], made.body["faulty"]) == ("ready", 1, 0)
    assert made.body["made_by"] == {"sort": "home", "name": ""}
    [record] = made.body["records"]
    assert (record["kind"], record["record"]["item"]["code"]) == ("demand.submit", "feed")
    assert made.headers["ETag"] == made.body["etag"]
    assert office.arrival == 0


async def test_every_fault_of_a_list_has_its_line_and_column(office: Office) -> None:
    made = await office.made(FAULTY)

    told = [(each["line"], each["column"], each["code"]) for each in made.body["faults"]]
    assert told == [(2, "quantity", "import.quantity"), (3, "max_price", "import.price")]
    assert (made.body["state"], made.body["faulty"], made.body["records"]) == ("faulty", 2, [])
    assert [row["cells"]["item"] for row in made.body["rows"]] == ["feed", "wire"]


async def test_records_are_judged_one_by_one(office: Office) -> None:
    records = [
        {"kind": "demand.submit", "record": DEMAND},
        {"kind": "demand.submit", "record": {**DEMAND, "quantity": "five"}},
        {"kind": "order.place", "record": {}},
        {"kind": "demand.submit", "record": {**DEMAND, "quantity": 10**40}},
        {"kind": "demand.submit", "record": {"quantity": 1.5}},
    ]

    made = await office.ask("POST", json={"name": "By hand", "what": "records", "records": records})

    told = [(each["line"], each["code"]) for each in made.body["faults"]]
    assert told == [
        (2, "schema.invalid"),
        (3, "api.kind"),
        (4, "schema.invalid"),
        (5, "schema.invalid"),
    ]
    assert (made.body["lines"], made.body["faulty"]) == (5, 4)


async def test_a_file_is_kept_as_it_was_uploaded(office: Office) -> None:
    made = await office.ask(
        "POST",
        "/api/v1/uploads?name=Week%209&what=purchases",
        data=b"\xef\xbb\xbf" + BUYING.encode(),
    )

    assert (made.status, made.body["list"], made.body["state"]) == (201, BUYING, "ready")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"PK\x03\x04" + b"\0" * 500, "import.workbook"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 500, "import.encoding"),
        (b"\xff\xfei\0t\0", "import.encoding"),
        (b"item\n\x81", "import.encoding"),
        (b"", "import.empty"),
        (b"x" * (MAX_LIST_BYTES + 1), "import.too_large"),
    ],
)
async def test_a_file_that_is_no_list_is_not_kept(office: Office, data: bytes, code: str) -> None:
    answer = await office.ask("POST", "/api/v1/uploads?name=x&what=prices", data=data)

    assert (answer.status, answer.code) == (422, code)
    assert (await office.ask("GET")).body == {"drafts": []}


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "what": "records", "list": BUYING},
        {"name": "x", "what": "purchases"},
        {
            "name": "x",
            "what": "purchases",
            "list": BUYING,
            "records": [{"kind": "a", "record": {}}],
        },
        {"name": "a\nb", "what": "purchases", "list": BUYING},
        {"name": "x", "what": "orders", "list": BUYING},
        {"name": "x", "what": "purchases", "list": "é" * (MAX_LIST_BYTES // 2 + 1)},
    ],
)
async def test_a_draft_that_is_none_is_refused(office: Office, body: dict[str, Any]) -> None:
    answer = await office.ask("POST", json=body)

    assert answer.code == "api.json"


AMBIGUOUS = BUYING.replace("0.60", "1.250")


async def test_what_is_asked_of_a_list_is_told_answered_and_published_as_answered(
    office: Office,
) -> None:
    made = await office.made(AMBIGUOUS)
    [question] = made.body["questions"]
    refused = await office.ask("POST", f"{at(made)}/publish", tag=made.body["etag"])
    before = office.arrival
    new = {"name": "Week 9", "what": "purchases", "list": made.body["list"]}
    answers = {"decimal": "max_price=comma"}

    told = await office.ask(
        "PUT", at(made), tag=made.body["etag"], json={**new, "answers": answers}
    )
    done = await office.ask("POST", f"{at(made)}/publish", tag=told.body["etag"])

    assert (question["column"], question["point"], question["comma"]) == (
        *("max_price", "1.25", "1250"),
    )
    assert made.body["faults"][0]["code"] == "import.ambiguous"
    assert (refused.code, told.body["state"], done.status) == ("draft.faults", "ready", 200)
    assert told.body["answers"]["decimal"] == "max_price=comma"
    assert told.body["rows"][0]["understood"]["max_price"] == "1250"
    assert office.arrival == before + 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"answers": {"decimal": "unit=comma"}}, "import.answer"),
        ({"answers": {"numbers": "de"}}, "api.json"),
        ({"answers": {"dry_run": "1"}}, "api.json"),
    ],
)
async def test_an_answer_that_is_none_is_refused(
    office: Office, body: dict[str, Any], code: str
) -> None:
    full = {"name": "x", "what": "purchases", "list": AMBIGUOUS, **body}

    assert (await office.ask("POST", json=full)).code == code


async def test_a_person_in_a_list_is_neither_kept_nor_told_again(office: Office) -> None:
    canary = "Wilhelmina Zebrafink"
    text = BUYING.replace("name,", "contact,name,").replace("feed,", f"feed,{canary},", 1)

    made = await office.made(text)

    assert canary not in str(made.body)
    assert [note["code"] for note in made.body["notes"]] == ["personal"]
    files = [path for path in office.sponsor.home.rglob("*") if path.is_file()]
    assert not any(canary.encode() in path.read_bytes() for path in files)


# --- who saw what


async def test_a_draft_that_was_seen_is_not_sent_again(office: Office) -> None:
    made = await office.made()

    same = await office.ask("GET", at(made), headers={"If-None-Match": f'"x", {made.body["etag"]}'})
    weak = await office.ask("GET", at(made), headers={"If-None-Match": f"W/{made.body['etag']}"})
    other = await office.ask("GET", at(made), headers={"If-None-Match": '"x"'})

    assert (same.status, same.body, same.headers["ETag"]) == (304, None, made.body["etag"])
    assert (weak.status, other.status, other.body["id"]) == (304, 200, made.body["id"])


@pytest.mark.parametrize(
    ("tag", "status", "code"),
    [
        (None, 428, "draft.match"),
        ("*", 428, "draft.match"),
        ('"x"', 412, "draft.changed"),
        ("x", 412, "draft.changed"),
        ("W/{}", 412, "draft.changed"),
    ],
)
async def test_a_change_needs_the_tag_of_what_was_seen(
    office: Office, tag: str | None, status: int, code: str
) -> None:
    made = await office.made()
    given = None if tag is None else tag.format(made.body["etag"])
    new = {"name": "y", "what": "purchases", "list": BUYING}

    answers = [
        await office.ask("PUT", at(made), tag=given, json=new),
        await office.ask("DELETE", at(made), tag=given),
        await office.ask("POST", at(made, "/publish"), tag=given),
    ]

    assert [(answer.status, answer.code) for answer in answers] == [(status, code)] * 3
    assert (await office.ask("GET", at(made))).body == made.body
    assert office.arrival == 0


async def test_of_two_writers_one_wins_and_the_other_hears_of_it(office: Office) -> None:
    made = await office.made()

    def put(name: str) -> Any:
        new = {"name": name, "what": "purchases", "list": BUYING}
        return office.ask("PUT", at(made), tag=made.body["etag"], json=new)

    answers = await asyncio.gather(*(put(f"writer {number}") for number in range(6)))

    won = [answer for answer in answers if answer.status == 200]
    lost = [answer for answer in answers if answer.status != 200]
    assert (len(won), {answer.code for answer in lost}) == (1, {"draft.changed"})
    assert (await office.ask("GET", at(made))).body["name"] == won[0].body["name"]


# --- publishing


async def test_all_lines_are_published_and_the_draft_is_gone(office: Office) -> None:
    made = await office.made(BUYING + "wire,,3,roll,9.00,GBP\n")

    done = await office.ask("POST", at(made, "/publish"), tag=made.body["etag"])

    assert (done.status, done.body["published"], done.body["known"]) == (200, 2, 0)
    assert office.arrival == 2
    assert (await office.ask("GET", at(made))).code == "draft.unknown"


async def test_records_are_published_in_their_order(office: Office) -> None:
    records = [
        {"kind": "demand.submit", "record": {**DEMAND, "ref": f"r{number}"}} for number in range(3)
    ]
    made = await office.ask("POST", json={"name": "By hand", "what": "records", "records": records})

    await office.ask("POST", at(made, "/publish"), tag=made.body["etag"])

    log = (await office.ask("GET", "/api/v1/log")).body["items"]
    assert [entry["record"]["ref"] for entry in log] == ["r0", "r1", "r2"]


async def test_of_records_that_a_rule_refuses_none_is_published(office: Office) -> None:
    record = {
        "first_row": 0,
        "provider": "x",
        "ref": "t",
        "rows": 1,
        "size": 1,
        "seconds": "00" * 4,
    }
    records = [
        {"kind": "demand.submit", "record": DEMAND},
        {"kind": "travel.table", "record": record},  # of carriers, which this co-op is not
    ]
    made = await office.ask("POST", json={"name": "By hand", "what": "records", "records": records})
    assert made.body["state"] == "ready", made.body["faults"]

    done = await office.ask("POST", at(made, "/publish"), tag=made.body["etag"])

    assert done.status == 422, done.body
    assert office.arrival == 0
    assert (await office.ask("GET", at(made))).body == made.body


async def test_a_draft_with_faults_is_not_published(office: Office) -> None:
    made = await office.made(FAULTY)

    done = await office.ask("POST", at(made, "/publish"), tag=made.body["etag"])

    assert (done.status, done.code) == (422, "draft.faults")
    assert (office.arrival, len((await office.ask("GET")).body["drafts"])) == (0, 1)


async def test_what_comes_out_otherwise_by_now_is_to_be_seen_first(office: Office) -> None:
    soon = datetime.fromtimestamp(office.sponsor.clock.now_ms() / 1_000, UTC) + timedelta(days=30)
    head, line = "item,quantity,unit,max_price,currency,needed_by", "feed,5,kg,1,GBP"
    made = await office.made(f"{head}\n{line},{soon:%Y-%m-%d}\n")
    assert made.body["state"] == "ready"
    office.sponsor.node.parts.clock.by_ms = 3650 * 86_400_000  # type: ignore[attr-defined]

    done = await office.ask("POST", at(made, "/publish"), tag=made.body["etag"])
    found = await office.ask("GET", at(made))

    assert (done.code, office.arrival) == ("draft.faults", 0)
    assert found.body["faults"][0]["code"] == "import.date"
    assert found.body["etag"] != made.body["etag"]


async def test_asked_again_a_publication_has_its_first_reply(office: Office) -> None:
    made = await office.made()
    asked = {"tag": made.body["etag"], "headers": {"Idempotency-Key": "a-key-of-mine"}}

    first = await office.ask("POST", at(made, "/publish"), **asked)
    again = await office.ask("POST", at(made, "/publish"), **asked)

    assert (again.status, again.body) == (200, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert office.arrival == 1


async def test_a_publication_needs_a_key(office: Office) -> None:
    made = await office.made()

    done = await office.ask(
        "POST", at(made, "/publish"), tag=made.body["etag"], headers={"Idempotency-Key": ""}
    )

    assert (done.status, done.code) == (400, "api.idempotency_key")


async def test_two_publications_publish_once(office: Office) -> None:
    made = await office.made()

    done = await asyncio.gather(
        *(office.ask("POST", at(made, "/publish"), tag=made.body["etag"]) for _ in range(4))
    )

    assert sorted(answer.status for answer in done) == [200, 404, 404, 404]
    assert office.arrival == 1


async def test_a_node_that_ends_between_entries_and_draft_knows_what_was_published(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await office.made()
    key = {"Idempotency-Key": "a-key-of-mine"}

    def broken(self: DraftLedger, id_: str) -> None:
        raise Refusal("draft.file", "expected a disk")

    with monkeypatch.context() as patch:
        patch.setattr(DraftLedger, "remove", broken)
        lost = await office.ask("POST", at(made, "/publish"), tag=made.body["etag"], headers=key)
    office.sponsor.again()  # as a node that starts anew has them
    left = await office.sponsor.drafts.listed()
    again = await office.ask("POST", at(made, "/publish"), tag=made.body["etag"], headers=key)

    assert (lost.status, lost.code) == (503, "draft.file")
    assert left == []
    assert (again.status, again.body["published"], office.arrival) == (200, 1, 1)


async def test_a_node_that_ends_before_the_entries_leaves_the_draft(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await office.made()
    office.sponsor.ledger.mark(made.body["id"], b"\7" * 32)

    office.sponsor.again()
    [left] = await office.sponsor.drafts.listed()

    assert (left.id, office.sponsor.ledger.marked()) == (made.body["id"], [])


# --- seats


async def test_a_seats_draft_is_returned_over_the_api(office: Office) -> None:
    await office.sponsor.link("list", what="purchases")
    lists, seating = office.sponsor.seating.lists, office.sponsor.seating
    wish = LinkWish(asks="list", what="purchases")
    made = await seating.make_link("Croft", wish, None)
    token = made.address.rpartition("/")[2]
    await lists.read(token, BUYING.encode())
    away = (await office.ask("GET")).body["drafts"][0]
    early = await office.ask("POST", at(_of(away), "/publish"), tag=away["etag"])
    [head] = await office.sponsor.drafts.listed()
    await lists.send(token, head.tag)
    [sent] = (await office.ask("GET")).body["drafts"]

    wordless = await office.ask("POST", at(_of(sent), "/return"), tag=sent["etag"], json={})
    back = await office.ask(
        "POST", at(_of(sent), "/return"), tag=sent["etag"], json={"word": "Less, please."}
    )

    assert (away["state"], early.code) == ("away", "draft.away")
    assert (sent["state"], sent["made_by"]) == ("ready", {"sort": "seat", "name": "Croft"})
    assert (wordless.code, back.status, back.body["asks"]) == ("api.json", 201, "list")
    [now] = (await office.ask("GET")).body["drafts"]
    assert (now["state"], now["seat"]["word"]) == ("away", "Less, please.")


def _of(body: dict[str, Any]) -> Answer:
    return Answer(status=200, headers={}, body=body)


# --- who may what


async def test_whoever_keeps_the_books_prepares_and_whoever_manages_publishes(
    office: Office,
) -> None:
    new = {"name": "Week 9", "what": "purchases", "list": BUYING}

    made = await office.ask("POST", token=KEEPER, json=new)
    tag = made.body["etag"]
    refused = await office.ask("POST", at(made, "/publish"), token=KEEPER, tag=tag)
    by_manager = await office.ask("POST", token=MANAGER, json=new)
    by_reader = await office.ask("DELETE", at(made), token=READER, tag=tag)
    seen = await office.ask("GET", at(made), token=READER)
    done = await office.ask("POST", at(made, "/publish"), token=MANAGER, tag=tag)

    assert (made.status, made.body["made_by"]["sort"]) == (201, "token")
    assert [each.code for each in (refused, by_manager, by_reader)] == ["api.scope"] * 3
    assert (seen.status, done.status, office.arrival) == (200, 200, 1)


# --- limits


async def test_no_more_drafts_are_kept_than_there_is_room_for(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "MOST", 2)
    for _ in range(2):
        made = await office.made()

    full = await office.ask("POST", json={"name": "x", "what": "purchases", "list": BUYING})
    changed = await office.ask(
        *("PUT", at(made)),
        tag=made.body["etag"],
        json={"name": "still goes", "what": "purchases", "list": BUYING},
    )

    assert (full.status, full.code) == (422, "draft.full")
    assert changed.status == 200


async def test_no_more_bytes_are_kept_than_there_is_room_for(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "MAX_BYTES", 3_000)
    await office.made()
    lines = "".join(f"item{number},,5,kg,1,GBP\n" for number in range(50))

    full = await office.ask("POST", json={"name": "x", "what": "purchases", "list": BUYING + lines})

    assert full.code == "draft.full"


async def test_a_draft_has_so_many_lines(office: Office) -> None:
    text = (
        BUYING.splitlines()[0]
        + "\n"
        + "".join(f"i{n},,5,kg,1,GBP\n" for n in range(MOST_LINES + 1))
    )

    full = await office.ask("POST", json={"name": "x", "what": "purchases", "list": text})

    assert full.code == "draft.full"


async def test_records_of_great_depth_break_nothing(office: Office) -> None:
    for depth in (50, 200, 400, 900, 5_000):
        deep = '{"a":' * depth + "1" + "}" * depth
        body = '{"name":"x","what":"records","records":[{"kind":"demand.submit","record":' + deep
        answer = await office.ask("POST", data=(body + "}]}").encode())

        assert answer.status in {201, 422}
        assert answer.status == 422 or answer.body["state"] == "faulty"
    assert (await office.ask("GET")).status == 200


async def test_the_file_is_its_owners_alone(office: Office) -> None:
    await office.made()

    names = [path for path in office.sponsor.home.iterdir() if path.name.startswith("drafts.db")]

    assert names
    assert {stat.S_IMODE(path.stat().st_mode) for path in names} == {0o600}


async def test_drafts_outlive_the_node(office: Office) -> None:
    made = await office.made()
    office.sponsor.ledger.close()

    again = DraftLedger(office.sponsor.home)
    found = again.draft(made.body["id"])
    again.close()
    office.sponsor.ledger = DraftLedger(office.sponsor.home)

    assert found is not None
    assert found.content.text == BUYING


async def test_a_file_of_a_newer_node_is_named(tmp_path: Path) -> None:
    first = DraftLedger(tmp_path)
    first._connection.execute("PRAGMA user_version = 99")
    first.close()

    with pytest.raises(Refusal) as refused:
        DraftLedger(tmp_path)

    assert refused.value.code == "draft.file"


async def test_a_draft_stays_in_its_federation(office: Office) -> None:
    made = await office.made()
    new = {"name": "y", "what": "purchases", "list": BUYING, "federation": "ffffffff"}

    answer = await office.ask("PUT", at(made), tag=made.body["etag"], json=new)

    assert answer.code == "draft.federation"


async def test_a_node_that_keeps_no_drafts_says_so(tmp_path: Path) -> None:
    async with local_port(tmp_path) as port:
        answer = await port.get("/api/v1/drafts")

    assert answer.code == "draft.off"
