"""The node of `load.py`: its home, its settings, its process."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from load_commands import EXTENSION

from sheaf_node.charter_file import FOLDER, CharterFile
from sheaf_node.config import CONFIG_FILE
from sheaf_node.keyring import create_keyring
from sheaf_node.kinds import Kinds
from sheaf_protocol.charter import Certificate, Member, approve, genesis_body
from sheaf_protocol.codec import encode
from sheaf_protocol.identity import fold_key_log

if TYPE_CHECKING:
    from load_peers import World

    from sheaf_protocol.digest import FederationId

HERE: Final = Path(__file__).parent
QUOTA_KIB: Final = 128
"""`limits.peer_kib_per_s` of the run: some 170 entries a second, six times what a peer brings."""


def make_home(home: Path, world: World, ports: tuple[int, int], peers: int) -> FederationId:
    """Make the home of one more member of a federation; return the federation's id."""
    now_ms = world.began_ms
    keyring = create_keyring(home, name="Bench", country="GB", random=os.urandom, now_ms=now_ms)
    (home / CONFIG_FILE).write_text(
        f'name = "Bench"\npeer_port = {ports[0]}\nlocal_port = {ports[1]}\n'
        f"[limits]\nlinks = {2 * peers}\nlinks_per_address = {2 * peers}\nhandshakes = {peers}\n"
        f"peer_kib_per_s = {QUOTA_KIB}\n"
    )
    coops, own = world.coops(), fold_key_log(keyring.key_ops)
    named = [(coop.cid, coop.keys.head) for coop in coops] + [(own.cid, own.head)]
    members = [
        Member(cid=cid, is_suspended=False, key_head=head, roles=["member"]) for cid, head in named
    ]
    body = genesis_body("Bench", members, bytes(16))
    approvals = [approve(body, coop.cid, coop.manager) for coop in coops]
    approvals.append(approve(body, own.cid, keyring.require_manager()))
    certificate = Certificate(approvals=approvals, body=body)
    key_logs = [list(keyring.key_ops), *(list(coop.key_ops) for coop in coops)]
    Kinds(home).add(json.dumps(EXTENSION).encode())
    charter = home / FOLDER / f"{certificate.fid.hex()}.charter"
    charter.parent.mkdir()
    charter.write_bytes(encode(CharterFile(certificate=certificate, key_logs=key_logs)))
    return certificate.fid


def counting(folder: Path) -> dict[str, str]:
    """Return the environment that counts syncs; empty where there is no C compiler."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        return {}
    library = folder / "load_syncs.so"
    source = HERE / "load_syncs.c"
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return {"LD_PRELOAD": str(library)}


async def until_listening(port: int, node: subprocess.Popen[bytes]) -> None:
    """Return once something listens."""
    until_s = time.monotonic() + 180
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert node.poll() is None, "expected the node to run"
            assert time.monotonic() < until_s, "expected the node to listen"
            await asyncio.sleep(0.2)
        else:
            return


def end(node: subprocess.Popen[bytes]) -> None:
    """Stop the node as an operator does."""
    node.terminate()
    node.wait(timeout=30)


def kill(swarm: asyncio.subprocess.Process) -> None:
    """End the peers, where they have not ended."""
    if swarm.returncode is None:
        swarm.kill()


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
