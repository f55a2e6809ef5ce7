"""A market after its awards: two co-ops whose orders a mill has accepted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

BUYING, SERVICE = "pooled_purchasing", "order_fulfilment"
DAY = 86_400_000
TAX = {"category": "S", "rate_bps": 2_000}
PRICES = b"""item,unit,min_quantity,price,currency,valid_until,unit_weight_g
nuts,bag,1,10.00,GBP,2026-03-01,25000
nuts,bag,20,9.00,GBP,2026-03-01,25000
"""


def wants(quantity: int) -> bytes:
    header = "ref,item,quantity,unit,max_price,currency"
    return f"{header}\nnuts-1,nuts,{quantity},bag,9.50,GBP".encode()


class Market:
    """Hill runs the pool; Hill and Dale buy 12 and 9 bags from Mills at 9.00, with a fee of 1 %."""

    def __init__(self, federation: Any, **settings: Mapping[str, Any]) -> None:
        def of(who: str) -> Any:
            return {SERVICE: settings[who]} if who in settings else None

        self.federation = federation
        self.clock = federation.clock
        self.hill = federation.join("Hill", "member", "coordinator", settings=of("hill"))
        self.dale = federation.join("Dale", "member", settings=of("dale"))
        self.mills = federation.join("Mills", "supplier", settings=of("mills"))

    async def begin(self) -> Market:
        """Run the pool to its award, with every order accepted."""
        await self.federation.begin()
        await self.hill.command(BUYING, "import_purchases", wants(12))
        await self.dale.command(BUYING, "import_purchases", wants(9))
        await self.mills.command(BUYING, "import_prices", PRICES)
        await self.settle()
        given = {"k_min": "2", "may_close_early": "1", "fee_bps": "100"}
        await self.hill.command(BUYING, "open_pools", **given)
        await self.settle()
        await self.hill.command(BUYING, "close_pools")
        await self.settle()
        return self

    async def settle(self) -> None:
        await self.federation.settle()

    async def order_of(self, node: Any) -> str:
        """Return the id of a buyer's only order."""
        [order] = (await node.view(SERVICE, "orders"))["orders"]
        return str(order["order"])

    async def do(self, node: Any, name: str, body: Any = None, **options: str) -> Any:
        """Ask a node for something and let all hear of it."""
        raw = b"" if body is None else json.dumps(body).encode()
        answer = await node.command(SERVICE, name, raw, **options)
        await self.settle()
        return answer

    async def show(self, node: Any, order: str) -> Any:
        return await node.view(SERVICE, "order", order=order)

    async def both(self, order: str, node: Any = None) -> Any:
        """Return an order as buyer and supplier show it, which must agree on what is so."""
        ours = await self.show(node or self.dale, order)
        theirs = await self.show(self.mills, order)
        told = ("state", "lines", "amendment", "cancellation", "deliveries", "returns", "unread")
        assert {name: ours[name] for name in told} == {name: theirs[name] for name in told}
        assert ours["without_effect"] == theirs["without_effect"]
        return ours

    async def deliver(self, order: str, node: Any = None) -> None:
        """Despatch all and count it."""
        await self.do(self.mills, "despatch", order=order)
        await self.do(node or self.dale, "receive", order=order)


@pytest.fixture
async def market(federation: Any) -> Market:
    return await Market(federation).begin()
