"""What must hold, kept by a ledger that shares no code with the node but libsodium.

It reads headers and payloads as the spec lays them out, at every commit that became durable, and
folds holds by its own small model. Invariants are named as in docs/reliability.md.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.awards import Awards
from tests.simulation.book import Book, book_of
from tests.simulation.certificates import Certificates
from tests.simulation.rows import Place, Row, Violation, read_row
from tests.simulation.signatures import is_signed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

CANARY: Final = b"canary-7f3a"
"""Stands in every private body; nobody but its addressees may ever see it in the clear (I12)."""
_AHEAD_MS: Final = 300_000
"""How far ahead of a node's clock the time of what it takes may be (spec 05)."""


@dataclass
class Acknowledged:
    """What a user was told for good."""

    site: str
    grant: bytes
    pallets: int
    evidence: tuple[bytes, ...]


@dataclass
class SiteFacts:
    """What a site's disk is known to hold."""

    durable: set[bytes] = field(default_factory=set)
    under_way: list[set[bytes]] = field(default_factory=list)
    """The entries of each change that was on its way to the disk when its last life ended."""
    book: Book = field(default_factory=Book)
    is_recovering: bool = False
    """Whether it learns its own old words from others, in no order that could be checked."""


class Ledger:
    """Checks every durable step of all sites."""

    def __init__(self, cids: Mapping[str, bytes], liars: Iterable[str] = ()) -> None:
        self.cids = dict(cids)
        self.liars = {cids[name] for name in liars}
        """Co-ops that sign what they like; what they sign still has to be signed and chained."""
        self.excused = set(self.liars)
        """Those, and the co-ops of which two nodes ran, or whose disk went back unnoticed: what
        they fork is void in the end, however often it was told."""
        self.violations: list[Violation] = []
        self.acknowledged: dict[str, Acknowledged] = {}
        self.gone: set[str] = set()
        """Operations whose proof was on no disk any more when one was lost."""
        self.told: dict[tuple[bytes, bytes], tuple[str, str | None]] = {}
        """By asker and hold, the operation and the state that its user was told, if any."""
        self.sites: dict[str, SiteFacts] = defaultdict(SiteFacts)
        self._at: dict[Place, bytes] = {}
        self._rows: dict[bytes, Row] = {}
        self.awards = Awards()
        self.certificates = Certificates(self._rows)

    def fault(self, invariant: str, what: str) -> None:
        """Note a broken invariant."""
        self.violations.append(Violation(invariant, what))

    # --- at every step --------------------------------------------------------------------------

    def durable(self, name: str, entries: Sequence[Any], latest_ms: int) -> None:
        """Take in entries that a site has just synced, whose clock never said more than that."""
        facts = self.sites[name]
        for entry in entries:
            envelope = entry.envelope
            row = self._row(name, envelope.header, envelope.payload)
            facts.durable.add(row.id)
            if row.time_ms > latest_ms + _AHEAD_MS:
                ahead_ms = row.time_ms - latest_ms
                self.fault("I10", f"{name} took an entry {ahead_ms} ms ahead of its clock")
            if entry.void is None and entry.fault is None:
                self._tell(name, facts, row)
                if row.place.cid == self.cids[name] and row.body:
                    self.awards.take(row)
            if CANARY in envelope.payload:
                self.fault("I12", f"{name} stored a private body in the clear")
        self._collect(name, facts.book)
        self._move(self.awards.faults)

    def certified(self, data: bytes, latest_ms: int) -> None:
        """Take in a certificate that a site has just synced; no clock said more so far."""
        self.certificates.take(data, latest_ms)
        self._move(self.certificates.faults)

    def reopened(
        self,
        name: str,
        path: Path,
        order: Mapping[bytes, Sequence[bytes]],
        *,
        is_recovering: bool = False,
    ) -> None:
        """Compare a site's file with what was synced, and read its holds anew.

        `order` gives each co-op's writers, the first one first.
        """
        facts = self.sites[name]
        facts.is_recovering = is_recovering
        for data in _certificates(path):
            self.certificates.take(data)
        self._move(self.certificates.faults)
        rows = list(self._read(name, path))
        lost = facts.durable - {row.id for row, _ in rows}
        if lost:
            self.fault("I13", f"{name} lost {len(lost)} entries that were synced")
        # A commit that death cut short may be whole on the disk, and nobody was told of it.
        for row, is_void in rows:
            if row.id not in facts.durable and row.place.cid == self.cids[name] and not is_void:
                self.awards.take(row)
        self._move(self.awards.faults)
        facts.durable = {row.id for row, _ in rows}
        for change in facts.under_way:
            kept = change & facts.durable
            if kept and kept != change:
                self.fault("I13", f"{name} kept {len(kept)} of {len(change)} entries of a change")
        facts.under_way = []
        self._require_refs(name, path, rows)
        facts.book = book_of([row for row, is_void in rows if not is_void], order)
        facts.book.void = frozenset(row.id for row, is_void in rows if is_void)
        facts.book.faults.clear()  # each was told when it was signed

    def author(self, id_: bytes) -> bytes | None:
        """Return the co-op that signed an entry, if any site held it."""
        row = self._rows.get(id_)
        return None if row is None else row.place.cid

    def turned_bad(self, name: str) -> None:
        """Take it that a co-op signs whatever it likes."""
        self.liars.add(self.cids[name])
        self.excused.add(self.cids[name])

    def owner_is_excused(self, capacity: bytes) -> bool:
        """Return whether nothing is promised of holds on a capacity."""
        row = self._rows.get(capacity)
        return row is not None and row.place.cid in self.excused

    def lost_disk(self, name: str) -> None:
        """Take it that a site knows no more than what it will be found to hold."""
        before = self.sites.pop(name)
        self.sites[name].is_recovering = True
        left = set().union(*(facts.durable for facts in self.sites.values()))
        for op, told in list(self.acknowledged.items()):
            if before.durable & set(told.evidence) and not left.issuperset(told.evidence):
                # Every copy is gone, which nothing can bring back (P1).
                self.gone.add(op)

    def acknowledge(self, op: str, name: str, grant: bytes, evidence: Sequence[bytes]) -> None:
        """Note that a user was told that a hold is confirmed."""
        held = self.sites[name].book.holds.get(grant)
        missing = [id_ for id_ in evidence if id_ not in self.sites[name].durable]
        if missing:
            self.fault("I1", f"{name} told of a hold whose proof it had not synced")
        elif not self._proves(evidence):
            self.fault("I1", f"{name} told of a hold that its owner has not confirmed")
        pallets = 0 if held is None else held.pallets
        self.acknowledged[op] = Acknowledged(name, grant, pallets, tuple(evidence))

    def asked(self, op: str, name: str) -> None:
        """Note that a user asks for the hold of that operation."""
        self.told[self._hold_of(op, name)] = (op, None)

    def answered(self, op: str, name: str, state: str) -> None:
        """Note the state that a user was told, for good, of the hold of that operation."""
        self.told[self._hold_of(op, name)] = (op, state)

    def _hold_of(self, op: str, name: str) -> tuple[bytes, bytes]:
        return self.cids[name], hashlib.sha256(b"sheaf/1/sim\0" + op.encode()).digest()

    def dying(self, name: str, changes: Iterable[Iterable[Any]]) -> None:
        """Note the entries of the changes that are on their way to a disk whose node dies."""
        told = [{bytes(entry.id) for entry in entries} for entries in changes]
        self.sites[name].under_way = told

    def _proves(self, evidence: Sequence[bytes]) -> bool:
        """Return whether a request, a grant and a confirmation belong together."""
        request, grant, word = (self._rows.get(id_) for id_ in evidence)
        if request is None or grant is None or word is None or word.kind != "hold.confirmed":
            return False
        confirm = self._rows.get(word.body["confirm"])
        owner = self._rows[request.body["capacity"]].place.cid
        return (
            confirm is not None
            and (grant.place.cid, word.place.cid) == (owner, owner)
            and grant.body["request"] == request.id
            and confirm.body["grant"] == grant.id
        )

    def _tell(self, name: str, facts: SiteFacts, row: Row) -> None:
        facts.book.take(row)
        if row.place.cid == self.cids[name] and not facts.is_recovering:
            facts.book.hear(row)

    def _move(self, faults: list[Violation]) -> None:
        self.violations += faults
        faults.clear()

    def _collect(self, name: str, book: Book) -> None:
        if self.cids[name] not in self.excused:
            self.violations += [Violation(f.invariant, f"{name}: {f.what}") for f in book.faults]
        book.faults.clear()

    def _row(self, name: str, header: bytes, payload: bytes | None) -> Row:
        row = read_row(header, payload)
        if not row.is_whole:
            self.fault("I5", f"{name} holds a payload that its header does not hash")
        known = self._rows.get(row.id)
        if known is not None:
            if not known.body and row.body:
                self._rows[row.id] = row
            return row
        self._rows[row.id] = row
        is_honest = row.place.cid not in self.excused
        other = self._at.setdefault(row.place, row.id)
        if other != row.id and is_honest:
            self.fault("I6", f"{name} holds two entries {row.place.seq} of one honest writer")
        return row

    def _read(self, name: str, path: Path) -> Iterable[tuple[Row, bool]]:
        sql = "SELECT header, payload, void IS NOT NULL OR fault IS NOT NULL FROM entries"
        with closing(sqlite3.connect(path)) as connection:
            for header, payload, is_void in connection.execute(sql + " ORDER BY arrival"):
                yield self._row(name, header, payload), bool(is_void)

    # --- at the end -----------------------------------------------------------------------------

    def settle(self, name: str, path: Path, order: Mapping[bytes, Sequence[bytes]]) -> object:
        """Check a site's whole file; return what it makes of all holds, to compare with others."""
        rows = list(self._read(name, path))
        self._require_chained(name, rows)
        self._require_signed(name, path)
        book = book_of([row for row, is_void in rows if not is_void], order)
        for op, told in sorted(self.acknowledged.items()):
            held = book.holds.get(told.grant)
            if op in self.gone or self._is_excused(told):
                continue
            if held is None or held.state != "confirmed":
                state = "unknown" if held is None else held.state
                self.fault("I1", f"at {name} hold {op}, which {told.site} was told of, is {state}")
        self._require_told(name, book)
        self._require_refs(name, path, rows)
        for capacity, (owner, total) in book.capacities.items():
            if owner not in self.excused and book.used(capacity) > total:
                self.fault("I2", f"at {name} {book.used(capacity)} of {total} pallets are taken")
        return sorted(
            (grant, held.state, held.is_locking, held.pallets)
            for grant, held in book.holds.items()
            if self._rows[grant].place.cid not in self.excused
        )

    def _is_excused(self, told: Acknowledged) -> bool:
        """Return whether who asked or who granted may have forked."""
        parties = {self._rows[id_].place.cid for id_ in told.evidence if id_ in self._rows}
        return not parties.isdisjoint(self.excused)

    def _require_told(self, name: str, book: Book) -> None:
        """Whatever is confirmed was asked for by a user, who was told so and nothing else.

        But for what its asker both confirmed and gave back: which of the two its owner read first
        the asker learns later.
        """
        for grant, held in book.holds.items():
            parties = {held.asker, book.capacities[held.capacity][0]}
            if held.state != "confirmed" or not parties.isdisjoint(self.excused):
                continue
            request = self._rows[self._rows[grant].body["request"]]
            op, state = self.told.get((held.asker, request.body["hold"]), ("of nobody", "nothing"))
            is_open = state == "RELEASED" and held.is_released
            if state not in {None, "CONFIRMED", "CONSUMED"} and not is_open:
                self.fault("I3", f"at {name} hold {op} is confirmed, its user was told {state}")

    def _require_refs(self, name: str, path: Path, rows: Sequence[tuple[Row, bool]]) -> None:
        """What an entry names is found by what names it: both were stored at once."""
        with closing(sqlite3.connect(path)) as connection:
            sql = "SELECT id, target FROM refs JOIN entries USING (arrival)"
            known = set(connection.execute(sql))
        for row, _ in rows:
            if any((row.id, target) not in known for target in row.refs):
                self.fault("I13", f"{name} stored an entry {row.place.seq} in part")

    def _require_chained(self, name: str, rows: Sequence[tuple[Row, bool]]) -> None:
        heads: dict[tuple[bytes, bytes, bytes], tuple[int, bytes]] = {}
        times: dict[tuple[bytes, bytes, bytes], int] = {}
        for row, _ in rows:
            log, seq = row.place[:3], row.place.seq
            at, head = heads.get(log, (0, bytes(32)))
            if (seq, row.prev) != (at + 1, head):
                self.fault("I5", f"{name} holds an entry {seq} that does not follow on {at}")
            if row.time_ms < times.get(log, 0):
                self.fault("I5", f"{name} holds an entry {seq} older than the one before it")
            heads[log], times[log] = (seq, row.id), row.time_ms

    def _require_signed(self, name: str, path: Path) -> None:
        """Each entry is signed, or a later one that is signed leads back to it by `prev`."""
        sql = "SELECT header, proof FROM entries ORDER BY log, seq DESC"
        proven: bytes | None = None
        log: tuple[bytes, ...] = ()
        with closing(sqlite3.connect(path)) as connection:
            for header, proof in connection.execute(sql):
                row = read_row(header, None)
                if row.place[:3] != log:
                    log, proven = row.place[:3], None
                if proof is not None and len(proof) == 64:
                    if not is_signed(row.place.wid, "entry-signature", header, proof):
                        self.fault(
                            "I5", f"{name} holds entry {row.place.seq} with a false signature"
                        )
                elif proof is None and proven != row.id:
                    self.fault("I5", f"{name} holds entry {row.place.seq} that nothing proves")
                proven = row.prev


def _certificates(path: Path) -> list[bytes]:
    """Return the certificates of a store, each after the one that it follows on."""
    with closing(sqlite3.connect(path)) as connection:
        return [
            data for (data,) in connection.execute("SELECT data FROM certificates ORDER BY epoch")
        ]
