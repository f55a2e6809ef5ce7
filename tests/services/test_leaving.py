"""A co-op that has left keeps its node running: no service there may end by a fault."""

from __future__ import annotations

import pytest

from sheaf_protocol.records.governance import Change
from sheaf_protocol.testing.epoch import make_epoch


@pytest.mark.parametrize("action", ["leave", "expel"])
async def test_services_go_on_where_their_coop_is_no_member_any_more(federation, action):
    hill = federation.join("Hill", "member", "coordinator")
    rest = [federation.join(name, "member") for name in ("Dale", "Moor")]
    mills = federation.join("Mills", "supplier", "carrier", "member")
    await federation.begin()
    await federation.settle()
    [before] = hill.ingest.federations.values()
    signers = [hill.coop, *(node.coop for node in rest), mills.coop]
    gone = make_epoch(before, Change(action=action, cid=mills.coop.cid), signers)

    await mills.ingest.receive_certificate(gone)

    await mills.turn()
    assert not mills.ingest.federations[before.fid].is_member(mills.coop.cid)
