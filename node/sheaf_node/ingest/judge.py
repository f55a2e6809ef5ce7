"""What judges the entries of one log: the standing of its author at each place (spec 09).

Most logs are judged by one standing alone, and then what their author may publish is looked up once
for a log and not once for an entry. A certificate that moves standings has those entries judged
again that lie above its lines, so that all replicas end with the same faults whatever came first.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from sheaf_node.ingest.effect import effect_fault
from sheaf_node.store import Change
from sheaf_node.store.model import NewFault
from sheaf_protocol.charter.effect import barred_by

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sheaf_node.ingest.control import Taken
    from sheaf_node.store import HeldLog, StoredEntry
    from sheaf_node.store.planned import Planned
    from sheaf_protocol.charter import Federation, Standing
    from sheaf_protocol.charter.effect import AuthorFault
    from sheaf_protocol.digest import CoopId, WriterId
    from sheaf_protocol.envelope import Header


class Judge:
    """The standings of one log's author."""

    def __init__(self, federation: Federation, cid: CoopId, wid: WriterId) -> None:
        self._federation = federation
        self._line = max(federation.splits(cid, wid), default=0)
        self._newest = federation.standing(cid, wid, self._line + 1)
        self._barred: dict[str, AuthorFault | None] = {}

    def fault(self, header: Header, payload: bytes) -> AuthorFault | None:
        """Return the author's fault that leaves an entry without effect, or None.

        Raises RemoteProtocolError `enc.*` as `effect_fault` does.
        """
        kind = header.kind
        if header.seq <= self._line:
            standing = self._federation.standing(header.cid, header.wid, header.seq)
            return effect_fault(kind, payload, _barred(standing, kind), standing)
        if kind not in self._barred:
            self._barred[kind] = _barred(self._newest, kind)
        return effect_fault(kind, payload, self._barred[kind], self._newest)


def _barred(standing: Standing, kind: str) -> AuthorFault | None:
    # What lies beyond the line of a leaver is void, which is no fault of the entry.
    return None if standing.member is None else barred_by(standing, kind)


def changed_by(planned: Planned, taken: Taken) -> Change:
    """Return the change that a certificate makes, with what it makes of entries held."""
    faults: Iterable[NewFault] = ()
    if taken.before is not None:
        before, after = taken.before.federation, taken.chain.federation
        faults = _judged_again(planned, before, after)
    return Change(key_histories=taken.histories, chains={taken.fid: taken.chain}, faults=[*faults])


def _judged_again(planned: Planned, before: Federation, after: Federation) -> Iterator[NewFault]:
    """Yield the entries held of a federation that one more certificate judges otherwise."""
    for log, held in planned.state.logs.items():
        if held.fid == after.fid:
            judge = Judge(after, held.cid, held.wid)
            for first, last in _moved(before, after, held):
                entries = planned.entries_between(log, first, last)
                yield from _judged_otherwise(entries, judge)


def _judged_otherwise(entries: Iterable[StoredEntry], judge: Judge) -> Iterator[NewFault]:
    for entry in entries:
        if not entry.envelope.payload:
            continue  # judged when somebody brings it, or never needed again
        fault = judge.fault(entry.header, entry.envelope.payload)
        code = None if fault is None else fault.code
        if code != entry.fault:  # never of an erase: every member may, suspended or not
            yield NewFault(entry=entry, fault=code)


def _moved(before: Federation, after: Federation, held: HeldLog) -> Iterator[tuple[int, int]]:
    """Yield the stretches of a log whose standing is another than before, first and last number.

    Beyond the line of a leaver entries keep their faults, as beyond any cut.
    """
    cid, wid, end = held.cid, held.wid, held.head.seq
    splits = {*before.splits(cid, wid), *after.splits(cid, wid)}
    edges = [0, *sorted(seq for seq in splits if seq < end), end]
    for low, high in pairwise(edges):
        standing = after.standing(cid, wid, low + 1)
        if standing.member is not None and standing != before.standing(cid, wid, low + 1):
            yield low + 1, high
