"""Seven real nodes, each a process: founded by one, the others admitted by votes one after another.

Two of the seven reach the others through a relay that the test cuts half the time.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from msgspec import structs
from tests.federation.village import NAMES, Node, Village, until

from sheaf_node.cli.client import NodeClient
from sheaf_protocol.errors import Refusal
from sheaf_protocol.json_view import to_json
from sheaf_protocol.records import Item, PoolOpen, Price

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POOL = PoolOpen(
    closes_at_ms=2**50,
    fee_bps=0,
    item=Item(code="feed", name="Feed", scale=0, unit="KGM"),
    k_min=3,
    may_close_early=False,
    mode="open",
    objective="max_saving/1",
    owner=bytes(32),
    ration="pro_rata/1",
    reference=Price(amount=10, base=1, currency="GBP"),
    title="Feed",
    zone="N",
)


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    with ExitStack() as stack:
        made = Village(tmp_path, stack)
        made.wire(NAMES[:5], NAMES[5:])
        yield made


def refused_pool(node: Node, *, fee_bps: int) -> Refusal:
    """Return what a node says to a pool with a fee."""
    record = to_json(structs.replace(POOL, fee_bps=fee_bps))
    body = json.dumps({"record": record}).encode()
    with pytest.raises(Refusal) as refusal:
        NodeClient(node.home).post("/api/v1/records/pool.open", body)
    return refusal.value


def test_seven_nodes_end_with_one_chain_of_certificates(village: Village) -> None:
    hill, dale, fell, mill = (village.nodes[name] for name in ("hill", "dale", "fell", "mill"))
    here, left = NAMES[:5], [name for name in NAMES if name != "fell"]
    village.admit_all()

    # A quorum of five goes on without the two, and they catch up.
    village.part()
    village.decide("hill", "policy", "set", "fee_bps=300", voters=here)
    assert village.agree(*here) == 8
    assert len(village.nodes["lake"].chain) == 7
    village.join()
    assert village.agree(*NAMES) == 8

    # The new policy is enforced, and named.
    refusal = refused_pool(dale, fee_bps=301)
    assert refusal.code == "policy.fee"
    assert "policy version 1" in refusal.detail

    # One is expelled while the two are away and another node dies.
    village.part()
    ballot = village.propose("hill", "propose", "expel", "Fell")
    for name in ("hill", "dale", "moor", "mill"):
        village.nodes[name].vote(ballot)
    mill.kill()
    mill.start()
    until(hill, lambda: hill.state(ballot) == "certified")
    village.join()
    assert village.agree(*NAMES) == 9
    assert not fell.charter["is_member"]
    assert refused_pool(fell, fee_bps=0).code == "charter.left"

    # One of the two decides with all that are left.
    village.decide("lake", "policy", "set", "no_show_bps=800", voters=left)
    assert village.agree(*left) == 10
    assert not any(village.nodes[name].charter["doubles"] for name in left)
