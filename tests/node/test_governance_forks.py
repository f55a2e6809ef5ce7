"""Two certificates of one epoch: the halt, and how people settle it."""

from __future__ import annotations

import pytest
from tests.node.commons import POLICY, Commons, code_of

from sheaf_node.charter_file import (
    make_charter_file,
    read_charter_file,
    refounding_file,
    sign_charter,
)
from sheaf_protocol.errors import Refusal
from sheaf_protocol.testing.author import make_coop
from sheaf_protocol.testing.epoch import about, make_epoch


async def test_two_certificates_halt_the_federation_and_both_are_shown(commons: Commons) -> None:
    hill, dale, moor, *_ = commons.nodes
    coops = [node.coop for node in commons.nodes]
    sides = [
        make_epoch(hill.federation, about("suspend", node.coop), coops) for node in (dale, moor)
    ]

    for side in sides:
        await hill.ingest.receive_certificate(side)
    await commons.settle()

    shown = await hill.charter()
    assert shown["is_forked"]
    assert {each["id"] for each in shown["fork"]} == {side.id.hex() for side in sides}
    refused = hill.propose(action="suspend", coop=dale.coop.name)
    assert await code_of(refused) == "charter.forked"
    await commons.pass_time(POLICY.round_ms, steps=3)
    assert hill.kinds() == []


async def test_people_settle_a_fork_by_a_charter_that_a_quorum_signs(commons: Commons) -> None:
    hill, dale, moor, *_, lake = commons.nodes
    coops = [node.coop for node in commons.nodes]
    sides = [
        make_epoch(hill.federation, about("suspend", node.coop), coops) for node in (dale, moor)
    ]
    for side in sides:
        await hill.ingest.receive_certificate(side)
    await commons.settle()
    body = bytes.fromhex((await hill.view("refounding", without="Lake"))["body"])
    chain = hill.store.chains[commons.genesis.fid]
    file = refounding_file(read_charter_file(make_charter_file(chain, hill.store.key_ops)), body)

    for node in commons.nodes[:4]:
        file = sign_charter(read_charter_file(file), node.keyring)
    assert await code_of(hill.command("refound", file)) == "charter.quorum"
    file = sign_charter(read_charter_file(file), commons.nodes[4].keyring)
    await hill.command("refound", file)
    await commons.settle()

    assert not hill.federation.is_forked
    assert not hill.federation.is_member(lake.coop.cid)
    assert {node.federation.id for node in commons.nodes} == {hill.federation.id}
    commons.away = {lake}
    ballot = await hill.propose(action="policy", policy={"fee_bps": 300})
    await commons.settle()
    for node in commons.here():
        await node.vote(ballot)
    await commons.pass_time(POLICY.round_ms, steps=8)
    assert dale.federation.charter.policy.fee_bps == 300


async def test_a_federation_that_is_whole_is_not_founded_again(commons: Commons) -> None:
    hill, *_ = commons.nodes
    chain = hill.store.chains[commons.genesis.fid]
    file = make_charter_file(chain, hill.store.key_ops)

    assert await code_of(hill.view("refounding")) == "charter.refounding"
    assert await code_of(hill.command("refound", file)) == "charter.refounding"


async def test_who_is_left_out_of_a_refoundation_cannot_sign_it(commons: Commons) -> None:
    hill, dale, *_ = commons.nodes
    coops = [node.coop for node in commons.nodes]
    for node in (hill, dale):
        side = make_epoch(commons.nodes[2].federation, about("suspend", node.coop), coops)
        await hill.ingest.receive_certificate(side)
    body = bytes.fromhex((await hill.view("refounding", without="Dale"))["body"])
    chain = hill.store.chains[commons.genesis.fid]
    file = refounding_file(read_charter_file(make_charter_file(chain, hill.store.key_ops)), body)

    with pytest.raises(Refusal) as refusal:
        sign_charter(read_charter_file(file), dale.keyring)

    assert refusal.value.code == "charter.not_member"


async def test_late_certificate_is_shown_with_those_voters_that_signed_it(commons: Commons) -> None:
    hill, dale, moor, *_ = commons.nodes
    coops = [node.coop for node in commons.nodes]
    founded = hill.federation
    rival = make_epoch(founded, about("suspend", moor.coop), [*coops, make_coop("Stranger")])
    for action in ("suspend", "restore"):
        made = make_epoch(hill.federation, about(action, dale.coop), coops)
        await hill.ingest.receive_certificate(made)
    newest = hill.federation

    await hill.ingest.receive_certificate(rival)
    await commons.settle()

    [late] = (await hill.charter())["late"]
    assert (late["id"], late["epoch"], late["against"]) == (rival.id.hex(), 1, 1)
    assert {each["cid"] for each in late["approvals"]} == {coop.cid.hex() for coop in coops}
    assert hill.federation == newest
