"""A disk that is full while a home is backed up or upgraded: refused, and nothing is lost.

`python -m tests.durability.full_home FOLDER` does it on a small file system of its own; `run` runs
it in namespaces of its own, as that of `full` does.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from tests.durability.full import NAMESPACES, NO_NAMESPACES, has_namespaces
from tests.durability.recorded import ROOT
from tests.node.aged import OldStore
from tests.node.backing import make_backed

from sheaf_node.store import DATABASE
from sheaf_node.upgrading.census import take_census

BALLAST_MB = 4
SPARE_MB = (0, 1, 3)
"""Less than the copy, in three sizes: at once, early and late in it."""
LARGE = "size=128m"


def run() -> list[str]:
    """Fill a small file system; return what was wrong."""
    if not has_namespaces():
        return [NO_NAMESPACES]
    with tempfile.TemporaryDirectory() as folder:
        command = [*NAMESPACES, sys.executable, "-m", "tests.durability.full_home", folder]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        return [f"expected the run to end, got: {done.stderr[-2000:]}"]
    found: list[str] = json.loads(done.stdout)
    return found


def _inside(root: Path) -> list[str]:
    disk = root / "disk"
    disk.mkdir()
    _mount("-t", "tmpfs", "-o", LARGE, "tmpfs", disk)
    home = disk / "home"
    backed = make_backed(home)
    OldStore(home / DATABASE, backed.coop)
    _weigh_down(home / DATABASE)
    before, found = take_census(home / DATABASE), []
    for spare_mb in SPARE_MB:
        _mount("-o", f"remount,size={_used(disk) + (spare_mb << 20)}", disk)
        found += _refused({"backup.write"}, "backup", "create", "--out", disk / "file", home=home)
        # Where there is no room for a line not even the lock can be taken.
        codes = {"upgrade.room"} if spare_mb else {"upgrade.room", "store.unreadable"}
        found += _refused(codes, "upgrade", "apply", home=home)
        left = sorted(path.name for path in disk.iterdir())
        if left != ["home"] or take_census(home / DATABASE) != before:
            found.append(f"expected the home as it was and nothing beside it, got {left}")
    _mount("-o", f"remount,{LARGE}", disk)
    found += _done("backup", "create", "--out", disk / "file", home=home)
    found += _done("upgrade", "apply", home=home)
    found += _done("upgrade", "rollback", "--yes", home=home)
    if take_census(home / DATABASE) != before:
        found.append("expected the store of before once there was room")
    shutil.rmtree(disk, ignore_errors=True)
    return found


def _weigh_down(database: Path) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE ballast (data)")
        for _ in range(BALLAST_MB):
            connection.execute("INSERT INTO ballast VALUES (randomblob(1048576))")


def _used(disk: Path) -> int:
    found = os.statvfs(disk)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def _sheaf(*args: object, home: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sheaf_node", *map(str, args), "--home", str(home)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _refused(codes: set[str], *args: object, home: Path) -> list[str]:
    got = _sheaf(*args, home=home)
    is_so = got.returncode == 1 and got.stderr.rpartition("[")[2].rstrip("]\n") in codes
    return [] if is_so else [f"expected {args[:2]} to be refused with {codes}, got {got}"]


def _done(*args: object, home: Path) -> list[str]:
    got = _sheaf(*args, home=home)
    return [] if got.returncode == 0 else [f"expected {args[:2]} to work, got {got}"]


def _mount(*args: object) -> None:
    subprocess.run(["mount", *map(str, args)], check=True)


if __name__ == "__main__":
    print(json.dumps(_inside(Path(sys.argv[1]))))
