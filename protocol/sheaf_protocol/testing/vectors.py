"""The vectors of `spec/vectors`: a strict loader, and a runner against this implementation.

Which reading a vector's bytes get depends on the folder it lies in; `spec/vectors/README.md` lists
them. A vector passes when the result is its `expect`, the code included, and its `output`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from sheaf_protocol.charter import Certificate, found
from sheaf_protocol.codec import check, decode
from sheaf_protocol.envelope import Envelope, body_of, open_header, verify_signature
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.identity import KeyOp, fold_key_log
from sheaf_protocol.limits import MAX_FRAME, MAX_INT
from sheaf_protocol.log import (
    EMPTY,
    Head,
    decode_fork_proof,
    require_next,
    require_writer,
    verify_fork_proof,
)
from sheaf_protocol.merkle import require_included

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

OK: Final = "ok"


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


class _MerkleInput(msgspec.Struct, frozen=True, kw_only=True):
    index: Annotated[int, Meta(ge=0, le=MAX_INT)]
    leaf: Annotated[bytes, Meta(max_length=1_024)]
    path: Annotated[list[bytes], Meta(max_length=64)]
    root: Annotated[bytes, Meta(min_length=32, max_length=32)]
    size: Annotated[int, Meta(ge=0, le=MAX_INT)]


class _LogInput(msgspec.Struct, frozen=True, array_like=True):
    key_log: list[KeyOp]
    entries: list[Envelope]


class _CharterInput(msgspec.Struct, frozen=True, array_like=True):
    key_logs: list[list[KeyOp]]
    certificate: Certificate


def load(folder: Path) -> list[Vector]:
    """Return all vectors below a folder, by id; ValueError for a file that is none."""
    return [_read(folder, path) for path in sorted(folder.glob("*/*.json"))]


def run(vector: Vector) -> Result:
    """Return what this library makes of a vector's input."""
    try:
        return Result(code=OK, output=_READINGS[vector.chapter](vector.input))
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


def _encoding(data: bytes) -> bytes:
    check(data)
    return b""


def _identity(data: bytes) -> bytes:
    return fold_key_log(decode(data, list[KeyOp], limit=MAX_FRAME)).cid


def _envelope(data: bytes) -> bytes:
    envelope = decode(data, Envelope, limit=MAX_FRAME)
    verify_signature(envelope, open_header(envelope))
    if envelope.payload:
        check(body_of(envelope.payload))
    return envelope.id


def _log(data: bytes) -> bytes:
    given = decode(data, _LogInput, limit=MAX_FRAME)
    keys, head = fold_key_log(given.key_log), EMPTY
    for envelope in given.entries:
        header = open_header(envelope)
        require_writer(keys, header, envelope.id)
        require_next(head, header)
        verify_signature(envelope, header)
        head = Head(seq=header.seq, id=envelope.id, time_ms=header.time_ms)
    return head.id


def _fork_proof(data: bytes) -> bytes:
    return verify_fork_proof(decode_fork_proof(data)).wid


def _charter(data: bytes) -> bytes:
    given = decode(data, _CharterInput, limit=MAX_FRAME)
    logs = [fold_key_log(ops) for ops in given.key_logs]
    return found(given.certificate, {log.cid: log for log in logs}).fid


def _merkle(data: bytes) -> bytes:
    given = decode(data, _MerkleInput)
    require_included(given.leaf, given.index, given.size, given.path, given.root)
    return b""


_READINGS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "02-identity": _identity,
    "03-encoding": _encoding,
    "04-envelope": _envelope,
    "05-log": _log,
    "05-fork-proof": _fork_proof,
    "09-charter": _charter,
    "10-merkle": _merkle,
}
