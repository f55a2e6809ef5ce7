"""Which regular expressions a schema may hold: those whose search is sure to end soon.

Python's engine tries, at worst, each way in which the repeats of an expression share out a text. So
an expression is a row of single characters and classes, each with its repeat, from the beginning of
the text on; there are no groups and no choices. Then the ways are at most the product of what each
repeat leaves open, which is known before any text is.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from sheaf_protocol.limits import MAX_TEXT

MAX_PATTERN: Final = 256
"""Characters; the longest of our own schemas has 40."""
MOST_WAYS: Final = 1 << 20
"""Ways of sharing out a text: about 20 ms. One open repeat leaves room for 64 others' choices."""
_ATOM: Final = re.compile(
    r"(?P<escape>\\[dw.\\/^$*+?()\[\]{}|-])"
    r"|(?P<any>\.)"
    r"|(?P<set>\[\^?(?:\\[dw.\\/^$*+?()\[\]{}|-]|[^\[\]\\^])+\])"
    r"|(?P<plain>[^\\.\[\]()|*+?{}^$])"
)
_REPEAT: Final = re.compile(r"[?*+]|\{([0-9]{1,5})(?:(,)([0-9]{1,5})?)?\}")
_CLASSES: Final = {r"\d": "0-9", r"\w": "A-Za-z0-9_"}
_UNCLEAR: Final = re.compile(r"--|\\[dw]-[^\]]|[^\[]-\\[dw]|[\n\r]")
"""Ranges that begin or end with a class, or with another range."""
_ONCE: Final = (1, 1)


class PatternFault(ValueError):
    """An expression that a schema may not hold; the text says why."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """An expression that may be tried on any text."""

    expression: re.Pattern[str]
    choices: tuple[int, ...]
    """How many lengths each of its repeats leaves open."""
    least: int
    """Characters that it takes at the very least."""

    def ways(self, size: int) -> int:
        """Return in how many ways it may share out a text of so many characters, at most."""
        return math.prod(min(each, size + 1) for each in self.choices)

    def looks(self, size: int) -> int:
        """Return how many characters it looks at in such a text, at most, in all of these ways."""
        return self.ways(size) * min(self.least, size)

    def fits(self, text: str) -> bool:
        """Return whether the text is as the expression has it."""
        return self.expression.match(text) is not None


def read_pattern(text: str) -> Pattern:
    """Return the expression as JSON Schema means it. Raises PatternFault."""
    if len(text) > MAX_PATTERN:
        raise PatternFault(f"expected at most {MAX_PATTERN} characters of pattern")
    if not text.startswith("^"):
        raise PatternFault("expected a pattern that begins with ^")
    parts, choices, least = _parts(text)
    if math.prod(choices) > MOST_WAYS:
        raise PatternFault("expected a pattern with fewer or shorter repeats")
    try:
        return Pattern(re.compile("".join(parts)), tuple(choices), least)
    except (re.error, OverflowError) as exc:
        raise PatternFault(f"expected a regular expression: {exc}") from exc


def _parts(text: str) -> tuple[list[str], list[int], int]:
    parts, choices, shortest, at = [], [], 0, 1
    while at < len(text):
        if text[at:] == "$":
            parts.append(r"\Z")  # `$` of Python would let a line end follow
            break
        atom = _ATOM.match(text, at)
        if atom is None:
            detail = "expected a character, an escape or a class, without groups and choices"
            raise PatternFault(f"{detail}, got {text[at : at + 8]!r}")
        repeat = _REPEAT.match(text, atom.end())
        least, most = _ONCE if repeat is None else _bounds(repeat)
        choices.append(most - least + 1)
        shortest += least
        parts.append(_python(atom) + ("" if repeat is None else repeat[0]))
        at = atom.end() if repeat is None else repeat.end()
    return parts, choices, shortest


def _bounds(repeat: re.Match[str]) -> tuple[int, int]:
    sign = repeat[0]
    if sign == "?":
        return 0, 1
    if sign in "*+":
        return 0, MAX_TEXT
    least = int(repeat[1])
    most = least if repeat[2] is None else MAX_TEXT if repeat[3] is None else int(repeat[3])
    if not least <= most <= MAX_TEXT:
        raise PatternFault(f"expected a repeat up to {MAX_TEXT}, got {sign}")
    return least, most


def _python(atom: re.Match[str]) -> str:
    r"""Return the atom for Python, where \d and \w would take digits and letters of all scripts."""
    if atom["escape"] in _CLASSES:
        return f"[{_CLASSES[atom['escape']]}]"
    if atom["any"]:
        return "[^\n\r\u2028\u2029]"
    if atom["set"]:
        return _set(atom["set"])
    return re.escape(atom["plain"]) if atom["plain"] else atom["escape"]


def _set(text: str) -> str:
    if _UNCLEAR.search(text):
        raise PatternFault(f"expected a class of single characters and ranges, got {text[:20]!r}")
    # Python keeps doubled signs for sets of later versions, and warns of them.
    tokens = (_CLASSES.get(each, each) for each in re.findall(r"\\.|[^\\]", text))
    return "".join(f"\\{each}" if each in {"&", "~", "|"} else each for each in tokens)
