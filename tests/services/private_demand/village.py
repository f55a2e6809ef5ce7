"""A village that buys oats in private.

Five co-ops have lines, a sixth, Rook, has a clock of its own and bids when a test makes it. Tarset
coordinates; Moor may, and does not. Mills sells.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from sheaf_node.clock import ManualClock
from sheaf_node.ingest import Draft
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import Digest, EntryId, digest
from sheaf_protocol.envelope import SEALED
from sheaf_protocol.private_demand import Opening, add_openings, blinding_from, commit
from sheaf_protocol.records import Item, LogCut, kind_of
from sheaf_protocol.records.curve import (
    CurveBid,
    CurveClose,
    CurveOpen,
    CurveOpening,
    CurveReceipt,
    CurveTotals,
)
from sheaf_protocol.sealing import Author, seal_private

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sheaf_node.plugins import SeenRecord
    from sheaf_protocol.records import Record

SERVICE = "private_demand"
HOUR_MS = 3_600_000
LINES = {
    "Hill": [60, 40, 0],
    "Dale": [30, 30, 30],
    "Moor": [50, 20, 10],
    "Fell": [40, 40, 20],
    "Beck": [20, 20, 10],
}
ROLES = {name: ("member",) for name in LINES} | {"Moor": ("member", "coordinator")}
OATS = {"item": "oats", "unit": "KGM", "currency": "GBP", "levels": "900,1000,1100"}
OATS |= {"cap": "100", "closes_in_s": "3600"}


class Village:
    """Honest nodes; `script` takes the service of one away, which then says what a test writes."""

    def __init__(self, federation: Any, settings: Any = None) -> None:
        self.federation, self.clock = federation, federation.clock
        given = {SERVICE: {"cover": False} | (settings or {})}
        self.tarset = federation.join("Tarset", "coordinator")
        self.members = [federation.join(name, *ROLES[name], settings=given) for name in LINES]
        self.hill, self.dale, self.moor, self.fell, self.beck = self.members
        self.rook_clock = ManualClock(self.clock.now_ms())
        self.rook = federation.join("Rook", "member", clock=self.rook_clock, settings=given)
        self.mills = federation.join("Mills", "supplier")

    async def open(self, **options: str) -> EntryId:
        """Open a round for oats; return its id."""
        await self.tarset.command(SERVICE, "open", **(OATS | options))
        await self.federation.settle()
        return self.tarset.seen("curve.open")[-1].id

    async def bid(self, node: Any, line: Sequence[int], **options: str) -> Any:
        body = json.dumps({"quantities": list(line)}).encode()
        return await node.command(SERVICE, "bid", body, **options)

    async def bid_all(self, *without: Any, **options: str) -> None:
        """Let everyone but some bid its line, and all answers and openings travel."""
        for node in self.members:
            if node not in without:
                await self.bid(node, LINES[node.coop.name], **options)
        await self.federation.settle()

    async def close(self) -> None:
        """Let the hour pass."""
        self.pass_hour()
        await self.federation.settle()

    def pass_hour(self) -> None:
        self.clock.advance(HOUR_MS)
        self.rook_clock.advance(HOUR_MS)

    async def round(self, node: Any) -> Any:
        """Return the newest round as a node shows it."""
        return (await node.view(SERVICE, "rounds"))["rounds"][0]

    async def states(self) -> dict[str, str]:
        """Return how each node finds the newest round."""
        return {node.coop.name: (await self.round(node))["state"] for node in self.federation.nodes}

    async def alerts(self, node: Any) -> dict[str, str]:
        """Return what a node's manager is told, by code."""
        found = (await node.view(SERVICE, "alerts"))["alerts"]
        return {alert["code"]: alert["message"] for alert in found}

    def script(self, node: Any) -> None:
        """From here on a node says only what the test makes it say."""
        del node.hosts[SERVICE]

    def claims(self, node: Any) -> set[tuple[str, str]]:
        """Return who claims what, as a node has read it."""
        names = {each.coop.cid: each.coop.name for each in self.federation.nodes}
        return {(names[seen.cid], seen.record.fault) for seen in node.seen("curve.claim")}

    async def publish_sealed(self, node: Any, record: Record, to: Any) -> None:
        """Publish a private record of a scripted node, sealed to another and to itself."""
        fid = self.federation.certificate.fid
        body = seal_private(
            kind_of(record),
            [],
            encode(record),
            [node.coop.prekey[0], to.coop.prekey[0]],
            author=Author(fid, node.coop.cid, node.coop.wid),
            random=self.federation.random(56),
        )
        await node.ingest.publish(fid, [Draft(kind=SEALED, refs=[], body=body)])

    # --- what a scripted coordinator says ---------------------------------------------------

    def openings(self, curve: EntryId) -> dict[EntryId, Opening]:
        """Return the openings that the coordinator can read, by bid."""
        bids = {seen.id for seen in self.bids(curve)}
        return {
            seen.record.bid: Opening(tuple(seen.record.quantities), seen.record.blinding)
            for seen in self.tarset.seen("curve.opening")
            if seen.record.bid in bids
        }

    def bids(self, curve: EntryId) -> list[SeenRecord]:
        return [seen for seen in self.tarset.seen("curve.bid") if seen.record.curve == curve]

    def cut(self) -> list[LogCut]:
        """Return how far the coordinator has read each log."""
        held = self.tarset.store.logs.values()
        return [
            LogCut(cid=log.cid, head=Digest(log.head.id), seq=log.head.seq, wid=log.wid)
            for log in sorted(held, key=lambda log: log.cid)
            if log.head.seq
        ]

    async def closed(self, *without: Any, bidders: Any = None) -> tuple[EntryId, Any, Any]:
        """Let all bid and time pass; then Tarset is scripted and closes without some of them.

        Return the round, the close, and the openings of the bids that it lists.
        """
        curve = await self.open()
        await self.bid_all(*(set(self.members) - set(bidders or self.members)))
        self.script(self.tarset)
        self.pass_hour()
        out = {node.coop.cid for node in without}
        kept = [seen.id for seen in self.bids(curve) if seen.cid not in out]
        close = await self.say_close(curve, kept)
        openings = self.openings(curve)
        return curve, close, [openings[id_] for id_ in kept]

    async def receipt(self, curve: EntryId, bid: EntryId) -> Any:
        record = CurveReceipt(bid=bid, curve=curve, fault=UNSET)
        return await self.tarset.publish(record, [bid])

    async def say_close(self, curve: EntryId, bids: Iterable[EntryId], by: Any = None) -> Any:
        record = CurveClose(bids=sorted(bids), curve=curve, cut=self.cut())
        return await (by or self.tarset).publish(record, [curve])

    async def say_totals(
        self, curve: EntryId, close: EntryId, openings: Iterable[Opening], more: int = 0
    ) -> Any:
        """Publish the sums of openings, with more at every level than there is."""
        totals = add_openings(list(openings))
        quantities = [quantity + more for quantity in totals.line]
        record = CurveTotals(
            blinding=totals.blinding, close=close, curve=curve, quantities=quantities
        )
        return await self.tarset.publish(record, [close])


def opening_of(name: str, *line: int) -> Opening:
    """Return a line with a blinding that depends on the name alone."""
    return Opening(line, blinding_from(digest("test", name.encode()) * 2))


def bid_of(curve: EntryId, opening: Opening) -> CurveBid:
    return CurveBid(
        below_k="alone", commitment=commit(opening), curve=curve, members=Digest(bytes(32))
    )


def opened(bid: EntryId, opening: Opening) -> CurveOpening:
    return CurveOpening(bid=bid, blinding=opening.blinding, quantities=list(opening.line))


def terms(**changes: Any) -> CurveOpen:
    """Return a round for oats as a scripted owner opens it."""
    item = Item(code="oats", name="oats", scale=0, unit="KGM")
    given: dict[str, Any] = {"base": 1, "cap": 100, "closes_at_ms": 0, "currency": "GBP"}
    given |= {"dominance_bps": 7_000, "item": item, "k_min": 5, "levels": [900, 1000, 1100]}
    given |= {"title": "oats", "zone": "ALL"}
    return CurveOpen(**(given | changes))
