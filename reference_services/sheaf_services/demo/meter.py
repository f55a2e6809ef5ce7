"""What the demo costs this computer: CPU over all processes, and memory at one instant.

Memory is the proportional set size, which shares out pages that several processes map, so the sum
over processes is what they really occupy. Read from Linux's /proc; elsewhere it stays unknown.
"""

from __future__ import annotations

import os
import resource
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

INTERVAL_S = 1.0


class Meter:
    """Samples memory in the background between `start` and `stop`."""

    def __init__(self, pids: Callable[[], Iterable[int]]) -> None:
        self._pids = pids
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._began = time.monotonic()
        self._cpu_began = _cpu_s()
        self._peak_kb = 0

    def start(self) -> None:
        """Begin to sample."""
        self._thread.start()

    def stop(self) -> None:
        """Sample no more."""
        self._stop.set()
        self._thread.join()

    @property
    def wall_s(self) -> float:
        """Seconds since the meter was made."""
        return round(time.monotonic() - self._began, 1)

    @property
    def peak_mb(self) -> float:
        """The most memory at one sampled instant, in MiB."""
        return round(self._peak_kb / 1024, 1)

    @property
    def cpu_s(self) -> float:
        """CPU seconds of this process and all that ended under it; complete once all ended."""
        return round(_cpu_s() - self._cpu_began, 1)

    def _sample(self) -> None:
        while not self._stop.is_set():
            pids = _with_children([os.getpid(), *self._pids()])
            self._peak_kb = max(self._peak_kb, sum(_pss_kb(pid) for pid in pids))
            self._stop.wait(INTERVAL_S)


def _cpu_s() -> float:
    own, ended = (
        resource.getrusage(resource.RUSAGE_SELF),
        resource.getrusage(resource.RUSAGE_CHILDREN),
    )
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime


def _with_children(pids: list[int]) -> set[int]:
    """Return the processes and their children: a node's solver runs in a process of its own."""
    found = set(pids)
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) in found:
            found.add(int(path.parent.name))
    return found


def _pss_kb(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
