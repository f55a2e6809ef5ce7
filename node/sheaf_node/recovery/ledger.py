"""What the members of one federation said about lost writers, as this node has read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sheaf_protocol.digest import EntryId
from sheaf_protocol.identity import Cut
from sheaf_protocol.lineage import Succession
from sheaf_protocol.records import WriterLost, WriterOverride, WriterPromise, WriterSucceed
from sheaf_protocol.recovering import Lost, Promise

if TYPE_CHECKING:
    from sheaf_node.plugins import SeenRecord
    from sheaf_protocol.digest import CoopId, LogId, WriterId


@dataclass(slots=True)
class Ledger:
    """The records of the four kinds, sorted by who said what."""

    lost: dict[EntryId, Lost] = field(default_factory=dict)
    """The first word of each writer on each other one: nobody makes it grow by repeating."""
    promises: dict[EntryId, dict[tuple[CoopId, LogId], Promise]] = field(default_factory=dict)
    """By `writer.lost`, what was promised on it: by member and log the furthest."""
    said: dict[CoopId, list[Succession]] = field(default_factory=dict)
    absent: dict[EntryId, set[CoopId]] = field(default_factory=dict)
    """By `writer.lost`, the co-ops that its author does without."""
    _said_of: set[tuple[WriterId, WriterId]] = field(default_factory=set)

    def note(self, seen: SeenRecord) -> None:
        """Learn one record."""
        match seen.record:
            case WriterLost() as record:
                if (seen.wid, record.wid) not in self._said_of:
                    self._said_of.add((seen.wid, record.wid))
                    self.lost[seen.id] = Lost(id=seen.id, cid=seen.cid, by=seen.wid, record=record)
            case WriterPromise() as record:
                said, key = self.promises.setdefault(record.lost, {}), (seen.cid, record.log)
                if key not in said or said[key].record.seq < record.seq:
                    said[key] = Promise(cid=seen.cid, record=record)
            case WriterOverride() as record:
                lost = self.lost.get(record.lost)
                if lost is not None and lost.cid == seen.cid:
                    self.absent.setdefault(record.lost, set()).update(record.absent)
            case WriterSucceed() as record:
                cut = Cut(seq=record.seq, head=EntryId(record.head))
                succession = Succession(by=seen.wid, at=seen.seq, wid=record.wid, cut=cut)
                self.said.setdefault(seen.cid, []).append(succession)
            case _:
                pass

    def told_by(self, wid: WriterId) -> dict[WriterId, Lost]:
        """Return what a writer said was lost, by the writer that is."""
        return {each.record.wid: each for each in self.lost.values() if each.by == wid}

    def told(self) -> dict[CoopId, list[Lost]]:
        """Return what was said to be lost, by co-op, each in the order of the logs."""
        told: dict[CoopId, list[Lost]] = {}
        for each in self.lost.values():
            told.setdefault(each.cid, []).append(each)
        return told

    def promised_on(self, cid: CoopId) -> set[EntryId]:
        """Return each `writer.lost` that a co-op promised on."""
        return {lost for lost, said in self.promises.items() if any(by == cid for by, _ in said)}
