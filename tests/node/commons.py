"""A federation whose nodes govern it, in one process: real stores and ingest, and no socket.

    commons = Commons(folder, [("Hill", ["member"]), ("Dale", ["supplier"])])
    hill, dale = commons.nodes
    await commons.open()
    await hill.propose(action="suspend", coop="Dale")
    await commons.settle()

A courier carries key logs, certificates and entries between nodes that are linked: all of them, but
for those `away`, or those that `cut` separates. Each node has the clock of the commons.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec import structs
from tests.carrying import bring_log
from tests.node.taking import make_keyring

from sheaf_node.charter_file import make_card
from sheaf_node.clock import ManualClock
from sheaf_node.events import Arrivals
from sheaf_node.governance import governance_host
from sheaf_node.ingest import Draft, Ingest
from sheaf_node.plugins import Call
from sheaf_node.plugins.host import Parts
from sheaf_node.store import Store
from sheaf_protocol.charter import DEFAULT_POLICY, Certificate, Member, approve, genesis_body
from sheaf_protocol.codec import encode
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import Record, kind_of
from sheaf_protocol.testing.author import START_MS, LogAuthor, TestCoop, make_coop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sheaf_node.plugins import ServiceHost
    from sheaf_node.store import StoredEntry
    from sheaf_protocol.charter import Federation, Policy, Role
    from sheaf_protocol.digest import Digest
    from sheaf_protocol.envelope import Envelope

POLICY = structs.replace(DEFAULT_POLICY, ballot_ms=1_000, round_ms=1_000)
SEVEN = [(name, ["member"]) for name in ("Hill", "Dale", "Moor", "Fell", "Mill", "Cove", "Lake")]
FOUR = SEVEN[:4]
PATIENCE = 200
"""Rounds of turns and carrying after which a commons that does not come to rest is a fault."""


@dataclass(eq=False)
class Node:
    """One co-op's node."""

    commons: Commons
    coop: TestCoop
    host: ServiceHost | None = None
    is_open: bool = False

    async def open(self, *, home: Path | None = None) -> None:
        """Open the node on its folder, as its last run left it."""
        folder = self.commons.folder / self.coop.name
        folder.mkdir(exist_ok=True)
        self.home = home
        self.store = Store.open(folder / "sheaf.db", random=self.commons.dice.randbytes)
        self.arrivals = Arrivals()
        self.keyring = make_keyring(self.coop)
        self.ingest = Ingest(
            store=self.store,
            arrivals=self.arrivals,
            clock=self.commons.clock,
            random=self.commons.dice.randbytes,
            keyring=self.keyring,
        )
        self.is_open = True
        await self.ingest.receive_key_ops(self.coop.cid, self.coop.key_ops)
        self.ingest.known.adopt(self.commons.genesis.fid)
        self.start()

    async def close(self) -> None:
        """Close it, as if it were killed."""
        self.is_open, self.host = False, None
        await self.store.close()

    def start(self) -> None:
        """Make the host, once our co-op is in the federation."""
        federation = self.ingest.federations.get(self.commons.genesis.fid)
        if self.host is None and federation is not None:
            parts = Parts(
                store=self.store,
                ingest=self.ingest,
                arrivals=self.arrivals,
                keyring=self.keyring,
                clock=self.commons.clock,
                random=self.commons.dice.randbytes,
            )
            self.host = governance_host(parts, federation, home=self.home)

    async def turn(self) -> None:
        """Let governance take one turn."""
        self.start()
        if self.host is None:
            return
        await self.host.take_turn()
        assert not self.host.is_stopped

    @property
    def running(self) -> ServiceHost:
        """The host, of a node that is in the federation."""
        assert self.host is not None
        return self.host

    async def command(self, name: str, body: bytes = b"", **options: str) -> Any:
        return await self.running.command(name, Call(body=body, options=options))

    async def view(self, name: str, **options: str) -> Any:
        return await self.running.view(name, Call(options=options))

    async def propose(self, **wish: Any) -> str:
        """Open a ballot; return its id."""
        before = {ballot["id"] for ballot in await self.ballots()}
        await self.command("propose", json.dumps(wish).encode())
        [new] = {ballot["id"] for ballot in await self.ballots()} - before
        return str(new)

    async def admit(self, coop: TestCoop, *roles: Role) -> str:
        card = make_card(coop.key_ops).hex()
        return await self.propose(action="admit", card=card, roles=list(roles))

    async def vote(self, ballot: str, choice: str = "yes") -> Any:
        return await self.command("vote", proposal=ballot, choice=choice)

    async def ballots(self) -> list[dict[str, Any]]:
        shown = await self.view("ballots")
        return list(shown["ballots"])

    async def ballot(self, id_: str) -> dict[str, Any]:
        shown = await self.view("ballots", proposal=id_)
        [ballot] = shown["ballots"]
        return dict(ballot)

    async def charter(self) -> dict[str, Any]:
        return dict(await self.view("charter"))

    async def publish(self, *records: Record) -> list[StoredEntry]:
        """Publish records by hand, as the local API would."""
        drafts = [Draft(kind=kind_of(record), body=encode(record)) for record in records]
        return list(await self.ingest.publish(self.commons.genesis.fid, drafts))

    @property
    def federation(self) -> Federation:
        return self.store.chains[self.commons.genesis.fid].federation

    @property
    def chain(self) -> list[Digest]:
        """The ids of the certificates held, in order."""
        held = self.store.chains.get(self.commons.genesis.fid)
        return [] if held is None else [certificate.id for certificate in held.certificates]

    def kinds(self) -> list[str]:
        """Return the kinds of our own entries, in order."""
        entries = self.store.entries_after(0, 10_000)
        return [e.kind for e in entries if e.header.cid == self.coop.cid]


@dataclass(eq=False)
class Commons:
    """Co-ops that found a federation, or come later, and the courier between their nodes."""

    folder: Path
    founders: Sequence[tuple[str, Sequence[Role]]]
    policy: Policy = POLICY
    seed: int = 1
    later: Sequence[str] = ()
    """Names of co-ops that are no founders."""
    away: set[Node] = field(default_factory=set)
    cut: Callable[[Node, Node], bool] = lambda _one, _other: False

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311  # a seed that repeats is the point
        self.clock = ManualClock(START_MS)
        self.nodes = [Node(self, make_coop(name)) for name, _ in self.founders]
        self.nodes += [Node(self, make_coop(name)) for name in self.later]
        pairs = zip(self.nodes, self.founders, strict=False)
        members = [(node.coop, roles) for node, (_, roles) in pairs]
        listed = [
            Member(cid=coop.cid, is_suspended=False, key_head=coop.keys.head, roles=list(roles))
            for coop, roles in members
        ]
        body = genesis_body("Commons", listed, bytes(16), self.policy)
        approvals = [approve(body, coop.cid, coop.manager) for coop, _ in members]
        self.genesis = Certificate(approvals=approvals, body=body)

    async def open(self) -> None:
        """Open all nodes; the founders' hold the charter."""
        key_logs = {node.coop.cid: node.coop.key_ops for node in self.nodes[: len(self.founders)]}
        for node in self.nodes:
            await node.open()
            for cid, ops in key_logs.items():
                await node.ingest.receive_key_ops(cid, ops)
            await node.ingest.receive_certificate(self.genesis, wanted=True)
            node.start()

    async def close(self) -> None:
        for node in self.nodes:
            if node.is_open:
                await node.close()

    def here(self) -> list[Node]:
        return [node for node in self.nodes if node.is_open and node not in self.away]

    async def carry(self) -> None:
        """Carry all that a node has and another lacks, nodes and logs in shuffled order."""
        pairs = [(a, b) for a in self.here() for b in self.here() if a is not b]
        self.dice.shuffle(pairs)
        for giver, taker in pairs:
            if not self.cut(giver, taker) and not self.cut(taker, giver):
                await self._carry_control(giver, taker)
                await self._carry_entries(giver, taker)

    async def _carry_control(self, giver: Node, taker: Node) -> None:
        for cid, history in list(giver.store.key_histories.items()):
            known = taker.store.key_histories.get(cid)
            if known is None or known.path != history.path:
                await taker.ingest.receive_key_ops(cid, history.path)
        held = giver.store.chains[self.genesis.fid].certificates
        for certificate in held:
            if certificate.id not in taker.chain:
                await taker.ingest.receive_certificate(certificate)

    async def _carry_entries(self, giver: Node, taker: Node) -> None:
        both = (giver.coop.cid, taker.coop.cid)
        if not all(giver.federation.is_member(cid) for cid in both):
            return
        logs = list(giver.store.logs)
        self.dice.shuffle(logs)
        for log in logs:
            await bring_log(log, giver.store, taker.store, taker.ingest)

    async def settle(self) -> None:
        """Take turns and carry until nothing is new anywhere."""
        for _ in range(PATIENCE):
            before = self._state()
            here = self.here()
            self.dice.shuffle(here)
            for node in here:
                await node.turn()
            await self.carry()
            if before == self._state():
                return
        raise AssertionError("the commons does not come to rest")

    async def pass_time(self, ms: int, *, steps: int = 1) -> None:
        """Move the clock on and settle."""
        for _ in range(steps):
            self.clock.advance(ms)
            await self.settle()

    async def tell(self, envelope: Envelope, *takers: Node) -> None:
        """Give an entry to some nodes alone."""
        for taker in takers:
            await taker.ingest.receive([envelope])

    def author(self, node: Node) -> LogAuthor:
        """Return an author at the head of a node's log, to fork it with."""
        author = LogAuthor(node.coop, self.genesis.fid, now_ms=self.clock.now_ms())
        held = node.store.logs.get(author.log)
        if held is not None:
            author.head = held.head
        return author

    def _state(self) -> list[object]:
        nodes = [node for node in self.nodes if node.is_open]
        return [(node.store.arrival, node.chain, node.arrivals.control) for node in nodes]


async def code_of(awaited: Any) -> str:
    """Return the code of the refusal that a command ends in."""
    try:
        await awaited
    except Refusal as refusal:
        return refusal.code
    raise AssertionError("expected a refusal")
