"""Which of several is meant by the first digits of its id, as people and programs type them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")
TOLD: Final = 64
"""Characters of what was typed that are told again: as many as a whole id has."""
_DIGITS: Final = re.compile(r"[0-9a-f]+")


def fitting(items: Iterable[T], id_of: Callable[[T], str], text: str, least: int = 1) -> list[T]:
    """Return those whose id, in hex, begins with `text`; none where that is under `least` digits.

    Digits may be typed in either case.
    """
    wanted = text.lower()
    if len(wanted) < least or not _DIGITS.fullmatch(wanted):
        return []
    return [each for each in items if id_of(each).startswith(wanted)]


def only(found: list[T], code: str, expected: str, text: str) -> T:
    """Return what was found if that is one. Raises Refusal `code`, with what was `expected`."""
    if len(found) != 1:
        raise Refusal(code, f"expected {expected}, got {text[:TOLD]!r}: {len(found)} fit")
    return found[0]
