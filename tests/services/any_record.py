"""Strategies for any record that its schema lets pass, made from the schema itself.

Ids come from a small pool, so that records name one another as often as not.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import UNSET, inspect

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import CoopId, EntryId, WriterId
from sheaf_protocol.records import KINDS

ENTRIES = [EntryId(bytes([n]) * 32) for n in range(1, 9)]
AUTHORS = [(CoopId(bytes([n]) * 32), WriterId(bytes([n]) * 32)) for n in range(101, 104)]
_IDS = [*ENTRIES, *(cid for cid, _ in AUTHORS)]
_TEXTS = ("a", "A", "ok", "pool.too_few", "GBP", "KGM", "1/1", "NORTH", "US", "GBLON", "0" * 13,
          "single_offer_all_units/1", "proportional/1", "proportional_to_baseline/1")  # fmt: skip


def records(kind: str) -> st.SearchStrategy[Any]:
    """Return valid records of a kind."""
    return _struct(KINDS[kind]).flatmap(st.just)


def _struct(type_: type) -> st.SearchStrategy[Any]:
    info = inspect.type_info(type_)
    fields = {
        field.name: _value(field.type) if field.required else st.just(UNSET) | _value(field.type)
        for field in info.fields
    }
    if type_.__name__ == "TravelTable":
        fields |= {"size": st.just(2), "rows": st.integers(1, 2), "first_row": st.integers(0, 1)}
        fields["seconds"] = st.sampled_from([bytes(8), bytes(16), b"\0\0\0\1" * 4])
    return st.fixed_dictionaries(fields).map(lambda made: _made(type_, made)).filter(bool)


def _made(type_: type, fields: dict[str, Any]) -> Any:
    """Return the struct, or None where a rule over several fields forbids it."""
    try:
        made = type_(**fields)
        return decode(encode(made), type_)
    except (ValueError, msgspec.ValidationError):
        return None
    except Exception as exc:
        if getattr(exc, "code", "") == "schema.invalid":
            return None
        raise


def _value(of: inspect.Type) -> st.SearchStrategy[Any]:
    match of:
        case inspect.StructType(cls=cls):
            return _struct(cls)
        case inspect.ListType(item_type=item, min_length=low, max_length=high):
            return st.lists(_value(item), min_size=low or 0, max_size=min(high or 3, 3))
        case inspect.IntType(ge=low, le=high):
            small = st.integers(low, min(high, low + 5))
            return st.one_of(small, small, st.integers(low, high))
        case inspect.LiteralType(values=values):
            return st.sampled_from(values)
    return st.booleans() if isinstance(of, inspect.BoolType) else _bytes_or_text(of)


def _bytes_or_text(of: inspect.Type) -> st.SearchStrategy[Any]:
    match of:
        case inspect.BytesType(min_length=32):
            return st.sampled_from(_IDS)
        case inspect.BytesType(min_length=low):
            return st.binary(min_size=low or 0, max_size=max(16, low or 0))
        case inspect.StrType(pattern=pattern):
            return st.sampled_from([t for t in _TEXTS if re.search(pattern or "", t)])
    raise TypeError(of)
