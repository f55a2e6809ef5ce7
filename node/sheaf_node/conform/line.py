"""The lines in which a program judges vectors: a question for each, and its answer.

`docs/conformance.md` writes them down for other implementers.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from sheaf_protocol.errors import Refusal

MAX_LINE: Final = 1_048_576
"""Bytes of a line, 1 MiB: the longest question has 0.13, the longest answer 3 KiB."""
_SHOWN: Final = 200
"""Characters of a line that a sentence quotes."""
_UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)
"""What reading JSON raises: no JSON or another type, no UTF-8, too many brackets."""
_T = TypeVar("_T")


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A vector without its result."""

    id: str
    folder: str
    input: str
    """Hex."""


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a program made of a vector: `ok` or a code, or why it judges none of the kind."""

    id: str
    expect: Annotated[str, Meta(max_length=65)] | None = None
    output: str | None = None
    """Lower-case hex."""
    skip: str | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where it is both a result and none, or neither."""
        if (self.expect is None) == (self.skip is None):
            raise ValueError("expected either expect or skip")


class _Named(msgspec.Struct):
    id: str


def encode_line(value: Question | Answer) -> bytes:
    """Return the line that holds a question or an answer."""
    return msgspec.json.encode(value) + b"\n"


def decode_question(line: bytes) -> Question:
    """Return the question on a line. Raises Refusal `conform.line`."""
    question = _decoded(line, Question)
    if question is None:
        raise Refusal("conform.line", f"expected the question of a vector, got {shown(line)}")
    return question


def decode_answer(line: bytes) -> Answer | None:
    """Return the answer on a line, None where there is none. Keys that it need not have pass."""
    return _decoded(line, Answer)


def named_in(line: bytes) -> str | None:
    """Return the id on a line, whatever else is there, and None where there is no id."""
    named = _decoded(line, _Named)
    return None if named is None else named.id


def shown(line: bytes) -> str:
    """Return the beginning of a line as text that a sentence can quote."""
    text = line[:_SHOWN].decode(errors="backslashreplace").rstrip("\r\n")
    return f"{text}.. ({len(line)} bytes)" if len(line) > _SHOWN else text or "an empty line"


def _decoded(line: bytes, type_: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(line, type=type_)
    except _UNREADABLE:
        return None
