"""Every rule is shown by a vector, or listed as one that none can show."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sheaf_node.cli.main import sheaf
from sheaf_protocol.testing.conformance import (
    check_vectors,
    clauses_without_vector,
    load_rules,
    load_untestable,
    spec_folder,
)
from sheaf_protocol.testing.vectors import OK, load

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "spec"
VECTORS = load(SPEC / "vectors")
UNTESTABLE = load_untestable(SPEC)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(sheaf, ["spec", "vectors", *arguments])


def small_spec(folder: Path, *names: str) -> Path:
    """Return a spec of one rule of chapter 03 and these vectors."""
    (folder / "vectors").mkdir(parents=True)
    (folder / "03-encoding.md").write_text("- **ENC-1** One value.\n- **ENC-2** Nothing after.\n")
    (folder / "vectors" / "untestable.json").write_text("{}")
    for name in names:
        target = folder / "vectors" / f"{name}.json"
        target.parent.mkdir(exist_ok=True)
        shutil.copy(SPEC / "vectors" / f"{name}.json", target)
    return folder


def test_every_rule_has_a_vector_or_a_reason_why_not() -> None:
    missing = clauses_without_vector(SPEC, VECTORS)

    assert missing == [], f"{len(missing)} rules need a vector or a line in untestable.json"


def test_rule_listed_as_untestable_is_in_force_and_has_no_vector() -> None:
    shown = {vector.clause for vector in VECTORS}

    assert sorted(UNTESTABLE.keys() - set(load_rules(SPEC))) == []
    assert sorted(UNTESTABLE.keys() & shown) == []


@pytest.mark.parametrize("rule", UNTESTABLE)
def test_reason_is_one_sentence_and_the_test_named_exists(rule: str) -> None:
    row = UNTESTABLE[rule]
    path, _, name = row.test.partition("::")

    assert row.reason.endswith(".")
    assert not row.test or name in functions_of(path)


def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_list_of_untestable_rules_is_in_order_and_has_two_keys_a_row() -> None:
    rows = json.loads((SPEC / "vectors" / "untestable.json").read_text())
    places = [(family, int(number)) for family, _, number in (r.partition("-") for r in rows)]

    assert places == sorted(places)
    assert [
        rule for rule, row in rows.items() if not {"reason"} <= row.keys() <= {"reason", "test"}
    ] == []


def test_a_checkout_finds_its_own_spec() -> None:
    assert spec_folder() == SPEC


def test_the_wheel_holds_the_spec_where_the_library_looks_for_it() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"][
        "targets"
    ]

    assert wheel["wheel"]["force-include"] == {"spec": "sheaf_spec"}


def test_an_installed_library_reads_the_spec_beside_it(tmp_path: Path) -> None:
    installed = tmp_path / "sheaf_protocol"
    shutil.copytree(
        ROOT / "protocol" / "sheaf_protocol",
        installed,
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    small_spec(tmp_path / "sheaf_spec", "03-encoding/trailing_byte")
    program = (
        "from sheaf_protocol.testing.conformance import *; print(check_vectors(spec_folder()))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.startswith("Conformance(passed=1, failed=[], negative=1,")


def test_all_vectors_pass_and_are_counted() -> None:
    result = check_vectors(SPEC)

    assert (result.passed, result.failed) == (len(VECTORS), [])
    assert result.negative == sum(vector.expect != OK for vector in VECTORS)


def test_rule_without_a_vector_is_told(tmp_path: Path) -> None:
    spec = small_spec(tmp_path / "spec", "03-encoding/empty_input")

    assert check_vectors(spec).clauses_without_vector == ["ENC-2"]


def test_command_prints_one_json_object() -> None:
    done = run("--json")

    told = json.loads(done.stdout)
    assert done.exit_code == 0
    assert list(told) == ["passed", "failed", "negative", "clauses_without_vector"]
    assert (told["passed"], told["failed"]) == (len(VECTORS), 0)


def test_command_takes_another_spec_and_speaks_to_people(tmp_path: Path) -> None:
    spec = small_spec(tmp_path / "spec", "03-encoding/empty_input", "03-encoding/true")

    done = run(str(spec))

    assert done.exit_code == 0
    assert done.stdout == (
        "2 vectors passed, 0 failed; 1 of them demand a refusal\nRules without a vector: ENC-2\n"
    )


def test_vector_that_fails_is_named_and_ends_the_command_with_1(tmp_path: Path) -> None:
    spec = small_spec(tmp_path / "spec", "03-encoding/true")
    path = spec / "vectors" / "03-encoding" / "true.json"
    path.write_text(path.read_text().replace('"ok"', '"enc.nil"'))

    done = run(str(spec))

    assert done.exit_code == 1
    assert "  failed: 03-encoding/true\n" in done.stdout


def test_vector_of_an_unknown_folder_fails(tmp_path: Path) -> None:
    spec = small_spec(tmp_path / "spec")
    fields = {"id": "99-later/x", "clause": "ENC-1", "expect": "ok", "comment": "c", "input": ""}
    (spec / "vectors" / "99-later").mkdir()
    (spec / "vectors" / "99-later" / "x.json").write_text(json.dumps(fields))

    assert check_vectors(spec).failed == ["99-later/x"]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda spec: (spec / "vectors" / "untestable.json").unlink(), "a file missing"),
        (lambda spec: (spec / "vectors" / "untestable.json").write_text("["), "no JSON"),
        (lambda spec: shutil.rmtree(spec / "vectors" / "03-encoding"), "no vectors"),
    ],
)
def test_folder_that_is_no_spec_is_refused(tmp_path: Path, spoil, reason: str) -> None:
    spec = small_spec(tmp_path / "spec", "03-encoding/true")
    spoil(spec)

    done = run(str(spec))

    assert (done.exit_code, "[spec.folder]" in done.stderr) == (1, True), reason
