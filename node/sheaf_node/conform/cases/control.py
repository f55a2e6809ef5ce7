"""Key logs, certificates and fork proofs on a link (chapters 02, 06 and 09)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from msgspec import structs

from sheaf_node.conform.cases.entry import BODY, KIND
from sheaf_node.conform.model import case
from sheaf_node.conform.peer import NOTHING
from sheaf_protocol.digest import Digest, digest
from sheaf_protocol.fork import ForkProof
from sheaf_protocol.identity import KeyOp, fold_key_log, signing_key
from sheaf_protocol.identity.operation import Signature
from sheaf_protocol.link.messages import (
    ControlHave,
    ControlItems,
    ControlWant,
    KeyLogItem,
    KeyLogWant,
    KeyOps,
    Scope,
)
from sheaf_protocol.testing.author import make_coop
from sheaf_protocol.testing.chain import branch_over, prove_fork
from sheaf_protocol.testing.link_pair import flipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.conform.peer import KitPeer
    from sheaf_node.conform.scene import Scene
    from sheaf_protocol.charter import Certificate
    from sheaf_protocol.testing.author import TestCoop

DAY_MS: Final = 86_400_000


async def bring(
    peer: KitPeer,
    *,
    ops: Sequence[tuple[TestCoop, Sequence[KeyOp]]] = (),
    certificates: Sequence[Certificate] = (),
    proofs: Sequence[ForkProof] = (),
) -> None:
    """Tell of control items, wait until the node asks for them, and give them."""
    have = ControlHave(
        [KeyLogItem(coop.cid, coop.keys.size, coop.keys.head) for coop, _ in ops],
        [certificate.id for certificate in certificates],
        [proof.id for proof in proofs],
        True,
    )
    await peer.send(have)
    await peer.hear(ControlWant)
    logs = [KeyOps(coop.cid, list(some)) for coop, some in ops]
    await peer.send(ControlItems(logs, list(certificates), list(proofs), True))


async def told(peer: KitPeer) -> ControlHave:
    """Return all that the node tells of at first."""
    lists = [await peer.hear(ControlHave)]
    while not lists[-1].is_last:
        lists.append(await peer.hear(ControlHave))
    return ControlHave(
        [item for each in lists for item in each.key_logs],
        [id_ for each in lists for id_ in each.certificates],
        [id_ for each in lists for id_ in each.proofs],
        True,
    )


@case("control-before-scope", ("SYN-6", "LNK-21"), "The node's scope follows its control_have")
async def _before(scene: Scene) -> None:
    peer = await scene.ready()
    kinds = [type(message) for message in peer.heard]

    scene.expect(True, kinds.index(ControlHave) < kinds.index(Scope), "control_have first")


@case("control-waits-for-ours", "SYN-6", "Before our control_have the node sends no scope")
async def _waits(scene: Scene) -> None:
    peer = await scene.link()
    await told(peer)
    await peer.send(ControlHave([], [], [], False))
    await peer.send(NOTHING)
    await peer.hear(Scope)

    scene.expect(1, sum(isinstance(m, Scope) for m in peer.heard), "scopes")


@case(
    "control-tells-members",
    "SYN-87",
    "A member is told of the charter and of all members' key logs",
)
async def _members(scene: Scene) -> None:
    have = await told(await scene.link())
    named = {member.cid for member in scene.chain.federation.charter.members}

    scene.expect(set(), named - {item.cid for item in have.key_logs}, "key logs left out")
    scene.expect(
        True, scene.chain.federation.id in have.certificates, "the newest certificate told"
    )


@case(
    "control-chain-in-order",
    "SYN-88",
    "Certificates are told each behind those it stands on",
    sides=1,
)
async def _order(scene: Scene) -> None:
    side = scene.sides[0]
    have = await told(await scene.link(side.coops[0]))
    ids = [certificate.id for certificate in side.chain.certificates]
    places = [have.certificates.index(id_) for id_ in ids if id_ in have.certificates]

    scene.expect(len(ids), len(places), "certificates of the federation told")
    scene.expect(sorted(places), places, "their order")


@case(
    "control-hides-other-federations",
    "SYN-87",
    "A member hears nothing of federations it is not in",
    sides=1,
)
async def _hides(scene: Scene) -> None:
    have = await told(await scene.link())
    side = scene.sides[0]

    scene.expect(
        False, Digest(side.fid) in have.certificates, "the other federation's certificate told"
    )
    hidden = {coop.cid for coop in side.coops}
    scene.expect(set(), hidden & {item.cid for item in have.key_logs}, "key logs told")


@case("control-key-log-given", "SYN-29", "A key log asked for comes whole and folds to its head")
async def _given(scene: Scene) -> None:
    peer = await scene.link()
    have = await told(peer)
    item = next(each for each in have.key_logs if each.cid == scene.node)
    await peer.send(NOTHING)
    await peer.send(ControlWant([KeyLogWant(scene.node, 0)], [], []))
    items = await peer.hear(ControlItems, lambda message: bool(message.key_logs))
    log = fold_key_log(items.key_logs[0].ops)

    scene.expect((item.size, item.head), (log.size, log.head), "size and head")


@case(
    "control-key-log-from",
    "SYN-29",
    "Of a key log asked for from an operation on, that and no more comes",
)
async def _from(scene: Scene) -> None:
    peer = await scene.link()
    await told(peer)
    await peer.send(NOTHING)
    await peer.send(ControlWant([KeyLogWant(scene.node, 1)], [], []))
    items = await peer.hear(ControlItems, lambda message: bool(message.key_logs))

    scene.expect(scene.kit.node.size - 1, len(items.key_logs[0].ops), "operations")


@case(
    "control-certificate-given",
    "SYN-89",
    "A certificate asked for by its id comes as it was signed",
)
async def _certificate(scene: Scene) -> None:
    peer = await scene.link()
    await told(peer)
    await peer.send(NOTHING)
    await peer.send(ControlWant([], [Digest(scene.fid)], []))
    items = await peer.hear(ControlItems, lambda message: bool(message.certificates))

    scene.expect(scene.chain.certificates[0].body, items.certificates[0].body, "body")


@case(
    "control-unknown-wanted",
    "SYN-87",
    "A question for what nobody told of is answered with nothing",
)
async def _unknown(scene: Scene) -> None:
    stranger = make_coop("Stranger", now_ms=scene.now_ms)
    peer = await scene.link()
    await told(peer)
    await peer.send(NOTHING)
    hidden = Digest(os.urandom(32))
    await peer.send(ControlWant([KeyLogWant(stranger.cid, 0)], [hidden], [hidden]))
    items = await peer.hear(ControlItems)

    scene.expect(ControlItems([], [], [], True), items, "answer")


@case(
    "control-new-writer",
    ("SYN-7", "IDN-6"),
    "A writer that a new operation delegates may link and write",
    once=True,
)
async def _new_writer(scene: Scene) -> None:
    coop = scene.coops[0]
    peer = await scene.link()
    old = coop.key_ops[:]
    coop.writer = signing_key(os.urandom(32))
    coop.delegate(coop.writer, scene.now_ms + DAY_MS)
    await bring(peer, ops=[(coop, coop.key_ops[len(old) :])])
    await peer.close()
    second = await scene.ready()
    await second.push(second.author.append(KIND, BODY))

    await scene.require_held(second.author, 1)


@case(
    "control-forged-operation",
    ("SYN-9", "IDN-5"),
    "An operation that its manager did not sign is refused",
    codes=("key.signature",),
)
async def _forged_op(scene: Scene) -> None:
    peer = await scene.link()
    twin = scene.coops[0].twin()
    op = twin.delegate(signing_key(os.urandom(32)), scene.now_ms + DAY_MS)
    [signed] = op.signatures
    bent = Signature(key=signed.key, signature=flipped(signed.signature, 9))
    await bring(peer, ops=[(twin, [KeyOp(body=op.body, signatures=[bent])])])

    await peer.ended("key.signature")


@case(
    "control-operation-of-another",
    "SYN-9",
    "An operation under another co-op's id is refused",
    coops=2,
    codes=("key.wrong_coop",),
)
async def _anothers_op(scene: Scene) -> None:
    peer = await scene.link()
    twin = scene.coops[0].twin()
    op = twin.delegate(signing_key(os.urandom(32)), scene.now_ms + DAY_MS)
    await peer.send(NOTHING)
    victim = scene.coops[1]
    ops = [*victim.key_ops[:1], op]
    await peer.send(ControlItems([KeyOps(scene.coops[0].cid, ops)], [], [], True))

    await peer.ended("key.wrong_coop")


@case(
    "control-writer-key-signs",
    "IDN-5",
    "An operation signed by a writer's key is refused",
    codes=("key.signature",),
)
async def _writer_signs(scene: Scene) -> None:
    peer = await scene.link()
    twin = scene.coops[0].twin()
    op = twin.delegate(signing_key(os.urandom(32)), scene.now_ms + DAY_MS)
    by = twin.writer
    signature = Signature(key=by.public, signature=by.sign("key-operation", op.body))
    await bring(peer, ops=[(twin, [KeyOp(body=op.body, signatures=[signature])])])

    await require_control_refused(scene, peer, "key.authority", "key.signature")


@case(
    "control-fork-proof-taken",
    ("SYN-9", "LOG-10"),
    "A fork proof brought by another is kept and passed on",
    coops=3,
)
async def _proof(scene: Scene) -> None:
    left = scene.author(scene.coops[0])
    right = left.twin()
    proof = prove_fork(left.append("x.left", BODY), right.append("x.right", BODY))
    watcher, bringer = await scene.ready(scene.coops[1]), await scene.ready(scene.coops[2])
    await bring(bringer, proofs=[proof])

    await watcher.hear(ControlHave, lambda message: proof.id in message.proofs)


@case(
    "control-fork-proof-forged",
    ("SYN-9", "LOG-12"),
    "A fork proof with a forged side is refused",
    coops=2,
    codes=("env.signature",),
)
async def _proof_forged(scene: Scene) -> None:
    left = scene.author(scene.coops[0])
    right = left.twin()
    proof = prove_fork(left.append("x.left", BODY), right.append("x.right", BODY))
    side = structs.replace(proof.second, signature=flipped(proof.second.signature, 8))
    peer = await scene.link(scene.coops[1])
    await bring(peer, proofs=[type(proof)(proof.first, side)])

    await peer.ended("env.signature")


@case(
    "control-fork-proof-of-one-entry",
    "LOG-11",
    "A proof over one entry twice is refused",
    coops=2,
    codes=("fork.same_entry",),
)
async def _proof_same(scene: Scene) -> None:
    left = scene.author(scene.coops[0])
    right = left.twin()
    proof = prove_fork(left.append("x.left", BODY), right.append("x.right", BODY))
    peer = await scene.link(scene.coops[1])
    await bring(peer, proofs=[type(proof)(proof.first, proof.first)])

    await peer.ended("fork.same_entry")


@case(
    "control-fork-proof-of-two-places",
    "LOG-10",
    "A proof over two places is refused",
    coops=2,
    codes=("fork.other_place",),
)
async def _proof_places(scene: Scene) -> None:
    left = scene.author(scene.coops[0])
    first, second = left.append(KIND, BODY), left.append(KIND, BODY)
    sides = sorted([branch_over([first]), branch_over([second])], key=lambda branch: branch.id)
    peer = await scene.link(scene.coops[1])
    await bring(peer, proofs=[ForkProof(*sides)])

    await peer.ended("fork.other_place")


async def require_control_refused(scene: Scene, peer: KitPeer, *codes: str) -> None:
    """Raise Failed unless the link ends with one of these codes."""
    await peer.ended(*codes)
    scene.expect(True, bool(peer.ending), "a code")


@case(
    "control-key-log-too-many",
    "SYN-16",
    "A peer that tells of more than 12,288 control items is let go",
    codes=("link.control_size",),
)
async def _too_many(scene: Scene) -> None:
    peer = await scene.link()
    for batch in range(13):
        ids = [digest("test", bytes([batch]), n.to_bytes(2, "big")) for n in range(1_000)]
        await peer.send(ControlHave([], ids, [], False))

    await peer.ended("link.control_size")
