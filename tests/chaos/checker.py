"""Finds what no history of honest nodes may show. Pure, and independent of the node's code.

1. Set-full: what was answered `ok` is on every node in the end; what failed is on none; what is
   unknown may be either. Of several attempts at one element the best known outcome counts.
2. Nothing twice: one entry for a line, one answer to a hold, whatever was repeated.
3. Capacity: at every prefix of what the owner's node holds, in the order of arrival there, what is
   locked is no more than there is. For other nodes a release may come after the grant that it made
   room for; there what was ever released is left out.
4. Logs: each node got each log from its first entry on without a gap, all hold the same entry at a
   place, and what a node once showed it still shows at its number.
5. One verdict: all nodes know the same forks, which are none, and end with the same entries.
6. No node wrote of a fault of its own.
7. Scarce: of equal askers of one capacity, floor(capacity / quantity) were granted, all answered.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, TypeAlias

from tests.chaos.history import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.chaos.history import History, Scarce, Shown

Element: TypeAlias = tuple[str, str, str]
"""Kind, co-op, key."""

_ONCE = frozenset({"demand.submit", "offer.submit"})
_ANSWERS = frozenset({"hold.grant", "hold.refuse"})
_ENDS = frozenset({"hold.expired", "hold.revoke", "hold.confirmed"})


def check(history: History) -> list[str]:
    """Return what is wrong, in sentences; nothing where the history is one of honest nodes."""
    found = [*_sets(history), *_forks(history)]
    found += [f"{node}: outcry: {told}" for node, told in history.outcries.items()]
    for node, entries in history.final.items():
        parts = [*_twice(entries), *_gaps(entries), *_overbooked(history, node)]
        found += [f"{node}: {problem}" for problem in (*parts, *_rewritten(history, node))]
    found += _differences(history)
    for scarce in history.scarce:
        found += _scarce(scarce, history)
    return found


# --- 1 ----------------------------------------------------------------------------------------


def _sets(history: History) -> Iterator[str]:
    held = {
        node: {(each.kind, each.cid, each.key) for each in entries}
        for node, entries in history.final.items()
    }
    for element, outcome in _outcomes(history).items():
        kind, _, key = element
        having = [node for node, elements in held.items() if element in elements]
        missing = sorted(held.keys() - set(having))
        if outcome is Outcome.OK and missing:
            yield f"lost: {kind} {key} was answered ok and is not on {', '.join(missing)}"
        if outcome is Outcome.FAIL and having:
            yield f"undead: {kind} {key} failed and is on {', '.join(having)}"


def _outcomes(history: History) -> dict[Element, Outcome]:
    """Return what is known of each element: ok before unknown before fail."""
    told: defaultdict[Element, set[Outcome]] = defaultdict(set)
    for operation in history.operations:
        element = (operation.kind, history.cids[operation.node], operation.key)
        told[element].add(operation.outcome)
    order = (Outcome.OK, Outcome.UNKNOWN, Outcome.FAIL)
    return {
        element: next(outcome for outcome in order if outcome in outcomes)
        for element, outcomes in told.items()
    }


# --- 2 ----------------------------------------------------------------------------------------


def _twice(entries: Sequence[Shown]) -> Iterator[str]:
    lines = Counter((each.kind, each.cid, each.key) for each in entries if each.kind in _ONCE)
    for (kind, _, key), count in lines.items():
        if count > 1:
            yield f"twice: {count} entries of {kind} {key}"
    holds = _holds(entries)
    answers = Counter(
        hold for each in entries if each.kind in _ANSWERS and (hold := holds.get(each.refs[0]))
    )
    for (_, _, key), count in answers.items():
        if count > 1:
            yield f"twice: {count} answers to hold {key}"


def _holds(entries: Sequence[Shown]) -> dict[str, Element]:
    """Return by request the hold it asks for: its capacity, its asker and its name."""
    return {
        each.id: (str(each.record["capacity"]), each.cid, each.key)
        for each in entries
        if each.kind == "hold.request"
    }


# --- 3 ----------------------------------------------------------------------------------------


def _overbooked(history: History, node: str) -> Iterator[str]:
    """Walk a node's entries in the order of arrival, and count what is locked of each capacity."""
    entries = history.final[node]
    holds, capacities = _holds(entries), {e.id: e for e in entries if e.kind == "capacity.publish"}
    grants = {each.id: each for each in entries if each.kind == "hold.grant"}
    released = {
        str(each.record["grant"])
        for each in entries
        if each.kind == "hold.release" and _is_askers(each, grants, holds)
    }
    locked: defaultdict[str, dict[str, int]] = defaultdict(dict)
    final: set[str] = set()
    for each in entries:
        if each.kind in _ENDS | {"hold.release"}:
            _end(each, locked, final, holds, grants)
        if each.kind != "hold.grant" or each.refs[0] not in holds:
            continue
        capacity = capacities.get(holds[each.refs[0]][0])
        if capacity is None or capacity.cid != each.cid:
            yield f"capacity: {each.id} grants what is not its author's"
            continue
        is_owner = history.cids[node] == capacity.cid
        if is_owner or each.id not in released:
            locked[capacity.id][each.id] = int(each.record["locked"][history.dimension])
        taken, most = sum(locked[capacity.id].values()), _amount(capacity, history)
        if taken > most:
            yield f"capacity: {taken} of {most} locked in {capacity.key} at arrival {each.arrival}"


def _end(
    word: Shown,
    locked: dict[str, dict[str, int]],
    final: set[str],
    holds: dict[str, Element],
    grants: dict[str, Shown],
) -> None:
    """Take a word that ends a hold, or makes it final: then a release is no more than a wish."""
    if word.kind == "hold.confirmed":
        mine = (grant for grant in grants.values() if grant.cid == word.cid)
        final.update(grant.id for grant in mine if grant.key == word.key)
        return
    id_ = str(word.record["grant"])
    is_askers = word.kind == "hold.release" and _is_askers(word, grants, holds)
    is_owners = word.kind != "hold.release" and id_ in grants and grants[id_].cid == word.cid
    if id_ not in final and (is_askers or is_owners):
        for taken in locked.values():
            taken.pop(id_, None)


def _is_askers(word: Shown, grants: dict[str, Shown], holds: dict[str, Element]) -> bool:
    grant = grants.get(str(word.record["grant"]))
    hold = None if grant is None else holds.get(grant.refs[0])
    return hold is not None and hold[1] == word.cid


def _amount(capacity: Shown, history: History) -> int:
    return int(capacity.record["resource"].get(history.dimension, 0))


# --- 4 ----------------------------------------------------------------------------------------


def _gaps(entries: Sequence[Shown]) -> Iterator[str]:
    heads: Counter[str] = Counter()
    arrival = 0
    for each in entries:
        if each.seq != heads[each.wid] + 1:
            came = f"{each.seq} came after {heads[each.wid]}"
            yield f"order: {came} in the log of {each.wid[:8]}"
        if each.arrival <= arrival:
            yield f"order: arrival {each.arrival} came after {arrival}"
        heads[each.wid], arrival = each.seq, each.arrival


def _rewritten(history: History, node: str) -> Iterator[str]:
    final = {each.arrival: each.id for each in history.final[node]}
    for arrival, id_ in history.seen.get(node, {}).items():
        if final.get(arrival) != id_:
            yield f"rewritten: {id_[:8]} was shown at arrival {arrival} and is there no more"


# --- 5 ----------------------------------------------------------------------------------------


def _forks(history: History) -> Iterator[str]:
    if any(history.forked.values()):
        yield f"fork: {history.forked}"
    if len(set(history.roots.values())) > 1:
        yield f"unequal: {len(set(history.roots.values()))} roots after the network was healed"


def _differences(history: History) -> Iterator[str]:
    places: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    for entries in history.final.values():
        for each in entries:
            places[each.wid, each.seq].add(each.id)
    for (wid, seq), ids in places.items():
        if len(ids) > 1:
            yield f"fork: {len(ids)} entries at {seq} in the log of {wid[:8]}"
    every = {id_ for ids in places.values() for id_ in ids}
    for node, entries in history.final.items():
        lacking = len(every - {each.id for each in entries})
        if lacking:
            yield f"unequal: {node} lacks {lacking} entries"


# --- 7 ----------------------------------------------------------------------------------------


def _scarce(scarce: Scarce, history: History) -> Iterator[str]:
    for node, entries in history.final.items():
        holds = _holds(entries)
        asked = {hold for hold in holds.values() if hold[0] == scarce.capacity}
        capacity = next((each for each in entries if each.id == scarce.capacity), None)
        if capacity is None:
            yield f"{node}: scarce: the capacity is not there"
            continue
        answers = {
            (each.kind, hold)
            for each in entries
            if each.kind in _ANSWERS and (hold := holds.get(each.refs[0])) in asked
        }
        granted = sum(kind == "hold.grant" for kind, _ in answers)
        most = min(len(asked), _amount(capacity, history) // scarce.quantity)
        if granted != most:
            yield f"{node}: scarce: expected {most} of {len(asked)} granted, got {granted}"
        if len({hold for _, hold in answers}) != len(asked):
            left = len(asked) - len({hold for _, hold in answers})
            yield f"{node}: scarce: {left} of {len(asked)} were never answered"
