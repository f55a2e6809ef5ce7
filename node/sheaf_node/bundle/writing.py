"""Writes a bundle from a store, at one moment of it; the node may be running."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from sheaf_node.bundle.form import NAME, FrameWriter, Head
from sheaf_node.durable import new_private_file
from sheaf_node.store.loading import load_state
from sheaf_node.store.reader import Reader
from sheaf_node.store.schema import UNREADABLE, open_reader
from sheaf_protocol.charter import read_charter
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import short
from sheaf_protocol.errors import Refusal
from sheaf_protocol.fork import open_fork_proof
from sheaf_protocol.limits import MAX_BATCH_BYTES, MAX_BATCH_ENTRIES
from sheaf_protocol.link.control_items import control_messages, key_log_parts
from sheaf_protocol.link.messages import (
    Entries,
    KeyOps,
    encode_message,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from sheaf_node.store import State
    from sheaf_node.store.model import HeldLog
    from sheaf_protocol.digest import CoopId, FederationId
    from sheaf_protocol.identity import KeyHistory
    from sheaf_protocol.link.control_items import ControlPiece

SCOPE: Final = 16
"""Bytes of a federation's id that name it in messages: on a link they are blinded, here not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A bundle that was written."""

    path: Path
    size: int
    entries: int
    federations: int


def write_bundle(
    database: Path,
    out: Path,
    *,
    made_ms: int,
    software: str,
    fid: FederationId | None = None,
    own: CoopId | None = None,
) -> Written:
    """Write what a store holds to the new file `out`: of one federation, or of one co-op's logs.

    Raises Refusal `bundle.exists`, `bundle.file`, `bundle.federation`, `store.unreadable`; there
    is then no file.
    """
    draft = out.with_name(f".{out.name}.new")
    try:
        _require_new(out)
        draft.unlink(missing_ok=True)  # of a run that was killed
        with os.fdopen(new_private_file(draft), "wb") as file:
            part = _Part(fid, own)
            federations, entries = _write(database, file, part, made_ms, software)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, out)  # never over another file, as a rename would
        return Written(path=out, size=out.stat().st_size, entries=entries, federations=federations)
    except UNREADABLE as exc:
        raise Refusal("store.unreadable", f"expected a store at {database}, got: {exc}") from exc
    except FileExistsError as exc:
        raise Refusal("bundle.exists", f"expected no file at {out}, got one") from exc
    except OSError as exc:
        raise Refusal("bundle.file", f"expected to write {out}, got: {exc.strerror}") from exc
    finally:
        with suppress(OSError):
            draft.unlink()


def _require_new(out: Path) -> None:
    if out.exists():
        raise FileExistsError(0, "it is there already", str(out))


class _Part(NamedTuple):
    """What of a store is written; None for all."""

    fid: FederationId | None
    own: CoopId | None


def _write(
    database: Path, file: BinaryIO, part: _Part, made_ms: int, software: str
) -> tuple[int, int]:
    """Write all frames; return how many federations and entries."""
    frames, count = FrameWriter(file), 0
    with closing(open_reader(database, sqlite3.connect)) as connection:
        connection.execute("BEGIN")  # one moment of the store
        state, reader = load_state(connection), Reader(connection)
        fids = _chosen(state, part.fid)
        logs = [
            held
            for held in state.logs.values()
            if held.fid in fids and part.own in (None, held.cid) and held.head.seq
        ]
        head = Head(
            federations=list(fids), made_ms=made_ms, name=NAME, software=software, version=1
        )
        frames.put(encode(head))
        for message in control_messages(_pieces(state, fids, {held.cid for held in logs})):
            frames.put(encode_message(message))
        for held in logs:
            for batch in _batches(reader, held):
                frames.put(encode_message(batch))
                count += len(batch.envelopes)
    frames.end(count)
    return len(fids), count


def _chosen(state: State, fid: FederationId | None) -> list[FederationId]:
    if fid is None:
        return sorted(state.chains)
    if fid not in state.chains:
        raise Refusal("bundle.federation", f"expected a federation held here, got {short(fid)}")
    return [fid]


def _batches(reader: Reader, held: HeldLog) -> Iterator[Entries]:
    """Yield all entries of a log as a link would carry them: bytes as received, with proof."""
    seq, last = 1, held.head.seq
    while seq <= last:
        run = reader.log_entries(
            held.number, seq, last, max_bytes=MAX_BATCH_BYTES, most=MAX_BATCH_ENTRIES
        )
        if not run.entries:
            return
        tails = [] if run.tail is None else [run.tail]
        yield Entries(held.fid[:SCOPE], False, [e.envelope for e in run.entries], tails)
        seq = run.entries[-1].header.seq + 1


def _pieces(
    state: State, fids: Collection[FederationId], authors: Collection[CoopId]
) -> Iterator[ControlPiece]:
    chains = [state.chains[fid] for fid in fids]
    certificates = [each for chain in chains for each in chain.certificates]
    named = {member.cid for each in certificates for member in read_charter(each).members}
    for cid in sorted({*named, *authors}):
        if cid in state.key_histories:
            yield from _key_ops(cid, state.key_histories[cid])
    yield from certificates
    for proof in state.fork_proofs.values():
        if open_fork_proof(proof).fid in fids:
            yield proof


def _key_ops(cid: CoopId, history: KeyHistory) -> Iterator[KeyOps]:
    """Yield a key log in stretches, and after it the path that it is tied with, where frozen."""
    yield from key_log_parts(cid, history.path)
    yield from key_log_parts(cid, history.rival)
