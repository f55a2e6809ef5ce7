"""A forker shows its entries and key logs to three nodes in three orders, signed here and there.

Whatever it shows to whom, the nodes end with the same roots, and under the same roots with the same
entries in effect, once they have told each other what they hold. `SHEAF_FUZZ` is how many stories
are told in place of the usual number.
"""

import asyncio
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.node.story import Item, KeyPath, Piece, Story

from sheaf_node.clock import ManualClock
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Ingest, Outcome
from sheaf_node.keyring import Keyring
from sheaf_node.store import Store
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.frontier import root
from sheaf_protocol.proof import Checks
from sheaf_protocol.testing.author import START_MS, TestCoop

NODES, MOST_ROUNDS = 3, 12
STORIES = int(os.environ.get("SHEAF_FUZZ", "20"))


class Node:
    """A store with its ingest; `seen` is what an operator and a service may see of it."""

    def __init__(self, folder: Path, story: Story, checks: Checks) -> None:
        self.story, coop = story, story.mill
        self.store = Store.open(folder / "sheaf.db", random=bytes)
        self.ingest = Ingest(
            store=self.store,
            arrivals=Arrivals(),
            clock=ManualClock(START_MS),
            random=bytes,
            keyring=keyring_of(coop),
            checks=checks,
        )

    async def begin(self) -> None:
        for path in self.story.known:
            await self.ingest.receive_key_ops(path.cid, path.ops)
        for certificate in self.story.certificates:
            await self.ingest.receive_certificate(certificate)

    async def take(self, *items: Item) -> None:
        for item in items:
            with suppress(RemoteProtocolError):
                match item:
                    case Piece():
                        await self.ingest.receive(item.envelopes, item.tails)
                    case KeyPath():
                        await self.ingest.receive_key_ops(item.cid, item.ops)
                    case _:
                        await self.ingest.receive_fork_proof(item)

    async def hear(self, other: "Node") -> None:
        """Take all that another node holds, as it serves it."""
        for cid, history in other.store.key_histories.items():
            await self.take(KeyPath(cid, history.path))
            if history.rival:
                await self.take(KeyPath(cid, history.rival))
        await self.take(*other.store.fork_proofs.values())
        for log, held in other.store.logs.items():
            first = 1
            while first <= held.head.seq:
                most, size = self.story.rng.randint(1, 6), self.story.rng.randint(1, 3_000)
                run = other.store.log_entries(log, first, held.head.seq, size, most)
                tails = [] if run.tail is None else [run.tail]
                results = await self.ingest.receive([e.envelope for e in run.entries], tails)
                assert not [r for r in results if r.outcome is Outcome.REJECTED and is_lie(r.code)]
                first = run.entries[-1].header.seq + 1

    def seen(self) -> tuple[object, ...]:
        roots = [root(self.store.frontier(c.fid)).hex() for c in self.story.certificates]
        effective = sorted(e.id.hex() for e in self.store.entries_after(0) if e.no_effect is None)
        return roots, effective, self.store.key_logs[self.story.evil.cid].head.hex()


def is_lie(code: str | None) -> bool:
    """Return whether no honest node can be refused for this."""
    return code is None or code.startswith(("env.", "enc."))


def keyring_of(coop: TestCoop) -> Keyring:
    return Keyring(
        cid=coop.cid, writer=coop.writer, manager=coop.manager, prekeys=[], key_ops=coop.key_ops
    )


async def begin_all(story: Story, folder: Path) -> list[Node]:
    """Return nodes that were told the story, each in its own way."""
    nodes = []
    for number in range(NODES):
        (folder / str(number)).mkdir()
        checks = Checks.EACH if number == 0 else Checks.CHAIN
        node = Node(folder / str(number), story, checks)
        await node.begin()
        await node.take(*story.first_tellings())
        nodes.append(node)
    return nodes


async def talk(nodes: list[Node]) -> list[tuple[object, ...]]:
    """Let the nodes hear each other until none learns more; return what they see."""
    before: list[tuple[object, ...]] = []
    for _ in range(MOST_ROUNDS):
        for node in nodes:
            for other in nodes:
                if other is not node:
                    await node.hear(other)
        now = [node.seen() for node in nodes]
        if now == before:
            break
        before = now
    return before


async def tell(story: Story, folder: Path) -> list[list[tuple[object, ...]]]:
    """Tell nodes a story; return what they see after a talk, and after hearing it in full."""
    nodes = await begin_all(story, folder)
    talked = await talk(nodes)
    for node in nodes:
        await node.take(*story.key_paths, *story.proofs)
        for path in story.paths:
            await node.take(*story.pieces(path))
    told = await talk(nodes)
    for node in nodes:
        await node.store.close()
    return [talked, told]


@settings(max_examples=STORIES, deadline=None)
@given(st.integers(min_value=0, max_value=2**32))
def test_forker_splits_no_two_nodes_whatever_it_shows_to_whom(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        talked, told = asyncio.run(tell(Story(seed), Path(folder)))

    assert talked[1:] == talked[:1] * (NODES - 1)
    assert told[1:] == told[:1] * (NODES - 1)
