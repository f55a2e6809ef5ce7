"""Restoring writers in one federation on one node: a service that is always on (spec 18).

It has two sides. For others it promises: whoever says that a writer of its co-op is lost is told
what this node holds of that writer's log, and from then on ingest takes no more of it. For its own
co-op, while the home recovers, it says what is lost, waits for the promises and for what they name,
has the lost writers closed, and lets the new one take over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sheaf_node.recovery.ledger import Ledger
from sheaf_node.recovery.view import report
from sheaf_protocol.digest import Digest, log_id
from sheaf_protocol.log import EMPTY
from sheaf_protocol.records import WriterLost, WriterOverride, WriterPromise, WriterSucceed
from sheaf_protocol.records.recovery import WRITER_KINDS
from sheaf_protocol.recovering import (
    is_older,
    is_to_be_promised,
    promised,
    required,
    to_promise,
    to_succeed,
    unheld,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sheaf_node.plugins import Call, Json, SeenRecord, ServiceContext
    from sheaf_node.recovery.marker import Marker
    from sheaf_node.recovery.standing import Standing
    from sheaf_node.store import HeldLog, Store
    from sheaf_protocol.digest import CoopId, WriterId
    from sheaf_protocol.identity import KeyLog, Writer
    from sheaf_protocol.log import Head
    from sheaf_protocol.recovering import Lost

LOOK_MS = 5_000
"""How often the marker is looked at, where the operator notes who is absent."""


class Recovery:
    """Folds what is said about lost writers; decides what this node says of them."""

    follows: ClassVar[frozenset[str]] = WRITER_KINDS

    def __init__(self, context: ServiceContext, store: Store, standing: Standing) -> None:
        self._context, self._store, self._standing = context, store, standing
        self._ledger = Ledger()

    @property
    def commands(self) -> Mapping[str, Callable[[Call], Json]]:
        """None: the operator speaks through the home's marker."""
        return {}

    @property
    def views(self) -> Mapping[str, Callable[[Call], Json]]:
        """`show`."""
        return {"show": lambda call: report(self._standing)}

    def fold(self, seen: SeenRecord) -> None:
        """Learn one record.

        What says that a writer is lost which its author's co-op did not have before is of no use
        to anybody, whatever comes later: the author's delegation names all those before it.
        """
        if isinstance(seen.record, WriterLost):
            keys = self._keys(seen.cid)
            if keys is None or not is_older(keys, seen.record.wid, seen.wid):
                return
        self._ledger.note(seen)

    def finish(self, key: str, result: object) -> None:
        """Nothing is computed apart."""

    def keeps(self, id_: Any) -> bool:
        """Return whether an entry says something of a writer that is still lost."""
        return id_ in self._ledger.lost

    def decide(self) -> None:
        """Go one step on with our own recovery, and promise what others need for theirs."""
        standing, context = self._standing, self._context
        marker = standing.marker
        if marker is not None:
            context.wake_at(context.now_ms() + LOOK_MS)
        if standing.has_lost_writer or context.cid not in self._members:
            return
        self._look_for_ourselves()
        if marker is not None:
            self._recover(marker)
        self._promise()

    @property
    def _fid(self) -> Any:
        return self._context.federation.fid

    @property
    def _members(self) -> Sequence[CoopId]:
        return [member.cid for member in self._context.federation.charter.members]

    def _keys(self, cid: CoopId) -> KeyLog | None:
        return self._store.key_logs.get(cid)

    def _promise(self) -> None:
        """Promise on every lost writer of others, once each: what we hold is what we stand by."""
        own = self._context.cid
        promised_on = self._ledger.promised_on(own)
        for cid, told in self._ledger.told().items():
            keys = self._keys(cid)
            if cid == own or keys is None:
                continue
            for lost in to_promise(keys, told, promised_on):
                log = lost.log_in(self._fid)
                head = self._head(self._store.logs.get(log))
                promise = WriterPromise(head=Digest(head.id), log=log, lost=lost.id, seq=head.seq)
                self._context.publish(promise, refs=[lost.id])

    def _look_for_ourselves(self) -> None:
        """See whether a writer of our co-op says that ours is lost: then ours signs no more."""
        keys = self._keys(self._context.cid)
        for lost in self._ledger.lost.values():
            is_ours = (lost.cid, lost.record.wid) == (self._context.cid, self._context.wid)
            if is_ours and keys is not None and is_to_be_promised(keys, lost):
                self._standing.note_declared(self._fid, lost)

    def _recover(self, marker: Marker) -> None:
        keys = self._keys(self._context.cid)
        if keys is None:
            return
        told = self._ledger.told_by(self._context.wid)
        open_ = [w for w in _by_age(keys) if not w.is_closed and w.wid != self._context.wid]
        if not open_:
            # What was closed elsewhere needs no promise: its cuts are known.
            self._standing.note_promised(self._fid, [])
            self._take_over(keys, told)
            return
        self._tell(open_, told)
        waits = [text for writer in open_ for text in self._waits(marker, told.get(writer.wid))]
        self._standing.waits_for[self._fid] = waits
        if waits:
            self._standing.note_unpromised(self._fid)
        else:
            self._standing.note_promised(self._fid, [writer.wid for writer in open_])

    def _tell(self, open_: Sequence[Writer], told: Mapping[WriterId, Lost]) -> None:
        """Say which writers are lost, and what is held of each."""
        for writer in open_:
            if writer.wid not in told:
                head = self._head(self._held(writer.wid))
                lost = WriterLost(head=Digest(head.id), seq=head.seq, wid=writer.wid)
                self._context.publish(lost)

    def _waits(self, marker: Marker, lost: Lost | None) -> list[str]:
        """Return in words what is missing before a lost writer can be closed in this federation."""
        if lost is None:
            return ["it is being told that a writer is lost"]
        needed = self._required(marker)
        absent = [cid for cid in self._members if cid.hex() in marker.without]
        said = self._ledger.promises.get(lost.id, {}).values()
        silent = set(self._required(marker, with_absent=True)) - set(needed)
        self._override(lost, sorted(silent | {each.cid for each in said if each.cid in absent}))
        promises = promised(self._fid, lost, said, members=self._members, absent=absent)
        return [
            *(f"{self._name(cid)} has not promised yet" for cid in needed if cid not in promises),
            *(
                f"entry {promises[cid].seq} of the lost log, which {self._name(cid)} promised,"
                " is still to come"
                for cid in self._unheld(lost, promises)
            ),
        ]

    def _name(self, cid: CoopId) -> str:
        return f"{self._context.name_of(cid)} ({cid.hex()[:8]})"

    def _required(self, marker: Marker, *, with_absent: bool = False) -> list[CoopId]:
        named = [cid for cid in self._members if cid.hex() in marker.without]
        newest: dict[CoopId, int] = {}
        for held in self._store.logs.values():
            if held.fid == self._fid and held.head.seq > 0:
                newest[held.cid] = max(newest.get(held.cid, 0), held.head.time_ms)
        return required(
            self._members,
            newest,
            own=self._context.cid,
            came_ms=marker.came_ms.get(self._fid.hex(), 0),
            absent=() if with_absent else named,
        )

    def _override(self, lost: Lost, absent: Sequence[CoopId]) -> None:
        """Sign who is done without, before anything rests on it."""
        if set(absent) - self._ledger.absent.get(lost.id, set()):
            self._context.publish(WriterOverride(absent=list(absent), lost=lost.id), refs=[lost.id])

    def _unheld(self, lost: Lost, promises: Mapping[CoopId, WriterPromise]) -> list[CoopId]:
        log, held = lost.log_in(self._fid), self._held(lost.record.wid)
        return unheld(
            promises,
            held_seq=self._head(held).seq,
            id_at=lambda seq: self._store.planned_id(log, seq),
            forked_at=None if held is None else held.forked_at,
        )

    def _take_over(self, keys: KeyLog, told: Mapping[WriterId, Lost]) -> None:
        """Let our writer go on where the closed ones were cut, once all of those logs is here."""
        own, fid = self._context.wid, self._fid
        said = self._ledger.said.get(self._context.cid, [])
        waits = []
        for wid, cut in to_succeed(keys, fid, said, own, told):
            held = self._held(wid)
            if cut.seq == 0 or (held is not None and held.head.seq >= cut.seq):
                succeed = WriterSucceed(head=Digest(cut.head), seq=cut.seq, wid=wid)
                self._context.publish(succeed)
                waits.append("it takes over")
            else:
                waits.append(f"entry {cut.seq} of a closed log is still to come")
                break
        self._standing.waits_for[fid] = waits
        if not waits:
            self._standing.note_done(fid)

    def _held(self, wid: WriterId) -> HeldLog | None:
        return self._store.logs.get(log_id(self._fid, self._context.cid, wid))

    @staticmethod
    def _head(held: HeldLog | None) -> Head:
        return EMPTY if held is None else held.head


def _by_age(keys: KeyLog) -> list[Writer]:
    return sorted(keys.writers.values(), key=lambda writer: (writer.opened_at, writer.wid))
