"""P3: whatever the order in which nodes hear of things, they end with the same logs."""

import asyncio
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from sheaf_node.clock import ManualClock
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Ingest, Outcome
from sheaf_node.keyring import Keyring
from sheaf_node.store import Store
from sheaf_protocol.digest import Digest
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.frontier import root
from sheaf_protocol.identity import KeyOp
from sheaf_protocol.log import ForkProof, make_fork_proof
from sheaf_protocol.testing.author import START_MS, LogAuthor, make_coop, make_federation

Item: TypeAlias = Envelope | ForkProof | KeyOp

MILL, HILL, DALE, FORKER, CLOSER = (
    make_coop(name) for name in ("Mill", "Hill Farm", "Dale Supplies", "Forker", "Closer")
)
CERTIFICATE = make_federation(
    [(coop, ["buyer"]) for coop in (MILL, HILL, DALE, FORKER, CLOSER)], "Convergence"
)
KEY_LOGS = [(coop.cid, list(coop.key_ops)) for coop in (MILL, HILL, DALE, FORKER, CLOSER)]


def entries(author: LogAuthor, count: int, body: bytes = b"\x80") -> list[Envelope]:
    return [author.append("x.note", body) for _ in range(count)]


def make_items() -> list[Item]:
    """Return honest logs, one that forks at its third entry, and one that is cut at its second."""
    honest = [e for coop in (HILL, DALE) for e in entries(LogAuthor(coop, CERTIFICATE.fid), 4)]
    forker = LogAuthor(FORKER, CERTIFICATE.fid)
    below = entries(forker, 2)
    twin = forker.twin()
    ours, theirs = entries(forker, 2), entries(twin, 2, b"\x90")
    proof = make_fork_proof(ours[0], theirs[0])
    closer = LogAuthor(CLOSER, CERTIFICATE.fid)
    within, cut = entries(closer, 2), closer.head
    beyond = entries(closer, 2)
    return [*honest, *below, *ours, *theirs, proof, *within, *beyond, CLOSER.close(cut)]


ITEMS = make_items()


async def deliver(ingest: Ingest, item: Item) -> bool:
    """Return whether the item is settled; False asks to bring it again."""
    try:
        if isinstance(item, ForkProof):
            await ingest.receive_fork_proof(item)
        elif isinstance(item, KeyOp):
            await ingest.receive_key_ops(CLOSER.cid, [item])
        else:
            [result] = await ingest.receive([item], live=False)
            return result.outcome is not Outcome.HELD
    except RemoteProtocolError as exc:
        if exc.fault is not Fault.NOT_YET:
            raise
        return False
    return True


async def settle(order: Sequence[Item], together: int) -> tuple[Digest, list[str]]:
    """Deliver everything twice, several at once, until nothing is held; return what is seen."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "sheaf.db", random=bytes)
        keyring = Keyring(
            cid=MILL.cid, writer=MILL.writer, manager=MILL.manager, prekeys=[], key_ops=[]
        )
        ingest = Ingest(
            store=store,
            arrivals=Arrivals(),
            clock=ManualClock(START_MS),
            random=bytes,
            keyring=keyring,
        )
        for cid, ops in KEY_LOGS:
            await ingest.receive_key_ops(cid, ops)
        await ingest.receive_certificate(CERTIFICATE)
        waiting = [*order, *order]
        while waiting:
            now, later = waiting[:together], waiting[together:]
            settled = await asyncio.gather(*(deliver(ingest, item) for item in now))
            again = [item for item, done in zip(now, settled, strict=True) if not done]
            waiting = [*later, *again]
            if not later and len(again) == len(now):
                break  # what is still held can never come: it follows a branch not taken
        seen = root(store.frontier(CERTIFICATE.fid))
        counting = sorted(e.id.hex() for e in store.entries_after(0) if e.no_effect is None)
        await store.close()
        return seen, counting


@cache
def expected() -> tuple[Digest, list[str]]:
    """Return what is seen when everything comes in its own order."""
    return asyncio.run(settle(ITEMS, 1))


@settings(max_examples=30, deadline=None)
@given(st.permutations(ITEMS), st.integers(min_value=1, max_value=6))
def test_every_order_of_delivery_ends_in_the_same_logs(order: list[Item], together: int) -> None:
    assert asyncio.run(settle(order, together)) == expected()


def test_what_counts_is_all_but_what_a_fork_or_a_cut_voids() -> None:
    _, counting = expected()

    assert len(counting) == 4 + 4 + 2 + 2
