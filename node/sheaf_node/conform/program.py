"""A program under test: started without a shell, spoken to by lines, ended at the end."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process, SubprocessStreamProtocol
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sheaf_node.conform.line import MAX_LINE
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import AsyncIterator, Sequence

STOP_S: Final = 2.0
"""How long a program may take to end by itself once it has no more to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A running program and its two pipes; what it writes for people goes where ours goes."""

    process: Process
    lines_in: StreamWriter
    lines_out: StreamReader

    async def end_told(self) -> str:
        """Return how a program ended whose output did."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                status = await self.process.wait()
                how = f"by signal {-status}" if status < 0 else f"with status {status}"
                return f"the program ended {how}"
        return "the program closed its output"


@asynccontextmanager
async def program(command: Sequence[str]) -> AsyncIterator[Program]:
    """Run a command while the block runs. Raises Refusal `conform.program` where none starts."""
    loop = asyncio.get_running_loop()
    try:
        # As `create_subprocess_exec` does, which keeps the transport to itself.
        transport, protocol = await loop.subprocess_exec(
            lambda: SubprocessStreamProtocol(limit=MAX_LINE, loop=loop),
            *command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=None,
            start_new_session=True,  # a group to itself: its own children end with it
        )
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the command
        reason = exc.strerror if isinstance(exc, OSError) else exc
        detail = f"expected a program that starts, {command[0]!r}, got: {reason}"
        raise Refusal("conform.program", detail) from exc
    process = Process(transport, protocol, loop)
    if process.stdin is None or process.stdout is None:
        raise AssertionError("both are pipes")
    running = Program(process=process, lines_in=process.stdin, lines_out=process.stdout)
    try:
        yield running
    finally:
        await _end(running)
        transport.close()


async def _end(running: Program) -> None:
    """End by force what runs still, and read what was written and nobody wants."""
    process, lines_out = running.process, running.lines_out
    # A program that ended and whose output is open left a child behind.
    if process.returncode is None or not lines_out.at_eof():
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    running.lines_in.close()
    # A child that left the group may hold the output for longer, and is not waited for.
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_S):
            while await lines_out.read(MAX_LINE):
                pass
            await process.wait()
