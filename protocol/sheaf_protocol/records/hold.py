"""Holds: part of a capacity locked until the owner's deadline (spec 10, section 11).

The asker chooses the hold's id once, so asking again is the same hold. Only the owner of the
capacity decides, in its own log and by its own clock; nobody else's time extends anything.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from sheaf_protocol.records.values import EntryRef, Hash, Reason, TimeMs, Vector


class HoldRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for between `min` and `max` of a capacity; `group` joins holds that stand together."""

    capacity: EntryRef
    group: Hash
    hold: Hash
    hold_for_ms: Annotated[int, Meta(ge=1, le=30 * 86_400_000)]
    max: Vector
    min: Vector


class HoldGrant(msgspec.Struct, frozen=True, kw_only=True):
    """The owner locks an amount until its own deadline."""

    hold: Hash
    locked: Vector
    request: EntryRef
    until_ms: TimeMs


class HoldRefuse(msgspec.Struct, frozen=True, kw_only=True):
    """The owner does not lock anything, and says why."""

    hold: Hash
    reason: Reason
    request: EntryRef


class HoldConfirm(msgspec.Struct, frozen=True, kw_only=True):
    """The asker takes what was locked."""

    grant: EntryRef
    hold: Hash


class HoldConfirmed(msgspec.Struct, frozen=True, kw_only=True):
    """The owner had the confirmation before its deadline; the amount is the asker's."""

    confirm: EntryRef
    hold: Hash


class HoldRelease(msgspec.Struct, frozen=True, kw_only=True):
    """The asker gives back what was locked."""

    grant: EntryRef
    hold: Hash


class HoldRevoke(msgspec.Struct, frozen=True, kw_only=True):
    """The owner takes back what it had locked and not yet confirmed, and says why."""

    grant: EntryRef
    hold: Hash
    reason: Reason


class HoldExpired(msgspec.Struct, frozen=True, kw_only=True):
    """The owner's deadline passed without a confirmation; final."""

    grant: EntryRef
    hold: Hash
