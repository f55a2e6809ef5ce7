"""Seven real nodes, of which one is stopped while its co-op tells the others two things.

It is the proposer of the first round and speaks over real sockets with its own keys: three accept
one value, three another, and no value gets a quorum of five.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.federation.conftest import EvilPeer
from tests.federation.village import NAMES, Village, until

from sheaf_node.keyring import load_keyring, read_files
from sheaf_node.keyring.files import NEXT, ROTATION
from sheaf_protocol.digest import Digest, FederationId
from sheaf_protocol.governance import Accept, to_record
from sheaf_protocol.identity import fold_key_log, signing_key
from sheaf_protocol.json_view import from_json
from sheaf_protocol.records.governance import Ballot, CertificateProposal, Proposal
from sheaf_protocol.testing.author import LogAuthor, TestCoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.federation.village import Node

    from sheaf_protocol.envelope import Envelope
    from sheaf_protocol.records import Record

POLICY = {"round_ms": 8_000, "ballot_ms": 60_000}
"""The first round lasts until the evil co-op has told everyone, on a busy machine too."""
QUORUM = 5
Logged = list[dict[str, Any]]


class Split:
    """The seven as founders: the evil one is the proposer of the first round, and is stopped."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.village = Village(folder, stack)
        charter = self.village.found(POLICY)
        self.fid = FederationId(bytes.fromhex(charter["fid"]))
        by_cid = sorted(charter["members"], key=lambda member: member["cid"])
        turn = int.from_bytes(self.fid[:8]) % len(by_cid)  # RND-1
        name = by_cid[turn]["name"].lower()
        honest = [each for each in NAMES if each != name]
        self.evil = self.village.nodes[name]
        self.one, self.other = (
            [self.village.nodes[each] for each in group] for group in (honest[:3], honest[3:])
        )
        self.village.wire(honest[:3], honest[3:], [name])
        self.village.start_all()
        self.village.agree(*NAMES)
        self.evil.kill()

    @property
    def honest(self) -> list[Node]:
        return [*self.one, *self.other]

    def logged(self, node: Node, kind: str = "") -> Logged:
        """Return what a node holds of a kind, or of all, in the order of arrival."""
        items = (node.get("/api/v1/log?limit=1000") or {"items": []})["items"]
        return [item for item in items if kind in {"", item["kind"]}]

    def said(self, node: Node, kind: str) -> Logged:
        return [item["record"] for item in self.logged(node, kind)]

    def cids(self, node: Node, kind: str) -> set[str]:
        return {item["cid"] for item in self.logged(node, kind)}

    def accepted(self, node: Node) -> list[str]:
        """Return what co-ops accepted in the first round, as far as a node knows."""
        accepts = self.said(node, "charter.accept")
        return [said["certificate"] for said in accepts if said["round"] == 0]

    def pass_ballot(self) -> str:
        """Let all six vote for a change of the policy, and all know it."""
        first = self.honest[0]
        ballot = self.village.propose(first.name, "policy", "set", "fee_bps=300")
        for node in self.honest:
            node.vote(ballot)
        until_all(self.honest, lambda node: len(self.logged(node, "ballot.vote")) == 6)
        return ballot

    def value(self, votes: Sequence[dict[str, Any]]) -> CertificateProposal:
        """Return what the evil co-op puts forward: the one ballot, and some of its votes."""
        [item] = self.logged(self.honest[0], "ballot.propose")
        return CertificateProposal(
            ballot=Ballot(
                proposal=bytes.fromhex(item["id"]),
                votes=sorted(bytes.fromhex(vote["id"]) for vote in votes),
            ),
            change=from_json(item["record"], Proposal).change,
            heads=[],
            lines=[],
            prev=self.fid,
            round=0,
        )

    async def tell(self, nodes: Sequence[Node], *said: Envelope) -> None:
        """Let the evil co-op bring entries of its log to some nodes, each over its own socket."""
        await asyncio.gather(*(self._tell(node, said) for node in nodes))

    async def _tell(self, node: Node, said: Sequence[Envelope]) -> None:
        now_ms = time.time_ns() // 1_000_000
        peer = EvilPeer(coop_of(self.evil.home), self.fid, node.peer_port, now_ms)
        async with peer:
            await peer.become_ready()
            await peer.push(*said)
            await asyncio.to_thread(until, node, lambda: self._holds(node, said[-1]))

    def _holds(self, node: Node, envelope: Envelope) -> bool:
        return envelope.id.hex() in {item["id"] for item in self.logged(node)}


def until_all(nodes: Sequence[Node], is_true: Callable[[Node], bool]) -> None:
    until(nodes[0], lambda: all(map(is_true, nodes)), *nodes[1:])


def coop_of(home: Path) -> TestCoop:
    """Return a co-op with the keys of its home."""
    keyring, files = load_keyring(home), read_files(home)
    keys = fold_key_log(keyring.key_ops)
    return TestCoop(
        name=keys.name,
        manager=keyring.require_manager(),
        rotation=signing_key(files.secret(ROTATION)),
        next=signing_key(files.secret(NEXT)),
        guardians=(),
        writer=keyring.writer,
        prekey=keyring.prekeys[-1],
        key_ops=list(keyring.key_ops),
        keys=keys,
    )


@pytest.fixture
def split(tmp_path: Path) -> Iterator[Split]:
    with ExitStack() as stack:
        yield Split(tmp_path, stack)


async def test_nodes_that_a_proposer_split_abandon_and_end_with_one_chain(split: Split) -> None:
    coop, (hill, *_), (mill, *_) = coop_of(split.evil.home), split.one, split.other
    ballot = split.pass_ballot()
    votes = split.logged(hill, "ballot.vote")
    author = LogAuthor(coop, split.fid, now_ms=time.time_ns() // 1_000_000)
    twin = author.twin()
    first, second = author.publish(split.value(votes[:5])), twin.publish(split.value(votes[1:]))

    # Each half hears one thing, and the evil co-op says to the first that it accepts that, too.
    split.village.part()
    await split.tell(split.one, first)
    await split.tell(split.other, second)
    until_all(split.honest, lambda node: len(split.accepted(node)) == 3)
    [v], [w] = (set(split.accepted(node)) for node in (hill, mill))
    step = Accept(certificate=Digest(bytes.fromhex(v)), round=0)
    accept = author.publish(cast("Record", to_record(step, split.fid, coop.writer.sign)))
    await split.tell(split.one, first, accept)
    assert v != w
    assert [split.accepted(hill), split.accepted(mill)] == [[v] * 4, [w] * 3]
    assert {len(node.chain) for node in split.honest} == {1}
    split.village.join()
    assert split.village.agree(*(node.name for node in split.honest), length=2) == 2

    # No quorum accepted either, so nobody showed a lock, and a later round was free to decide.
    until_all(split.honest, lambda node: node.state(ballot) == "certified")
    until_all(split.honest, lambda node: len(split.cids(node, "charter.abandon")) >= QUORUM)
    until_all(split.honest, lambda node: len(split.cids(node, "charter.approve")) >= QUORUM)
    until_all(split.honest, lambda node: node.forked == 1)
    for node in split.honest:
        assert not any("lock" in said for said in split.said(node, "charter.abandon"))
        approvals = split.said(node, "charter.approve")
        assert {said["certificate"] for said in approvals} == {node.chain[1]}
        assert min(said["round"] for said in approvals) > 0
