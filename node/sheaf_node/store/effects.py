"""What one change does to a store: values it sets, and the places where logs stop counting."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.store.line import Line
    from sheaf_node.store.model import (
        Absent,
        HeldLog,
        NewFault,
        NewMark,
        NewPayload,
        StoredEntry,
    )
    from sheaf_node.store.receipt import Receipt
    from sheaf_protocol.charter import Certificate, Chain
    from sheaf_protocol.digest import CoopId, FederationId, LogId, WriterId
    from sheaf_protocol.fork import ForkProof
    from sheaf_protocol.identity import KeyHistory, KeyOp
    from sheaf_protocol.link import Cursor

    KeyRows: TypeAlias = tuple[CoopId, int, int, Sequence[KeyOp]]
    """A branch of a key log (0 the path in force, 1 its rival): operations from a number on."""


@dataclass(kw_only=True, slots=True)
class Effects:
    """The effects of one change on the state that it was planned on."""

    entries: list[StoredEntry] = field(default_factory=list)
    logs: dict[LogId, HeldLog] = field(default_factory=dict)
    """Logs that are new, moved on or were found forked, as they are afterwards."""
    log_rows: list[HeldLog] = field(default_factory=list)
    """Those of them whose row changes: new ones and forked ones. Heads are not stored apart."""
    key_histories: dict[CoopId, KeyHistory] = field(default_factory=dict)
    key_rows: list[KeyRows] = field(default_factory=list)
    chains: dict[FederationId, Chain] = field(default_factory=dict)
    certificates: list[tuple[FederationId, Certificate]] = field(default_factory=list)
    """Those of the chains that were not held before."""
    fork_proofs: dict[LogId, ForkProof] = field(default_factory=dict)
    judged: list[tuple[LogId, Line, int]] = field(default_factory=list)
    """Logs whose line moved, with the number from which entries stored before are judged again."""
    cursors: dict[tuple[WriterId, FederationId], Cursor] = field(default_factory=dict)
    payloads: list[NewPayload] = field(default_factory=list)
    absences: list[Absent] = field(default_factory=list)
    faults: list[NewFault] = field(default_factory=list)
    """Entries stored before whose author's fault comes or goes with a certificate."""
    marks: list[tuple[StoredEntry, NewMark]] = field(default_factory=list)
    forgotten: list[HeldLog] = field(default_factory=list)
    """Logs of which nothing is held any more, as they were."""
    sizes: dict[LogId, int] = field(default_factory=dict)
    """By how many bytes each log grows or shrinks."""
    newest: int = 0
    """The newest arrival number, which must not be given again where its row is deleted."""
    receipt: Receipt | None = None
    """What the caller is answered, kept with all of the above."""
    dropped_receipts: list[Receipt] = field(default_factory=list)
    voids: Counter[FederationId] = field(default_factory=Counter)
    """How many of the lines above reach entries stored before, by their federation."""

    @property
    def has_control(self) -> bool:
        """Whether key logs, certificates or fork proofs change."""
        return bool(self.key_histories or self.chains or self.fork_proofs)

    @property
    def has_payloads(self) -> bool:
        """Whether payloads of entries stored before come or go."""
        return bool(self.payloads or self.absences or self.forgotten)

    @property
    def is_purging(self) -> bool:
        """Whether bytes are deleted that are not to be found in the files any more."""
        return bool(self.forgotten) or any(each.entry.envelope.payload for each in self.absences)

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes."""
        has_data = self.entries or self.has_payloads or self.cursors
        has_receipts = self.receipt is not None or self.dropped_receipts
        return not (has_data or self.has_control or has_receipts)
