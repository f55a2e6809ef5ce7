"""What a process that runs a service asks of its system before it loads any code of the service."""

from __future__ import annotations

import os
import resource
import sys
import threading
import traceback
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_OOM: Final = Path("/proc/self/oom_score_adj")
_FIRST_ENDED: Final = 500
"""Of a thousand: of what takes as much memory this is ended first."""
_LOWER: Final = 10
"""Steps of priority below the node's."""


def hold_memory(mib: int) -> None:
    """Let this process, and each that it starts, have so much memory at the most."""
    size = mib << 20
    # Not every system holds to it; none lets a process raise it again.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (size, size))


def give_way() -> None:
    """Compute when the node does not, and be ended in its place where memory is short."""
    with suppress(OSError):
        _OOM.write_text(f"{_FIRST_ENDED}")
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        os.nice(_LOWER)


def end_with(given: BinaryIO) -> None:
    """End this process once a pipe ends: who holds its other end is no more."""
    threading.Thread(target=_wait, args=(given,), daemon=True).start()


@contextmanager
def leaving() -> Iterator[None]:
    """End this process when what is done here is over, whatever threads a service began."""
    try:
        yield
    except Refusal as refusal:
        sys.stderr.write(f"{refusal}\n")
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(1)


def _wait(given: BinaryIO) -> None:
    while given.read(1):
        pass
    sys.stderr.flush()
    os._exit(0)
