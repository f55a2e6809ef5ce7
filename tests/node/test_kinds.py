"""Kinds of extensions: which schemas are taken, what fits them, and what that may cost."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from sheaf_node.kinds import Budget, Kinds, Misfit, misfits, read_kind
from sheaf_node.kinds.folder import FOLDER, MOST
from sheaf_node.kinds.pattern import PatternFault, read_pattern
from sheaf_node.kinds.schema import MAX_FILE, MOST_PARTS
from sheaf_protocol.errors import LocalProtocolError, Refusal
from sheaf_protocol.limits import MAX_TEXT
from sheaf_protocol.records.extension import (
    extension_body,
    extension_json,
    fault_place,
    is_extension,
)

if TYPE_CHECKING:
    from pathlib import Path

    from sheaf_node.kinds import ExtensionKind

PRICE: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:sheaf:1:x.acme.price",
    "title": "A price that somebody saw",
    "type": "object",
    "properties": {
        "item": {"$ref": "#/$defs/code"},
        "minor": {"type": "integer", "minimum": 0},
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    },
    "required": ["item", "minor"],
    "additionalProperties": False,
    "$defs": {"code": {"type": "string", "pattern": "^[A-Z]{2,4}-[0-9]+$"}},
}


def kind_of(**changes: object) -> ExtensionKind:
    return read_kind(json.dumps({**PRICE, **changes}).encode())


def refused(data: bytes) -> str:
    with pytest.raises(Refusal) as caught:
        read_kind(data)
    assert caught.value.code == "kind.file"
    return caught.value.detail


# --- names and bodies


@pytest.mark.parametrize(
    "kind",
    [
        "x",
        "x.acme",
        "x.acme.",
        "x..price",
        "x.acme.price.more",
        "X.acme.price",
        "y.acme.price",
        "x.acme/price",
        "x.1acme.price",
        "x.acme.price0123456789012",
        "x.a.ä",
        "",
        "x.acme.price\n",
    ],
)
def test_what_has_not_the_form_is_no_extension(kind: str) -> None:
    assert not is_extension(kind)


def test_an_extension_is_named_by_its_owner() -> None:
    assert is_extension("x.acme.price")
    assert is_extension("x.acme.price012345678901")  # 24 characters


def test_a_record_comes_back_as_it_was() -> None:
    record = {"b": [1, {"z": True, "a": "ä"}], "a": {}}

    assert extension_json(extension_body(record)) == record


@pytest.mark.parametrize(
    ("record", "place", "code"),
    [
        ({"a": {"b": [1, None]}}, "/a/b/1", "enc.nil"),
        ({"a": [{"Bad": 1}]}, "/a/0", "enc.key"),
        ({"a": 2**60}, "/a", "enc.int_range"),
        ({"a": "x" * (MAX_TEXT + 1)}, "/a", "enc.items"),
        ({"a/b": 1}, "", "enc.key"),
    ],
)
def test_what_no_entry_can_hold_is_told_with_its_place(record: Any, place: str, code: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        extension_body(record)

    assert (caught.value.code, fault_place(record)) == (code, place)


@pytest.mark.parametrize("value", [[], "text", 7, True])
def test_a_record_that_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(LocalProtocolError):
        extension_body(value)


# --- schemas that are taken


def test_a_schema_tells_its_kind_and_title() -> None:
    kind = kind_of()

    assert (kind.kind, kind.title) == ("x.acme.price", PRICE["title"])


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"$id": "https://acme.example/price"}, "/$id"),
        ({"$id": "urn:sheaf:1:demand.submit"}, "/$id"),
        ({"$id": 7}, "/$id"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema"),
        ({"type": "array"}, "/type"),
        ({"type": ["object", "string"]}, "/type"),
        ({"$defs": []}, "/$defs"),
        ({"properties": {"a": 7}}, "/properties/a"),
        ({"properties": {"a": {"$ref": "https://evil.example/s"}}}, "/properties/a/$ref"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "/properties/a/$ref"),
        ({"properties": {"a": {"$ref": "#/$defs/none"}}}, "/properties/a/$ref"),
        ({"properties": {"a": {"$ref": ["#/$defs/code"]}}}, "/properties/a/$ref"),
        ({"properties": {"a": {"$dynamicRef": "#x"}}}, "/properties/a/$dynamicRef"),
        ({"properties": {"a": {"$id": "urn:other"}}}, "/properties/a/$id"),
        ({"patternProperties": {"^a": {}}}, "/patternProperties"),
        ({"unevaluatedProperties": False}, "/unevaluatedProperties"),
        ({"properties": {"a": {"type": "null"}}}, "/properties/a/type"),
        ({"properties": {"a": {"enum": []}}}, "/properties/a/enum"),
        ({"properties": {"a": {"minLength": -1}}}, "/properties/a/minLength"),
        ({"properties": {"a": {"minLength": True}}}, "/properties/a/minLength"),
        ({"properties": {"a": {"multipleOf": 0}}}, "/properties/a/multipleOf"),
        ({"properties": {"a": {"pattern": "^(a+)+$"}}}, "/properties/a/pattern"),
        ({"properties": {"a": {"pattern": 7}}}, "/properties/a/pattern"),
        ({"properties": {"a": {"anyOf": []}}}, "/properties/a/anyOf"),
        ({"required": "item"}, "/required"),
    ],
)
def test_a_schema_that_is_not_understood_is_refused_with_the_place(
    changes: dict[str, object], place: str
) -> None:
    assert place in refused(json.dumps({**PRICE, **changes}).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"7",
        b"null",
        b'{"a":1,"a":2}',
        b'{"$id":"urn:sheaf:1:x.a.b","type":"object","maximum":1.5}',
        b'{"$id":"urn:sheaf:1:x.a.b","type":"object","title":"\\ud800"}',
        b'{"$id":"urn:sheaf:1:x.a.b","type":"object","title":null}',
        b"[" * 60_000,
        b'{"not":' * 9_000,
        b" " * (MAX_FILE + 1),
    ],
)
def test_a_file_that_is_no_schema_is_refused(data: bytes) -> None:
    assert refused(data)


def test_a_schema_has_so_many_parts_and_levels_at_most() -> None:
    deep: dict[str, Any] = {}
    for _ in range(20):
        deep = {"not": deep}

    assert refused(json.dumps({**PRICE, "properties": {"a": deep}}).encode())
    assert refused(json.dumps({**PRICE, "anyOf": [{}] * MOST_PARTS}).encode())


# --- what fits


@pytest.mark.parametrize(
    ("record", "misfit"),
    [
        ({"item": "AB-1", "minor": 0}, None),
        ({"item": "AB-1", "minor": -1}, Misfit("/minor", "expected at least 0")),
        ({"item": "AB-1", "minor": True}, Misfit("/minor", "expected integer")),
        ({"item": "AB-1"}, Misfit("", "expected the key 'minor'")),
        ({"item": "AB-1\n", "minor": 1}, Misfit("/item", "expected text like ^[A-Z]{2,4}-[0-9]+$")),
        ({"item": "AB-1", "minor": 1, "x": 1}, Misfit("/x", "expected nothing here")),
        ({"item": "AB-1", "minor": 1, "tags": ["a", 1]}, Misfit("/tags/1", "expected string")),
        (
            {"item": "AB-1", "minor": 1, "tags": ["a", "a"]},
            Misfit("/tags", "expected each item once"),
        ),
    ],
)
def test_a_record_is_told_where_it_does_not_fit(record: Any, misfit: Misfit | None) -> None:
    assert misfits(kind_of(), record) == ([] if misfit is None else [misfit])


_VALUES = st.recursive(
    st.booleans() | st.integers(-4, 4) | st.text("ab1", max_size=3),
    lambda part: (
        st.lists(part, max_size=3) | st.dictionaries(st.sampled_from("abc"), part, max_size=3)
    ),
    max_leaves=6,
)
_SMALL = st.integers(0, 3)
_TYPE = st.sampled_from(["array", "boolean", "integer", "number", "object", "string"])


def _schemas() -> st.SearchStrategy[Any]:
    def grown(part: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        some = st.lists(part, min_size=1, max_size=3)
        return st.fixed_dictionaries(
            {},
            optional={
                "type": _TYPE | st.lists(_TYPE, min_size=1, max_size=2, unique=True),
                "enum": st.lists(_VALUES, min_size=1, max_size=3),
                "const": _VALUES,
                "properties": st.dictionaries(st.sampled_from("abc"), part, max_size=2),
                "additionalProperties": part,
                "propertyNames": part,
                "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
                "items": part,
                "uniqueItems": st.booleans(),
                "minItems": _SMALL,
                "maxItems": _SMALL,
                "minLength": _SMALL,
                "maxLength": _SMALL,
                "minProperties": _SMALL,
                "maxProperties": _SMALL,
                "pattern": st.sampled_from(["^a", "^[ab]+$", r"^\w{1,2}$", "^.?1*$"]),
                "minimum": st.integers(-3, 3),
                "maximum": st.integers(-3, 3),
                "exclusiveMinimum": st.integers(-3, 3),
                "exclusiveMaximum": st.integers(-3, 3),
                "multipleOf": st.integers(1, 3),
                "allOf": some,
                "anyOf": some,
                "oneOf": some,
                "not": part,
                "$ref": st.just("#/$defs/one"),
            },
        )

    leaves = st.booleans() | st.builds(dict) | st.builds(lambda t: {"type": t}, _TYPE)
    return st.recursive(leaves, grown, max_leaves=8)


@settings(max_examples=100, deadline=None)
@given(part=_schemas(), defined=st.booleans() | st.builds(lambda t: {"type": t}, _TYPE), at=_VALUES)
def test_what_fits_is_what_fits_json_schema(part: Any, defined: Any, at: Any) -> None:
    schema = {
        "$id": "urn:sheaf:1:x.acme.any",
        "type": "object",
        "properties": {"v": part},
        "$defs": {"one": defined},
    }

    found = misfits(read_kind(json.dumps(schema).encode()), {"v": at})

    assert (found == []) is Draft202012Validator(schema).is_valid({"v": at})


# --- what it costs


def costly(kind: ExtensionKind, record: Any, budget: Budget | None = None) -> None:
    began_s = time.process_time()
    with pytest.raises(Refusal) as caught:
        misfits(kind, record, budget)
    assert caught.value.code == "kind.costly"
    assert time.process_time() - began_s < 5


def test_a_schema_that_refers_to_itself_ends() -> None:
    loop = {"loop": {"$ref": "#/$defs/loop"}}

    costly(
        kind_of(properties={"a": {"$ref": "#/$defs/loop"}}, required=[], **{"$defs": loop}),
        {"a": 1},
    )


def test_a_schema_that_doubles_itself_ends() -> None:
    defs: dict[str, Any] = {"d0": {"type": "integer"}}
    for number in range(1, 40):
        each = {"$ref": f"#/$defs/d{number - 1}"}
        defs[f"d{number}"] = {"allOf": [each, each]}
    kind = kind_of(properties={"a": {"$ref": "#/$defs/d39"}}, required=[], **{"$defs": defs})

    costly(kind, {"a": 1})


def test_long_lists_against_long_lists_end() -> None:
    named = [[number] * 40 for number in range(200)]
    kind = kind_of(properties={"a": {"items": {"enum": named}}}, required=[])

    costly(kind, {"a": [[7] * 40] * 1_000})


def test_the_dearest_pattern_on_the_longest_text_is_soon_done() -> None:
    kind = kind_of(properties={"a": {"pattern": "^[ab]?[ab]?[ab]?[ab]?[ab]?[ab]*c$"}}, required=[])
    began_s = time.process_time()

    assert misfits(kind, {"a": "a" * MAX_TEXT}) != []
    assert time.process_time() - began_s < 2


def test_several_records_may_share_one_budget() -> None:
    kind, budget = kind_of(), Budget(60)
    record = {"item": "AB-1", "minor": 1}

    assert misfits(kind, record, budget) == []
    with pytest.raises(Refusal):
        [misfits(kind, record, budget) for _ in range(20)]


@pytest.mark.parametrize(
    "text",
    [
        r"a",
        r"(a)",
        r"^(a|b)$",
        r"^a|b$",
        r"^[a",
        r"^a**$",
        r"^a{2,1}$",
        r"^[^]]$",
        r"^\s$",
        r"^\1",
        r"^a{1,99999}$",
        r"^[a-z]+@[a-z]+$",
        r"^[a--b]$",
        r"^[\w-z]$",
        r"^[[a]]$",
        r"^a\$b\q$",
        r"^$$",
        "",
        "^" + "a" * 256,
    ],
)
def test_a_pattern_whose_cost_is_not_known_is_refused(text: str) -> None:
    with pytest.raises(PatternFault):
        read_pattern(text)


@pytest.mark.parametrize(
    ("pattern", "fits", "not_"),
    [
        ("^a", ["a", "ab"], ["ba", ""]),
        (r"^\d{2}$", ["12"], ["1", "١٢", "12\n"]),
        (r"^[\w.-]+$", ["a_b.C-9"], ["", "a b", "é"]),
        ("^.$", ["ä", "\t"], ["\n", "\u2028", "ab"]),
        (r"^\.\\$", [".\\"], ["a\\"]),
        ("^[^a]*$", ["", "bcd"], ["ba"]),
        ("^[&&a|]$", ["&", "|", "a"], ["b"]),
        (r"^x\$", ["x$"], ["x"]),
    ],
)
def test_a_pattern_means_what_json_schema_means(
    pattern: str, fits: list[str], not_: list[str]
) -> None:
    read = read_pattern(pattern)

    assert [text for text in fits if not read.fits(text)] == []
    assert [text for text in not_ if read.fits(text)] == []


# --- the folder


def test_what_one_process_installs_another_sees_at_once(tmp_path: Path) -> None:
    ours, theirs = Kinds(tmp_path), Kinds(tmp_path)
    assert theirs.installed() == {}

    ours.add(json.dumps(PRICE).encode())
    assert theirs.require("x.acme.price").title == PRICE["title"]
    ours.add(json.dumps({**PRICE, "title": "Other"}).encode())
    assert theirs.require("x.acme.price").title == "Other"
    ours.remove("x.acme.price")
    with pytest.raises(Refusal) as caught:
        theirs.require("x.acme.price")

    assert caught.value.code == "kind.unknown"


@pytest.mark.parametrize("name", ["x.acme.none", "../sheaf", "", "x.acme.price.json"])
def test_a_kind_that_is_not_installed_is_not_removed(tmp_path: Path, name: str) -> None:
    (tmp_path / "sheaf.json").write_text("{}")

    with pytest.raises(Refusal) as caught:
        Kinds(tmp_path).remove(name)

    assert caught.value.code == "kind.unknown"
    assert (tmp_path / "sheaf.json").exists()


def test_a_file_that_is_none_is_passed_over_and_told_of(tmp_path: Path) -> None:
    kinds = Kinds(tmp_path)
    kinds.add(json.dumps(PRICE).encode())
    (tmp_path / FOLDER / "broken.json").write_text("{")
    (tmp_path / FOLDER / "x.acme.other.json").write_text(json.dumps(PRICE))

    assert list(kinds.installed()) == ["x.acme.price"]
    assert sorted(kinds.faults) == ["broken.json", "x.acme.other.json"]


def test_a_home_has_so_many_kinds_at_most(tmp_path: Path) -> None:
    kinds = Kinds(tmp_path)
    for number in range(MOST):
        kinds.add(json.dumps({**PRICE, "$id": f"urn:sheaf:1:x.acme.n{number}"}).encode())

    with pytest.raises(Refusal) as caught:
        kinds.add(json.dumps(PRICE).encode())

    assert caught.value.code == "kind.full"
    assert len(kinds.installed()) == MOST
