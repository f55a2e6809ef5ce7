"""From entries to runs, and from verdicts to what is stored and what the sender is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.ingest.decision import refused
from sheaf_node.ingest.model import Result, Unreadable
from sheaf_node.store import Change
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.proof import Run, split_runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sheaf_node.ingest.decision import Verdict
    from sheaf_node.ingest.model import Item, Opened
    from sheaf_node.store import StoredEntry
    from sheaf_node.store.model import NewPayload
    from sheaf_protocol.proof import Checks, Tail


def each_alone(items: Iterable[Opened]) -> list[Run]:
    """Return each entry as a run of its own, which nothing proves but its own signature."""
    return [Run([item]) for item in items]


def runs_of(
    items: Sequence[Opened], tails: Sequence[Tail], checks: Checks, *, is_live: bool
) -> Sequence[Run]:
    """Return received entries in the runs that prove them; those of a live push, if one of
    them has no signature, each alone.

    Raises RemoteProtocolError `log.tail` where a tail is left over.
    """
    if is_live and tails:
        raise RemoteProtocolError("log.tail", "expected live entries signed, each by itself")
    if is_live and not all(item.envelope.signature for item in items):
        return each_alone(items)  # LOG-23: so that one without its own is refused
    return split_runs(items, tails, checks)


def in_parts(runs: Sequence[Run], piece: int) -> list[list[Run]]:
    """Return the runs in parts of so many entries or little more, in order; one part at least.

    A run stays whole, since a signature proves all that it reaches.
    """
    parts: list[list[Run]] = [[]]
    size = 0
    for run in runs:
        if size >= piece:
            parts.append([])
            size = 0
        parts[-1].append(run)
        size += len(run.entries)
    return parts


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
