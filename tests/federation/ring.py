"""Three federations of five in a ring: A with B, B with C, C with A; real stores, links and hosts.

Reach is in A and B and bridges those; Span is in all three, bridges B with C and C with A, and
stands by between A and B. The treaty of C and A lets offers pass and nothing else.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tests.node.diary import Diary
from tests.node.taking import make_keyring

from sheaf_node.bridging import bridging_host
from sheaf_node.clock import ManualClock
from sheaf_node.ingest import Draft
from sheaf_node.peering.memory import MemoryNetwork
from sheaf_node.plugins import Call, SeenRecord, ServiceHost
from sheaf_node.plugins.host import Parts
from sheaf_protocol.charter import Chain
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import EntryId, FederationId, WriterId, log_id
from sheaf_protocol.records import Record, kind_of
from sheaf_protocol.records.bridge import BridgeAsk
from sheaf_protocol.records.governance import Change
from sheaf_protocol.testing.author import LogAuthor, TestCoop, make_coop, make_federation
from sheaf_protocol.testing.epoch import keys_of, make_epoch
from sheaf_protocol.treaty import Direction, Treaty, treaty_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.federation.conftest import RunningNode, World

    from sheaf_node.store import StoredEntry

STEP_MS = 10
DAY_MS = 86_400_000
ROLES = ["coordinator", "member", "steward", "supplier"]
MEMBERS = {
    "A": ("Hill", "Dale", "Moor", "Reach", "Span"),
    "B": ("Fell", "Mill", "Cove", "Reach", "Span"),
    "C": ("Lake", "Rill", "Tarn", "Beck", "Span"),
}
BRIDGES = ("Reach", "Span")
ALL = ["curve.totals", "offer.submit", "sealed"]
TREATIES = {
    "AB": (("Reach", "Span"), ALL),
    "BC": (("Span",), ALL),
    "CA": (("Span",), ["offer.submit"]),
}


class Member:
    """A running node with its services."""

    def __init__(self, ring: Ring, node: RunningNode) -> None:
        self.ring, self.node, self.coop = ring, node, node.coop
        parts = self.parts = Parts(
            store=node.store,
            ingest=node.ingest,
            arrivals=node.arrivals,
            keyring=make_keyring(node.coop),
            clock=ring.clock,
            random=bytes,
        )
        self.hosts: dict[tuple[FederationId, str], ServiceHost] = {}
        for federation in node.ingest.federations.values():
            diary = ServiceHost("diary", Diary, {}, federation=federation, parts=parts)
            self.hosts[federation.fid, "diary"] = diary
            self.hosts[federation.fid, "bridging"] = bridging_host(parts, federation)
        self.tasks = [asyncio.create_task(host.run()) for host in self.hosts.values()]

    async def stop(self) -> None:
        """End the node, wherever its services are."""
        for task in self.tasks:
            task.cancel()
        for task in self.tasks:
            with suppress(asyncio.CancelledError):
                await task
        await self.node.stop()

    async def publish(self, name: str, record: Record) -> EntryId:
        draft = Draft(kind=kind_of(record), body=encode(record))
        [stored] = await self.node.ingest.publish(self.ring.fid(name), [draft])
        return stored.id

    async def ask(self, name: str, entry: EntryId) -> EntryId:
        return await self.publish(name, BridgeAsk(entry=entry))

    async def seal(self, name: str, record: Record, to: TestCoop) -> EntryId:
        """Publish a record sealed to a co-op, be it of this federation or not; return its id."""
        options: Any = {"record": record, "to": to.cid}
        await self.hosts[self.ring.fid(name), "diary"].command("publish", Call(options=options))
        [seen] = [seen for seen in self.diary(name) if seen.record == record]
        return seen.id

    def diary(self, name: str) -> list[SeenRecord]:
        service = self.hosts[self.ring.fid(name), "diary"].service
        assert isinstance(service, Diary)
        return service.seen

    def sees(self, name: str, entry: EntryId) -> bool:
        return any(seen.id == entry for seen in self.diary(name))

    async def alerts(self, name: str) -> list[dict[str, Any]]:
        shown = await self.hosts[self.ring.fid(name), "bridging"].view("treaties", Call())
        return list(shown["alerts"])

    def entries(self, name: str, kind: str) -> list[StoredEntry]:
        fid = self.ring.fid(name)
        found = self.node.store.entries_after(0, 10_000)
        return [entry for entry in found if (entry.header.fid, entry.kind) == (fid, kind)]


class Ring:
    """The federations and their nodes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.network, self.clock = MemoryNetwork(), ManualClock(world.now_ms)
        names = dict.fromkeys(name for members in MEMBERS.values() for name in members)
        self.coops = {name: make_coop(name, now_ms=world.now_ms) for name in names}
        world.coops = list(self.coops.values())
        self.chains = {name: self._founded(name) for name in MEMBERS}
        self.bodies = {pair: self._treaty(pair) for pair in TREATIES}
        for pair, body in self.bodies.items():
            for name in pair:
                self.certify(name, Change(action="treaty", treaty=body))
        self.members: dict[str, Member] = {}

    def __getattr__(self, name: str) -> Member:
        members: dict[str, Member] = self.__dict__.get("members", {})
        if name.capitalize() not in members:
            raise AttributeError(name)
        return members[name.capitalize()]

    def fid(self, name: str) -> FederationId:
        return self.chains[name].federation.fid

    async def open(self) -> None:
        """Start all nodes; everybody dials the bridges that are with them."""
        for name in (*reversed(BRIDGES), *(n for n in self.coops if n not in BRIDGES)):
            await self.start(name)

    async def start(self, name: str) -> None:
        """Start the node of a co-op on its folder, as its last run left it."""
        homes = [home for home, members in MEMBERS.items() if name in members]
        dials = [
            f"ws://{bridge.lower()}:8440"
            for bridge in BRIDGES
            if bridge != name and any(bridge in MEMBERS[home] for home in homes)
        ]
        host = name.lower()
        node = await self.world.start(
            list(self.coops).index(name),
            dials=dials,
            clock=self.clock,
            knows=[],
            host=host,
            port=8440,
            network=self.network.host(host),
            has_certificate=False,
        )
        key_logs = {
            self.coops[each].cid: self.coops[each].key_ops
            for home in homes
            for each in MEMBERS[home]
        }
        for home in homes:
            for certificate in self.chains[home].certificates:
                await node.ingest.receive_certificate(certificate, key_logs=key_logs)
        self.members[name] = Member(self, node)

    async def stop(self) -> None:
        for member in self.members.values():
            await member.stop()

    async def restart(self, name: str) -> None:
        """End a node at once and start it again."""
        await self.members.pop(name).stop()
        await self.start(name)

    def certify(self, name: str, change: Change) -> None:
        """Certify a change by all voters; lines lie where the bridges' own nodes are."""
        chain = self.chains[name]
        coops = [self.coops[each] for each in MEMBERS[name]]
        voters = [coop for coop in coops if coop.cid in chain.federation.voters]
        lines = [self._line(name, coop) for coop in coops]
        made = make_epoch(chain.federation, change, voters, lines=lines)
        self.chains[name] = chain.add(made, keys_of(self.coops.values()))

    async def end(self, pair: str) -> None:
        """End a treaty by a vote in both its federations."""
        ending = Change(action="treaty_level", level="end", treaty_id=treaty_id(self.bodies[pair]))
        for name in pair:
            self.certify(name, ending)
            member = self.members[MEMBERS[name][0]]
            await member.node.ingest.receive_certificate(self.chains[name].certificates[-1])

    async def until(self, is_true: Callable[[], bool]) -> None:
        """Let time pass in small steps until something holds."""

        def is_true_now() -> bool:
            self.clock.advance(STEP_MS)
            return is_true()

        await self.world.until(is_true_now)

    async def for_a_while(self) -> None:
        """Let so much time pass that all has happened which is going to."""
        for _ in range(150):
            self.clock.advance(STEP_MS)
            await asyncio.sleep(0.004)

    def in_every(self, entry: EntryId, *, but: str = "") -> bool:
        """Whether all members of all federations, or all but one, see an entry."""
        return all(
            self.members[each].sees(name, entry)
            for name, members in MEMBERS.items()
            for each in members
            if name != but
        )

    def way_of(self, member: Member, name: str, entry: EntryId) -> str:
        """The federations that an entry passed before it counted in one, by a member's node."""
        parts = member.parts
        into = parts.crossings.into(
            self.fid(name), store=parts.store, ingest=parts.ingest, arrivals=parts.arrivals
        )
        item = into.counted(entry)
        via = () if item is None or item.crossed is None else item.crossed.via
        names = {self.fid(each): each for each in self.chains}
        return "".join(names[fid] for fid in via)

    def _founded(self, name: str) -> Chain:
        members: Sequence[tuple[TestCoop, list[Any]]] = [
            (self.coops[each], ["bridge"] if each in BRIDGES else ROLES) for each in MEMBERS[name]
        ]
        ordered = sorted(members, key=lambda member: member[0].cid)
        genesis = make_federation(ordered, name, name.encode() * 16)
        return Chain.found(genesis, keys_of(self.coops.values()))

    def _treaty(self, pair: str) -> bytes:
        bridges, kinds = TREATIES[pair]
        way = Direction(
            categories=[], hops=3, ids=[], kinds=kinds, per_day=100, regions=[], removed=[]
        )
        made = Treaty(
            bridges=[self.coops[name].cid for name in bridges],
            directions=[way, way],
            expires_ms=self.world.now_ms + 30 * DAY_MS,
            nonce=bytes(16),
            parties=sorted(self.fid(name) for name in pair),
            title=f"Ring {pair}",
            v=1,
        )
        return encode(made)

    def _line(self, name: str, coop: TestCoop) -> LogAuthor:
        author = LogAuthor(coop, self.fid(name))
        member = getattr(self, "members", {}).get(coop.name)
        log = log_id(self.fid(name), coop.cid, WriterId(coop.writer.public))
        held = None if member is None else member.node.store.logs.get(log)
        author.head = author.head if held is None else held.head
        return author
