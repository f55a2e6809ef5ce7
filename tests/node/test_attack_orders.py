"""A forker, closed or not, shows its entries to three nodes in three orders, stripped or whole.

Whatever it shows to whom, and whichever fork proofs it makes of them, the nodes end with the same
roots, and under the same roots with the same entries in effect.
"""

import asyncio
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from sheaf_node.clock import ManualClock
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Ingest
from sheaf_node.keyring import Keyring
from sheaf_node.store import Store
from sheaf_protocol.digest import CoopId
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.frontier import root
from sheaf_protocol.identity import KeyOp, signing_key
from sheaf_protocol.log import ForkProof, make_fork_proof
from sheaf_protocol.testing.author import (
    START_MS,
    LogAuthor,
    TestCoop,
    make_coop,
    make_federation,
    unsigned,
)

Item: TypeAlias = Envelope | ForkProof | tuple[CoopId, KeyOp]
NODES, MOST_ROUNDS = 3, 12


class Story:
    """What a forker with one or two writers signs in two federations, drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311  # repeatable, not secret
        self.mill, self.evil = make_coop("Mill"), make_coop("Evil")
        self.certificates = [
            make_federation([(self.mill, ["buyer"]), (self.evil, ["buyer"])], name)
            for name in ("One", "Two")
        ]
        self.known = [(coop.cid, list(coop.key_ops)) for coop in (self.mill, self.evil)]
        self.entries: list[Envelope] = []
        self.key_ops: list[Item] = []
        keys = [self.evil.writer, signing_key(b"second".ljust(32))][: self.rng.randint(1, 2)]
        if len(keys) > 1:
            self.key_ops.append((self.evil.cid, self.evil.delegate(keys[1], START_MS)))
        for key in keys:
            ends = {c.fid: self.rng.choice(self.branch(LogAuthor(self.evil, c.fid, writer=key)))
                    for c in self.certificates if self.often(0.75)}  # fmt: skip
            if self.often(0.6):
                listed = {fid: a.head for fid, a in ends.items() if self.often(0.8)}
                self.key_ops.append((self.evil.cid, self.evil.close(listed, key)))
        self.proofs = [p for p in _proofs(self.entries) if self.often(0.3)]

    def often(self, share: float) -> bool:
        return self.rng.random() < share

    def branch(self, author: LogAuthor) -> list[LogAuthor]:
        """Append to a log and its branches; return what stood at each entry on the way."""
        tips, passed = [author], [author.twin()]
        for _ in range(self.rng.randint(1, 9)):
            tip = self.rng.choice(tips)
            if self.often(0.3) and len(tips) < 3:
                tips.append(tip.twin())
            self.entries.append(
                tip.append("x.note", b"\x81\xa1n" + bytes([self.rng.randrange(99)]))
            )
            passed.append(tip.twin())
        return passed

    def first_tellings(self) -> list[Item]:
        """Return most of it, beside entries that lack a signature or a payload, in any order."""
        bare = [Envelope(e.header, e.signature, b"") for e in self.entries]
        told = [*self.entries, *map(unsigned, self.entries), *bare, *self.key_ops, *self.proofs]
        return self.rng.sample(told, len(told) * 2 // 3)


def _proofs(entries: Sequence[Envelope]) -> Iterator[ForkProof]:
    for one, other in combinations(entries, 2):
        with suppress(RemoteProtocolError):
            yield make_fork_proof(one, other)


class Node:
    """A store with its ingest; `seen` is what an operator and a service may see of it."""

    def __init__(self, folder: Path, story: Story) -> None:
        self.story, coop = story, story.mill
        self.store = Store.open(folder / "sheaf.db", random=bytes)
        self.ingest = Ingest(
            store=self.store,
            arrivals=Arrivals(),
            clock=ManualClock(START_MS),
            random=bytes,
            keyring=keyring_of(coop),
        )

    async def begin(self) -> None:
        for cid, ops in self.story.known:
            await self.ingest.receive_key_ops(cid, ops)
        for certificate in self.story.certificates:
            await self.ingest.receive_certificate(certificate)

    async def take(self, *items: Item) -> None:
        """Take entries as one batch after the control items among them."""
        for item in items:
            with suppress(RemoteProtocolError):
                if isinstance(item, ForkProof):
                    await self.ingest.receive_fork_proof(item)
                elif isinstance(item, tuple):
                    await self.ingest.receive_key_ops(item[0], [item[1]])
        await self.ingest.receive([i for i in items if isinstance(i, Envelope)])

    def seen(self) -> tuple[object, ...]:
        roots = [root(self.store.frontier(c.fid)).hex() for c in self.story.certificates]
        effective = sorted(e.id.hex() for e in self.store.entries_after(0) if e.no_effect is None)
        return roots, effective, sorted(p.hex() for p in self.store.fork_proofs)


def keyring_of(coop: TestCoop) -> Keyring:
    return Keyring(
        cid=coop.cid, writer=coop.writer, manager=coop.manager, prekeys=[], key_ops=coop.key_ops
    )


async def tell(story: Story, folder: Path) -> list[tuple[object, ...]]:
    """Tell three nodes the story, each in its own way, until none learns more."""
    nodes = []
    for number in range(NODES):
        (folder / str(number)).mkdir()
        nodes.append(Node(folder / str(number), story))
        await nodes[-1].begin()
        told = story.first_tellings()
        while told:
            size = story.rng.randint(1, 5)
            await nodes[-1].take(*told[:size])
            told = told[size:]
    before: list[tuple[object, ...]] = []
    for _ in range(MOST_ROUNDS):
        proofs = [proof for node in nodes for proof in node.store.fork_proofs.values()]
        for node in nodes:
            await node.take(*story.key_ops)
            rest = [*story.entries, *proofs, *story.proofs]
            for item in story.rng.sample(rest, len(rest)):
                await node.take(item)
        now = [node.seen() for node in nodes]
        if now == before:
            break
        before = now
    for node in nodes:
        await node.store.close()
    return before


@settings(max_examples=20, deadline=None)
@given(st.integers(min_value=0, max_value=2**32))
def test_forker_splits_no_two_nodes_whatever_it_shows_to_whom(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first, *others = asyncio.run(tell(Story(seed), Path(folder)))

    assert others == [first] * (NODES - 1)
