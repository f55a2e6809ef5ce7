"""The transition tables of chapter 11, walked row by row, and everything that they do not list.

What a table says binds effects and not storage (LIF-1, ENV-9), so a row shows on the wire by what a
node does not do: it stores a move that is not listed and passes it on like one that is, refuses
nothing, and ends no link. The effect of pools shows in the verdicts of `sequence_pool.py`.

The cases are made from the tables: a walk for each row, and for each state a case with all events
that may not follow, and one with those of the wrong party. Events of no record (timers, reserved
kinds) cannot be sent.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from sheaf_node.conform.honest import require_place
from sheaf_node.conform.model import case
from sheaf_node.conform.peer import rejected
from sheaf_node.conform.pooling import Story
from sheaf_node.conform.records import Clerk, has_record
from sheaf_protocol.lifecycle import HOLD, POOL, SHIPMENT, Party

if TYPE_CHECKING:
    import enum
    from collections.abc import Iterator, Mapping, Sequence

    from sheaf_node.conform.model import Steps
    from sheaf_node.conform.peer import KitPeer
    from sheaf_node.conform.scene import Scene
    from sheaf_protocol.envelope import Envelope
    from sheaf_protocol.lifecycle import Machine

    State = enum.Enum | None

_BEFORE: Final = "capacity.publish"
"""What a hold or a shipment is about, published first by whom it belongs to."""
_OWNERS: Final[Mapping[str, Party]] = {"hold": Party.OWNER, "shipment": Party.CARRIER}


class Walk:
    """Parties that send events of one life cycle, each from its own log and over its own link."""

    def __init__(self, machine: Machine[Any], links: Mapping[Party, KitPeer]) -> None:
        self._machine, self._links = machine, links
        self.sent: list[tuple[Party, Envelope]] = []

    async def begin(self) -> None:
        """Publish what the life cycle is about."""
        self._clerk = Clerk(self._links[_OWNERS[self._machine.name]].author)
        await self._send(_BEFORE, _OWNERS[self._machine.name])

    async def step(self, event: str, by: Party | None = None) -> None:
        """Send an event, by whose it is where nobody is named."""
        await self._send(event, by or sender(self._machine, event))

    async def _send(self, kind: str, by: Party) -> None:
        peer = self._links[by]
        entry = peer.author.publish(self._clerk.record(kind))
        self._clerk.note(kind, entry.id)
        self.sent.append((by, entry))
        await peer.push(entry)


class PoolWalk(Walk):
    """The same for pools, which one log tells with its lines and offers."""

    async def begin(self) -> None:
        """Publish two lines and an offer."""
        self._story = Story(self._links[Party.COORDINATOR].author)
        for entry in (*self._story.lines(), self._story.offer()):
            await self._pass(entry, Party.COORDINATOR)

    async def _send(self, kind: str, by: Party) -> None:
        other = None if by is Party.COORDINATOR else self._links[by].author
        match kind:
            case "pool.open":
                entry = self._story.open(by=other)
            case "pool.close":
                entry = self._story.close(by=other)
            case "pool.award":
                entry = self._story.award(by=other)
            case _:
                entry = self._story.lapse("pool.no_tier", by=other)
        await self._pass(entry, by)

    async def _pass(self, entry: Envelope, by: Party) -> None:
        self.sent.append((by, entry))
        await self._links[by].push(entry)


def sender(machine: Machine[Any], event: str) -> Party:
    """Return who may send an event."""
    return min(machine.senders[event], key=lambda party: party.value)


def parties(machine: Machine[Any]) -> Sequence[Party]:
    """Return the parties that send a record in this version, and the supplier of a pool, who does
    not: somebody has to be the wrong party.
    """
    found = {sender(machine, event) for event in machine.senders if has_record(event)}
    if machine is POOL:
        found.add(Party.SUPPLIER)
    return sorted(found, key=lambda party: party.value)


def paths(machine: Machine[Any]) -> Mapping[State, Sequence[str]]:
    """Return the shortest way of records to each state that records lead to."""
    found: dict[State, Sequence[str]] = {None: ()}
    left: deque[State] = deque([None])
    while left:
        state = left.popleft()
        for event, after in machine.moves.get(state, {}).items():
            if has_record(event) and after not in found:
                found[after] = (*found[state], event)
                left.append(after)
    return found


def _walked(
    machine: Machine[Any], way: Sequence[str], attempts: Sequence[tuple[str, Party | None]]
) -> Steps:
    async def steps(scene: Scene) -> None:
        cast = parties(machine)
        links = {
            party: await scene.ready(coop) for party, coop in zip(cast, scene.coops, strict=False)
        }
        walk = (PoolWalk if machine is POOL else Walk)(machine, links)
        await walk.begin()
        for event in way:
            await walk.step(event)
        for event, by in attempts:
            await walk.step(event, by)
        witness = await scene.ready(scene.coops[-1])
        for party, peer in links.items():
            await _require_kept(scene, witness, peer, [e for by, e in walk.sent if by is party])

    return steps


async def _require_kept(
    scene: Scene, witness: KitPeer, peer: KitPeer, sent: Sequence[Envelope]
) -> None:
    """Return once the node holds a log, gives out the bytes that came, and refused nothing."""
    if sent:
        await require_place(witness, peer.author, len(sent), sent[-1].id)
        kept = await scene.entries(peer.author, 1, len(sent))
        same = [(e.header, e.payload) for e in sent] == [(e.header, e.payload) for e in kept]
        scene.expect(True, same, "the bytes passed on are those that came")
    scene.expect([], rejected(peer.heard), "entries refused")
    scene.expect(None, peer.ending, "the end of the link")


def _named(state: State) -> str:
    return "beginning" if state is None else state.name.lower().replace("_", "-")


def _rows(machine: Machine[Any]) -> Iterator[tuple[State, str]]:
    reached = paths(machine)
    for state, moves in machine.moves.items():
        if state in reached:
            yield from ((state, event) for event in moves if has_record(event))


def _illegal(machine: Machine[Any], state: State) -> list[tuple[str, Party | None]]:
    listed = machine.moves.get(state, {})
    return [(event, None) for event in machine.senders if has_record(event) and event not in listed]


def _by_others(machine: Machine[Any], state: State) -> list[tuple[str, Party | None]]:
    others = parties(machine)
    return [
        (event, party)
        for event in machine.moves.get(state, {})
        if has_record(event)
        for party in others
        if party not in machine.senders[event]
    ]


def _write_down(machine: Machine[Any]) -> None:
    name, cast = machine.name, len(parties(machine))
    reached = paths(machine)
    for state, event in _rows(machine):
        case(
            f"table-{name}-{_named(state)}-{event.replace('.', '-')}",
            ("LIF-4", "ENV-8"),
            f"{event} at {_named(state)} of a {name} is stored and passed on",
            coops=cast + 1,
        )(_walked(machine, reached[state], [(event, None)]))
    for state, way in reached.items():
        if attempts := _illegal(machine, state):
            events = ", ".join(event for event, _ in attempts)
            case(
                f"table-{name}-{_named(state)}-illegal",
                ("LIF-1", "ENV-9"),
                f"At {_named(state)} of a {name} these are stored all the same: {events}",
                coops=cast + 1,
            )(_walked(machine, way, attempts))
        if others := _by_others(machine, state):
            case(
                f"table-{name}-{_named(state)}-by-others",
                ("LIF-2", "ENV-9"),
                f"Events at {_named(state)} of a {name} by the wrong party are stored all the same",
                coops=cast + 1,
            )(_walked(machine, way, others))


for _machine in (POOL, HOLD, SHIPMENT):
    _write_down(_machine)
