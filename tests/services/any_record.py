"""Strategies for any record that its schema lets pass, made from the schema itself.

Ids come from a small pool, so that records name one another as often as not.
"""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st
from msgspec import inspect
from tests.spec.any_struct import any_leaf, instances

from sheaf_protocol.digest import CoopId, EntryId, WriterId
from sheaf_protocol.records import KINDS

ENTRIES = [EntryId(bytes([n]) * 32) for n in range(1, 9)]
AUTHORS = [(CoopId(bytes([n]) * 32), WriterId(bytes([n]) * 32)) for n in range(101, 104)]
_IDS = [*ENTRIES, *(cid for cid, _ in AUTHORS)]
_TEXTS = ("a", "A", "ok", "pool.too_few", "GBP", "KGM", "1/1", "NORTH", "US", "GBLON", "0" * 13,
          "single_offer_all_units/1", "proportional/1", "proportional_to_baseline/1")  # fmt: skip


def records(kind: str) -> st.SearchStrategy[Any]:
    """Return valid records of a kind."""
    return instances(KINDS[kind], _leaf)


def _leaf(of: inspect.Type) -> st.SearchStrategy[Any]:
    match of:
        case inspect.IntType(ge=low, le=high):
            small = st.integers(low, min(high, low + 5))
            return st.one_of(small, small, st.integers(low, high))
        case inspect.BytesType(min_length=32):
            return st.sampled_from(_IDS)
        case inspect.StrType(pattern=pattern):
            return st.sampled_from([t for t in _TEXTS if re.search(pattern or "", t)])
    return any_leaf(of)
