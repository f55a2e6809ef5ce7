"""Blobs on a link (chapter 06, section 8)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from sheaf_node.conform.model import Failed, case
from sheaf_protocol.blob import BlobId, require_piece
from sheaf_protocol.digest import Digest
from sheaf_protocol.link.messages import BlobEnd, BlobPiece, BlobWant

if TYPE_CHECKING:
    from sheaf_node.conform.scene import Scene

SIZE: Final = 150_000
"""Bytes of the blob that cases add: three pieces."""


@case(
    "blob-unknown",
    ("SYN-45", "SYN-48"),
    "A blob that is not held is answered by its end",
    codes=("blob.unknown",),
)
async def _unknown(scene: Scene) -> None:
    peer = await scene.ready()
    id_ = BlobId(os.urandom(32))
    await peer.send(BlobWant(peer.scope(), id_, 0, 0))
    end = await peer.hear(BlobEnd)
    scene.saw(end.code)

    scene.expect((id_, "blob.unknown"), (end.id, end.code), "end")


@case(
    "blob-piece-unasked",
    ("SYN-46", "SYN-49"),
    "A piece that nobody asked for ends the link",
    codes=("blob.piece",),
)
async def _unasked(scene: Scene) -> None:
    peer = await scene.ready()
    await peer.send(BlobPiece(peer.scope(), BlobId(os.urandom(32)), 5, 0, [], b"sheaf"))

    await peer.ended("blob.piece")


@case(
    "blob-end-unasked", "SYN-46", "An end that answers nothing ends the link", codes=("blob.piece",)
)
async def _end_unasked(scene: Scene) -> None:
    peer = await scene.ready()
    await peer.send(BlobEnd(peer.scope(), BlobId(os.urandom(32)), "ok"))

    await peer.ended("blob.piece")


@case(
    "blob-five-questions",
    "SYN-47",
    "A fifth question for a blob while four are open ends the link",
    codes=("blob.wants",),
    surface="api",
)
async def _five(scene: Scene) -> None:
    ids = [await _added(scene, os.urandom(4_000_000)) for _ in range(5)]
    peer = await scene.ready()
    for id_ in ids:
        await peer.send(BlobWant(peer.scope(), id_, 0, 60))

    await peer.ended("blob.wants")


@case(
    "blob-asked-twice",
    "SYN-47",
    "Two open questions for one blob end the link",
    codes=("blob.wants",),
    surface="api",
)
async def _twice(scene: Scene) -> None:
    id_ = await _added(scene, os.urandom(4_000_000))
    peer = await scene.ready()
    for _ in range(2):
        await peer.send(BlobWant(peer.scope(), id_, 0, 60))

    await peer.ended("blob.wants")


@case(
    "blob-served",
    ("SYN-43", "SYN-45"),
    "A blob's pieces come in order, each proven, and then its end",
    surface="api",
)
async def _served(scene: Scene) -> None:
    data = os.urandom(SIZE)
    id_ = await _added(scene, data)
    peer = await scene.ready()
    await peer.send(BlobWant(peer.scope(), id_, 0, 255))
    end = await peer.hear(BlobEnd)
    pieces = [message for message in peer.heard if isinstance(message, BlobPiece)]
    for piece in pieces:
        require_piece(id_, piece.size, piece.index, piece.data, piece.path)

    scene.expect([0, 1, 2], [piece.index for piece in pieces], "pieces")
    scene.expect(data, b"".join(piece.data for piece in pieces), "bytes")
    scene.expect("ok", end.code, "end")


@case("blob-piece-in-the-middle", "SYN-45", "A piece in the middle comes alone", surface="api")
async def _middle(scene: Scene) -> None:
    id_ = await _added(scene, os.urandom(SIZE))
    peer = await scene.ready()
    await peer.send(BlobWant(peer.scope(), id_, 1, 1))
    await peer.hear(BlobEnd)
    pieces = [message for message in peer.heard if isinstance(message, BlobPiece)]

    scene.expect([1], [piece.index for piece in pieces], "pieces")


@case("blob-beyond-its-end", "SYN-45", "Of pieces beyond a blob's end none comes", surface="api")
async def _beyond(scene: Scene) -> None:
    id_ = await _added(scene, os.urandom(100))
    peer = await scene.ready()
    await peer.send(BlobWant(peer.scope(), id_, 5, 9))
    end = await peer.hear(BlobEnd)
    pieces = [message for message in peer.heard if isinstance(message, BlobPiece)]

    scene.expect(([], "ok"), (pieces, end.code), "pieces and end")


@case(
    "blob-of-another-federation",
    "SYN-48",
    "A blob of one federation is unknown in another",
    sides=1,
    codes=("blob.unknown",),
    surface="api",
)
async def _elsewhere(scene: Scene) -> None:
    id_ = await _added(scene, os.urandom(100))
    side = scene.sides[0]
    peer = await scene.ready(side.coops[0], side.fid)
    await peer.send(BlobWant(peer.scope(), id_, 0, 0))
    end = await peer.hear(BlobEnd)
    scene.saw(end.code)

    scene.expect("blob.unknown", end.code, "end")


async def _added(scene: Scene, data: bytes) -> BlobId:
    """Add a blob for the shared federation by the local API."""
    path = f"/api/v1/blobs?federation={scene.fid.hex()}"
    status, answer = await scene.api.ask(scene.client, "PUT", path, body=data, say=scene.say)
    if status >= 300:
        raise Failed(expected="a blob's id", got=f"{status} {answer}")
    return BlobId(Digest(bytes.fromhex(answer["id"])))
