"""Whether a record fits its kind's schema: a walk of known cost over both.

Each schema that is tried on a value costs a step, and so does what is compared. Whoever asks says
how many steps it is worth; a schema that refers to itself for ever ends there like any other that
takes too long. Nothing of the protocol follows from the answer (VER-8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sheaf_node.kinds.schema import TYPES, Schema, referred
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from sheaf_node.kinds.schema import ExtensionKind

MOST_STEPS: Final = 20_000
"""For one record that is published: a thousand lines of six keys, and about 50 ms."""
MOST_TOLD: Final = 16
"""Misfits of one record that are told."""
_MAX_REFERENCES: Final = 64
"""References within one another."""
_WAYS_A_STEP: Final = 256
"""Ways of an expression that take as long as a step."""
_LOOKS_A_STEP: Final = 2_048
"""Characters that an expression looks at meanwhile, each way anew."""
_TEXT_A_STEP: Final = 1_024
"""Characters that are compared in the time of a step."""


class Costly(Exception):
    """The steps were used up."""


class Budget:
    """Steps that somebody has left."""

    def __init__(self, steps: int = MOST_STEPS) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        """Use up steps. Raises Costly."""
        self.left -= steps
        if self.left < 0:
            raise Costly


@dataclass(frozen=True, slots=True)
class Misfit:
    """One place at which a record does not fit."""

    pointer: str
    """Where, as a JSON Pointer into the record."""
    message: str


def misfits(kind: ExtensionKind, record: Any, budget: Budget | None = None) -> list[Misfit]:
    """Return where a record, as its JSON view, does not fit; the first `MOST_TOLD`.

    Raises Refusal `kind.costly`.
    """
    walk = _Walk(kind, Budget() if budget is None else budget)
    try:
        return list(islice(walk.misfits(kind.schema, record, "", 0), MOST_TOLD))
    except (Costly, RecursionError) as exc:
        detail = f"expected a record that is checked against {kind.kind} in fewer steps"
        raise Refusal("kind.costly", detail) from exc


class _Walk:
    def __init__(self, kind: ExtensionKind, budget: Budget) -> None:
        self._defs: Mapping[str, Schema] = kind.schema.get("$defs", {})
        self.patterns, self.budget = kind.patterns, budget

    def misfits(self, schema: Schema, value: Any, at: str, depth: int) -> Iterator[Misfit]:
        """Yield where a value does not fit. `depth` counts references within one another."""
        self.budget.spend(1)
        if isinstance(schema, bool):
            if not schema:
                yield Misfit(at, "expected nothing here")
            return
        for keyword, said in schema.items():
            rule = _RULES.get(keyword)
            if rule is not None:
                yield from rule(_Here(self, schema, value, at, depth), said)

    def follow(self, said: str, value: Any, at: str, depth: int) -> Iterator[Misfit]:
        """Yield where a value does not fit the schema that a reference leads to."""
        if depth >= _MAX_REFERENCES:
            raise Costly
        yield from self.misfits(self._defs[referred(said)], value, at, depth + 1)


@dataclass(frozen=True, slots=True)
class _Here:
    """A value at its place, and the schema that is tried on it."""

    walk: _Walk
    schema: Mapping[str, Any]
    value: Any
    at: str
    depth: int

    def fault(self, message: str) -> Misfit:
        return Misfit(self.at, message)

    def part(self, schema: Schema, step: object, value: Any) -> Iterator[Misfit]:
        """Yield where a part of the value does not fit."""
        name = str(step).replace("~", "~0").replace("/", "~1")
        return self.walk.misfits(schema, value, f"{self.at}/{name}", self.depth)

    def tried(self, schema: Schema) -> Iterator[Misfit]:
        """Yield where the value itself does not fit another schema."""
        return self.walk.misfits(schema, self.value, self.at, self.depth)

    def fits(self, schema: Schema) -> bool:
        return next(self.tried(schema), None) is None


def _key(here: _Here, value: Any) -> Any:
    """Return what two values have alike where JSON Schema calls them equal: 1 is not true."""
    here.walk.budget.spend(1 + (len(value) // _TEXT_A_STEP if isinstance(value, str) else 0))
    if isinstance(value, dict):
        return frozenset((name, _key(here, part)) for name, part in value.items())
    if isinstance(value, list):
        return tuple(_key(here, part) for part in value)
    return type(value), value


def _type(here: _Here, said: Any) -> Iterator[Misfit]:
    named = said if isinstance(said, list) else [said]
    if not any(_is_of(here.value, each) for each in named):
        yield here.fault(f"expected {' or '.join(named)}")


def _is_of(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, TYPES[name])


def _enum(here: _Here, said: Any) -> Iterator[Misfit]:
    wanted = _key(here, here.value)
    if all(_key(here, each) != wanted for each in said):
        yield here.fault("expected one of the values that the schema lists")


def _const(here: _Here, said: Any) -> Iterator[Misfit]:
    if _key(here, here.value) != _key(here, said):
        yield here.fault("expected the value that the schema names")


def _properties(here: _Here, said: Any) -> Iterator[Misfit]:
    if isinstance(here.value, dict):
        for name, schema in said.items():
            if name in here.value:
                yield from here.part(schema, name, here.value[name])


def _additional(here: _Here, said: Any) -> Iterator[Misfit]:
    if isinstance(here.value, dict):
        known = here.schema.get("properties", {})
        for name, part in here.value.items():
            if name not in known:
                yield from here.part(said, name, part)


def _names(here: _Here, said: Any) -> Iterator[Misfit]:
    if isinstance(here.value, dict):
        for name in here.value:
            yield from here.walk.misfits(said, name, here.at, here.depth)


def _required(here: _Here, said: Any) -> Iterator[Misfit]:
    if isinstance(here.value, dict):
        for name in said:
            here.walk.budget.spend(1)
            if name not in here.value:
                yield here.fault(f"expected the key {name[:40]!r}")


def _items(here: _Here, said: Any) -> Iterator[Misfit]:
    if isinstance(here.value, list):
        for number, part in enumerate(here.value):
            yield from here.part(said, number, part)


def _unique(here: _Here, said: Any) -> Iterator[Misfit]:
    if not said or not isinstance(here.value, list):
        return
    if len({_key(here, part) for part in here.value}) < len(here.value):
        yield here.fault("expected each item once")


def _pattern(here: _Here, said: Any) -> Iterator[Misfit]:
    if isinstance(here.value, str):
        pattern = here.walk.patterns[said]
        size = len(here.value)
        here.walk.budget.spend(pattern.ways(size) // _WAYS_A_STEP)
        here.walk.budget.spend(pattern.looks(size) // _LOOKS_A_STEP)
        if not pattern.fits(here.value):
            yield here.fault(f"expected text like {said}")


def _reference(here: _Here, said: Any) -> Iterator[Misfit]:
    return here.walk.follow(said, here.value, here.at, here.depth)


def _all(here: _Here, said: Any) -> Iterator[Misfit]:
    for schema in said:
        yield from here.tried(schema)


def _any(here: _Here, said: Any) -> Iterator[Misfit]:
    if not any(here.fits(schema) for schema in said):
        yield here.fault("expected one of the forms that the schema lists")


def _one(here: _Here, said: Any) -> Iterator[Misfit]:
    if sum(here.fits(schema) for schema in said) != 1:
        yield here.fault("expected exactly one of the forms that the schema lists")


def _not(here: _Here, said: Any) -> Iterator[Misfit]:
    if here.fits(said):
        yield here.fault("expected another form than that which the schema excludes")


_Rule: TypeAlias = Callable[[_Here, Any], Iterator[Misfit]]


def _size(type_: type[dict[Any, Any] | list[Any] | str], unit: str, *, most: bool) -> _Rule:
    def rule(here: _Here, said: Any) -> Iterator[Misfit]:
        if isinstance(here.value, type_):
            size = len(here.value)
            if size > said if most else size < said:
                yield here.fault(f"expected at {'most' if most else 'least'} {said} {unit}")

    return rule


def _number(fits: Callable[[int, int], bool], words: str) -> _Rule:
    def rule(here: _Here, said: Any) -> Iterator[Misfit]:
        if type(here.value) is int and not fits(here.value, said):
            yield here.fault(f"expected {words} {said}")

    return rule


_RULES: Final[Mapping[str, _Rule]] = {
    "$ref": _reference,
    "type": _type,
    "enum": _enum,
    "const": _const,
    "properties": _properties,
    "additionalProperties": _additional,
    "propertyNames": _names,
    "required": _required,
    "minProperties": _size(dict, "keys", most=False),
    "maxProperties": _size(dict, "keys", most=True),
    "items": _items,
    "minItems": _size(list, "items", most=False),
    "maxItems": _size(list, "items", most=True),
    "uniqueItems": _unique,
    "minLength": _size(str, "characters", most=False),
    "maxLength": _size(str, "characters", most=True),
    "pattern": _pattern,
    "minimum": _number(lambda value, said: value >= said, "at least"),
    "maximum": _number(lambda value, said: value <= said, "at most"),
    "exclusiveMinimum": _number(lambda value, said: value > said, "more than"),
    "exclusiveMaximum": _number(lambda value, said: value < said, "less than"),
    "multipleOf": _number(lambda value, said: value % said == 0, "a multiple of"),
    "allOf": _all,
    "anyOf": _any,
    "oneOf": _one,
    "not": _not,
}
