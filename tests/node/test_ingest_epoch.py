import asyncio
from pathlib import Path

import pytest
from msgspec import structs
from tests.node.epochs import DEMAND, Growing, Site, open_pool, policy, roles
from tests.node.taking import BODY, OTHER_BODY, note

from sheaf_protocol.charter import Certificate
from sheaf_protocol.digest import Digest
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import Fault, LocalProtocolError, RemoteProtocolError
from sheaf_protocol.frontier import LogState
from sheaf_protocol.identity import signing_key
from sheaf_protocol.records import Erase
from sheaf_protocol.testing.author import START_MS, LogAuthor
from sheaf_protocol.testing.chain import prove_fork
from sheaf_protocol.testing.epoch import about, admission

# --- certificates of later epochs


async def test_a_certificate_of_the_next_epoch_is_in_force_at_once(site: Site) -> None:
    growing, control = site.growing, site.arrivals.control

    await site.take(growing.next(admission(growing.lake, ["member"])))

    assert site.ingest.federations == {growing.fid: growing.chain.federation}
    assert site.ingest.federations[growing.fid].is_member(growing.lake.cid)
    assert site.arrivals.control == control + 1


async def test_a_certificate_that_is_held_changes_nothing(site: Site) -> None:
    made = site.growing.next(admission(site.growing.lake, ["member"]))
    await site.take(made)

    assert not await site.ingest.receive_certificate(made)
    assert len(site.store.chains[site.growing.fid].certificates) == 2


async def test_a_certificate_waits_for_its_predecessor(site: Site) -> None:
    growing = site.growing
    first = growing.next(about("suspend", growing.dale))
    second = growing.next(about("restore", growing.dale))

    with pytest.raises(RemoteProtocolError) as refusal:
        await site.take(second)
    await site.take(first, second)

    assert (refusal.value.code, refusal.value.fault) == ("charter.unknown_epoch", Fault.NOT_YET)
    assert site.ingest.federations[growing.fid].charter.epoch == 2


async def test_key_logs_with_a_certificate_on_an_unknown_one_are_not_even_checked(
    site: Site,
) -> None:
    growing = site.growing
    growing.next(about("suspend", growing.dale))
    made = growing.next(about("restore", growing.dale))
    op = growing.mill.delegate(signing_key(b"n" * 32), START_MS + 10**10)
    forged = structs.replace(op, signatures=growing.dale.key_ops[0].signatures)

    with pytest.raises(RemoteProtocolError) as refusal:
        await site.ingest.receive_certificate(made, key_logs={growing.mill.cid: [forged]})

    assert refusal.value.code == "charter.unknown_epoch"


async def test_a_certificate_without_its_genesis_waits(growing: Growing, tmp_path: Path) -> None:
    site = Site(growing, growing.mill, tmp_path)

    with pytest.raises(RemoteProtocolError) as refusal:
        await site.take(growing.next(about("suspend", growing.dale)))

    assert refusal.value.code == "charter.unknown_federation"
    assert refusal.value.fault is Fault.NOT_YET
    await site.store.close()


async def test_a_certificate_of_too_few_is_not_kept(site: Site) -> None:
    growing = site.growing
    whole = growing.next(about("suspend", growing.dale))
    partly = Certificate(approvals=whole.approvals[:2], body=whole.body, round=0)

    with pytest.raises(RemoteProtocolError) as refusal:
        await site.take(partly)

    assert refusal.value.code == "charter.quorum"
    assert len(site.store.chains[growing.fid].certificates) == 1


async def test_all_epochs_are_found_again_after_a_restart(site: Site) -> None:
    growing = site.growing
    await site.take(
        growing.next(about("suspend", growing.dale)),
        growing.next(policy(1, fee_bps=600), *map(growing.author, growing.coops)),
    )
    before = site.ingest.federations

    await site.reopen()

    assert site.ingest.federations == before
    assert site.store.chains[growing.fid] == growing.chain


# --- who leaves


async def test_what_lies_beyond_the_line_of_a_leaver_is_void(site: Site) -> None:
    author = site.growing.author(site.growing.cove)
    within = [author.append("x.note", BODY), author.append("x.note", BODY)]
    expelled = site.growing.next(about("expel", site.growing.cove), author)
    head = author.head
    beyond = [author.append("x.note", BODY)]
    await site.told(*within, *beyond)

    await site.take(expelled)

    assert site.effects() == [None, None, "charter.left"]
    assert site.store.voids == 1
    assert site.store.frontier(site.growing.fid) == {
        author.log: LogState(seq=2, head=Digest(head.id))
    }


async def test_a_leaver_is_refused_beyond_its_line_and_taken_up_to_it(site: Site) -> None:
    author = site.growing.author(site.growing.cove)
    within = author.append("x.note", BODY)
    expelled = site.growing.next(about("expel", site.growing.cove), author)
    beyond = author.append("x.note", BODY)

    await site.take(expelled)
    told = await site.told(within, beyond)

    assert told == [("new", None), ("rejected", "charter.left")]
    assert site.store.frontier(site.growing.fid)[author.log].head == Digest(within.id)


async def test_the_refusal_of_a_leaver_names_the_line(site: Site) -> None:
    author = site.growing.author(site.growing.cove)
    await site.told(author.append("x.note", BODY))
    await site.take(site.growing.next(about("expel", site.growing.cove), author))

    [result] = await site.ingest.receive([author.append("x.note", BODY)])

    assert "to end with entry 1" in result.detail
    assert "got 2" in result.detail


async def test_a_log_that_no_line_names_is_cut_before_its_first_entry(site: Site) -> None:
    growing = site.growing
    second = signing_key(b"second".ljust(32))
    await site.ingest.receive_key_ops(
        growing.cove.cid, [growing.cove.delegate(second, START_MS + 10**9)]
    )
    listed, unlisted = growing.author(growing.cove), growing.author(growing.cove, second)
    await site.told(listed.append("x.note", BODY), unlisted.append("x.note", BODY))

    await site.take(growing.next(about("expel", growing.cove), listed))

    assert site.effects() == [None, "charter.left"]
    assert set(site.store.frontier(growing.fid)) == {listed.log}


async def test_another_past_of_a_leaver_is_refused_at_its_line(site: Site) -> None:
    author = site.growing.author(site.growing.cove)
    twin = author.twin()
    author.append("x.note", BODY)
    await site.take(site.growing.next(about("expel", site.growing.cove), author))

    assert await site.told(twin.append("x.note", OTHER_BODY)) == [("rejected", "charter.left")]


async def test_a_removed_member_that_dates_back_is_refused_in_every_log_that_it_can_write(
    site: Site,
) -> None:
    """It dates entries before its expulsion, shows another entry at its line, and has its manager
    delegate another writer."""
    growing = site.growing
    author = growing.author(growing.cove)
    twin = author.twin()
    await site.told(author.append("x.note", BODY))
    await site.take(growing.next(about("expel", growing.cove), author))
    fresh = signing_key(b"fresh".ljust(32))
    op = growing.cove.delegate(fresh, START_MS + 10**9)
    await site.ingest.receive_key_ops(growing.cove.cid, [op])

    beyond = author.append("x.note", BODY, time_ms=START_MS)
    elsewhere = LogAuthor(growing.cove, growing.fid, writer=fresh, now_ms=START_MS - 10**6)
    told = await site.told(
        beyond, elsewhere.append("x.note", BODY), twin.append("x.note", OTHER_BODY)
    )

    assert told == [("rejected", "charter.left")] * 3
    assert site.effects() == [None]


async def test_who_comes_back_goes_on_where_it_left(site: Site) -> None:
    growing = site.growing
    author = growing.author(growing.cove)
    first = author.append("x.note", BODY)
    expelled = growing.next(about("expel", growing.cove), author)
    back = growing.next(admission(growing.cove, ["member"]))
    second, third = author.append("x.note", BODY), author.append("x.note", BODY)
    await site.told(first, second)

    await site.take(expelled)
    between = site.effects()
    await site.take(back)
    told = await site.told(third)

    assert between == [None, "charter.left"]
    assert (site.effects(), told) == ([None, None, None], [("new", None)])
    assert site.store.frontier(growing.fid)[author.log].seq == 3


async def test_a_fork_below_the_line_of_a_leaver_is_still_shown(site: Site) -> None:
    author = site.growing.author(site.growing.cove)
    twin = author.twin()
    ours = [author.append("x.note", BODY) for _ in range(2)]
    await site.told(*ours)
    await site.take(site.growing.next(about("expel", site.growing.cove), author))

    await site.ingest.receive_fork_proof(prove_fork(ours[0], twin.append("x.note", OTHER_BODY)))

    assert site.effects() == ["log.forked", "log.forked"]
    assert site.store.frontier(site.growing.fid)[author.log].is_forked


async def test_a_leaver_publishes_no_more_and_is_told_why(growing: Growing, tmp_path: Path) -> None:
    site = Site(growing, growing.cove, tmp_path)
    await site.begin()
    await site.take(growing.next(about("expel", growing.cove), growing.author(growing.cove)))

    with pytest.raises(LocalProtocolError) as refusal:
        await site.ingest.publish(growing.fid, [note()])

    assert refusal.value.code == "charter.left"
    assert not site.ingest.federations[growing.fid].is_member(growing.cove.cid)
    await site.store.close()


# --- standings that move


async def test_a_role_holds_above_its_line_alone(site: Site) -> None:
    growing = site.growing
    author = growing.author(growing.hill)
    before = open_pool(author)
    changed = growing.next(roles(growing.hill, "member"), author)
    after = open_pool(author)

    await site.take(changed)
    told = await site.told(before, after)

    assert told == [("new", None), ("no_effect", "policy.role")]


async def test_entries_above_a_line_are_judged_anew(site: Site) -> None:
    growing = site.growing
    author = growing.author(growing.hill)
    before = open_pool(author)
    changed = growing.next(roles(growing.hill, "supplier"), author)
    after = [open_pool(author), author.publish(DEMAND), author.append("x.note", BODY)]
    await site.told(before, *after)

    await site.take(changed)

    assert site.effects() == [None, "policy.role", "policy.role", None]
    assert site.store.voids == 1


async def test_a_certificate_that_moves_no_entry_has_nobody_fold_again(site: Site) -> None:
    growing = site.growing
    author = growing.author(growing.hill)
    await site.told(open_pool(author))

    await site.take(
        growing.next(roles(growing.hill, "supplier"), author),
        growing.next(admission(growing.lake, ["member"])),
    )

    assert site.store.voids == 0


async def test_a_suspended_coop_has_no_say_until_it_is_restored(site: Site) -> None:
    growing = site.growing
    author = growing.author(growing.hill)
    suspended = growing.next(about("suspend", growing.hill), author)
    pool = open_pool(author)
    restored = growing.next(about("restore", growing.hill), author)

    await site.take(suspended)
    told = await site.told(pool)
    await site.take(restored)
    later = await site.told(open_pool(author))

    assert (told, later) == ([("no_effect", "policy.suspended")], [("new", None)])
    assert site.effects() == ["policy.suspended", None]


async def test_an_erase_whose_payload_came_while_its_author_was_out_erases_in_the_end(
    site: Site,
) -> None:
    growing = site.growing
    author = growing.author(growing.hill)
    secret = author.append("x.note", BODY)
    expelled = growing.next(about("expel", growing.hill), author)
    back = growing.next(admission(growing.hill, ["member"]))
    erase = author.publish(Erase(entry=secret.id))
    await site.told(secret, Envelope(erase.header, erase.signature, b""))
    await site.take(expelled)
    await site.told(erase)
    while_out = [entry.absence for entry in site.store.entries_after(0)]

    await site.take(back)

    assert while_out == [None, None]
    assert [entry.absence for entry in site.store.entries_after(0)] == ["erased", None]


async def test_a_batch_on_its_way_to_the_disk_is_judged_anew_too(site: Site) -> None:
    growing = site.growing
    author = growing.author(growing.hill)
    changed = growing.next(roles(growing.hill, "supplier"), author)
    back = growing.next(roles(growing.hill, "coordinator"), author)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(site.told(open_pool(author)))
        tasks.create_task(site.take(changed))
        tasks.create_task(site.told(open_pool(author)))
        tasks.create_task(site.ingest.receive_certificate(back))

    assert site.effects() == [None, None]


async def test_an_entry_without_its_payload_is_judged_when_somebody_brings_it(site: Site) -> None:
    growing = site.growing
    author = growing.author(growing.hill)
    changed = growing.next(roles(growing.hill, "supplier"), author)
    pool = open_pool(author)
    await site.told(Envelope(pool.header, pool.signature, b""))

    await site.take(changed)
    before = site.effects()
    await site.told(pool)

    assert (before, site.effects()) == (["env.withheld"], ["policy.role"])


async def test_a_payload_on_its_way_to_the_disk_is_judged_anew_too(site: Site) -> None:
    growing = site.growing
    author = growing.author(growing.hill)
    changed = growing.next(roles(growing.hill, "supplier"), author)
    pool = open_pool(author)
    await site.told(Envelope(pool.header, pool.signature, b""))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(site.told(pool))
        tasks.create_task(site.take(changed))

    assert site.effects() == ["policy.role"]


async def test_what_is_judged_twice_before_it_is_durable_ends_as_the_last_says(site: Site) -> None:
    growing = site.growing
    author = growing.author(growing.hill)
    down = growing.next(roles(growing.hill, "supplier"), author)
    up = growing.next(roles(growing.hill, "coordinator"), author)
    await site.told(open_pool(author))

    async with asyncio.TaskGroup() as tasks:
        for certificate in (down, up):
            tasks.create_task(site.take(certificate))

    assert site.effects() == [None]
