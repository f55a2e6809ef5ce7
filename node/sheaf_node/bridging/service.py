"""The treaties of one federation on one node: a service that is always on (spec 16).

Every member's node watches what bridges sign. The node of a bridge also takes entries across, out
of this federation into others that it is in. The same service in those brings entries back here.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, Final

from sheaf_node.bridging.affected import affected
from sheaf_node.bridging.ledger import FOLLOWS, Ledger
from sheaf_node.bridging.passage import Passage
from sheaf_node.bridging.request import Requests
from sheaf_node.bridging.view import Report
from sheaf_node.bridging.watch import Watch
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.records.erasure import Erase
from sheaf_protocol.treaty import Terms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sheaf_node.bridging.powers import Powers
    from sheaf_node.plugins import Call, Json, SeenRecord, ServiceContext
    from sheaf_node.plugins.reading import Reader
    from sheaf_protocol.charter import TreatyInForce
    from sheaf_protocol.digest import Digest, EntryId, FederationId

_SIGNED: Final = frozenset({"bridge.origin", "bridge.shown", "bridge.view", "schema.invalid"})
"""Faults of imports whose receipts are in order, so that they are evidence where they left."""
_MINUTE_MS: Final = 60_000
_LOG = logging.getLogger("sheaf.bridging")


class Partner:
    """What stewards of another federation that we are in say about our treaty with it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.ledger = Ledger()

    def catch_up(self) -> None:
        """Read all that is in the store."""
        while batch := self._reader.next_batch(512, frozenset({"treaty.brake"})):
            for seen in batch.records:
                self.ledger.fold(seen)


class Bridging:
    """Folds what is said about crossing; decides what our bridge does next."""

    follows: ClassVar[frozenset[str]] = FOLLOWS
    follows_abroad: ClassVar[frozenset[str]] = frozenset({"bridge.import"})
    """No such record crosses; the host has what does judged before we decide, step by step."""

    def __init__(self, context: ServiceContext, powers: Powers) -> None:
        self._context, self._powers = context, powers
        self._ledger = Ledger()
        self._watch = Watch(powers, self._ledger)
        self._partners: dict[FederationId, Partner] = {}
        self._never: set[tuple[Digest, EntryId]] = set()
        self._done: dict[tuple[Digest, int], set[EntryId]] = {}
        self._stuck: dict[EntryId, str] = {}
        self._homed: set[EntryId] = set()
        self._told: set[EntryId] = set()
        self._looked: object = None

    @property
    def commands(self) -> Mapping[str, Callable[[Call], Json]]:
        """`ask` and `brake`."""
        requests = Requests(self._context, self._powers, self._ledger)
        return {"ask": requests.ask, "brake": requests.brake}

    @property
    def views(self) -> Mapping[str, Callable[[Call], Json]]:
        """`treaties`, `affected` and `partners`."""
        report = Report(
            self._context, self._powers, self._ledger, self._watch, self._stuck, self.terms
        )
        return {
            "affected": lambda call: affected(self._context, self._powers, self._ledger, call),
            "partners": report.partners,
            "treaties": report.treaties,
        }

    def fold(self, seen: SeenRecord) -> None:
        """Learn one record."""
        self._ledger.fold(seen)

    def decide(self) -> None:
        """Take across what is due, and tell of bridges that did wrong."""
        self._tell()
        if self._powers.federations[self._powers.fid].is_forked:
            return
        for passage in self._passages():
            passage.take_across()
        for fid in self._powers.federations:
            if fid != self._powers.fid:
                self._bring_receipts_home(fid)
                self._erase_what_is_erased_here(fid)

    def finish(self, key: str, result: object) -> None:
        """Nothing is computed apart."""

    def terms(self, listed: TreatyInForce) -> Terms | None:
        """Return how much of a treaty holds now on both sides, as far as this node is in both.

        None where it is not in force on a side, or can be read by nobody.
        """
        now_ms, fid = self._context.now_ms(), self._powers.fid
        try:
            terms = Terms.of(listed.body, listed.level, listed.per_day)
            other = terms.treaty.other(fid)
        except RemoteProtocolError:
            return None
        sides = [(fid, self._ledger)]
        if other in self._powers.federations:
            sides.append((other, self._partner(other).ledger))
        for at, ledger in sides:
            charter = self._powers.federations[at].charter
            there = next((each for each in charter.treaties if each.id == terms.id), None)
            if there is None:
                return None
            terms = _stricter(terms, Terms.of(there.body, there.level, there.per_day))
            if terms.id in ledger.brakes:
                since_ms = self._powers.level_set_ms(at, terms.id)
                brakings = ledger.brakings(terms.id, since_ms)
                terms = terms.braked(brakings, now_ms, charter.policy.ballot_ms)
        return terms

    def _passages(self) -> Iterator[Passage]:
        """Yield the ways out of this federation on which our co-op is a bridge, on both sides."""
        own, now_ms = self._context.cid, self._context.now_ms()
        here = self._powers.federations[self._powers.fid]
        entering: Counter[FederationId] = Counter()
        if not here.may(own, "bridge.export"):
            return
        if not self._powers.speaks(own, self._context.wid, now_ms):
            return
        for listed in here.charter.treaties:
            terms = self.terms(listed)
            if terms is None or own not in terms.treaty.bridges:
                continue
            if now_ms > terms.treaty.expires_ms or terms.level in {"pause", "end"}:
                continue
            there = self._powers.federations.get(terms.treaty.other(self._powers.fid))
            if there is None or not there.may(own, "bridge.import") or there.is_forked:
                continue
            # Where what came there was judged anew, what is done may not be.
            version = (terms.id, self._powers.crossings(there.fid).version)
            yield Passage(
                context=self._context,
                powers=self._powers,
                ledger=self._ledger,
                terms=terms,
                entered=there.fid,
                place=terms.treaty.bridges.index(own),
                never=self._never,
                done=self._done.setdefault(version, set()),
                stuck=self._stuck,
                entering=entering,
            )

    def _partner(self, fid: FederationId) -> Partner:
        if fid not in self._partners:
            self._partners[fid] = Partner(self._powers.reader(fid))
        self._partners[fid].catch_up()
        return self._partners[fid]

    def _bring_receipts_home(self, fid: FederationId) -> None:
        """Show members here what bridges signed about this federation in another (TRT-56)."""
        for item in self._powers.crossings(fid).imports.values():
            bridged = item.bridged
            if bridged is None or not item.is_judged or item.id in self._homed:
                continue
            self._homed.add(item.id)
            is_signed = item.fault is None or item.fault.code in _SIGNED
            if bridged.via[-1] == self._powers.fid and is_signed:
                receipt = bridged.receipt
                envelope = Envelope(receipt.header, receipt.signature, receipt.payload)
                if self._powers.entry(envelope.id) is None:
                    self._powers.bring_home(envelope)

    def _erase_what_is_erased_here(self, fid: FederationId) -> None:
        """Let go of our imports of what was erased where it came from (TRT-53)."""
        crossings, here = self._powers.crossings(fid), self._powers.crossings(self._powers.fid)
        for target in self._ledger.erased:
            held = self._powers.entry(target)
            if held is None or not self._powers.is_erased(held):
                continue
            came = here.get(target)
            origin = target if came is None or came.origin is None else came.origin
            for item in crossings.brought(origin):
                ours = self._powers.entry(item.id)
                is_ours = item.header.cid == self._context.cid and ours is not None
                if is_ours and ours is not None and not self._powers.is_erased(ours):
                    self._powers.publish_in(fid, Erase(entry=item.id))

    def _tell(self) -> None:
        """Write what is found of bridges to the node's output, once each."""
        now_ms, here = self._context.now_ms(), self._powers.crossings(self._powers.fid)
        seen = (len(self._ledger.exports), len(here.imports), here.version, now_ms // _MINUTE_MS)
        if seen == self._looked:
            return
        self._looked = seen
        for finding in self._watch.findings(now_ms):
            if finding.entry not in self._told:
                self._told.add(finding.entry)
                _LOG.warning("%s [%s]", finding.sentence(self._powers), finding.code)


def _stricter(one: Terms, other: Terms) -> Terms:
    """Return the stricter of two levels of one treaty."""
    strict: dict[str, int] = {"allow": 0, "limit": 1, "pause": 2, "end": 3}
    level: Any = max(one.level, other.level, key=lambda level: strict[level])
    rates = [each for each in (one.per_day, other.per_day) if each is not None]
    return Terms(id=one.id, treaty=one.treaty, level=level, per_day=min(rates, default=None))
