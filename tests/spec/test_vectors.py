import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sheaf_protocol.testing.vectors import OK, Result, Vector, is_passed, load, run

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "spec" / "vectors"
VECTORS = load(FOLDER)
RULE = re.compile(r"^- \*\*([A-Z]{3,4}-[0-9]+)\*\*", re.MULTILINE)
AT_LEAST = {
    "02-identity": (20, 60),
    "02-key-history": (60, 8),
    "02-key": (2, 12),
    "02-signature": (2, 15),
    "03-encoding": (60, 160),
    "03-json-view": (6, 9),
    "04-envelope": (8, 60),
    "04-erasure": (15, 0),
    "04-sealed": (5, 8),
    "05-fork-proof": (6, 30),
    "05-log": (12, 50),
    "06-blob": (5, 20),
    "06-frontier": (30, 10),
    "06-subscription": (20, 8),
    "07-link": (25, 90),
    "09-charter": (8, 25),
    "09-epoch": (36, 100),
    "09-federation": (5, 8),
    "09-standing": (20, 20),
    "10-amount": (10, 0),
    "10-bill": (9, 5),
    "10-merkle": (7, 12),
    "10-record": (15, 33),
    "11-lifecycle": (25, 25),
    "11-order": (12, 0),
    "11-story": (39, 0),
    "15-rounds": (35, 16),
    "15-tally": (26, 16),
    "16-export": (4, 13),
    "16-import": (7, 39),
    "16-projection": (10, 8),
    "16-treaty": (3, 27),
    "17-commitment": (6, 18),
    "17-disclosure": (9, 9),
    "17-sum-tree": (4, 14),
    "17-totals": (6, 10),
    "18-close": (20, 1),
    "18-line": (30, 3),
    "18-promise": (12, 1),
    "19-exchange": (6, 14),
    "19-link": (6, 11),
    "21-award": (25, 45),
    "21-own": (7, 15),
}
"""Folder: vectors that pass, vectors that are refused."""


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.id)
def test_vector_is_passed_for_the_right_reason(vector: Vector) -> None:
    result = run(vector)

    assert is_passed(vector, result), (vector.comment, vector.expect, result)


def test_writing_the_vectors_again_gives_the_same_bytes(tmp_path: Path) -> None:
    program = Path(__file__).parent / "vectorgen" / "write_vectors.py"
    subprocess.run([sys.executable, program, tmp_path], check=True, capture_output=True)

    written = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.glob("*/*.json")}
    kept = {p.relative_to(FOLDER): p.read_bytes() for p in FOLDER.glob("*/*.json")}

    assert sorted(written) == sorted(kept)
    assert [path for path in kept if kept[path] != written[path]] == []


def test_generators_use_no_code_of_ours() -> None:
    folder = Path(__file__).parent / "vectorgen"
    made_of_ours = {"write_blocks.py", "write_openapi.py", "write_schemas.py"}
    programs = [p for p in folder.glob("*.py") if p.name not in made_of_ours]

    assert programs
    assert [p.name for p in programs if re.search(r"(import|from) sheaf", p.read_text())] == []


@pytest.mark.parametrize(("folder", "least"), AT_LEAST.items())
def test_folder_holds_enough_vectors_of_both_kinds(folder: str, least: tuple[int, int]) -> None:
    counted = Counter(v.expect == OK for v in VECTORS if v.chapter == folder)

    assert counted[True] >= least[0]
    assert counted[False] >= least[1]


def test_every_folder_is_counted_and_described() -> None:
    described = (FOLDER / "README.md").read_text()

    assert {v.chapter for v in VECTORS} == set(AT_LEAST)
    assert [name for name in AT_LEAST if f"`{name}`" not in described] == []


def test_every_type_byte_of_messagepack_begins_a_vector() -> None:
    encoding = [v for v in VECTORS if v.chapter == "03-encoding"]
    first = {v.input[0] for v in encoding if v.input}

    assert sorted(set(range(0xC0, 0xE0)) - first) == []
    assert {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xE0, 0xFF} <= first


def test_both_sides_of_each_rule_on_bytes_are_shown() -> None:
    """A rule that is only ever broken may be refused by an implementation that refuses all."""
    shown = {(v.clause, v.expect == OK) for v in VECTORS if v.chapter == "03-encoding"}
    limits = {f"ENC-{number}" for number in (3, 4, 5, 6, 10, 11, 12, 13, 14, 15)}

    assert sorted(rule for rule in limits if {(rule, True), (rule, False)} - shown) == []


def test_every_clause_and_code_of_a_vector_exists() -> None:
    rules = {r for p in FOLDER.parent.glob("*.md") for r in RULE.findall(p.read_text())}
    codes = {e["code"] for e in json.loads((FOLDER.parent / "errors.json").read_text())}

    assert {v.clause for v in VECTORS} - rules == set()
    assert {v.expect for v in VECTORS} - codes - {OK} == set()


def test_no_two_vectors_of_a_folder_are_the_same_bytes() -> None:
    seen = Counter((v.chapter, v.input) for v in VECTORS)

    assert [key[0] for key, count in seen.items() if count > 1] == []


def test_every_comment_is_a_sentence() -> None:
    assert [v.id for v in VECTORS if not v.comment.endswith(".")] == []


GOOD = {"id": "03-encoding/x", "clause": "ENC-1", "expect": "ok", "comment": "c", "input": "00"}


def write(folder: Path, fields: dict[str, str], name: str = "03-encoding/x") -> Path:
    path = folder / f"{name}.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(fields))
    return folder


def test_loaded_vector_keeps_what_the_file_says(tmp_path: Path) -> None:
    (vector,) = load(write(tmp_path, {**GOOD, "output": "01"}))

    assert (vector.input, vector.output, vector.chapter) == (b"\x00", b"\x01", "03-encoding")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({**GOOD, "note": "n"}, "a key that there is not"),
        ({k: v for k, v in GOOD.items() if k != "clause"}, "a key missing"),
        ({**GOOD, "id": "03-encoding/y"}, "another file's id"),
        ({**GOOD, "input": "0"}, "no hex"),
    ],
)
def test_file_that_is_no_vector_is_refused(
    tmp_path: Path, fields: dict[str, str], reason: str
) -> None:
    with pytest.raises(ValueError, match=r"expected|hexadecimal"):
        load(write(tmp_path, fields))


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (Result(code="enc.nil"), "refused"),
        (Result(code=OK, output=b"\x02"), "another output"),
    ],
)
def test_vector_is_failed_by_another_result(result: Result, reason: str) -> None:
    vector = Vector(id="a/b", clause="c", expect=OK, comment="d", input=b"", output=b"\x01")

    assert not is_passed(vector, result)
