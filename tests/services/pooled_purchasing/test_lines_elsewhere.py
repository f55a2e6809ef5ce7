"""A line binds its co-op once, whichever of its writers published it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import signing_key
from sheaf_protocol.records import Demand, Withdrawal
from sheaf_protocol.testing.author import START_MS, LogAuthor
from sheaf_services.pooled_purchasing.lists.purchase_list import parse_purchase_list
from sheaf_services.pooled_purchasing.opening import DEFAULTS

SERVICE = "pooled_purchasing"
DAY_MS = 86_400_000


def wants(quantity: int) -> bytes:
    return (
        f"ref,item,quantity,unit,max_price,currency\nnuts-1,nuts,{quantity},bag,9.50,GBP".encode()
    )


class House:
    """A co-op whose node took over from a former writer that had published one line."""

    def __init__(self, federation):
        self.federation = federation
        self.hill = federation.join("Hill", "member", "coordinator")

    async def begin(self) -> None:
        await self.federation.begin()
        former = signing_key(b"f" * 32)
        op = self.hill.coop.delegate(former, START_MS + 90 * DAY_MS)
        await self.hill.ingest.receive_key_ops(self.hill.coop.cid, [op])
        fid = self.federation.certificate.fid
        self.former = LogAuthor(self.hill.coop, fid, writer=former)
        [self.line] = parse_purchase_list(wants(8), zone=DEFAULTS["zone"], today_ms=START_MS)

    async def publish(self, record: Demand | Withdrawal) -> bytes:
        envelope = self.former.publish(record)
        await self.hill.ingest.receive([envelope])
        return envelope.id

    async def send(self, quantity: int):
        return await self.hill.command(SERVICE, "import_purchases", wants(quantity))


@pytest.fixture
async def house(federation):
    made = House(federation)
    await made.begin()
    return made


async def test_list_that_a_former_writer_published_is_not_published_twice(house):
    await house.publish(house.line)

    assert await house.send(8) == {"lines": 1, "published": 0, "withdrawn": 0, "notes": []}


async def test_changed_line_of_a_former_writer_is_refused(house):
    await house.publish(house.line)

    with pytest.raises(Refusal, match=r"demand\.elsewhere"):
        await house.send(12)


async def test_line_that_its_former_writer_took_back_is_published(house):
    id_ = await house.publish(house.line)
    await house.publish(Withdrawal(demand=id_))

    assert (await house.send(12))["published"] == 1


async def test_line_whose_time_to_decide_has_passed_is_published(house):
    await house.publish(replace(house.line, decide_by_ms=START_MS - 1))

    assert (await house.send(12))["published"] == 1
