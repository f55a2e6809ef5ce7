"""What the chapters show as examples holds against the code, the schemas and the services."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from sheaf_protocol.codec import check
from sheaf_protocol.digest import CoopId, Digest, EntryId, WriterId, tag
from sheaf_protocol.envelope import Envelope, body_of, open_header
from sheaf_protocol.records import (
    Award,
    Demand,
    Offer,
    PoolClose,
    PoolOpen,
    decode_record,
)
from sheaf_protocol.testing.vectors import Vector, load
from sheaf_services.pooled_purchasing.inputs import Book, Seen
from sheaf_services.pooled_purchasing.verify import verify_award

SPEC = Path(__file__).parents[2] / "spec"
VECTORS = {vector.id: vector for vector in load(SPEC / "vectors")}
STRICT_1 = [v for v in VECTORS.values() if v.chapter in {"02-key", "02-signature"}]
[LISTING] = re.findall(
    r"```python\n(.*?)```", (SPEC / "13-security-and-privacy.md").read_text(), re.DOTALL
)
SCHEMA_OF = {
    "04-envelope": "header",
    "09-charter": "charter",
    "10-records": "verdict",
    "21-clearing": "pool.award",
}


def views(chapter: str) -> list[Any]:
    """Return the JSON views of a chapter's generated example."""
    text = (SPEC / f"{chapter}.md").read_text()
    blocks = re.findall(r"<!-- begin: example_\w+ -->.*?<!-- end -->", text, re.DOTALL)
    return [
        json.loads(each)
        for block in blocks
        for each in re.findall(r"```json\n(.*?)```", block, re.DOTALL)
    ]


def fits(name: str, view: Any) -> bool:
    schema = json.loads((SPEC / "schemas" / f"{name}.json").read_text())
    return Draft202012Validator(schema).is_valid(view)


@pytest.mark.parametrize(("chapter", "schema"), SCHEMA_OF.items())
def test_example_of_a_chapter_fits_its_schema(chapter: str, schema: str) -> None:
    view, *_ = views(chapter)

    assert fits(schema, view)


def test_operations_of_chapter_02_fit_their_schemas() -> None:
    operations = views("02-identity")

    assert operations
    assert [op["op"] for op in operations if not fits(f"key_op.{op['op']}", op)] == []


@pytest.mark.parametrize("vector", STRICT_1, ids=lambda vector: vector.id)
def test_listing_of_chapter_13_passes_the_vectors(vector: Vector) -> None:
    listing: dict[str, Any] = {}
    exec(LISTING, listing)  # noqa: S102  # the chapter's own code, checked in beside this test

    if vector.chapter == "02-key":
        holds = listing["may_register"](vector.input)
    else:
        given = check(vector.input)
        message = tag(given["purpose"]) + given["message"]
        holds = listing["is_valid"](given["key"], message, given["signature"])

    assert holds == (vector.expect == "ok")


def test_award_of_the_story_is_the_one_that_the_rules_give() -> None:
    seen = story()
    pool, close, award = (one(seen, type_) for type_ in (PoolOpen, PoolClose, Award))
    book = Book(seen)
    inputs = book.inputs(pool, close)

    verify_award(inputs, award)

    counted = book.counted(pool.record, close.record.cut)
    assert [s.id for s in counted.demands] == close.record.demands
    assert len([s for s in seen if isinstance(s.record, Demand | Offer)]) == 3


def story() -> list[Seen[Any]]:
    """Return the open records of the story of chapter 00."""
    _, _, wires = check(VECTORS["09-federation/story"].input, limit=1_048_576)
    seen = []
    for header_bytes, signature, payload in wires:
        envelope = Envelope(header_bytes, signature, payload)
        header = open_header(envelope)
        record = decode_record(header.kind, body_of(payload))
        if record is not None:
            place = {"cid": CoopId(header.cid), "wid": WriterId(header.wid), "seq": header.seq}
            seen.append(Seen(id=EntryId(Digest(envelope.id)), record=record, **place))
    return seen


def one(seen: list[Seen[Any]], type_: type) -> Seen[Any]:
    (found,) = (each for each in seen if isinstance(each.record, type_))
    return found
