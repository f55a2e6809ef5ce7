"""Checks a bundle with nothing but its own bytes: keys, certificates, forks, every entry.

What it proves is who signed what, and in which place of which log. Whether an entry has an effect
follows from the charter's rules over all logs together, which a node works out when it takes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from msgspec import UNSET

from sheaf_node.bundle.form import Head, read_frames, read_head
from sheaf_node.ingest.control import keys_named
from sheaf_protocol.charter import Chain, read_charter
from sheaf_protocol.digest import ZERO, CoopId, EntryId, FederationId, LogId, short
from sheaf_protocol.envelope import open_header
from sheaf_protocol.errors import ProtocolError, Refusal
from sheaf_protocol.fork import verify_fork_proof
from sheaf_protocol.identity import begin_history, merge
from sheaf_protocol.link.messages import ControlItems, Entries, decode_message
from sheaf_protocol.proof import Checks, split_runs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sheaf_protocol.charter import Certificate
    from sheaf_protocol.envelope import Envelope, Header
    from sheaf_protocol.identity import KeyHistory, KeyOp
    from sheaf_protocol.link.messages import KeyOps


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """A bundle in which everything held."""

    head: Head
    chains: dict[FederationId, Chain]
    coops: int
    logs: int
    entries: int
    absent: int
    """Entries without their payload: erased, expired, or not wanted by whoever exported."""
    forks: int


class _Opened(NamedTuple):
    id: EntryId
    header: Header
    envelope: Envelope


@dataclass(slots=True)
class _Held:
    """What was checked so far."""

    head: Head
    histories: dict[CoopId, KeyHistory] = field(default_factory=dict)
    chains: dict[FederationId, Chain] = field(default_factory=dict)
    heads: dict[LogId, tuple[int, EntryId]] = field(default_factory=dict)
    forks: int = 0
    entries: int = 0
    absent: int = 0
    is_control_done: bool = False


def check_bundle(path: Path) -> Checked:
    """Return what a bundle holds, once all of it was checked.

    Raises Refusal `bundle.file`, `bundle.form`, `bundle.truncated`, `bundle.damaged`, and
    `bundle.unsound` where the bytes are as they were written and prove nothing.
    """
    try:
        with path.open("rb") as file:
            frames = read_frames(file)
            held = _Held(read_head(next(frames, b"")))
            for number, frame in enumerate(frames, start=2):
                try:
                    _take(held, frame)
                except ProtocolError as exc:
                    raise _unsound(f"frame {number}: {exc.detail} ({exc.code})") from exc
    except OSError as exc:
        raise Refusal("bundle.file", f"expected to read {path}, got: {exc.strerror}") from exc
    if not held.is_control_done or set(held.chains) != set(held.head.federations):
        raise _unsound("expected the certificates of each federation that the file names")
    return Checked(
        head=held.head,
        chains=held.chains,
        coops=len(held.histories),
        logs=len(held.heads),
        entries=held.entries,
        absent=held.absent,
        forks=held.forks,
    )


def _take(held: _Held, frame: bytes) -> None:
    message = decode_message(frame)
    match message:
        case ControlItems() if not held.is_control_done:
            _take_control(held, message)
        case Entries() if held.is_control_done:
            _take_entries(held, message)
        case _:
            raise _unsound("expected keys and certificates first, and then entries alone")


def _take_control(held: _Held, message: ControlItems) -> None:
    for each in message.key_logs:
        _take_keys(held, each)
    for certificate in message.certificates:
        _take_certificate(held, certificate)
    for proof in message.proofs:
        verify_fork_proof(proof)
        held.forks += 1
    held.is_control_done = message.is_last


def _take_keys(held: _Held, each: KeyOps) -> None:
    before = held.histories.get(each.cid)
    ops: Sequence[KeyOp] = each.ops
    history = begin_history(ops) if before is None else merge(before, ops)
    if history.state.cid != each.cid:
        raise _unsound(f"expected a key log of co-op {short(each.cid)}, got another's")
    held.histories[each.cid] = history


def _take_certificate(held: _Held, certificate: Certificate) -> None:
    charter = read_charter(certificate)
    fid = certificate.fid if charter.fid is UNSET else charter.fid
    before = held.chains.get(fid)
    keys = keys_named(charter, before, held.histories)
    held.chains[fid] = (
        Chain.found(certificate, keys) if before is None else before.add(certificate, keys)
    )


def _take_entries(held: _Held, message: Entries) -> None:
    opened = [
        _Opened(envelope.id, open_header(envelope), envelope) for envelope in message.envelopes
    ]
    for run in split_runs(opened, message.tails, Checks.EACH):
        for index, entry in enumerate(run.entries):
            _require_place(held, entry.id, entry.header)
            run.require_proven(index)
            held.entries += 1
            held.absent += not entry.envelope.payload


def _require_place(held: _Held, id_: EntryId, header: Header) -> None:
    """Return if an entry is the next of its log, by a writer that its co-op's keys delegated."""
    log = header.log
    what = f"entry {header.seq} of writer {short(header.wid)}"
    seq, before = held.heads.get(log, (0, EntryId(ZERO)))
    if (header.seq, header.prev) != (seq + 1, before):
        raise _unsound(f"expected {what} to follow entry {seq} of that log")
    history = held.histories.get(header.cid)
    ends = () if history is None else history.ends
    if not any(header.wid in keys.writers for keys in ends):
        raise _unsound(f"expected {what} to be delegated by the keys of co-op {short(header.cid)}")
    if header.fid not in held.chains:
        raise _unsound(f"expected the certificates of federation {short(header.fid)}")
    held.heads[log] = (header.seq, id_)


def _unsound(detail: str) -> Refusal:
    return Refusal("bundle.unsound", detail)
