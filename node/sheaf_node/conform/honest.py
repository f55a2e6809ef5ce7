"""The honest peer of a case: what it may expect of the node, whatever another peer did to that.

The last co-op of a case plays it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from sheaf_node.conform.model import Failed
from sheaf_protocol.digest import digest, short
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.frontier import FrontierItem
from sheaf_protocol.link.messages import Have, PayloadWant, RangeItem, Reject, Served, Want

if TYPE_CHECKING:
    from sheaf_node.conform.peer import KitPeer
    from sheaf_node.conform.scene import Scene
    from sheaf_protocol.digest import Digest, EntryId, FederationId
    from sheaf_protocol.identity import SigningKey
    from sheaf_protocol.testing.author import LogAuthor, TestCoop

NOTE: Final = "x.note"
"""A kind of no chapter: it is stored and relayed, and has no further meaning."""
EMPTY_MAP: Final = b"\x80"
_QUESTION: Final = cast("type[Want | PayloadWant]", Want | PayloadWant)
_ROUNDS: Final = 100
_PAUSE_S: Final = 0.02


def notes(author: LogAuthor, count: int, kind: str = NOTE) -> list[Envelope]:
    """Return the next entries of an author, without any content."""
    return [author.append(kind, EMPTY_MAP) for _ in range(count)]


def signed_by(entry: Envelope, key: SigningKey, purpose: str = "entry-signature") -> Envelope:
    """Return an entry under another signature: of any key, for any purpose."""
    return Envelope(entry.header, key.sign(purpose, entry.header), entry.payload)


async def require_unharmed(
    scene: Scene, coop: TestCoop | None = None, fid: FederationId | None = None
) -> KitPeer:
    """Return the honest peer's link once the node took and showed an entry of it."""
    peer = await scene.ready(coop or scene.coops[-1], fid)
    await peer.push(*notes(peer.author, 1))
    await require_place(peer, peer.author, 1, peer.author.head.id)
    return peer


async def require_place(peer: KitPeer, author: LogAuthor, seq: int, head: EntryId | Digest) -> None:
    """Return once the node shows a log at this number with this head, in full (SYN-27)."""
    seen = None
    for _ in range(_ROUNDS):
        # Once it is there without its first entry, which would take of a credit that nobody renews.
        ask = peer.heads if seen is None else peer.place
        seen = await ask(author.log, author.fid)
        if seen is not None and (seen.seq, bytes(seen.head)) == (seq, bytes(head)):
            return
        await asyncio.sleep(_PAUSE_S)
    expected = f"log {short(author.log)} at {seq}, {short(head)}"
    got = "no such log" if seen is None else f"{seen.seq}, {bytes(seen.head[:4]).hex()}"
    raise Failed(expected=expected, got=got)


async def require_no_log(peer: KitPeer, author: LogAuthor) -> None:
    """Return if the node shows nothing of a log."""
    seen = await peer.heads(author.log, author.fid)
    if seen is not None:
        expected = f"nothing of log {short(author.log)}"
        raise Failed(expected=expected, got=f"entries up to {seen.seq}")


async def require_refused(peer: KitPeer, code: str) -> None:
    """Return once the node said that it did not store an entry, and why."""
    refusal = await peer.hear(Reject)
    if refusal.code != code:
        raise Failed(expected=f"a refusal with {code}", got=refusal.code)


async def announce(peer: KitPeer, author: LogAuthor, seq: int, head: bytes = b"announced") -> None:
    """Claim to hold a log up to a place, under a root that is nobody's."""
    item = FrontierItem(author.log, seq, head[:8])
    await peer.send(Have(peer.scope(), digest("conform-root", head), 1, [item]))


async def asked(peer: KitPeer, author: LogAuthor) -> RangeItem:
    """Return the range of a log that the node asks for.

    It may lack payloads of other cases, and asks one question at a time (SYN-11): those are
    answered with nothing.
    """
    while True:
        question = await peer.hear(_QUESTION)
        if isinstance(question, PayloadWant):
            await peer.send(Served(peer.scope()))
            continue
        for wanted in question.ranges:
            if wanted.log == author.log:
                return wanted


async def asked_payload(peer: KitPeer, author: LogAuthor) -> None:
    """Return once the node asks for a payload of this log; other questions get no answer."""
    while True:
        question = await peer.hear(PayloadWant)
        if any(wanted.log == author.log for wanted in question.ranges):
            return
        await peer.send(Served(peer.scope()))
