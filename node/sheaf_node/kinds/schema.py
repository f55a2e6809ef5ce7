"""A file that defines an extension's kind: a JSON Schema in a closed vocabulary, read and checked.

A schema is a program that runs on whatever others publish. So it is of JSON Schema 2020-12 without
all that fetches, that changes what names mean, or whose cost is not known: references lead into
`$defs` of the same file, and what is not listed here is refused and not passed over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sheaf_node.kinds.pattern import Pattern, PatternFault, read_pattern
from sheaf_protocol.errors import LocalProtocolError, Refusal
from sheaf_protocol.json_view import read_json
from sheaf_protocol.records.extension import FORM, MAX_KIND, is_extension

Schema: TypeAlias = "Mapping[str, Any] | bool"

MAX_FILE: Final = 65_536
"""Bytes: as much as a payload, and eight times the largest schema of our own records."""
MOST_PARTS: Final = 512
"""Schemas in one file, each property's among them."""
MAX_NESTING: Final = 16
"""Schemas within schemas; values nest to eight levels."""
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
ID_PREFIX: Final = "urn:sheaf:1:"
TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "array": list,
    "boolean": bool,
    "integer": int,
    "number": int,
    "object": dict,
    "string": str,
}
"""Types of JSON Schema, without null, which CMP-1 does not have; numbers are integers."""
_REF: Final = "#/$defs/"
_TEXTS: Final = frozenset({"$comment", "title", "description", "format"})
_SHOWN: Final = frozenset({"default", "examples", "deprecated", "readOnly", "writeOnly"})
_ROOT: Final = frozenset({"$schema", "$id", "$defs"})
_COUNTS: Final = frozenset(
    {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}
)
_NUMBERS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_ONE_SCHEMA: Final = frozenset({"additionalProperties", "items", "not", "propertyNames"})
_SCHEMAS: Final = frozenset({"allOf", "anyOf", "oneOf"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtensionKind:
    """A kind that a co-op installed."""

    kind: str
    schema: Mapping[str, Any]
    patterns: Mapping[str, Pattern]
    """The expressions of the schema, by their text."""
    data: bytes
    """The file as it came."""

    @property
    def title(self) -> str:
        """What the kind is called for people; empty where the schema does not say."""
        return str(self.schema.get("title", ""))

    @property
    def description(self) -> str:
        """What the kind is for; empty where the schema does not say."""
        return str(self.schema.get("description", ""))


class _Fault(ValueError):
    """What is wrong with a schema; `args` are where, and what."""


def read_kind(data: bytes) -> ExtensionKind:
    """Return the kind that a file defines. Raises Refusal `kind.file`, saying where it is wrong."""
    if len(data) > MAX_FILE:
        raise Refusal("kind.file", f"expected at most {MAX_FILE} bytes, got {len(data)}")
    try:
        schema = read_json(data)
        # A half of a surrogate pair, which JSON may spell, is no text and fits in no answer.
        json.dumps(schema, ensure_ascii=False).encode()
    except (LocalProtocolError, UnicodeEncodeError) as exc:
        raise Refusal("kind.file", f"expected a JSON Schema in UTF-8: {exc}") from exc
    reading = _Reading()
    try:
        kind = _kind_of(schema)
        reading.read_root(schema)
    except _Fault as exc:
        where, what = exc.args
        raise Refusal("kind.file", f"{what}, at {where or 'the top'} of the schema") from exc
    return ExtensionKind(kind=kind, schema=schema, patterns=reading.patterns, data=data)


def _kind_of(schema: Any) -> str:
    if not isinstance(schema, dict):
        raise _Fault("", "expected an object")
    named = schema.get("$id")
    if not isinstance(named, str) or not named.startswith(ID_PREFIX):
        raise _Fault("/$id", f"expected {ID_PREFIX}{FORM}")
    kind = named.removeprefix(ID_PREFIX)
    if not is_extension(kind):
        detail = f"expected {FORM} of a-z, 0-9 and _, {MAX_KIND} characters at most"
        raise _Fault("/$id", f"{detail}, got {kind[:40]!r}")
    if schema.get("$schema", DIALECT) != DIALECT:
        raise _Fault("/$schema", f"expected {DIALECT}")
    if schema.get("type") != "object":
        raise _Fault("/type", "expected object: a record is one")
    return kind


class _Reading:
    """One pass over a schema. Raises _Fault at the first place that is wrong."""

    def __init__(self) -> None:
        self.patterns: dict[str, Pattern] = {}
        self._defined: frozenset[str] = frozenset()
        self._parts = 0

    def read_root(self, schema: Mapping[str, Any]) -> None:
        """Read the whole file."""
        defined = schema.get("$defs", {})
        if not isinstance(defined, dict):
            raise _Fault("/$defs", "expected an object of schemas")
        self._defined = frozenset(defined)
        for name, part in defined.items():
            self._read(part, f"/$defs/{name}", 1)
        self._read({key: said for key, said in schema.items() if key not in _ROOT}, "", 0)

    def _read(self, schema: Any, at: str, depth: int) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS or depth > MAX_NESTING:
            detail = f"expected at most {MOST_PARTS} schemas, {MAX_NESTING} within one another"
            raise _Fault(at, detail)
        if isinstance(schema, bool):
            return
        if not isinstance(schema, dict):
            raise _Fault(at, "expected a schema")
        for keyword, said in schema.items():
            self._read_keyword(keyword, said, f"{at}/{keyword}", depth)

    def _read_keyword(self, keyword: str, said: Any, at: str, depth: int) -> None:
        if keyword in _ONE_SCHEMA:
            self._read(said, at, depth + 1)
        elif keyword in _SCHEMAS:
            for number, part in enumerate(_filled_list(said, at)):
                self._read(part, f"{at}/{number}", depth + 1)
        elif keyword == "properties":
            for name, part in _object(said, at).items():
                self._read(part, f"{at}/{name}", depth + 1)
        elif keyword == "pattern":
            self.patterns[said] = _pattern(said, at)
        elif keyword == "$ref":
            self._require_defined(said, at)
        else:
            _require_value(keyword, said, at)

    def _require_defined(self, said: Any, at: str) -> None:
        # Whatever else it is, it is not fetched: neither an address nor a path into the file.
        if not isinstance(said, str) or said.removeprefix(_REF) not in self._defined:
            raise _Fault(at, f"expected {_REF}NAME of this file")


def referred(said: str) -> str:
    """Return the name in `$defs` that a checked reference leads to."""
    return said.removeprefix(_REF)


def _require_value(keyword: str, said: Any, at: str) -> None:
    if keyword in _SHOWN:
        return
    wanted = _VALUES.get(keyword)
    if wanted is None:
        raise _Fault(at, f"expected a keyword that this node knows, got {keyword[:40]!r}")
    fits, expected = wanted
    if not fits(said):
        raise _Fault(at, f"expected {expected}")


def _is_whole(said: Any) -> bool:
    return type(said) is int


def _is_count(said: Any) -> bool:
    return type(said) is int and said >= 0


def _is_type(said: Any) -> bool:
    named = said if isinstance(said, list) else [said]
    return bool(named) and all(isinstance(each, str) and each in TYPES for each in named)


def _are_names(said: Any) -> bool:
    return isinstance(said, list) and all(isinstance(each, str) for each in said)


_Wanted: TypeAlias = tuple[Callable[[Any], bool], str]
_VALUES: Final[Mapping[str, _Wanted]] = {
    **dict.fromkeys(_TEXTS, (lambda said: isinstance(said, str), "a text")),
    **dict.fromkeys(_COUNTS, (_is_count, "a whole number, 0 or more")),
    **dict.fromkeys(_NUMBERS, (_is_whole, "a whole number")),
    "type": (_is_type, f"one or several of {', '.join(TYPES)}"),
    "enum": (lambda said: isinstance(said, list) and bool(said), "a list of values"),
    "const": (lambda said: said is not None, "a value"),
    "required": (_are_names, "a list of names"),
    "multipleOf": (lambda said: _is_count(said) and said > 0, "a whole number, 1 or more"),
    "uniqueItems": (lambda said: isinstance(said, bool), "true or false"),
}


def _pattern(said: Any, at: str) -> Pattern:
    if not isinstance(said, str):
        raise _Fault(at, "expected a text")
    try:
        return read_pattern(said)
    except PatternFault as exc:
        raise _Fault(at, str(exc)) from exc


def _object(said: Any, at: str) -> Mapping[str, Any]:
    if not isinstance(said, dict):
        raise _Fault(at, "expected an object of schemas")
    return said


def _filled_list(said: Any, at: str) -> list[Any]:
    if not isinstance(said, list) or not said:
        raise _Fault(at, "expected a list of schemas")
    return said
