"""Whatever moment a process is killed at, what stands under a blob's name is the whole blob."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from sheaf_node.blobs import Blobs
from sheaf_protocol.blob import BlobId, blob_id, split

if TYPE_CHECKING:
    from pathlib import Path

ADDER = """
import asyncio, sys
from pathlib import Path
from sheaf_node.blobs import Blobs
from sheaf_protocol.digest import FederationId

async def main():
    blobs, number = Blobs(Path(sys.argv[1]), quota_bytes=1 << 40), 0
    while True:
        data = number.to_bytes(8) * 250_000
        ref = await blobs.add(data, FederationId(bytes(32)), 0)
        sys.stdout.write(ref.id.hex() + "\\n")
        sys.stdout.flush()
        number += 1

asyncio.run(main())
"""


def told_until_killed(home: Path, after_s: float) -> list[str]:
    """Return the ids that a process told of before it was killed."""
    with subprocess.Popen(
        [sys.executable, "-c", ADDER, str(home)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told = [process.stdout.readline().strip()]
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)
        return told + [line.strip() for line in process.stdout if line.endswith("\n")]


@pytest.mark.parametrize("after_s", [0.0, 0.013, 0.031, 0.057])
async def test_killed_process_leaves_no_half_blob_and_loses_none_that_it_told_of(
    tmp_path: Path, after_s: float
) -> None:
    told = told_until_killed(tmp_path, after_s)
    bare = [path for path in (tmp_path / "blobs").iterdir() if not path.suffix]

    for path in bare:
        assert blob_id(split(path.read_bytes())).hex() == path.name
    blobs = Blobs(tmp_path)
    for name in told:
        assert await blobs.read(BlobId(bytes.fromhex(name))) is not None
    assert all(len(path.name) == 64 for path in (tmp_path / "blobs").iterdir())
    await blobs.close()
