"""What a co-op and its counterparts say when a writer's log has lost its end (spec 18)."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from sheaf_protocol.digest import LogId
from sheaf_protocol.records.values import CoopRef, Count, EntryRef, Hash, WriterRef

MAX_ABSENT: Final = 1_024
"""As many as a federation has members."""
WRITER_KINDS: Final = frozenset(
    {"writer.lost", "writer.override", "writer.promise", "writer.succeed"}
)
"""The kinds of these records: what others are read by, so that all have to have them for good."""


class WriterLost(msgspec.Struct, frozen=True, kw_only=True):
    """The author's co-op no longer knows where the log of its writer `wid` ends.

    `seq` and `head` are the last place that it holds; 0 and zeros where it holds nothing.
    """

    head: Hash
    seq: Count
    wid: WriterRef


class WriterPromise(msgspec.Struct, frozen=True, kw_only=True):
    """The author takes nothing more of a lost log beyond this place until its writer is closed.

    `log` is the id of that log, so that the promise can be kept by whoever reads it alone.
    """

    head: Hash
    log: Annotated[LogId, Meta(min_length=32, max_length=32)]
    lost: EntryRef
    seq: Count


class WriterSucceed(msgspec.Struct, frozen=True, kw_only=True):
    """The author's writer goes on where the log of the closed writer `wid` was cut."""

    head: Hash
    seq: Count
    wid: WriterRef


class WriterOverride(msgspec.Struct, frozen=True, kw_only=True):
    """The author's operator does without the promises of these members."""

    absent: Annotated[list[CoopRef], Meta(min_length=1, max_length=MAX_ABSENT)]
    lost: EntryRef
