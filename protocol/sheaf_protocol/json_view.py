"""The JSON view of records: for people and programs, never signed (spec 03, section 7).

Bytes, and so all ids, keys and hashes, are lower-case hex; integers are JSON numbers, which hold
them exactly because none exceeds 2^53-1.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from sheaf_protocol.errors import LocalProtocolError

T = TypeVar("T")


def to_json(value: object) -> Any:
    """Return a struct as plain JSON values; keys that are absent stay absent."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, msgspec.Struct):
        pairs = ((name, getattr(value, name)) for name in value.__struct_fields__)
        return {name: to_json(item) for name, item in pairs if item is not msgspec.UNSET}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def from_json(value: Any, type_: type[T]) -> T:
    """Return the struct of plain JSON values. Raises LocalProtocolError `schema.invalid`."""
    try:
        plain = _from_hex(value, inspect.type_info(type_))
        return msgspec.convert(plain, type_, builtin_types=(bytes,))
    except ValueError as exc:
        raise LocalProtocolError("schema.invalid", str(exc)) from exc


def _from_hex(value: Any, info: inspect.Type) -> Any:
    """Return plain JSON with the texts that the type calls bytes turned into bytes."""
    if isinstance(info, inspect.BytesType) and isinstance(value, str):
        return bytes.fromhex(value)
    if isinstance(info, inspect.ListType) and isinstance(value, list):
        return [_from_hex(item, info.item_type) for item in value]
    if isinstance(info, inspect.StructType) and isinstance(value, dict):
        types = {field.encode_name: field.type for field in info.fields}
        return {key: _from_hex(v, types[key]) if key in types else v for key, v in value.items()}
    return value
