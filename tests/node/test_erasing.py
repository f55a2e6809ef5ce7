"""Erasing and restoring by the people of a node."""

import pytest
from tests.node.taking import Bench, note

from sheaf_node.api.json_view import entry_json
from sheaf_node.erasing import Erasing
from sheaf_node.store.model import ERASED
from sheaf_protocol.errors import Refusal
from sheaf_protocol.limits import ERASE_AFTER_MS
from sheaf_protocol.records import Erase, decode_record
from sheaf_protocol.testing.author import START_MS


@pytest.fixture
def erasing(bench: Bench) -> Erasing:
    return Erasing(bench.store, bench.ingest, bench.mill.cid)


async def own(bench: Bench) -> str:
    """Publish an entry and return its id in hex."""
    [entry] = await bench.ingest.publish(bench.fid, [note()])
    return entry.id.hex()


async def test_own_entry_is_erased_and_shows_when_it_is_deleted(
    bench: Bench, erasing: Erasing
) -> None:
    id_ = await own(bench)

    erased = await erasing.erase(id_, "personal_data")

    first, second = bench.store.entries_after(0)
    assert erased.deleted_at_ms == START_MS + ERASE_AFTER_MS
    assert (first.absence, entry_json(first).record) == (ERASED, None)
    assert decode_record(second.kind, second.envelope.payload[16:]) == Erase(
        entry=first.id, reason="personal_data"
    )


async def test_erasing_twice_erases_once(bench: Bench, erasing: Erasing) -> None:
    id_ = await own(bench)
    first = await erasing.erase(id_[:8])

    again = await erasing.erase(id_)

    assert again.deleted_at_ms == first.deleted_at_ms
    assert bench.store.arrival == 2


async def test_restore_takes_every_erase_back(bench: Bench, erasing: Erasing) -> None:
    id_ = await own(bench)
    await erasing.erase(id_)
    [target, _] = bench.store.entries_after(0)
    await bench.receive(bench.author(bench.dale).publish(Erase(entry=target.id)))

    restored = await erasing.restore(id_)

    assert restored.absence is None
    assert bench.store.arrival == 4


async def test_restore_after_three_days_is_refused(bench: Bench, erasing: Erasing) -> None:
    id_ = await own(bench)
    await erasing.erase(id_)
    bench.clock.advance(ERASE_AFTER_MS + 1)

    with pytest.raises(Refusal) as caught:
        await erasing.restore(id_)

    assert caught.value.code == "erase.too_late"


async def test_entry_that_is_not_erased_cannot_be_restored(bench: Bench, erasing: Erasing) -> None:
    id_ = await own(bench)

    with pytest.raises(Refusal) as caught:
        await erasing.restore(id_)

    assert caught.value.code == "erase.not_erased"


async def test_erase_itself_is_not_erased(bench: Bench, erasing: Erasing) -> None:
    await erasing.erase(await own(bench))
    [_, erase] = bench.store.entries_after(0)

    with pytest.raises(Refusal) as caught:
        await erasing.erase(erase.id.hex())

    assert caught.value.code == "erase.kind"


async def test_anothers_entry_is_not_ours_to_erase(bench: Bench, erasing: Erasing) -> None:
    entry = bench.author().append("x.note", b"\x80")
    await bench.receive(entry)

    with pytest.raises(Refusal) as caught:
        await erasing.erase(entry.id.hex())

    assert caught.value.code == "erase.not_own"


@pytest.mark.parametrize(
    "digits", ["", "abcd", "zz" * 32, "ab" * 32, "ab" * 33, "0" * 9, "ABCDABCD"]
)
async def test_id_that_names_no_entry_is_refused(
    bench: Bench, erasing: Erasing, digits: str
) -> None:
    await own(bench)

    with pytest.raises(Refusal) as caught:
        await erasing.erase(digits)

    assert caught.value.code == "erase.unknown"
