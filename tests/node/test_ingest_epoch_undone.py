"""What two certificates of one epoch undo, and what nothing undoes."""

import pytest
from tests.node.epochs import Site
from tests.node.taking import BODY, OTHER_BODY, note

from sheaf_protocol.errors import Fault, LocalProtocolError, RemoteProtocolError
from sheaf_protocol.identity import signing_key
from sheaf_protocol.records.governance import Change
from sheaf_protocol.testing.author import START_MS
from sheaf_protocol.testing.chain import prove_fork
from sheaf_protocol.testing.epoch import about, admission, make_epoch


async def test_a_fork_halts_the_federation_where_it_was_before(site: Site) -> None:
    growing = site.growing
    author = growing.author(growing.cove)
    one, other = growing.fork(about("expel", growing.cove), about("suspend", growing.dale), author)
    entry = author.append("x.note", BODY)
    await site.take(one)
    left = await site.told(entry)

    await site.take(other)
    told = await site.told(entry)

    assert (left, told) == ([("rejected", "charter.left")], [("new", None)])
    assert site.ingest.federations[growing.fid].is_forked
    assert {each.id for each in site.store.chains[growing.fid].fork} == {one.id, other.id}


async def test_a_forked_federation_publishes_nothing(site: Site) -> None:
    growing = site.growing
    await site.take(*growing.fork(about("suspend", growing.cove), about("suspend", growing.dale)))

    with pytest.raises(LocalProtocolError) as refusal:
        await site.ingest.publish(growing.fid, [note()])

    assert refusal.value.code == "charter.forked"
    assert refusal.value.detail.endswith("a re-foundation is needed")


async def test_a_fork_of_an_admission_leaves_what_the_admitted_published_void(
    site: Site,
) -> None:
    growing = site.growing
    one, other = growing.fork(admission(growing.lake, ["member"]), about("suspend", growing.dale))
    author = growing.author(growing.lake)
    await site.take(one)
    await site.told(author.append("x.note", BODY))
    before = site.effects()

    await site.take(other)
    told = await site.told(author.append("x.note", BODY))

    assert (before, site.effects()) == ([None], ["charter.left"])
    assert told == [("held", "charter.not_member")]
    assert site.store.frontier(growing.fid) == {}


async def test_a_refoundation_ends_the_halt(site: Site) -> None:
    growing = site.growing
    author = growing.author(growing.cove)
    first = author.append("x.note", BODY)
    line = author.twin()
    await site.take(*growing.fork(about("suspend", growing.cove), about("suspend", growing.dale)))
    await site.told(first, author.append("x.note", BODY))

    await site.take(growing.refound(line, without=growing.cove))
    published = await site.ingest.publish(growing.fid, [note()])

    assert site.effects() == [None, "charter.left", None]
    assert len(published) == 1
    await site.reopen()
    assert site.store.chains[growing.fid] == growing.chain


async def test_a_halt_ends_where_the_side_that_came_first_is_built_upon(site: Site) -> None:
    growing = site.growing
    author = growing.author(growing.cove)
    before, entry = growing.chain, author.twin().append("x.note", BODY)
    _, on_side = growing.on(before, about("expel", growing.cove), author)
    built_upon, newest = growing.on(on_side, about("suspend", growing.dale))
    await site.take(
        *growing.fork(about("expel", growing.cove), about("suspend", growing.hill), author)
    )
    await site.told(entry)
    halted = site.effects()

    await site.take(built_upon)

    assert (halted, site.effects()) == ([None], ["charter.left"])
    assert site.ingest.federations[growing.fid] == newest.federation


async def test_a_rival_of_the_newest_that_is_built_upon_undoes_nothing(site: Site) -> None:
    growing = site.growing
    rival, on_rival = growing.on(growing.chain, about("expel", growing.cove))
    more, _ = growing.on(on_rival, about("suspend", growing.dale))
    newest = growing.next(about("suspend", growing.dale))
    last = growing.next(about("restore", growing.dale))
    await site.take(newest, rival)

    is_new = await site.ingest.receive_certificate(more)
    halted = site.ingest.federations[growing.fid].is_forked
    await site.reopen()
    await site.take(last)

    assert is_new
    assert halted
    assert site.ingest.federations[growing.fid] == growing.chain.federation
    assert site.store.chains[growing.fid].late == [more]


@pytest.mark.parametrize("is_reversed", [False, True])
async def test_which_of_two_certificates_came_first_is_known_after_a_restart(
    site: Site, *, is_reversed: bool
) -> None:
    growing = site.growing
    founded = growing.chain
    two = sorted(
        growing.fork(about("suspend", growing.cove), about("suspend", growing.dale)),
        key=lambda each: each.id,
        reverse=is_reversed,
    )
    first = founded.add(two[0], growing.keys)
    built_upon, newest = growing.on(first, about("suspend", growing.hill))
    await site.take(*two)

    await site.reopen()
    halted = site.store.chains[growing.fid]
    await site.take(built_upon)

    assert halted.certificates[1:] == two
    assert halted.is_forked
    assert site.ingest.federations[growing.fid] == newest.federation


# --- what comes later


async def test_a_late_rival_is_kept_over_a_restart_and_changes_nothing(site: Site) -> None:
    growing = site.growing
    rival, _ = growing.on(growing.chain, about("expel", growing.cove))
    await site.take(growing.next(about("suspend", growing.dale)))
    await site.take(growing.next(about("restore", growing.dale)))
    await site.told(growing.author(growing.cove).append("x.note", BODY))

    is_new = await site.ingest.receive_certificate(rival)
    held = site.store.chains[growing.fid]
    await site.reopen()

    assert is_new
    assert site.effects() == [None]
    assert site.ingest.federations[growing.fid] == growing.chain.federation
    assert site.store.chains[growing.fid] == held
    assert held.late == [rival]


async def test_one_late_rival_is_kept_and_no_more(site: Site) -> None:
    """Whoever has the keys of an old epoch's voters can sign any number of them."""
    growing = site.growing
    first, on_first = growing.on(growing.chain, about("expel", growing.cove))
    second, _ = growing.on(growing.chain, about("expel", growing.hill))
    child, _ = growing.on(on_first, about("suspend", growing.hill))
    await site.take(growing.next(about("suspend", growing.dale)))
    await site.take(growing.next(about("restore", growing.dale)), first)

    for more in (second, child):
        with pytest.raises(RemoteProtocolError) as refusal:
            await site.take(more)

        assert (refusal.value.code, refusal.value.fault) == ("charter.late", Fault.AUTHOR)
    assert site.store.chains[growing.fid].late == [first]
    assert not await site.ingest.receive_certificate(first)


async def test_a_late_rival_that_anchors_a_thiefs_branch_moves_no_key_log(site: Site) -> None:
    growing = site.growing
    thief = growing.hill.twin()
    growing.hill.delegate(signing_key(b"second".ljust(32)), START_MS + 10**9)
    thief.delegate(signing_key(b"third".ljust(32)), START_MS + 10**9)
    rival = make_epoch(
        growing.chain.federation, Change(action="anchor"), growing.coops, heads=[thief]
    )
    await site.ingest.receive_key_ops(growing.hill.cid, growing.hill.key_ops)
    await site.take(growing.next(about("suspend", growing.dale), heads=[growing.hill]))
    await site.take(growing.next(about("restore", growing.dale)))

    await site.ingest.receive_certificate(rival, key_logs={thief.cid: thief.key_ops})

    assert site.store.chains[growing.fid].late == [rival]
    assert site.store.key_logs[growing.hill.cid] == growing.hill.keys
    assert thief.keys.head not in site.store.anchors_of(growing.hill.cid)


async def test_a_later_revocation_does_not_undo_a_certificate(site: Site) -> None:
    """Three of four signed. Later one of them revokes the writer that it signed with, from the
    beginning; the certificate stands on every node, whichever it heard of first."""
    growing = site.growing
    signers = [growing.mill, growing.hill, growing.dale]
    made, _ = growing.on(growing.chain, about("expel", growing.cove), signers=signers)
    revoked = growing.hill.twin()
    revoked.revoke({revoked.writer: {}})

    await site.ingest.receive_key_ops(growing.hill.cid, revoked.key_ops)
    is_new = await site.ingest.receive_certificate(made)

    assert is_new
    assert not site.ingest.federations[growing.fid].is_member(growing.cove.cid)


async def test_a_revocation_beside_what_a_certificate_anchored_is_overridden(site: Site) -> None:
    """A thief with the rotation key revokes below the operations that a certificate named."""
    growing = site.growing
    rival = growing.hill.twin()
    growing.hill.delegate(signing_key(b"second".ljust(32)), START_MS + 10**9)
    made = growing.next(about("suspend", growing.dale), heads=[growing.hill])
    rival.revoke({rival.writer: {}})
    await site.ingest.receive_key_ops(growing.hill.cid, rival.key_ops)

    is_new = await site.ingest.receive_certificate(
        made, key_logs={growing.hill.cid: growing.hill.key_ops}
    )
    again = await site.ingest.receive_key_ops(growing.hill.cid, rival.key_ops)

    assert (is_new, again) == (True, False)
    assert site.store.key_logs[growing.hill.cid] == growing.hill.keys
    assert growing.hill.keys.head in site.store.anchors_of(growing.hill.cid)


async def test_a_certificate_waits_for_the_key_operations_that_it_anchors(site: Site) -> None:
    growing = site.growing
    growing.hill.delegate(signing_key(b"second".ljust(32)), START_MS + 10**9)
    made = growing.next(about("suspend", growing.dale), heads=[growing.hill])

    with pytest.raises(RemoteProtocolError) as refusal:
        await site.take(made)
    await site.ingest.receive_key_ops(growing.hill.cid, growing.hill.key_ops)

    assert (refusal.value.code, refusal.value.fault) == ("charter.key_head", Fault.NOT_YET)
    assert await site.ingest.receive_certificate(made)


async def test_a_fork_of_a_log_does_not_undo_a_certificate(site: Site) -> None:
    growing = site.growing
    author = growing.author(growing.hill)
    twin = author.twin()
    proof = prove_fork(author.append("x.note", BODY), twin.append("x.note", OTHER_BODY))
    await site.ingest.receive_fork_proof(proof)

    await site.take(growing.next(about("suspend", growing.dale)))

    assert site.ingest.federations[growing.fid].charter.epoch == 1
