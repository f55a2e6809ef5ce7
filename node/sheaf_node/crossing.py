"""What crossed into a federation, judged once for all services of a node (spec 16, sections 7, 8).

An import counts or not by the certificates and key logs of three federations, which arrive when
they may. So it waits for what is missing, and is judged again where what judged it has changed. It
holds up no other: its place in its day is told by the headers of its log alone (TRT-51), so
what is unknown yet or gone for good moves nobody's place.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from msgspec import structs

from sheaf_node.store.model import WITHHELD
from sheaf_protocol.codec import decode
from sheaf_protocol.digest import short
from sheaf_protocol.envelope import body_of, decode_header, entry_id
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.records.bridge import Bridged
from sheaf_protocol.subscription import awaits
from sheaf_protocol.treaty import (
    DAY_MS,
    Control,
    Terms,
    check_import,
    require_bridge,
    require_place,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sheaf_node.events import Arrivals
    from sheaf_node.ingest import Ingest
    from sheaf_node.store import Store, StoredEntry
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.digest import Digest, EntryId, FederationId, LogId
    from sheaf_protocol.envelope import Header
    from sheaf_protocol.treaty import Crossed

KIND: Final = "bridge.import"


@dataclass(kw_only=True, slots=True)
class Import:
    """An entry of a bridge that brings another federation's, and what is found of it so far."""

    id: EntryId
    header: Header
    place: int
    """Among the imports of its log and UTC day, from 1."""
    bridged: Bridged | None = None
    """None until its payload is here; without the bodies in it where it is beyond its day."""
    terms: Terms | None = None
    crossed: Crossed | None = None
    fault: RemoteProtocolError | None = None
    authors: Sequence[Header] = ()
    """Those of the origin and of the receipt."""
    basis: object = None
    """What it was judged by, as far as that may change."""

    @property
    def is_judged(self) -> bool:
        """Whether it counts, or does not, by all that is known."""
        return self.crossed is not None or self.fault is not None

    @property
    def origin(self) -> EntryId | None:
        """The id of the entry that it says it brings."""
        return None if self.bridged is None else entry_id(self.bridged.header)


@dataclass(slots=True)
class _Lane:
    """The imports in one log, in its order."""

    waiting: list[Import] = field(default_factory=list)
    places: Counter[int] = field(default_factory=Counter)
    """How many there are of each UTC day, by their own times, whatever is found of them."""


def terms_of(federation: Federation, header: Header, treaty: Digest) -> Terms:
    """Return the terms that judge an entry of a bridge, which names a treaty.

    Raises RemoteProtocolError `bridge.treaty` where the charter at its place lists none such.
    """
    standing = federation.standing(header.cid, header.wid, header.seq)
    for listed in standing.treaties:
        if listed.id == treaty:
            try:
                return Terms.of(listed.body, listed.level, listed.per_day)
            except RemoteProtocolError:
                break  # a re-foundation may list what nobody can read
    detail = f"expected a treaty that the charter in force at its place lists, got {short(treaty)}"
    raise RemoteProtocolError("bridge.treaty", detail, Fault.AUTHOR)


class Crossings:
    """What crossed into one federation, as far as the store was read."""

    def __init__(
        self, fid: FederationId, *, store: Store, ingest: Ingest, arrivals: Arrivals
    ) -> None:
        self.fid = fid
        self._store, self._ingest, self._arrivals = store, ingest, arrivals
        self.version = 0
        """Moves when something that was shown is shown no more, or otherwise: read all again."""
        self._cursor = 0
        self._begin()

    @property
    def federation(self) -> Federation:
        """The federation entered, by its newest certificate."""
        return self._store.chains[self.fid].federation

    @property
    def control(self) -> Control:
        """The charters and key logs held, foreign ones too."""
        known: Mapping[FederationId, Federation]
        known = {**self._ingest.known.foreign, **self._ingest.federations}
        return Control(federations=known, keys=self._store.key_logs)

    def advance(self, limit: int = 512) -> bool:
        """Read on in the store and judge what can be; return whether that led any further."""
        has_moved = self._judge_again()
        if self._cursor >= self._store.arrival:
            return has_moved
        entries = self._store.entries_after(self._cursor, limit)
        for entry in entries:
            self._cursor = entry.arrival
            if entry.kind == KIND and entry.header.fid == self.fid:
                self._take(entry)
        return has_moved or bool(entries)

    def catch_up(self) -> None:
        """Read all that is in the store."""
        while self.advance():
            pass

    def has(self, origin: EntryId) -> bool:
        """Return whether an entry of another federation entered and counts."""
        return origin in self._counted

    def counted(self, origin: EntryId) -> Import | None:
        """Return the import by which an entry counts, or None."""
        return self._counted.get(origin)

    def brought(self, origin: EntryId) -> Sequence[Import]:
        """Return all imports of one entry, right or wrong."""
        return self._brought.get(origin, ())

    def get(self, id_: EntryId) -> Import | None:
        """Return an import by the id of its own entry, or None."""
        return self.imports.get(id_)

    def taken(self, log: LogId, day: int) -> int:
        """Return how many imports of a UTC day a log has, whatever is found of them."""
        lane = self._lanes.get(log)
        return 0 if lane is None else lane.places[day]

    def days(self, treaty: Digest) -> dict[int, int]:
        """Return how many entries came under a treaty and count, by the UTC day they left."""
        found: Counter[int] = Counter()
        for (id_, day), count in self._days.items():
            found[day] += count if id_ == treaty else 0
        return {day: count for day, count in sorted(found.items()) if count}

    def _begin(self) -> None:
        self._voids = self._store.voids
        self._control, self._payloads = -1, self._arrivals.payloads
        self._cursor = 0
        self._lanes: dict[LogId, _Lane] = {}
        self._counted: dict[EntryId, Import] = {}
        self._brought: dict[EntryId, list[Import]] = {}
        self._days: Counter[tuple[Digest, int]] = Counter()
        self.imports: dict[EntryId, Import] = {}
        """All that have an effect by the rules of ingest, in the order of arrival."""
        self.shown: list[Import] = []
        """The imports by which entries count, each entry once, in the order of being judged."""

    def _judge_again(self) -> bool:
        """Look again at what a change of certificates, keys or payloads may have changed."""
        if self._store.voids != self._voids:
            self.version += 1
            self._begin()
            return True
        control, payloads = self._arrivals.control, self._arrivals.payloads
        if control == self._control and payloads == self._payloads:
            return False
        if control != self._control and any(map(self._has_turned, self.imports.values())):
            self.version += 1
            self._begin()
        self._control, self._payloads = control, payloads
        before = len(self.shown)
        for lane in self._lanes.values():
            waiting, lane.waiting = lane.waiting, []
            self._settle(lane, waiting)
        return len(self.shown) != before

    def _has_turned(self, item: Import) -> bool:
        """Return whether a judged import is judged otherwise by what is known by now."""
        if item.bridged is None or not item.is_judged or self._basis(item) == item.basis:
            return False
        again = Import(id=item.id, header=item.header, place=item.place, bridged=item.bridged)
        if not self._judge(again, item.bridged):
            return False
        item.basis = again.basis
        return (again.terms, _code(again)) != (item.terms, _code(item))

    def _take(self, entry: StoredEntry) -> None:
        lane = self._lanes.setdefault(entry.log, _Lane())
        day = entry.header.time_ms // DAY_MS
        lane.places[day] += 1
        is_missing = entry.absence == WITHHELD and entry.void is None
        waits = is_missing and awaits(self._ingest.subscription, entry.kind)
        if not waits and (entry.no_effect is not None or not entry.envelope.payload):
            return
        item = Import(id=entry.id, header=entry.header, place=lane.places[day])
        self.imports[entry.id] = item
        self._settle(lane, [item])

    def _settle(self, lane: _Lane, items: Iterable[Import]) -> None:
        """Judge those that can be judged; the others wait."""
        for item in items:
            entry = self._store.entry(item.id)
            if self._waits_behind(lane) or entry is None or entry.absence == WITHHELD:
                lane.waiting.append(item)
            elif entry.no_effect is not None or not entry.envelope.payload:
                del self.imports[item.id]
            elif not self._judge_body(item, entry.envelope.payload):
                lane.waiting.append(item)
            elif item.crossed is not None and item.terms is not None:
                self._count(item, item.crossed, item.terms)

    def _waits_behind(self, lane: _Lane) -> bool:
        """Return whether a payload of a log is withheld, behind which all wait (ENV-39)."""
        return bool(lane.waiting) and lane.waiting[-1].bridged is None

    def _judge_body(self, item: Import, payload: bytes) -> bool:
        if item.bridged is None:
            item.bridged = decode(body_of(payload), Bridged)
            self._brought.setdefault(entry_id(item.bridged.header), []).append(item)
        return self._judge(item, item.bridged)

    def _judge(self, item: Import, bridged: Bridged) -> bool:
        """Judge an import; return False where that has to wait."""
        item.authors = _authors(bridged)
        item.basis = self._basis(item)
        try:
            terms = item.terms = terms_of(self.federation, item.header, bridged.treaty)
            require_bridge(terms, bridged.treaty, item.header)
            # First of all: what comes in flood costs no signature checks, and is not kept.
            direction = terms.treaty.direction(terms.treaty.other(self.fid))
            require_place(item.place, terms.most(direction))
            item.crossed = check_import(item.header, bridged, item.terms, self.control)
        except RemoteProtocolError as exc:
            if exc.fault is Fault.NOT_YET:
                return False
            item.fault = exc
            if exc.code == "bridge.rate":
                item.bridged = structs.replace(bridged, payload=b"", proof=b"")
        return True

    def _basis(self, item: Import) -> object:
        federations, keys = self.control.federations, self.control.keys
        header = item.header
        basis: list[object] = [self.federation.standing(header.cid, header.wid, header.seq)]
        for author in item.authors:
            charters = federations.get(author.fid)
            basis.append(keys.get(author.cid))
            if charters is not None:
                basis.append(charters.standing(author.cid, author.wid, author.seq))
                basis.append(charters.cut_of(author.cid, author.wid))
        return basis

    def _count(self, item: Import, crossed: Crossed, terms: Terms) -> None:
        self._days[terms.id, crossed.left_ms // DAY_MS] += 1
        known = self._counted.get(crossed.id)
        if known is None or known.crossed is None:
            self._counted[crossed.id] = item
            self.shown.append(item)
        elif crossed.rank(item.id) < known.crossed.rank(known.id):
            # TRT-50: whichever came first here, all nodes count the same one.
            self._counted[crossed.id] = item
            self.shown = list(self._counted.values())
            self.version += crossed.shown.body != known.crossed.shown.body


class AllCrossings:
    """The crossings of a node's federations, each read once however many services ask."""

    def __init__(self) -> None:
        self._of: dict[FederationId, Crossings] = {}

    def into(
        self, fid: FederationId, *, store: Store, ingest: Ingest, arrivals: Arrivals
    ) -> Crossings:
        """Return what crossed into a federation."""
        if fid not in self._of:
            self._of[fid] = Crossings(fid, store=store, ingest=ingest, arrivals=arrivals)
        return self._of[fid]


def _code(item: Import) -> str | None:
    """Return the rule that an import breaks."""
    return None if item.fault is None else item.fault.code


def _authors(bridged: Bridged) -> Sequence[Header]:
    headers = []
    for raw in (bridged.header, bridged.receipt.header):
        try:
            headers.append(decode_header(raw))
        except RemoteProtocolError:
            continue
    return headers
