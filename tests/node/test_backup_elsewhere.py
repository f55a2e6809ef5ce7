"""The computer is gone: on another there are a copy of the backup and the sheet, nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .test_cli_identity import command, done, found, make_home, publish, serving, sheet_in

PATIENCE_S = 240


class Computer:
    """A folder that stands for another computer: no setting, no home, no variable of the first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        self.env = {"HOME": str(folder), "PATH": path, "PYTHONPATH": ":".join(sys.path)}

    def run(self, *args: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*args),
            capture_output=True,
            text=True,
            check=False,
            env=self.env,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE_S,
        )


@pytest.fixture
def other(tmp_path: Path) -> Computer:
    """Another computer, with Hill's newest backup and its sheet; Hill's own is no more."""
    hill, other = make_home(tmp_path / "hill", "Hill"), Computer(tmp_path / "other")
    found(tmp_path, hill)
    sheet_in(hill, other.folder / "sheet")
    with serving(hill):
        publish(hill, ["r1", "r2"])
    done("backup", "create", "--out", other.folder / "file", "--home", hill)
    shutil.rmtree(hill)
    return other


def test_the_sheet_alone_brings_a_home_back_on_another_computer(other: Computer) -> None:
    restored = other.run("backup", "restore", "file", "--sheet", "sheet", "--yes")

    assert restored.returncode == 0, restored.stderr
    home = other.folder / ".local" / "share" / "sheaf"
    shown = json.loads(done("identity", "show", "--json", "--home", home))
    assert shown["name"] == "Hill"
    assert other.run("verify").returncode == 0
    with serving(home):
        [federation] = json.loads(done("status", "--json", "--home", home))["federations"]
    assert federation["entries"] >= 2


def test_the_sheet_of_somebody_else_is_named_and_writes_nothing(
    other: Computer, tmp_path: Path
) -> None:
    mill = make_home(tmp_path / "mill", "Mill")
    sheet_in(mill, other.folder / "wrong")
    before = sorted(other.folder.rglob("*"))

    refused = other.run("backup", "restore", "file", "--sheet", "wrong", "--yes")

    assert refused.returncode == 1
    assert refused.stderr.endswith("[key.sheet]\n"), refused.stderr
    assert sorted(other.folder.rglob("*")) == before
