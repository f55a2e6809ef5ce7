"""How the inputs of vectors on writers that follow on one another (chapter 18) are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import ZERO, CoopId, Digest, EntryId, FederationId, LogId, WriterId
from sheaf_protocol.identity import Cut, KeyOp, fold_key_log
from sheaf_protocol.limits import MAX_FRAME, MAX_INT, MAX_KEY_LOG
from sheaf_protocol.lineage import OPENING, Succession, lineage, owed
from sheaf_protocol.records import WriterLost, WriterPromise
from sheaf_protocol.records.values import CoopRef, EntryRef, Hash, WriterRef
from sheaf_protocol.recovering import (
    Lost,
    Promise,
    least_end,
    promised,
    required,
    to_promise,
    unheld,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sheaf_protocol.lineage import Lineage

_Fid: TypeAlias = Annotated[FederationId, Meta(min_length=32, max_length=32)]
_KeyOps: TypeAlias = Annotated[list[KeyOp], Meta(max_length=MAX_KEY_LOG)]
_LogRef: TypeAlias = Annotated[LogId, Meta(min_length=32, max_length=32)]
_Seq: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_INT)]
_Succeed: TypeAlias = tuple[WriterRef, _Seq, Hash]
_At: TypeAlias = tuple[WriterRef, _Seq]


class _LineInput(msgspec.Struct, frozen=True, kw_only=True):
    at: Annotated[list[_At], Meta(max_length=64)]
    fid: _Fid
    key_log: _KeyOps
    logs: Annotated[
        list[tuple[WriterRef, Annotated[list[str | _Succeed], Meta(max_length=64)]]],
        Meta(max_length=64),
    ]


class _PromiseInput(msgspec.Struct, frozen=True, kw_only=True):
    key_log: _KeyOps
    promised: Annotated[list[EntryRef], Meta(max_length=64)]
    told: Annotated[list[tuple[EntryRef, WriterRef, WriterRef]], Meta(max_length=64)]


class _CloseInput(msgspec.Struct, frozen=True, kw_only=True):
    absent: Annotated[list[CoopRef], Meta(max_length=64)]
    came_ms: _Seq
    cid: CoopRef
    fid: _Fid
    forked_at: _Seq | UnsetType = UNSET
    held: Annotated[list[EntryRef], Meta(max_length=64)]
    lost: tuple[EntryRef, WriterRef]
    members: Annotated[list[CoopRef], Meta(max_length=64)]
    newest: Annotated[list[tuple[CoopRef, _Seq]], Meta(max_length=64)]
    promises: Annotated[
        list[tuple[CoopRef, EntryRef, _LogRef, _Seq, EntryRef]], Meta(max_length=64)
    ]


def read_line(data: bytes) -> bytes:
    """Return where entries stand, whom the newest open writer owes, and each line's furthest."""
    given = decode(data, _LineInput, limit=MAX_FRAME)
    keys, said = fold_key_log(given.key_log), list(_said(given))
    lines = lineage(keys, given.fid, said)
    open_ = [writer for writer in keys.writers.values() if not writer.is_closed]
    newest = max(open_, key=lambda writer: writer.opened_at, default=None)
    due = [] if newest is None else owed(keys, given.fid, said, newest.wid)
    furthest: dict[WriterId, int] = {}
    for wid, seq in given.at:
        link = lines.link(wid)
        furthest[link.root] = max(furthest.get(link.root, 0), link.place_of(seq))
    places = [_stands(lines, wid, seq) for wid, seq in given.at]
    rest = [[wid, cut.seq, cut.head] for wid, cut in due]
    return encode([places, rest, [[root, furthest[root]] for root in sorted(furthest)]])


def _said(given: _LineInput) -> Iterator[Succession]:
    """Yield what logs say of others, up to the first entry that may not precede it."""
    for by, log in given.logs:
        for at, entry in enumerate(log, 1):
            if isinstance(entry, str):
                if entry not in OPENING:
                    break
                continue
            wid, seq, head = entry
            cut = Cut(seq=seq, head=EntryId(head))
            yield Succession(by=by, at=at, wid=wid, cut=cut)


def _stands(lines: Lineage, wid: WriterId, seq: int) -> list[object]:
    """Return the line of an entry, its place there, and what is read before it, if known."""
    link = lines.link(wid)
    is_pending = seq >= lines.pending.get(wid, seq + 1)
    waits = [(at, each) for at, each in sorted(link.waits_for.items()) if at <= seq]
    before: object = [[old, cut.seq] for _, (old, cut) in waits]
    return [link.root, link.place_of(seq), False if is_pending else before]


def read_promise(data: bytes) -> bytes:
    """Return on which words that a writer is lost a member has still to promise."""
    given = decode(data, _PromiseInput, limit=MAX_FRAME)
    keys = fold_key_log(given.key_log)
    told = [_lost(id_, keys.cid, by, wid) for id_, by, wid in given.told]
    return encode([each.id for each in to_promise(keys, told, given.promised)])


def read_close(data: bytes) -> bytes:
    """Return who has not promised, who promised what is not held, and the least place to close."""
    given = decode(data, _CloseInput, limit=MAX_FRAME)
    id_, wid = given.lost
    lost = _lost(id_, given.cid, wid, wid)
    promises = [
        Promise(cid=cid, record=WriterPromise(head=Digest(head), log=log, lost=on, seq=seq))
        for cid, on, log, seq, head in given.promises
    ]
    counted = promised(given.fid, lost, promises, members=given.members, absent=given.absent)
    needed = required(
        given.members,
        dict(given.newest),
        own=given.cid,
        came_ms=given.came_ms,
        absent=given.absent,
    )
    forked_at = None if given.forked_at is UNSET else given.forked_at
    held = dict(enumerate(given.held, 1))
    lacking = unheld(counted, held_seq=len(held), id_at=held.get, forked_at=forked_at)
    silent = [cid for cid in needed if cid not in counted]
    return encode([silent, lacking, least_end(counted, forked_at=forked_at)])


def _lost(id_: EntryId, cid: CoopId, by: WriterId, wid: WriterId) -> Lost:
    return Lost(id=id_, cid=cid, by=by, record=WriterLost(head=Digest(ZERO), seq=0, wid=wid))
