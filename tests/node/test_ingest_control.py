import pytest
from tests.node.taking import BODY, OTHER_BODY, Bench, chain, make_ingest, note

from sheaf_node.events import Arrivals
from sheaf_protocol.charter import Certificate, Role
from sheaf_protocol.errors import Fault, LocalProtocolError, RemoteProtocolError
from sheaf_protocol.identity import signing_key
from sheaf_protocol.log import Head
from sheaf_protocol.testing.author import START_MS, LogAuthor, make_coop, make_federation


async def test_known_key_operations_are_passed_over(bench: Bench) -> None:
    version = bench.arrivals.control

    again = await bench.ingest.receive_key_ops(bench.hill.cid, bench.hill.key_ops)
    bench.hill.delegate(signing_key(b"\x01" * 32), START_MS)
    more = await bench.ingest.receive_key_ops(bench.hill.cid, bench.hill.key_ops)

    assert (again, more) == (False, True)
    assert bench.store.key_logs[bench.hill.cid] == bench.hill.keys
    assert bench.arrivals.control == version + 1


async def test_a_close_voids_what_lies_beyond_its_cut(bench: Bench) -> None:
    author = bench.author()
    within, cut = chain(author, 2), author.head
    beyond = chain(author, 1)
    await bench.receive(*within, *beyond)

    await bench.ingest.receive_key_ops(bench.hill.cid, [bench.hill.close({bench.fid: cut})])

    effects = [entry.no_effect for entry in bench.store.entries_after(0)]
    assert effects == [None, None, "key.closed"]
    assert await bench.told(author.append("x.note", BODY)) == [("rejected", "key.closed")]
    assert await bench.told(*beyond) == [("known", None)]


async def test_a_close_ends_each_log_at_the_number_of_its_federation(bench: Bench) -> None:
    roles: list[Role] = ["member"]
    others = [
        make_federation([(bench.mill, roles), (bench.hill, roles)], name)
        for name in ("Listed", "Unlisted")
    ]
    for certificate in others:
        await bench.ingest.receive_certificate(certificate)
    here, listed, unlisted = (
        LogAuthor(bench.hill, fid) for fid in (bench.fid, *(other.fid for other in others))
    )
    within = [*chain(here, 1), *chain(listed, 3)]
    cuts = {here.fid: here.head, listed.fid: listed.head}
    beyond = [*chain(here, 1), *chain(listed, 1), *chain(unlisted, 1)]
    await bench.ingest.receive_key_ops(bench.hill.cid, [bench.hill.close(cuts)])

    told = await bench.told(*within, *beyond)

    assert told == [("new", None)] * 4 + [("rejected", "key.closed")] * 3


async def test_a_closed_writer_of_ours_publishes_no_more(bench: Bench) -> None:
    [entry] = await bench.ingest.publish(bench.fid, [note()])
    cut = Head(seq=1, id=entry.id, time_ms=START_MS)
    await bench.ingest.receive_key_ops(bench.mill.cid, [bench.mill.close({bench.fid: cut})])

    with pytest.raises(LocalProtocolError) as refusal:
        await bench.ingest.publish(bench.fid, [note()])

    assert refusal.value.code == "key.closed"


async def test_another_past_of_a_closed_writer_is_rejected_at_its_cut(bench: Bench) -> None:
    author = bench.author()
    thief = author.twin()
    chain(author, 2)
    await bench.ingest.receive_key_ops(bench.hill.cid, [bench.hill.close({bench.fid: author.head})])

    told = await bench.told(*(thief.append("x.note", OTHER_BODY) for _ in range(2)))

    assert told == [("new", None), ("rejected", "key.closed")]


@pytest.mark.parametrize(
    ("of", "brought", "first", "code"),
    [
        ("Hill Farm", "Hill Farm", 4, "key.gap"),  # one operation is missing
        ("Stranger", "Stranger", 1, "key.no_inception"),  # begins in the middle
        ("Nobody", "Stranger", 0, "key.wrong_coop"),  # under another's id
        ("Hill Farm", "Stranger", 1, "key.wrong_coop"),  # into another's log
    ],
)
async def test_key_operations_that_do_not_follow_are_refused(
    bench: Bench, of: str, brought: str, first: int, code: str
) -> None:
    coop = make_coop(brought)
    for seed in (b"\x01", b"\x02"):
        coop.delegate(signing_key(seed * 32), START_MS)

    with pytest.raises(RemoteProtocolError) as refusal:
        await bench.ingest.receive_key_ops(make_coop(of).cid, coop.key_ops[first:])

    assert refusal.value.code == code


async def test_key_logs_of_strangers_are_bounded(bench: Bench) -> None:
    strangers = [make_coop(f"Stranger {number}") for number in range(3)]
    for stranger in strangers[:2]:
        await bench.ingest.receive_key_ops(stranger.cid, stranger.key_ops)

    with pytest.raises(RemoteProtocolError) as refusal:
        await bench.ingest.receive_key_ops(strangers[2].cid, strangers[2].key_ops)

    assert refusal.value.code == "key.quota"
    assert len(bench.store.key_logs) == 5


async def test_a_certificate_is_stored_once_and_founds_its_federation(bench: Bench) -> None:
    again = await bench.ingest.receive_certificate(bench.certificate)

    assert not again
    assert list(bench.ingest.federations) == [bench.fid]
    assert bench.ingest.federations[bench.fid].is_member(bench.hill.cid)


async def test_a_certificate_that_does_not_name_us_is_not_kept(bench: Bench) -> None:
    certificate = make_federation([(bench.hill, ["member"])])

    with pytest.raises(RemoteProtocolError) as refusal:
        await bench.ingest.receive_certificate(certificate)

    assert refusal.value.code == "charter.not_ours"
    assert certificate.fid not in bench.ingest.federations


async def test_a_certificate_that_a_founder_did_not_sign_is_not_kept(bench: Bench) -> None:
    whole = make_federation([(bench.mill, ["member"]), (bench.hill, ["member"])], "Another")
    partly = Certificate(approvals=whole.approvals[:1], body=whole.body)

    with pytest.raises(RemoteProtocolError) as refusal:
        await bench.ingest.receive_certificate(partly)

    assert refusal.value.code == "charter.signature"


async def test_a_certificate_waits_for_key_operations_that_it_names(bench: Bench) -> None:
    op = bench.hill.delegate(signing_key(b"\x01" * 32), START_MS)
    later = make_federation([(bench.mill, ["member"]), (bench.hill, ["member"])], "Later")
    with pytest.raises(RemoteProtocolError) as refusal:
        await bench.ingest.receive_certificate(later)

    await bench.ingest.receive_key_ops(bench.hill.cid, [op])

    assert (refusal.value.code, refusal.value.fault) == ("charter.key_head", Fault.NOT_YET)
    assert await bench.ingest.receive_certificate(later)


async def test_federations_are_founded_again_from_the_store(bench: Bench) -> None:
    await bench.receive(bench.author().append("x.note", BODY))
    arrivals = Arrivals()

    again = make_ingest(bench.store, bench.mill, bench.clock, arrivals)

    assert again.federations == bench.ingest.federations
    assert arrivals.latest == 1


# --- key logs that divide


async def test_a_stronger_branch_takes_the_place_of_a_weaker_one(bench: Bench) -> None:
    author = bench.author()
    entries, rival = chain(author, 3), bench.hill.twin()
    await bench.receive(*entries)
    bench.hill.close({})
    rival.revoke({rival.writer: {bench.fid: author.head}})

    closed = await bench.ingest.receive_key_ops(bench.hill.cid, bench.hill.key_ops)
    voids = [entry.no_effect for entry in bench.store.entries_after(0)]
    opened = await bench.ingest.receive_key_ops(bench.hill.cid, rival.key_ops)
    again = await bench.ingest.receive_key_ops(bench.hill.cid, bench.hill.key_ops)

    assert (closed, opened, again) == (True, True, False)
    assert voids == ["key.closed"] * 3
    assert [entry.no_effect for entry in bench.store.entries_after(0)] == [None] * 3
    assert bench.store.key_logs[bench.hill.cid] == rival.keys


async def test_entries_of_an_overridden_writer_are_held(bench: Bench) -> None:
    rival, successor = bench.hill.twin(), signing_key(b"\x01" * 32)
    bench.hill.delegate(successor, START_MS + 1)
    await bench.ingest.receive_key_ops(bench.hill.cid, bench.hill.key_ops)
    author = LogAuthor(bench.hill, bench.fid, writer=successor)
    first, second = chain(author, 2)
    before = await bench.told(first)

    rival.revoke()
    await bench.ingest.receive_key_ops(bench.hill.cid, rival.key_ops)

    assert before == [("new", None)]
    assert await bench.told(second) == [("held", "key.unknown")]
    assert bench.store.frontier(bench.fid) == {}


async def test_two_branches_of_equal_authority_freeze_a_key_log_in_either_order(
    bench: Bench,
) -> None:
    rival = bench.hill.twin()
    bench.hill.delegate(signing_key(b"\x01" * 32), START_MS)
    rival.delegate(signing_key(b"\x02" * 32), START_MS)

    for ops in (bench.hill.key_ops, rival.key_ops):
        await bench.ingest.receive_key_ops(bench.hill.cid, ops)

    assert bench.store.key_logs[bench.hill.cid].is_frozen
    assert bench.store.key_histories[bench.hill.cid].rival


async def test_a_certificate_anchors_the_branch_that_it_names(bench: Bench) -> None:
    """The rotation keys overrode what the certificate's founders then went on to build upon."""
    rival = bench.hill.twin()
    bench.hill.delegate(signing_key(b"\x01" * 32), START_MS)
    rival.revoke()
    await bench.ingest.receive_key_ops(bench.hill.cid, rival.key_ops)
    roles: list[Role] = ["member"]
    later = make_federation([(bench.mill, roles), (bench.hill, roles)], "Later")

    is_new = await bench.ingest.receive_certificate(
        later, key_logs={bench.hill.cid: bench.hill.key_ops}
    )
    again = await bench.ingest.receive_key_ops(bench.hill.cid, rival.key_ops)

    assert (is_new, again) == (True, False)
    assert bench.store.key_logs[bench.hill.cid] == bench.hill.keys


async def test_a_certificate_comes_with_both_sides_of_a_frozen_key_log(bench: Bench) -> None:
    coop = make_coop("Stranger")
    later = make_federation([(bench.mill, ["member"]), (coop, ["member"])], "Later")
    rival = coop.twin()
    coop.delegate(signing_key(b"\x01" * 32), START_MS)
    rival.delegate(signing_key(b"\x02" * 32), START_MS)

    await bench.ingest.receive_certificate(
        later, key_logs={coop.cid: [*coop.key_ops, rival.key_ops[-1]]}
    )

    assert later.fid in bench.ingest.federations
    assert bench.store.key_logs[coop.cid].is_frozen


async def test_a_certificate_with_a_key_log_of_many_runs_is_refused(bench: Bench) -> None:
    coop = make_coop("Stranger")
    later = make_federation([(bench.mill, ["member"]), (coop, ["member"])], "Later")
    ops = list(coop.key_ops)
    for number in range(17):
        twin = make_coop("Stranger")
        twin.delegate(signing_key(bytes([number]) * 32), START_MS)
        ops.append(twin.key_ops[-1])

    with pytest.raises(RemoteProtocolError) as refusal:
        await bench.ingest.receive_certificate(later, key_logs={coop.cid: ops})

    assert refusal.value.code == "key.fork"
    assert later.fid not in bench.ingest.federations


async def test_a_certificate_thaws_a_key_log_that_it_anchors(bench: Bench) -> None:
    rival = bench.hill.twin()
    bench.hill.delegate(signing_key(b"\x01" * 32), START_MS)
    rival.delegate(signing_key(b"\x02" * 32), START_MS)
    for ops in (bench.hill.key_ops, rival.key_ops):
        await bench.ingest.receive_key_ops(bench.hill.cid, ops)
    roles: list[Role] = ["member"]
    later = make_federation([(bench.mill, roles), (bench.hill, roles)], "Later")

    await bench.ingest.receive_certificate(later)

    assert bench.store.key_logs[bench.hill.cid] == bench.hill.keys


async def test_a_federation_stands_although_a_founders_key_log_was_frozen_since(
    bench: Bench,
) -> None:
    """Two certificates name two branches, so neither of the two counts."""
    rival = bench.hill.twin()
    roles: list[Role] = ["member"]
    certificates = []
    for number, coop in enumerate((bench.hill, rival)):
        coop.delegate(signing_key(bytes([number]) * 32), START_MS)
        certificates.append(make_federation([(bench.mill, roles), (coop, roles)], str(number)))
        await bench.ingest.receive_certificate(certificates[-1], key_logs={coop.cid: coop.key_ops})

    again = make_ingest(bench.store, bench.mill, bench.clock, Arrivals())

    assert bench.store.key_logs[bench.hill.cid].is_frozen
    assert set(again.federations) == {bench.fid, *(each.fid for each in certificates)}
