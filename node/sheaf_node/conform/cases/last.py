"""Cases that fill the node up: they begin when all others have."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from sheaf_node.conform.cases.door import refusal
from sheaf_node.conform.model import Failed, case

if TYPE_CHECKING:
    from sheaf_node.conform.scene import Scene

BIG: Final = 16 * 1_048_576
"""Bytes of the largest blob."""
FEW: Final = 12
"""Blobs of that size: more than the throw-away node of `sheaf conform own` keeps."""
MANY: Final = 70
"""Blobs wanted at a time: more than this implementation fetches."""


@case(
    "blob-quota",
    "SYN-54",
    "A node that keeps no more blobs says so",
    coops=0,
    codes=("blob.quota",),
    surface="api",
)
async def _quota(scene: Scene) -> None:
    path = f"/api/v1/blobs?federation={scene.fid.hex()}"
    for _ in range(FEW):
        status, answer = await refusal(scene, "PUT", path, body=os.urandom(BIG))
        if status >= 400:
            scene.expect("blob.quota", answer.get("code"), "code")
            return
    scene.say(f"{FEW} of the largest blobs were kept")


@case(
    "blob-too-many-wanted",
    "SYN-51",
    "A node that fetches no more blobs at a time says so",
    coops=0,
    codes=("blob.busy",),
    surface="api",
)
async def _busy(scene: Scene) -> None:
    for _ in range(MANY):
        path = f"/api/v1/blobs/{os.urandom(32).hex()}?federation={scene.fid.hex()}"
        status, answer = await refusal(scene, "GET", path)
        if isinstance(answer, dict) and answer.get("code") == "blob.busy":
            return
        if status not in {200, 202, 404}:
            raise Failed(expected="an answer that waits, or blob.busy", got=f"{status} {answer}")
