"""P3: whatever the order in which nodes hear of things, they end with the same logs.

`SHEAF_FUZZ` is how many orders are tried in place of the usual number.
"""

import asyncio
import os
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.node.story import Item, KeyPath, Piece

from sheaf_node.clock import ManualClock
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Ingest, Outcome
from sheaf_node.keyring import Keyring
from sheaf_node.store import Store
from sheaf_protocol.digest import Digest
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.fork import make_fork_proof
from sheaf_protocol.frontier import root
from sheaf_protocol.testing.author import (
    START_MS,
    LogAuthor,
    make_coop,
    make_federation,
    unsigned,
)
from sheaf_protocol.testing.chain import branch_over, tail_over

NAMES = ("Mill", "Hill Farm", "Dale Supplies", "Forker", "Closer", "Robbed", "Overridden")
MILL, HILL, DALE, FORKER, CLOSER, ROBBED, OVERRIDDEN = COOPS = [make_coop(name) for name in NAMES]
ORDERS = int(os.environ.get("SHEAF_FUZZ", "30"))
CERTIFICATE, SECOND, UNLISTED = CERTIFICATES = [
    make_federation([(coop, ["member"]) for coop in COOPS], name)
    for name in ("Convergence", "Second", "Unlisted")
]
KEY_LOGS = [(coop.cid, list(coop.key_ops)) for coop in COOPS]


def entries(author: LogAuthor, count: int, body: bytes = b"\x80") -> list[Envelope]:
    return [author.append("x.note", body) for _ in range(count)]


def make_items() -> list[Item]:
    """Return honest logs, one that forks at its third entry, and those of three closed writers.

    The forker signs the ends of its branches alone. One closed writer is cut at its second entry
    here, at its third in another federation, and at nothing where its close does not list the
    federation. Another's key was stolen, and the entry that its cut names is held by nobody. The
    third was closed by its manager, which its rotation key overrode.
    """
    honest = [e for coop in (HILL, DALE) for e in entries(LogAuthor(coop, CERTIFICATE.fid), 4)]
    rest = (make_forked(), make_closed(), make_stolen(), make_overridden())
    return [*map(alone, honest), *(item for items in rest for item in items)]


def alone(envelope: Envelope) -> Piece:
    return Piece([envelope])


def make_forked() -> list[Item]:
    """Return two branches in pieces, and the proof that two chains of headers make."""
    forker = LogAuthor(FORKER, CERTIFICATE.fid)
    below = entries(forker, 2)
    twin = forker.twin()
    ours, theirs = entries(forker, 2), entries(twin, 2, b"\x90")
    first, second, third, _ = map(unsigned, (*below, *ours))
    return [
        Piece([first], [tail_over([below[1], *ours])]),
        Piece([second, third], [tail_over(ours[1:])]),
        alone(ours[1]),
        Piece([first, second], [tail_over(theirs)]),
        Piece([unsigned(theirs[0]), theirs[1]]),
        make_fork_proof(branch_over(ours), branch_over(theirs)),
    ]


def make_closed() -> list[Item]:
    """Return 2 entries that count and 2 beyond; in the second federation 3 and 1; then 0 and 2."""
    here, there, unlisted = (LogAuthor(CLOSER, each.fid) for each in CERTIFICATES)
    within = [*entries(here, 2), *entries(there, 3)]
    close = CLOSER.close({here.fid: here.head, there.fid: there.head})
    beyond = [*entries(here, 2), *entries(there, 1), *entries(unlisted, 2)]
    return [*map(alone, (*within, *beyond)), KeyPath(CLOSER.cid, [close])]


def make_stolen() -> list[Item]:
    """Return three entries of a thief and the close that names another second entry."""
    owner = LogAuthor(ROBBED, CERTIFICATE.fid)
    thief = owner.twin()
    entries(owner, 2)
    close = ROBBED.close({owner.fid: owner.head})
    return [*map(alone, entries(thief, 3, b"\x90")), KeyPath(ROBBED.cid, [close])]


def make_overridden() -> list[Item]:
    """Return four entries, a manager's close at the first, and a revoke beside it at the third."""
    author, rival = LogAuthor(OVERRIDDEN, CERTIFICATE.fid), OVERRIDDEN.twin()
    first = entries(author, 1)
    OVERRIDDEN.close({author.fid: author.head})
    within = entries(author, 2)
    rival.revoke({rival.writer: {author.fid: author.head}})
    paths = [KeyPath(rival.cid, list(coop.key_ops)) for coop in (OVERRIDDEN, rival)]
    return [*map(alone, (*first, *within, *entries(author, 1))), *paths]


ITEMS = make_items()


async def deliver(ingest: Ingest, item: Item) -> bool:
    """Return whether the item is settled; False asks to bring it again."""
    try:
        match item:
            case Piece():
                results = await ingest.receive(item.envelopes, item.tails)
                return all(result.outcome is not Outcome.HELD for result in results)
            case KeyPath():
                await ingest.receive_key_ops(item.cid, item.ops)
            case _:
                await ingest.receive_fork_proof(item)
    except RemoteProtocolError as exc:
        if exc.fault is not Fault.NOT_YET:
            raise
        return False
    return True


async def settle(order: Sequence[Item], together: int) -> tuple[list[Digest], list[str]]:
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
        for certificate in CERTIFICATES:
            await ingest.receive_certificate(certificate)
        waiting = [*order, *order]
        while waiting:
            now, later = waiting[:together], waiting[together:]
            settled = await asyncio.gather(*(deliver(ingest, item) for item in now))
            again = [item for item, done in zip(now, settled, strict=True) if not done]
            waiting = [*later, *again]
            if not later and len(again) == len(now):
                break  # what is still held can never come: it follows a branch not taken
        seen = [root(store.frontier(certificate.fid)) for certificate in CERTIFICATES]
        counting = sorted(e.id.hex() for e in store.entries_after(0) if e.no_effect is None)
        await store.close()
        return seen, counting


@cache
def expected() -> tuple[list[Digest], list[str]]:
    """Return what is seen when everything comes in its own order."""
    return asyncio.run(settle(ITEMS, 1))


@settings(max_examples=ORDERS, deadline=None)
@given(st.permutations(ITEMS), st.integers(min_value=1, max_value=6))
def test_every_order_of_delivery_ends_in_the_same_logs(order: list[Item], together: int) -> None:
    assert asyncio.run(settle(order, together)) == expected()


def test_what_counts_is_all_but_what_a_fork_or_a_cut_voids() -> None:
    _, counting = expected()

    # Below its cut the thief's entry counts until its owner shows another one: then it is a fork.
    assert len(counting) == 4 + 4 + 2 + (2 + 3) + 1 + 3
