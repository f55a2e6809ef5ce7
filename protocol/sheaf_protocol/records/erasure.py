"""Asking all members to delete a payload, and taking that back (spec 04, section 6; spec 10)."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from sheaf_protocol.records.values import EntryRef, Reason


class Erase(msgspec.Struct, frozen=True, kw_only=True):
    """The payload of an entry of the author's own co-op is to be deleted everywhere.

    `reason` is a code and no text, so that nothing has to be erased of an erase.
    """

    entry: EntryRef
    reason: Reason | UnsetType = UNSET


class Restore(msgspec.Struct, frozen=True, kw_only=True):
    """An erase of the author's own co-op was wrong; it counts for 72 hours after the erase."""

    erase: EntryRef
