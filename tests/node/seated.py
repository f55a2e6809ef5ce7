"""A sponsor's node without sockets, for tests of seats."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from sheaf_node.app import open_node
from sheaf_node.cli.main import sheaf
from sheaf_node.clock import SystemClock
from sheaf_node.drafts import DraftLedger, Drafts
from sheaf_node.plugins import Call
from sheaf_node.seats import LinkWish, NewSeat, Seating, SeatShelf

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sheaf_node.app import Node

CROFT = "c0" * 32
BUYING = "item,name,quantity,unit,max_price,currency\nfeed,Hen feed,50,kg,0.60,GBP\n"
ASKING = "item,name,quantity,unit,currency\nfeed,Hen feed,500,kg,GBP\nwire,,3,roll,GBP\n"


class Off(SystemClock):
    """The machine's clock, moved by a test."""

    def __init__(self) -> None:
        self.by_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.by_ms


def run(*args: object) -> None:
    result = CliRunner().invoke(sheaf, [str(arg) for arg in args])
    assert result.exit_code == 0, result.output


def make_sponsor(folder: Path, *, peer_port: int = 8440, local_port: int = 8441) -> Path:
    """Return the home of a co-op that is alone in its federation, in all roles that trade."""
    home, card, charter = folder / "hill", folder / "card", folder / "charter"
    ports = ("--peer-port", peer_port, "--local-port", local_port)
    run("init", "Hill Farm", "--home", home, *ports)
    run("federation", "card", "--out", card, "--home", home)
    roles = f"{card}=member,supplier,coordinator"
    run("federation", "draft", "Borders", roles, "--out", charter)
    run("federation", "sign", charter, "--home", home)
    run("federation", "adopt", charter, "--home", home)
    return home


class Sponsor:
    """An open node with its seats."""

    def __init__(self, node: Node, home: Path, clock: Off) -> None:
        self.node, self.home, self.clock = node, home, clock
        self.ledger = DraftLedger(home)
        self.seating = self.again()

    def again(self) -> Seating:
        """Return the seats as a node that starts anew has them, from the disk."""
        self.drafts = Drafts(
            self.ledger,
            store=self.node.parts.store,
            ingest=self.node.parts.ingest,
            hosts=self.node.hosts.by_federation,
            clock=self.clock,
            random=os.urandom,
        )
        return Seating(
            SeatShelf(self.home),
            ingest=self.node.parts.ingest,
            hosts=self.node.hosts.by_federation,
            clock=self.clock,
            random=os.urandom,
            sponsor="Hill Farm",
            drafts=self.drafts,
            url="https://hill.example",
        )

    async def link(self, asks: str = "approve", text: str = BUYING, **other: Any) -> str:
        """Return the secret part of a new link of Croft."""
        self.seating.add(NewSeat(cid=CROFT, name="Croft"))
        text = "" if asks == "list" else text
        wish = LinkWish(asks=asks, list=text, **other)  # type: ignore[arg-type]
        made = await self.seating.make_link("Croft", wish, None)
        return made.address.removeprefix("https://hill.example/seat/")

    async def lines(self, cid: str = CROFT) -> list[dict[str, Any]]:
        """Return what was published for a seat."""
        [hosts] = self.node.hosts.by_federation.values()
        view = await hosts["pooled_purchasing"].view("seat", Call(options={"seat": cid}))
        return list(view["lines"])


@asynccontextmanager
async def sponsoring(folder: Path) -> AsyncIterator[Sponsor]:
    clock = Off()
    home = make_sponsor(folder)
    async with open_node(home, clock=clock, random=os.urandom) as node:
        sponsor = Sponsor(node, home, clock)
        try:
            yield sponsor
        finally:
            sponsor.ledger.close()
