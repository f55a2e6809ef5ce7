"""`spec/errors.json` and the code name the same codes."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.lifecycle import MACHINES
from sheaf_protocol.records import KINDS
from sheaf_protocol.testing.readings import READINGS
from sheaf_protocol.testing.vectors import OK, Vector, load

ROOT = Path(__file__).parents[2]
LISTED = json.loads((ROOT / "spec" / "errors.json").read_text())
CODES = {row["code"]: row for row in LISTED}
FAMILIES = {code.partition(".")[0] for code in CODES}
CODE = re.compile(r"[a-z0-9_]{1,32}\.[a-z0-9_]{1,32}\Z")
ERRORS = re.compile(r"(Refusal|ProtocolError|refusal|_refused|_not_yet)\Z")
EVENTS = {event for machine in MACHINES for event in machine.senders}
FILES = {"api.token", "manager.key", "prekey.key", "writer.key", "node.log"}
"""Names of files that look like codes."""
REFUSED = [v for v in load(ROOT / "spec" / "vectors") if v.expect != OK]
FAULTS = {"SENDER": "sender", "AUTHOR": "author", "NOT_YET": "not_yet"}


def sources(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, ast.parse(path.read_text())


def text_of(node: ast.expr | None) -> str:
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return str(node.value) if is_text and isinstance(node, ast.Constant) else ""


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def codes_in(tree: ast.Module) -> set[str]:
    """Return what is raised as a code, and all else that has a code's form and family."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and ERRORS.search(name_of(node)):
            found.add(text_of(node.args[0]))
        elif isinstance(node, ast.Constant):
            text = text_of(node)
            found.add(text if text.partition(".")[0] in FAMILIES else "")
    return {text for text in found if CODE.match(text)} - set(KINDS) - EVENTS - FILES


def in_code() -> dict[str, str]:
    found: dict[str, str] = {}
    for path, tree in sources("protocol", "node", "reference_services"):
        for code in codes_in(tree):
            found.setdefault(code, path.relative_to(ROOT).as_posix())
    return found


def raised_as(error: str) -> set[str]:
    """Return the codes that the protocol library raises by an error of this name."""
    calls = (node for _, tree in sources("protocol") for node in ast.walk(tree))
    codes = {
        text_of(node.args[0])
        for node in calls
        if isinstance(node, ast.Call) and node.args and name_of(node) == error
    }
    return codes - {""}


def raised() -> Iterator[tuple[str, str, str]]:
    """Yield the code, fault and place of every RemoteProtocolError in the protocol library."""
    for path, tree in sources("protocol"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and name_of(node) == "RemoteProtocolError":
                fault = node.args[2] if len(node.args) > 2 else None
                word = fault.attr if isinstance(fault, ast.Attribute) else "SENDER"
                code = text_of(node.args[0])
                if code:
                    yield code, FAULTS[word], f"{path.name}:{node.lineno}"


def test_every_code_in_the_source_is_in_errors_json() -> None:
    missing = {code: path for code, path in in_code().items() if code not in CODES}

    assert missing == {}, f"{len(missing)} codes to add to spec/errors.json: {missing}"


def test_every_code_in_errors_json_is_in_the_source() -> None:
    extra = sorted(set(CODES) - set(in_code()))

    assert extra == [], f"{len(extra)} codes to take out of spec/errors.json: {extra}"


def test_codes_are_listed_once_and_in_order() -> None:
    listed = [row["code"] for row in LISTED]

    assert listed == sorted(set(listed))


@pytest.mark.parametrize("row", LISTED, ids=lambda row: row["code"])
def test_row_has_a_code_a_fault_a_retry_and_a_sentence(row: dict[str, str]) -> None:
    assert set(row) == {"code", "fault", "retry", "sentence"}
    assert CODE.match(row["code"])
    assert row["fault"] in {"sender", "author", "not_yet", "local"}
    assert row["retry"] in {"never", "same", "after", "with_change"}
    assert row["sentence"].endswith(".")
    assert row["fault"] != "not_yet" or row["retry"] == "after"


def test_protocol_blames_whom_the_table_blames() -> None:
    wrong = [
        (code, fault, place)
        for code, fault, place in raised()
        if code != "schema.invalid"
        and CODES.get(code, {"fault": fault})["fault"] != fault  # the class depends on where
    ]

    assert wrong == []


def test_what_the_protocol_refuses_its_own_caller_alone_is_a_local_fault() -> None:
    own = raised_as("LocalProtocolError") - raised_as("RemoteProtocolError")

    assert own
    assert sorted(code for code in own & CODES.keys() if CODES[code]["fault"] != "local") == []


def test_what_is_raised_against_a_peer_is_no_local_fault() -> None:
    against = raised_as("RemoteProtocolError")

    assert against
    assert sorted(c for c in against & CODES.keys() if CODES[c]["fault"] == "local") == []


@pytest.mark.parametrize("vector", REFUSED, ids=lambda vector: vector.id)
def test_refusal_of_a_vector_blames_whom_the_table_blames(vector: Vector) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        READINGS[vector.chapter](vector.input)

    code, fault = caught.value.code, caught.value.fault.value
    assert code == "schema.invalid" or fault == CODES[code]["fault"]  # the class depends on where


def test_no_retry_is_advised_that_the_fault_excludes() -> None:
    """Bytes that a sender must not send again are never asked for as they were."""
    wrong = [
        row["code"]
        for row in LISTED
        if row["code"].partition(".")[0] in {"enc", "fork", "charter"}
        and row["fault"] == "sender"
        and row["retry"] != "never"
    ]

    assert wrong == []


def test_codes_named_in_chapters_exist() -> None:
    named = {
        code
        for path in (ROOT / "spec").glob("*.md")
        for group in re.findall(r"\(((?:`[a-z0-9_]+\.[a-z0-9_]+`[,; ]*)+)\)", path.read_text())
        for code in re.findall(r"`([a-z0-9_]+\.[a-z0-9_]+)`", group)
    }

    assert named
    assert sorted(named - set(CODES) - set(KINDS) - EVENTS) == []
