"""The JSON view of structs: for people and programs, never signed (spec 03, section 7).

Bytes, and so all ids, keys and hashes, are lower-case hex; integers are JSON numbers, which hold
them exactly because none exceeds 2^53-1. A struct that travels as an array is an array here too.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, TypeVar

import msgspec
from msgspec import inspect

from sheaf_protocol.errors import LocalProtocolError

T = TypeVar("T")
_SHAPES: Final[dict[type, inspect.Type]] = {}

_INTEGER: Final = re.compile(r"(0|-?[1-9][0-9]*)\Z")
_HEX: Final = re.compile(r"([0-9a-f]{2})*\Z")


def to_json(value: object) -> Any:
    """Return a struct as plain JSON values; keys that are absent stay absent."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, msgspec.Struct):
        pairs = ((name, getattr(value, name)) for name in value.__struct_fields__)
        fields = {name: to_json(item) for name, item in pairs if item is not msgspec.UNSET}
        return list(fields.values()) if value.__struct_config__.array_like else fields
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def read_json(data: bytes) -> Any:
    """Return the plain values of a view's text, in which each value has one spelling.

    Raises LocalProtocolError `schema.invalid` for what is no JSON in UTF-8, an object that names a
    key twice, and numbers but integers (ENC-20, ENC-21).
    """
    try:
        return json.loads(
            data.decode(),
            object_pairs_hook=_object,
            parse_constant=_integer,
            parse_float=_integer,
            parse_int=_integer,
        )
    except (ValueError, RecursionError) as exc:
        raise LocalProtocolError("schema.invalid", str(exc)) from exc


def from_json(value: Any, type_: type[T]) -> T:
    """Return the struct of plain JSON values. Raises LocalProtocolError `schema.invalid`."""
    try:
        plain = _from_hex(value, _shape(type_))
        return msgspec.convert(plain, type_, builtin_types=(bytes,))
    except ValueError as exc:
        raise LocalProtocolError("schema.invalid", str(exc)) from exc


def _shape(type_: type) -> inspect.Type:
    """Return what a type is made of; finding it out costs more than a conversion."""
    if type_ not in _SHAPES:
        _SHAPES[type_] = inspect.type_info(type_)
    return _SHAPES[type_]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        # ENC-21: of two values one reader takes the first and another the last.
        raise ValueError("expected each key of an object once")
    return fields


def _integer(text: str) -> int:
    if not _INTEGER.match(text):
        raise ValueError(f"expected an integer without fraction or exponent, got {text[:40]}")
    return int(text)


def _from_hex(value: Any, info: inspect.Type) -> Any:
    """Return plain JSON with the texts that the type calls bytes turned into bytes."""
    if isinstance(info, inspect.BytesType) and isinstance(value, str):
        return _bytes(value)
    if isinstance(info, inspect.ListType) and isinstance(value, list):
        return [_from_hex(item, info.item_type) for item in value]
    if isinstance(info, inspect.StructType) and isinstance(value, dict):
        types = {field.encode_name: field.type for field in info.fields}
        return {key: _from_hex(v, types[key]) if key in types else v for key, v in value.items()}
    if isinstance(info, inspect.StructType) and isinstance(value, list):
        shapes = [field.type for field in info.fields]
        known = [_from_hex(v, of) for v, of in zip(value, shapes, strict=False)]
        return known + value[len(shapes) :]
    return value


def _bytes(text: str) -> bytes:
    # ENC-19: one spelling; `fromhex` alone would also take capitals and spaces.
    if not _HEX.match(text):
        raise ValueError(f"expected lower-case hex, two digits a byte, got {text[:40]!r}")
    return bytes.fromhex(text)
