"""What a fuzz target is: a module of this folder with `run`, `seeds` and `TOKENS`.

`run(data)` returns for every input, or raises: any exception is a finding. It draws all choices
from the input and none from elsewhere, so a finding repeats from its bytes alone, and the kept
corpus is a plain test of the default suite.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TARGETS: Final = ("codec", "envelope", "fork_proof", "key_log", "link")
FOLDER: Final = Path(__file__).parent / "corpus"
MAX_SEED: Final = 1_100
"""Bytes of a vector that is a seed: an array of one item too many is one, a payload too long not.
Long seeds make every mutation long, and slow."""
ROOT: Final = Path(__file__).parents[2]
CODES: Final = frozenset(
    row["code"] for row in json.loads((ROOT / "spec" / "errors.json").read_text())
)
"""All codes of chapter 12: a refusal by any other name is a finding."""


class Target(Protocol):
    """A module that can be fuzzed."""

    TOKENS: Sequence[bytes]
    """Byte strings that a mutation may put in."""

    def run(self, data: bytes) -> None:
        """Put the input through the code, and raise where a promise is broken."""

    def seeds(self) -> Iterator[bytes]:
        """Give inputs to begin with."""


def load(name: str) -> Target:
    """Return the target of a name."""
    return cast("Target", importlib.import_module(f"tests.fuzz.{name}"))


def vectors(*folders: str) -> Iterator[bytes]:
    """Give the inputs of the spec's vectors, the short ones."""
    for folder in folders:
        for path in sorted((ROOT / "spec" / "vectors" / folder).glob("*.json")):
            data = bytes.fromhex(json.loads(path.read_text())["input"])
            if len(data) <= MAX_SEED:
                yield data


def require(is_true: bool, promise: str) -> None:
    """Raise where a promise is broken; assert would vanish under -O."""
    if not is_true:
        raise BrokenPromise(promise)


def require_listed(code: str) -> None:
    """Raise where a refusal's code is none of chapter 12."""
    require(code in CODES, f"expected a code of errors.json, got {code}")


class BrokenPromise(Exception):
    """The code under test did something that the spec or its docstring rules out."""
