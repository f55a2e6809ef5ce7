"""Promises to take no more of a log (RST-6, RST-21), and what keeps them after a restart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests.node.taking import BODY, Bench, chain, make_ingest

from sheaf_node.ingest import Draft
from sheaf_node.ingest.fence import Fences
from sheaf_node.store import Change
from sheaf_node.store.model import WITHHELD, Absent
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import ZERO, CoopId, Digest, LogId, WriterId, log_id
from sheaf_protocol.identity import signing_key
from sheaf_protocol.limits import SALT_BYTES, WRITER_LIFETIME_MS
from sheaf_protocol.link.messages import PayloadItem
from sheaf_protocol.records import WriterLost, WriterPromise
from sheaf_protocol.testing.author import START_MS, LogAuthor

if TYPE_CHECKING:
    from sheaf_node.ingest import Ingest
    from sheaf_protocol.envelope import Envelope

NEWER, OTHER = signing_key(b"n" * 32), signing_key(b"o" * 32)
SOME_WID = WriterId(b"w" * 32)


@dataclass(frozen=True, kw_only=True)
class Promised:
    """A node that promised to take Hill's old log up to 1, on the word of its new writer."""

    bench: Bench
    old: LogAuthor
    new: LogAuthor
    word: Envelope

    async def lose_word(self) -> None:
        """Do to its payload what the daily look at the disk does where it is damaged."""
        entry = self.bench.store.entry(self.word.id)
        assert entry is not None
        await self.bench.store.commit(Change(absences=[Absent(entry=entry, absence=WITHHELD)]))

    def restarted(self) -> Ingest:
        """Return what takes in entries after a restart."""
        bench = self.bench
        return make_ingest(bench.store, bench.mill, bench.clock, bench.arrivals)

    def log_of(self, wid: bytes) -> LogId:
        return log_id(self.bench.fid, self.bench.hill.cid, WriterId(wid))


@pytest.fixture
async def promised(bench: Bench) -> Promised:
    for key in (OTHER, NEWER):
        op = bench.hill.delegate(key, START_MS + WRITER_LIFETIME_MS)
        await bench.ingest.receive_key_ops(bench.hill.cid, [op])
    old, new = bench.author(), LogAuthor(bench.hill, bench.fid, writer=NEWER)
    [first] = chain(old, 1)
    word = new.publish(WriterLost(head=Digest(ZERO), seq=0, wid=WriterId(old.key.public)))
    await bench.receive(first, word)
    promise = WriterPromise(head=Digest(first.id), log=old.log, lost=word.id, seq=1)
    draft = Draft(kind="writer.promise", body=encode(promise), refs=[word.id])
    await bench.ingest.publish(bench.fid, [draft])
    return Promised(bench=bench, old=old, new=new, word=word)


async def test_an_entry_beyond_a_promise_is_held_back_as_log_lost(promised: Promised) -> None:
    told = await promised.bench.told(promised.old.append("x.note", BODY))

    assert told == [("held", "log.lost")]


async def test_a_promise_is_kept_after_a_restart_while_the_word_it_names_is_unread(
    promised: Promised,
) -> None:
    await promised.lose_word()
    ingest, beyond = promised.restarted(), promised.old.append("x.note", BODY)

    [unread] = await ingest.receive([beyond])
    back = PayloadItem(log=promised.new.log, payload=promised.word.payload, seq=1)
    await ingest.receive_payloads(promised.bench.fid, [back])
    [read] = await ingest.receive([beyond])

    assert (unread.code, read.code) == ("log.lost", "log.lost")
    assert promised.old.log in ingest.held_back()


@pytest.mark.parametrize(
    ("whose", "seq"),
    [
        ("a known writer's, nothing of it held", 3),
        ("an unknown writer's", None),
        ("another co-op's, nothing of it held", None),
        ("another co-op's", None),
    ],
)
async def test_a_promise_on_an_unread_word_holds_for_logs_of_the_coop_whose_word_it_is(
    promised: Promised, whose: str, seq: int | None
) -> None:
    bench, dale = promised.bench, promised.bench.author(promised.bench.dale)
    await promised.lose_word()
    if whose == "another co-op's":
        await bench.receive(dale.append("x.note", BODY))
    log = {
        "a known writer's, nothing of it held": promised.log_of(OTHER.public),
        "an unknown writer's": promised.log_of(SOME_WID),
    }.get(whose, dale.log)
    fences = Fences(bench.store, bench.mill.cid)

    forged = WriterPromise(head=Digest(ZERO), log=log, lost=promised.word.id, seq=3)
    fences.note("writer.promise", bench.mill.cid, bytes(SALT_BYTES) + encode(forged))

    assert fences.seq_of(log) == seq


async def test_a_promise_on_another_log_than_the_word_turns_out_to_mean_holds_no_longer(
    promised: Promised,
) -> None:
    bench, log = promised.bench, promised.log_of(OTHER.public)
    await promised.lose_word()
    fences = Fences(bench.store, bench.mill.cid)
    forged = WriterPromise(head=Digest(ZERO), log=log, lost=promised.word.id, seq=3)
    fences.note("writer.promise", bench.mill.cid, bytes(SALT_BYTES) + encode(forged))
    unread = fences.seq_of(log)

    back = PayloadItem(log=promised.new.log, payload=promised.word.payload, seq=1)
    await bench.ingest.receive_payloads(bench.fid, [back])

    assert (unread, fences.seq_of(log)) == (3, None)
    assert fences.seq_of(promised.old.log) == 1


class NoPromises:
    def promises(self) -> list[object]:
        return []


def test_a_promise_without_a_form_holds_nothing_back() -> None:
    own = CoopId(Digest(b"c" * 32))
    fences = Fences(NoPromises(), own)  # type: ignore[arg-type]  # all that is asked of a store

    fences.note("writer.promise", own, bytes(SALT_BYTES) + b"\x80")

    assert fences.seq_of(LogId(b"l" * 32)) is None
