import asyncio
from pathlib import Path

import pytest
from tests.node.taking import (
    BODY,
    DEMAND,
    LAPSE,
    OTHER_BODY,
    Bench,
    chain,
    make_ingest,
    note,
)

from sheaf_node.events import Arrivals
from sheaf_node.ingest import Draft, Outcome
from sheaf_node.store import Store
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import FederationId
from sheaf_protocol.errors import LocalProtocolError
from sheaf_protocol.limits import WRITER_LIFETIME_MS
from sheaf_protocol.testing.author import (
    START_MS,
)
from sheaf_protocol.testing.chain import prove_fork


async def test_what_we_publish_passes_at_a_peer(bench: Bench, tmp_path: Path) -> None:
    ours = await bench.ingest.publish(
        bench.fid, [note(), Draft(kind="demand.submit", refs=[], body=encode(DEMAND))]
    )
    ours += await bench.ingest.publish(bench.fid, [note()])
    store = Store.open(tmp_path / "peer" / "sheaf.db", random=bytes)
    peer = make_ingest(store, bench.hill, bench.clock, Arrivals())
    for coop in (bench.mill, bench.hill, bench.dale):
        await peer.receive_key_ops(coop.cid, coop.key_ops)
    await peer.receive_certificate(bench.certificate)

    results = await peer.receive([entry.envelope for entry in ours])

    assert [entry.header.seq for entry in ours] == [1, 2, 3]
    assert {result.outcome for result in results} == {Outcome.NEW}
    await store.close()


async def test_publishing_at_once_gives_each_entry_its_own_place(bench: Bench) -> None:
    stored = await asyncio.gather(*(bench.ingest.publish(bench.fid, [note()]) for _ in range(20)))

    assert sorted(entry.header.seq for [entry] in stored) == list(range(1, 21))


async def test_a_clock_set_back_does_not_make_our_log_run_backwards(bench: Bench) -> None:
    await bench.ingest.publish(bench.fid, [note()])
    bench.clock.advance(-1000)

    [second] = await bench.ingest.publish(bench.fid, [note()])

    assert second.header.time_ms == START_MS


@pytest.mark.parametrize(
    ("draft", "code"),
    [
        (Draft(kind="x.note", body=b"\xcd\x00\x01"), "enc.not_shortest"),
        (Draft(kind="demand.submit", body=BODY), "schema.invalid"),
        (Draft(kind="pool.lapse", body=LAPSE), "policy.role"),
        (Draft(kind="Not A Kind", body=BODY), "env.header"),
        (Draft(kind="x.note", body=bytes(70_000)), "enc.size"),
    ],
)
async def test_what_would_have_no_effect_is_refused_and_not_stored(
    bench: Bench, draft: Draft, code: str
) -> None:
    with pytest.raises(LocalProtocolError) as refusal:
        await bench.ingest.publish(bench.fid, [note(), draft])

    assert refusal.value.code == code
    assert bench.store.arrival == 0


async def test_publishing_in_an_unknown_federation_is_refused(bench: Bench) -> None:
    with pytest.raises(LocalProtocolError) as refusal:
        await bench.ingest.publish(FederationId(bytes(32)), [note()])

    assert refusal.value.code == "charter.unknown_federation"


async def test_publishing_with_an_expired_writer_is_refused(bench: Bench) -> None:
    bench.clock.advance(WRITER_LIFETIME_MS + 1)

    with pytest.raises(LocalProtocolError) as refusal:
        await bench.ingest.publish(bench.fid, [note()])

    assert refusal.value.code == "key.expired"


@pytest.mark.parametrize("held", [0, 3])
async def test_publishing_on_a_log_proven_forked_is_refused(bench: Bench, held: int) -> None:
    for _ in range(held):
        await bench.ingest.publish(bench.fid, [note()])
    copy = bench.author(bench.mill)
    chain(copy, 1)
    twin = copy.twin()
    proof = prove_fork(copy.append("x.note", BODY), twin.append("x.note", OTHER_BODY))
    await bench.ingest.receive_fork_proof(proof)

    with pytest.raises(LocalProtocolError) as refusal:
        await bench.ingest.publish(bench.fid, [note()])

    assert refusal.value.code == "log.forked"
