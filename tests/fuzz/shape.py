"""Values of nearly the right shape for a wire type, read off the type itself.

A byte fuzzer seldom meets a record with nine fields. Given the shape, it chooses the values: on a
bound, beyond it, a field left out, a key of a later version, another type altogether.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import inspect

if TYPE_CHECKING:
    from tests.fuzz.choice import Choices

MAX_INT: Final = 2**53 - 1
_TEXTS: Final = (
    "a", "GBP", "KGM", "GB", "ok", "log.gap", "1/1", "rule/1", "0" * 13, "GBLON", "x.note",
    "", "\x00", "a\x00", "\x1f", "\x7f", "é", "e\u0301", "a\n", "A" * 65, "b" * 1_001, "c" * 16_385,
    "inception", "delegate", "close", "writer", "prekey", "\U0001f600", "\ufffe",
)  # fmt: skip
_INTS: Final = (0, 1, 2, 127, 128, 255, 256, 65_535, 65_536, 2**32, MAX_INT, MAX_INT + 1, -1, -33)
_MOST: Final = 4
"""Items of a list, unless it must have more."""


def plain(of: inspect.Type, choices: Choices) -> object:
    """Return a value for a type, right as a rule and wrong now and then."""
    if not choices.often():
        return _other(choices)
    match of:
        case inspect.StructType():
            return _struct(of, choices)
        case inspect.ListType(item_type=item, min_length=low, max_length=high):
            count = _length(low, high, choices, most=_MOST)
            return [plain(item, choices) for _ in range(count)]
        case inspect.UnionType(types=types):
            return plain(choices.of([t for t in types if not _is_unset(t)]), choices)
        case _:
            return _leaf(of, choices)


def _leaf(of: inspect.Type, choices: Choices) -> object:
    match of:
        case inspect.LiteralType(values=values):
            return choices.of(values)
        case inspect.BoolType():
            return choices.below(2) == 1
        case inspect.IntType(ge=low, le=high):
            edges = [e for e in (low, high) if e is not None]
            return choices.of([*edges, *edges, *(e - 1 for e in edges), *(e + 1 for e in edges),
                               *_INTS])  # fmt: skip
        case inspect.StrType():
            drawn = choices.below(len(_TEXTS) + 1)
            return choices.some().decode(errors="ignore") if drawn == len(_TEXTS) else _TEXTS[drawn]
        case inspect.BytesType(min_length=low, max_length=high):
            return choices.take(1) * _length(low, high, choices, most=100)
        case _:
            raise TypeError(f"expected a type of the wire, got {of}")


def _struct(of: inspect.StructType, choices: Choices) -> object:
    if of.array_like:
        head = [of.tag] if of.tag is not None else []
        items = [*head, *(plain(field.type, choices) for field in of.fields)]
        return items if choices.often() else items[: choices.below(len(items) + 1)]
    made = {
        field.encode_name: plain(field.type, choices)
        for field in of.fields
        if field.required or choices.below(2)
    }
    if not choices.often():
        made[choices.of(("zz_later", "aa_later", *made))] = _other(choices)
    return made


def _length(low: int | None, high: int | None, choices: Choices, *, most: int) -> int:
    low = low or 0
    drawn = choices.below(most + 3)
    if drawn == most + 1:
        return low - 1 if low else 0
    if drawn == most + 2 and high is not None and high <= 2_000:
        return high + 1
    return low + (drawn if high is None else min(drawn, high - low))


def _other(choices: Choices) -> object:
    """Return a value that has nothing to do with the type."""
    return choices.of(
        [0, MAX_INT + 1, -(2**63), 2**64 - 1, "", "a\x00", b"", bytes(33), True, [], [[]], {},
         {"a": {}}, [[[[[[[[]]]]]]]], [[[[[[[[[]]]]]]]]]]
    )  # fmt: skip


def _is_unset(of: inspect.Type) -> bool:
    return type(of).__name__ in {"UnsetType", "NoneType"}
