"""In every order in which no certificate is late, they and the entries end in the same standings.

Four founders and one that is admitted publish before and after each certificate. Of the sides of a
fork only the one that came first may be built upon, and all nodes that end at one place agree.
`SHEAF_FUZZ` is how many orders are tried in place of the usual number.
"""

import asyncio
import os
import tempfile
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.node.epochs import DEMAND, Growing, Site, open_curve, open_pool, policy, roles

from sheaf_node.ingest import Outcome
from sheaf_protocol.charter import Certificate, Federation
from sheaf_protocol.digest import Digest, EntryId
from sheaf_protocol.envelope import Envelope, open_header
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.frontier import root
from sheaf_protocol.testing.epoch import about, admission

ORDERS = int(os.environ.get("SHEAF_FUZZ", "15"))
_Item: TypeAlias = Certificate | Envelope


@dataclass(frozen=True)
class Seen:
    """What a node ends with, as far as nodes are to agree."""

    root: Digest
    faults: dict[EntryId, str | None]
    federation: Federation
    certificates: frozenset[Digest]


class Story:
    """What happens to a federation, in its order; all publish between any two certificates."""

    def __init__(self) -> None:
        g = self.growing = Growing()
        self.authors = [g.author(coop) for coop in (g.hill, g.dale, g.cove, g.lake)]
        self.items: list[_Item] = []
        self._publish()

    @property
    def labels(self) -> list[bytes]:
        """Of each item the log or the certificate. Shuffled, they say where the next comes from."""
        return [
            open_header(item).log if isinstance(item, Envelope) else item.id for item in self.items
        ]

    def told_in(self, labels: Sequence[bytes]) -> list[_Item]:
        """Return the items in an order of labels, the entries of each log in theirs."""
        left: defaultdict[bytes, deque[_Item]] = defaultdict(deque)
        for label, item in zip(self.labels, self.items, strict=True):
            left[label].append(item)
        return [left[label].popleft() for label in labels]

    def _certify(self, *certificates: Certificate) -> None:
        self.items += certificates
        self._publish()

    def _publish(self) -> None:
        for author in self.authors:
            self.items += [open_pool(author, 600), author.publish(DEMAND)]
        self.items += [open_curve(self.authors[2], k_min=4)]


class Tale(Story):
    """Certificates of which none is ever late: a fork among them is settled by a re-foundation."""

    def __init__(self) -> None:
        super().__init__()
        g, (hill, dale, cove, lake) = self.growing, self.authors
        self._certify(g.next(roles(g.hill, "member"), hill))
        self._certify(g.next(about("suspend", g.dale), dale))
        self._certify(g.next(policy(1, fee_bps=700, k_min=4), cove, g.author(g.mill)))
        beyond_line = cove.twin()
        self._publish()
        self._certify(g.next(about("expel", g.cove), beyond_line))
        self._certify(
            g.next(about("restore", g.dale), dale), g.next(admission(g.lake, ["coordinator"]))
        )
        self._certify(g.next(admission(g.cove, ["coordinator"])))
        self._certify(*g.fork(about("expel", g.hill), about("suspend", g.dale), hill, dale))
        beyond_line = cove.twin()
        self._publish()
        self._certify(g.refound(beyond_line, without=g.cove))
        self._certify(g.next(roles(g.lake, "member"), lake))
        self._certify(g.next(about("suspend", g.hill), hill))
        leave, g.chain = g.on(g.chain, about("leave", g.dale), dale, signers=g.everyone)
        self._certify(leave)


class Rivals(Story):
    """A rival of the newest certificate, on which more follows: it goes on or halts."""

    def __init__(self) -> None:
        super().__init__()
        g, (hill, dale, _, _) = self.growing, self.authors
        newest, on_newest = g.on(g.chain, about("suspend", g.hill), hill)
        rival, _ = g.on(g.chain, about("expel", g.dale), dale)
        self._certify(newest, rival)
        after, g.chain = g.on(on_newest, about("leave", g.dale), dale, signers=g.everyone)
        self._certify(after)
        self.paths = [[newest, after], [rival, newest]]


class Sides(Story):
    """Two sides of a fork, which liars built upon both, and a re-foundation of the two."""

    def __init__(self) -> None:
        super().__init__()
        g, (hill, dale, cove, _) = self.growing, self.authors
        before = g.chain
        one, on_one = g.on(before, about("suspend", g.hill), hill)
        other, on_other = g.on(before, roles(g.cove, "member"), cove)
        g.fork(about("suspend", g.hill), roles(g.cove, "member"), hill, cove)
        self._certify(one, other)
        third, _ = g.on(on_one, about("expel", g.cove), cove)
        fourth, _ = g.on(on_other, about("expel", g.dale), dale)
        self._certify(third, fourth)
        settled = g.refound(dale, without=g.dale)
        self._certify(settled)
        last = g.next(about("suspend", g.hill), hill)
        self._certify(last)
        self.paths = [[one, third], [other, fourth], [one, other, settled, last]]


TALE, RIVALS, SIDES = Tale(), Rivals(), Sides()


async def deliver(site: Site, item: _Item) -> bool:
    """Bring an item; return whether it changed anything."""
    if isinstance(item, Envelope):
        [result] = await site.ingest.receive([item])
        return result.outcome in {Outcome.NEW, Outcome.NO_EFFECT}
    try:
        return await site.ingest.receive_certificate(item)
    except RemoteProtocolError as exc:
        if exc.fault is not Fault.NOT_YET and exc.code != "charter.late":
            raise
        return False


async def settle(story: Story, order: Sequence[_Item], together: int) -> Seen:
    """Deliver everything, several at once and again, until nothing changes; say what is seen.

    What was refused is brought again too: a leaver may have been admitted meanwhile.
    """
    with tempfile.TemporaryDirectory() as folder:
        site = Site(story.growing, story.growing.mill, Path(folder))
        await site.begin()
        is_moving = True
        while is_moving:
            is_moving = False
            for at in range(0, len(order), together):
                done = (deliver(site, item) for item in order[at : at + together])
                is_moving |= any(await asyncio.gather(*done))
        before, chain = seen(site), site.store.chains[story.growing.fid]
        await site.reopen()
        assert seen(site) == before
        assert site.store.chains[story.growing.fid] == chain
        await site.store.close()
    return before


def seen(site: Site) -> Seen:
    fid = site.growing.fid
    chain = site.store.chains[fid]
    return Seen(
        root=root(site.store.frontier(fid)),
        faults=site.faults(),
        federation=chain.federation,
        certificates=frozenset(chain.links),
    )


@cache
def expected() -> Seen:
    """Return what is seen when everything comes in its own order."""
    return asyncio.run(settle(TALE, TALE.items, 1))


@cache
def ends(story: Rivals | Sides) -> Sequence[Seen]:
    """Return what is seen where a story may end, each way with its certificates alone."""
    said = [item for item in story.items if isinstance(item, Envelope)]
    return [asyncio.run(settle(story, [*path, *said], 1)) for path in story.paths]


def require_some_end(story: Rivals | Sides, end: Seen) -> None:
    [same] = [each for each in ends(story) if each.federation == end.federation]
    assert (end.root, end.faults) == (same.root, same.faults)


@settings(max_examples=ORDERS, deadline=None)
@given(st.permutations(TALE.labels), st.integers(min_value=1, max_value=6))
def test_every_order_in_which_nothing_is_late_ends_in_the_same_standings(
    labels: list[bytes], together: int
) -> None:
    assert asyncio.run(settle(TALE, TALE.told_in(labels), together)) == expected()


@settings(max_examples=ORDERS, deadline=None)
@given(st.permutations(SIDES.labels), st.integers(min_value=1, max_value=6))
def test_nodes_on_one_side_of_a_fork_end_in_the_same_standings(
    labels: list[bytes], together: int
) -> None:
    end = asyncio.run(settle(SIDES, SIDES.told_in(labels), together))

    require_some_end(SIDES, end)


@settings(max_examples=ORDERS, deadline=None)
@given(st.permutations(RIVALS.labels), st.integers(min_value=1, max_value=6))
def test_nodes_that_halt_at_a_rival_of_the_newest_and_those_that_go_on_agree_among_themselves(
    labels: list[bytes], together: int
) -> None:
    end = asyncio.run(settle(RIVALS, RIVALS.told_in(labels), together))

    require_some_end(RIVALS, end)


def test_what_a_tale_ends_with_is_judged_by_every_kind_of_change() -> None:
    judged = Counter(expected().faults.values())

    assert set(judged) == {None, "policy.role", "policy.suspended", "policy.fee", "policy.k_min"}
    assert expected().federation == TALE.growing.chain.federation
