"""What a node takes on links, as plain decisions: blame, doors, duplicates, back-off, addresses."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from sheaf_node.address import audiences, link_address
from sheaf_node.config import Config, Limits
from sheaf_node.keyring import Keyring
from sheaf_node.peering.aiohttp_network import AiohttpNetwork
from sheaf_node.peering.exchange import glance
from sheaf_node.peering.live import own_batches
from sheaf_node.peering.policy import (
    BAD_WINDOW_MS,
    BURST,
    CONTROL_MOST_MS,
    CONTROL_REST_MS,
    MAX_BAD,
    PER_SECOND,
    Bucket,
    Buckets,
    Doors,
    Strikes,
    back_off_ms,
    is_own_fault,
    keeps_new,
    rest_after,
    work,
)
from sheaf_node.peering.server import PeerServer
from sheaf_node.store import StoredEntry
from sheaf_protocol.digest import CoopId, FederationId, LogId, WriterId
from sheaf_protocol.envelope import Envelope, open_header
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import KeyOp
from sheaf_protocol.limits import MAX_BATCH_BYTES, MAX_BATCH_ENTRIES, MAX_MEMBERS
from sheaf_protocol.link.messages import (
    ControlItems,
    KeyOps,
    PayloadWant,
    RangeItem,
    Served,
    TreeWant,
)
from sheaf_protocol.testing.author import LogAuthor, TestCoop, make_coop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HILL = make_coop("Hill")
SMALL, LARGE = WriterId(b"a" * 32), WriterId(b"b" * 32)


@pytest.mark.parametrize(
    ("old_by", "new_by", "kept", "reason"),
    [
        (SMALL, LARGE, SMALL, "both dialled: the smaller id's stays"),
        (LARGE, SMALL, SMALL, "whichever came first"),
        (SMALL, SMALL, SMALL, "dialled again: the first was lost"),
        (LARGE, LARGE, LARGE, "dialled again by the larger"),
    ],
)
def test_both_ends_keep_the_same_of_two_links(
    old_by: WriterId, new_by: WriterId, kept: WriterId, reason: str
) -> None:
    stays = [
        keeps_new(own, other, is_old_dialled=old_by == own, is_new_dialled=new_by == own)
        for own, other in ((SMALL, LARGE), (LARGE, SMALL))
    ]

    assert stays[0] == stays[1], reason
    assert (new_by if stays[0] else old_by) == kept, reason


def test_back_off_doubles_up_to_the_most() -> None:
    longest = [back_off_ms(n, 500, 60_000, lambda size: b"\xff" * size) for n in range(10)]
    shortest = [back_off_ms(n, 500, 60_000, bytes) for n in range(10)]

    assert shortest == [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]
    assert all(low <= high <= 2 * low for low, high in zip(shortest, longest, strict=True))
    assert back_off_ms(10_000, 500, 60_000, os.urandom) <= 60_000


def test_twenty_refused_entries_within_the_window_are_too_many() -> None:
    strikes = Strikes()

    assert [strikes.add(at) for at in range(MAX_BAD)] == [False] * (MAX_BAD - 1) + [True]


def test_refused_entries_are_forgotten_in_time() -> None:
    strikes = Strikes()

    assert not any(strikes.add(at * BAD_WINDOW_MS) for at in range(3 * MAX_BAD))


@pytest.mark.parametrize(
    ("code", "is_own"),
    [
        ("env.signature", True),
        ("enc.not_shortest", True),
        ("fork.same_entry", True),
        ("charter.quorum", True),
        ("charter.late", False),  # what was built upon may not have reached the peer
        ("charter.left", False),  # the certificate may not have reached the peer
        ("charter.not_ours", False),  # the peer may know of a treaty before us
        ("key.closed", False),  # the close may not have reached the peer
        ("key.fork", False),  # the co-op's own doing
        ("log.bad_prev", False),  # the author's doing
    ],
)
def test_blame_rests_on_what_the_bytes_alone_show(code: str, is_own: bool) -> None:
    assert is_own_fault(code) is is_own


def test_doors_count_by_address_and_in_all() -> None:
    doors = Doors(3, 2)

    assert [doors.enter(a) for a in ("x", "x", "x", "y", "z")] == [True, True, False, True, False]
    doors.leave("x")
    assert doors.enter("z")


@pytest.mark.parametrize(
    ("url", "address", "audience"),
    [
        ("ws://127.0.0.1:8440", "ws://127.0.0.1:8440/sheaf/1/link", "127.0.0.1:8440"),
        ("https://Node.example/", "wss://node.example/sheaf/1/link", "node.example"),
        ("wss://node.example:443", "wss://node.example/sheaf/1/link", "node.example"),
        ("http://[::1]:8440", "ws://[::1]:8440/sheaf/1/link", "[::1]:8440"),
        ("wss://node.example/deep/link", "wss://node.example/deep/link", "node.example"),
    ],
)
def test_url_gives_address_and_audience(url: str, address: str, audience: str) -> None:
    assert link_address(url) == (address, audience)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://node.example", "another scheme"),
        ("ws://", "no host"),
        ("ws://user:word@node.example", "a password"),
        ("ws://node.example/?a=1", "a query"),
        ("ws://node.example:99999", "no such port"),
        ("ws://[::1", "a bracket that nothing closes"),
    ],
)
def test_unusable_url_is_refused(url: str, reason: str) -> None:
    with pytest.raises(Refusal) as caught:
        link_address(url)

    assert caught.value.code == "peer.url", reason


def test_public_name_counts_with_and_without_the_port() -> None:
    assert audiences(["Node.example"], "0.0.0.0", 8440) == ["node.example", "node.example:8440"]  # noqa: S104  # nothing listens


def test_node_without_public_names_answers_to_its_host() -> None:
    assert "127.0.0.1:8440" in audiences([], "127.0.0.1", 8440)


def stored(envelopes: list[Envelope]) -> list[StoredEntry]:
    return [
        StoredEntry(
            id=envelope.id,
            arrival=arrival,
            log=open_header(envelope).log,
            envelope=envelope,
            header=open_header(envelope),
            fault=None,
            void=None,
        )
        for arrival, envelope in enumerate(envelopes, 1)
    ]


def authored(coop: TestCoop, count: int, size: int = 0, fid: int = 0) -> list[Envelope]:
    author = LogAuthor(coop, FederationId(bytes([fid]) * 32))
    return [author.append("x.note", bytes(size)) for _ in range(count)]


def test_only_own_entries_are_pushed() -> None:
    entries = stored([*authored(HILL, 2), *authored(make_coop("Dale"), 3)])

    [live] = own_batches(entries, HILL.wid)

    assert (live.first, live.last.seq, len(live.entries)) == (1, 2, 2)


def test_federations_are_pushed_apart() -> None:
    entries = stored([*authored(HILL, 2), *authored(HILL, 1, fid=1)])

    assert [len(live.entries) for live in own_batches(entries, HILL.wid)] == [2, 1]


@pytest.mark.parametrize(("count", "size"), [(MAX_BATCH_ENTRIES + 1, 0), (5, 65_000)])
def test_pushed_batches_fit_a_frame(count: int, size: int) -> None:
    batches = list(own_batches(stored(authored(HILL, count, size)), HILL.wid))

    assert len(batches) == 2
    assert all(live.size <= MAX_BATCH_BYTES for live in batches)
    assert batches[1].first == batches[0].last.seq + 1


@pytest.mark.parametrize("header", [b"", b"\xc1", b"\x80", b"\x91\xa1\xff"])
def test_glance_at_what_is_no_header_shows_nothing(header: bytes) -> None:
    assert glance(Envelope(header, b"", b"")) is None


@asynccontextmanager
async def serving(config: Config, *, head_ms: int = 10_000) -> AsyncIterator[PeerServer]:
    """A peer port on the machine's network, whose links end at once."""

    async def run(*_: object) -> None:
        return

    keyring = Keyring(
        cid=HILL.cid, writer=HILL.writer, manager=HILL.manager, prekeys=[], key_ops=HILL.key_ops
    )
    network = AiohttpNetwork.open(limits=config.limits, waits=config.waits, head_ms=head_ms)
    async with network as opened:
        server = PeerServer(config, keyring, opened, run)
        await server.start()
        yield server
        await server.stop()


async def is_ended(reader: asyncio.StreamReader) -> bool:
    """Whether the other end closes or resets the connection without a word."""
    try:
        return await asyncio.wait_for(reader.read(), 10) == b""
    except ConnectionResetError:
        return True


async def test_connection_that_says_nothing_is_dropped() -> None:
    async with serving(Config(name="Hill", peer_port=0), head_ms=50) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /sheaf/1/li")

        assert await is_ended(reader)

        writer.close()


async def test_connections_beyond_twice_the_links_cost_the_oldest() -> None:
    async with serving(Config(name="Hill", peer_port=0, limits=Limits(links=1))) as server:
        first_two = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
        await asyncio.sleep(0.05)
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)

        assert await is_ended(first_two[0][0])

        for one in (*(writer for _, writer in first_two), writer):
            one.close()


async def test_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        async with serving(Config(name="Hill", peer_host="192.0.2.1", peer_port=0)):
            pass

    assert caught.value.code == "peer.address"
    assert "peer_host" in caught.value.detail


def test_bucket_is_empty_after_a_burst() -> None:
    bucket = Bucket(0)

    assert bucket.take(BURST, 0)
    assert not bucket.take(1, 0)


def test_bucket_fills_with_time_and_not_beyond_a_burst() -> None:
    bucket = Bucket(0)
    bucket.take(BURST, 0)

    assert bucket.take(PER_SECOND, 1_000)
    assert not bucket.take(PER_SECOND, 1_500)
    assert bucket.take(BURST, 10_000_000)
    assert not bucket.take(1, 10_000_000)


def test_bucket_does_not_empty_where_the_clock_is_set_back() -> None:
    bucket = Bucket(1_000_000)

    assert bucket.take(BURST, 0)


@pytest.mark.parametrize(
    ("prefixes", "amount"),
    [([""], 66), (["a"], 6), (["ab"] * 16, 2), (list("0123456789abcdef"), 66)],
)
def test_question_for_many_logs_costs_more(prefixes: list[str], amount: int) -> None:
    assert work(TreeWant(bytes(16), prefixes)) == amount


@pytest.mark.parametrize(("last", "amount"), [(1, 1), (256, 2), (2_048, 9), (0, 1)])
def test_question_about_many_payloads_costs_more(last: int, amount: int) -> None:
    log = LogId(bytes(32))

    assert work(PayloadWant(bytes(16), [RangeItem(log, 1, last)])) == amount


def test_what_credit_pays_for_or_answers_costs_nothing() -> None:
    assert work(Served(bytes(16))) == 0


def test_control_items_rest_for_longer_the_longer_they_change() -> None:
    rests = [CONTROL_REST_MS]
    for _ in range(8):
        rests.append(rest_after(rests[-1], is_quiet=False))

    assert rests[1] == 2 * CONTROL_REST_MS
    assert rests[-1] == CONTROL_MOST_MS
    assert rest_after(CONTROL_MOST_MS, is_quiet=True) == CONTROL_REST_MS


def test_bucket_of_a_co_op_outlives_its_links() -> None:
    buckets, coop = Buckets(), CoopId(b"c" * 32)
    buckets.of(coop, 0).take(BURST, 0)

    assert not buckets.of(coop, 0).take(1, 0)


def test_buckets_of_many_co_ops_are_bounded() -> None:
    buckets, first = Buckets(), CoopId(bytes(32))
    buckets.of(first, 0).take(BURST, 0)
    for number in range(1, MAX_MEMBERS + 1):
        buckets.of(CoopId(number.to_bytes(32)), 0)

    assert buckets.of(first, 0).take(BURST, 0)


def test_small_control_items_cost_what_their_size_does_not_pay_for() -> None:
    op = KeyOp(body=bytes(8_000), signatures=[])
    large = ControlItems([KeyOps(CoopId(bytes(32)), [op] * 3)], [], [], True)

    assert [work(ControlItems([], [], [], True)), work(large)] == [1, 0]
