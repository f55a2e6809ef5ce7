"""What it costs two nodes to learn where they differ: bytes and round trips on the wire.

Two ends of a real link, sealed frames over a wire in memory, the node's own comparing on both. The
store alone is a stand-in that knows heights and heads. Counted is every frame of both directions
after the handshake, up to and with the question for the missing entries; entries are not.

    idle      what a quiet link carries at each recheck
    first     two nodes that never met: one holds all logs, in ten of them ten entries more
    again     the same two, where each remembers the other's store
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sheaf_node.events import Arrivals
from sheaf_node.peering.comparing import Comparing
from sheaf_node.peering.frontiers import Frontiers
from sheaf_protocol.digest import FederationId, LogId, WriterId, digest
from sheaf_protocol.frontier import Frontier, LogState, idle_digest
from sheaf_protocol.link import Claims, Cursor, DataSync, Link, MessageReceived
from sheaf_protocol.link.messages import (
    LIST,
    Compare,
    ControlHave,
    Have,
    Idle,
    RangeItem,
    Tree,
    TreeWant,
    Want,
)
from sheaf_protocol.testing.author import START_MS, make_coop
from sheaf_protocol.testing.link_pair import LinkPair, make_link_pair

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sheaf_protocol.link.messages import Message

SIZES: Final = (1_000, 16_384)
CHANGED: Final = 10
FID: Final = FederationId(digest("bench", b"federation"))
STORES: Final = (b"initiator, store", b"responder, store")
LIMITS: Final = {"idle_bytes": 40, "changed_bytes": 50_000, "changed_round_trips": 1}
ROUNDS: Final = 5


@dataclass
class Held:
    """Heights and heads, as a store tells of them."""

    logs: dict[LogId, LogState]
    arrival: int
    came: dict[LogId, int] = field(default_factory=dict)
    cursors: dict[WriterId, Cursor] = field(default_factory=dict)

    def frontier(
        self, fid: FederationId, only: Iterable[LogId] | None = None
    ) -> dict[LogId, LogState]:
        """Return all logs, or some: there is one federation."""
        if fid != FID:
            return {}
        return dict(self.logs) if only is None else {log: self.logs[log] for log in only}

    def changed_after(self, arrival: int) -> set[LogId]:
        """Return the logs that took in entries later."""
        return {log for log, came in self.came.items() if came > arrival}

    def cursor(self, peer: WriterId, fid: FederationId) -> Cursor | None:
        """Return what is remembered of a peer."""
        return self.cursors.get(peer) if fid == FID else None


class Side:
    """One end: compares, and asks for what it lacks."""

    def __init__(self, link: Link, held: Held, their_store: bytes) -> None:
        self.link, self.held = link, held
        self.sync = DataSync(Claims())
        self.comparing = Comparing(
            FID,
            link,
            sync=self.sync,
            store=held,
            frontiers=Frontiers(held, Arrivals()),
            store_id=their_store,
        )

    def hear(self, message: Message) -> None:
        """Take what came."""
        match message:
            case Compare():
                self.comparing.hear_compare(message)
            case Have():
                self.comparing.hear_have(message, START_MS)
            case Tree():
                self.comparing.hear_tree(message)
            case TreeWant():
                self.comparing.hear_tree_want(message)
            case _:
                pass

    def pump(self) -> None:
        """Send what is due."""
        self.comparing.tell()
        ranges = self.sync.ask(self.held.logs, START_MS)
        for at in range(0, len(ranges), LIST):
            wanted = [RangeItem(r.log, r.first, r.last) for r in ranges[at : at + LIST]]
            self.link.send(Want(self.link.blind(FID), wanted))


@dataclass(frozen=True)
class Cost:
    """What finding the differences took."""

    size: int
    round_trips: int
    asked: int


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    args = parser.parse_args()
    figures = measure()
    print(json.dumps(figures) if args.json else "\n".join(f"{k}: {v}" for k, v in figures.items()))
    sys.exit(any(figures[name] > most for name, most in LIMITS.items()))


def measure() -> dict[str, float]:
    """Return all figures; those without a number of logs in their name are of 1,000."""
    figures: dict[str, float] = {"idle_bytes": idle_bytes()}
    for count in SIZES:
        suffix = "" if count == SIZES[0] else f"_{count}"
        for name, is_known in (("changed", False), ("again", True)):
            cost = find_changes(count, is_known=is_known)
            assert cost.asked == CHANGED, cost
            figures[f"{name}_bytes{suffix}"] = cost.size
            figures[f"{name}_round_trips{suffix}"] = cost.round_trips
        figures[f"update_ratio{suffix}"] = round(update_ratio(count), 4)
    return figures


def idle_bytes() -> int:
    """Return the frames of a recheck where nothing changed, of one direction."""
    pair = ready_pair()
    root = Frontier.of(logs(SIZES[0])).root
    pair.dialled.send(Idle(idle_digest([root])))
    return sum(map(len, pair.dialled.data_to_send()))


def find_changes(count: int, *, is_known: bool) -> Cost:
    """Return what two nodes spend until one has asked for what the other holds more."""
    pair = ready_pair()
    old, new = Held(logs(count), count), Held(logs(count), count)
    for n in range(CHANGED):
        new.arrival += 1
        log = log_of(n * (count // CHANGED))
        new.logs[log], new.came[log] = state(n, 11), new.arrival
    if is_known:
        old.cursors[peer_of(pair.dialled)] = Cursor(store_id=STORES[1], theirs=count, ours=count)
    sides = (Side(pair.dialled, old, STORES[1]), Side(pair.listening, new, STORES[0]))
    return carry(pair, sides)


def carry(pair: LinkPair, sides: Sequence[Side]) -> Cost:
    """Carry frames in both directions at once until nothing is under way."""
    size = legs = asked = asked_at = 0
    for side in sides:
        side.pump()
    while True:
        wires = [link.data_to_send() for link in (pair.dialled, pair.listening)]
        if not any(wires):
            return Cost(size, -(-asked_at // 2), asked)
        size += sum(len(frame) for wire in wires for frame in wire)
        for wire, side in zip(wires, reversed(sides), strict=True):
            for message in messages(side.link, wire):
                if isinstance(message, Want):
                    asked, asked_at = asked + len(message.ranges), legs
                side.hear(message)
        legs += 1
        for side in sides:
            side.pump()


def messages(link: Link, frames: Sequence[bytes]) -> list[Message]:
    """Return what frames hold, opened by the link that gets them."""
    opened: list[Message] = []
    for frame in frames:
        link.receive_data(frame, START_MS)
        while (event := link.next_event()) is not None:
            assert isinstance(event, MessageReceived), event
            opened.append(event.message)
    return opened


def update_ratio(count: int) -> float:
    """Return the CPU time of one changed log as a part of that of hashing the whole frontier."""
    held = logs(count)
    before = Frontier.of(held)
    ratios = []
    for n in range(ROUNDS):
        began = time.process_time()
        Frontier.of(held)
        whole = time.process_time() - began
        began = time.process_time()
        for each in range(10):
            before.tree.changed({log_of(n): state(n, 20 + each)})
        ratios.append((time.process_time() - began) / 10 / whole)
    return min(ratios)


def ready_pair() -> LinkPair:
    """Return a link on which both ends are ready for the federation."""
    pair = make_link_pair(make_coop("Hill"), make_coop("Dale"), now_ms=START_MS)
    pair.run()
    for link, store in zip((pair.dialled, pair.listening), STORES, strict=True):
        link.send(ControlHave([], [], [], True))
        link.offer([FID], store)
    pair.run()
    return pair


def peer_of(link: Link) -> WriterId:
    """Return who is at the other end."""
    assert link.peer is not None
    return link.peer.wid


def logs(count: int) -> dict[LogId, LogState]:
    """Return a frontier of logs of one entry each."""
    return {log_of(n): state(n, 1) for n in range(count)}


def log_of(n: int) -> LogId:
    """Return the id of a log, spread as hashes are."""
    return LogId(digest("bench", n.to_bytes(4)))


def state(n: int, seq: int) -> LogState:
    """Return a log's height and head."""
    return LogState(seq=seq, head=digest("bench", n.to_bytes(4), seq.to_bytes(4)))


if __name__ == "__main__":
    main()
