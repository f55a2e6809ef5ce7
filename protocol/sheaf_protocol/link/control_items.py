"""Control items in messages of about a batch each, for a link or a bundle (spec chapter 07)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sheaf_protocol.charter import Certificate
from sheaf_protocol.fork import ForkProof
from sheaf_protocol.limits import MAX_BATCH_BYTES
from sheaf_protocol.link.messages import (
    LIST,
    ControlItems,
    KeyOps,
    certificate_size,
    key_op_size,
    proof_size,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sheaf_protocol.digest import CoopId
    from sheaf_protocol.identity import KeyOp

ControlPiece: TypeAlias = KeyOps | Certificate | ForkProof


def key_log_parts(cid: CoopId, ops: Iterable[KeyOp]) -> Iterator[KeyOps]:
    """Yield a key log in stretches that fit a message."""
    part: list[KeyOp] = []
    size = 0
    for op in ops:
        if part and size + key_op_size(op) > MAX_BATCH_BYTES:
            yield KeyOps(cid, part)
            part, size = [], 0
        part.append(op)
        size += key_op_size(op)
    if part:
        yield KeyOps(cid, part)


def control_messages(pieces: Iterable[ControlPiece]) -> Iterator[ControlItems]:
    """Yield messages of about a batch each, in the order of the pieces, the last one marked."""
    batch: list[ControlPiece] = []
    size = 0
    for piece in pieces:
        is_full = size + _size(piece) > MAX_BATCH_BYTES or len(batch) == LIST
        if batch and is_full:
            yield _message(batch, is_last=False)
            batch, size = [], 0
        batch.append(piece)
        size += _size(piece)
    yield _message(batch, is_last=True)


def _size(piece: ControlPiece) -> int:
    match piece:
        case KeyOps():
            return sum(key_op_size(op) for op in piece.ops)
        case Certificate():
            return certificate_size(piece)
        case ForkProof():
            return proof_size(piece)


def _message(batch: Sequence[ControlPiece], *, is_last: bool) -> ControlItems:
    return ControlItems(
        [piece for piece in batch if isinstance(piece, KeyOps)],
        [piece for piece in batch if isinstance(piece, Certificate)],
        [piece for piece in batch if isinstance(piece, ForkProof)],
        is_last,
    )
