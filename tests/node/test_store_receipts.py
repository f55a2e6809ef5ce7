"""A receipt is there exactly where its entries are, whatever happens to the disk in between."""

import asyncio
from pathlib import Path

import pytest
from tests.node.stopping import HeldWriter, failing
from tests.node.storing import authored, new, open_store

from sheaf_node.store import Change, Store
from sheaf_node.store.effects import Effects
from sheaf_node.store.receipt import OVERHEAD, NewReceipt
from sheaf_protocol.digest import Digest
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import Refusal

ID, OTHER, REQUEST = (Digest(digit * 32) for digit in (b"i", b"o", b"r"))
AT_MS = 1_000
MOST_STATEMENTS = 40


def receipt(id_: Digest = ID, at_ms: int = AT_MS, size: int = 0) -> NewReceipt:
    """Return a receipt that tells the arrival numbers of its entries."""

    def reply(effects: Effects) -> bytes:
        told = " ".join(str(entry.arrival) for entry in effects.entries)
        return told.encode().ljust(size)

    return NewReceipt(id=id_, request=REQUEST, taken_ms=at_ms, reply=reply)


def change(envelope: Envelope, id_: Digest = ID) -> Change:
    return Change(entries=[new(envelope)], receipt=receipt(id_))


def held(store: Store) -> tuple[int, bytes | None]:
    """Return how many entries a store holds, and the reply that it keeps."""
    kept = store.receipts.receipt(ID)
    return store.arrival, None if kept is None else kept.reply


async def test_a_receipt_tells_the_arrival_numbers_of_its_entries(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    _, [first, second] = authored(2)
    await store.commit(Change(entries=[new(first)]))

    await store.commit(change(second))

    assert held(store) == (2, b"2")
    await store.close()


async def test_a_receipt_outlives_the_process(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    _, [envelope] = authored(1)
    await store.commit(change(envelope))
    await store.close()

    again = open_store(tmp_path)

    kept = again.receipts.receipt(ID)
    assert kept is not None
    assert (kept.request, kept.taken_ms, kept.reply) == (REQUEST, AT_MS, b"1")
    await again.close()


@pytest.mark.parametrize(
    ("is_committed", "expected"),
    [(False, (0, None)), (True, (1, b"1"))],
    ids=["before the commit", "between the commit and whoever waits for it"],
)
async def test_a_death_leaves_both_or_neither(
    tmp_path: Path, expected: tuple[int, bytes | None], *, is_committed: bool
) -> None:
    writers: list[HeldWriter] = []

    def writer(*args: object) -> HeldWriter:
        writers.append(HeldWriter(*args))  # type: ignore[arg-type]  # as the store calls it
        return writers[-1]

    store = open_store(tmp_path, writer=writer)
    _, [envelope] = authored(1)
    asking = asyncio.ensure_future(store.commit(change(envelope)))
    await asyncio.sleep(0)
    if is_committed:
        writers[0].commit()
    writers[0].die()
    await store.close()
    asking.cancel()

    again = open_store(tmp_path)

    assert held(again) == expected
    await again.close()


async def test_a_disk_that_fails_at_any_statement_leaves_both_or_neither(tmp_path: Path) -> None:
    outcomes = set()
    for nth in range(1, MOST_STATEMENTS):
        folder = tmp_path / str(nth)
        connect, ran = failing(nth)
        store = open_store(folder, connect=connect)
        _, [envelope] = authored(1)
        ran.clear()
        [failure] = await asyncio.gather(store.commit(change(envelope)), return_exceptions=True)
        has_failed = isinstance(failure, Refusal) and failure.code == "store.failed"
        await store.close()
        again = open_store(folder)
        outcomes.add((has_failed, held(again)))
        await again.close()
        if not has_failed:
            break

    assert outcomes == {(True, (0, None)), (False, (1, b"1"))}
    assert nth > 5, "expected the statements of a commit to have failed one after another"


async def test_a_receipt_on_its_way_to_the_disk_is_known_as_taken(tmp_path: Path) -> None:
    writers: list[HeldWriter] = []

    def writer(*args: object) -> HeldWriter:
        writers.append(HeldWriter(*args))  # type: ignore[arg-type]  # as the store calls it
        return writers[-1]

    store = open_store(tmp_path, writer=writer)
    _, [envelope] = authored(1)
    asking = asyncio.ensure_future(store.commit(change(envelope)))
    await asyncio.sleep(0)
    on_its_way = store.is_planned(ID), store.receipts.receipt(ID)

    writers[0].commit()
    writers[0].tell()
    await asking

    assert on_its_way == (True, None)
    assert (store.is_planned(ID), held(store)) == (False, (1, b"1"))
    await store.close()


async def test_a_reply_that_cannot_be_told_stores_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path, queued=1)
    _, [envelope] = authored(1)

    def reply(effects: Effects) -> bytes:
        raise ValueError(len(effects.entries))

    broken = NewReceipt(id=ID, request=REQUEST, taken_ms=AT_MS, reply=reply)

    for _ in range(2):  # the second would wait for ever if the first kept its place in the queue
        with pytest.raises(ValueError, match="1"):
            await store.commit(Change(entries=[new(envelope)], receipt=broken))

    assert (held(store), store.is_planned(ID)) == ((0, None), False)
    await store.close()


async def test_a_dropped_receipt_makes_room_and_its_key_may_be_used_again(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    _, [first, second] = authored(2)
    await store.commit(change(first))
    [old] = store.receipts.receipts_before(AT_MS + 1, 10)

    dropped, _ = await asyncio.gather(
        store.commit(Change(dropped_receipts=[old])), store.commit(change(second))
    )

    assert (dropped, held(store)) == ([], (2, b"2"))
    assert store.receipts.receipts_before(AT_MS, 10) == []
    await store.close()


async def test_what_receipts_take_up_is_counted_alike_after_a_restart(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for id_ in (ID, OTHER):
        await store.commit(Change(receipt=receipt(id_, size=100)))
    counts = []

    for dropped in (ID, OTHER):
        [kept] = [store.receipts.receipt(dropped)]
        assert kept is not None
        counts.append((await usage(store), kept.size))
        await store.commit(Change(dropped_receipts=[kept]))
        counts.append((await usage(store), 0))
        await store.close()
        store = open_store(tmp_path)
        counts.append((await usage(store), 0))

    size = OVERHEAD + 100
    assert counts == [(2 * size, size), (size, 0), (size, 0), (size, size), (0, 0), (0, 0)]
    await store.close()


async def usage(store: Store) -> int:
    """Return what a decision sees of it."""
    seen, _ = await store.transact(lambda planned: (Change(), planned.state.receipt_bytes))
    return seen
