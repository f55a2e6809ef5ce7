"""Long computations in a process of their own.

A solver's native library stays out of the node, cannot block its loop, and gives its memory back
when it ends. One process for each job, started by `spawn` so that it inherits no lock and no file.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess


async def run_apart(function: Callable[..., object], *args: object) -> object:
    """Return what the function returns in a fresh process; its exceptions are raised here.

    None where the process died without an answer: the system was short of memory, or a native
    library crashed. That is no fault of the service, which finds None under its key.
    """
    executor = ProcessPoolExecutor(
        max_workers=1,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_end_with_parent,
    )
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, function, *args)
    except BrokenExecutor:
        return None
    finally:
        _stop(executor)


def _stop(executor: ProcessPoolExecutor) -> None:
    """End the process whether its job is done or was cancelled."""
    processes = list((getattr(executor, "_processes", None) or {}).values())
    executor.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()


def _end_with_parent() -> None:
    """Leave nothing behind when the node is killed without a chance to say goodbye."""
    # Ctrl-C in a terminal reaches us as well; the node ends us in order, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
