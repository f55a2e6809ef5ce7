"""What tests of the command line put in the place of a running node."""

from __future__ import annotations

from typing import Any

from sheaf_protocol.errors import Refusal


class FakeNode:
    """Answers as it is told to and keeps what it was asked; paths without the `base` of all."""

    def __init__(self, base: str = "") -> None:
        self.answer: Any = None
        self.asked: list[tuple[str, object]] = []
        self.body = b""
        self._base = base

    def get(self, path: str, query: object = None) -> Any:
        self.asked.append((path.removeprefix(self._base), query))
        if isinstance(self.answer, Refusal):
            raise self.answer
        return self.answer

    def post(self, path: str, body: bytes, query: object = None) -> Any:
        self.body = body
        return self.get(path, query)
