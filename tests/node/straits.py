"""Two federations, North and South, whose nodes run no links: a courier carries what is asked for.

    straits = Straits(folder)
    await straits.open()
    offer = await straits.hill.publish(NORTH, OFFER)
    await straits.hill.ask(NORTH, offer)
    await straits.settle()

Hill and Moor are in North, Dale in South; Span and Reach bridge both, Reach stands by.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, UnsetType, structs
from tests.carrying import bring_log
from tests.node.diary import Diary
from tests.node.taking import make_keyring

from sheaf_node.bridging import bridging_host
from sheaf_node.clock import ManualClock
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Draft, Ingest
from sheaf_node.plugins import Call, SeenRecord, ServiceHost
from sheaf_node.plugins.host import Parts
from sheaf_node.store import Store
from sheaf_protocol.charter import Chain
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import EntryId, FederationId, WriterId, log_id
from sheaf_protocol.proof import encode_proof
from sheaf_protocol.records import Carriage, Item, Offer, Record, Tier, kind_of
from sheaf_protocol.records.bridge import BridgeAsk, Bridged, BridgeExport, Receipt
from sheaf_protocol.records.governance import Ballot, Change
from sheaf_protocol.testing.author import (
    START_MS,
    LogAuthor,
    TestCoop,
    make_coop,
    make_federation,
)
from sheaf_protocol.testing.epoch import keys_of, make_epoch
from sheaf_protocol.treaty import (
    DAY_MS,
    Direction,
    IdMap,
    Shown,
    Source,
    Terms,
    Treaty,
    plan_export,
    treaty_id,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sheaf_node.store import StoredEntry
    from sheaf_protocol.digest import Digest
    from sheaf_protocol.log import Head

PATIENCE = 60
NORTH, SOUTH = "North", "South"
MEMBERS = {
    NORTH: {
        "Hill": ["coordinator", "supplier", "steward"],
        "Moor": ["member", "steward"],
        "Span": ["bridge"],
        "Reach": ["bridge"],
    },
    SOUTH: {
        "Dale": ["member", "supplier", "steward"],
        "Span": ["bridge"],
        "Reach": ["bridge"],
    },
}
OFFER = Offer(
    base=1,
    carriage=[Carriage(amount=5, zone="HILLS")],
    currency="GBP",
    item=Item(category="dairy", code="milk", name="Milk", scale=0, unit="LTR"),
    lead_days=3,
    ref="o1",
    tier_basis="all_units",
    tiers=[Tier(amount=90, from_quantity=1)],
    valid_until_ms=START_MS + 30 * DAY_MS,
)


@dataclass(eq=False)
class Node:
    """One co-op's node, in the federations that it is a member of."""

    straits: Straits
    coop: TestCoop
    is_open: bool = False
    hosts: dict[tuple[FederationId, str], ServiceHost] = field(default_factory=dict)

    async def open(self) -> None:
        """Open the node on its folder, as its last run left it."""
        straits = self.straits
        folder = straits.folder / self.coop.name
        folder.mkdir(exist_ok=True, parents=True)
        self.store = Store.open(folder / "sheaf.db", random=straits.dice.randbytes)
        self.arrivals, keyring = Arrivals(), make_keyring(self.coop)
        self.ingest = Ingest(
            store=self.store,
            arrivals=self.arrivals,
            clock=straits.clock,
            random=straits.dice.randbytes,
            keyring=keyring,
        )
        self.is_open = True
        for name in straits.homes(self):
            await self.tell(name)
        self.parts = Parts(
            store=self.store,
            ingest=self.ingest,
            arrivals=self.arrivals,
            keyring=keyring,
            clock=straits.clock,
            random=straits.dice.randbytes,
        )
        for federation in self.ingest.federations.values():
            diary = ServiceHost("diary", Diary, {}, federation=federation, parts=self.parts)
            self.hosts[federation.fid, "diary"] = diary
            self.hosts[federation.fid, "bridging"] = bridging_host(self.parts, federation)

    async def close(self) -> None:
        """Close it, as if it were killed."""
        self.is_open = False
        self.hosts.clear()
        await self.store.close()

    async def tell(self, name: str) -> None:
        """Let the node hold the charters of a federation as they are, and the members' keys."""
        key_logs = {coop.cid: coop.key_ops for coop in self.straits.coops.values()}
        for certificate in self.straits.chains[name].certificates:
            await self.ingest.receive_certificate(certificate, key_logs=key_logs, wanted=True)

    async def turn(self) -> None:
        """Let all services take one turn."""
        for host in list(self.hosts.values()):
            await host.take_turn()
            assert not host.is_stopped

    async def publish(self, name: str, record: Record) -> EntryId:
        """Publish by hand, as the local API would, or a bridge that has its own mind."""
        draft = Draft(kind=kind_of(record), body=encode(record))
        [stored] = await self.ingest.publish(self.straits.fid(name), [draft])
        return stored.id

    async def ask(self, name: str, entry: EntryId, into: str | None = None) -> EntryId:
        fid = UNSET if into is None else self.straits.fid(into)
        return await self.publish(name, BridgeAsk(entry=entry, into=fid))

    async def view(self, name: str, view: str = "treaties", **options: str) -> Any:
        host = self.hosts[self.straits.fid(name), "bridging"]
        return await host.view(view, Call(options=options))

    async def command(self, name: str, command: str, body: Any = None, **options: str) -> Any:
        host = self.hosts[self.straits.fid(name), "bridging"]
        data = b"" if body is None else json.dumps(body).encode()
        return await host.command(command, Call(body=data, options=options))

    async def codes(self, name: str) -> list[str]:
        """The codes of what the node found bridges did wrong in a federation."""
        return [alert["code"] for alert in (await self.view(name))["alerts"]]

    def diary(self, name: str) -> list[SeenRecord]:
        """What a service in a federation has seen."""
        return list(self.diary_service(name).seen)

    def diary_service(self, name: str) -> Diary:
        service = self.hosts[self.straits.fid(name), "diary"].service
        assert isinstance(service, Diary)
        return service

    def entries(self, name: str, kind: str) -> list[StoredEntry]:
        fid = self.straits.fid(name)
        found = self.store.entries_after(0, 10_000)
        return [entry for entry in found if (entry.header.fid, entry.kind) == (fid, kind)]


@dataclass(eq=False)
class Straits:
    """The federations, their treaty, and the nodes of all co-ops."""

    folder: Path
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Of the treaty's directions, both alike but for `ids`, which undo one another."""
    own: Mapping[str, Any] = field(default_factory=dict)
    """Of the treaty's own fields."""
    members: Mapping[str, Mapping[str, list[Any]]] = field(default_factory=lambda: MEMBERS)
    dice: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311

    def __post_init__(self) -> None:
        self.clock = ManualClock(START_MS)
        names = dict.fromkeys(name for members in self.members.values() for name in members)
        self.coops = {name: make_coop(name) for name in names}
        self.nodes = {name: Node(self, coop) for name, coop in self.coops.items()}
        self.chains = {
            name: Chain.found(
                make_federation(
                    sorted(
                        [(self.coops[coop], roles) for coop, roles in members.items()],
                        key=lambda member: member[0].cid,
                    ),
                    name,
                ),
                keys_of(self.coops.values()),
            )
            for name, members in self.members.items()
        }
        self.away: set[Node] = set()

    def __getattr__(self, name: str) -> Node:
        nodes: dict[str, Node] = self.__dict__.get("nodes", {})
        if name.capitalize() not in nodes:
            raise AttributeError(name)
        return nodes[name.capitalize()]

    async def open(self, *, is_agreed: bool = True) -> None:
        """Open all nodes, with the treaty in force."""
        if is_agreed:
            body = self.treaty(NORTH, SOUTH)
            for name in (NORTH, SOUTH):
                self.certify(name, Change(action="treaty", treaty=body))
        for node in self.nodes.values():
            await node.open()

    async def close(self) -> None:
        for node in self.nodes.values():
            if node.is_open:
                await node.close()

    def fid(self, name: str) -> FederationId:
        return self.chains[name].federation.fid

    def homes(self, node: Node) -> list[str]:
        return [name for name, members in self.members.items() if node.coop.name in members]

    def treaty(self, one: str, other: str, **changes: Any) -> bytes:
        """The body of a treaty, as it was or with other directions."""
        changes = {**self.changes, **changes}
        there = structs.replace(
            Direction(
                categories=[],
                hops=3,
                ids=[],
                kinds=["offer.submit", "pool.open", "sealed", "x.note"],
                per_day=100,
                regions=[],
                removed=[],
            ),
            **changes,
        )
        turned = [IdMap(field=p.field, ours=p.theirs, theirs=p.ours) for p in there.ids]
        fids = [self.fid(one), self.fid(other)]
        back = structs.replace(there, ids=sorted(turned, key=lambda p: (p.field, p.ours)))
        made = Treaty(
            bridges=[self.coops[name].cid for name in ("Span", "Reach")],
            directions=[there, back] if fids == sorted(fids) else [back, there],
            expires_ms=START_MS + 30 * DAY_MS,
            nonce=bytes(16),
            parties=sorted(fids),
            title="Milk and roads",
            v=1,
        )
        return encode(structs.replace(made, **self.own))

    @property
    def treaty_id(self) -> Digest:
        return treaty_id(self.treaty(NORTH, SOUTH))

    def certify(self, name: str, change: Change, ballot: Ballot | UnsetType = UNSET) -> None:
        """Certify a change; the bridges' lines lie where the furthest open node has their logs."""
        chain = self.chains[name]
        federation = chain.federation
        signers = [self.coops[coop] for coop in self.members[name]]
        voters = [coop for coop in signers if coop.cid in federation.voters]
        lines = [self._line(name, coop) for coop in signers]
        made = make_epoch(federation, change, voters, lines=lines, ballot=ballot)
        self.chains[name] = chain.add(made, keys_of(self.coops.values()))

    async def change(self, name: str, change: Change, ballot: Ballot | UnsetType = UNSET) -> None:
        """Certify a change and let the open nodes that care know."""
        self.certify(name, change, ballot)
        for node in self.nodes.values():
            if node.is_open and (
                name in self.homes(node) or self.fid(name) in node.ingest.known.foreign
            ):
                await node.tell(name)

    def level(self, level: Any, per_day: int | None = None) -> Change:
        rate = UNSET if per_day is None else per_day
        return Change(action="treaty_level", level=level, per_day=rate, treaty_id=self.treaty_id)

    def author(self, name: str, coop: str) -> LogAuthor:
        """An author at the head of a co-op's log, as its own node has it."""
        return self._line(name, self.coops[coop])

    def export(self, entry: EntryId, ask: EntryId, **said: Any) -> BridgeExport:
        """What an honest bridge says of an entry that leaves North, or what else it is to say."""
        held = self._held(entry)
        # What stays at home is planned as if it were a kind that may cross.
        kind = held.kind if held.kind == "sealed" else "x.note"
        source = Source(
            id=entry,
            kind=kind,
            shown=Shown(payload=held.envelope.payload, is_view=False),
            via=(self.fid(NORTH),),
            granted_by=ask,
            is_onward=True,
            into=None,
        )
        open_to_all = self.treaty(NORTH, SOUTH, kinds=[kind])
        export, _ = plan_export(Terms.of(open_to_all, "allow"), source)
        return structs.replace(export, **{"treaty": self.treaty_id, **said})

    def bridged(self, entry: EntryId, export: EntryId, **said: Any) -> Bridged:
        """What an honest bridge wraps that way for South, or what else it is to show."""
        held, receipt = self._held(entry), self._held(export).envelope
        plain = Bridged(
            header=held.envelope.header,
            is_view=False,
            payload=held.envelope.payload,
            proof=encode_proof(held.envelope.signature),
            receipt=Receipt(
                header=receipt.header, payload=receipt.payload, signature=receipt.signature
            ),
            treaty=self.treaty_id,
            via=[self.fid(NORTH)],
        )
        return structs.replace(plain, **said)

    def _held(self, id_: EntryId) -> StoredEntry:
        found = [node.store.entry(id_) for node in self.nodes.values() if node.is_open]
        return next(entry for entry in found if entry is not None)

    def _line(self, name: str, coop: TestCoop) -> LogAuthor:
        author = LogAuthor(coop, self.fid(name), now_ms=self.clock.now_ms())
        log = log_id(self.fid(name), coop.cid, WriterId(coop.writer.public))
        open_nodes = [node for node in self.nodes.values() if node.is_open]
        heads = [node.store.logs[log].head for node in open_nodes if log in node.store.logs]
        author.head = max(heads, key=_seq, default=author.head)
        return author

    async def carry(self) -> None:
        """Carry what a node has and another lacks, as links and control would."""
        here = [node for node in self.nodes.values() if node.is_open and node not in self.away]
        pairs = [(a, b) for a in here for b in here if a is not b]
        self.dice.shuffle(pairs)
        for giver, taker in pairs:
            shared = set(self.homes(giver)) & set(self.homes(taker))
            for name in shared:
                await self._carry_entries(giver, taker, name)
            if shared:
                for name in self.homes(giver):
                    if self.fid(name) in giver.ingest.federations:
                        await self._carry_charters(giver, taker, name)

    async def _carry_charters(self, giver: Node, taker: Node, name: str) -> None:
        theirs = giver.store.chains[self.fid(name)].certificates
        known = taker.store.chains.get(self.fid(name))
        if known is not None and len(known.certificates) == len(theirs):
            return
        key_logs = {cid: h.path for cid, h in giver.store.key_histories.items()}
        for certificate in theirs:
            await taker.ingest.receive_certificate(certificate, key_logs=key_logs, wanted=True)

    async def _carry_entries(self, giver: Node, taker: Node, name: str) -> None:
        for log, held in list(giver.store.logs.items()):
            if held.fid == self.fid(name):
                await bring_log(log, giver.store, taker.store, taker.ingest)

    async def settle(self) -> None:
        """Take turns and carry until nothing is new anywhere."""
        for _ in range(PATIENCE):
            before = self._state()
            for node in self.nodes.values():
                if node.is_open:
                    await node.turn()
            await self.carry()
            if before == self._state():
                return
        raise AssertionError("the straits do not come to rest")

    def _state(self) -> Sequence[object]:
        nodes = [node for node in self.nodes.values() if node.is_open]
        return [(node.store.arrival, node.arrivals.control) for node in nodes]


def _seq(head: Head) -> int:
    return head.seq
