"""A road with five places, and the co-ops along it: what tests of the service stand on."""

from __future__ import annotations

import json

from sheaf_protocol.records import TransportRequest, Vector, Visit, Window
from sheaf_protocol.testing.author import START_MS

SERVICE = "shipment_matching"
NAMES = ("Yard", "North", "East", "South", "West")
DAY = {"from_ms": START_MS, "to_ms": START_MS + 10 * 3_600_000}
WINDOW = Window(**DAY)
LAST = 2**53 - 1
PALLETS = {"load": Vector(pallets=1)}
LONG_NAME = {"name": "x" * 999, "lat_udeg": 0, "lon_udeg": 0}


def fleet(vehicles: int = 3, **changes) -> bytes:
    """Five places on one road, a minute apart, the yard at its end; a minute costs 1."""
    given = {
        "ref": "roads-1",
        "provider": "test",
        "places": [{"name": name, "lat_udeg": 0, "lon_udeg": 0} for name in NAMES],
        "seconds": [60 * abs(a - b) for a in range(5) for b in range(5)],
        "depot": 0,
        "vehicles": vehicles,
        "vehicle": {"load": 10},
        "tariff": {"amount": 1, "base_s": 60, "currency": "GBP", "per_trip": 0},
        "window": DAY,
    }
    return json.dumps(given | changes).encode()


def visit(place: int, from_ms: int, to_ms: int) -> Visit:
    return Visit(place=place, service_s=0, window=Window(from_ms=from_ms, to_ms=to_ms))


def request(ref: str, places: tuple[int, int], **changes) -> TransportRequest:
    ends = [Visit(place=place, service_s=30, window=WINDOW) for place in places]
    given = {"delivery": ends[1], "load": Vector(load=3), "pickup": ends[0], "ref": ref}
    return TransportRequest(**({"table_ref": "roads-1"} | given | changes))


class Roads:
    """A haulier, two buyers whose goods go the same way, a matcher and a rival to it."""

    def __init__(self, federation):
        self.federation = federation
        self.clock = federation.clock
        self.haul = federation.join("Haul", "carrier")
        self.hill = federation.join("Hill", "member")
        self.dale = federation.join("Dale", "member")
        self.match = federation.join("Match", "service")
        self.rival = federation.join("Rival", "service", "carrier")

    async def ask(self, vehicles: int = 3):
        await self.haul.command(SERVICE, "publish_capacity", fleet(vehicles))
        await self.hill.publish(request("h1", (1, 3)))
        await self.hill.publish(request("h2", (3, 1)))
        await self.dale.publish(request("d1", (2, 4)))
        await self.federation.settle()

    async def plan(self) -> str:
        reply = await self.match.command(SERVICE, "match")
        await self.federation.settle()
        return reply["state"]

    async def propose(self, proposal, by=None):
        entry = await (by or self.match).publish(proposal, [proposal.capacity])
        await self.federation.settle()
        return entry

    async def draft(self):
        """Return a right proposal that was not published yet, nobody else having heard of it."""
        await self.ask()
        self.federation.away = {n for n in self.federation.nodes if n is not self.match}
        assert await self.plan() == "planning"
        [seen] = self.match.seen("match.propose")
        return seen

    def verdicts(self, subject: bytes) -> dict[str, str]:
        names = {node.coop.cid: node.coop.name for node in self.federation.nodes}
        found = [s for n in self.federation.nodes for s in n.seen("verdict", by=n)]
        return {names[s.cid]: s.record.code for s in found if s.record.subject == subject}

    def all_say(self, code: str, **others: str) -> dict[str, str]:
        return {node.coop.name: code for node in self.federation.nodes} | others

    async def shown(self, node=None, proposal_id=None):
        report = await (node or self.match).view(SERVICE)
        if proposal_id is None:
            return report["proposals"][-1]
        [found] = [p for p in report["proposals"] if p["id"] == proposal_id.hex()]
        return found
