"""`spec/schemas` and the structs say the same of the JSON view."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from msgspec import inspect
from tests.spec import any_struct

from sheaf_protocol.errors import LocalProtocolError
from sheaf_protocol.json_view import from_json, to_json
from sheaf_protocol.records import KINDS

if TYPE_CHECKING:
    from types import ModuleType

HERE = Path(__file__).parent
SCHEMAS = HERE.parents[1] / "spec" / "schemas"
FILES = {path.stem: json.loads(path.read_text()) for path in sorted(SCHEMAS.glob("*.json"))}


def module(path: Path) -> ModuleType:
    """Return a module that no package holds."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


writer = module(HERE / "vectorgen" / "write_schemas.py")
STRUCTS: dict[str, type] = dict(writer.structs())
VALIDATORS = {name: Draft202012Validator(schema) for name, schema in FILES.items()}


def test_writing_the_schemas_again_changes_nothing(tmp_path: Path) -> None:
    program = HERE / "vectorgen" / "write_schemas.py"
    subprocess.run([sys.executable, program, tmp_path], check=True, capture_output=True)

    written = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("*.json")}

    assert sorted(written) == sorted(FILES)
    assert [name for name in FILES if FILES[name] != written[name]] == []


def test_every_kind_has_a_schema() -> None:
    assert [kind for kind in KINDS if kind not in FILES] == []


@pytest.mark.parametrize("name", FILES)
def test_schema_is_one_of_2020_12_and_names_itself(name: str) -> None:
    Draft202012Validator.check_schema(FILES[name])

    assert FILES[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (FILES[name]["$id"], FILES[name]["title"]) == (f"urn:sheaf:1:{name}", name)


@pytest.mark.parametrize("name", STRUCTS)
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_view_of_any_instance_fits_its_schema(name: str, data: st.DataObject) -> None:
    instance = data.draw(any_struct.instances(STRUCTS[name]))

    view = json.loads(json.dumps(to_json(instance)))

    assert [error.message for error in VALIDATORS[name].iter_errors(view)] == []
    assert from_json(view, STRUCTS[name]) == instance


@pytest.mark.parametrize("name", STRUCTS)
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_view_with_a_fault_fits_neither_schema_nor_struct(name: str, data: st.DataObject) -> None:
    struct = STRUCTS[name]
    view = to_json(data.draw(any_struct.instances(struct)))

    bad = list(any_struct.faults(view, inspect.type_info(struct)))

    assert bad
    assert [why for why, wrong in bad if VALIDATORS[name].is_valid(wrong)] == []
    assert [why for why, wrong in bad if is_view_of(wrong, struct)] == []


@pytest.mark.parametrize("name", sorted(KINDS))
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_key_of_a_later_version_fits_the_schema(name: str, data: st.DataObject) -> None:
    view = to_json(data.draw(any_struct.instances(STRUCTS[name])))

    assert VALIDATORS[name].is_valid({**view, "later": {"pallets": [1]}})
    assert not VALIDATORS[name].is_valid({**view, "Later": 1})


@pytest.mark.parametrize("pattern", ["[a-z]+", r"\A[a-z]+", r"[a-z]+\Z"])
def test_pattern_that_is_not_anchored_has_no_translation(pattern: str) -> None:
    with pytest.raises(ValueError, match="expected a pattern"):
        writer.to_ecma(pattern)


def is_view_of(view: Any, struct: type) -> bool:
    try:
        from_json(view, struct)
    except LocalProtocolError:
        return False
    return True
