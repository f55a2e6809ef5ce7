import pytest
from tests.node.taking import BODY, DEMAND, LAPSE, OTHER_BODY, SOME_ENTRY, Bench

from sheaf_protocol.envelope import SEALED, Envelope
from sheaf_protocol.records import OrderResponse
from sheaf_protocol.sealing import Author, seal_private
from sheaf_protocol.testing.author import TestCoop


def sealed(bench: Bench, coop: TestCoop) -> bytes:
    author = Author(bench.fid, coop.cid, coop.wid)
    recipients = [bench.mill.prekey[0]]
    return seal_private("order.place", [], BODY, recipients, author=author, random=bytes(56))


async def test_a_sealed_entry_has_effect(bench: Bench) -> None:
    entry = bench.author().append(SEALED, sealed(bench, bench.hill))

    assert await bench.told(entry) == [("new", None)]


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("demand.submit", BODY, "schema.invalid"),  # fields missing
        (SEALED, BODY, "schema.invalid"),  # nothing sealed inside
        ("order.place", OTHER_BODY, "schema.invalid"),  # not even an order
        ("pool.lapse", LAPSE, "policy.role"),  # for coordinators only
    ],
)
async def test_an_authors_fault_is_stored_without_effect(
    bench: Bench, kind: str, body: bytes, code: str
) -> None:
    author = bench.author()
    entry = author.append(kind, body)

    told = await bench.told(entry, author.append("x.note", BODY))

    assert told == [("no_effect", code), ("new", None)]
    assert bench.store.entries_after(0)[0].no_effect == code


async def test_an_unsealed_private_kind_is_stored_without_effect(bench: Bench) -> None:
    entry = bench.author(bench.dale).publish(OrderResponse(code="AP", order=SOME_ENTRY))

    assert await bench.told(entry) == [("no_effect", "policy.unsealed")]


async def test_an_entry_without_its_payload_has_no_effect_until_somebody_brings_it(
    bench: Bench,
) -> None:
    """Else a relay could choose which entries have an effect."""
    entry = bench.author().publish(DEMAND)

    told = await bench.told(Envelope(entry.header, entry.signature, b""))
    before = bench.store.entries_after(0)[0].no_effect
    await bench.receive(entry)

    assert told == [("no_effect", "env.withheld")]
    assert (before, bench.store.entries_after(0)[0].no_effect) == ("env.withheld", None)
