"""Entries as ranges carry them, some signatures left out, and what proves them nevertheless.

A range of five entries, cut behind the second, is `[opened(unsigned(e)) for e in entries[:2]]` with
`tail_over(entries[2:])`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sheaf_protocol.envelope import Envelope, Header, open_header
from sheaf_protocol.fork import Branch, ForkProof, make_branch, make_fork_proof
from sheaf_protocol.proof import Tail, tail_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_protocol.digest import EntryId


class Opened(NamedTuple):
    """A received envelope with what is computed from it."""

    id: EntryId
    header: Header
    envelope: Envelope


def opened(envelope: Envelope) -> Opened:
    """Return the opened envelope."""
    return Opened(envelope.id, open_header(envelope), envelope)


def tail_over(envelopes: Sequence[Envelope]) -> Tail:
    """Return the tail of the entry that these follow, under the signature of the last."""
    return tail_of([envelope.header for envelope in envelopes], envelopes[-1].signature)


def branch_over(envelopes: Sequence[Envelope]) -> Branch:
    """Return the branch of these entries, under the signature of the last."""
    return make_branch([envelope.header for envelope in envelopes], envelopes[-1].signature)


def prove_fork(one: Envelope, other: Envelope) -> ForkProof:
    """Return the proof over two signed entries of one place."""
    return make_fork_proof(branch_over([one]), branch_over([other]))
