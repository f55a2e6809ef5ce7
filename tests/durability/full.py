"""A full disk: the node refuses clearly, loses nothing, and goes on once there is room.

`python -m tests.durability.full FOLDER` does it on a small file system of its own; it is run by
`run` in namespaces of its own (`unshare -rm`), where it may mount one.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from functools import lru_cache
from pathlib import Path

from click.testing import CliRunner
from tests.durability.kill import demand
from tests.durability.recorded import ROOT, run_worker
from tests.durability.worker import ACKNOWLEDGED, Answer, Task, acknowledged_in
from tests.durability.workload import OWN, judge, zeros

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.main import sheaf
from sheaf_node.store import Store
from sheaf_protocol.errors import Refusal
from sheaf_protocol.json_view import to_json
from sheaf_services.demo.ports import free_ports

NAMESPACES = ("unshare", "--user", "--map-root-user", "--mount")
NO_NAMESPACES = "no user namespaces here: `unshare --user --mount` does not work"
SMALL, LARGE = "size=3m", "size=64m"
RESERVE_MB = 1
PATIENCE_S = 60.0
MOST_RECORDS = 20_000


@lru_cache(maxsize=1)
def has_namespaces() -> bool:
    """Return whether a file system can be mounted in a namespace of our own."""
    if shutil.which("unshare") is None or shutil.which("mount") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        command = [*NAMESPACES, "mount", "-t", "tmpfs", "-o", SMALL, "tmpfs", folder]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def run() -> list[str]:
    """Fill a small file system; return what was wrong."""
    if not has_namespaces():
        return [NO_NAMESPACES]
    with tempfile.TemporaryDirectory() as folder:
        command = [*NAMESPACES, sys.executable, "-m", "tests.durability.full", folder]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        return [f"expected the run to end, got: {done.stderr[-2000:]}"]
    found: list[str] = json.loads(done.stdout)
    return found


def run_limited(folder: Path) -> list[str]:
    """Let the system refuse to let a file grow, which needs no rights; return what was wrong."""
    task = Task(folder=str(folder), seed=1, rounds=200, largest_file=300_000)
    return _stopped(run_worker(task)) + _goes_on(folder, folder)


def _stopped(answer: Answer) -> list[str]:
    codes = [answer.working, *answer.after]
    return [] if codes == ["store.failed"] * 3 else [f"expected store.failed thrice, got {answer}"]


def _goes_on(folder: Path, notes: Path) -> list[str]:
    """Open the store now that there is room, and write more."""
    told = acknowledged_in((notes / ACKNOWLEDGED).read_bytes())
    found = [] if told else ["expected something to be acknowledged before"]
    verdict = asyncio.run(_judged(folder, told))
    if verdict.lost or verdict.faults:
        found.append(f"expected all {len(told)} acknowledged entries, got {verdict}")
    answer = run_worker(Task(folder=str(folder), seed=2, rounds=20, notes=str(notes)))
    return found if answer == Answer() else [*found, f"expected it to go on, got {answer}"]


async def _judged(folder: Path, told: dict) -> object:
    store = Store.open(folder / "sheaf.db", random=zeros, own=OWN)
    verdict = judge(store, told)
    await store.close()
    return verdict


def _inside(root: Path) -> list[str]:
    """Do it on a file system that only this process and its children see."""
    disk, notes = root / "disk", root / "notes"
    disk.mkdir()
    notes.mkdir()
    _mount("-t", "tmpfs", "-o", SMALL, "tmpfs", disk)
    found = _stopped(run_worker(Task(folder=str(disk), seed=1, rounds=5_000, notes=str(notes))))
    full = run_worker(Task(folder=str(disk), seed=1, rounds=1, notes=str(notes)))
    if full.opening not in {None, "store.unreadable"}:
        found.append(f"expected a start on a full disk to be refused clearly, got {full}")
    _mount("-o", f"remount,{LARGE}", disk)
    found += _goes_on(disk, notes)
    shutil.rmtree(disk, ignore_errors=True)
    _mount("-o", "remount,size=8m", disk)
    return found + _node_refuses(disk)


def _node_refuses(disk: Path) -> list[str]:
    """Publish on a real node until it keeps what is left of the disk for itself."""
    home, ports = disk / "home", free_ports(2)
    _done("init", "Hill", "--peer-port", ports[0], "--local-port", ports[1], "--home", home)
    _done("federation", "create", "Vale", "--home", home)
    with (home / "sheaf.toml").open("a") as settings:
        settings.write(f"\n[limits]\ndisk_reserve_mb = {RESERVE_MB}\n")
    command = [sys.executable, "-m", "sheaf_node", "serve", "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            client = _answering(home)
            refused = next(filter(None, (_publish(client, n) for n in range(MOST_RECORDS))), None)
            is_full = client.get("/api/v1/status")["disk"]["is_full"]
            _mount("-o", f"remount,{LARGE}", disk)
            afterwards = _publish(client, MOST_RECORDS)
        finally:
            process.kill()
    got = (refused, is_full, afterwards)
    return [] if got == ("quota.disk", True, None) else [f"expected quota.disk and back, got {got}"]


def _publish(client: NodeClient, number: int) -> str | None:
    record = to_json(demand(str(number)))
    try:
        client.post("/api/v1/records/demand.submit", json.dumps({"record": record}).encode())
    except Refusal as refusal:
        return refusal.code
    return None


def _answering(home: Path) -> NodeClient:
    client, end = NodeClient(home), time.monotonic() + PATIENCE_S
    while True:
        try:
            client.get("/api/v1/status")
        except Refusal:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return client


def _done(*args: object) -> None:
    result = CliRunner().invoke(sheaf, [str(arg) for arg in args])
    if result.exit_code != 0:
        raise RuntimeError(f"expected sheaf {args[0]} to work, got: {result.output}")


def _mount(*args: object) -> None:
    subprocess.run(["mount", *map(str, args)], check=True)


if __name__ == "__main__":
    print(json.dumps(_inside(Path(sys.argv[1]))))
