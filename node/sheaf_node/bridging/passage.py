"""One treaty in one direction, as a bridge's node takes entries across it.

What was done is told by the logs of both federations and by nothing else: an export of ours without
an import is gone on with, wherever a node was killed. The first bridge of a treaty acts at once;
the others take over what it leaves lying.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from sheaf_node.bridging.source import source_of
from sheaf_node.crossing import terms_of
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import EntryId, log_id
from sheaf_protocol.envelope import Header, make_payload, payload_hash
from sheaf_protocol.errors import ProtocolError, RemoteProtocolError
from sheaf_protocol.limits import MAX_INT, MAX_PAYLOAD, SALT_BYTES
from sheaf_protocol.proof import decode_proof, encode_proof
from sheaf_protocol.records.bridge import MAX_BRIDGED
from sheaf_protocol.treaty import DAY_MS, check_import, make_import, plan_export

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator

    from sheaf_node.bridging.ledger import Ledger
    from sheaf_node.bridging.powers import Powers
    from sheaf_node.plugins import SeenRecord, ServiceContext
    from sheaf_protocol.digest import CoopId, Digest, FederationId
    from sheaf_protocol.proof import Proof
    from sheaf_protocol.records.bridge import Bridged, BridgeExport
    from sheaf_protocol.treaty import Shown, Source, Terms

STAND_BY_MS: Final = 10 * 60_000
"""How long each stand-by waits for those before it: a restart takes less."""
MOST_AT_ONCE: Final = 64
"""Entries taken across in one turn."""
_WRAPPING: Final = 4_096
"""More than an import has beside the payload and the proof of its origin."""


class Grant(NamedTuple):
    """What lets an entry cross, who asked for that, and when."""

    id: EntryId
    entry: EntryId
    cid: CoopId
    time_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """What leaves one federation for another under a treaty, as far as both let it now."""

    context: ServiceContext
    powers: Powers
    ledger: Ledger
    terms: Terms
    """The strictest of both sides, brakes included."""
    entered: FederationId
    place: int
    """Ours among the bridges; 0 acts, the others stand by."""
    never: set[tuple[Digest, EntryId]]
    """By treaty and grant, what never may cross: a treaty's body does not change."""
    done: set[EntryId]
    """What is there, or was taken there by us, so that it is not looked at again."""
    stuck: dict[EntryId, str]
    """By entry, why an export of ours does not enter."""
    entering: Counter[FederationId]
    """How many imports were asked for in this turn, over all treaties."""

    def take_across(self) -> None:
        """Ask for the next steps of all that is due."""
        begun: set[EntryId] = set()
        waiting: dict[CoopId, list[Grant]] = {}
        for grant in self._granted():
            own = self._own_export(grant.entry)
            if own is None:
                waiting.setdefault(grant.cid, []).append(grant)
            elif len(begun) < MOST_AT_ONCE and grant.entry not in begun and self._enter(own):
                begun.add(grant.entry)
        self._take_out(_in_turn(waiting.values()), begun)

    def _take_out(self, waiting: Iterable[Grant], begun: set[EntryId]) -> None:
        room = self._most() - self.ledger.left_on(self.terms.id, self.context.now_ms())
        for grant in waiting:
            if room <= 0:
                self._wait_for_tomorrow()
                return
            if len(begun) == MOST_AT_ONCE:
                return
            is_due = grant.entry not in begun and self._is_our_turn(grant.entry, grant.time_ms)
            if is_due and self._leave(grant.entry, grant.id):
                begun.add(grant.entry)
                room -= 1

    def _granted(self) -> Iterator[Grant]:
        """Yield what may have to cross."""
        for entry, asks in self.ledger.asks.items():
            if entry not in self.done and not self._is_done(entry):
                for ask in asks:
                    if self._may(ask.id):
                        yield Grant(ask.id, entry, ask.cid, ask.time_ms)
        for item in self.powers.crossings(self.powers.fid).shown:
            came = item.crossed
            if came is None or came.id in self.done or self._is_done(came.id):
                continue
            if self._may(item.id):
                yield Grant(item.id, came.id, came.header.cid, item.header.time_ms)

    def _may(self, granted_by: EntryId) -> bool:
        return (self.terms.id, granted_by) not in self.never

    def _is_done(self, entry: EntryId) -> bool:
        """Return whether an entry is there, or was taken there by us, right or wrong."""
        there = self.powers.crossings(self.entered)
        is_ours = (item.header.cid == self.context.cid for item in there.brought(entry))
        if there.has(entry) or any(is_ours):
            self.done.add(entry)
        return entry in self.done

    def _own_export(self, entry: EntryId) -> SeenRecord | None:
        exports = self.ledger.exports_of(self.terms.id, entry)
        return next((seen for seen in exports if seen.cid == self.context.cid), None)

    def _is_our_turn(self, entry: EntryId, since_ms: int) -> bool:
        others = (seen.time_ms for seen in self.ledger.exports_of(self.terms.id, entry))
        due_ms = max([since_ms, *others]) + self.place * STAND_BY_MS
        if self.place == 0 or self.context.now_ms() >= due_ms:
            return True
        self.context.wake_at(due_ms)
        return False

    def _leave(self, entry: EntryId, granted_by: EntryId) -> bool:
        """Ask for an export; return whether it may be."""
        try:
            source = source_of(self.powers, entry, granted_by)
            if source is None or self._is_erased(source):
                return False
            export, shown = plan_export(self.terms, source)
        except RemoteProtocolError:
            self.never.add((self.terms.id, granted_by))
            return False
        if not self._fits(source, shown):
            self.never.add((self.terms.id, granted_by))
            return False
        self.context.publish(export)
        return True

    def _enter(self, seen: SeenRecord) -> bool:
        """Ask for the import that follows on an export of ours; return whether it may be."""
        if self._is_full():
            self._wait_for_tomorrow()
            return False
        export = cast("BridgeExport", seen.record)
        try:
            source = source_of(self.powers, EntryId(export.entry), EntryId(export.granted_by))
            bridged = None if source is None else self._import(seen.id, source)
        except ProtocolError as exc:
            if exc.code != "bridge.unknown":
                self.stuck[EntryId(export.entry)] = exc.code
            return False
        if bridged is None or source is None:
            return False
        self.entering[self.entered] += 1
        self.stuck.pop(source.id, None)
        self.powers.publish_in(self.entered, bridged)
        return True

    def _import(self, export_id: EntryId, source: Source) -> Bridged | None:
        """Return the import, if members there will take it. Raises as `check_import` does."""
        held = self.powers.entry(export_id)
        origin = self._origin(source)
        if held is None or origin is None:
            return None
        _, shown = plan_export(self.terms, source)
        bridged = make_import(source, *origin, shown, held.envelope)
        crossings = self.powers.crossings(self.entered)
        header = self._header_there(bridged)
        terms = terms_of(crossings.federation, header, self.terms.id)
        check_import(header, bridged, terms, crossings.control)
        return bridged

    def _origin(self, source: Source) -> tuple[bytes, Proof] | None:
        """Return the origin's header as its author signed it, and what proves it."""
        if len(source.via) == 1:
            held = self.powers.entry(source.id)
            proof = None if held is None else self.powers.proof_of(held)
            return None if held is None or proof is None else (held.envelope.header, proof)
        item = self.powers.crossings(self.powers.fid).get(source.granted_by)
        if item is None or item.bridged is None:
            return None
        return item.bridged.header, decode_proof(item.bridged.proof)

    def _fits(self, source: Source, shown: Shown) -> bool:
        origin = self._origin(source)
        proof = 0 if origin is None else len(encode_proof(origin[1]))
        size = len(shown.payload) + proof + _WRAPPING
        return len(shown.payload) <= MAX_BRIDGED and size <= MAX_PAYLOAD

    def _header_there(self, bridged: Bridged) -> Header:
        """Return a header as our import would have it, beyond every line in our log."""
        payload = make_payload(encode(bridged), bytes(SALT_BYTES))
        return Header(
            1,
            self.entered,
            self.context.cid,
            self.context.wid,
            MAX_INT,
            EntryId(bytes(32)),
            "bridge.import",
            self.context.now_ms(),
            0,
            payload_hash(payload),
            len(payload),
            [],
            0,
        )

    def _is_erased(self, source: Source) -> bool:
        held = self.powers.entry(source.id if len(source.via) == 1 else source.granted_by)
        return held is not None and self.powers.is_erased(held)

    def _most(self) -> int:
        return self.terms.most(self.terms.treaty.direction(self.powers.fid))

    def _is_full(self) -> bool:
        """Return whether today our log where it would enter has all the imports that count."""
        log = log_id(self.entered, self.context.cid, self.context.wid)
        today = self.context.now_ms() // DAY_MS
        taken = self.powers.crossings(self.entered).taken(log, today)
        return taken + self.entering[self.entered] >= self._most()

    def _wait_for_tomorrow(self) -> None:
        now_ms = self.context.now_ms()
        self.context.wake_at((now_ms // DAY_MS + 1) * DAY_MS)


def _in_turn(asked: Iterable[Iterable[Grant]]) -> Iterator[Grant]:
    """Yield one of each co-op's, then another of each (TRT-58): one that asks for thousands makes
    the others wait for one another, and not for it.
    """
    rounds = chain.from_iterable(zip_longest(*asked))
    return (grant for grant in rounds if grant is not None)
