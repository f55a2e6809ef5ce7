"""A disk that stands still for as long as a test wants: see `stalling.c`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COMPILER = os.environ.get("CC", "cc")
SOURCE = Path(__file__).with_name("stalling.c")


class StallingDisk:
    """What a process is started with whose disk can be stopped."""

    def __init__(self, folder: Path) -> None:
        """Skips the test where there is no compiler, or no Linux."""
        if sys.platform != "linux" or shutil.which(COMPILER) is None:
            pytest.skip(f"no C compiler ({COMPILER}) here, or no Linux")
        library, self._stall = folder / "stalling.so", folder / "stall"
        command = [COMPILER, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE)]
        subprocess.run([*command, "-ldl"], check=True)
        self.environment = os.environ | {
            "LD_PRELOAD": str(library),
            "STALL_FILE": str(self._stall),
        }

    def stop(self) -> None:
        """Let no sync return from now on."""
        self._stall.touch()

    def go_on(self) -> None:
        """Let them return."""
        self._stall.unlink()
