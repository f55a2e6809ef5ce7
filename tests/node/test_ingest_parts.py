"""A large batch is decided part by part, so that this node's own work comes in between."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sheaf_node.ingest import Draft, Outcome
from sheaf_node.ingest.results import each_alone, in_parts
from sheaf_node.turns import LARGE
from sheaf_protocol.testing.author import LogAuthor

if TYPE_CHECKING:
    from tests.node.taking import Bench

    from sheaf_protocol.envelope import Envelope

BODY = b"\x80"


def mixed(bench: Bench, count: int) -> list[Envelope]:
    """Return entries of two authors in turn, so that each is a run of its own."""
    authors = [LogAuthor(coop, bench.certificate.fid) for coop in (bench.hill, bench.dale)]
    return [authors[n % 2].append("x.note", BODY) for n in range(count)]


async def test_own_work_comes_between_the_parts_of_a_batch(bench: Bench) -> None:
    batch = mixed(bench, 4 * LARGE)

    receiving = asyncio.create_task(bench.ingest.receive(batch))
    draft = Draft(kind="x.note", body=BODY)
    publishing = asyncio.create_task(bench.ingest.publish(bench.certificate.fid, [draft]))
    results, [own] = await receiving, await publishing

    assert [result.outcome for result in results] == [Outcome.NEW] * len(batch)
    assert own.arrival <= 2 * LARGE + 1


async def test_answers_come_in_the_order_of_the_batch(bench: Bench) -> None:
    batch = mixed(bench, 3 * LARGE)
    spoilt = len(batch) // 2
    batch.insert(spoilt, batch[0])

    results = await bench.ingest.receive(batch)

    assert [result.id for result in results] == [envelope.id for envelope in batch]
    assert results[spoilt].outcome is Outcome.KNOWN
    assert {result.outcome for result in results} == {Outcome.NEW, Outcome.KNOWN}


async def test_a_later_part_sees_what_an_earlier_one_decided(bench: Bench) -> None:
    """A fork across two parts is proven as one within a part is."""
    batch = mixed(bench, 2 * LARGE)
    twin = LogAuthor(bench.hill, bench.certificate.fid)
    batch.append(twin.append("x.note", b"\x81\xa1a\x01"))

    results = await bench.ingest.receive(batch)

    assert results[-1].outcome is Outcome.FORK
    assert len(bench.store.fork_proofs) == 1


def test_nothing_is_one_part_of_nothing() -> None:
    assert in_parts([], LARGE) == [[]]


async def test_a_run_stays_whole(bench: Bench) -> None:
    runs = each_alone(bench.ingest.open(mixed(bench, LARGE + 1)))  # type: ignore[arg-type]  # readable

    parts = in_parts(runs, LARGE)

    assert [len(part) for part in parts] == [LARGE, 1]
    assert [run for part in parts for run in part] == runs
