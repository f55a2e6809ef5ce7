"""The table of routes, and all that has to say the same: document, manual, codes, handlers."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from tests.node.local_port import Port, local_port

from sheaf_node.api import models
from sheaf_node.api.models import FederationQuery
from sheaf_node.api.openapi import codes_of, document, document_bytes
from sheaf_node.api.reading import BodyRefusal, pointer_of, read_body
from sheaf_node.api.route import AnyJson, JsonBody, NoBody, Route, Scope
from sheaf_node.api.table import ROUTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sheaf_node.api.parts import ApiParts
    from sheaf_node.api.route import Asked
    from sheaf_node.plugins import Json

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "spec" / "openapi" / "local-api.json"
CODES = {row["code"] for row in json.loads((ROOT / "spec" / "errors.json").read_text())}
BY_NAME = pytest.mark.parametrize("row", ROUTES, ids=lambda row: row.name)


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[Port]:
    async with local_port(tmp_path) as each:
        yield each


# --- the document


def test_the_committed_document_is_that_of_the_table() -> None:
    """Else: `python tests/spec/vectorgen/write_openapi.py spec/openapi`."""
    assert json.loads(COMMITTED.read_bytes()) == document(ROUTES)
    assert COMMITTED.read_bytes() == document_bytes(ROUTES)


async def test_a_node_serves_the_document(port: Port) -> None:
    answer = await port.get("/api/v1/openapi.json")

    assert (answer.status, answer.body) == (200, document(ROUTES))


async def test_a_node_that_takes_no_peers_invites_none(port: Port) -> None:
    asked = [("GET", ""), ("POST", ""), ("POST", "/ab/revoke")]
    path = "/api/v1/invitations"
    answers = [await port.ask(how, path + rest, json={}) for how, rest in asked]

    assert [answer.code for answer in answers] == ["invite.off"] * 3


def test_every_reference_of_the_document_leads_somewhere() -> None:
    whole = document(ROUTES)
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(whole)))

    assert named
    assert named <= set(whole["components"]["schemas"])


def test_every_schema_of_the_document_is_one() -> None:
    for schema in document(ROUTES)["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


async def test_answers_fit_the_schemas_of_the_document(port: Port) -> None:
    posted = await port.post_demand()
    entry = f"/api/v1/entries/{posted.body['id'][:12]}"
    answers = {
        "Entry": posted,
        "Status": await port.get("/api/v1/status"),
        "LogPage": await port.get("/api/v1/log"),
        "ErasedEntry": await port.ask("POST", f"{entry}/erase"),
        "RestoredEntry": await port.ask("POST", f"{entry}/restore"),
        "StoredBlob": await port.ask("PUT", "/api/v1/blobs", data=b"x"),
        "Problem": await port.post_demand(quantity="five"),
    }

    for name, answer in answers.items():
        schemas = document(ROUTES)["components"]["schemas"]
        schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
        assert [e.message for e in Draft202012Validator(schema).iter_errors(answer.body)] == []


# --- the rows


def test_each_route_and_each_name_is_there_once() -> None:
    assert len({(row.method, row.path) for row in ROUTES}) == len(ROUTES)
    assert len({row.name for row in ROUTES}) == len(ROUTES)


@BY_NAME
def test_every_code_of_a_row_is_listed(row: Route[Any, Any]) -> None:
    assert codes_of(row) - CODES == set()


@BY_NAME
def test_a_row_that_needs_a_key_publishes_and_writes(row: Route[Any, Any]) -> None:
    assert not row.needs_key or row.is_idempotent_by_key
    assert not row.is_idempotent_by_key or (row.method, row.scope) == ("POST", Scope.WRITE)


@BY_NAME
def test_a_handler_takes_what_its_row_says(row: Route[Any, Any]) -> None:
    """The type checker asserts the same of queries and bodies; of answers only this does."""
    hints = inspect.signature(row.answer).parameters["asked"].annotation
    query, body = re.fullmatch(r"Asked\[(\w+), (\w+)\]", hints).groups()  # type: ignore[union-attr]

    assert query == row.query.__name__
    match row.body:
        case JsonBody(type=type_):
            assert body == type_.__name__
        case NoBody():
            assert body == "None"
        case _:
            assert body == "bytes"
    first = next(iter(row.replies.values()))
    said = inspect.signature(row.answer).return_annotation
    assert not isinstance(first, type) or said in {first.__name__, "Reply"}


def test_the_manual_has_the_table() -> None:
    text = (ROOT / "docs" / "local-api.md").read_text()
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line[:1] == "|"]
    told = [tuple(row) for row in cells if len(row) == 4 and row[1].startswith("`/")]

    assert told == [
        (row.method, f"`{row.path}`", f"`{row.scope.value}`", row.summary) for row in ROUTES
    ]


# --- a row of one's own


async def tell(parts: ApiParts, asked: Asked[FederationQuery, None]) -> Json:
    return {"federation": asked.query.federation}


def own_row(scope: Scope) -> Route[Any, Any]:
    return Route(
        method="GET",
        path=f"/{scope.value}",
        name=scope.value,
        summary="What was asked",
        scope=scope,
        query=FederationQuery,
        body=NoBody(),
        replies={200: AnyJson("It.")},
        answer=tell,
    )


async def test_a_route_is_a_row_and_a_handler(tmp_path: Path) -> None:
    scraper = "56" * 32
    rows = [own_row(scope) for scope in (Scope.OPEN, Scope.METRICS)]
    grants = {scraper: frozenset({Scope.METRICS})}
    async with local_port(tmp_path, routes=rows, grants=grants) as port:
        url = f"http://127.0.0.1:{port.api.port}/open?federation=ab"
        async with port.session.get(url) as answer:
            without_token = await answer.json()
        foreign = await port.get("/open", headers={"Host": "evil.example"})
        typo = await port.get("/open?federatoin=ab")
        scraped = await port.get("/metrics", token=scraper)
        by_home = await port.get("/metrics")
        by_nobody = await port.get("/metrics", token="")

    assert without_token == {"federation": "ab"}
    assert (foreign.code, typo.code) == ("api.host", "api.query")
    assert (scraped.status, by_home.status) == (200, 200)
    assert by_nobody.code == "api.unauthorized"
    assert by_nobody.headers["WWW-Authenticate"] == "Bearer"
    assert document(rows)["paths"]["/open"]["get"]["security"] == []


# --- bodies


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ("Expected `int`, got `str` - at `$.item.scale`", "/item/scale"),
        ("Expected `str`, got `int` - at `$.refs[3]`", "/refs/3"),
        ("Object missing required field `record`", ""),
        ("Expected `int`, got `str` - at `$[0][1].a`", "/0/1/a"),
        ("Expected `int`, got `str` - at `$.by[...].a`", "/by"),  # under a key of the sender's
        ("Expected `int`, got `str` - at `key in $.by`", "/by"),
        ("Expected `int`, got `str` - at `$.a~b/c`", "/a~0b~1c"),
    ],
)
def test_a_fault_is_pointed_at(said: str, pointer: str) -> None:
    assert pointer_of(said) == pointer


async def test_a_record_that_does_not_fit_is_pointed_into(port: Port) -> None:
    answer = await port.post_demand(item={"code": "feed", "name": "Feed", "scale": "0"})

    assert (answer.status, answer.code) == (422, "schema.invalid")
    [fault] = answer.body["errors"]
    assert (fault["pointer"], fault["code"]) == ("/record/item/scale", "schema.invalid")
    assert "int" in fault["message"]
    assert port.store.arrival == 0


async def test_a_kind_that_nobody_posts_is_told_before_its_body(port: Port) -> None:
    for kind in ("zeal", "order.place"):
        answer = await port.ask("POST", f"/api/v1/records/{kind}", data=b"{}")

        assert (answer.status, answer.code) == (422, "api.kind")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"record": {}, "refs": ["zz"]}', "/refs/0"),
        (b'{"record": {}, "refs": 7}', "/refs"),
        (b'{"record": {}, "more": 7}', ""),
        (b"[" * 100_000, ""),
        (b'{"record": \xff}', ""),
    ],
)
def test_a_body_that_does_not_fit_is_pointed_into(body: bytes, pointer: str) -> None:
    with pytest.raises(BodyRefusal) as caught:
        read_body(models.NewRecord, body)

    assert caught.value.code == "api.json"
    assert [fault.pointer for fault in caught.value.faults] == [pointer]
