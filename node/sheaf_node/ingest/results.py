"""From entries to runs, and from verdicts to what is stored and what the sender is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.ingest.decision import refused
from sheaf_node.ingest.model import Result, Unreadable
from sheaf_node.store import Change
from sheaf_protocol.proof import Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sheaf_node.ingest.decision import Verdict
    from sheaf_node.ingest.model import Item, Opened
    from sheaf_node.store import StoredEntry
    from sheaf_node.store.model import NewPayload


def each_alone(items: Iterable[Opened]) -> list[Run]:
    """Return each entry as a run of its own, which nothing proves but its own signature."""
    return [Run([item]) for item in items]


def change_of(verdicts: Sequence[Verdict]) -> Change:
    """Return what verdicts have the store keep."""
    return Change(
        entries=[v.entry for v in verdicts if v.entry is not None],
        fork_proofs=[v.proof for v in verdicts if v.proof is not None],
        payloads=_payloads(verdicts),
    )


def _payloads(verdicts: Sequence[Verdict]) -> Sequence[NewPayload]:
    """Return the payloads that were lacking, each once however often it came."""
    found = [verdict.payload for verdict in verdicts if verdict.payload is not None]
    return list({new.entry.id: new for new in found}.values())


def with_unreadable(items: Sequence[Item], verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return the verdicts with those on what could not be read, in the order of the items."""
    left = iter(verdicts)
    return [
        refused(item.fault, is_of_bytes=True) if isinstance(item, Unreadable) else next(left)
        for item in items
    ]


def results_of(
    items: Sequence[Item], verdicts: Sequence[Verdict], stored: Sequence[StoredEntry]
) -> list[Result]:
    """Return the answer for each item, with what was stored of it."""
    entries = iter(stored)
    return [
        Result(
            id=item.id,
            outcome=verdict.outcome,
            code=verdict.code,
            detail=verdict.detail,
            entry=None if verdict.entry is None else next(entries),
        )
        for item, verdict in zip(items, verdicts, strict=True)
    ]
