"""A home that comes back from an old copy never signs a number twice, and ends by a new writer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.federation.restoring import NAMES, Hamlet

from sheaf_node.keyring import keyring_of, read_files
from sheaf_node.keyring.draft import KeyDraft
from sheaf_node.recovery import mark, name_absent

if TYPE_CHECKING:
    from pathlib import Path

    from tests.federation.restoring import Site

    from sheaf_node.store import StoredEntry
    from sheaf_protocol.digest import WriterId


async def after_a_loss(hamlet: Hamlet) -> Path:
    """Start all, publish, copy Hill's home, publish more; return the old copy."""
    await hamlet.start(*NAMES)
    await hamlet.publish("hill", 2)
    await hamlet.until(lambda: hamlet.agree(*NAMES))
    copy = await hamlet.copy("hill")
    await hamlet.publish("hill", 3)
    for name in ("dale", "moor"):
        await hamlet.publish(name)
    await hamlet.until(lambda: hamlet.agree(*NAMES))
    return copy


async def test_a_restored_home_goes_on_with_a_new_writer_where_the_old_one_really_ended(
    tmp_path: Path,
) -> None:
    async with Hamlet(tmp_path) as hamlet:
        copy = await after_a_loss(hamlet)
        old = hamlet.sites["hill"].wid

        await hamlet.put_back("hill", copy)
        await hamlet.start("hill")
        await hamlet.until(lambda: hamlet.is_free("hill"))

        site = hamlet.sites["hill"]
        cut = site.keys.writers[old].cut_in(hamlet.fid)
        assert site.wid != old
        assert cut is not None
        assert cut.seq == 5
        assert hamlet.seq("hill", "hill", old) == 5
        assert len(hamlet.entries("hill", "writer.promise")) == 2
        [succeed] = hamlet.entries("hill", "writer.succeed")
        assert succeed.header.wid == site.wid
        assert await hamlet.refusal("hill") is None
        await hamlet.until(lambda: hamlet.agree(*NAMES))


async def test_nothing_else_is_published_before_the_new_writer_takes_over(tmp_path: Path) -> None:
    async with Hamlet(tmp_path) as hamlet:
        copy = await after_a_loss(hamlet)
        await hamlet.stop("moor")

        await hamlet.put_back("hill", copy)
        await hamlet.start("hill")
        before = await hamlet.refusal("hill")
        name_in_marker(hamlet, "ws://moor:8440")
        await hamlet.until(lambda: waits_for_moor_alone(hamlet))
        during = await hamlet.refusal("hill")

        assert (before, during) == ("node.recovering", "node.recovering")
        kinds = {entry.kind for entry in own_entries(hamlet)}
        assert kinds == {"writer.lost"}


async def test_an_absent_member_blocks_until_the_operator_names_it(tmp_path: Path) -> None:
    async with Hamlet(tmp_path) as hamlet:
        copy = await after_a_loss(hamlet)
        moor = hamlet.sites["moor"].keyring.cid
        await hamlet.stop("moor")
        await hamlet.put_back("hill", copy)
        name_in_marker(hamlet, "ws://moor:8440")
        await hamlet.start("hill")
        await hamlet.until(lambda: waits_for_moor_alone(hamlet))
        await hamlet.pass_ms(60_000)
        blocked = not hamlet.is_free("hill")

        name_in_marker(hamlet, moor.hex())
        await hamlet.until(lambda: hamlet.is_free("hill"))

        assert blocked
        [override] = hamlet.entries("hill", "writer.override")
        [succeed] = hamlet.entries("hill", "writer.succeed")
        assert override.header.seq < succeed.header.seq


async def test_entries_that_only_the_absent_member_held_are_void_when_it_comes_back(
    tmp_path: Path,
) -> None:
    async with Hamlet(tmp_path) as hamlet:
        await hamlet.start(*NAMES)
        await hamlet.publish("hill", 2)
        await hamlet.until(lambda: hamlet.agree(*NAMES))
        copy = await hamlet.copy("hill")
        old = hamlet.sites["hill"].wid
        await hamlet.stop("dale")
        relied, *_ = await hamlet.publish("hill", 3)
        await hamlet.until(lambda: hamlet.agree("hill", "moor"))
        await hamlet.publish("moor", refs=[relied.id])
        await hamlet.stop("moor")
        await hamlet.put_back("hill", copy)
        name_in_marker(hamlet, "ws://moor:8440", hamlet.sites["moor"].keyring.cid.hex())
        await hamlet.start("hill", "dale")
        await hamlet.until(lambda: hamlet.is_free("hill"))

        await hamlet.start("moor")
        await hamlet.until(lambda: is_closed(hamlet, "moor", old))

        store = hamlet.sites["moor"].running.parts.store
        late = [e for e in store.entries_after(0) if e.header.wid == old and e.header.seq > 2]
        assert [entry.void for entry in late] == ["key.closed"] * 3
        assert [store.is_contested(entry) for entry in late] == [True, False, False]
        assert hamlet.seq("hill", "hill", old) == 2


async def test_a_promise_holds_entries_back_also_after_a_restart(tmp_path: Path) -> None:
    async with Hamlet(tmp_path) as hamlet:
        copy = await after_a_loss(hamlet)
        old, newer = hamlet.sites["hill"].wid, await hamlet.copy("hill", at="newer")
        await hamlet.stop("moor")
        await hamlet.put_back("hill", copy)
        name_in_marker(hamlet, "ws://moor:8440")
        await hamlet.start("hill")
        await hamlet.until(lambda: waits_for_moor_alone(hamlet))
        await hamlet.stop("hill")
        await hamlet.stop("dale")

        await hamlet.put_back("hill", newer, is_marked=False)
        await hamlet.start("hill")
        await hamlet.publish("hill", 2)  # before anybody can tell it that it was put back elsewhere
        await hamlet.start("dale")
        await hamlet.until(lambda: hamlet.is_in_use("hill"))
        await hamlet.pass_ms(10_000)

        assert hamlet.seq("hill", "hill", old) == 7
        assert hamlet.seq("dale", "hill", old) == 5


async def test_a_home_killed_at_any_opening_comes_to_the_same_end(tmp_path: Path) -> None:
    async with Hamlet(tmp_path) as hamlet:
        copy = await after_a_loss(hamlet)
        old = hamlet.sites["hill"].wid
        await hamlet.put_back("hill", copy)
        site = hamlet.sites["hill"]
        await hamlet.start("hill")
        opened = site.opened
        for number in range(opened + 1, opened + 3):
            await hamlet.until(partial(has_opened, site, number))
            await hamlet.stop("hill")
            await hamlet.start("hill")

        await hamlet.until(lambda: hamlet.is_free("hill"))

        assert len(hamlet.entries("hill", "writer.succeed")) == 1
        assert len([w for w in site.keys.writers.values() if not w.is_closed]) == 1
        assert site.keys.writers[old].is_closed


@pytest.mark.parametrize("openings", [1, 2])
async def test_a_disk_that_goes_back_to_the_midst_of_its_recovery_freezes_no_key_log(
    tmp_path: Path, openings: int
) -> None:
    async with Hamlet(tmp_path, compare_ms=10 * 60_000) as hamlet:
        await hamlet.put_back("hill", await after_a_loss(hamlet))
        site = hamlet.sites["hill"]
        await hamlet.start("hill")
        await hamlet.until(partial(has_opened, site, site.opened + openings))
        midst = await hamlet.copy("hill", at="midst")
        await hamlet.until(lambda: hamlet.is_free("hill") and hamlet.agree(*NAMES))

        await hamlet.put_back("hill", midst, is_marked=False)
        await hamlet.start("hill")
        # It went back to before its last word, which a peer has; or to after it.
        await hamlet.until(lambda: hamlet.is_in_use("hill") or hamlet.is_free("hill"))
        await hamlet.stop("hill")
        mark(site.home, now_ms=hamlet.clock.now_ms())
        await hamlet.start("hill")
        await hamlet.until(lambda: hamlet.is_free("hill") and hamlet.agree(*NAMES))

        assert not site.keys.is_frozen
        assert [w.wid for w in site.keys.writers.values() if not w.is_closed] == [site.wid]


async def test_a_restore_of_a_restore_ends_both_writers(tmp_path: Path) -> None:
    async with Hamlet(tmp_path) as hamlet:
        copy = await after_a_loss(hamlet)
        first = hamlet.sites["hill"].wid
        await hamlet.put_back("hill", copy)
        await hamlet.start("hill")
        await hamlet.until(lambda: hamlet.is_free("hill"))
        second = hamlet.sites["hill"].wid
        await hamlet.publish("hill", 2)
        await hamlet.until(lambda: hamlet.agree(*NAMES))

        await hamlet.put_back("hill", copy)
        await hamlet.start("hill")
        await hamlet.until(lambda: hamlet.is_free("hill"))

        site = hamlet.sites["hill"]
        assert len({first, second, site.wid}) == 3
        assert [w.wid for w in site.keys.writers.values() if not w.is_closed] == [site.wid]
        assert len(hamlet.entries("hill", "writer.succeed")) == 2
        assert not site.keys.is_frozen
        await hamlet.publish("hill")
        await hamlet.until(lambda: hamlet.agree(*NAMES))


async def test_a_key_log_that_went_on_after_the_copy_is_not_frozen(tmp_path: Path) -> None:
    async with Hamlet(tmp_path) as hamlet:
        copy = await after_a_loss(hamlet)
        await hamlet.stop("hill")
        add_prekey(hamlet)
        await hamlet.start("hill")
        size = hamlet.sites["hill"].keys.size
        await hamlet.until(lambda: key_size(hamlet, "dale") == size == key_size(hamlet, "moor"))

        await hamlet.put_back("hill", copy)
        await hamlet.start("hill")
        await hamlet.until(lambda: hamlet.is_free("hill"))

        keys = hamlet.sites["hill"].keys
        assert not keys.is_frozen
        assert keys.size > size


async def test_a_disk_that_was_rolled_back_is_found_before_it_signs(tmp_path: Path) -> None:
    async with Hamlet(tmp_path, compare_ms=10 * 60_000) as hamlet:
        copy = await after_a_loss(hamlet)
        await hamlet.put_back("hill", copy, is_marked=False)
        await hamlet.start("hill")

        refused = await hamlet.refusal("hill")

        assert refused == "node.identity_in_use"
        assert hamlet.sites["hill"].running.standing.in_use is not None
        assert all(not site.running.parts.store.fork_proofs for site in hamlet.sites.values())


async def test_a_node_that_is_alone_publishes_after_the_wait(tmp_path: Path) -> None:
    async with Hamlet(tmp_path, compare_ms=10_000) as hamlet:
        await hamlet.start("hill")
        began = hamlet.clock.now_ms()

        [entry] = await hamlet.publish("hill")

        assert entry.header.time_ms - began >= 9_000


async def test_a_copy_beside_its_original_stops_signing_for_good(tmp_path: Path) -> None:
    async with Hamlet(tmp_path) as hamlet:
        copy = await after_a_loss(hamlet)
        await hamlet.put_back("hill", copy, is_marked=False)
        await hamlet.start("hill")
        await hamlet.until(lambda: hamlet.is_in_use("hill"))
        await hamlet.stop("hill")
        await hamlet.start("hill")

        refused = await hamlet.refusal("hill")

        assert refused == "node.identity_in_use"
        shown = await hamlet.show("hill")
        assert shown["state"] == "in_use"
        assert "sheaf recovery begin" in shown["sentence"]


async def test_a_disk_that_was_rolled_back_beyond_a_recovery_is_found(tmp_path: Path) -> None:
    """Its peers show a closed writer nothing but its key log, which has to be enough."""
    async with Hamlet(tmp_path) as hamlet:
        copy = await after_a_loss(hamlet)
        await hamlet.put_back("hill", copy)
        await hamlet.start("hill")
        await hamlet.until(lambda: hamlet.is_free("hill") and hamlet.agree(*NAMES))
        await hamlet.put_back("hill", copy, is_marked=False)
        await hamlet.start("hill")
        await hamlet.until(lambda: hamlet.is_in_use("hill"))

        refused = await hamlet.refusal("hill")
        shown = await hamlet.show("hill")
        await hamlet.stop("hill")
        await hamlet.start("hill")
        refused_again = await hamlet.refusal("hill")

        assert refused == refused_again == "node.identity_in_use"
        assert "closed elsewhere" in shown["sentence"]

        await hamlet.stop("hill")
        mark(hamlet.sites["hill"].home, now_ms=hamlet.clock.now_ms())
        await hamlet.start("hill")

        await hamlet.until(lambda: hamlet.is_free("hill") and hamlet.agree(*NAMES))
        assert await hamlet.refusal("hill") is None


async def test_a_copy_that_no_peer_takes_beside_its_original_signs_nothing(tmp_path: Path) -> None:
    # Of this seed Dale's writer id is the smaller one, so that the link that Dale dialled stays.
    async with Hamlet(tmp_path, names=NAMES[:2], compare_ms=60_000, seed=2) as hamlet:
        twin = hamlet.double("hill", await hamlet.copy("hill"))
        await hamlet.start("hill", "dale")
        await hamlet.publish("hill")
        await hamlet.until(lambda: hamlet.agree("hill", "dale"))
        await hamlet.until(lambda: hamlet.has_dialled("dale"))
        await hamlet.start(twin)

        refused = await hamlet.refusal(twin)

        assert refused == "node.doubled"
        [dial] = hamlet.sites[twin].peering.dials()
        assert dial.reason == "the node there keeps another link of this node's key"
        assert (await hamlet.show(twin))["state"] == "doubled"

        # What is over is forgotten, and the copy then hears what was signed beside it.
        await hamlet.stop("hill")
        await hamlet.until(lambda: hamlet.is_in_use(twin))
        assert await hamlet.refusal(twin) == "node.identity_in_use"


async def test_an_original_stops_when_its_copy_was_restored_elsewhere(tmp_path: Path) -> None:
    async with Hamlet(tmp_path) as hamlet:
        copy = await after_a_loss(hamlet)
        old, original = hamlet.sites["hill"].wid, await hamlet.copy("hill", at="original")
        await hamlet.put_back("hill", copy)
        await hamlet.stop("moor")
        name_in_marker(hamlet, "ws://moor:8440")
        await hamlet.start("hill")
        await hamlet.until(lambda: waits_for_moor_alone(hamlet))

        await hamlet.put_back("hill", original, is_marked=False)
        await hamlet.start("hill")
        await hamlet.until(lambda: hamlet.is_in_use("hill"))

        assert hamlet.sites["hill"].wid == old
        assert await hamlet.refusal("hill") == "node.identity_in_use"
        assert "is lost" in (await hamlet.show("hill"))["sentence"]


async def test_a_node_whose_disk_was_rolled_back_recovers_once_it_is_told_to(
    tmp_path: Path,
) -> None:
    async with Hamlet(tmp_path) as hamlet:
        copy = await after_a_loss(hamlet)
        await hamlet.put_back("hill", copy, is_marked=False)
        await hamlet.start("hill")
        await hamlet.until(lambda: hamlet.is_in_use("hill"))

        mark(hamlet.sites["hill"].home, now_ms=hamlet.clock.now_ms())
        await hamlet.until(lambda: hamlet.sites["hill"].opened > 3 and hamlet.is_free("hill"))

        assert await hamlet.refusal("hill") is None
        assert all(not site.running.parts.store.fork_proofs for site in hamlet.sites.values())


async def test_two_homes_that_are_put_back_at_once_both_come_to_an_end(tmp_path: Path) -> None:
    async with Hamlet(tmp_path) as hamlet:
        copy = await after_a_loss(hamlet)
        other = await hamlet.copy("dale")
        await hamlet.publish("dale", 2)
        await hamlet.until(lambda: hamlet.agree(*NAMES))
        await hamlet.put_back("hill", copy)
        await hamlet.put_back("dale", other)
        await hamlet.start("hill", "dale")

        await hamlet.until(lambda: hamlet.is_free("hill") and hamlet.is_free("dale"))

        await hamlet.publish("hill")
        await hamlet.publish("dale")
        await hamlet.until(lambda: hamlet.agree(*NAMES))


def has_opened(site: Site, number: int) -> bool:
    return site.opened >= number


def name_in_marker(hamlet: Hamlet, *names: str) -> None:
    name_absent(hamlet.sites["hill"].home, names)


def waiting(hamlet: Hamlet) -> list[str]:
    node = hamlet.sites["hill"].node
    return [] if node is None else node.standing.waits_for.get(hamlet.fid, [])


def waits_for_moor_alone(hamlet: Hamlet) -> bool:
    waits = waiting(hamlet)
    return len(waits) == 1 and waits[0].startswith("Moor")


def own_entries(hamlet: Hamlet) -> list[StoredEntry]:
    site = hamlet.sites["hill"]
    held = site.running.parts.store.entries_after(0, 10_000)
    return [entry for entry in held if entry.header.wid == site.wid]


def is_closed(hamlet: Hamlet, name: str, wid: WriterId) -> bool:
    keys = hamlet.sites[name].running.parts.store.key_logs
    writer = keys[hamlet.sites["hill"].keyring.cid].writers[wid]
    return writer.is_closed


def key_size(hamlet: Hamlet, name: str) -> int:
    keys = hamlet.sites[name].running.parts.store.key_logs
    return keys[hamlet.sites["hill"].keyring.cid].size


def add_prekey(hamlet: Hamlet) -> None:
    files = read_files(hamlet.sites["hill"].home)
    draft = KeyDraft(
        files.key_log()[0],
        lock=files.lock(),
        random=hamlet.dice.randbytes,
        now_ms=hamlet.clock.now_ms(),
    )
    draft.add_prekey(keyring_of(files).require_manager())
    draft.replace(files)
