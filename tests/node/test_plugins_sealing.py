"""Private records: who reads them, and what a recipient without a key holds up."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest
from tests.node.notebook import (
    CERTIFICATE,
    DALE,
    HILL,
    LAPSE,
    MILL,
    SOME,
    Bench,
    Notebook,
    demand,
    notebook,
    opened,
    order,
    quiet,
    until,
)

from sheaf_node.api.json_view import status_json
from sheaf_node.plugins import Call, ServiceHost
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.envelope import SEALED, body_of
from sheaf_protocol.errors import LocalProtocolError
from sheaf_protocol.identity import Delegate, PublicKey, sign_op
from sheaf_protocol.limits import PREKEY_LIFETIME_MS
from sheaf_protocol.records import Record
from sheaf_protocol.sealing import Author, Sealed, seal_private
from sheaf_protocol.testing.author import START_MS, LogAuthor, TestCoop


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened(tmp_path, MILL) as mill:
        yield mill


async def test_a_private_record_is_read_by_those_it_is_for_and_nobody_else(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        hill, dale, mill = [
            await stack.enter_async_context(opened(tmp_path, coop)) for coop in (HILL, DALE, MILL)
        ]
        host = hill.host()
        await host.command("order", Call())
        [entry] = hill.parts.store.entries_after(0)
        for other in (dale, mill):
            await other.receive(entry.envelope)

        async def orders(host: ServiceHost) -> list[Record]:
            await host.view("refs", Call())
            return [seen.record for seen in notebook(host).seen]

        assert (entry.kind, entry.header.refs) == (SEALED, [])
        assert await orders(dale.host()) == [order()]
        assert await orders(host) == [order()]  # its author reads it again
        assert await orders(mill.host()) == []
        assert mill.kinds() == [SEALED]
        assert notebook(host).seen[0].refs == (SOME,)


def sealed(kind: str, body: bytes, to: TestCoop, author: LogAuthor, coop: TestCoop) -> bytes:
    by = Author(author.fid, coop.cid, coop.wid)
    return seal_private(kind, [], body, [to.prekey[0]], author=by, random=bytes(56))


def altered(body: bytes) -> bytes:
    whole = decode(body, Sealed)
    return encode(msgspec.structs.replace(whole, box=whole.box[:-1] + b"\x00"))


@pytest.mark.parametrize(
    ("by", "kind", "record", "change"),
    [
        (DALE, "order.place", order(), bytes),  # a supplier orders nothing
        (HILL, "demand.submit", demand("r"), bytes),  # a public kind, hidden
        (HILL, "order.response", LAPSE, bytes),  # not followed
        (HILL, "order.place", LAPSE, bytes),  # not an order
        (HILL, "order.place", order(), altered),  # for us, and does not open
    ],
)
async def test_a_sealed_record_that_its_author_may_not_publish_is_passed_over(
    bench: Bench, by: TestCoop, kind: str, record: Record, change: Callable[[bytes], bytes]
) -> None:
    author = LogAuthor(by, CERTIFICATE.fid)
    body = change(sealed(kind, encode(record), MILL, author, by))
    await bench.receive(author.append(SEALED, body))
    host = bench.host()

    await host.view("refs", Call())

    assert bench.kinds() == [SEALED]
    assert notebook(host).seen == []


async def test_what_was_sealed_to_two_has_two_slots(bench: Bench) -> None:
    await bench.host().command("order", Call())

    [entry] = bench.parts.store.entries_after(0)
    assert len(decode(body_of(entry.envelope.payload), Sealed).slots) == 2


async def test_ordering_from_a_coop_without_a_valid_prekey_is_refused(bench: Bench) -> None:
    bench.clock.advance(PREKEY_LIFETIME_MS + 1)

    host = bench.host()
    with pytest.raises(LocalProtocolError) as refusal:
        await host.command("order", Call())

    assert not notebook(host).context.can_seal_to(DALE.cid)
    assert refusal.value.code == "seal.recipient"
    assert bench.kinds() == []


async def test_a_peers_old_prekey_holds_up_nothing_else(bench: Bench) -> None:
    def decide(service: Notebook) -> None:
        service.context.publish(order(), to=[DALE.cid])
        if not service.refs:
            service.context.publish(demand("r"))

    bench.clock.advance(PREKEY_LIFETIME_MS + 1)
    host = bench.start(decide=decide)
    await until(lambda: bench.kinds() == ["demand.submit"])
    await until(lambda: notebook(host).decisions == 2)
    await quiet()

    assert (host.refused, host.is_stopped) == ("seal.recipient", False)
    assert bench.kinds() == ["demand.submit"]
    assert notebook(host).decisions == 2  # not again and again


async def test_a_peers_prekey_of_small_order_holds_up_nothing_else(bench: Bench) -> None:
    unusable = Delegate(
        cid=DALE.cid,
        expires_ms=START_MS + PREKEY_LIFETIME_MS,
        key=PublicKey(bytes(32)),
        op="delegate",
        prev=DALE.keys.head,
        role="prekey",
        seq=DALE.keys.size,
    )

    def decide(service: Notebook) -> None:
        service.context.publish(order(), to=[DALE.cid])
        if not service.refs:
            service.context.publish(demand("r"))

    await bench.parts.ingest.receive_key_ops(DALE.cid, [sign_op(unusable, [DALE.manager])])
    host = bench.start(decide=decide)
    await until(lambda: notebook(host).decisions == 2)

    assert (host.refused, host.is_stopped) == ("seal.recipient", False)
    assert bench.kinds() == ["demand.submit"]


async def test_a_body_that_may_be_for_a_lost_key_is_told_of_with_its_sender(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        hill, dale = [
            await stack.enter_async_context(opened(tmp_path, coop)) for coop in (HILL, DALE)
        ]
        host = hill.host()
        await host.command("order", Call())
        [entry] = hill.parts.store.entries_after(0)
        dale.parts.keyring.prekeys.clear()
        await dale.receive(entry.envelope)
        reading = dale.host()

        await reading.view("refs", Call())

        assert reading.lost == {entry.id: HILL.cid}
        assert notebook(reading).seen == []
        parts = dale.parts
        told = status_json(
            parts.store,
            parts.ingest,
            parts.keyring,
            peers=[],
            dials=[],
            hosts={CERTIFICATE.fid: {"notebook": reading}},
        )
        assert [row.code for row in told.unreadable] == ["seal.lost_key"]


async def test_a_body_for_others_is_no_lost_one_where_no_key_is_lost(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        hill, mill = [
            await stack.enter_async_context(opened(tmp_path, coop)) for coop in (HILL, MILL)
        ]
        host = hill.host()
        await host.command("order", Call())
        [entry] = hill.parts.store.entries_after(0)
        await mill.receive(entry.envelope)
        reading = mill.host()

        await reading.view("refs", Call())

        assert reading.lost == {}
