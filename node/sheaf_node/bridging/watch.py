"""What bridges did wrong, as any member finds out by itself (spec 16, sections 5, 7 and 11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from sheaf_node.bridging.source import source_of
from sheaf_node.crossing import terms_of
from sheaf_protocol.codec import check
from sheaf_protocol.digest import Digest, EntryId, short
from sheaf_protocol.envelope import body_of
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.treaty import DayCount, check_export

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sheaf_node.bridging.ledger import Ledger
    from sheaf_node.bridging.powers import Powers
    from sheaf_node.crossing import Import
    from sheaf_node.plugins import SeenRecord
    from sheaf_protocol.digest import CoopId, FederationId, LogId
    from sheaf_protocol.records.bridge import BridgeExport
    from sheaf_protocol.treaty import Terms

UNSEEN_MS: Final = 3_600_000
"""How long what grants an export may be on its way: an hour, in which nodes meet many times."""
_CAME: Final = {
    "bridge.category": "brought an entry of a category that may not cross",
    "bridge.expired": "brought an entry after the treaty had ended",
    "bridge.hops": "brought an entry further than the treaty allows",
    "bridge.ids": "brought a name that means something else here",
    "bridge.kind": "brought a kind of entry that the treaty does not list",
    "bridge.level": "brought an entry while the treaty is paused",
    "bridge.loop": "brought an entry to where it had been",
    "bridge.origin": "brought an entry that is not as its author signed it",
    "bridge.rate": "brought more entries on one day than the treaty allows",
    "bridge.receipt": "brought an entry without its signed word where it left",
    "bridge.region": "brought an entry of a region that may not cross",
    "bridge.shown": "showed something else than it signed for where it left",
    "bridge.treaty": "brought an entry under no treaty in force",
    "bridge.view": "showed what the treaty keeps back, or a view that is none",
    "schema.invalid": "brought an entry that is no record of its kind, as its author signed it",
}
_LEFT: Final = {
    "bridge.category": "took out an entry of a category that may not cross",
    "bridge.expired": "took an entry out after the treaty had ended",
    "bridge.hops": "took an entry further than the treaty allows",
    "bridge.ids": "took out a name that means something else on the other side",
    "bridge.kind": "took out a kind of entry that the treaty does not list",
    "bridge.level": "took an entry out while the treaty is paused",
    "bridge.loop": "took an entry to where it had been",
    "bridge.rate": "took out more entries on one day than the treaty allows",
    "bridge.region": "took out an entry of a region that may not cross",
    "bridge.shown": "signed that it shows something else than the treaty makes of the entry",
    "bridge.treaty": "took an entry out under no treaty in force",
    "bridge.unasked": "took out an entry that its author did not let go there",
    "bridge.view": "took out a part of what may only cross whole",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What a bridge signed and should not have."""

    entry: EntryId
    """Of the export or import, which is the evidence."""
    code: str
    detail: str
    bridge: CoopId
    treaty: Digest
    origin: EntryId | None
    partner: FederationId | None
    has_left: bool
    """Whether it is about an export, else about an import."""
    time_ms: int
    altered: tuple[str, ...] = ()
    """Keys that differ from the original, where this node holds that."""

    def sentence(self, powers: Powers) -> str:
        """Return what happened, for a manager: who, what, and what differs."""
        whose = powers.federation_name(self.partner) if self.partner else "a treaty"
        said = (_LEFT if self.has_left else _CAME).get(self.code, "broke a rule of its treaty")
        what = "" if self.origin is None else f" (entry {short(self.origin)})"
        differs = f"; {', '.join(self.altered)} differ" if self.altered else ""
        towards = "to" if self.has_left else "from"
        return f"{powers.name_of(self.bridge)}, bridge {towards} {whose}, {said}{what}{differs}"


class Watch:
    """Judges the exports of one federation; imports are judged for all services already."""

    def __init__(self, powers: Powers, ledger: Ledger) -> None:
        self._powers, self._ledger = powers, ledger
        self._judged: dict[EntryId, tuple[object, RemoteProtocolError | None, Terms | None]] = {}

    def findings(self, now_ms: int) -> list[Finding]:
        """Return all that is found by now, the earliest first."""
        found = [*self._of_exports(now_ms), *self._of_imports()]
        return sorted(found, key=lambda finding: (finding.time_ms, finding.entry))

    def _of_imports(self) -> Iterator[Finding]:
        for item in self._powers.crossings(self._powers.fid).imports.values():
            if item.fault is not None and item.bridged is not None:
                via = item.bridged.via
                yield Finding(
                    entry=item.id,
                    code=item.fault.code,
                    detail=item.fault.detail,
                    bridge=item.header.cid,
                    treaty=Digest(item.bridged.treaty),
                    origin=item.origin,
                    partner=via[-1],
                    has_left=False,
                    time_ms=item.header.time_ms,
                    altered=self._altered(item),
                )

    def _of_exports(self, now_ms: int) -> Iterator[Finding]:
        counts: dict[tuple[LogId, Digest], DayCount] = {}
        for seen in self._ledger.exports:
            export = cast("BridgeExport", seen.record)
            fault, terms = self._fault(seen, export, now_ms)
            if fault is None and terms is not None:
                count = counts.setdefault((seen.log, terms.id), DayCount())
                direction = terms.treaty.direction(self._powers.fid)
                fault = _rate_fault(count, seen.time_ms, terms.most(direction))
            if fault is not None:
                yield Finding(
                    entry=seen.id,
                    code=fault.code,
                    detail=fault.detail,
                    bridge=seen.cid,
                    treaty=Digest(export.treaty),
                    origin=EntryId(export.entry),
                    partner=export.into,
                    has_left=True,
                    time_ms=seen.time_ms,
                )

    def _fault(
        self, seen: SeenRecord, export: BridgeExport, now_ms: int
    ) -> tuple[RemoteProtocolError | None, Terms | None]:
        """Return what is wrong with an export, and the terms that judged it."""
        federation = self._powers.federations[self._powers.fid]
        standing = federation.standing(seen.cid, seen.wid, seen.seq)
        known = self._judged.get(seen.id)
        if known is not None and known[0] == standing:
            return known[1], known[2]
        held = self._powers.entry(seen.id)
        if held is None:
            return None, None
        fault: RemoteProtocolError | None = None
        terms: Terms | None = None
        try:
            terms = terms_of(federation, held.header, Digest(export.treaty))
            source = source_of(self._powers, EntryId(export.entry), EntryId(export.granted_by))
            if source is None:
                return _unseen(export, seen.time_ms, now_ms, self._powers), terms
            check_export(held.header, export, terms, source)
        except RemoteProtocolError as exc:
            fault = exc
        self._judged[seen.id] = (standing, fault, terms)
        return fault, terms

    def _altered(self, item: Import) -> tuple[str, ...]:
        """Return the keys of a body that are not as in the original, where that is held here."""
        if item.origin is None or item.bridged is None:
            return ()
        held = self._powers.entry(item.origin)
        if held is None or not held.envelope.payload:
            return ()
        ours: Any = check(body_of(held.envelope.payload))
        try:
            theirs: Any = check(body_of(item.bridged.payload))
        except RemoteProtocolError:
            return ()
        if not isinstance(ours, dict) or not isinstance(theirs, dict):
            return ()
        return tuple(sorted(key for key in theirs if ours.get(key) != theirs[key]))


def _rate_fault(count: DayCount, time_ms: int, most: int) -> RemoteProtocolError | None:
    try:
        count.add(time_ms, most)
    except RemoteProtocolError as exc:
        return exc
    return None


def _unseen(
    export: BridgeExport, since_ms: int, now_ms: int, powers: Powers
) -> RemoteProtocolError | None:
    """Return the fault of an export for which nobody brings what grants it."""
    if powers.entry(EntryId(export.granted_by)) is not None or now_ms < since_ms + UNSEEN_MS:
        return None
    detail = f"expected what lets {short(EntryId(export.entry))} go, and within an hour; got none"
    return RemoteProtocolError("bridge.unasked", detail, Fault.AUTHOR)
