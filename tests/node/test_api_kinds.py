"""Records of extensions at the local API: published where they fit, shown where they do not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.node.local_port import FIRST, Port, local_port
from tests.node.test_kinds import PRICE

from sheaf_node.api.extension import Fitting
from sheaf_node.ingest import Draft
from sheaf_node.kinds import Kinds
from sheaf_protocol.records.extension import extension_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PATH = "/api/v1/records/x.acme.price"
GOOD = {"item": "AB-1", "minor": 120}


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[Port]:
    kinds = Kinds(tmp_path)
    kinds.add(json.dumps(PRICE).encode())
    async with local_port(tmp_path, kinds=kinds) as each:
        yield each


async def post(port: Port, record: Any, path: str = PATH) -> Any:
    return await port.ask("POST", path, json={"record": record})


async def test_a_record_that_fits_is_published_and_shown(port: Port) -> None:
    posted = await post(port, GOOD)
    page = await port.get("/api/v1/log")

    assert posted.status == 201
    [entry] = page.body["items"]
    assert (entry["kind"], entry["record"], entry["misfit"]) == ("x.acme.price", GOOD, None)
    assert entry["no_effect"] is None


@pytest.mark.parametrize(
    ("record", "code", "pointers"),
    [
        ({"item": "AB-1", "minor": -1}, "schema.invalid", ["/record/minor"]),
        ({"minor": "1", "x": 1}, "schema.invalid", ["/record/minor", "/record", "/record/x"]),
        ({"item": "AB-1", "minor": None}, "enc.nil", ["/record/minor"]),
        ({"item": "AB-1", "minor": 1, "tags": [{"Bad": 1}]}, "enc.key", ["/record/tags/0"]),
    ],
)
async def test_a_record_that_does_not_fit_is_refused_with_its_places(
    port: Port, record: Any, code: str, pointers: list[str]
) -> None:
    answer = await post(port, record)

    assert (answer.status, answer.code) == (422, code)
    assert [each["pointer"] for each in answer.body["errors"]] == pointers
    assert port.store.arrival == 0


async def test_a_kind_that_is_not_installed_is_not_published(port: Port) -> None:
    answer = await post(port, GOOD, "/api/v1/records/x.acme.other")

    assert (answer.status, answer.code) == (422, "kind.unknown")


@pytest.mark.parametrize("kind", ["x.acme", "x.Acme.price", "y.acme.price", "x.acme.price.more"])
async def test_what_has_not_the_form_is_no_kind(port: Port, kind: str) -> None:
    answer = await post(port, GOOD, f"/api/v1/records/{kind}")

    assert (answer.status, answer.code) == (422, "api.kind")


async def test_a_record_of_others_that_does_not_fit_counts_and_is_marked(port: Port) -> None:
    """VER-8: what a schema says of an entry changes nothing for anybody."""
    body = extension_body({"minor": "dear"})
    await port.api._parts.ingest.publish(FIRST.fid, [Draft(kind="x.acme.price", body=body)])
    foreign = extension_body({"free": "form"})
    await port.api._parts.ingest.publish(FIRST.fid, [Draft(kind="x.other.thing", body=foreign)])

    [ours, theirs] = (await port.get("/api/v1/log")).body["items"]

    assert (ours["record"], ours["no_effect"]) == ({"minor": "dear"}, None)
    assert ours["misfit"]["pointer"] == "/minor"
    assert ours["misfit"]["code"] == "schema.invalid"
    assert (theirs["record"], theirs["misfit"]) == ({"free": "form"}, None)


def test_records_of_others_cannot_make_a_page_cost_what_they_like(tmp_path: Path) -> None:
    kinds = Kinds(tmp_path)
    kinds.add(json.dumps(PRICE).encode())
    fitting = Fitting(kinds, steps=30)

    found = [fitting.misfit("x.acme.price", GOOD) for _ in range(10)]

    assert found[0] is None
    assert found[-1] is not None
    assert found[-1].code == "kind.costly"


async def test_installed_kinds_are_told_with_their_schemas(port: Port) -> None:
    answer = await port.get("/api/v1/kinds")

    [kind] = answer.body["kinds"]
    assert (kind["kind"], kind["title"]) == ("x.acme.price", PRICE["title"])
    assert kind["json_schema"] == PRICE
