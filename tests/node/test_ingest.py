import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sheaf_node.clock import ManualClock
from sheaf_node.config import Limits
from sheaf_node.events import Arrivals
from sheaf_node.ingest import Draft, Ingest, Outcome, Result
from sheaf_node.keyring import Keyring
from sheaf_node.store import Store
from sheaf_protocol.charter import Certificate, Role
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import EntryId, FederationId
from sheaf_protocol.envelope import SEALED, Envelope
from sheaf_protocol.errors import Fault, LocalProtocolError, RemoteProtocolError
from sheaf_protocol.identity import signing_key
from sheaf_protocol.limits import MAX_CLOCK_AHEAD_MS, WRITER_LIFETIME_MS
from sheaf_protocol.log import Head, make_fork_proof
from sheaf_protocol.records import Demand, Item, OrderResponse, PoolLapse, Price
from sheaf_protocol.sealing import Author, seal_private
from sheaf_protocol.testing.author import (
    START_MS,
    LogAuthor,
    TestCoop,
    make_coop,
    make_federation,
    unsigned,
)

BODY = b"\x80"
OTHER_BODY = b"\x81\xa1n\x01"
DEMAND = Demand(
    is_firm=True,
    item=Item(code="feed", name="Feed", scale=0, unit="KGM"),
    max_price=Price(amount=10, base=1, currency="GBP"),
    min_quantity=1,
    quantity=5,
    ref="r1",
    zone="N",
)
SOME_ENTRY = EntryId(bytes(32))
LAPSE = encode(PoolLapse(close=SOME_ENTRY, pool=SOME_ENTRY, reason="too_few"))


@dataclass(frozen=True, slots=True)
class Bench:
    """A node of the co-op Mill in a federation with Hill, which buys, and Dale, which supplies."""

    ingest: Ingest
    store: Store
    arrivals: Arrivals
    clock: ManualClock
    mill: TestCoop
    hill: TestCoop
    dale: TestCoop
    certificate: Certificate

    @property
    def fid(self) -> FederationId:
        return self.certificate.fid

    def author(self, coop: TestCoop | None = None) -> LogAuthor:
        return LogAuthor(coop or self.hill, self.fid)

    async def receive(self, *envelopes: Envelope) -> list[Result]:
        return await self.ingest.receive(envelopes)

    async def told(self, *envelopes: Envelope) -> list[tuple[str, str | None]]:
        """Return outcome and code for each."""
        results = await self.receive(*envelopes)
        return [(result.outcome.value, result.code) for result in results]


def counted() -> Callable[[int], bytes]:
    calls = 0

    def random(size: int) -> bytes:
        nonlocal calls
        calls += 1
        return calls.to_bytes(size, "big")

    return random


def make_ingest(store: Store, coop: TestCoop, clock: ManualClock, arrivals: Arrivals) -> Ingest:
    keyring = Keyring(
        cid=coop.cid,
        writer=coop.writer,
        manager=coop.manager,
        prekeys=[coop.prekey],
        key_ops=coop.key_ops,
    )
    return Ingest(
        store=store,
        arrivals=arrivals,
        clock=clock,
        random=counted(),
        keyring=keyring,
        limits=Limits(key_logs=5, rejects_per_sender=2),
    )


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    mill, hill, dale = (make_coop(name) for name in ("Mill", "Hill Farm", "Dale Supplies"))
    certificate = make_federation([(mill, ["buyer"]), (hill, ["buyer"]), (dale, ["supplier"])])
    store = Store.open(tmp_path / "sheaf.db", random=bytes)
    clock, arrivals = ManualClock(START_MS), Arrivals()
    ingest = make_ingest(store, mill, clock, arrivals)
    for coop in (mill, hill, dale):
        await ingest.receive_key_ops(coop.cid, coop.key_ops)
    await ingest.receive_certificate(certificate)
    yield Bench(ingest, store, arrivals, clock, mill, hill, dale, certificate)
    await store.close()


def stored_ids(bench: Bench) -> list[bytes]:
    return [entry.id for entry in bench.store.entries_after(0)]


# --- what is stored


async def test_a_members_record_is_stored_and_announced(bench: Bench) -> None:
    demand = bench.author().publish(DEMAND)

    [result] = await bench.receive(demand)

    assert result.outcome is Outcome.NEW
    assert result.entry == bench.store.entry(demand.id)
    assert bench.arrivals.latest == bench.store.arrival == 1


async def test_what_is_stored_already_is_known_without_a_look_at_its_signature(
    bench: Bench,
) -> None:
    first = bench.author().append("x.note", BODY)
    await bench.receive(first)

    assert await bench.told(Envelope(first.header, bytes(64), b"")) == [("known", None)]


async def test_batches_brought_at_once_are_stored_once(bench: Bench) -> None:
    author = bench.author()
    envelopes = [author.append("x.note", BODY) for _ in range(5)]

    batches = await asyncio.gather(*(bench.receive(*envelopes) for _ in range(4)))

    outcomes = [{result.outcome for result in batch} for batch in batches]
    assert outcomes == [{Outcome.NEW}, {Outcome.KNOWN}, {Outcome.KNOWN}, {Outcome.KNOWN}]
    assert stored_ids(bench) == [envelope.id for envelope in envelopes]


async def test_a_batch_may_build_on_one_that_is_not_durable_yet(bench: Bench) -> None:
    author = bench.author()
    envelopes = [author.append("x.note", BODY) for _ in range(6)]

    batches = await asyncio.gather(bench.receive(*envelopes[:3]), bench.receive(*envelopes[3:]))

    assert {result.outcome for batch in batches for result in batch} == {Outcome.NEW}


async def test_an_announcement_survives_its_sender(bench: Bench) -> None:
    receiving = asyncio.ensure_future(bench.receive(bench.author().append("x.note", BODY)))
    await asyncio.sleep(0)

    receiving.cancel()

    assert await asyncio.wait_for(bench.arrivals.wait_beyond(0), 5) == 1


# --- sender faults and "not yet"


async def test_a_gap_is_held_and_fills_up_later(bench: Bench) -> None:
    author = bench.author()
    first, second = author.append("x.note", BODY), author.append("x.note", BODY)

    early = await bench.told(second)
    later = await bench.told(first, second)

    assert early == [("held", "log.gap")]
    assert later == [("new", None), ("new", None)]


async def test_an_entry_of_an_unknown_federation_is_held(bench: Bench) -> None:
    author = LogAuthor(bench.hill, FederationId(bytes(32)))

    told = await bench.told(author.append("x.note", BODY))

    assert told == [("held", "charter.unknown_federation")]


async def test_an_entry_of_an_unknown_coop_is_held_until_its_key_log_comes(bench: Bench) -> None:
    stranger = make_coop("Stranger")
    entry = bench.author(stranger).append("x.note", BODY)

    before = await bench.told(entry)
    await bench.ingest.receive_key_ops(stranger.cid, stranger.key_ops)

    assert before == [("held", "key.unknown")]
    assert await bench.told(entry) == [("held", "charter.not_member")]


async def test_an_entry_of_a_writer_that_nobody_delegated_is_held(bench: Bench) -> None:
    author = LogAuthor(bench.hill, bench.fid, writer=signing_key(bytes(32)))

    assert await bench.told(author.append("x.note", BODY)) == [("held", "key.unknown")]


async def test_an_entry_from_the_future_is_held_until_our_clock_is_there(bench: Bench) -> None:
    author = bench.author()
    time_ms = START_MS + MAX_CLOCK_AHEAD_MS + 1
    entry = author.append("x.note", BODY, time_ms=time_ms)

    before = await bench.told(entry)
    bench.clock.advance(1)

    assert before == [("held", "clock.ahead")]
    assert await bench.told(entry) == [("new", None)]


async def test_an_entry_after_its_writer_expired_is_rejected(bench: Bench) -> None:
    time_ms = START_MS + WRITER_LIFETIME_MS + 1
    entry = bench.author().append("x.note", BODY, time_ms=time_ms)

    assert await bench.told(entry) == [("rejected", "key.expired")]


async def test_time_may_not_run_backwards_inside_a_log(bench: Bench) -> None:
    author = bench.author()
    first = author.append("x.note", BODY)
    second = author.append("x.note", BODY, time_ms=START_MS - 1)

    assert await bench.told(first, second) == [("new", None), ("rejected", "log.bad_time")]


async def test_an_entry_on_another_predecessor_is_rejected(bench: Bench) -> None:
    author = bench.author()
    twin = author.twin()
    first = author.append("x.note", BODY)
    twin.append("x.note", OTHER_BODY)

    told = await bench.told(first, twin.append("x.note", BODY))

    assert told == [("new", None), ("rejected", "log.bad_prev")]


def flipped(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda e: Envelope(e.header, flipped(e.signature), e.payload), "env.signature"),
        (lambda e: Envelope(e.header, e.signature[:63], e.payload), "env.signature"),
        (lambda e: Envelope(e.header, b"", e.payload), "env.signature"),  # nothing proves it
        (lambda e: Envelope(e.header, e.signature, flipped(e.payload)), "env.payload_hash"),
        (lambda e: Envelope(e.header, e.signature, e.payload + b"x"), "env.payload_hash"),
        (lambda e: Envelope(e.header + b"x", e.signature, e.payload), "enc.trailing"),
        (lambda e: Envelope(b"garbage", e.signature, e.payload), "enc.trailing"),
        (lambda e: Envelope(b"\x80", e.signature, e.payload), "env.header"),
    ],
)
async def test_spoilt_bytes_are_rejected_and_not_stored(
    bench: Bench, spoil: Callable[[Envelope], Envelope], code: str
) -> None:
    entry = bench.author().publish(DEMAND)

    told = await bench.told(spoil(entry))

    assert told == [("rejected", code)]
    assert bench.store.arrival == 0
    assert await bench.told(entry) == [("new", None)]


async def test_a_body_that_is_not_canonical_is_rejected(bench: Bench) -> None:
    author = bench.author()

    unknown_kind = await bench.told(author.twin().append("x.note", b"\xcd\x00\x01"))
    known_kind = await bench.told(author.append("demand.submit", encode(DEMAND) + b"\x00"))

    assert unknown_kind == [("rejected", "enc.not_shortest")]
    assert known_kind == [("rejected", "enc.trailing")]
    assert bench.store.arrival == 0


async def test_one_bad_entry_does_not_sink_the_others_of_its_batch(bench: Bench) -> None:
    hill, dale = bench.author(), bench.author(bench.dale)
    good, bad = hill.append("x.note", BODY), dale.append("x.note", BODY)

    told = await bench.told(Envelope(bad.header, bytes(64), bad.payload), good)

    assert told == [("rejected", "env.signature"), ("new", None)]


async def test_rejected_bytes_are_remembered_per_sender(bench: Bench) -> None:
    entry = bench.author().append("x.note", BODY)
    forged = Envelope(entry.header, bytes(64), entry.payload)

    first = await bench.ingest.receive([forged], sender=b"evil")
    again = await bench.ingest.receive([forged], sender=b"evil")
    other = await bench.ingest.receive([forged], sender=b"other")

    assert {results[0].code for results in (first, again, other)} == {"env.signature"}
    assert "before" in again[0].detail
    assert "before" not in other[0].detail


async def test_only_the_newest_rejections_of_the_newest_senders_are_remembered(
    bench: Bench,
) -> None:
    entry = bench.author().append("x.note", BODY)
    forged = [Envelope(entry.header, bytes([n]) * 64, entry.payload) for n in range(3)]

    await bench.ingest.receive(forged, sender=b"evil")
    results = await bench.ingest.receive(forged, sender=b"evil")
    for number in range(300):
        await bench.ingest.receive(forged[:1], sender=b"%d" % number)
    forgotten = await bench.ingest.receive(forged[2:], sender=b"evil")

    assert ["before" in result.detail for result in results] == [False, True, True]
    assert "before" not in forgotten[0].detail


# --- author faults


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


async def test_an_entry_without_its_payload_is_held_until_somebody_brings_it(bench: Bench) -> None:
    """Else a relay could hide any entry: once stored without effect it is never asked for again."""
    entry = bench.author().publish(DEMAND)

    told = await bench.told(Envelope(entry.header, entry.signature, b""))

    assert told == [("held", "env.withheld")]
    assert await bench.told(entry) == [("new", None)]


# --- signatures


def chain(author: LogAuthor, count: int) -> list[Envelope]:
    return [author.append("x.note", BODY) for _ in range(count)]


async def test_a_later_signature_does_not_prove_those_before_it(bench: Bench) -> None:
    """Else whoever signs the ends of two branches alone splits the nodes that took them."""
    first, second = chain(bench.author(), 2)

    told = await bench.told(unsigned(first), second)

    assert told == [("rejected", "env.signature"), ("held", "log.gap")]


async def test_a_cut_does_not_prove_the_entry_that_it_names(bench: Bench) -> None:
    """Else a thief's signed branch below the cut and the owner's unsigned one would both stay."""
    author = bench.author()
    [entry] = chain(author, 1)
    await bench.ingest.receive_key_ops(bench.hill.cid, [bench.hill.close({bench.fid: author.head})])

    assert await bench.told(unsigned(entry)) == [("rejected", "env.signature")]


# --- forks


async def test_two_signed_entries_for_one_place_become_a_proof(bench: Bench) -> None:
    author = bench.author()
    before = chain(author, 2)
    twin = author.twin()
    ours, theirs = chain(author, 2), [twin.append("x.note", OTHER_BODY) for _ in range(2)]
    await bench.receive(*before, *ours)

    told = await bench.told(*theirs)

    assert told == [("fork", "log.forked"), ("rejected", "log.forked")]
    effects = [entry.no_effect for entry in bench.store.entries_after(0)]
    assert effects == [None, None, "log.forked", "log.forked"]
    assert list(bench.store.fork_proofs) == [make_fork_proof(ours[0], theirs[0]).id]
    assert bench.store.entry(theirs[0].id) is None
    assert await bench.told(author.append("x.note", BODY)) == [("rejected", "log.forked")]


async def test_a_fork_inside_one_batch_is_found(bench: Bench) -> None:
    author = bench.author()
    twin = author.twin()

    ours, theirs = author.append("x.note", BODY), twin.append("x.note", OTHER_BODY)
    results = await bench.receive(ours, theirs, author.append("x.note", BODY))

    assert [result.outcome.value for result in results] == ["new", "fork", "rejected"]
    assert results[0].entry is not None
    assert results[0].entry.no_effect == "log.forked"


async def test_a_forged_second_entry_is_no_fork(bench: Bench) -> None:
    author = bench.author()
    twin = author.twin()
    await bench.receive(author.append("x.note", BODY))
    second = twin.append("x.note", OTHER_BODY)

    told = await bench.told(Envelope(second.header, bytes(64), second.payload))

    assert told == [("rejected", "env.signature")]
    assert not bench.store.fork_proofs


async def test_a_received_fork_proof_freezes_the_writer_and_not_the_coop(bench: Bench) -> None:
    author = bench.author()
    twin = author.twin()
    ours, theirs = author.append("x.note", BODY), twin.append("x.note", OTHER_BODY)
    successor = signing_key(b"\x01" * 32)
    op = bench.hill.delegate(successor, START_MS + 1)
    await bench.ingest.receive_key_ops(bench.hill.cid, [op])

    is_new = await bench.ingest.receive_fork_proof(make_fork_proof(ours, theirs))

    assert is_new
    assert await bench.told(ours) == [("rejected", "log.forked")]
    other = LogAuthor(bench.hill, bench.fid, writer=successor)
    assert await bench.told(other.append("x.note", BODY)) == [("new", None)]


async def test_a_lower_fork_proof_counts_and_a_higher_one_does_not(bench: Bench) -> None:
    author = bench.author()
    twin = author.twin()
    ours, theirs = chain(author, 3), [twin.append("x.note", OTHER_BODY) for _ in range(3)]
    proofs = [make_fork_proof(a, b) for a, b in zip(ours, theirs, strict=True)]

    told = [await bench.ingest.receive_fork_proof(proofs[i]) for i in (1, 2, 0, 0)]

    assert told == [True, False, True, False]
    assert list(bench.store.fork_proofs) == [proofs[0].id]


async def test_a_fork_proof_of_an_unknown_writer_is_not_kept(bench: Bench) -> None:
    author = LogAuthor(bench.hill, bench.fid, writer=signing_key(bytes(32)))
    twin = author.twin()
    proof = make_fork_proof(author.append("x.note", BODY), twin.append("x.note", OTHER_BODY))

    with pytest.raises(RemoteProtocolError) as refusal:
        await bench.ingest.receive_fork_proof(proof)

    assert refusal.value.code == "key.unknown"
    assert not bench.store.fork_proofs


async def test_a_fork_proof_of_another_federation_is_not_kept(bench: Bench) -> None:
    author = LogAuthor(bench.hill, FederationId(bytes(32)))
    twin = author.twin()
    proof = make_fork_proof(author.append("x.note", BODY), twin.append("x.note", OTHER_BODY))

    with pytest.raises(RemoteProtocolError) as refusal:
        await bench.ingest.receive_fork_proof(proof)

    assert refusal.value.code == "charter.unknown_federation"


# --- key logs and certificates


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
    roles: list[Role] = ["buyer"]
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
    certificate = make_federation([(bench.hill, ["buyer"])])

    with pytest.raises(RemoteProtocolError) as refusal:
        await bench.ingest.receive_certificate(certificate)

    assert refusal.value.code == "charter.not_ours"
    assert certificate.fid not in bench.ingest.federations


async def test_a_certificate_that_a_founder_did_not_sign_is_not_kept(bench: Bench) -> None:
    whole = make_federation([(bench.mill, ["buyer"]), (bench.hill, ["buyer"])], "Another")
    partly = Certificate(approvals=whole.approvals[:1], body=whole.body)

    with pytest.raises(RemoteProtocolError) as refusal:
        await bench.ingest.receive_certificate(partly)

    assert refusal.value.code == "charter.signature"


async def test_a_certificate_waits_for_key_operations_that_it_names(bench: Bench) -> None:
    op = bench.hill.delegate(signing_key(b"\x01" * 32), START_MS)
    later = make_federation([(bench.mill, ["buyer"]), (bench.hill, ["buyer"])], "Later")
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


# --- our own entries


def note(body: bytes = BODY) -> Draft:
    return Draft(kind="x.note", body=body)


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
    proof = make_fork_proof(copy.append("x.note", BODY), twin.append("x.note", OTHER_BODY))
    await bench.ingest.receive_fork_proof(proof)

    with pytest.raises(LocalProtocolError) as refusal:
        await bench.ingest.publish(bench.fid, [note()])

    assert refusal.value.code == "log.forked"
