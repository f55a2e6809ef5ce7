"""The vectors of `spec/vectors`: a strict loader, and a runner against this implementation.

Which reading a vector's bytes get depends on the folder it lies in; `spec/vectors/README.md` lists
them and `readings.py` holds ours. A vector passes when the result is its `expect`, the code
included, and its `output`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.testing.readings import READINGS

if TYPE_CHECKING:
    from pathlib import Path

OK: Final = "ok"
UNREAD: Final = "unread"
"""The result of a vector in a folder that this version has no reading for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Vector:
    """One case: bytes, the clause they test, and `ok` or the code to refuse them with."""

    id: str
    clause: str
    expect: str
    comment: str
    input: bytes
    output: bytes | None

    @property
    def chapter(self) -> str:
        """The folder that says how to read the input."""
        return self.id.partition("/")[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What an implementation made of a vector."""

    code: str
    output: bytes = b""


def load(folder: Path) -> list[Vector]:
    """Return all vectors below a folder, by id; ValueError for a file that is none."""
    return [_read(folder, path) for path in sorted(folder.glob("*/*.json"))]


def run(vector: Vector) -> Result:
    """Return what this library makes of a vector's input."""
    return judge_input(vector.chapter, vector.input)


def judge_input(chapter: str, given: bytes) -> Result:
    """Return what this library makes of bytes that are read as a folder of vectors says."""
    reading = READINGS.get(chapter)
    if reading is None:
        return Result(code=UNREAD)
    try:
        return Result(code=OK, output=reading(given))
    except RemoteProtocolError as exc:
        return Result(code=exc.code)


def is_passed(vector: Vector, result: Result) -> bool:
    """Return whether a result is the one that the vector demands."""
    return result.code == vector.expect and vector.output in (None, result.output)


def _read(folder: Path, path: Path) -> Vector:
    fields = json.loads(path.read_text())
    known = {"id", "clause", "expect", "comment", "input", "output"}
    if not known - {"output"} <= set(fields) <= known:
        raise ValueError(f"expected the keys {sorted(known)} in {path}, got {sorted(fields)}")
    if fields["id"] != path.relative_to(folder).with_suffix("").as_posix():
        raise ValueError(f"expected the file's own name as id in {path}, got {fields['id']}")
    output = bytes.fromhex(fields["output"]) if "output" in fields else None
    return Vector(**{**fields, "input": bytes.fromhex(fields["input"]), "output": output})
