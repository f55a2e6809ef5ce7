"""A co-op bids for small members, and each of them checks that its line is part of the bid."""

from __future__ import annotations

import json

import pytest
from msgspec import structs
from tests.services.private_demand.village import LINES, SERVICE, bid_of, opening_of

from sheaf_protocol.errors import Refusal

ANN = {"name": "Ann", "quantities": [50, 30, 0], "salt": "0123456789abcdef" * 2}
BOB = {"name": "Bob", "prices": {"900": 9}}


@pytest.fixture
async def handed(village):
    """Return what Hill hands to Ann and Bob, and what it wants for itself is one."""
    await village.open()
    body = {"quantities": [1, 1, 0], "members": [ANN, BOB]}
    answer = await village.hill.command(SERVICE, "bid", json.dumps(body).encode())
    await village.federation.settle()
    assert answer["quantities"] == [60, 31, 0]
    return {each["name"]: each for each in answer["members"]}


async def check(node, proof):
    return await node.command(SERVICE, "check_share", json.dumps(proof).encode())


async def test_every_small_member_finds_its_line_in_the_bid_with_a_friends_node(village, handed):
    [bid] = village.dale.seen("curve.bid")

    for name in ("Ann", "Bob"):
        found = await check(village.dale, handed[name])
        assert found["sums"] == [60, 31, 0]
        assert (found["bid"], found["is_counted"]) == (bid.id.hex(), None)
    assert handed["Ann"]["salt"] == ANN["salt"]
    assert handed["Bob"]["quantities"] == [9, 0, 0]
    assert set(handed) == {"Ann", "Bob"}


async def test_sum_with_small_members_is_part_of_the_totals(village, handed):
    await village.bid_all(village.hill)

    await village.close()

    assert (await village.round(village.dale))["totals"] == [200, 141, 70]


WRONG = [
    pytest.param({"quantities": [40, 30, 0]}, "curve.sum_tree", id="another line"),
    pytest.param({"salt": "00" * 16}, "curve.sum_tree", id="another salt"),
    pytest.param({"index": 7}, "curve.sum_tree", id="another place"),
    pytest.param({"index": -1}, "curve.sum_tree", id="no place"),
    pytest.param({"members": "00" * 32}, "curve.sum_tree", id="another bid"),
    pytest.param({"blinding": "00" * 32}, "curve.mismatch", id="another blinding"),
    pytest.param({"blinding": "ff" * 32}, "curve.scalar", id="no blinding"),
    pytest.param({"quantities": [101, 0, 0]}, "curve.cap", id="over the cap"),
    pytest.param({"salt": 1}, "curve.option", id="no salt"),
    pytest.param({"coop": "00" * 32}, "curve.sum_tree", id="another co-op"),
    pytest.param({"path": [{"hash": "00", "sums": [0, 0, 0]}]}, "curve.option", id="short hash"),
    pytest.param({"curve": "ff"}, "curve.unknown", id="another round"),
]


@pytest.mark.parametrize(("change", "code"), WRONG)
async def test_proof_that_was_changed_is_refused(village, handed, change, code):
    with pytest.raises(Refusal) as caught:
        await check(village.dale, handed["Ann"] | change)

    assert caught.value.code == code


async def test_proof_of_a_tree_that_no_bid_names_is_refused(village, handed):
    await village.bid_all(village.hill)
    # The same line once more: a second tree with salts of its own, of which Hill bids the newer.
    body = {"members": [{"name": "Ann", "quantities": LINES["Hill"]}]}
    answer = await village.rook.command(SERVICE, "bid", json.dumps(body).encode())

    with pytest.raises(Refusal) as caught:
        await check(village.dale, answer["members"][0])

    assert caught.value.code == "curve.sum_tree"


async def test_proof_holds_where_another_co_op_copies_the_root(village, handed):
    [bid] = village.dale.seen("curve.bid")
    copy = bid_of(bid.record.curve, opening_of("rook", 1, 1, 1))
    village.script(village.rook)
    for commitment in (copy.commitment, bid.record.commitment, bytes(32)):
        fake = structs.replace(copy, commitment=commitment, members=bid.record.members)
        await village.rook.publish(fake, [bid.record.curve])
    await village.federation.settle()

    found = await check(village.dale, handed["Ann"])

    assert (found["bid"], found["coop"]) == (bid.id.hex(), village.hill.coop.cid.hex())


@pytest.mark.parametrize("commitment", [bytes(32), None])
async def test_proof_holds_where_its_co_op_repeats_the_root(village, handed, commitment):
    [bid] = village.dale.seen("curve.bid")
    village.script(village.hill)
    other = commitment or bid_of(bid.record.curve, opening_of("hill", 60, 31, 0)).commitment
    again = structs.replace(bid.record, commitment=other)
    await village.hill.publish(again, [bid.record.curve])
    await village.federation.settle()

    assert (await check(village.dale, handed["Ann"]))["bid"] == bid.id.hex()


async def test_small_member_learns_whether_the_bid_with_its_line_is_counted(village, handed):
    await village.bid_all(village.hill)
    await village.close()

    assert (await check(village.dale, handed["Ann"]))["is_counted"] is True


async def test_small_member_learns_that_its_co_op_bid_again_without_it(village, handed):
    await village.bid_all()
    await village.close()

    assert (await check(village.dale, handed["Ann"]))["is_counted"] is False
