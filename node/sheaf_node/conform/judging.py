"""The surface `bytes`: each vector of the spec is a case, put to a program line by line.

The program may answer in any order, and may read all before it answers or answer at once, so asking
and hearing go on side by side, and neither holds more than the pipes do. What can be laid at a
vector fails it: another result, an answer that is none, no answer. A line that can be laid at no
vector, or at one that was answered before, leaves no way to tell what was meant and ends the run.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_node.conform.line import (
    MAX_LINE,
    Answer,
    Question,
    decode_answer,
    encode_line,
    named_in,
    shown,
)
from sheaf_node.conform.model import Claim, Surface
from sheaf_node.conform.program import STOP_S, program
from sheaf_node.conform.runner import Report
from sheaf_protocol.errors import Refusal
from sheaf_protocol.testing.conformance import spec_folder
from sheaf_protocol.testing.vectors import OK, load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sheaf_node.conform.program import Program
    from sheaf_protocol.testing.vectors import Vector

_SHOWN: Final = 4_096
"""Digits of an output that are told: all of the longest one that a vector demands."""

_REASON: Final = 200
"""Characters of a reason to skip."""


def all_vectors() -> Sequence[Vector]:
    """Return the vectors that came with this installation. Raises Refusal `spec.folder`."""
    folder = spec_folder() / "vectors"
    try:
        vectors = load(folder)
    except (OSError, ValueError, KeyError) as exc:
        raise Refusal("spec.folder", f"expected vectors in {folder}: {exc}") from exc
    if not vectors:
        raise Refusal("spec.folder", f"expected vectors below {folder}, got none")
    return vectors


def claim_of(vector: Vector) -> Claim:
    """Return the case that a vector is."""
    return Claim(
        id=vector.id,
        clauses=(vector.clause,),
        title=vector.comment.removesuffix("."),
        codes=() if vector.expect == OK else (vector.expect,),
        surface=Surface.BYTES,
    )


class Bench:
    """What was asked of a program and what it answered. It opens nothing and reads no clock."""

    def __init__(self, vectors: Sequence[Vector], on_report: Callable[[Report], None]) -> None:
        self._vectors, self._on_report = vectors, on_report
        self._asked: dict[str, tuple[Vector, float]] = {}
        self._reports: dict[str, Report] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is still to come."""
        return len(self._reports) < len(self._vectors)

    def ask(self, vector: Vector, now_s: float) -> bytes:
        """Return the line that asks for a vector."""
        self._asked[vector.id] = vector, now_s
        return encode_line(Question(id=vector.id, folder=vector.chapter, input=vector.input.hex()))

    def hear(self, line: bytes, now_s: float) -> str:
        """Take a line; returns "", or what came where it cannot be laid at an open question."""
        id_ = named_in(line)
        if id_ is None:
            return f"expected an answer with an id, got {shown(line)}"
        if id_ in self._reports:
            return f"expected one answer for {id_}, got another: {shown(line)}"
        if id_ not in self._asked:
            return f"expected the id of a vector that was asked, got {shown(line)}"
        vector, asked_s = self._asked.pop(id_)
        self._report(_verdict(vector, line, int(1_000 * (now_s - asked_s))))
        return ""

    def close(self, why: str) -> Sequence[Report]:
        """Fail what is not answered, and return all reports in the order of the vectors."""
        for vector in self._vectors:
            if vector.id not in self._reports:
                sequence = [_sent(vector)] if vector.id in self._asked else ["never asked"]
                self._report(_failed(vector, f"no answer: {why}", sequence))
        return [self._reports[vector.id] for vector in self._vectors]

    def _report(self, report: Report) -> None:
        self._reports[report.case.id] = report
        self._on_report(report)


async def judge_vectors(
    vectors: Sequence[Vector],
    command: Sequence[str],
    limit_s: float,
    on_report: Callable[[Report], None],
) -> Sequence[Report]:
    """Return what a program makes of vectors; it may be silent for `limit_s`.

    Raises Refusal `conform.program` where it does not start and `conform.line` for a line that
    answers no open question.
    """
    bench = Bench(vectors, on_report)
    async with program(command) as judge:
        end = await _converse(judge, vectors, bench, limit_s)
    if end.is_breach:
        raise Refusal("conform.line", end.why)
    return bench.close(end.why)


@dataclass(frozen=True, kw_only=True, slots=True)
class _End:
    """Why no more is heard of a program."""

    why: str
    is_breach: bool = False


async def _converse(
    judge: Program, vectors: Sequence[Vector], bench: Bench, limit_s: float
) -> _End:
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(_ask(judge, vectors, bench))
        end = await _hear(judge, bench, limit_s)
        asking.cancel()
    return end


async def _ask(judge: Program, vectors: Sequence[Vector], bench: Bench) -> None:
    now_s = asyncio.get_running_loop().time
    with suppress(ConnectionError):  # its output tells why it reads no more
        for vector in vectors:
            judge.lines_in.write(bench.ask(vector, now_s()))
            await judge.lines_in.drain()
    judge.lines_in.close()


async def _hear(judge: Program, bench: Bench, limit_s: float) -> _End:
    now_s = asyncio.get_running_loop().time
    while True:
        # Once all is answered the program has to end, and an answer too many is heard till then.
        patience_s = limit_s if bench.is_waiting else STOP_S
        try:
            async with asyncio.timeout(patience_s):
                line = await judge.lines_out.readline()
        except TimeoutError:
            return _End(why=f"the program wrote no line for {patience_s:g} s")
        except ValueError:  # so asyncio says that a line is longer than its limit
            detail = f"expected lines of at most {MAX_LINE} bytes, got a longer one"
            return _End(why=detail, is_breach=True)
        if not line:
            return _End(why=await judge.end_told())
        breach = bench.hear(line, now_s())
        if breach:
            return _End(why=breach, is_breach=True)


def _verdict(vector: Vector, line: bytes, took_ms: int) -> Report:
    answer, sequence = decode_answer(line), [_sent(vector), f"<- {shown(line)}"]
    if answer is None:
        return _failed(vector, f"an answer that is none: {shown(line)}", sequence, took_ms)
    codes = [answer.expect] if answer.expect and answer.expect != OK else []
    if answer.skip is None and not _is_right(vector, answer):
        got = _told(answer.expect, answer.output)
        return _failed(vector, got, sequence, took_ms, codes)
    return Report(
        case=claim_of(vector),
        result="ok" if answer.skip is None else "skip",
        got=(answer.skip or "")[:_REASON],
        sequence=sequence,
        codes=codes,
        took_ms=took_ms,
    )


def _is_right(vector: Vector, answer: Answer) -> bool:
    """Return whether a result is the one demanded; where no output is, any will do."""
    is_output = vector.output is None or vector.output.hex() == (answer.output or "")
    return answer.expect == vector.expect and is_output


def _failed(
    vector: Vector,
    got: str,
    sequence: Sequence[str],
    took_ms: int = 0,
    codes: Sequence[str] = (),
) -> Report:
    return Report(
        case=claim_of(vector),
        result="FAIL",
        expected=_told(vector.expect, None if vector.output is None else vector.output.hex()),
        got=got,
        sequence=sequence,
        codes=codes,
        took_ms=took_ms,
    )


def _sent(vector: Vector) -> str:
    return f"-> {vector.id}, {len(vector.input)} bytes"


def _told(result: str | None, output: str | None) -> str:
    if result != OK or output is None:
        return str(result)
    cut = f"{output[:_SHOWN]}.. ({len(output)} digits)" if len(output) > _SHOWN else output
    return f"{OK} with output {cut or 'of no bytes'}"
