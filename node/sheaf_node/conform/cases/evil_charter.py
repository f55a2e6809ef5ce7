"""Members that sign two things where one may be signed, and a bridge that is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_node.conform.cases.control import bring
from sheaf_node.conform.honest import NOTE, require_place, require_unharmed
from sheaf_node.conform.kit import certify
from sheaf_node.conform.model import case
from sheaf_node.conform.records import NOBODYS
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import Digest, FederationId, digest
from sheaf_protocol.link.messages import ControlHave
from sheaf_protocol.records.bridge import Bridged, Receipt
from sheaf_protocol.records.governance import Change, Proposal, Vote

if TYPE_CHECKING:
    from sheaf_node.conform.scene import Scene
    from sheaf_protocol.testing.author import LogAuthor

DAY_MS = 86_400_000


@case(
    "evil-second-certificate-of-an-epoch",
    ("SYN-89", "SYN-9"),
    "Of two certificates of one epoch that quorums signed the node keeps and tells both",
    sides=1,
    once=True,
)
async def _(scene: Scene) -> None:
    [side] = scene.sides
    first, second = (
        certify(side.chain, Change(action="suspend", cid=side.coops[at].cid), side.coops)
        for at in (2, 3)
    )
    evil = await scene.ready(side.coops[0], side.fid)
    await bring(evil, certificates=[first])
    await bring(evil, certificates=[second])
    witness = await scene.link(side.coops[1])
    wanted = {first.id, second.id}
    await witness.hear(ControlHave, lambda have: wanted <= set(have.certificates))
    await evil.still_open()


@case(
    "evil-two-votes",
    ("BAL-6", "ENV-9"),
    "Two votes of one co-op are stored and passed on, and certify nothing",
    sides=1,
)
async def _(scene: Scene) -> None:
    [side] = scene.sides
    evil = await scene.ready(side.coops[0], side.fid)
    author = evil.author
    proposal = author.publish(
        Proposal(
            change=Change(action="suspend", cid=side.coops[3].cid),
            closes_at_ms=scene.now_ms + 8 * DAY_MS,
            epoch=Digest(side.chain.federation.id),
            text="",
            title="Conformance",
        )
    )
    votes = [author.publish(Vote(choice=c, proposal=proposal.id)) for c in ("yes", "no", "yes")]
    await evil.push(proposal, *votes)
    witness = await require_unharmed(scene, side.coops[1], side.fid)
    await require_place(witness, author, 4, votes[-1].id)
    kept = await scene.entries(author, 2, 4)
    scene.expect([vote.id for vote in votes], [entry.id for entry in kept], "the votes given out")
    told = await (await scene.link(side.coops[2])).hear(ControlHave)
    known = {certificate.id for certificate in side.chain.certificates}
    scene.expect(known, set(told.certificates), "the certificates told")


def forged_import(author: LogAuthor) -> Bridged:
    """Return what claims to be an entry of a federation that nobody founded."""
    inner = author.twin().append(NOTE, encode({"text": "forged"}))
    home = FederationId(digest("conform-federation", b"of nobody"))
    receipt = Receipt(header=inner.header, payload=inner.payload, signature=inner.signature)
    return Bridged(
        header=inner.header,
        is_view=False,
        payload=inner.payload,
        proof=inner.signature,
        receipt=receipt,
        treaty=Digest(NOBODYS),
        via=[home],
    )


@case(
    "evil-forged-import",
    ("ENV-9", "TRT-9"),
    "What a co-op that is no bridge says it brought is stored as its entry, and relayed",
    coops=2,
)
async def _(scene: Scene) -> None:
    evil = await scene.ready()
    entry = evil.author.publish(forged_import(evil.author))
    await evil.push(entry)
    honest = await require_unharmed(scene)
    await require_place(honest, evil.author, 1, entry.id)
    [kept] = await scene.entries(evil.author, 1, 1)
    scene.expect((entry.header, entry.payload), (kept.header, kept.payload), "the bytes kept")
    await evil.still_open()
