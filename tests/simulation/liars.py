"""Members in good standing that turned bad: their nodes break the protocol as far as keys allow."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgpack
from msgspec import structs
from tests.simulation.holdings import NAME, Holdings

from sheaf_node.ingest import Draft
from sheaf_node.store.model import ProvenRun
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import Capacity, Vector

if TYPE_CHECKING:
    import random
    from collections import Counter
    from collections.abc import Mapping

    from sheaf_node.app import Node
    from sheaf_node.plugins import SeenRecord, ServiceFactory

WAYS: Final = ("forge", "withhold", "flood", "oversell")


class Overselling(Holdings):
    """Holdings of an owner that believes to have ten times what it offers."""

    def fold(self, seen: SeenRecord) -> None:
        super().fold(seen)
        own = self.capacities.get(seen.id)
        if isinstance(own, Capacity) and seen.cid == self.context.cid:
            many = Vector(pallets=10 * int(own.resource.amounts().get("pallets", 0)))
            self.capacities[seen.id] = Capacity(
                **{f: getattr(own, f) for f in own.__struct_fields__ if f != "resource"},
                resource=many,
            )


@dataclass
class Lies:
    """How one node lies."""

    ways: frozenset[str]
    dice: random.Random
    seen: Counter[str]

    def services(self, honest: Mapping[str, ServiceFactory]) -> Mapping[str, ServiceFactory]:
        """Return the services that its operator runs in place of the honest ones."""
        if "oversell" in self.ways and NAME in honest:
            return {**honest, NAME: Overselling}
        return honest

    def tamper(self, node: Node) -> None:
        """Change what a node that was just opened tells its peers."""
        store: Any = node.parts.store
        if "forge" in self.ways:
            store.log_entries = self._forging(store.log_entries)
        if "withhold" in self.ways:
            store.frontier = self._withholding(store.frontier)
        if "flood" in self.ways:
            self._flooding = asyncio.ensure_future(self._flood(node))

    def _forging(self, real: Any) -> Any:
        def log_entries(*args: Any, **options: Any) -> ProvenRun:
            run: ProvenRun = real(*args, **options)
            if not run.entries or self.dice.random() > 0.5:
                return run
            self.seen["liar forged"] += 1
            at = self.dice.randrange(len(run.entries))
            entries = list(run.entries)
            entries[at] = structs.replace(entries[at], envelope=self._forged(entries[at].envelope))
            return ProvenRun(entries=entries, tail=run.tail)

        return log_entries

    def _forged(self, real: Envelope) -> Envelope:
        """Return an entry with something in it that its author never signed."""
        header, signature, payload = bytearray(real.header), real.signature, real.payload
        if payload and self.dice.random() < 0.5:
            payload = payload[:-1] + bytes([payload[-1] ^ 1])
        elif signature and self.dice.random() < 0.5:
            signature = bytes([signature[0] ^ 1]) + signature[1:]
        elif self.dice.random() < 0.8:
            parts = msgpack.unpackb(real.header)
            parts[7] += 1  # all else is as it should be, so that the signature alone tells
            header = bytearray(msgpack.packb(parts))
        else:
            header[self.dice.randrange(len(header))] ^= 1 << self.dice.randrange(8)
        return Envelope(bytes(header), signature, payload)

    def _withholding(self, real: Any) -> Any:
        def frontier(fid: Any, only: Any = None) -> Any:
            self.seen["liar withheld"] += 1
            return {log: at for log, at in real(fid, only).items() if log[0] % 3}

        return frontier

    async def _flood(self, node: Node) -> None:
        """Sign as much as it may."""
        [fid, *_] = node.parts.store.chains
        for _ in range(4):
            await asyncio.sleep(20)
            try:
                await node.parts.ingest.publish(fid, [Draft(kind="x.noise", body=b"\x80")] * 40)
                self.seen["liar flooded"] += 1
            except Refusal:
                return
