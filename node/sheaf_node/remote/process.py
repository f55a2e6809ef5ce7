"""A process that a node starts for one service, and what it says.

It is a `sheaf service run` like any other: it gets a token for its own addresses, and nothing else
of the node's. What goes wrong in it stays in it:

1. It raises or exits. It is a process that ended.
2. It takes memory without end. Beyond `MEMORY_MIB` it gets none, and ends.
3. It computes without end. It has a lower priority than the node, and is ended when it misses its
   steps (`restarts`).
4. It writes without end. Its output is read slowly, which stops it, and of its lines so many a
   minute are logged.
5. The node is killed. Its standard input ends, and with that the process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

MEMORY_MIB: Final = 1_024
"""Of addresses, of which an interpreter with its libraries takes a third."""
MOST_LINES: Final = 60
"""Lines of one process that are logged in a minute."""
MAX_LINE: Final = 500
_CHUNK: Final = 8_192
_PAUSE_S: Final = 0.05
"""Between two reads: 160 KiB a second is more than anybody reads."""
_QUIET_S: Final = 0.5
"""Until it is looked again whether one that said nothing says something."""
_MINUTE_MS: Final = 60_000
_GRACE_S: Final = 1.0
_LOOKS: Final = 20
_HANDED_ON: Final = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
"""Of the node's environment; the rest, with what secrets there are, is not the service's."""
_UNFIT: Final = re.compile(r"[^\x20-\x7e\xa0-\uffff]")
_LOG = logging.getLogger("sheaf.service")


class Process:
    """One process that runs.

    It is looked at and not waited for: whoever took over its output could hold it open for ever.
    """

    def __init__(self, name: str, running: subprocess.Popen[bytes], folder: Path) -> None:
        self._name, self._running, self._folder = name, running, folder

    @classmethod
    async def start(cls, name: str, arguments: Sequence[str], token: str, folder: Path) -> Process:
        """Start `sheaf` with these arguments and the token on its standard input. Raises OSError.

        In a session of its own: what it started ends with it, and Ctrl-C is the node's alone.
        """
        command = [sys.executable, "-P", "-m", "sheaf_node", *arguments]
        environment = handed_on(os.environ)
        running = await asyncio.to_thread(_opened, command, folder, environment)
        process = cls(name, running, folder)
        try:
            os.write(_descriptor(running.stdin), f"{token}\n".encode())
        except OSError:
            await process.end()
            raise
        return process

    @property
    def status(self) -> int | None:
        """Its exit status once it has ended."""
        return self._running.poll()

    async def log(self, now_ms: Callable[[], int]) -> None:
        """Log what it says, within bounds, until it says no more."""
        lines, rest = Lines(), ""
        while True:
            try:
                chunk = os.read(_descriptor(self._running.stdout), _CHUNK)
            except BlockingIOError:
                await asyncio.sleep(_QUIET_S)
                continue
            if not chunk:
                return
            *whole, rest = (rest + chunk.decode(errors="replace")).split("\n")
            rest = rest[:MAX_LINE]
            for line in whole:
                if lines.take(now_ms()):
                    _LOG.warning("%s: %s", self._name, self._shown(line))
            await asyncio.sleep(_PAUSE_S)

    def _shown(self, line: str) -> str:
        """Return a line with its own files named as its author knows them, not as a long path."""
        return shown(line.replace(str(self._folder), self._name))

    async def end(self) -> None:
        """End it with all that it started, by a word first and then by force."""
        self._signal(signal.SIGTERM)
        for _ in range(_LOOKS):
            if self.status is not None:
                break
            await asyncio.sleep(_GRACE_S / _LOOKS)
        # Its group outlives it where it started others.
        self._signal(signal.SIGKILL)
        while self.status is None:  # noqa: ASYNC110 - the system ends it, whatever it does
            await asyncio.sleep(_PAUSE_S)
        for pipe in (self._running.stdin, self._running.stdout):
            if pipe is not None:
                pipe.close()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._running.pid, number)


def _opened(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    running = subprocess.Popen(  # noqa: S603 - our own interpreter and command
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        cwd=folder,
        env=environment,
        start_new_session=True,
    )
    os.set_blocking(_descriptor(running.stdout), False)
    return running


def _descriptor(pipe: IO[bytes] | None) -> int:
    assert pipe is not None  # noqa: S101 - pipes were asked for
    return pipe.fileno()


class Lines:
    """How many lines of one process may still be logged."""

    def __init__(self) -> None:
        self._since_ms, self._count = 0, 0

    def take(self, now_ms: int) -> bool:
        """Return whether one more is logged at this time."""
        if now_ms - self._since_ms >= _MINUTE_MS:
            self._since_ms, self._count = now_ms, 0
        self._count += 1
        return self._count <= MOST_LINES


def shown(line: str) -> str:
    """Return a line as it may stand in a log: in one line, without what moves a cursor."""
    return _UNFIT.sub("?", line[:MAX_LINE])


def handed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a service's process is told of the node's environment."""
    return {name: environment[name] for name in _HANDED_ON if name in environment}
